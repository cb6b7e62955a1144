//! Tickers and books of many markets in one request. A ticker's figures are from Postgres, its best
//! prices from the view.

use std::collections::BTreeSet;

use axum::extract::State;
use schemas::ids::LogPosition;
use schemas::{BookSide, Credits, MarketId, Price, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::{DAY_STEP_S, DayFigures};
use crate::http::answer::{Answer, AtPositions};
use crate::http::candles::known;
use crate::http::extract::{QueryString, Segment};
use crate::http::gate::reaches;
use crate::http::history::unreadable;
use crate::http::parse::{self, PAGE_DEFAULT, PAGE_MAX, ValueFault};
use crate::http::problem::{Problem, kinds};
use crate::http::range::several_up_to;
use crate::openapi::params::{ManyBooksParams, ManyMarketsParams, PageParams};
use crate::openapi::scalars::{
    ContractsText, LevelPriceText, MarketIdText, MarketStateName, PriceText, SignedCreditsText, TickerText, TimeText,
};
use crate::shapes::{iso, iso_or_null, text, text_or_null};
use crate::state::Shared;

/// The most markets of one request.
const MARKETS_MAX: usize = PAGE_MAX;

/// Levels of each side of a book among many; the most, and how many if none is asked for.
const LEVELS_MAX: usize = 100;
const LEVELS_DEFAULT: usize = 10;

const DAY_MS: u64 = 86_400_000;

/// A market's figures. Prices are of the YES contract.
#[derive(Serialize, ToSchema)]
#[schema(as = MarketTicker)]
pub struct TickerItem {
    #[serde(serialize_with = "text")]
    #[schema(value_type = MarketIdText)]
    market_id: MarketId,
    #[schema(value_type = TickerText)]
    ticker: String,
    #[schema(value_type = MarketStateName)]
    state: &'static str,
    /// The highest bid.
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<PriceText>, required)]
    best_bid: Option<Price>,
    /// Contracts at the highest bid.
    #[schema(required)]
    best_bid_quantity: Option<i64>,
    /// The lowest ask.
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<PriceText>, required)]
    best_ask: Option<Price>,
    /// Contracts at the lowest ask.
    #[schema(required)]
    best_ask_quantity: Option<i64>,
    /// The price of the last trade.
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<PriceText>, required)]
    last_price: Option<Price>,
    /// The time of the last trade.
    #[serde(serialize_with = "iso_or_null")]
    #[schema(value_type = Option<TimeText>, required)]
    last_time: Option<Timestamp>,
    /// Contracts traded since the market opened.
    #[serde(serialize_with = "text")]
    #[schema(value_type = ContractsText)]
    volume: u64,
    /// Contracts traded since `day_since`.
    #[serde(serialize_with = "text")]
    #[schema(value_type = ContractsText)]
    volume_24h: u64,
    /// Number of trades since `day_since`.
    trades_24h: u64,
    /// The highest price since `day_since`.
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<PriceText>, required)]
    high_24h: Option<Price>,
    /// The lowest price since `day_since`.
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<PriceText>, required)]
    low_24h: Option<Price>,
    /// The last price minus that of the last trade before `day_since`, or of the first trade since;
    /// null without a trade.
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<SignedCreditsText>, required)]
    change_24h: Option<Credits>,
    /// The begin of the last 24 hours, at a whole five minutes.
    #[serde(serialize_with = "iso")]
    #[schema(value_type = TimeText)]
    day_since: Timestamp,
    /// YES contracts outstanding.
    open_interest: u64,
}

/// Tickers, ordered by ticker.
#[derive(Serialize, ToSchema)]
pub struct TickerList {
    items: Vec<TickerItem>,
    /// The cursor of the next page; null on the last.
    #[schema(required)]
    next: Option<String>,
}

