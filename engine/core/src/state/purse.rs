//! Purses: an account's credits and room (remaining order allowance) on this shard, and what its
//! home has lent to other shards.

use bincode::{Decode, Encode};
use schemas::limits::{PURSE_REST_MS, PURSE_STEP_MS};
use schemas::{Credits, Need, Room, Timestamp};

/// Which room a purse may not use before it has asked its home.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct Sealed {
    /// Live orders.
    pub orders: bool,
    /// Held credits.
    pub held: bool,
}

/// An account's credits and room for orders on one shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct Purse {
    /// Credits that can be spent.
    pub available: Credits,
    /// Credits that live buy orders could still cost (I-5).
    pub held: Credits,
    /// Number of orders that rest on this shard (I-8).
    pub live_orders: u32,
    /// The maximum of live orders and held credits (I-9).
    pub room: Room,
    /// The account can only cancel, and receive credits.
    pub frozen: bool,
    /// The account's limits have changed: the purse has the room that it uses, and must ask for
    /// more.
    pub sealed: Sealed,
    /// When it changed last, in steps of [`PURSE_STEP_MS`].
    pub(crate) changed: u32,
}

impl Purse {
    /// Returns the room that its orders use.
    pub fn used(&self) -> Room {
        Room { orders: self.live_orders, held: self.held }
    }

    /// Returns the room that its orders leave free.
    pub fn free_room(&self) -> Room {
        self.room.saturating_sub(self.used())
    }

    /// Returns free room that it may not use before it has asked.
    pub fn sealed_room(&self) -> Room {
        let free = self.free_room();
        Room {
            orders: if self.sealed.orders { free.orders } else { 0 },
            held: if self.sealed.held { free.held } else { Credits::ZERO },
        }
    }

    /// Returns true if it lacks nothing of `wanted`. Nearly always true, so this check comes first.
    #[inline]
    pub fn covers(&self, wanted: Need) -> bool {
        let orders = u64::from(self.live_orders) + u64::from(wanted.room.orders);
        wanted.credits <= self.available
            && self.sealed == Sealed::default()
            && orders <= u64::from(self.room.orders)
            && self.held.0.checked_add(wanted.room.held.0).is_some_and(|held| held <= self.room.held.0)
    }

    /// Returns what it lacks of `wanted`.
    pub fn lacks(&self, wanted: Need) -> Need {
        let free = self.free_room();
        let free = Room {
            orders: if self.sealed.orders { 0 } else { free.orders },
            held: if self.sealed.held { Credits::ZERO } else { free.held },
        };
        let credits = Credits((wanted.credits.0 - self.available.0).max(0));
        Need { credits, room: wanted.room.saturating_sub(free) }
    }

    /// Returns the step at which it has rested long enough, if it has anything to send home.
    #[inline]
    pub(crate) fn rests_at(&self) -> Option<u32> {
        #[allow(clippy::cast_possible_truncation, reason = "a few steps")]
        const REST_STEPS: u32 = (PURSE_REST_MS / PURSE_STEP_MS) as u32;
        // It may have changed at the end of its step.
        (self.available.0 > 0).then(|| self.changed.saturating_add(REST_STEPS + 1))
    }
}

/// Returns the step that contains a time.
pub fn step_of(time: Timestamp) -> u32 {
    u32::try_from(time.0 / PURSE_STEP_MS).unwrap_or(u32::MAX)
}

/// Returns when a step begins.
pub fn step_begins(step: u32) -> Timestamp {
    Timestamp(u64::from(step) * PURSE_STEP_MS)
}

/// What an account's home has lent to its purse on another shard, as far as the home knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct PurseLoan {
    /// Credits sent there minus those that came back; negative if the purse gained more.
    pub credits: Credits,
    /// Room that the purse has, or that is in flight in either direction (I-9).
    pub room: Room,
}
