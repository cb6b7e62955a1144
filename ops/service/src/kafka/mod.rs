//! Kafka as the platform uses it: client configurations for low latency, the topics, and the tail
//! of the log.
//!
//! Facts behind the settings (librdkafka 2.12): `linger.ms=0` acknowledges in well under a
//! millisecond where the default waits 5 ms; `fetch.queue.backoff.ms` defaults to a second's pause
//! after a burst; a fetch under way must end before a new partition joins it, so
//! `fetch.wait.max.ms` bounds how fast an engine can start to consume a shard's commands.

mod announce;
mod bootstrap;
mod clients;
pub mod contact;
mod fault;
mod polled;
pub mod quarantine;
mod quiet;
mod reconnect;
pub mod requests;
mod tail;
pub mod topics;

pub use announce::{announce, ask, asked_at};
pub use clients::{ConsumerProfile, GroupProtocol};
pub use clients::{admin_config, consumer_config, member_config, outcome_producer_config, producer_config};
pub use fault::{KafkaFault, may_retry};
pub use polled::Polled;
pub use reconnect::{Reconnecting, reconnect};
pub use tail::{Cut, EventsTail, TailRecord};
