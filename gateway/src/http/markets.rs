//! Markets' lives, by the admin.

use axum::extract::State;
use schemas::market::YesValue;
use schemas::{Command, Contract, Event, FeeRate, Listing, MarketId, MarketState, Transition};
use serde::Serialize;

use crate::answers::refusal;
use crate::http::answer::Answer;
use crate::http::auth::Admin;
use crate::http::command::{Failure, look_at, submit};
use crate::http::extract::{Body, Query, Segment};
use crate::http::fields::Fields;
use crate::http::parse;
use crate::http::problem::{Problem, kinds};
use crate::shapes::Market;
use crate::state::Shared;

/// Ticks, unless the listing says otherwise: the finest there are.
const TICK_DEFAULT: u16 = 1;

/// A market and the command that changed it.
#[derive(Serialize)]
pub struct MarketAnswer {
    #[serde(flatten)]
    market: Market,
    command_id: String,
}

/// `POST /v1/markets`
pub async fn create(
    _: Admin,
    State(state): State<Shared>,
    query: Query,
    Body(fields): Body,
) -> Result<Answer<MarketAnswer>, Failure> {
    query.nothing_else()?;
    let listing = read_listing(fields)?;
    let shard = state.map.of_market(listing.market);
    let look = format!("/v1/markets/{}", listing.ticker);
    let settled = submit(&state, shard, Command::CreateMarket(listing), |_| look_at(look)).await?;
    let created = settled.outcome.events.iter().find_map(|event| match event {
        Event::MarketCreated(listing) => Some(listing.clone()),
        _ => None,
    });
    let Some(listing) = created else { return Err(refusal(&settled).into()) };
    let market = Market { listing, state: MarketState::Created, yes_value: None, shard };
    let command_id = settled.outcome.cause.id.to_string();
    Ok(Answer::one(MarketAnswer { market, command_id }, settled.at()).created())
}

fn read_listing(mut fields: Fields) -> Result<Listing, Problem> {
    let ticker = fields.text("ticker", parse::ticker);
    let question = fields.text("question", parse::question);
    let expiry = fields.text("expiry", parse::time);
    let tick = fields.text_or("tick_size", TICK_DEFAULT, parse::tick_size);
    let maker_fee = fields.text_or("maker_fee", FeeRate::ZERO, parse::fee_rate);
    let taker_fee = fields.text_or("taker_fee", FeeRate::ZERO, parse::fee_rate);
    let built = (|| {
        let ticker = ticker?;
        let market = MarketId::of(&ticker);
        let (question, expiry, tick) = (question?, expiry?, tick?);
        Some(Listing { market, ticker, question, expiry, tick, maker_fee: maker_fee?, taker_fee: taker_fee? })
    })();
    fields.finish(built)
}

macro_rules! plain_transition {
    ($(#[$doc:meta])* $name:ident, $transition:expr) => {
        $(#[$doc])*
        pub async fn $name(
            _: Admin,
            State(state): State<Shared>,
            query: Query,
            Segment(market): Segment,
            Body(fields): Body,
        ) -> Result<Answer<MarketAnswer>, Failure> {
            query.nothing_else()?;
            fields.finish(Some(()))?;
            change(&state, &market, $transition).await
        }
    };
}

plain_transition! {
    /// `POST /v1/markets/{market}/open`
    open, Transition::Open
}
plain_transition! {
    /// `POST /v1/markets/{market}/pause`
    pause, Transition::Pause
}
plain_transition! {
    /// `POST /v1/markets/{market}/resume`
    resume, Transition::Resume
}
plain_transition! {
    /// `POST /v1/markets/{market}/close`
    close, Transition::Close
}
plain_transition! {
    /// `POST /v1/markets/{market}/void`
    void, Transition::Void
}

/// `POST /v1/markets/{market}/resolve`
pub async fn resolve(
    _: Admin,
    State(state): State<Shared>,
    query: Query,
    Segment(market): Segment,
    Body(fields): Body,
) -> Result<Answer<MarketAnswer>, Failure> {
    query.nothing_else()?;
    let yes_value = read_answer(fields)?;
    change(&state, &market, Transition::Resolve { yes_value }).await
}

/// `outcome` or `yes_value`, one of the two.
fn read_answer(mut fields: Fields) -> Result<YesValue, Problem> {
    let value = if fields.has("yes_value") {
        fields.refuse("outcome", "give either outcome or yes_value");
        fields.text("yes_value", parse::yes_value)
    } else {
        fields.refuse("yes_value", "give either outcome or yes_value");
        fields.text("outcome", parse::name::<Contract>("YES, NO")).map(|contract| match contract {
            Contract::Yes => YesValue::YES,
            Contract::No => YesValue::NO,
        })
    };
    fields.finish(value)
}

async fn change(state: &Shared, name: &str, transition: Transition) -> Result<Answer<MarketAnswer>, Failure> {
    let known = state.live.view().market_named(name).map(|live| live.market.clone());
    let Market { listing, shard, .. } = known.ok_or_else(|| Problem::new(kinds::MARKET_UNKNOWN))?;
    let market = listing.market;
    let look = format!("/v1/markets/{}", listing.ticker);
    let settled = submit(state, shard, Command::ChangeMarket { market, transition }, |_| look_at(look)).await?;
    let changed = settled.outcome.events.iter().find_map(|event| match event {
        Event::MarketChanged { state, yes_value, .. } => Some((*state, *yes_value)),
        _ => None,
    });
    let Some((state, yes_value)) = changed else { return Err(refusal(&settled).into()) };
    let market = Market { listing, state, yes_value, shard };
    let command_id = settled.outcome.cause.id.to_string();
    Ok(Answer::one(MarketAnswer { market, command_id }, settled.at()))
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
        let problem = listing(r#"{"ticker": "rain", "expiry": 1, "taker_fee": "0.3", "market_id": "1"}"#).unwrap_err();
        assert_eq!(
            places(&problem),
            ["/ticker form", "/question missing", "/expiry type", "/taker_fee out-of-range", "/market_id unknown"]
        );
    }

    #[test]
    fn an_answer_is_given_in_one_of_two_ways() {
        let answer = |body: &str| read_answer(Fields::parse(body.as_bytes()).unwrap()).map_err(|p| places(&p));
        assert_eq!(answer(r#"{"outcome": "YES"}"#), Ok(YesValue::YES));
        assert_eq!(answer(r#"{"yes_value": "0.25", "outcome": null}"#).map(YesValue::ticks), Ok(2_500));
        assert_eq!(answer("{}").unwrap_err(), ["/outcome missing"]);
        assert_eq!(answer(r#"{"yes_value": "1", "outcome": "NO"}"#).unwrap_err(), ["/outcome conflict"]);
        assert_eq!(answer(r#"{"outcome": "MAYBE"}"#).unwrap_err(), ["/outcome form"]);
    }
}
