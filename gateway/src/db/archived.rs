//! Archived markets: they have left their shard's state, the view and Redis; Postgres keeps them.

use std::cmp::Reverse;

use schemas::ids::LogPosition;
use schemas::text::Ticker;
use schemas::{Credits, MarketId, Shard};

use super::boot::{MARKET_COLUMNS, market, trade};
use super::{Database, DbError, Timed, positioned, rows};
use crate::read_models::TickerData;
use crate::shapes::PublicTrade;
use crate::shapes::market::MarketShape;
use crate::view::topics::MarketTopic;

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

    /// Reads a market's last trades, newest first.
    pub async fn last_trades(
        &self,
        id: MarketId,
        home: Shard,
        limit: usize,
    ) -> Result<(Vec<PublicTrade>, Vec<LogPosition>), DbError> {
        let _timed = Timed::start(&self.times.last_trades);
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let (found, at) = self.read(Some(home), &positioned(LAST_TRADES), &[&rows::to_i64(id.0), &most]).await?;
        let trades = found.iter().map(|row| Ok(trade(row)?.1)).collect::<Result<Vec<_>, DbError>>();
        let mut trades = trades?;
        trades.sort_by_key(|trade| Reverse((trade.time, trade.trade_id)));
        Ok((trades, at))
    }
}

const LAST_TRADES: &str = "SELECT id, market_id, price, quantity, kind, taker_entry, created_at FROM trades \
    WHERE market_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2";

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
