//! A market's description: as listed, as edited before its first trade, and additions to it.

use std::sync::Arc;

use axum::extract::State;
use schemas::text::{Label, Source};
use schemas::{
    About, AdminId, Command, Event, FeeRate, Listing, MarketAddition, MarketEdit, MarketId, MarketLimits, Sources, Tags,
};

use crate::command_result::ResultPart;
use crate::http::answer::{Answer, AtPosition};
use crate::http::auth::MarketsAdmin;
use crate::http::command::{CommandFailure, look_at, submit};
use crate::http::extract::{JsonBody, QueryString, Segment};
use crate::http::fields::Fields;
use crate::http::market_changed::MarketChanged;
use crate::http::market_events;
use crate::http::oversight::read_market_limits;
use crate::http::parse::{self, ValueFault};
use crate::http::problem::Problem;
use crate::http::queries::find;
use crate::openapi::requests::{AddToMarket, EditMarket};
use crate::shapes::market::{Clarified, MarketShape};
use crate::state::Shared;

/// The default tick size, in ticks: the finest.
const TICK_DEFAULT: u16 = 1;

/// The name or id of a market event.
type EventName = String;

/// The fields of a body, with the market event that it names.
#[derive(Debug)]
pub struct NamedListing<T> {
    said: T,
    event: Option<EventName>,
}

/// Reads a market to list, with the market event that the body names.
pub fn listing(state: &Shared, fields: Fields) -> Result<Listing, Problem> {
    let NamedListing { said: mut listing, event } = read_listing(fields)?;
    if let Some(name) = event {
        Arc::make_mut(&mut listing.about).event = Some(market_events::find(state, &name)?.event.id);
    }
    Ok(listing)
}

fn read_listing(mut fields: Fields) -> Result<NamedListing<Listing>, Problem> {
    let ticker = fields.text("ticker", parse::new_ticker);
    let question = fields.text("question", parse::question);
    let rules = fields.text("rules", parse::rules);
    let sources = fields.texts_or("sources", Sources::default(), sources);
    let category = fields.text("category", parse::label);
    let tags = fields.texts_or("tags", Tags::default(), tags);
    let event = fields.text_or("event", None, |name| Ok(Some(name.to_owned())));
    let opens = fields.text_or("opens_at", None, |time| parse::time(time).map(Some));
    let expiry = fields.text("expiry", parse::time);
    let tick = fields.text_or("tick_size", TICK_DEFAULT, parse::tick_size);
    let maker_fee = fields.text_or("maker_fee", FeeRate::ZERO, parse::fee_rate);
    let taker_fee = fields.text_or("taker_fee", FeeRate::ZERO, parse::fee_rate);
    let dispute_window_ms = fields.integer_or("dispute_window_ms", 0, parse::dispute_window);
    let limits = fields.object_or("limits", MarketLimits::NONE, read_market_limits);
    let built = (|| {
        let (question, rules, sources, category, tags) = (question?, rules?, sources?, category?, tags?);
        let about = Arc::new(About { question, rules, sources, category, tags, event: None });
        let (ticker, opens, expiry, tick) = (ticker?, opens?, expiry?, tick?);
        let (maker_fee, taker_fee) = (maker_fee?, taker_fee?);
        let (market, dispute_window_ms, limits) = (MarketId::of(&ticker), dispute_window_ms?, limits?);
        let said =
            Listing { market, ticker, about, opens, expiry, tick, maker_fee, taker_fee, dispute_window_ms, limits };
        Some(NamedListing { said, event: event? })
    })();
    fields.finish(built)
}

/// Changes a market's description before its first trade.
#[utoipa::path(
    patch,
    path = "/v1/markets/{market}",
    operation_id = "edit_market",
    tag = "admin",
    params(("market" = String, Path, description = "The market: ticker or id")),
    request_body = EditMarket,
    responses((status = 200, description = "The market", body = AtPosition<MarketChanged>)),
    security(("admin" = ["MARKETS"])),
)]
pub async fn edit(
    MarketsAdmin(by): MarketsAdmin,
    State(state): State<Shared>,
    query: QueryString,
    Segment(name): Segment,
    JsonBody(fields): JsonBody,
) -> Result<Answer<MarketChanged>, CommandFailure> {
    query.nothing_else()?;
    let NamedListing { said: mut edit, event } = read_edit(fields)?;
    if let Some(name) = event {
        edit.event = Some(Some(market_events::find(&state, &name)?.event.id));
    }
    let (mut market, shard) = find(&state, &name)?;
    let id = market.listing.market;
    let edited = |told: &ResultPart<'_>| {
        told.events.iter().find_map(|event| match event {
            Event::MarketEdited { edit, by, .. } => Some((edit.clone(), *by)),
            _ => None,
        })
    };
    let command = Command::EditMarket { market: id, edit: Box::new(edit), by };
    let look = look_at(format!("/v1/markets/{id}"));
    let ((edit, by), settled) = submit(&state, shard, command, |_| look, edited).await?;
    market.listing.edit(&edit);
    Ok(answer(market, by, &settled))
}

