//! What must be true after every run. An oracle that does not hold panics; `run` says which seed it was.
//!
//! | file           | what                                                                                            |
//! |----------------|-------------------------------------------------------------------------------------------------|
//! | `history`      | each command has one outcome that counts, in order (I-7); what was taken in is what was sent    |
//! | `paths`        | what the system did, counted; `purse_paths`: what purses did                                    |
//! | `requests`     | nothing acknowledged is lost, all is answered once, no answer is taken back, no client id acts twice |
//! | `movements`    | a repeat of a deposit, a withdrawal or a transfer is told what its first came to                |
//! | `deposits`     | I-10: what is above the limit has two admins, and is no credit before                            |
//! | `keys`         | I-14: a key gives only what it has, none outlives its time, rotation leaves no gap              |
//! | `groups`       | I-13: no group fills more than its limit in a window; homes add up what shards report            |
//! | `archive`      | paid-out markets are archived in time, with their fees, and never spoken of again                |
//! | `markets`      | what markets are changes only as it may, they open and close in time, and I-12                   |
//! | `outboxes`     | nothing is begun that a shard must hear for which as many messages are kept as may be            |
//! | `orders`       | every order is born once, as it was asked for; none trades when its time is over                |
//! | `batches`      | all of it or nothing                                                                            |
//! | `parked`       | what waits is decided in order and in time, and its account's home is asked                     |
//! | `funds`        | nothing is refused for want of what one of the account's purses has                             |
//! | `instructions` | what a home tells its purses: all are told, and completed is what all have done                 |
//! | `vocabulary`   | nothing is written that a part which has said so cannot read                                    |
//! | `undisturbed`  | every outcome is the one that a shard without any fault decides                                 |
//! | `replay`       | I-1 to I-8 at cuts of the logs; every replica, every snapshot, every purse's row and the log agree |
//! | `rooms`        | I-9 at cuts of the logs                                                                         |
//! | `agreement`    | replicas at the same place are the same                                                         |
//! | `cuts`         | a log that has lost its end is not led                                                          |
//!
//! And `projection`: the tables are those of a fresh fold.

pub mod agreement;
mod archive;
mod batches;
mod cuts;
mod deposits;
mod funds;
mod groups;
mod history;
mod instructions;
mod keys;
mod markets;
mod movements;
mod orders;
mod outboxes;
mod parked;
mod paths;
mod purse_paths;
mod replay;
mod requests;
mod rooms;
mod undisturbed;
mod vocabulary;

use crate::projection::Projection;
use crate::seen::Seen;
use crate::simulation::Simulation;
use history::History;

/// What a run came to.
pub struct Totals {
    pub commands: u64,
    pub requests: u64,
    pub trades: u64,
}

/// Panics unless everything is as it must be.
pub fn judge(simulation: &mut Simulation) -> Totals {
    let cluster = simulation.cluster.clone();
    let histories: Vec<History> = cluster.shards().map(|shard| History::read(&cluster, shard)).collect();
    history::assert_messages_arrived(&histories);
    for history in &histories {
        paths::note(&cluster, history);
        purse_paths::note(&cluster, history);
        batches::check(history);
        parked::check(history);
        instructions::check(history);
        vocabulary::check(&cluster, history);
        movements::check(&cluster, history);
        deposits::check(&cluster, history);
        keys::check(&cluster, history);
        archive::check(&cluster, history);
        markets::check(&cluster, history);
        outboxes::check(&cluster, history);
    }
    markets::check_yes(&histories);
    groups::check(&cluster, &histories);
    requests::check(simulation, &histories);
    orders::check(&histories);
    funds::check(&cluster, &histories);
    let finals: Vec<_> = histories.iter().map(|history| undisturbed::check(&cluster, history)).collect();
    replay::check(simulation, &finals);
    simulation.projections.iter().for_each(Projection::assert_equals_fresh);
    Projection::assert_wallets_add_up(&simulation.projections);
    cuts::check(simulation);
    Totals {
        commands: histories.iter().map(|history| history.outcomes.len() as u64).sum(),
        requests: simulation.clients.requests.len() as u64,
        trades: cluster.tally().of(Seen::Traded),
    }
}
