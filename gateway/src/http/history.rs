//! Orders and fills of the past, from Postgres, page by page.

use axum::extract::State;
use schemas::{MarketId, OrderId, Status, Timestamp, TradeId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answers::FILLS_SHOWN;
use crate::db::{DbError, FillRow, FillsWanted, ListedOrder, OrderFilter, OrdersWanted, StatusSet};
use crate::http::answer::{Answer, AtPositions, ListPage};
use crate::http::auth::ReadAccess;
use crate::http::extract::{QueryString, Segment};
use crate::http::fields::Params;
use crate::http::gate::reaches_own;
use crate::http::parse::{self, PAGE_DEFAULT, ValueFault};
use crate::http::problem::{Problem, kinds};
use crate::http::range::{TimeRange, several};
use crate::openapi::params::{FillParams, MarketParams, OrderParams, PageParams, RangeParams};
use crate::openapi::scalars::OrderIdText;
use crate::seldom::Seldom;
use crate::shapes::{Fill, TradeRole};
use crate::state::Shared;
use service::hex::{from_hex, to_hex};

/// Logs a failed read of Postgres in full, and returns a problem that allows a retry.
pub fn unreadable(error: &DbError) -> Problem {
    if matches!(error, DbError::Share) {
        return Problem::new(kinds::OVERLOADED).detail(error.to_string());
    }
    static LINE: Seldom = Seldom::new();
    if let Some(kept_back) = LINE.pass() {
        tracing::warn!(%error, kept_back, "cannot read Postgres");
    }
    Problem::new(kinds::READ_MODEL_UNAVAILABLE)
}

/// Lists the account's orders, newest first.
#[utoipa::path(
    get,
    path = "/v1/orders",
    operation_id = "list_orders",
    tag = "orders",
    params(OrderParams, MarketParams, RangeParams, PageParams),
    responses((status = 200, description = "A page of orders", body = AtPositions<ListPage<ListedOrder>>)),
    security(("account" = ["READ"])),
)]
pub async fn orders(
    ReadAccess(account): ReadAccess,
    State(state): State<Shared>,
    query: QueryString,
) -> Result<Answer<ListPage<ListedOrder>>, Problem> {
    let (mut params, at_least) = (query.params, query.at_least);
    name_is_whole(&mut params);
    let filter = OrderFilter {
        statuses: params.optional("status", statuses),
        market: market(&mut params),
        command: params.optional("command_id", parse::command_id),
        client_id: params.optional("client_id", parse::client_id),
        group: params.optional("group", parse::group_segment),
        id: None,
    };
    if filter.group.is_some() && !filter.statuses.is_some_and(StatusSet::is_live) {
        params.fault("status", ValueFault::missing("only live orders can be listed by group: give status=live"));
    }
    let limit = params.optional("limit", parse::page_limit).unwrap_or(PAGE_DEFAULT);
    let after = params.optional("cursor", order_place);
    let range = TimeRange::read(&mut params);
    params.finish()?;
    let (since, after) = (range.since, range.place(after, |(time, _)| *time, |time| (time, OrderId(0))));
    known(&state, filter.market)?;
    let shard = filter.market.map(|market| state.map.of_market(market));
    reaches_own(&state, &state.database_progress, account, shard, &at_least).await?;
    let wanted = OrdersWanted { account, filter, shard, since, after, limit };
    let (items, more, at) = state.database.orders(&wanted).await.map_err(|error| unreadable(&error))?;
    let next = items.last().filter(|_| more).map(|last| order_cursor(last.order.created_at, last.order.id));
    Ok(Answer::many(ListPage { items, next }, at))
}

fn statuses(text: &str) -> Result<StatusSet, ValueFault> {
    Ok(several(status)(text)?.into_iter().fold(StatusSet::default(), StatusSet::or))
}

fn status(text: &str) -> Result<StatusSet, ValueFault> {
    const NAMES: &str = "live, ACTIVE, PARTIALLY_FILLED, FILLED, CANCELLED, EXPIRED, REJECTED";
    match text {
        "live" => Ok(StatusSet::LIVE),
        name => parse::name::<Status>(NAMES)(name).map(StatusSet::of),
    }
}

