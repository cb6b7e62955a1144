//! Purses: an account's credits and room on this shard, and what its home has lent to others.

use bincode::{Decode, Encode};
use schemas::limits::{PURSE_REST_MS, PURSE_STEP_MS};
use schemas::{Credits, Need, Room, Timestamp};

/// Which room a purse may not use before it has asked.
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
    /// What can be spent.
    pub available: Credits,
    /// What live buy orders could still cost (I-5).
    pub held: Credits,
    /// Orders that rest on this shard (I-8).
    pub live_orders: u32,
    /// How many live orders and held credits it may have (I-9).
    pub room: Room,
    /// Its account can only cancel, and receive credits.
    pub frozen: bool,
    /// Its account's limits have changed: it has the room that it uses, and asks for more.
    pub sealed: Sealed,
    /// When it changed last, in steps of [`PURSE_STEP_MS`].
    pub(crate) changed: u32,
}

impl Purse {
    /// The room that its orders take.
    pub fn used(&self) -> Room {
        Room { orders: self.live_orders, held: self.held }
    }

    /// The room that they leave.
    pub fn free_room(&self) -> Room {
        self.room.saturating_sub(self.used())
    }

    /// Room that it leaves free and may not use before it has asked.
    pub fn sealed_room(&self) -> Room {
        let free = self.free_room();
        Room {
            orders: if self.sealed.orders { free.orders } else { 0 },
            held: if self.sealed.held { free.held } else { Credits::ZERO },
        }
    }

    /// True if it lacks nothing of what is wanted: nearly always, so this comes first.
    #[inline]
    pub fn covers(&self, wanted: Need) -> bool {
        let orders = u64::from(self.live_orders) + u64::from(wanted.room.orders);
        wanted.credits <= self.available
            && self.sealed == Sealed::default()
            && orders <= u64::from(self.room.orders)
            && self.held.0.checked_add(wanted.room.held.0).is_some_and(|held| held <= self.room.held.0)
    }

    /// What it lacks of what is wanted.
    pub fn lacks(&self, wanted: Need) -> Need {
        let free = self.free_room();
        let free = Room {
            orders: if self.sealed.orders { 0 } else { free.orders },
            held: if self.sealed.held { Credits::ZERO } else { free.held },
        };
        let credits = Credits((wanted.credits.0 - self.available.0).max(0));
        Need { credits, room: wanted.room.saturating_sub(free) }
    }

    /// The step at which it has rested long enough, if it has anything to send home.
    #[inline]
    pub(crate) fn rests_at(&self) -> Option<u32> {
        #[allow(clippy::cast_possible_truncation, reason = "a few steps")]
        const REST_STEPS: u32 = (PURSE_REST_MS / PURSE_STEP_MS) as u32;
        // It may have changed at the end of its step.
        (self.available.0 > 0).then(|| self.changed.saturating_add(REST_STEPS + 1))
    }
}

/// The step that a time falls into.
pub fn step_of(time: Timestamp) -> u32 {
    u32::try_from(time.0 / PURSE_STEP_MS).unwrap_or(u32::MAX)
}

/// When a step begins.
pub fn step_begins(step: u32) -> Timestamp {
    Timestamp(u64::from(step) * PURSE_STEP_MS)
}

/// What an account's home has lent to its purse on another shard, as far as the home knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct PurseLoan {
    /// Credits sent there less those that came back; negative if it gained more.
    pub credits: Credits,
    /// Room that it has, or that is on its way, either way (I-9).
    pub room: Room,
}
