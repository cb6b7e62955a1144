//! `loadtest verify`: compares the whole log with Postgres and Redis, without any load.

use std::time::Instant;

use clap::Args;
use service::LogArgs;

use super::demo::{self, ReadModelArgs};
use crate::error::Error;
use crate::{log, report, verify};

/// Arguments of `loadtest verify`.
#[derive(Args)]
pub struct LogVerifyArgs {
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    models: ReadModelArgs,
}

/// Compares and reports. Returns true if all checks pass.
pub async fn run(args: &LogVerifyArgs) -> Result<bool, Error> {
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
