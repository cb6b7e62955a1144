//! `loadtest floor`: the latency of the bare loop through Kafka.

use std::time::Duration;

use clap::Args;
use service::LogArgs;

use crate::error::Error;
use crate::floor;
use crate::report;
use crate::say::{grouped, say};

/// Arguments of `loadtest floor`.
#[derive(Args)]
pub struct FloorArgs {
    #[command(flatten)]
    log: LogArgs,
    /// Records per second.
    #[arg(long, default_value_t = 1_200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// Duration in seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
}

/// Measures and reports. Returns true if no record was lost.
pub async fn run(args: &FloorArgs) -> Result<bool, Error> {
    let floor = floor::measure(&args.log, f64::from(args.rate), Duration::from_secs(args.seconds.into())).await?;
    report::heading("Latency of the bare loop through Kafka, in ms");
    report::latencies(&[report::LatencyRow { name: "floor", took: floor.took, latencies: &floor.latencies }]);
    if floor.lost > 0 {
        say!("\n{} records were lost.", grouped(floor.lost));
    }
    Ok(floor.lost == 0)
}
