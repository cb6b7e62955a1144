//! An account's fills: its sides of trades.

use std::cmp::Reverse;

use schemas::event::TradeKind;
use schemas::ids::LogPosition;
use schemas::{AccountId, Credits, Entry, MarketId, OrderId, Shard, Timestamp, TradeId};
use serde::{Serialize, Serializer};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use utoipa::ToSchema;

use super::{Database, DbError, Timed, positioned, rows};
use crate::openapi::described_by;
use crate::openapi::scalars::{ContractName, MarketIdText, OrderIdText, SideName, TickerText, TimeText, TradeKindName};
use crate::shapes::{Fill, Iso, Order, TradeRole};

/// A fill with its order and market.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FillRow {
    /// The fill.
    pub fill: Fill,
    /// The order.
    pub order: OrderId,
    /// The market.
    pub market: MarketId,
    /// The market's ticker, if the projection has it.
    pub ticker: Option<String>,
    /// Contract and side of the order.
    pub entry: Entry,
    /// The trade's effect on outstanding contracts.
    pub kind: TradeKind,
    /// The time of the trade.
    pub time: Timestamp,
}

/// The fields of a fill in JSON.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedFill)]
struct FillFields<'a> {
    #[serde(flatten)]
    fill: Fill,
    #[schema(value_type = OrderIdText)]
    order_id: String,
    #[schema(value_type = MarketIdText)]
    market_id: String,
    /// Null while the projection has not seen the market.
    #[schema(value_type = Option<TickerText>, required)]
    ticker: Option<&'a str>,
    #[schema(value_type = ContractName)]
    contract: &'static str,
    #[schema(value_type = SideName)]
    side: &'static str,
    #[schema(value_type = TradeKindName)]
    kind: &'static str,
    #[schema(value_type = TimeText)]
    time: String,
}

described_by!(FillRow, FillFields<'static>);

impl Serialize for FillRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape = FillFields {
            fill: self.fill,
            order_id: self.order.to_string(),
            market_id: self.market.to_string(),
            ticker: self.ticker.as_deref(),
            contract: self.entry.contract().name(),
            side: self.entry.side().name(),
            kind: self.kind.name(),
            time: Iso(self.time).to_string(),
        };
        shape.serialize(serializer)
    }
}

/// The key of a fill among an account's: an account may be on both sides of a trade.
pub type FillPlace = (Timestamp, TradeId, TradeRole);

/// A page of an account's fills, newest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FillsWanted {
    /// The account.
    pub account: AccountId,
    /// Only of this market.
    pub market: Option<MarketId>,
    /// Only of this order.
    pub order: Option<OrderId>,
    /// The shard of all fills that the filters allow, if it is one.
    pub shard: Option<Shard>,
    /// The first moment of the range.
    pub since: Option<Timestamp>,
    /// The place before the page: the last fill of the previous page.
    pub after: Option<FillPlace>,
    /// The length of the page.
    pub limit: usize,
}

/// A page, whether more follow, and the positions it is as of.
pub type FillPage = (Vec<FillRow>, bool, Vec<LogPosition>);

/// Makes the query for these filters. Each half uses the index of its filter, newest first, however
/// many other fills the account has; a filter that is not set is left out of the text, because a
/// plan for all cases would use no index.
fn page_of(market: bool, order: bool, since: bool) -> String {
    let half = |role: i32, side: &str| {
        let market = if market { "market_id = $5" } else { "$5::bigint IS NULL" };
        let order = if order { format!("{side}_order_id = $7") } else { "$7::bigint IS NULL".to_owned() };
        let since = if since { "created_at >= $8" } else { "$8::timestamptz IS NULL" };
        format!(
            "(SELECT id, market_id, price, quantity, kind, created_at, {role} AS role, {side}_order_id AS order_id, \
               {side}_entry AS entry, {side}_fee AS fee FROM trades \
             WHERE {side}_account_id = $1 AND created_at <= $2 AND (created_at, id, {role}) < ($2, $3, $4) \
               AND {market} AND {order} AND {since} \
             ORDER BY created_at DESC, id DESC LIMIT $6)"
        )
    };
    let (maker, taker) = (half(0, "maker"), half(1, "taker"));
    format!(
        "SELECT f.*, m.ticker FROM ({maker} UNION ALL {taker}) f LEFT JOIN markets m ON m.id = f.market_id \
         ORDER BY f.created_at DESC, f.id DESC, f.role DESC LIMIT $6"
    )
}

