//! `loadtest rate-search`: finds the highest sustainable rate in short steps.
//!
//! The rate increases by half until a step fails, then the search narrows between the two rates
//! until they are close. A step passes if no request failed, no request was left unsent, and the
//! p99 of orders and cancels is below the limit. All results are verified once, at the end.

use std::time::Duration;

use clap::Args;
use service::LogArgs;

use super::demo::{CrowdArgs, DemoRun, ReadModelArgs};
use crate::drive::{self, Driven, RequestResult};
use crate::error::Error;
use crate::log::AuditedLog;
use crate::people::GatewayArgs;
use crate::plan::Shape;
use crate::report;
use crate::say::{grouped, say};

/// The maximum number of steps.
const STEPS_MAX: u32 = 12;

/// The search ends when the ratio of the lowest failed rate to the highest passed rate is at most
/// this.
const CLOSE: f64 = 1.1;

/// A request that is refused because of too many is refused so fast, at p99.
const REFUSED_WITHIN_MS: f64 = 50.0;

/// Arguments of `loadtest rate-search`.
#[derive(Clone, Debug, Args)]
pub struct SearchArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    models: ReadModelArgs,
    #[command(flatten)]
    crowd: CrowdArgs,
    /// Orders per second of the first step.
    #[arg(long, default_value_t = 1_000)]
    from: u32,
    /// Duration of each step in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Maximum p99 in milliseconds.
    #[arg(long, default_value_t = 500)]
    p99: u32,
    /// After the search, offer so many times the sustained rate, for three steps' time: what is
    /// accepted must have a p99 below the limit, and the rest must be refused within 50 ms at p99.
    /// Needs a connection for each request in progress: `--connections 4096`.
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=10))]
    overload: Option<u32>,
}

/// Returns the next rate to try, given the highest that passed and the lowest that failed. Pure.
fn next(held: Option<f64>, failed: Option<f64>, from: f64) -> Option<f64> {
    match (held, failed) {
        (None, None) => Some(from),
        (Some(held), None) => Some(held * 1.5),
        (None, Some(failed)) => Some(failed / 2.0),
        (Some(held), Some(failed)) if failed / held > CLOSE => Some((held * failed).sqrt()),
        _ => None,
    }
}

/// Runs the search. Returns true if some rate passes and all checks pass.
pub async fn run(args: &SearchArgs) -> Result<bool, Error> {
    say!("LFG rate search: steps of {} s, p99 below {} ms\n", args.seconds, args.p99);
    let run = DemoRun::prepare(&args.gateway, &args.crowd).await?;
    say!("\n  {:>9}{:>11}{:>9}{:>9}{:>9}{:>9}", "orders/s", "answered/s", "p50 ms", "p99 ms", "max ms", "failed");
    let (mut held, mut failed, mut steps) = (None, None, Steps::default());
    for _ in 0..STEPS_MAX {
        let Some(rate) = next(held, failed, f64::from(args.from)) else { break };
        let (driven, planned) = one_step(args, &run, rate, steps.planned).await?;
        let bound = if tell(&driven, rate, args.p99) { &mut held } else { &mut failed };
        *bound = Some(rate);
        steps.add(driven, planned);
    }
    let mut sheds = true;
    if let (Some(times), Some(held)) = (args.overload, held) {
        let rate = held * f64::from(times);
        let longer = SearchArgs { seconds: 3 * args.seconds, ..args.clone() };
        let (driven, planned) = one_step(&longer, &run, rate, steps.planned).await?;
        sheds = tell_shed(&driven, rate, args.p99);
        steps.add(driven, planned);
    }
    let Some(all) = steps.driven else { return Ok(false) };
    say!("");
    let checks = run.verify(&mut AuditedLog::open(&args.log)?, &args.log, &args.models, &all).await?;
    run.tell_answers(&all);
    let sound = report::checks(&checks);
    match held {
        Some(rate) => say!("\nSustained: {rate:.0} orders/s with p99 below {} ms.", args.p99),
        None => say!("\nNo rate was sustained, down to {:.0} orders/s.", failed.unwrap_or_default()),
    }
    Ok(sound && sheds && held.is_some())
}

