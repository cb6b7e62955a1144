//! Logs through `tracing`, metrics through `metrics`: initialized once, at the start of a process.
//!
//! `RUST_LOG` filters (default `info`), `LFG_LOG=json|text` chooses the form (default: text on a
//! terminal, else JSON).

use std::io::IsTerminal;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::TryInitError;

/// Bounds of histogram buckets for metrics named `…_seconds`: 100 µs to 30 s.
const SECONDS: [f64; 20] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
    10.0, 30.0,
];

/// The logs and metrics of the process; renders the metrics.
#[derive(Clone, Debug)]
pub struct Telemetry {
    metrics: PrometheusHandle,
}

/// Logs or metrics could not be initialized. Never retry: the configuration is wrong, or they were
/// initialized twice.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `LFG_LOG` is neither `json` nor `text`.
    #[error("LFG_LOG is `{0}`; it must be `json` or `text`")]
    Form(String),
    /// `RUST_LOG` is not a valid filter.
    #[error("RUST_LOG: {0}")]
    Filter(#[from] tracing_subscriber::filter::FromEnvError),
    /// Another subscriber is installed.
    #[error(transparent)]
    Logs(#[from] TryInitError),
    /// Another recorder is installed.
    #[error(transparent)]
    Metrics(#[from] BuildError),
}

/// Initializes logs (to standard error, so that commands can print results) and metrics (labelled
/// with the process's name).
///
/// Call once in a process, before anything is logged.
pub fn init(process: &'static str) -> Result<Telemetry, TelemetryError> {
    init_logs()?;
    let metrics = PrometheusBuilder::new()
        .add_global_label("process", process)
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .install_recorder()?;
    tracing::debug!(process, version = env!("CARGO_PKG_VERSION"), "telemetry is initialized");
    Ok(Telemetry { metrics })
}

fn init_logs() -> Result<(), TelemetryError> {
    use tracing_subscriber::util::SubscriberInitExt as _;
    let filter = match std::env::var_os("RUST_LOG") {
        Some(_) => EnvFilter::try_from_default_env()?,
        None => EnvFilter::new("info"),
    };
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json()? {
        logs.json().flatten_event(true).finish().try_init()?;
    } else {
        logs.with_ansi(std::io::stderr().is_terminal()).finish().try_init()?;
    }
    Ok(())
}

fn json() -> Result<bool, TelemetryError> {
    match std::env::var("LFG_LOG").as_deref() {
        Ok("json") => Ok(true),
        Ok("text") => Ok(false),
        Ok("") | Err(std::env::VarError::NotPresent) => Ok(!std::io::stderr().is_terminal()),
        Ok(other) => Err(TelemetryError::Form(other.to_owned())),
        Err(error) => Err(TelemetryError::Form(error.to_string())),
    }
}

impl Telemetry {
    /// Returns the metrics in Prometheus's text format.
    pub fn render(&self) -> String {
        self.metrics.render()
    }

    /// Keeps the recorder's memory bounded; runs until the runtime ends.
    /// [`crate::AdminPort::start`] spawns it.
    pub(crate) async fn upkeep(self) {
        let mut tick = tokio::time::interval(Duration::from_secs(5));
        loop {
            tick.tick().await;
            self.metrics.run_upkeep();
        }
    }
}
