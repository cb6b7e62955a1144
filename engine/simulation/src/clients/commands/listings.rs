//! Markets as admins list them, and which admin does it.

use std::sync::Arc;

use schemas::{About, AdminId, Credits, FeeRate, Listing, MarketEventId, MarketId, MarketLimits, Timestamp};

use super::small::small;
use crate::cluster::START;
use crate::random::Random;

/// The expiry of a market that does not expire during a run.
pub const NEVER: Timestamp = Timestamp(u32::MAX as u64 * 1_000);

/// The fee rate of every market, which every order accepts.
pub const FEE: u32 = 10_000;

pub const EVENT: &str = "final";

/// The longest dispute window, in milliseconds.
const WINDOW_MAX: u64 = 20_000;

pub fn admin(random: &mut Random) -> AdminId {
    AdminId(1 + random.below(3))
}

/// Returns a market that does not expire.
pub fn listing(ticker: &str) -> Listing {
    let ticker: schemas::text::Ticker = ticker.parse().expect("a legal ticker");
    let fee = FeeRate::new(FEE).expect("a legal rate");
    Listing {
        market: MarketId::of(&ticker),
        about: About::plain("Will it happen?", "YES if it does.", "tests").expect("legal texts").into(),
        opens: None,
        ticker,
        expiry: NEVER,
        tick: 1,
        maker_fee: fee,
        taker_fee: fee,
        dispute_window_ms: 0,
        limits: MarketLimits::NONE,
    }
}

/// Varies a listing: some markets have a dispute window, some belong to the event, few have coarse
/// prices or low limits. Some of those that expire open automatically before.
pub fn vary(listing: Listing, random: &mut Random) -> Listing {
    let event = random.one_in(2).then(event_id);
    let about = Arc::new(About { event, ..listing.about.as_ref().clone() });
    let opens = (listing.expiry != NEVER && random.one_in(2)).then(|| Timestamp(START + 500 + random.below(4_000)));
    let tick = if random.one_in(8) { 10 } else { listing.tick };
    let dispute_window_ms = if random.one_in(2) { random.below(WINDOW_MAX) } else { 0 };
    let limits = if random.one_in(10) { market_limits(random) } else { listing.limits };
    Listing { tick, dispute_window_ms, limits, about, opens, ..listing }
}

pub fn event_id() -> MarketEventId {
    MarketEventId::of(&EVENT.parse().expect("a label"))
}

pub fn market_limits(random: &mut Random) -> MarketLimits {
    MarketLimits {
        live_orders: 1 + small(random, 5),
        notional: Credits::whole(1 + i64::from(small(random, 20))),
        position: 1 + random.below(15),
    }
}