/// Null removes the market from its event, and removes the opening time.
fn read_edit(mut fields: Fields) -> Result<NamedListing<MarketEdit>, Problem> {
    let question = fields.text_or("question", None, |text| parse::question(text).map(Some));
    let rules = fields.text_or("rules", None, |text| parse::rules(text).map(Some));
    let sources = fields.texts_or("sources", None, |texts| sources(texts).map(Some));
    let category = fields.text_or("category", None, |text| parse::label(text).map(Some));
    let tags = fields.texts_or("tags", None, |texts| tags(texts).map(Some));
    let event = fields.replaced("event", |name| Ok(name.to_owned()));
    let opens = fields.replaced("opens_at", parse::time);
    let expiry = fields.text_or("expiry", None, |time| parse::time(time).map(Some));
    let built = (|| {
        let (question, rules, sources, category, tags) = (question?, rules?, sources?, category?, tags?);
        let (event, opens, expiry) = (event?, opens?, expiry?);
        let taken_out = event.as_ref().is_some_and(Option::is_none).then_some(None);
        let said = MarketEdit { question, rules, sources, category, tags, event: taken_out, opens, expiry };
        Some(NamedListing { said, event: event.flatten() })
    })();
    fields.finish(built)
}

/// Adds to a market's description.
#[utoipa::path(
    post,
    path = "/v1/markets/{market}/additions",
    operation_id = "add_to_market",
    tag = "admin",
    params(("market" = String, Path, description = "The market: ticker or id")),
    request_body = AddToMarket,
    responses((status = 200, description = "The market", body = AtPosition<MarketChanged>)),
    security(("admin" = ["MARKETS"])),
)]
pub async fn add(
    MarketsAdmin(by): MarketsAdmin,
    State(state): State<Shared>,
    query: QueryString,
    Segment(name): Segment,
    JsonBody(fields): JsonBody,
) -> Result<Answer<MarketChanged>, CommandFailure> {
    query.nothing_else()?;
    let addition = read_addition(fields)?;
    let (mut market, shard) = find(&state, &name)?;
    let id = market.listing.market;
    let added = |told: &ResultPart<'_>| {
        told.events.iter().find_map(|event| match event {
            Event::MarketAddedTo { addition, by, .. } => Some((addition.clone(), *by, told.settled.outcome.time)),
            _ => None,
        })
    };
    let command = Command::AddToMarket { market: id, addition: Box::new(addition), by };
    let look = look_at(format!("/v1/markets/{id}"));
    let ((addition, by, time), settled) = submit(&state, shard, command, |_| look, added).await?;
    // The view may be later than the outcome and contain the addition already.
    if market.listing.add(&addition).is_some()
        && let Some(text) = addition.clarification
    {
        market.clarify(Clarified { text, by, time });
    }
    Ok(answer(market, by, &settled))
}

fn read_addition(mut fields: Fields) -> Result<MarketAddition, Problem> {
    let clarification = fields.text_or("clarification", None, |text| parse::clarification(text).map(Some));
    let sources = fields.texts_or("sources", Sources::default(), sources);
    let tags = fields.texts_or("tags", Tags::default(), tags);
    let built = (|| Some(MarketAddition { clarification: clarification?, sources: sources?, tags: tags? }))();
    fields.finish(built)
}

fn answer(market: MarketShape, by: AdminId, settled: &crate::command_result::CommandResult) -> Answer<MarketChanged> {
    let command_id = settled.command.to_string();
    Answer::one(MarketChanged { market, by: Some(by), command_id }, settled.at())
}