/// The best levels of a market's book, in YES.
#[derive(Serialize, ToSchema)]
#[schema(as = BriefBook)]
pub struct BookItem {
    #[serde(serialize_with = "text")]
    #[schema(value_type = MarketIdText)]
    market_id: MarketId,
    /// Price and contracts of each level, the highest price first.
    #[schema(value_type = Vec<(LevelPriceText, u64)>)]
    bids: Vec<(String, i64)>,
    /// Price and contracts of each level, the lowest price first.
    #[schema(value_type = Vec<(LevelPriceText, u64)>)]
    asks: Vec<(String, i64)>,
}

/// Books in the order of the request.
#[derive(Serialize, ToSchema)]
pub struct BookList {
    items: Vec<BookItem>,
}

/// Shows a market's ticker.
#[utoipa::path(
    get,
    path = "/v1/markets/{market}/ticker",
    operation_id = "get_ticker",
    tag = "markets",
    params(("market" = String, Path, description = "The market: ticker or id")),
    responses((status = 200, description = "The ticker", body = AtPositions<TickerItem>)),
)]
pub async fn one(
    State(state): State<Shared>,
    query: QueryString,
    Segment(name): Segment,
) -> Result<Answer<TickerItem>, Problem> {
    let at_least = query.nothing_else()?;
    let market = known(&state, &name)?;
    reaches(&state.database_progress, &at_least).await?;
    let (mut items, at) = tickers(&state, &[market]).await?;
    // Postgres may be behind the view.
    let item = items.pop().ok_or_else(|| Problem::new(kinds::READ_MODEL_UNAVAILABLE))?;
    Ok(Answer::many(item, at))
}

/// Lists tickers of some markets, or of all that are not archived.
///
/// With `markets`, exactly those, archived ones included, on one page. A market that was listed a
/// moment ago may be missing.
#[utoipa::path(
    get,
    path = "/v1/tickers",
    operation_id = "list_tickers",
    tag = "markets",
    params(ManyMarketsParams, PageParams),
    responses((status = 200, description = "A page of tickers", body = AtPositions<TickerList>)),
)]
pub async fn list(State(state): State<Shared>, query: QueryString) -> Result<Answer<TickerList>, Problem> {
    let (mut params, at_least) = (query.params, query.at_least);
    let names = params.optional("markets", names);
    for other in ["limit", "cursor"] {
        if names.is_some() && params.has(other) {
            params.fault(other, ValueFault::conflict("give either markets or a page"));
        }
    }
    let limit = params.optional("limit", parse::page_limit).unwrap_or(PAGE_DEFAULT);
    let after = params.optional("cursor", parse::ticker);
    params.finish()?;
    let (ids, next) = match names {
        Some(names) => (names.iter().map(|name| known(&state, name)).collect::<Result<_, _>>()?, None),
        None => {
            let (found, more) = state.live.view().markets_under(&[], after.as_ref(), limit, limit);
            let ids: Vec<MarketId> = found.iter().map(|market| market.listing.market).collect();
            (ids, more.map(|ticker| ticker.to_string()))
        }
    };
    reaches(&state.database_progress, &at_least).await?;
    let (items, at) = tickers(&state, &ids).await?;
    Ok(Answer::many(TickerList { items, next }, at))
}

/// Shows the best levels of some markets' books.
#[utoipa::path(
    get,
    path = "/v1/books",
    operation_id = "list_books",
    tag = "markets",
    params(ManyBooksParams),
    responses((status = 200, description = "The books", body = AtPositions<BookList>)),
)]
pub async fn books(State(state): State<Shared>, mut query: QueryString) -> Result<Answer<BookList>, Problem> {
    let names = query.params.required("markets", names);
    let depth = query.params.optional("depth", |text| parse::bounded(text, LEVELS_MAX)).unwrap_or(LEVELS_DEFAULT);
    query.nothing_else()?;
    let at = state.live.view().positions();
    let mut items = Vec::new();
    for name in names.unwrap_or_default() {
        let market_id = known(&state, &name)?;
        let book = state.live.market(&name, |_, _, moving| moving.book.clone());
        // An archived market's book is empty.
        let book = book.map_err(|error| Problem::unstored(&error))?.unwrap_or_default();
        let levels = |side| book.levels(side).take(depth).map(|(price, n)| (price.to_string(), n)).collect();
        items.push(BookItem { market_id, bids: levels(BookSide::Bid), asks: levels(BookSide::Ask) });
    }
    Ok(Answer::many(BookList { items }, at))
}

