//! `POST /v1/orders/preview`: what an order would do, and every rule that it breaks. Writes
//! nothing.

use std::borrow::Cow;

use axum::extract::State;
use engine_core::{OrderEffect, Preview, PriceFill};
use schemas::event::FirstOutcome;
use schemas::{Credits, MarketId, NewOrder, Price, Rejection};
use serde::Serialize;
use service::clock::now;
use utoipa::ToSchema;

use crate::follow::preview::{Funding, Previewed, preview as previewed};
use crate::http::answer::{Answer, AtPositions};
use crate::http::auth::ReadAccess;
use crate::http::extract::{JsonBody, QueryString};
use crate::http::gate::{followers_reach, own_is_followed};
use crate::http::new_order::RequestedOrder;
use crate::http::problem::{Problem, rejection_kind};
use crate::http::unavailable::unavailable;
use crate::openapi::requests::PlaceOrder;
use crate::openapi::scalars::{
    CancelReasonText, CodeText, CommandIdText, ContractName, ContractsNumber, CreditsText, MarketIdText, OrderIdText,
    PriceText, SideName, SignedCreditsText, StatusName, TickerText,
};
use crate::shapes::{average_price, text, text_or_null};
use crate::state::Shared;

/// The most prices of fills that are listed; there may be more.
const PRICES_SHOWN: usize = 1_000;

/// What an order would do.
#[derive(Serialize, ToSchema)]
pub struct PreviewAnswer {
    #[serde(serialize_with = "text")]
    #[schema(value_type = MarketIdText)]
    market_id: MarketId,
    #[schema(value_type = TickerText)]
    ticker: String,
    #[schema(value_type = ContractName)]
    contract: &'static str,
    #[schema(value_type = SideName)]
    side: &'static str,
    /// Each rule that the order breaks; the engine would reject it for the first.
    refusals: Vec<Refusal>,
    /// The order that has its client id already.
    #[schema(required)]
    repeats: Option<Repeats>,
    /// The credits that its hold needs.
    #[serde(serialize_with = "text")]
    #[schema(value_type = CreditsText)]
    hold: Credits,
    /// The source of the credits that its purse lacks.
    funding: &'static str,
    /// Credits that are available now.
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<CreditsText>, required)]
    available: Option<Credits>,
    /// Credits that would be available afterwards.
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<SignedCreditsText>, required)]
    available_after: Option<Credits>,
    /// The order as it would be; null if it cannot be computed.
    #[schema(required)]
    order: Option<OrderShape>,
}

/// A rule that the order breaks.
#[derive(Serialize, ToSchema)]
#[schema(as = BrokenRule)]
struct Refusal {
    #[schema(value_type = CodeText)]
    code: Cow<'static, str>,
    /// The HTTP status that the order would get.
    status: u16,
    /// The title of the code.
    title: &'static str,
}

/// What has the order's client id already: an order, a rejected one, or a waiting request.
#[derive(Serialize, ToSchema)]
#[schema(as = RepeatedOrder)]
struct Repeats {
    #[schema(value_type = Option<OrderIdText>, required)]
    order_id: Option<String>,
    #[schema(value_type = Option<CommandIdText>, required)]
    command_id: Option<String>,
    /// Why that order was rejected.
    #[schema(value_type = Option<CodeText>, required)]
    rejection: Option<Cow<'static, str>>,
}

/// The order as the market would accept it. Prices are its contract's own.
#[derive(Serialize, ToSchema)]
#[schema(as = PreviewedOrder)]
struct OrderShape {
    #[schema(value_type = StatusName)]
    status: &'static str,
    #[schema(value_type = Option<CancelReasonText>, required)]
    cancel_reason: Option<Cow<'static, str>>,
    /// The price at which it would rest, or its worst price.
    #[schema(value_type = Option<PriceText>, required)]
    price: Option<String>,
    #[schema(value_type = ContractsNumber)]
    quantity: u32,
    #[schema(value_type = ContractsNumber)]
    filled: u32,
    #[schema(value_type = ContractsNumber)]
    remaining: u32,
    /// Its fills, one for each price.
    fills: Vec<FillShape>,
    /// True if there are more fills than are listed.
    more_fills: bool,
    /// The number of trades.
    trades: u32,
    /// The mean price of its fills.
    #[schema(value_type = Option<CreditsText>, required)]
    average_price: Option<String>,
    /// The worst price of its fills.
    #[schema(value_type = Option<PriceText>, required)]
    worst_price: Option<String>,
    /// Credits paid or received, before fees.
    #[serde(serialize_with = "text")]
    #[schema(value_type = CreditsText)]
    notional: Credits,
    /// Fees of the fills.
    #[serde(serialize_with = "text")]
    #[schema(value_type = CreditsText)]
    fees: Credits,
    /// Credits that it would hold while it rests.
    #[serde(serialize_with = "text")]
    #[schema(value_type = CreditsText)]
    held: Credits,
    /// Pairs of YES and NO that it would redeem.
    pairs_redeemed: u64,
    /// What the fills gain or lose if the answer is YES.
    #[serde(serialize_with = "text")]
    #[schema(value_type = SignedCreditsText)]
    profit_if_yes: Credits,
    /// What the fills gain or lose if the answer is NO.
    #[serde(serialize_with = "text")]
    #[schema(value_type = SignedCreditsText)]
    profit_if_no: Credits,
}