fn sources(texts: &[&str]) -> Result<Sources, ValueFault> {
    let all: Option<Vec<Source>> = texts.iter().map(|text| text.parse().ok()).collect();
    all.and_then(Sources::new).ok_or_else(|| ValueFault::form("at most 10 texts of 1 to 500 bytes, each once"))
}

fn tags(texts: &[&str]) -> Result<Tags, ValueFault> {
    let all: Option<Vec<Label>> = texts.iter().map(|text| text.parse().ok()).collect();
    all.and_then(Tags::new)
        .ok_or_else(|| ValueFault::form("at most 10 tags of 1 to 32 characters of a-z, 0-9 and -, each once"))
}

#[cfg(test)]
mod tests {
    use schemas::Timestamp;

    use super::*;

    fn places(problem: &Problem) -> Vec<String> {
        let errors = problem.body()["errors"].clone();
        errors.as_array().unwrap().iter().map(|e| format!("{} {}", e["pointer"], e["code"]).replace('"', "")).collect()
    }

    fn fields(body: &str) -> Fields {
        Fields::parse(body.as_bytes()).unwrap()
    }

    const PLAIN: &str = r#""ticker": "RAIN", "question": "Rain?", "rules": "YES if it rains.", "category": "weather", "expiry": "2030-01-01T00:00:00Z""#;

    #[test]
    fn a_listing_has_defaults_and_its_tickers_id() {
        let NamedListing { said: read, event } = read_listing(fields(&format!("{{{PLAIN}}}"))).unwrap();
        assert_eq!((read.tick, read.maker_fee, read.market), (1, FeeRate::ZERO, MarketId::of(&read.ticker)));
        assert_eq!((read.dispute_window_ms, read.limits, read.opens), (0, MarketLimits::NONE, None));
        assert_eq!((read.about.tags.len(), read.about.sources.len(), event), (0, 0, None));
        let more = r#""dispute_window_ms": 7, "limits": {"position": 9}, "tags": ["rain", "2030"], "event": "weather-of-2030",
            "sources": ["https://rain.example"], "opens_at": "2029-01-01T00:00:00Z""#;
        let NamedListing { said: read, event } = read_listing(fields(&format!("{{{PLAIN}, {more}}}"))).unwrap();
        assert_eq!((read.dispute_window_ms, read.limits.position), (7, 9));
        assert_eq!((read.about.tags.len(), read.about.sources.len()), (2, 1));
        assert_eq!((event.as_deref(), read.opens.is_some()), (Some("weather-of-2030"), true));
        let body = r#"{"ticker": "rain", "expiry": 1, "taker_fee": "0.3", "tags": ["a", "a"], "market_id": "1"}"#;
        assert_eq!(
            places(&read_listing(fields(body)).unwrap_err()),
            [
                "/ticker form",
                "/question missing",
                "/rules missing",
                "/category missing",
                "/tags form",
                "/expiry type",
                "/taker_fee out-of-range",
                "/market_id unknown"
            ]
        );
    }

    #[test]
    fn in_an_edit_null_takes_away_and_what_is_absent_stays() {
        let NamedListing { said, event } =
            read_edit(fields(r#"{"event": null, "opens_at": null, "rules": null}"#)).unwrap();
        assert_eq!((said.event, said.opens, said.rules, event), (Some(None), Some(None), None, None));
        let body = r#"{"event": "cup", "opens_at": "1970-01-01T00:00:01Z", "tags": []}"#;
        let NamedListing { said, event } = read_edit(fields(body)).unwrap();
        assert_eq!((said.event, event.as_deref()), (None, Some("cup")));
        assert_eq!((said.opens, said.tags), (Some(Some(Timestamp(1_000))), Some(Tags::default())));
        assert!(read_edit(fields("{}")).unwrap().said.is_empty());
        assert_eq!(
            places(&read_edit(fields(r#"{"ticker": "SNOW", "expiry": 1}"#)).unwrap_err()),
            ["/expiry type", "/ticker unknown"]
        );
    }

    #[test]
    fn an_addition_replaces_nothing() {
        let addition = read_addition(fields(r#"{"clarification": "Hail\nis no rain.", "tags": ["hail"]}"#)).unwrap();
        assert_eq!((addition.clarification.is_some(), addition.tags.len(), addition.sources.len()), (true, 1, 0));
        assert_eq!(places(&read_addition(fields(r#"{"rules": "No."}"#)).unwrap_err()), ["/rules unknown"]);
    }
}
