//! `simulate`: runs many seeds in parallel; stops at the first that fails and prints how to repeat
//! it.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::Parser;
use simulation::{Options, RunFailure, RunReport, Seen, Tally, run};

/// Runs seeds of the deterministic simulation.
#[derive(Parser)]
struct Args {
    /// The number of seeds.
    #[arg(long, default_value_t = 500)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// The number of parallel runs.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..))]
    jobs: u8,
    /// Injects only this fault, by its name in the closing table.
    #[arg(long, value_parser = |name: &str| Seen::named(name).ok_or("no fault is called so"))]
    only: Option<Seen>,
    /// Prints every event of the run to standard error, as it happens.
    #[arg(long)]
    trace: bool,
    /// Prints only failures and the closing line.
    #[arg(long)]
    quiet: bool,
}

/// The totals of all runs so far.
#[derive(Default)]
struct Sum {
    seeds: u64,
    steps: u64,
    commands: u64,
    requests: u64,
    trades: u64,
    tally: Tally,
    failure: Option<Box<RunFailure>>,
}

impl Sum {
    fn add(&mut self, report: &RunReport) {
        self.seeds += 1;
        self.steps += report.steps;
        self.commands += report.commands;
        self.requests += report.requests;
        self.trades += report.trades;
        self.tally.add(&report.tally);
    }

    /// Of several failures, reports the one with the lowest seed.
    fn fail(&mut self, failure: Box<RunFailure>) {
        if self.failure.as_ref().is_none_or(|known| failure.seed < known.seed) {
            self.failure = Some(failure);
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let (start, sum) = (Instant::now(), Mutex::new(Sum::default()));
    let (next, end) = (AtomicU64::new(args.from), AtomicBool::new(false));
    let to = args.from.saturating_add(args.seeds);
    std::thread::scope(|scope| {
        for _ in 0..args.jobs {
            scope.spawn(|| work(&args, (&next, to), &end, &sum));
        }
    });
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(failure) = &sum.failure {
        println!("{failure}");
        return ExitCode::FAILURE;
    }
    if !args.quiet {
        tell_what_was_seen(&sum.tally);
    }
    println!(
        "{} seeds from {} passed in {:.1} s: {} steps, {} requests, {} commands with one outcome each, {} trades",
        sum.seeds,
        args.from,
        start.elapsed().as_secs_f64(),
        sum.steps,
        sum.requests,
        sum.commands,
        sum.trades
    );
    ExitCode::SUCCESS
}

fn work(args: &Args, (next, to): (&AtomicU64, u64), end: &AtomicBool, sum: &Mutex<Sum>) {
    while !end.load(Ordering::Relaxed) {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= to {
            return;
        }
        let result = run(seed, Options { only: args.only, aloud: args.trace });
        let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(report) => sum.add(&report),
            Err(failure) => {
                end.store(true, Ordering::Relaxed);
                sum.fail(failure);
            }
        }
        if !args.quiet && sum.seeds.is_multiple_of(100) && sum.seeds > 0 {
            println!("  {:>7} of {} seeds, {} commands", sum.seeds, args.seeds, sum.commands);
            // Shows progress at once. If the reader of the pipe has gone, the next line ends the
            // program.
            let _shown = std::io::stdout().flush();
        }
    }
}

fn tell_what_was_seen(tally: &Tally) {
    for seen in Seen::ALL {
        println!("  {:>11}  {}", tally.of(*seen), seen.name());
    }
}
