//! Reads of the present: tickers, wallets and positions from Redis; markets, books, trades and best
//! prices from the view; archived markets from Postgres.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use schemas::ids::LogPosition;
use schemas::text::Ticker;
use schemas::{AccountId, BookSide, Credits, MarketId, Shard, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::books::{self, BookCopy};
use crate::http::answer::{Answer, AtPosition, AtPositions, ListPage, PreparedAnswer};
use crate::http::auth::ReadAccess;
use crate::http::extract::{QueryString, Segment};
use crate::http::fields::Params;
use crate::http::gate::{reaches, reaches_own};
use crate::http::history;
use crate::http::market_events;
use crate::http::market_filter::MarketFilter;
use crate::http::missing::missing_market;
use crate::http::parse::{self, PAGE_DEFAULT, ValueFault};
use crate::http::problem::{Problem, kinds};
use crate::openapi::params::{DepthParams, MarketFilterParams, PageParams};
use crate::openapi::scalars::{
    AccountIdText, CreditsText, LevelPriceText, MarketIdText, SignedCreditsText, TickerText, TimeText,
};
use crate::read_models::{AccountStatus, Holding, ReadError, TickerData, Wallet};
use crate::seldom::Seldom;
use crate::shapes::market::{AccountLimitsShape, Brief, MarketShape};
use crate::shapes::{Ticks, iso_or_null, text, text_or_null};
use crate::state::Shared;
use crate::view::topics::MarketTopic;

/// Logs a failed read of Redis in full, and returns a problem that allows a retry.
fn unreadable(error: ReadError) -> Problem {
    static LINE: Seldom = Seldom::new();
    if let Some(kept_back) = LINE.pass() {
        tracing::warn!(%error, kept_back, "cannot read a read model");
    }
    Problem::new(kinds::READ_MODEL_UNAVAILABLE)
}

/// Like [`reaches`], but fails with another problem for a shard that is being rebuilt.
async fn reaches_models(state: &Shared, at_least: &[LogPosition]) -> Result<(), Problem> {
    let Err(behind) = reaches(&state.read_models_progress, at_least).await else { return Ok(()) };
    state.read_models.complete(at_least).await.map_err(unreadable)?;
    Err(behind)
}

/// Like [`reaches_own`], for the same reason.
async fn own_reaches_models(state: &Shared, account: AccountId, at_least: &[LogPosition]) -> Result<(), Problem> {
    let behind = reaches_own(state, &state.read_models_progress, account, None, at_least).await;
    if behind.is_err() {
        state.read_models.complete(at_least).await.map_err(unreadable)?;
    }
    behind
}

/// An account's total over all its purses, and its restrictions.
#[derive(Serialize, ToSchema)]
#[schema(as = Wallet)]
pub struct WalletAnswer {
    #[serde(serialize_with = "text")]
    #[schema(value_type = AccountIdText)]
    account_id: AccountId,
    /// Credits for orders, transfers and withdrawals.
    #[serde(serialize_with = "text")]
    #[schema(value_type = CreditsText)]
    available: Credits,
    /// Credits that orders hold.
    #[serde(serialize_with = "text")]
    #[schema(value_type = CreditsText)]
    held: Credits,
    /// Credits on their way between shards; below 0 for a moment, if what arrived is seen before it left.
    #[serde(serialize_with = "text")]
    #[schema(value_type = SignedCreditsText)]
    in_transit: Credits,
    /// The sum of the three.
    #[serde(serialize_with = "text")]
    #[schema(value_type = CreditsText)]
    total: Credits,
    /// Live orders in all markets.
    live_orders: u64,
    /// True if the account only cancels.
    frozen: bool,
    limits: AccountLimitsShape,
    /// When the dead-man switch fires.
    #[serde(serialize_with = "iso_or_null")]
    #[schema(value_type = Option<TimeText>, required)]
    dead_man_due: Option<Timestamp>,
}

/// Shows the account's credits, limits and dead-man switch.
#[utoipa::path(
    get,
    path = "/v1/wallet",
    operation_id = "get_wallet",
    tag = "portfolio",
    responses((status = 200, description = "The wallet", body = AtPositions<WalletAnswer>)),
    security(("account" = ["READ"])),
)]
pub async fn wallet(
    ReadAccess(account_id): ReadAccess,
    State(state): State<Shared>,
    query: QueryString,
) -> Result<Answer<WalletAnswer>, Problem> {
    let at_least = query.nothing_else()?;
    own_reaches_models(&state, account_id, &at_least).await?;
    let (shards, home) = (state.map.shards(), state.map.of_account(account_id));
    let (wallet, standing, at) = state.read_models.wallet(shards, home, account_id).await.map_err(unreadable)?;
    let Wallet { available, held, in_transit, live_orders } = wallet;
    let AccountStatus { frozen, limits, dead_man_due } = standing;
    let (total, limits) = (wallet.total(), limits.into());
    let answer =
        WalletAnswer { account_id, available, held, in_transit, total, live_orders, frozen, limits, dead_man_due };
    Ok(Answer::many(answer, at))
}

