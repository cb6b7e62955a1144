//! The engine's command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use engine::commands::{inspect, quarantine, run, topics, verify};

/// Runs and maintains the shards of the exchange's log.
#[derive(Debug, Parser)]
#[command(version)]
struct EngineCli {
    #[command(subcommand)]
    command: EngineCommand,
}

#[derive(Debug, Subcommand)]
enum EngineCommand {
    /// Creates the log's topics, or verifies them.
    Topics(topics::TopicsArgs),
    /// Follows all shards, and leads those that the consumer group assigns to it.
    Run(run::EngineArgs),
    /// Folds the whole log from the beginning and verifies that it keeps its rules.
    Verify(verify::VerifyArgs),
    /// Prints a shard's records, decoded.
    Inspect(inspect::InspectArgs),
    /// Quarantines a record or a command at which a shard halts, with the keys of two admins.
    Quarantine(quarantine::QuarantineArgs),
}

fn main() -> ExitCode {
    let cli = EngineCli::parse();
    match start(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "failed");
            eprintln!("engine: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(cli: EngineCli) -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = service::telemetry::init("engine")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match cli.command {
        EngineCommand::Topics(args) => runtime.block_on(topics::topics(&args))?,
        EngineCommand::Run(args) => runtime.block_on(run::run(args, telemetry))?,
        EngineCommand::Verify(args) => verify::verify(&args)?,
        EngineCommand::Inspect(args) => inspect::inspect(&args)?,
        EngineCommand::Quarantine(args) => {
            let _within = runtime.enter();
            quarantine::quarantine(&args)?;
        }
    }
    Ok(())
}
