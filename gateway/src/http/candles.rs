//! A market's candles, from Postgres. Intervals without trades have none; each candle states how
//! many such intervals precede it.

use axum::extract::State;
use schemas::ids::LogPosition;
use schemas::read_models::CANDLE_INTERVALS_S;
use schemas::{MarketId, Price, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::{CandleRow, CandlesWanted};
use crate::http::answer::{Answer, AtPosition};
use crate::http::extract::{QueryString, Segment};
use crate::http::gate::reaches;
use crate::http::history::{foreign_cursor, unreadable};
use crate::http::missing::missing_market;
use crate::http::parse::{self, PAGE_DEFAULT, ValueFault};
use crate::http::problem::Problem;
use crate::http::range::TimeRange;
use crate::openapi::params::{CandleParams, PageParams, RangeParams};
use crate::openapi::scalars::{ContractsText, MarketIdText, PriceText, TimeText};
use crate::shapes::{iso, text};
use crate::state::Shared;
use service::hex::{from_hex, to_hex};

/// The names of the intervals, in the order of [`CANDLE_INTERVALS_S`].
const NAMES: [&str; CANDLE_INTERVALS_S.len()] = ["1m", "5m", "1h", "1d"];

/// Prices of the YES contract and volume of one interval that has trades.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[schema(as = Candle)]
pub struct CandleItem {
    /// The start of the interval (UTC).
    #[serde(serialize_with = "iso")]
    #[schema(value_type = TimeText)]
    start: Timestamp,
    #[serde(serialize_with = "text")]
    #[schema(value_type = PriceText)]
    open: Price,
    #[serde(serialize_with = "text")]
    #[schema(value_type = PriceText)]
    high: Price,
    #[serde(serialize_with = "text")]
    #[schema(value_type = PriceText)]
    low: Price,
    #[serde(serialize_with = "text")]
    #[schema(value_type = PriceText)]
    close: Price,
    /// Contracts traded.
    #[serde(serialize_with = "text")]
    #[schema(value_type = ContractsText)]
    volume: u64,
    /// Number of trades.
    trades: u64,
    /// Intervals without trades between the candle before and this one; null for the market's first
    /// candle.
    #[schema(required)]
    gap: Option<u64>,
}

/// A page of candles, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = CandleList)]
pub struct CandlesAnswer {
    #[serde(serialize_with = "text")]
    #[schema(value_type = MarketIdText)]
    market_id: MarketId,
    /// The interval.
    interval: &'static str,
    /// Intervals without trades are left out.
    items: Vec<CandleItem>,
    /// The last candle before the page. Its `close` is the price that intervals without trades at
    /// the page's start carry over. Null if there is none.
    #[schema(required)]
    carried: Option<CarriedPrice>,
    /// The cursor of the next page; null on the last.
    #[schema(required)]
    next: Option<String>,
}

/// The price of the last trade before a page of candles.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct CarriedPrice {
    /// The start of its interval.
    #[serde(serialize_with = "iso")]
    #[schema(value_type = TimeText)]
    start: Timestamp,
    #[serde(serialize_with = "text")]
    #[schema(value_type = PriceText)]
    close: Price,
}

/// Lists a market's candles, newest first.
///
/// The newest one may still change. A page has the candles that start at `since` or later and
/// before `until`.
#[utoipa::path(
    get,
    path = "/v1/markets/{market}/candles",
    operation_id = "list_candles",
    tag = "markets",
    params(
        ("market" = String, Path, description = "The market: ticker or id"),
        CandleParams,
        RangeParams,
        PageParams,
    ),
    responses((status = 200, description = "A page of candles", body = AtPosition<CandlesAnswer>)),
)]
pub async fn list(
    State(state): State<Shared>,
    query: QueryString,
    Segment(name): Segment,
) -> Result<Answer<CandlesAnswer>, Problem> {
    let (mut params, at_least) = (query.params, query.at_least);
    let interval = params.required("interval", interval);
    let limit = params.optional("limit", parse::page_limit).unwrap_or(PAGE_DEFAULT);
    let cursor = params.optional("cursor", place);
    let range = TimeRange::read(&mut params);
    params.finish()?;
    // It is set, or its absence was a fault.
    let interval = interval.unwrap_or_default();
    let market = known(&state, &name)?;
    let home = state.map.of_market(market);
    reaches(&state.database_progress, &at_least).await?;
    let before = range.place(cursor, |start| *start, |until| until).unwrap_or(Timestamp(u64::MAX));
    let interval_s = CANDLE_INTERVALS_S[interval];
    let wanted = CandlesWanted { market, home, interval_s, before, limit };
    let (rows, at) = state.database.candles(&wanted).await.map_err(|error| unreadable(&error))?;
    let (items, carried, next) = page(&rows, range.since, interval_s, limit);
    let at = at.into_iter().find(|at| at.shard == home).unwrap_or(LogPosition { shard: home, sequence: 0 });
    Ok(Answer::one(CandlesAnswer { market_id: market, interval: NAMES[interval], items, carried, next }, at))
}

