//! Checks that a request is refused for lack of funds or room only if none of its account's purses
//! has them. (A purse is an account's balance on one shard; room is its remaining order allowance.)
//!
//! Precisely: when a home shard refuses a claim, all other shards with a purse (except the claiming
//! one) were recalled while the claim was the oldest, all have answered, and none had anything left
//! of what is lacking when it answered; and the home shard has less than is claimed. What they
//! returned has arrived there by then. So the sum over all purses, each as it was when it answered
//! last, is not enough. When an order is refused on its market's shard, what the home shard had
//! then would not have been enough either.

mod walk;

use std::collections::{BTreeMap, BTreeSet};

use schemas::{AccountId, Credits, Need, Rejection, Shard};

use super::history::History;
use crate::cluster::Cluster;
use walk::FundsWalk;

/// Panics unless every refusal for lack of credits or room is right.
pub fn check(cluster: &Cluster, histories: &[History]) {
    let mut facts = Facts::default();
    for history in histories {
        FundsWalk::new(cluster, history, &mut facts).read();
    }
    facts.claims.iter().for_each(|claim| claim.check(&facts.left));
    facts.orders.iter().for_each(|order| order.check(&facts.homes));
}

/// What was free in purses, and what was refused.
#[derive(Default)]
struct Facts {
    /// What was still free in a purse after it answered a recall: by its shard, its account, and
    /// the recall's ticket.
    left: BTreeMap<(Shard, AccountId, u64), Need>,
    /// The credits available on the home shard when it refused an ask: by the message with the
    /// refusal.
    homes: BTreeMap<SentMessage, Credits>,
    claims: Vec<RefusedClaim>,
    orders: Vec<RefusedOrder>,
}

/// A message by its sender, receiver and number.
type SentMessage = (Shard, Shard, u64);

/// A claim that was refused after a recall.
struct RefusedClaim {
    account: AccountId,
    code: Rejection,
    /// The recall.
    ticket: u64,
    /// The recalled shards.
    shards: BTreeSet<Shard>,
}

/// An order that was refused because its home shard had refused what its purse lacked.
struct RefusedOrder {
    account: AccountId,
    hold: Credits,
    /// The credits available on its market's shard.
    available: Credits,
    by: SentMessage,
}

impl RefusedClaim {
    fn check(&self, left: &BTreeMap<(Shard, AccountId, u64), Need>) {
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
    fn check(&self, homes: &BTreeMap<SentMessage, Credits>) {
        let Self { account, hold, available, by } = self;
        let (home, shard, _) = by;
        let at_home = homes[by];
        let short = *available + at_home < *hold;
        assert!(short, "{account} was refused {hold}, has {available} on shard {shard} and had {at_home} on {home}");
    }
}
