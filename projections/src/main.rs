//! The projections worker's command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use projections::migrate::migrate;
use projections::postgres::WritePoolArgs;
use projections::redis::forget;
use projections::run::{ProjectionArgs, RedisArgs, run};
use service::{AdminArgs, AdminPort, Liveness, LogArgs, Readiness, Shutdown, telemetry};

/// Folds the events log into Postgres tables and Redis read models, exactly once by position.
#[derive(Parser)]
#[command(version)]
struct ProjectionsCli {
    #[command(subcommand)]
    command: ProjectionsCommand,
}

#[derive(Subcommand)]
enum ProjectionsCommand {
    /// Migrates the database to this version's tables, partitions and indexes. Safe to repeat.
    Migrate(WritePoolArgs),
    /// Folds until asked to stop.
    Run {
        #[command(flatten)]
        run: Box<ProjectionArgs>,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Deletes a store's progress, so that its content is folded again from the beginning of the
    /// log.
    #[command(subcommand)]
    Rebuild(Rebuild),
}

#[derive(Subcommand)]
enum Rebuild {
    /// Deletes the progress of the read models. The running worker notices within a second and
    /// rebuilds them; if none runs, the next one does. Until the rebuild is done, readers treat the
    /// models as unavailable.
    Redis {
        #[command(flatten)]
        log: LogArgs,
        #[command(flatten)]
        redis: RedisArgs,
        /// This shard alone. Default: all.
        #[arg(long)]
        shard: Option<u16>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = ProjectionsCli::parse();
    let telemetry = match telemetry::init("projections") {
        Ok(telemetry) => telemetry,
        Err(error) => {
            eprintln!("projections: {error}");
            return ExitCode::FAILURE;
        }
    };
    match obey(cli.command, telemetry).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "ended");
            eprintln!("projections: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn obey(command: ProjectionsCommand, telemetry: service::Telemetry) -> Result<(), Box<dyn std::error::Error>> {
    match command {
        ProjectionsCommand::Migrate(args) => {
            let done = migrate(&args).await?;
            for name in done.migrations {
                println!("migrated: {name}");
            }
            for name in done.indexes {
                println!("built index: {name}");
            }
        }
        ProjectionsCommand::Run { run: args, admin } => {
            let (readiness, liveness, shutdown) = (Readiness::new(), Liveness::new(), Shutdown::on_signals()?);
            AdminPort::start(admin.listen, telemetry, liveness.clone(), readiness.clone()).await?;
            run(&args, &readiness, &liveness, &shutdown).await?;
        }
        ProjectionsCommand::Rebuild(Rebuild::Redis { log, redis, shard }) => {
            for shard in forget(&redis.redis_url, &log, shard).await? {
                println!("shard {shard}: forgotten; the worker rebuilds it");
            }
        }
    }
    Ok(())
}