/// The combined results of all steps so far.
#[derive(Default)]
struct Steps {
    driven: Option<Driven>,
    /// Number of requests planned so far, so that client ids do not repeat.
    planned: usize,
}

impl Steps {
    fn add(&mut self, step: Driven, planned: usize) {
        self.planned += planned;
        match &mut self.driven {
            None => self.driven = Some(step),
            Some(all) => {
                all.answers.extend(step.answers);
                all.idle_cancels += step.idle_cancels;
            }
        }
    }
}

async fn one_step(args: &SearchArgs, run: &DemoRun, rate: f64, first: usize) -> Result<(Driven, usize), Error> {
    let shape = Shape {
        rate,
        length: Duration::from_secs(args.seconds.into()),
        markets: run.markets.len(),
        accounts: run.accounts.len(),
        seed: args.crowd.seed.wrapping_add(first as u64),
    };
    let plan = run.plan(&shape);
    let planned = plan.len();
    Ok((drive::drive(run.stage.clone(), plan, first, false).await?, planned))
}

/// Prints a step. Returns true if it passes.
fn tell(driven: &Driven, rate: f64, limit_ms: u32) -> bool {
    let failed = driven.answers.iter().filter(|answer| answer.result.is_failure()).count() as u64 + driven.unsent;
    let p99 = driven.orders.quantile_ms(0.99).max(driven.cancels.quantile_ms(0.99));
    let holds = failed == 0 && p99 < f64::from(limit_ms);
    say!(
        "  {:>9.0}{:>11.0}{:>9.2}{:>9.2}{:>9.2}{:>9}   {}",
        rate,
        driven.orders.count() as f64 / driven.took.as_secs_f64(),
        driven.orders.quantile_ms(0.5),
        p99,
        driven.orders.max_ms().max(driven.cancels.max_ms()),
        grouped(failed),
        if holds { "sustained" } else { "not sustained" }
    );
    holds
}

/// Prints a step beyond the sustained rate. Returns true if what was accepted was fast, and all else
/// was refused at once.
fn tell_shed(driven: &Driven, rate: f64, limit_ms: u32) -> bool {
    let seconds = driven.took.as_secs_f64();
    let is_other = |answer: &&RequestResult| answer.result.is_failure() && !answer.result.is_shed();
    let others = driven.answers.iter().filter(is_other).count() as u64 + driven.unsent;
    let p99 = driven.orders.quantile_ms(0.99).max(driven.cancels.quantile_ms(0.99));
    let shed = &driven.shed;
    say!("\nOverload: {rate:.0} orders/s offered for {seconds:.0} s.");
    say!(
        "  accepted {:.0}/s, p50 {:.2} ms, p99 {p99:.2} ms; refused {:.0}/s, p50 {:.2} ms, p99 {:.2} ms; other failures {}",
        (driven.orders.count() + driven.cancels.count()) as f64 / seconds,
        driven.orders.quantile_ms(0.5),
        shed.count() as f64 / seconds,
        shed.quantile_ms(0.5),
        shed.quantile_ms(0.99),
        grouped(others)
    );
    others == 0 && p99 < f64::from(limit_ms) && shed.quantile_ms(0.99) < REFUSED_WITHIN_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the search against a system that sustains every rate up to `limit`.
    fn search(limit: f64, from: f64) -> (Option<f64>, u32) {
        let (mut held, mut failed, mut steps) = (None, None, 0);
        while let Some(rate) = next(held, failed, from) {
            steps += 1;
            *(if rate <= limit { &mut held } else { &mut failed }) = Some(rate);
            if steps == STEPS_MAX {
                break;
            }
        }
        (held, steps)
    }

    #[test]
    fn the_search_gets_close_in_few_steps() {
        for limit in [150.0, 900.0, 1_000.0, 3_333.0, 9_000.0] {
            let (held, steps) = search(limit, 1_000.0);
            let held = held.unwrap();
            assert!(held <= limit && held * CLOSE * 1.01 >= limit, "{limit}: {held} in {steps}");
        }
    }

    #[test]
    fn it_is_bounded() {
        assert_eq!(search(0.0, 1_000.0), (None, STEPS_MAX));
    }
}
