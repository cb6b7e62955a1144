//! Drives the whole system through its public API, as clients do, and verifies the results.
//!
//!   *loadtest* ─▶ gateway ─▶ … ─▶ events log, Postgres, Redis, WebSocket ─▶ *loadtest*
//!
//! - `demo` trades in an open loop and compares every command result, row and message with a fresh
//!   fold of the log.
//! - `verify` compares log, Postgres and Redis without generating load; for operators.
//! - `hostile` attacks the gateway while a client trades within its limits; `attack` runs the
//!   attackers.
//! - `floor` measures the bare loop through Kafka. `rate-search` finds the highest sustainable
//!   rate. `seed` creates demo accounts and markets.
//!
//! Architecture invariant: a black box. It uses HTTP, WebSocket and the log's format (`schemas`),
//! and no program's internals.
//!
//! Results go to standard output, logs to standard error. Exit status: 0 if all checks pass, 1 if a
//! check fails, 2 if the run could not be completed.

mod api;
mod cost;
mod demo;
mod drive;
mod error;
mod floor;
mod fold;
mod hostile;
mod latency;
mod listen;
mod log;
mod log_error;
mod pace;
mod people;
mod phase;
mod plan;
mod report;
mod say;
mod search;
mod seed;
mod verify;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand};
use service::LogArgs;

use demo::{DemoArgs, ReadModelArgs};
use error::Error;
use say::{grouped, say};

#[derive(Parser)]
#[command(name = "loadtest", version, about = "Drives the exchange as clients do, and verifies the results")]
struct LoadtestCli {
    #[command(subcommand)]
    command: LoadtestCommand,
}

#[derive(Subcommand)]
enum LoadtestCommand {
    /// Create demo accounts and markets, once
    Seed(seed::SeedArgs),
    /// Trade for a minute in an open loop, then verify every figure
    Demo(DemoArgs),
    /// Measure the latency of the bare loop through Kafka
    Floor(FloorArgs),
    /// Compare the whole log with Postgres and Redis, without any load
    Verify(LogVerifyArgs),
    /// Find the highest sustainable rate in short steps
    RateSearch(search::SearchArgs),
    /// Run every known attack on the gateway beside a client that must not be affected
    Hostile(hostile::HostileArgs),
    /// Run one attack; used by `hostile` only
    #[command(hide = true)]
    Attack(hostile::attack::AttackArgs),
}

#[derive(Args)]
struct FloorArgs {
    #[command(flatten)]
    log: LogArgs,
    /// Records per second.
    #[arg(long, default_value_t = 1_200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// Duration in seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
}

#[derive(Args)]
struct LogVerifyArgs {
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    models: ReadModelArgs,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let cli = LoadtestCli::parse();
    if let Err(error) = service::telemetry::init("loadtest") {
        eprintln!("loadtest: {error}");
        return ExitCode::from(2);
    }
    match run(cli.command).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("loadtest: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs the command. Returns true if all checks pass.
async fn run(command: LoadtestCommand) -> Result<bool, Error> {
    match command {
        LoadtestCommand::Seed(args) => seed::run(&args).await.map(|()| true).map_err(Error::from),
        LoadtestCommand::Demo(args) => demo::run(&args).await,
        LoadtestCommand::Floor(args) => bare_loop(&args).await,
        LoadtestCommand::Verify(args) => whole_log(&args).await,
        LoadtestCommand::RateSearch(args) => search::run(&args).await,
        LoadtestCommand::Hostile(args) => hostile::run(&args).await,
        LoadtestCommand::Attack(args) => hostile::attack(&args).await,
    }
}

async fn bare_loop(args: &FloorArgs) -> Result<bool, Error> {
    let floor = floor::measure(&args.log, f64::from(args.rate), Duration::from_secs(args.seconds.into())).await?;
    report::heading("Latency of the bare loop through Kafka, in ms");
    report::latencies(&[report::LatencyRow { name: "floor", took: floor.took, latencies: &floor.latencies }]);
    if floor.lost > 0 {
        say!("\n{} records were lost.", grouped(floor.lost));
    }
    Ok(floor.lost == 0)
}

async fn whole_log(args: &LogVerifyArgs) -> Result<bool, Error> {
    let mut models = args.models.connect(&args.log).await?;
    let mut log = log::AuditedLog::open(&args.log)?;
    let settled = verify::settle::settle(&mut log, &models, args.models.patience()).await?;
    demo::tell_settled(&log, settled);
    let started = Instant::now();
    let mut checks = verify::log::check(&log.fold, log.map);
    checks.extend(verify::money::check(&log.fold));
    checks.extend(verify::purses::check(&log.fold));
    checks.extend(verify::settle::compare(&mut log, &mut models, args.models.patience()).await?);
    report::step("verify", "the whole log compared with Postgres and Redis", started.elapsed());
    Ok(report::checks(&checks))
}
