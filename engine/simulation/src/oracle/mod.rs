//! What must be true after every run. An oracle that does not hold panics; `run` says which seed it was.
//!
//! | file          | what                                                                                             |
//! |---------------|--------------------------------------------------------------------------------------------------|
//! | `history`     | each command has one outcome that counts, in order (I-7); what was taken in is what was sent     |
//! | `paths`       | what the system did, counted                                                                     |
//! | `requests`    | nothing acknowledged is lost, no answer is taken back, no client id acts twice                   |
//! | `orders`      | every order that entered is born once, under its client's name; none trades when its time is over |
//! | `batches`     | all of it or nothing                                                                             |
//! | `undisturbed` | every outcome is the one that a shard without any fault decides                                  |
//! | `replay`      | I-1 to I-6 and I-8 at cuts of the logs; every replica, every snapshot and the log agree          |
//! | `in_flight`   | I-5 and I-8, with what is on its way between shards                                              |
//! | `agreement`   | replicas at the same place are the same                                                          |
//!
//! And `projection`: the tables are those of a fresh fold.

pub mod agreement;
mod batches;
mod history;
mod in_flight;
mod orders;
mod paths;
mod replay;
mod requests;
mod undisturbed;

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
    history::assert_messages_arrived(&cluster, &histories);
    histories.iter().for_each(|history| paths::note(&cluster, history));
    requests::check(simulation, &histories);
    orders::check(&histories);
    histories.iter().for_each(|history| batches::check(&cluster, history));
    let finals: Vec<_> = histories.iter().map(|history| undisturbed::check(&cluster, history)).collect();
    replay::check(simulation, &finals);
    simulation.projections.iter().for_each(Projection::assert_equals_fresh);
    Totals {
        commands: histories.iter().map(|history| history.outcomes.len() as u64).sum(),
        requests: simulation.clients.requests.len() as u64,
        trades: cluster.tally().of(Seen::Traded),
    }
}
