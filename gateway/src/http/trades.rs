//! A market's trades, newest first: the last ones from the view, older ones from Postgres.

use axum::extract::State;
use schemas::ids::LogPosition;
use schemas::{MarketId, Timestamp, TradeId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::{TradePlace, TradesWanted};
use crate::http::answer::{Answer, AtPosition};
use crate::http::extract::{QueryString, Segment};
use crate::http::gate::reaches;
use crate::http::history::{foreign_cursor, unreadable};
use crate::http::missing::missing_market;
use crate::http::parse::{self, PAGE_DEFAULT, PAGE_MAX, ValueFault};
use crate::http::problem::Problem;
use crate::http::range::TimeRange;
use crate::openapi::params::{PageParams, RangeParams};
use crate::openapi::scalars::MarketIdText;
use crate::shapes::{PublicTrade, text};
use crate::state::Shared;
use crate::view::trades::RECENT_TRADES_MAX;
use service::hex::{from_hex, to_hex};

// The view has as many trades as a page.
const _: () = assert!(PAGE_MAX <= RECENT_TRADES_MAX);

/// A page of a market's trades, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = TradeList)]
pub struct TradesAnswer {
    #[serde(serialize_with = "text")]
    #[schema(value_type = MarketIdText)]
    market_id: MarketId,
    items: Vec<PublicTrade>,
    /// The cursor of the next page, which may be empty; null on the last.
    #[schema(required)]
    next: Option<String>,
}

/// Lists a market's trades, newest first.
///
/// Trades of the same moment are listed by id. A page includes `since` and excludes `until`.
#[utoipa::path(
    get,
    path = "/v1/markets/{market}/trades",
    operation_id = "list_trades",
    tag = "markets",
    params(("market" = String, Path, description = "The market: ticker or id"), RangeParams, PageParams),
    responses((status = 200, description = "A page of trades", body = AtPosition<TradesAnswer>)),
)]
pub async fn list(
    State(state): State<Shared>,
    query: QueryString,
    Segment(name): Segment,
) -> Result<Answer<TradesAnswer>, Problem> {
    let (mut params, mut at_least) = (query.params, query.at_least);
    let limit = params.optional("limit", parse::page_limit).unwrap_or(PAGE_DEFAULT);
    let cursor = params.optional("cursor", trade_cursor);
    let range = TimeRange::read(&mut params);
    params.finish()?;
    let archived = state.live.view().archived_named(&name);
    if let (None, None, TimeRange { since: None, until: None }) = (archived, cursor, range) {
        return newest(&state, &name, limit);
    }
    let known = || state.live.view().market_named(&name).map(|live| live.market.listing.market);
    let market = archived.or_else(known).ok_or_else(|| missing_market(&state.live.view(), &name))?;
    let home = state.map.of_market(market);
    // The page before may be of the view, which Postgres follows.
    at_least.extend(cursor.map(|(_, sequence)| LogPosition { shard: home, sequence }));
    reaches(&state.database_progress, &at_least).await?;
    let place = cursor.map(|(place, _)| place);
    let after = range.place(place, |(time, _)| *time, |time| (time, TradeId(0)));
    let wanted = TradesWanted { market, home, since: range.since, after, limit };
    let (items, more, at) = state.database.trades(&wanted).await.map_err(|error| unreadable(&error))?;
    let nothing_yet = LogPosition { shard: home, sequence: 0 };
    let at = at.into_iter().find(|at| at.shard == home).unwrap_or(nothing_yet);
    let next = next(&items, more, at);
    Ok(Answer::one(TradesAnswer { market_id: market, items, next }, at))
}

/// Reads the first page from the view, which keeps at least a page of trades.
fn newest(state: &Shared, name: &str, limit: usize) -> Result<Answer<TradesAnswer>, Problem> {
    let found = state.live.market(name, |view, live, moving| {
        let at = LogPosition { shard: live.market.shard, sequence: view.sequence(live.market.shard) };
        (live.market.listing.market, at, moving.trades.clone())
    });
    let found = found.map_err(|error| Problem::unstored(&error))?;
    let (market_id, at, trades) = found.ok_or_else(|| missing_market(&state.live.view(), name))?;
    let items: Vec<PublicTrade> = trades.newest_first().take(limit).copied().collect();
    let kept = trades.newest_first().count();
    // A full view may have forgotten older ones.
    let next = next(&items, kept > limit || kept == RECENT_TRADES_MAX, at);
    Ok(Answer::one(TradesAnswer { market_id, items, next }, at))
}

fn next(items: &[PublicTrade], more: bool, at: LogPosition) -> Option<String> {
    let last = items.last().filter(|_| more)?;
    let parts = [last.time.as_millis(), last.trade_id.0, at.sequence];
    Some(to_hex(&parts.map(u64::to_be_bytes).concat()))
}

/// Reads a cursor: a page's last trade, and the sequence that the page was as of.
fn trade_cursor(text: &str) -> Result<(TradePlace, u64), ValueFault> {
    let bytes: [u8; 24] = from_hex(text).ok_or_else(foreign_cursor)?;
    let part = |at: usize| bytes[at..at + 8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Ok(((Timestamp(part(0)), TradeId(part(8))), part(16)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::event::TradeKind;
    use schemas::{BookSide, Price, Quantity, Shard};

    #[test]
    fn a_cursor_is_a_trade_and_a_position() {
        let (price, quantity, kind) = (Price::MIN, Quantity::ZERO, TradeKind::Mint);
        let (trade_id, taker_side, time) = (TradeId(7 << 40), BookSide::Bid, Timestamp(1_700_000_000_000));
        let items = [PublicTrade { trade_id, price, quantity, taker_side, kind, time }];
        let at = LogPosition { shard: Shard::new(3).unwrap(), sequence: 88 };
        let cursor = next(&items, true, at).unwrap();
        assert_eq!(trade_cursor(&cursor), Ok(((time, trade_id), 88)));
        assert_eq!((next(&items, false, at), next(&[], true, at)), (None, None));
        assert!(trade_cursor(&cursor[2..]).is_err() && trade_cursor("").is_err());
    }
}
