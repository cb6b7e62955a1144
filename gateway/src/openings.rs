//! How many accounts one address may open: a few at once, and then one after another.
//!
//! An account costs memory on every shard for ever, and anybody may ask for one. Only addresses are
//! counted: admins are not, and neither are addresses that represent many clients.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use service::serve::Peer;

use crate::config::ACCOUNTS_WITHIN;
use crate::http::problem::{Problem, kinds};
use crate::shares::{Asker, Owner};

/// The most addresses that are remembered: those that opened an account within
/// [`ACCOUNTS_WITHIN`].
pub const OPENERS_MAX: usize = 65_536;

/// Openings between two times at which addresses with their full number are forgotten.
const FORGET_EVERY: u32 = 1_024;

type Limiter<C> = RateLimiter<Peer, HashMapStateStore<Peer>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// What each address may still open.
pub struct Openings<C: Clock = MonotonicClock> {
    limiter: Limiter<C>,
    clock: C,
    opened: AtomicU32,
}

impl Openings {
    /// Creates the limit of so many accounts for each address, and again as many in
    /// [`ACCOUNTS_WITHIN`].
    pub fn new(of_address: NonZeroU32) -> Self {
        Self::with_clock(of_address, MonotonicClock)
    }
}

impl<C: Clock + Clone> Openings<C> {
    fn with_clock(of_address: NonZeroU32, clock: C) -> Self {
        let each = ACCOUNTS_WITHIN / of_address.get();
        let quota = Quota::with_period(each).expect("some nanoseconds for each").allow_burst(of_address);
        let limiter = RateLimiter::hashmap_with_clock(quota, clock.clone());
        Self { limiter, clock, opened: AtomicU32::new(0) }
    }

    /// Counts an account for the client's address, if it may open one.
    pub fn take(&self, asker: Asker) -> Result<(), Problem> {
        let Some(address) = asker.via.filter(|_| !matches!(asker.owner, Owner::Admin(_))) else { return Ok(()) };
        if self.opened.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.limiter.retain_recent();
        }
        if self.limiter.len() >= OPENERS_MAX {
            self.limiter.retain_recent();
            if self.limiter.len() >= OPENERS_MAX {
                return Err(Problem::new(kinds::OVERLOADED).detail("too many addresses open accounts"));
            }
        }
        self.limiter.check_key(&address).map_err(|early| {
            let wait: Duration = early.wait_time_from(self.clock.now());
            Problem::new(kinds::ACCOUNTS_LIMIT).retry_after(wait)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::header;
    use axum::response::IntoResponse;
    use governor::clock::FakeRelativeClock;
    use schemas::{AccountId, AdminId};

    use crate::shares::Rank;

    fn peer(last: u8) -> Peer {
        Peer::of([192, 0, 2, last].into())
    }

    fn from(owner: Owner, last: u8) -> Asker {
        Asker { owner, rank: Rank::Anonymous, via: Some(peer(last)) }
    }

    fn anonymous(last: u8) -> Asker {
        from(Owner::Address(peer(last)), last)
    }

    #[test]
    fn an_address_opens_some_at_once_and_then_one_after_another() {
        let clock = FakeRelativeClock::default();
        let openings = Openings::with_clock(NonZeroU32::new(10).unwrap(), clock.clone());
        for _ in 0..10 {
            assert!(openings.take(anonymous(1)).is_ok());
        }
        let refused = openings.take(anonymous(1)).unwrap_err();
        assert_eq!(refused.kind(), kinds::ACCOUNTS_LIMIT);
        assert_eq!(refused.into_response().headers()[header::RETRY_AFTER], "10");
        // A key does not open more, and others are not refused.
        assert!(openings.take(from(Owner::Account(AccountId(1)), 1)).is_err());
        assert!(openings.take(anonymous(2)).is_ok());
        clock.advance(Duration::from_secs(7));
        let refused = openings.take(anonymous(1)).unwrap_err();
        assert_eq!(refused.into_response().headers()[header::RETRY_AFTER], "3");
        clock.advance(Duration::from_secs(3));
        assert!(openings.take(anonymous(1)).is_ok());
        assert!(openings.take(anonymous(1)).is_err());
    }

    #[test]
    fn admins_and_addresses_of_many_clients_are_not_counted() {
        let openings = Openings::with_clock(NonZeroU32::MIN, FakeRelativeClock::default());
        let many = Asker { owner: Owner::Many, rank: Rank::Anonymous, via: None };
        for _ in 0..3 {
            assert!(openings.take(many).is_ok());
            assert!(openings.take(from(Owner::Admin(AdminId(1)), 1)).is_ok());
        }
        assert!(openings.limiter.is_empty());
    }

    #[test]
    fn addresses_are_forgotten_once_they_may_open_as_many_as_any() {
        let clock = FakeRelativeClock::default();
        let openings = Openings::with_clock(NonZeroU32::new(4_000_000_000).unwrap(), clock.clone());
        for number in 0..FORGET_EVERY * 3 {
            let [_, second, third, last] = number.to_be_bytes();
            let peer = Peer::of([10, second, third, last].into());
            let asker = Asker { owner: Owner::Address(peer), rank: Rank::Anonymous, via: Some(peer) };
            assert!(openings.take(asker).is_ok());
            clock.advance(Duration::from_secs(1));
        }
        assert!(openings.limiter.len() <= FORGET_EVERY as usize, "{}", openings.limiter.len());
    }
}
