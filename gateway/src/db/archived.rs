//! Archived markets: they have left their shard's state, the view and Redis; Postgres keeps them.

use std::cmp::Reverse;

use schemas::ids::LogPosition;
use schemas::text::Ticker;
use schemas::{Credits, MarketId, Shard, Timestamp, TradeId};
use tokio_postgres::types::ToSql;

use super::boot::{MARKET_COLUMNS, market, trade};
use super::{Database, DbError, Timed, positioned, rows};
use crate::read_models::TickerData;
use crate::shapes::PublicTrade;
use crate::shapes::market::MarketShape;
use crate::view::topics::MarketTopic;

/// The key of a trade among a market's.
pub type TradePlace = (Timestamp, TradeId);

/// A page of a market's trades, newest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TradesWanted {
    /// The market.
    pub market: MarketId,
    /// Its home.
    pub home: Shard,
    /// The first moment of the range.
    pub since: Option<Timestamp>,
    /// The place before the page: the last trade of the previous page.
    pub after: Option<TradePlace>,
    /// The length of the page.
    pub limit: usize,
}

/// A market with its last figures.
pub type Archived = (MarketShape, TickerData);

impl Database {
    /// Reads a market of this home, archived or not.
    pub async fn market(&self, id: MarketId, home: Shard) -> Result<(Option<Archived>, Vec<LogPosition>), DbError> {
        let _timed = Timed::start(&self.times.market);
        let sql = format!(
            "SELECT {MARKET_COLUMNS}, last_price, last_trade_at, volume, collateral, created_at FROM markets \
             WHERE id = $1"
        );
        let (found, at) = self.read(Some(home), &positioned(&sql), &[&rows::to_i64(id.0)]).await?;
        Ok((found.first().map(with_figures).transpose()?, at))
    }

    /// Reads settled markets in order of ticker, starting after `after`: those that the view may
    /// not have.
    pub async fn settled_markets(
        &self,
        after: Option<&Ticker>,
        topics: &[MarketTopic],
        limit: usize,
    ) -> Result<Vec<MarketShape>, DbError> {
        let _timed = Timed::start(&self.times.settled_markets);
        let (mut state, mut category, mut tag, mut event) = (None, None, None, None);
        for topic in topics {
            match topic {
                MarketTopic::State(wanted) => state = Some(wanted.name()),
                MarketTopic::Category(label) => category = Some(label.as_str()),
                MarketTopic::Tag(label) => tag = Some(label.as_str()),
                MarketTopic::Event(id) => event = Some(rows::to_i64(id.0)),
            }
        }
        // Filters that are not set are left out of the text: a plan for all cases would use no
        // index.
        let only = |wanted: bool, condition, otherwise| if wanted { condition } else { otherwise };
        let sql = format!(
            "SELECT {MARKET_COLUMNS} FROM markets WHERE settled AND ticker COLLATE \"C\" > $1 \
             AND {} AND {} AND {} AND {} ORDER BY ticker COLLATE \"C\" LIMIT $2",
            only(state.is_some(), "state = $3", "$3::text IS NULL"),
            only(category.is_some(), "category = $4", "$4::text IS NULL"),
            only(tag.is_some(), "tags @> ARRAY[$5]", "$5::text IS NULL"),
            only(event.is_some(), "event_id = $6", "$6::bigint IS NULL"),
        );
        let after = after.map_or("", Ticker::as_str);
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = self.query(&sql, &[&after, &most, &state, &category, &tag, &event]).await?;
        found.iter().map(market).collect()
    }

    /// Reads a page of a market's trades, newest first. Returns whether more follow.
    pub async fn trades(&self, wanted: &TradesWanted) -> Result<(Vec<PublicTrade>, bool, Vec<LogPosition>), DbError> {
        let _timed = Timed::start(&self.times.last_trades);
        let (time, id) = wanted.after.unwrap_or((Timestamp(u64::MAX), TradeId(u64::MAX)));
        let (market, time, id) = (rows::to_i64(wanted.market.0), rows::to_time(time), rows::to_i64(id.0));
        let (most, since) = (i64::try_from(wanted.limit + 1).unwrap_or(i64::MAX), wanted.since.map(rows::to_time));
        let sql = page_of_trades(since.is_some());
        let parameters: [&(dyn ToSql + Sync); 5] = [&market, &most, &time, &id, &since];
        let (found, at) = self.read(Some(wanted.home), &positioned(&sql), &parameters).await?;
        let trades = found.iter().map(|row| Ok(trade(row)?.1)).collect::<Result<Vec<_>, DbError>>();
        let mut trades = trades?;
        trades.sort_by_key(|trade| Reverse((trade.time, trade.trade_id)));
        let more = trades.len() > wanted.limit;
        trades.truncate(wanted.limit);
        Ok((trades, more, at))
    }
}

/// Makes the query of a page. The first condition is the cursor; the second excludes the months
/// after it. A filter that is not set is left out of the text.
fn page_of_trades(since: bool) -> String {
    let since = if since { "created_at >= $5" } else { "$5::timestamptz IS NULL" };
    format!(
        "SELECT id, market_id, price, quantity, kind, taker_entry, created_at FROM trades \
         WHERE market_id = $1 AND (created_at, id) < ($3, $4) AND created_at <= $3 AND {since} \
         ORDER BY created_at DESC, id DESC LIMIT $2"
    )
}

/// An archived market has no resting orders and no positions.
fn with_figures(row: &tokio_postgres::Row) -> Result<Archived, DbError> {
    let figures = TickerData {
        best_bid: None,
        best_ask: None,
        last_price: row.get::<_, Option<i32>>("last_price").map(rows::price).transpose()?,
        last_time: row.get::<_, Option<time::OffsetDateTime>>("last_trade_at").map(rows::timestamp).transpose()?,
        volume: rows::unsigned(row.get("volume"), "volume")?,
        collateral: Credits(row.get("collateral")),
        open_interest: 0,
        created_at: rows::timestamp(row.get("created_at"))?,
    };
    Ok((market(row)?, figures))
}