/// Reads `market_id` or `ticker`, or neither.
pub fn market(params: &mut Params) -> Option<MarketId> {
    let id = params.optional("market_id", parse::market_id);
    let ticker = params.optional("ticker", parse::ticker);
    if id.is_some() && ticker.is_some() {
        params.fault("ticker", ValueFault::conflict("give either market_id or ticker"));
    }
    id.or_else(|| ticker.as_ref().map(MarketId::of))
}

/// A client id names an order within its market.
fn name_is_whole(params: &mut Params) {
    if params.has("client_id") && !params.has("market_id") && !params.has("ticker") {
        params.fault(
            "market_id",
            ValueFault::missing("client_id names an order within a market: give market_id or ticker"),
        );
    }
}

/// Refuses a market that does not exist.
pub fn known(state: &Shared, market: Option<MarketId>) -> Result<(), Problem> {
    let view = state.live.view();
    let known = market.is_none_or(|id| view.market(id).is_some() || view.is_archived(id));
    if known { Ok(()) } else { Err(Problem::new(kinds::MARKET_UNKNOWN)) }
}

/// An order with its fills.
#[derive(Serialize, ToSchema)]
pub struct OrderDetail {
    #[serde(flatten)]
    order: ListedOrder,
    /// Its first fills, oldest first, at most 100; `/v1/fills` has all.
    fills: Vec<Fill>,
}

/// Shows an order with its fills.
#[utoipa::path(
    get,
    path = "/v1/orders/{id}",
    operation_id = "get_order",
    tag = "orders",
    params(("id" = OrderIdText, Path, description = "The order")),
    responses((status = 200, description = "The order", body = AtPositions<OrderDetail>)),
    security(("account" = ["READ"])),
)]
pub async fn order(
    ReadAccess(account): ReadAccess,
    State(state): State<Shared>,
    query: QueryString,
    Segment(id): Segment,
) -> Result<Answer<OrderDetail>, Problem> {
    let at_least = query.nothing_else()?;
    let unknown = || Problem::new(kinds::ORDER_UNKNOWN);
    let id = parse::order_id(&id).map_err(|_| unknown())?;
    reaches_own(&state, &state.database_progress, account, Some(id.shard()), &at_least).await?;
    let (found, at) =
        state.database.order_with_fills(account, id, FILLS_SHOWN).await.map_err(|error| unreadable(&error))?;
    let (order, fills) = found.ok_or_else(unknown)?;
    Ok(Answer::many(OrderDetail { order, fills }, at))
}

/// Lists the account's fills, newest first.
#[utoipa::path(
    get,
    path = "/v1/fills",
    operation_id = "list_fills",
    tag = "orders",
    params(FillParams, MarketParams, RangeParams, PageParams),
    responses((status = 200, description = "A page of fills", body = AtPositions<ListPage<FillRow>>)),
    security(("account" = ["READ"])),
)]
pub async fn fills(
    ReadAccess(account): ReadAccess,
    State(state): State<Shared>,
    query: QueryString,
) -> Result<Answer<ListPage<FillRow>>, Problem> {
    let (mut params, at_least) = (query.params, query.at_least);
    let market = market(&mut params);
    let order = params.optional("order_id", parse::order_id);
    let limit = params.optional("limit", parse::page_limit).unwrap_or(PAGE_DEFAULT);
    let after = params.optional("cursor", fill_place);
    let range = TimeRange::read(&mut params);
    params.finish()?;
    let first_of = |time| (time, TradeId(0), TradeRole::Maker);
    let (since, after) = (range.since, range.place(after, |(time, ..)| *time, first_of));
    known(&state, market)?;
    let shard = order.map(OrderId::shard).or_else(|| market.map(|market| state.map.of_market(market)));
    reaches_own(&state, &state.database_progress, account, shard, &at_least).await?;
    let wanted = FillsWanted { account, market, order, shard, since, after, limit };
    let (items, more, at) = state.database.fills(&wanted).await.map_err(|error| unreadable(&error))?;
    let next = items.last().filter(|_| more).map(|last| fill_cursor(last.time, last.fill.trade_id, last.fill.role));
    Ok(Answer::many(ListPage { items, next }, at))
}

