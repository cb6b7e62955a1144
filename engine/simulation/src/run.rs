//! Runs one seed from beginning to end.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Once;

use crate::cluster::Cluster;
use crate::oracle::{self, Totals};
use crate::plan::Plan;
use crate::random::Random;
use crate::seen::{Seen, Tally};
use crate::simulation::Simulation;

/// The report of a successful run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunReport {
    /// The BLAKE3 hash of every record of every partition and of all that happened, in order: equal
    /// for equal seeds.
    pub digest: [u8; 32],
    /// Steps of the scheduler.
    pub steps: u64,
    /// Commands in the log; each has one outcome that counts.
    pub commands: u64,
    /// The number of clients' requests.
    pub requests: u64,
    /// The number of trades.
    pub trades: u64,
    /// Faults that happened and paths that were taken.
    pub tally: Tally,
}

/// A run that revealed a fault of the product (or of the simulation).
#[derive(Clone, Debug)]
pub struct RunFailure {
    /// The seed of the run.
    pub seed: u64,
    /// The only fault that was enabled, if others were disabled.
    pub only: Option<Seen>,
    /// The step of the scheduler at which it failed.
    pub step: u64,
    /// What is wrong.
    pub what: String,
    /// The last notes, oldest first.
    pub last: Vec<String>,
}

impl std::fmt::Display for RunFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seed, only, step, what, last } = self;
        last.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        writeln!(f, "seed {seed}, step {step}: {what}")?;
        let only = only.map_or(String::new(), |fault| format!(" --only '{}'", fault.name()));
        write!(f, "reproduce: ops/simulate --from {seed} --seeds 1{only} --trace")
    }
}

/// The options of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Enables only this fault, at a high rate.
    pub only: Option<Seen>,
    /// Prints the notes to standard error, as they are taken.
    pub aloud: bool,
}

/// Runs one seed.
pub fn run(seed: u64, options: Options) -> Result<RunReport, Box<RunFailure>> {
    let Options { only, aloud } = options;
    let mut random = Random::new(seed);
    let mut plan = Plan::draw(&mut random);
    if let Some(fault) = only {
        plan.only(fault);
    }
    let (steps, step) = (plan.steps, Cell::new(0));
    let cluster = Cluster::new(plan, random.fork(), aloud);
    let result = quietly(|| {
        let mut simulation = Simulation::new(&cluster, random);
        while step.get() < steps {
            step.set(step.get() + 1);
            simulation.step();
        }
        simulation.settle();
        oracle::judge(&mut simulation)
    });
    match result {
        Ok(totals) => Ok(report(&cluster, steps, &totals)),
        Err(what) => Err(Box::new(RunFailure { seed, only, step: step.get(), what, last: cluster.last_notes() })),
    }
}

fn report(cluster: &Rc<Cluster>, steps: u64, totals: &Totals) -> RunReport {
    RunReport {
        digest: cluster.digest(),
        steps,
        commands: totals.commands,
        requests: totals.requests,
        trades: totals.trades,
        tally: cluster.tally(),
    }
}

thread_local! {
    /// During a run: the message of the panic that ends it.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
    static RUNS: Cell<bool> = const { Cell::new(false) };
}

/// Returns the message and location of a panic in `body` instead of panicking. Product and oracles
/// report faults with assertions.
fn quietly<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match RUNS.get() {
            true => PANIC.set(Some(info.to_string())),
            false => before(info),
        }));
    });
    RUNS.set(true);
    let result = catch_unwind(AssertUnwindSafe(body));
    RUNS.set(false);
    result.map_err(|_| PANIC.take().unwrap_or_else(|| "a panic without a message".to_owned()))
}
