//! Why the log cannot be read.

use std::time::Duration;

use schemas::reading::BrokenLog;
use service::kafka::KafkaFault;

/// How long to wait for a topic that has more records but delivers none.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Why the log cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Kafka failed.
    #[error(transparent)]
    Kafka(#[from] KafkaFault),
    /// The log violates the read rule.
    #[error(transparent)]
    Broken(#[from] BrokenLog),
    /// The log has more records, but Kafka delivers none.
    #[error("the events log delivered nothing for {} s although it has more", PATIENCE.as_secs())]
    Stalled,
}
