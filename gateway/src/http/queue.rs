//! Queue positions of an account's live orders.

use axum::extract::State;
use engine_core::{QueueCount, QueuedOrder};
use schemas::{MarketId, OrderId, Price, Shard};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::answer::{Answer, AtPosition, AtPositions, ListPage};
use crate::http::auth::ReadAccess;
use crate::http::extract::{QueryString, Segment};
use crate::http::gate::{followers_reach, own_is_followed};
use crate::http::history;
use crate::http::parse::{self, PAGE_DEFAULT};
use crate::http::problem::{Problem, kinds};
use crate::http::unavailable::unavailable;
use crate::openapi::params::{MarketParams, PageParams};
use crate::openapi::scalars::{ContractName, ContractsNumber, MarketIdText, OrderIdText, PriceText, SideName};
use crate::shapes::{text, text_or_null};
use crate::state::{GatewayState as Everything, Shared};

/// The most orders that one request counts ahead of the requested ones, in total. Longer queues are
/// reported as at least that long. Counting that many takes about a millisecond.
const ORDERS_COUNTED_MAX: usize = 100_000;

/// A live order in its queue.
#[derive(Serialize, ToSchema)]
#[schema(as = QueuePosition)]
pub struct QueueAnswer {
    #[serde(serialize_with = "text")]
    #[schema(value_type = OrderIdText)]
    order_id: OrderId,
    #[serde(serialize_with = "text")]
    #[schema(value_type = MarketIdText)]
    market_id: MarketId,
    /// The market's ticker.
    #[serde(serialize_with = "text_or_null")]
    #[schema(required)]
    ticker: Option<String>,
    #[schema(value_type = ContractName)]
    contract: &'static str,
    #[schema(value_type = SideName)]
    side: &'static str,
    /// The price of the order's contract.
    #[serde(serialize_with = "text")]
    #[schema(value_type = PriceText)]
    price: Price,
    #[schema(value_type = ContractsNumber)]
    remaining: u32,
    /// Contracts that fill before it at its price.
    contracts_ahead: u64,
    /// Orders that fill before it at its price.
    orders_ahead: u64,
    /// True if there are more orders ahead than were counted.
    at_least: bool,
}

impl QueueAnswer {
    fn of(state: &Everything, queued: &QueuedOrder) -> Self {
        let QueuedOrder { order, market, entry, price, remaining, ahead } = *queued;
        let ticker = state.live.view().market(market).map(|live| live.market.listing.ticker.to_string());
        Self {
            order_id: order,
            market_id: market,
            ticker,
            contract: entry.contract().name(),
            side: entry.side().name(),
            price: entry.book_price(price),
            remaining: remaining.contracts(),
            contracts_ahead: ahead.contracts,
            orders_ahead: ahead.orders,
            at_least: ahead.and_more,
        }
    }
}

/// Shows how much is ahead of a resting order.
#[utoipa::path(
    get,
    path = "/v1/orders/{id}/queue",
    operation_id = "get_queue_position",
    tag = "orders",
    params(("id" = OrderIdText, Path, description = "The order")),
    responses((status = 200, description = "The order in its queue", body = AtPosition<QueueAnswer>)),
    security(("account" = ["READ"])),
)]
pub async fn queue(
    ReadAccess(account): ReadAccess,
    State(state): State<Shared>,
    query: QueryString,
    Segment(id): Segment,
) -> Result<Answer<QueueAnswer>, Problem> {
    let at_least = query.nothing_else()?;
    let unknown = || Problem::new(kinds::ORDER_UNKNOWN);
    let known = parse::order_id(&id).ok().filter(|order| order.shard().number() < state.map.shards());
    let order = known.ok_or_else(unknown)?;
    followers_reach(&state, &at_least).await?;
    own_is_followed(&state, account, |shard| shard == order.shard()).await.map_err(unavailable)?;
    let mut count = QueueCount::of_at_most(ORDERS_COUNTED_MAX);
    let looked = state.followers.read(order.shard(), |shard| shard.queued_order(account, order, &mut count));
    let (queued, at) = looked.map_err(unavailable)?;
    Ok(Answer::one(QueueAnswer::of(&state, &queued.ok_or_else(unknown)?), at))
}

/// Lists the queue positions of the account's resting orders.
#[utoipa::path(
    get,
    path = "/v1/orders/queue",
    operation_id = "list_queue_positions",
    tag = "orders",
    params(MarketParams, PageParams),
    responses((status = 200, description = "A page of resting orders", body = AtPositions<ListPage<QueueAnswer>>)),
    security(("account" = ["READ"])),
)]
pub async fn queues(
    ReadAccess(account): ReadAccess,
    State(state): State<Shared>,
    query: QueryString,
) -> Result<Answer<ListPage<QueueAnswer>>, Problem> {
    let (mut params, at_least) = (query.params, query.at_least);
    let market = history::market(&mut params);
    let limit = params.optional("limit", parse::page_limit).unwrap_or(PAGE_DEFAULT);
    let after = params.optional("cursor", parse::order_id).unwrap_or(OrderId(0));
    params.finish()?;
    history::known(&state, market)?;
    followers_reach(&state, &at_least).await?;
    let is_read = |shard: Shard| match market {
        Some(market) => shard == state.map.of_market(market),
        None => shard >= after.shard(),
    };
    own_is_followed(&state, account, is_read).await.map_err(unavailable)?;
    // An order id starts with its shard, so the ids of all shards are in one order.
    let shards = Shard::all(state.map.shards()).filter(|shard| is_read(*shard));
    let (mut found, mut at) = (Vec::new(), Vec::new());
    let mut count = QueueCount::of_at_most(ORDERS_COUNTED_MAX);
    for shard in shards {
        count = count.elsewhere();
        // One more shows whether there is another page.
        let page = (after, limit + 1 - found.len());
        let looked = state.followers.read(shard, |shard| shard.queued_orders(account, market, page, &mut count));
        let (queued, reached) = looked.map_err(unavailable)?;
        found.extend(queued);
        at.push(reached);
        if found.len() > limit {
            break;
        }
    }
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|queued| queued.order.to_string());
    let items = found.iter().map(|queued| QueueAnswer::of(&state, queued)).collect();
    Ok(Answer::many(ListPage { items, next }, at))
}
