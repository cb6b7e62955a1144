//! The oracles: what must be true after every run. An oracle that fails panics; `run` reports the
//! seed.
//!
//! | file           | checks that                                                                                     |
//! |----------------|-------------------------------------------------------------------------------------------------|
//! | `history`      | each command has one outcome that counts, in order (I-7); messages received equal messages sent |
//! | `paths`        | (counts what the system did; `purse_paths`: what purses did)                                    |
//! | `requests`     | nothing acknowledged is lost, all is answered once, no answer is withdrawn, no client id acts twice |
//! | `movements`    | a repeat of a deposit, a withdrawal or a transfer gets the result of the first                  |
//! | `deposits`     | I-10: deposits above the limit have two admins, and credit nothing before                       |
//! | `keys`         | I-14: a key grants only its own rights, none outlives its expiry, rotation leaves no gap        |
//! | `admins`       | I-15: only admins with the role manage admins, and there is always one                          |
//! | `groups`       | I-13: no group fills more than its limit in a window; home shards add up the reports            |
//! | `archive`      | paid-out markets are archived in time, with their fees, and later appear only in refusals       |
//! | `markets`      | descriptions change only as allowed, markets open and close in time, and I-12                   |
//! | `outboxes`     | no command starts what needs a message to a shard whose outbox is full                          |
//! | `orders`       | every order is created once, as submitted; none trades after its expiry                         |
//! | `batches`      | an all-or-nothing batch is executed completely or not at all                                    |
//! | `parked`       | parked requests are decided in order and in time, and the home shard is asked                   |
//! | `funds`        | no request is refused for lack of what one of the account's purses has                          |
//! | `instructions` | all purses are instructed, and an instruction completes when all have carried it out            |
//! | `vocabulary`   | nothing is written that an announced component cannot read                                      |
//! | `undisturbed`  | every outcome is the one that a shard without any fault decides                                 |
//! | `replay`       | I-1 to I-8 at cuts of the logs; every replica, every snapshot, every purse's row and the log agree |
//! | `rooms`        | I-9 at cuts of the logs                                                                         |
//! | `agreement`    | replicas at the same position are equal                                                         |
//! | `cuts`         | a log that has lost its end is not led                                                          |
//!
//! And `projection`: the tables equal those of a fresh fold.

mod admins;
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

/// The totals of a run.
pub struct Totals {
    pub commands: u64,
    pub requests: u64,
    pub trades: u64,
}

/// Panics unless every check holds.
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
        admins::check(&cluster, history);
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
