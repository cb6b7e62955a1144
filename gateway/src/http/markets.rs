//! Markets' lives, by admins.

use axum::extract::State;
use schemas::{
    AdminId, Answer as MarketsAnswer, Command, Event, FeeRate, Listing, MarketId, MarketLimits, MarketState, Transition,
};
use serde::Serialize;

use crate::http::answer::Answer;
use crate::http::auth::Admin;
use crate::http::command::{Failure, look_at, submit};
use crate::http::extract::{Body, Query, Segment};
use crate::http::fields::Fields;
use crate::http::oversight::read_market_limits;
use crate::http::parse;
use crate::http::problem::Problem;
use crate::http::queries::find;
use crate::shapes::market::Market;
use crate::shapes::text_or_null;
use crate::state::Shared;
use crate::told::Told;

/// Ticks, unless the listing says otherwise: the finest there are.
const TICK_DEFAULT: u16 = 1;

/// A market, the command that changed it, and who asked for that.
#[derive(Serialize)]
pub struct MarketAnswer {
    #[serde(flatten)]
    market: Market,
    #[serde(serialize_with = "text_or_null")]
    by: Option<AdminId>,
    command_id: String,
}

/// `POST /v1/markets`
pub async fn create(
    Admin(by): Admin,
    State(state): State<Shared>,
    query: Query,
    Body(fields): Body,
) -> Result<Answer<MarketAnswer>, Failure> {
    query.nothing_else()?;
    let listing = read_listing(fields)?;
    let shard = state.map.of_market(listing.market);
    let look = format!("/v1/markets/{}", listing.ticker);
    let created = |told: &Told<'_>| {
        told.events.iter().find_map(|event| match event {
            Event::MarketCreated { listing, by } => Some((listing.clone(), *by)),
            _ => None,
        })
    };
    let command = Command::CreateMarket { listing, by };
    let ((listing, by), settled) = submit(&state, shard, command, |_| look_at(look), created).await?;
    let market = Market { listing, state: MarketState::Created, resolution: None, shard };
    let command_id = settled.command.to_string();
    Ok(Answer::one(MarketAnswer { market, by: Some(by), command_id }, settled.at()).created())
}

fn read_listing(mut fields: Fields) -> Result<Listing, Problem> {
    let ticker = fields.text("ticker", parse::ticker);
    let question = fields.text("question", parse::question);
    let expiry = fields.text("expiry", parse::time);
    let tick = fields.text_or("tick_size", TICK_DEFAULT, parse::tick_size);
    let maker_fee = fields.text_or("maker_fee", FeeRate::ZERO, parse::fee_rate);
    let taker_fee = fields.text_or("taker_fee", FeeRate::ZERO, parse::fee_rate);
    let dispute_window_ms = fields.integer_or("dispute_window_ms", 0, parse::dispute_window);
    let limits = fields.object_or("limits", MarketLimits::NONE, read_market_limits);
    let built = (|| {
        let (ticker, question, expiry, tick) = (ticker?, question?, expiry?, tick?);
        let (maker_fee, taker_fee) = (maker_fee?, taker_fee?);
        let (market, dispute_window_ms, limits) = (MarketId::of(&ticker), dispute_window_ms?, limits?);
        Some(Listing { market, ticker, question, expiry, tick, maker_fee, taker_fee, dispute_window_ms, limits })
    })();
    fields.finish(built)
}