// Cursors are opaque to clients: the key of a page's last row, in hexadecimal digits.

pub fn order_cursor(time: Timestamp, id: OrderId) -> String {
    to_hex(&[time.as_millis().to_be_bytes(), id.0.to_be_bytes()].concat())
}

pub fn order_place(text: &str) -> Result<(Timestamp, OrderId), ValueFault> {
    let bytes: [u8; 16] = from_hex(text).ok_or_else(foreign_cursor)?;
    let (time, id) = halves(bytes);
    Ok((Timestamp(time), OrderId(id)))
}

fn fill_cursor(time: Timestamp, id: TradeId, role: TradeRole) -> String {
    format!("{}{:02x}", order_cursor(time, OrderId(id.0)), u8::from(role == TradeRole::Taker))
}

fn fill_place(text: &str) -> Result<(Timestamp, TradeId, TradeRole), ValueFault> {
    let bytes: [u8; 17] = from_hex(text).ok_or_else(foreign_cursor)?;
    let [place @ .., role] = bytes;
    let (time, id) = halves(place);
    let role = match role {
        0 => TradeRole::Maker,
        1 => TradeRole::Taker,
        _ => return Err(foreign_cursor()),
    };
    Ok((Timestamp(time), TradeId(id), role))
}

fn halves(bytes: [u8; 16]) -> (u64, u64) {
    let both = u128::from_be_bytes(bytes);
    #[allow(clippy::cast_possible_truncation, reason = "the two halves of 128 bits")]
    let (high, low) = ((both >> 64) as u64, both as u64);
    (high, low)
}

pub fn foreign_cursor() -> ValueFault {
    ValueFault::form("the `next` of an earlier page, unchanged")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_a_round_trip_and_others_are_refused() {
        let (time, id) = (Timestamp(1_700_000_000_000), 77);
        assert_eq!(order_place(&order_cursor(time, OrderId(id))), Ok((time, OrderId(id))));
        for role in [TradeRole::Maker, TradeRole::Taker] {
            assert_eq!(fill_place(&fill_cursor(time, TradeId(id), role)), Ok((time, TradeId(id), role)));
        }
        for text in ["", "x", "00", &"f".repeat(31), &"f".repeat(33)] {
            assert!(order_place(text).is_err(), "{text}");
        }
        assert!(fill_place(&"f".repeat(34)).is_err());
    }

    #[test]
    fn a_client_id_names_an_order_within_its_market() {
        let finish = |names: &[&'static str]| {
            let pairs = names.iter().map(|name| ((*name).to_owned(), "1".to_owned()));
            let mut params = Params::new(pairs.collect());
            name_is_whole(&mut params);
            for name in ["client_id", "market_id", "ticker"] {
                params.optional(name, |_| Ok(()));
            }
            params.finish().map_err(|problem| problem.body()["errors"][0]["parameter"].clone())
        };
        assert_eq!(finish(&["client_id"]), Err(serde_json::json!("market_id")));
        for names in [&["client_id", "market_id"][..], &["client_id", "ticker"], &["ticker"], &[]] {
            assert_eq!(finish(names), Ok(()));
        }
    }

    #[test]
    fn live_is_a_status_and_several_are_one_filter() {
        assert_eq!(statuses("live"), Ok(StatusSet::LIVE));
        assert_eq!(statuses("ACTIVE,PARTIALLY_FILLED"), Ok(StatusSet::LIVE));
        let ended = statuses("FILLED,EXPIRED").unwrap();
        let has = |status| ended.has(status);
        assert!(has(Status::Filled) && has(Status::Expired) && !has(Status::Cancelled) && !ended.is_live());
        for wrong in ["filled", "", "FILLED,", "live FILLED"] {
            assert!(statuses(wrong).is_err(), "{wrong}");
        }
    }
}