/// An account's contracts in one market.
#[derive(Serialize, ToSchema)]
#[schema(as = PositionInMarket)]
pub struct PositionItem {
    #[serde(serialize_with = "text")]
    #[schema(value_type = MarketIdText)]
    market_id: MarketId,
    /// Null if the market is archived.
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<TickerText>, required)]
    ticker: Option<Ticker>,
    /// YES contracts.
    yes: u64,
    /// NO contracts.
    no: u64,
    /// Of these, reserved by resting sells.
    yes_reserved: u64,
    /// Of these, reserved by resting sells.
    no_reserved: u64,
}

/// All positions of an account: one for each of its markets.
#[derive(Serialize, ToSchema)]
pub struct PositionList {
    items: Vec<PositionItem>,
}

/// Lists the account's contracts by market.
#[utoipa::path(
    get,
    path = "/v1/positions",
    operation_id = "list_positions",
    tag = "portfolio",
    responses((status = 200, description = "The positions", body = AtPositions<PositionList>)),
    security(("account" = ["READ"])),
)]
pub async fn positions(
    ReadAccess(account): ReadAccess,
    State(state): State<Shared>,
    query: QueryString,
) -> Result<Answer<PositionList>, Problem> {
    let at_least = query.nothing_else()?;
    own_reaches_models(&state, account, &at_least).await?;
    let (holdings, at) = state.read_models.positions(state.map.shards(), account).await.map_err(unreadable)?;
    let holdings: Vec<(MarketId, Holding)> = holdings.into_iter().collect();
    let mut tickers = Vec::with_capacity(holdings.len());
    for part in holdings.chunks(STEP) {
        let view = state.live.view();
        let ticker = |id| view.market(id).map(|live| live.market.listing.ticker.clone());
        tickers.extend(part.iter().map(|(id, _)| ticker(*id)));
    }
    let item = |((market_id, holding), ticker): ((MarketId, Holding), Option<Ticker>)| PositionItem {
        market_id,
        ticker,
        yes: holding.yes,
        no: holding.no,
        yes_reserved: holding.yes_reserved,
        no_reserved: holding.no_reserved,
    };
    Ok(Answer::many(PositionList { items: holdings.into_iter().zip(tickers).map(item).collect() }, at))
}