/// A taker's fills come with it or with its last amendments; a maker's until its last change. The
/// bounds limit the search to a few months.
const FILLS_OF_ORDER: &str = "SELECT id, market_id, price, quantity, kind, created_at, 0 AS role, maker_order_id AS order_id, \
       maker_entry AS entry, maker_fee AS fee, NULL::text AS ticker FROM trades \
     WHERE maker_account_id = $1 AND maker_order_id = $2 AND created_at BETWEEN $3 AND $4 \
     UNION ALL \
     SELECT id, market_id, price, quantity, kind, created_at, 1, taker_order_id, taker_entry, taker_fee, NULL FROM trades \
     WHERE taker_account_id = $1 AND taker_order_id = $2 AND created_at BETWEEN $3 AND $4 \
     ORDER BY created_at, id, role LIMIT $5";

impl Database {
    /// Reads a page of an account's fills.
    pub async fn fills(&self, wanted: &FillsWanted) -> Result<FillPage, DbError> {
        let _timed = Timed::start(&self.times.fills);
        let far_end = (Timestamp(u64::MAX), TradeId(u64::MAX), TradeRole::Taker);
        let (time, id, role) = wanted.after.unwrap_or(far_end);
        let limit = i64::try_from(wanted.limit + 1).unwrap_or(i64::MAX);
        let (account, last) = (rows::to_i64(wanted.account.0), (rows::to_time(time), rows::to_i64(id.0)));
        let (role, market) = (i32::from(role == TradeRole::Taker), wanted.market.map(|id| rows::to_i64(id.0)));
        let order = wanted.order.map(|id| rows::to_i64(id.0));
        let since = wanted.since.map(rows::to_time);
        let parameters: [&(dyn ToSql + Sync); 8] = [&account, &last.0, &last.1, &role, &market, &limit, &order, &since];
        let query = page_of(market.is_some(), order.is_some(), since.is_some());
        let (found, at) = self.read(wanted.shard, &positioned(&query), &parameters).await?;
        let mut fills = found.iter().map(fill).collect::<Result<Vec<_>, _>>()?;
        fills.sort_by_key(|row| Reverse((row.time, row.fill.trade_id, row.fill.role == TradeRole::Taker)));
        let more = fills.len() > wanted.limit;
        fills.truncate(wanted.limit);
        Ok((fills, more, at))
    }

    /// Reads the first fills of an order, oldest first.
    pub async fn fills_of(&self, order: &Order, limit: usize) -> Result<Vec<Fill>, DbError> {
        let _timed = Timed::start(&self.times.fills_of_order);
        let (account, id) = (rows::to_i64(order.account.0), rows::to_i64(order.id.0));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (from, to) = (rows::to_time(order.created_at), rows::to_time(order.updated_at));
        // At least as far as the order that was read before, whichever server answers.
        let query = positioned(FILLS_OF_ORDER);
        let (found, _) = self.read(Some(order.id.shard()), &query, &[&account, &id, &from, &to, &limit]).await?;
        let mut fills = found.iter().map(fill).collect::<Result<Vec<_>, _>>()?;
        fills.sort_by_key(|row| (row.time, row.fill.trade_id, row.fill.role == TradeRole::Taker));
        Ok(fills.into_iter().map(|row| row.fill).collect())
    }
}

fn fill(row: &Row) -> Result<FillRow, DbError> {
    let entry: Entry = rows::name(row.get("entry"), "entry")?;
    let role = if row.get::<_, i32>("role") == 0 { TradeRole::Maker } else { TradeRole::Taker };
    let fill = Fill {
        trade_id: TradeId(rows::unsigned(row.get("id"), "trade id")?),
        price: entry.book_price(rows::price(row.get("price"))?),
        quantity: rows::quantity(row.get("quantity"))?,
        fee: Credits(row.get("fee")),
        role,
    };
    Ok(FillRow {
        fill,
        order: OrderId(rows::unsigned(row.get("order_id"), "order id")?),
        market: MarketId(rows::unsigned(row.get("market_id"), "market id")?),
        ticker: row.get("ticker"),
        entry,
        kind: rows::name(row.get("kind"), "kind")?,
        time: rows::timestamp(row.get("created_at"))?,
    })
}