/// All fills at one price.
#[derive(Serialize, ToSchema)]
#[schema(as = PreviewedFill)]
struct FillShape {
    #[serde(serialize_with = "text")]
    #[schema(value_type = PriceText)]
    price: Price,
    #[schema(value_type = ContractsNumber)]
    quantity: u32,
    #[serde(serialize_with = "text")]
    #[schema(value_type = CreditsText)]
    fee: Credits,
}

/// Shows what an order would do. Writes nothing.
#[utoipa::path(
    post,
    path = "/v1/orders/preview",
    operation_id = "preview_order",
    tag = "orders",
    request_body = PlaceOrder,
    responses((status = 200, description = "What it would do", body = AtPositions<PreviewAnswer>)),
    security(("account" = ["READ"])),
)]
pub async fn preview(
    ReadAccess(account): ReadAccess,
    State(state): State<Shared>,
    query: QueryString,
    JsonBody(mut fields): JsonBody,
) -> Result<Answer<PreviewAnswer>, Problem> {
    let at_least = query.nothing_else()?;
    let wanted = RequestedOrder::read(&mut fields);
    let wanted = fields.finish(wanted)?;
    let (order, listing) = wanted.order_to_judge(account, &state.live.view(), "")?;
    followers_reach(&state, &at_least).await?;
    let (home, decides) = (state.map.of_account(account), state.map.of_market(order.market));
    own_is_followed(&state, account, |shard| shard == home || shard == decides).await.map_err(unavailable)?;
    let known = previewed(&state.followers, state.map, &order, now()).map_err(unavailable)?;
    let answer = PreviewAnswer::new(&order, listing.ticker.to_string(), &known);
    Ok(Answer::many(answer, known.at))
}

impl PreviewAnswer {
    fn new(order: &NewOrder, ticker: String, known: &Previewed) -> Self {
        let Previewed { preview: Preview { breaks, repeats, does, .. }, funding, available, .. } = known;
        let lacking = match funding {
            Funding::Refused(code) => Some(*code),
            _ => None,
        };
        let change = does.as_ref().map(|does| does.purse.available).filter(|_| lacking.is_none());
        Self {
            market_id: order.market,
            ticker,
            contract: order.entry.contract().name(),
            side: order.entry.side().name(),
            refusals: breaks.iter().copied().chain(lacking).map(Refusal::of).collect(),
            repeats: repeats.as_ref().and_then(Repeats::of),
            hold: order.hold(),
            funding: match funding {
                Funding::Enough => "ENOUGH",
                Funding::FromHome => "FROM_HOME",
                Funding::AfterRecall => "AFTER_RECALL",
                Funding::Waits => "WAITS",
                Funding::Refused(_) => "REFUSED",
                Funding::Unknown => "UNKNOWN",
            },
            available: *available,
            available_after: available.zip(change).map(|(available, change)| available + change),
            order: does.as_ref().map(|does| OrderShape::of(order, does)),
        }
    }
}

impl Refusal {
    fn of(code: Rejection) -> Self {
        let kind = rejection_kind(code);
        Self { code: code.name(), status: kind.status.as_u16(), title: kind.title }
    }
}

impl Repeats {
    /// A client id within a market names only orders.
    fn of(first: &FirstOutcome) -> Option<Self> {
        let none = Self { order_id: None, command_id: None, rejection: None };
        match first {
            FirstOutcome::Order { id } => Some(Self { order_id: Some(id.to_string()), ..none }),
            FirstOutcome::OrderRejected { id, code } => {
                Some(Self { order_id: Some(id.to_string()), rejection: Some(code.name()), ..none })
            }
            FirstOutcome::Parked { command } => Some(Self { command_id: Some(command.to_string()), ..none }),
            _ => None,
        }
    }
}

impl OrderShape {
    fn of(order: &NewOrder, does: &OrderEffect) -> Self {
        let placed = &does.placed;
        let own = |price: Price| order.entry.book_price(price);
        let average = average_price(does.notional, placed.filled);
        let fill = |fill: &PriceFill| FillShape {
            price: own(fill.price),
            quantity: fill.contracts.contracts(),
            fee: fill.fee,
        };
        Self {
            status: placed.status.name(),
            cancel_reason: placed.cancel_reason.map(schemas::event::CancelReason::name),
            price: placed.status.is_live().then(|| own(placed.price).to_string()),
            quantity: placed.quantity.contracts(),
            filled: placed.filled.contracts(),
            remaining: placed.resting().contracts(),
            fills: does.fills.iter().take(PRICES_SHOWN).map(fill).collect(),
            more_fills: does.fills.len() > PRICES_SHOWN,
            trades: does.trades,
            average_price: average.map(|price| price.to_string()),
            worst_price: does.fills.last().map(|fill| own(fill.price).to_string()),
            notional: does.notional,
            fees: does.fee,
            held: does.held,
            pairs_redeemed: does.redeemed,
            profit_if_yes: does.if_yes,
            profit_if_no: does.if_no,
        }
    }
}
