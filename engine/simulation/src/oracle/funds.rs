//! Checks that a request is refused for lack of funds or room only if none of its account's purses
//! has them. (A purse is an account's balance on one shard; room is its remaining order allowance.)
//!
//! Precisely: when a home shard refuses a claim, all other shards with a purse (except the claiming
//! one) were recalled while the claim was the oldest, all have answered, and none had anything left
//! of what is lacking when it answered; and the home shard has less than is claimed. What they
//! returned has arrived there by then. So the sum over all purses, each as it was when it answered
//! last, is not enough. When an order is refused on its market's shard, what the home shard had
//! then would not have been enough either.

mod facts;
mod walk;

use super::history::History;
use crate::cluster::Cluster;
use facts::Facts;
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