/// Finds a market's id, archived or not.
pub fn known(state: &Shared, name: &str) -> Result<MarketId, Problem> {
    let view = state.live.view();
    let live = view.market_named(name).map(|live| live.market.listing.market);
    live.or_else(|| view.archived_named(name)).ok_or_else(|| missing_market(&view, name))
}

type CandlePage = (Vec<CandleItem>, Option<CarriedPrice>, Option<String>);

/// Makes a page of rows, newest first, of which the last ones may be before the page.
fn page(rows: &[CandleRow], since: Option<Timestamp>, interval_s: u32, limit: usize) -> CandlePage {
    let wanted = |row: &&CandleRow| since.is_none_or(|since| row.start >= since);
    let shown = rows.iter().take(limit).take_while(wanted).count();
    let length = u64::from(interval_s) * 1_000;
    let item = |(index, row): (usize, &CandleRow)| {
        let CandleRow { start, open, high, low, close, volume, trades } = *row;
        let between = |earlier: &CandleRow| (start.as_millis() - earlier.start.as_millis()) / length - 1;
        CandleItem { start, open, high, low, close, volume, trades, gap: rows.get(index + 1).map(between) }
    };
    let items: Vec<CandleItem> = rows[..shown].iter().enumerate().map(item).collect();
    let before = rows.get(shown);
    let next = before.filter(wanted).and(items.last()).map(|last| to_hex(&last.start.as_millis().to_be_bytes()));
    let carried = before.map(|row| CarriedPrice { start: row.start, close: row.close });
    (items, carried, next)
}

fn interval(text: &str) -> Result<usize, ValueFault> {
    let found = NAMES.iter().position(|name| *name == text);
    found.ok_or_else(|| ValueFault::form("one of 1m, 5m, 1h, 1d"))
}

fn place(text: &str) -> Result<Timestamp, ValueFault> {
    from_hex(text).map(|bytes| Timestamp(u64::from_be_bytes(bytes))).ok_or_else(foreign_cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(minute: u64, ticks: u16) -> CandleRow {
        let price = Price::new(ticks).unwrap();
        let start = Timestamp(minute * 60_000);
        CandleRow { start, open: price, high: price, low: price, close: price, volume: 1, trades: 1 }
    }

    /// Starts with their gaps, what was carried over, and where the next page begins.
    type ShownPage = (Vec<(u64, Option<u64>)>, Option<u64>, Option<Timestamp>);

    fn shown((items, carried, next): &CandlePage) -> ShownPage {
        let items = items.iter().map(|item| (item.start.0 / 60_000, item.gap)).collect();
        (items, carried.as_ref().map(|row| row.start.0 / 60_000), next.as_ref().map(|next| place(next).unwrap()))
    }

    #[test]
    fn gaps_are_stated_and_so_is_what_is_carried_over() {
        let rows = [row(20, 3), row(19, 2), row(10, 1)];
        assert_eq!(
            shown(&page(&rows, None, 60, 2)),
            (vec![(20, Some(0)), (19, Some(8))], Some(10), Some(Timestamp(19 * 60_000)))
        );
        // The last page begins with the market's first candle.
        assert_eq!(shown(&page(&rows[1..], None, 60, 2)), (vec![(19, Some(8)), (10, None)], None, None));
        // What is before `since` is carried over, and no page.
        let since = Some(Timestamp(11 * 60_000));
        assert_eq!(shown(&page(&rows, since, 60, 2)), (vec![(20, Some(0)), (19, Some(8))], Some(10), None));
        let since = Some(Timestamp(30 * 60_000));
        assert_eq!(shown(&page(&rows, since, 60, 2)), (vec![], Some(20), None));
    }

    #[test]
    fn an_interval_has_a_name() {
        assert_eq!(
            ["1m", "5m", "1h", "1d"].map(|name| CANDLE_INTERVALS_S[interval(name).unwrap()]),
            CANDLE_INTERVALS_S
        );
        assert!(interval("2m").is_err() && place("00").is_err());
    }
}
