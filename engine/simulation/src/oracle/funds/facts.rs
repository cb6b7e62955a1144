//! What was free in purses, and what was refused.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{AccountId, Credits, Need, Rejection, Shard};

/// What was free in purses, and what was refused.
#[derive(Default)]
pub struct Facts {
    /// What was still free in a purse after it answered a recall: by its shard, its account, and
    /// the recall's ticket.
    pub left: BTreeMap<(Shard, AccountId, u64), Need>,
    /// The credits available on the home shard when it refused an ask: by the message with the
    /// refusal.
    pub homes: BTreeMap<SentMessage, Credits>,
    pub claims: Vec<RefusedClaim>,
    pub orders: Vec<RefusedOrder>,
}

/// A message by its sender, receiver and number.
pub type SentMessage = (Shard, Shard, u64);

/// A claim that was refused after a recall.
pub struct RefusedClaim {
    pub account: AccountId,
    pub code: Rejection,
    /// The recall.
    pub ticket: u64,
    /// The recalled shards.
    pub shards: BTreeSet<Shard>,
}

/// An order that was refused because its home shard had refused what its purse lacked.
pub struct RefusedOrder {
    pub account: AccountId,
    pub hold: Credits,
    /// The credits available on its market's shard.
    pub available: Credits,
    pub by: SentMessage,
}

impl RefusedClaim {
    /// Panics unless the refusal is right.
    pub fn check(&self, left: &BTreeMap<(Shard, AccountId, u64), Need>) {
        let Self { account, code, ticket, shards } = self;
        for shard in shards {
            let left: Need = left[&(*shard, *account, *ticket)];
            let nothing = match code {
                Rejection::FundsInsufficient => left.credits == Credits::ZERO,
                Rejection::LiveOrderLimit => left.room.orders == 0,
                _ => left.room.held == Credits::ZERO,
            };
            let code = code.name();
            assert!(
                nothing,
                "a claim of {account} was refused ({code}): shard {shard} had {left:?} left after {ticket}"
            );
        }
    }
}

impl RefusedOrder {
    /// Panics unless the refusal is right.
    pub fn check(&self, homes: &BTreeMap<SentMessage, Credits>) {
        let Self { account, hold, available, by } = self;
        let (home, shard, _) = by;
        let at_home = homes[by];
        let short = *available + at_home < *hold;
        assert!(short, "{account} was refused {hold}, has {available} on shard {shard} and had {at_home} on {home}");
    }
}