/// Lists markets by ticker.
///
/// A page may be short, or empty, while `next` is set: few markets meet the filters there.
#[utoipa::path(
    get,
    path = "/v1/markets",
    operation_id = "list_markets",
    tag = "markets",
    params(MarketFilterParams, PageParams),
    responses((status = 200, description = "A page of markets", body = AtPositions<ListPage<Brief>>)),
)]
pub async fn markets(State(state): State<Shared>, query: QueryString) -> Result<Answer<ListPage<Brief>>, Problem> {
    let mut params = query.params;
    let filter = MarketFilter::read(&mut params);
    let event = params.optional("event", |name| Ok(name.to_owned()));
    let limit = params.optional("limit", parse::page_limit).unwrap_or(PAGE_DEFAULT);
    let after = params.optional("cursor", parse::ticker);
    params.finish()?;
    let event = event.map(|name| market_events::find(&state, &name)).transpose()?;
    let event = event.map(|known| MarketTopic::Event(known.event.id));
    let wanted = WantedMarkets { topics: filter.topics().chain(event).collect(), filter };
    let at = state.live.view().positions();
    let (mut items, mut from, mut steps) = (Vec::new(), after, STEPS_MAX);
    // Most pages are full after the first part.
    for _ in 0..PARTS_MAX {
        let missing = limit + 1 - items.len();
        let (found, reached) = part_of_page(&state, &wanted, from.as_ref(), missing, &mut steps).await?;
        items.extend(found);
        from = reached;
        if items.len() > limit || from.is_none() || steps == 0 {
            break;
        }
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let last = items.last().filter(|_| more).map(|market| market.listing.ticker.clone());
    let next = last.or(from).map(|ticker| ticker.to_string());
    let items = items.into_iter().map(Brief).collect();
    Ok(Answer::many(ListPage { items, next }, at))
}

/// The markets of a list: the criteria that have indexes, and all filters.
struct WantedMarkets {
    topics: Vec<MarketTopic>,
    filter: MarketFilter,
}

/// Markets that are examined under the view's lock at a time.
const STEP: usize = 128;

/// Steps for one page. A page that is not full by then ends there, with a cursor.
const STEPS_MAX: usize = 64;

/// Reads of Postgres for one page. As above.
const PARTS_MAX: usize = 4;

/// Returns up to `limit` markets after `after`, archived ones included, and the ticker up to which
/// they are complete if there may be more.
async fn part_of_page(
    state: &Shared,
    wanted: &WantedMarkets,
    after: Option<&Ticker>,
    limit: usize,
    steps: &mut usize,
) -> Result<(Vec<MarketShape>, Option<Ticker>), Problem> {
    // Includes archived markets. Read before the view, which may archive one meanwhile.
    let settled = match wanted.filter.allows_final() {
        true => state.database.settled_markets(after, &wanted.topics, limit).await,
        false => Ok(Vec::new()),
    };
    let settled = settled.map_err(|error| history::unreadable(&error))?;
    let (mut items, live_until) = live_markets(state, wanted, after, limit, steps).await;
    let settled_until = settled.last().filter(|_| settled.len() == limit).map(|last| last.listing.ticker.clone());
    // Beyond the first of the two ends, the other list may lack something.
    let until = [live_until, settled_until].into_iter().flatten().min();
    {
        let view = state.live.view();
        let left = |market: &MarketShape| view.market(market.listing.market).is_none() && wanted.filter.allows(market);
        items.extend(settled.into_iter().filter(left));
    }
    items.sort_by(|a, b| a.listing.ticker.cmp(&b.listing.ticker));
    // A market that was archived in between is found twice.
    items.dedup_by_key(|market| market.listing.market);
    items.retain(|market| until.as_ref().is_none_or(|until| market.listing.ticker <= *until));
    let is_full = items.len() > limit;
    items.truncate(limit);
    let until = if is_full { items.last().map(|last| last.listing.ticker.clone()) } else { until };
    Ok((items, until))
}

/// Returns up to `limit` markets of the view, and the ticker up to which the search came if there
/// may be more.
async fn live_markets(
    state: &Shared,
    wanted: &WantedMarkets,
    after: Option<&Ticker>,
    limit: usize,
    steps: &mut usize,
) -> (Vec<MarketShape>, Option<Ticker>) {
    let (mut found, mut from) = (Vec::new(), after.cloned());
    while *steps > 0 {
        *steps -= 1;
        let (allows, missing) = (|market: &MarketShape| wanted.filter.allows(market), limit - found.len());
        let (more, last) = state.live.view().markets_meeting(&wanted.topics, allows, from.as_ref(), missing, STEP);
        found.extend(more);
        from = last;
        if from.is_none() || found.len() == limit {
            break;
        }
        tokio::task::yield_now().await;
    }
    (found, from)
}

/// Finds a market and its home, by id or ticker.
pub fn find(state: &Shared, name: &str) -> Result<(MarketShape, Shard), Problem> {
    let view = state.live.view();
    let market = view.market_named(name).map(|live| live.market.clone());
    let market = market.ok_or_else(|| missing_market(&view, name))?;
    let shard = market.shard;
    Ok((market, shard))
}

/// Finds a market that has left the view, by id or ticker.
fn archived(state: &Shared, name: &str) -> Option<MarketId> {
    state.live.view().archived_named(name)
}

/// Reads an archived market from Postgres, which may be behind the view and not have it yet.
async fn from_archive(state: &Shared, id: MarketId) -> Result<(MarketShape, TickerData, Vec<LogPosition>), Problem> {
    let (found, at) =
        state.database.market(id, state.map.of_market(id)).await.map_err(|error| history::unreadable(&error))?;
    let (market, figures) = found.ok_or_else(|| Problem::new(kinds::READ_MODEL_UNAVAILABLE))?;
    Ok((market, figures, at))
}

/// A market with its current figures.
#[derive(Serialize, ToSchema)]
pub struct MarketSummary {
    #[serde(flatten)]
    market: MarketShape,
    ticker_data: TickerData,
}

/// A market: as of its shard or, if it is archived, of all.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes the two answers")]
enum MarketAnswer {
    Live(AtPosition<MarketSummary>),
    Archived(AtPositions<'static, MarketSummary>),
}

/// A book: as of its shard or, if its market is archived, of all.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes the two answers")]
enum BookAnswer {
    Live(AtPosition<ArchivedBook>),
    Archived(AtPositions<'static, ArchivedBook>),
}

/// Adds the best prices of the view. Returns the positions that both have reached at least.
fn with_best_prices(
    state: &Shared,
    id: MarketId,
    data: &mut TickerData,
    at: LogPosition,
) -> Result<LogPosition, Problem> {
    let best = state.live.market(&id.to_string(), |view, _, moving| {
        let [bid, ask] = [BookSide::Bid, BookSide::Ask].map(|side| moving.book.best(side));
        (bid, ask, view.sequence(at.shard))
    });
    let Some((bid, ask, sequence)) = best.map_err(|error| Problem::unstored(&error))? else { return Ok(at) };
    (data.best_bid, data.best_ask) = (bid, ask);
    Ok(LogPosition { shard: at.shard, sequence: at.sequence.min(sequence) })
}

/// Shows a market with its current figures.
#[utoipa::path(
    get,
    path = "/v1/markets/{market}",
    operation_id = "get_market",
    tag = "markets",
    params(("market" = String, Path, description = "The market: ticker or id")),
    responses((status = 200, description = "The market", body = MarketAnswer)),
)]
pub async fn market(
    State(state): State<Shared>,
    query: QueryString,
    Segment(name): Segment,
) -> Result<Answer<MarketSummary>, Problem> {
    let at_least = query.nothing_else()?;
    if let Some(id) = archived(&state, &name) {
        reaches(&state.database_progress, &at_least).await?;
        let (market, ticker_data, at) = from_archive(&state, id).await?;
        return Ok(Answer::many(MarketSummary { market, ticker_data }, at));
    }
    let (market, home) = find(&state, &name)?;
    reaches_models(&state, &at_least).await?;
    let id = market.listing.market;
    let (mut ticker_data, at) = state.read_models.ticker(home, id).await.map_err(unreadable)?;
    let at = with_best_prices(&state, id, &mut ticker_data, at)?;
    // Redis may archive a market before the view does. One that has not ended is not there yet.
    if ticker_data.created_at == Timestamp(0)
        && market.state.is_final()
        && let Ok((market, ticker_data, at)) = from_archive(&state, id).await
    {
        return Ok(Answer::many(MarketSummary { market, ticker_data }, at));
    }
    Ok(Answer::one(MarketSummary { market, ticker_data }, at))
}

/// Shows a market's book as price levels, in YES.
///
/// The levels, in YES, best first, as the view has them.
#[utoipa::path(
    get,
    path = "/v1/markets/{market}/book",
    operation_id = "get_book",
    tag = "markets",
    params(("market" = String, Path, description = "The market: ticker or id"), DepthParams),
    responses((status = 200, description = "The book", body = BookAnswer)),
)]
pub async fn book(
    State(state): State<Shared>,
    mut query: QueryString,
    Segment(name): Segment,
) -> Result<Response, Problem> {
    let depth = query.params.optional("depth", parse::depth);
    let tick = query.params.optional("tick", parse::tick_size);
    let at_least = query.nothing_else()?;
    if let Some(market_id) = archived(&state, &name) {
        reaches(&state.database_progress, &at_least).await?;
        let (.., at) = from_archive(&state, market_id).await?;
        let (bids, asks) = ([], []);
        return Ok(Answer::many(ArchivedBook { market_id, bids, asks }, at).into_response());
    }
    let found = state.live.market(&name, |view, live, moving| {
        let at = LogPosition { shard: live.market.shard, sequence: view.sequence(live.market.shard) };
        let listing = &live.market.listing;
        (listing.market, listing.tick, BookCopy { book: moving.book.clone(), at })
    });
    let found = found.map_err(|error| Problem::unstored(&error))?;
    let (id, own_tick, copy) = found.ok_or_else(|| missing_market(&state.live.view(), &name))?;
    let tick = tick.map(|tick| coarser(tick, own_tick)).transpose()?;
    let (levels, at) = match (depth, tick) {
        (depth, Some(tick)) if tick != own_tick || depth.is_some() => {
            let depth = depth.unwrap_or(parse::DEPTH_MAX);
            (books::coarse_text(&copy.book, tick, depth).into(), copy.at)
        }
        (Some(depth), _) => (books::text(&copy.book, depth).into(), copy.at),
        // All levels at the market's own tick: made once for all who ask.
        (None, _) => {
            let text = state.books.text(id, copy, || state.live.newest_book(id)).await;
            (text.levels, text.at)
        }
    };
    let fields = format!(r#""market_id":"{id}",{levels}"#);
    Ok(PreparedAnswer { fields, at }.into_response())
}

/// Refuses a tick that is not a multiple of the market's own.
fn coarser(tick: u16, own: u16) -> Result<u16, Problem> {
    if tick.is_multiple_of(own) {
        return Ok(tick);
    }
    let mut refused = Params::new(Vec::new());
    refused.fault("tick", ValueFault::range(&format!("a multiple of the market's tick size, {}", Ticks(own))));
    refused.finish().map(|()| tick)
}

/// A book, in YES. That of an archived market is empty.
#[derive(Serialize, ToSchema)]
#[schema(as = Book)]
struct ArchivedBook {
    #[serde(serialize_with = "text")]
    #[schema(value_type = MarketIdText)]
    market_id: MarketId,
    /// Price and contracts of each level, the highest price first.
    #[schema(value_type = Vec<(LevelPriceText, u64)>)]
    bids: [(); 0],
    /// Price and contracts of each level, the lowest price first.
    #[schema(value_type = Vec<(LevelPriceText, u64)>)]
    asks: [(); 0],
}