macro_rules! plain_transition {
    ($(#[$doc:meta])* $name:ident, $transition:expr) => {
        $(#[$doc])*
        pub async fn $name(
            Admin(by): Admin,
            State(state): State<Shared>,
            query: Query,
            Segment(market): Segment,
            Body(fields): Body,
        ) -> Result<Answer<MarketAnswer>, Failure> {
            query.nothing_else()?;
            fields.finish(Some(()))?;
            change(&state, &market, by, $transition).await
        }
    };
}

plain_transition! {
    /// `POST /v1/markets/{market}/open`
    open, Transition::Open
}
plain_transition! {
    /// `POST /v1/markets/{market}/resume`
    resume, Transition::Resume
}
plain_transition! {
    /// `POST /v1/markets/{market}/close`
    close, Transition::Close
}

/// `POST /v1/markets/{market}/pause`
pub async fn pause(
    Admin(by): Admin,
    State(state): State<Shared>,
    query: Query,
    Segment(market): Segment,
    Body(mut fields): Body,
) -> Result<Answer<MarketAnswer>, Failure> {
    query.nothing_else()?;
    let cancel_only = fields.flag("cancel_only");
    let cancel_only = fields.finish(cancel_only)?;
    change(&state, &market, by, Transition::Pause { cancel_only }).await
}

/// `POST /v1/markets/{market}/resolve`
pub async fn resolve(
    Admin(by): Admin,
    State(state): State<Shared>,
    query: Query,
    Segment(market): Segment,
    Body(fields): Body,
) -> Result<Answer<MarketAnswer>, Failure> {
    query.nothing_else()?;
    let answer = read_answer(fields)?;
    change(&state, &market, by, Transition::Resolve { answer }).await
}

/// `POST /v1/markets/{market}/confirm`
pub async fn confirm(
    Admin(by): Admin,
    State(state): State<Shared>,
    query: Query,
    Segment(market): Segment,
    Body(fields): Body,
) -> Result<Answer<MarketAnswer>, Failure> {
    query.nothing_else()?;
    let answer = read_answer(fields)?;
    change(&state, &market, by, Transition::Confirm { answer }).await
}

fn read_answer(mut fields: Fields) -> Result<MarketsAnswer, Problem> {
    let answer = fields.text("answer", parse::answer);
    fields.finish(answer)
}

async fn change(
    state: &Shared,
    name: &str,
    by: AdminId,
    transition: Transition,
) -> Result<Answer<MarketAnswer>, Failure> {
    let (Market { listing, shard, .. }, _) = find(state, name)?;
    let market = listing.market;
    let look = format!("/v1/markets/{}", listing.ticker);
    let changed = |told: &Told<'_>| {
        told.events.iter().find_map(|event| match event {
            Event::MarketChanged { state, resolution, by, .. } => Some((*state, *resolution, *by)),
            _ => None,
        })
    };
    let command = Command::ChangeMarket { market, by, transition };
    let ((state, resolution, by), settled) = submit(state, shard, command, |_| look_at(look), changed).await?;
    let market = Market { listing, state, resolution, shard };
    let command_id = settled.command.to_string();
    Ok(Answer::one(MarketAnswer { market, by, command_id }, settled.at()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(problem: &Problem) -> Vec<String> {
        let errors = problem.body()["errors"].clone();
        errors.as_array().unwrap().iter().map(|e| format!("{} {}", e["pointer"], e["code"]).replace('"', "")).collect()
    }

    fn listing(body: &str) -> Result<Listing, Problem> {
        read_listing(Fields::parse(body.as_bytes()).unwrap())
    }

    #[test]
    fn a_listing_has_defaults_and_its_tickers_id() {
        let read = listing(r#"{"ticker": "RAIN", "question": "Rain?", "expiry": "2030-01-01T00:00:00Z"}"#).unwrap();
        assert_eq!((read.tick, read.maker_fee, read.market), (1, FeeRate::ZERO, MarketId::of(&read.ticker)));
        assert_eq!((read.dispute_window_ms, read.limits), (0, MarketLimits::NONE));
        let limited = listing(
            r#"{"ticker": "RAIN", "question": "Rain?", "expiry": "2030-01-01T00:00:00Z", "dispute_window_ms": 7,
                "limits": {"position": 9}}"#,
        );
        let limited = limited.unwrap();
        assert_eq!((limited.dispute_window_ms, limited.limits.position), (7, 9));
        let problem = listing(r#"{"ticker": "rain", "expiry": 1, "taker_fee": "0.3", "market_id": "1"}"#).unwrap_err();
        assert_eq!(
            places(&problem),
            ["/ticker form", "/question missing", "/expiry type", "/taker_fee out-of-range", "/market_id unknown"]
        );
    }
}