/// Parses tickers and ids, each once.
fn names(list: &str) -> Result<Vec<String>, ValueFault> {
    let names = several_up_to(MARKETS_MAX, |name| match name {
        "" => Err(ValueFault::form("tickers or ids, separated by commas")),
        name => Ok(name.to_owned()),
    })(list)?;
    if names.iter().collect::<BTreeSet<_>>().len() < names.len() {
        return Err(ValueFault { code: "repeated", detail: "a market is given more than once".to_owned() });
    }
    Ok(names)
}

/// Reads the tickers of these markets, by ticker, and the positions that they are as of at least.
async fn tickers(state: &Shared, ids: &[MarketId]) -> Result<(Vec<TickerItem>, Vec<LogPosition>), Problem> {
    let step = u64::from(DAY_STEP_S) * 1_000;
    // Rounded up: the window is never longer than a day.
    let day_since = Timestamp(service::clock::now().as_millis().saturating_sub(DAY_MS).next_multiple_of(step));
    let mut homes = ids.iter().map(|id| state.map.of_market(*id));
    let home = homes.next().filter(|first| homes.all(|home| home == *first));
    let (mut rows, mut at) = state.database.days(ids, day_since, home).await.map_err(|error| unreadable(&error))?;
    rows.sort_by(|a, b| a.ticker.cmp(&b.ticker));
    {
        let view = state.live.view();
        for at in &mut at {
            at.sequence = at.sequence.min(view.sequence(at.shard));
        }
    }
    let items = rows.into_iter().map(|row| ticker(state, row, day_since)).collect::<Result<_, _>>()?;
    Ok((items, at))
}

fn ticker(state: &Shared, row: DayFigures, day_since: Timestamp) -> Result<TickerItem, Problem> {
    let best = state.live.market(&row.market.to_string(), |_, _, moving| {
        [BookSide::Bid, BookSide::Ask].map(|side| moving.book.levels(side).next())
    });
    // An archived market has no book.
    let [bid, ask] = best.map_err(|error| Problem::unstored(&error))?.unwrap_or_default();
    Ok(TickerItem {
        market_id: row.market,
        ticker: row.ticker,
        state: row.state.name(),
        best_bid: bid.map(|(price, _)| price),
        best_bid_quantity: bid.map(|(_, quantity)| quantity),
        best_ask: ask.map(|(price, _)| price),
        best_ask_quantity: ask.map(|(_, quantity)| quantity),
        last_price: row.last_price,
        last_time: row.last_time,
        volume: row.volume,
        volume_24h: row.day_volume,
        trades_24h: row.day_trades,
        high_24h: row.day_high,
        low_24h: row.day_low,
        change_24h: row.last_price.zip(row.day_open).map(|(last, open)| change(open, last)),
        day_since,
        open_interest: row.open_interest,
    })
}

/// A tick is 100 micro-credits.
fn change(open: Price, last: Price) -> Credits {
    Credits((i64::from(last.ticks()) - i64::from(open.ticks())) * 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_market_is_given_once() {
        assert_eq!(names("SNOW,RAIN").unwrap(), ["SNOW", "RAIN"]);
        assert_eq!(names("RAIN,RAIN").unwrap_err().code, "repeated");
        assert!(names("").is_err() && names("RAIN,").is_err());
        assert!(names(&vec!["RAIN"; MARKETS_MAX + 1].join(",")).is_err());
    }

    #[test]
    fn a_change_has_a_sign() {
        let price = |ticks| Price::new(ticks).unwrap();
        assert_eq!(change(price(5_000), price(4_900)).to_string(), "-0.010000");
        assert_eq!(change(price(4_900), price(5_000)).to_string(), "0.010000");
    }
}
