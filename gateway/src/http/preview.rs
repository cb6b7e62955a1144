//! `POST /v1/orders/preview`: what an order would do, and every rule that it breaks. Writes
//! nothing.

use std::borrow::Cow;

use axum::extract::State;
use engine_core::{OrderEffect, Preview, PriceFill};
use schemas::event::FirstOutcome;
use schemas::{Credits, MarketId, NewOrder, Price, Rejection};
use serde::Serialize;
use service::clock::now;

use crate::follow::preview::{Funding, Previewed, preview as previewed};
use crate::http::answer::Answer;
use crate::http::auth::ReadAccess;
use crate::http::extract::{JsonBody, QueryString};
use crate::http::gate::{followers_reach, own_is_followed};
use crate::http::new_order::RequestedOrder;
use crate::http::problem::{Problem, rejection_kind};
use crate::http::unavailable::unavailable;
use crate::shapes::{average_price, text, text_or_null};
use crate::state::Shared;

/// The most prices of fills that are listed; there may be more.
const PRICES_SHOWN: usize = 1_000;

/// What an order would do.
#[derive(Serialize)]
pub struct PreviewAnswer {
    #[serde(serialize_with = "text")]
    market_id: MarketId,
    ticker: String,
    contract: &'static str,
    side: &'static str,
    /// Each rule that the order breaks; the engine would reject it for the first.
    refusals: Vec<Refusal>,
    /// The order that has its client id already.
    repeats: Option<Repeats>,
    /// The credits that its hold needs.
    #[serde(serialize_with = "text")]
    hold: Credits,
    /// The source of the credits that its purse lacks.
    funding: &'static str,
    #[serde(serialize_with = "text_or_null")]
    available: Option<Credits>,
    #[serde(serialize_with = "text_or_null")]
    available_after: Option<Credits>,
    order: Option<OrderShape>,
}

#[derive(Serialize)]
struct Refusal {
    code: Cow<'static, str>,
    status: u16,
    title: &'static str,
}

#[derive(Serialize)]
struct Repeats {
    order_id: Option<String>,
    command_id: Option<String>,
    rejection: Option<Cow<'static, str>>,
}

/// The order as the market would accept it. Prices are its contract's own.
#[derive(Serialize)]
struct OrderShape {
    status: &'static str,
    cancel_reason: Option<Cow<'static, str>>,
    /// The price at which it would rest, or its worst price.
    price: Option<String>,
    quantity: u32,
    filled: u32,
    remaining: u32,
    fills: Vec<FillShape>,
    more_fills: bool,
    trades: u32,
    average_price: Option<String>,
    worst_price: Option<String>,
    #[serde(serialize_with = "text")]
    notional: Credits,
    #[serde(serialize_with = "text")]
    fees: Credits,
    #[serde(serialize_with = "text")]
    held: Credits,
    pairs_redeemed: u64,
    #[serde(serialize_with = "text")]
    profit_if_yes: Credits,
    #[serde(serialize_with = "text")]
    profit_if_no: Credits,
}

/// All fills at one price.
#[derive(Serialize)]
struct FillShape {
    #[serde(serialize_with = "text")]
    price: Price,
    quantity: u32,
    #[serde(serialize_with = "text")]
    fee: Credits,
}

/// `POST /v1/orders/preview`
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
