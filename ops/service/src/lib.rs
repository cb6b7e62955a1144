//! What every process needs in operation: logs, metrics, an admin port, an orderly end, and Kafka
//! clients with one common configuration.
//!
//!   engine, projections, gateway, loadtest ─▶ *service* ─▶ terminal, Prometheus, probes, Kafka
//!
//! Nothing here depends on the exchange's rules; these are in `schemas` and above.

pub mod admin;
pub mod announce;
pub mod backoff;
pub mod buckets;
pub mod clock;
pub mod config;
pub mod descriptors;
pub mod eviction;
pub mod first_admin;
pub mod health;
pub mod hex;
pub mod kafka;
pub mod serve;
pub mod shutdown;
pub mod statements;
pub mod tables;
pub mod telemetry;
pub mod tls;

pub use admin::AdminPort;
pub use announce::Announcements;
pub use backoff::Backoff;
pub use config::{AdminArgs, KafkaArgs, LogArgs, TlsArgs};
pub use first_admin::{FirstAdmin, is_key};
pub use health::{Liveness, Pulse, Readiness, ReadinessPart, panic_text};
pub use shutdown::Shutdown;
pub use telemetry::Telemetry;
pub use tls::Tls;
