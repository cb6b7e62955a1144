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
mod commands;
mod cost;
mod drive;
mod error;
mod floor;
mod fold;
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
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use commands::{demo, hostile, rate_search, seed};
use error::Error;

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
    Demo(demo::DemoArgs),
    /// Measure the latency of the bare loop through Kafka
    Floor(commands::floor::FloorArgs),
    /// Compare the whole log with Postgres and Redis, without any load
    Verify(commands::verify::LogVerifyArgs),
    /// Find the highest sustainable rate in short steps
    RateSearch(rate_search::SearchArgs),
    /// Run every known attack on the gateway beside a client that must not be affected
    Hostile(hostile::HostileArgs),
    /// Run one attack; used by `hostile` only
    #[command(hide = true)]
    Attack(hostile::attack::AttackArgs),
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
        LoadtestCommand::Floor(args) => commands::floor::run(&args).await,
        LoadtestCommand::Verify(args) => commands::verify::run(&args).await,
        LoadtestCommand::RateSearch(args) => rate_search::run(&args).await,
        LoadtestCommand::Hostile(args) => hostile::run(&args).await,
        LoadtestCommand::Attack(args) => hostile::attack(&args).await,
    }
}
