//! Finds brokers again for a client that has none left.
//!
//! A client forgets brokers that are missing from the broker's metadata. A broker that was
//! unreachable for the cluster's controller may answer with metadata without any broker, for a
//! moment. librdkafka 2.10 to 2.15 then forgets the bootstrap servers as well and never connects
//! again (<https://github.com/confluentinc/librdkafka/issues/5301>): the process would need a
//! restart. Each poll loop therefore calls [`reconnect`].

use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::bindings::rd_kafka_brokers_add;
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::statistics::Statistics;

/// The bootstrap servers of a client, and whether it has lost all brokers.
#[derive(Debug)]
pub(super) struct Bootstrap {
    servers: CString,
    is_cut_off: AtomicBool,
}

impl Bootstrap {
    pub(super) fn of(config: &ClientConfig) -> Self {
        // The client cannot be created with a zero byte in its configuration.
        let servers = CString::new(config.get("bootstrap.servers").unwrap_or_default()).unwrap_or_default();
        Self { servers, is_cut_off: AtomicBool::new(false) }
    }

    /// Takes the client's statistics. The coordinator of a group is not a broker of its own.
    pub(super) fn note(&self, statistics: &Statistics) {
        let mut sources = statistics.brokers.values().map(|broker| broker.source.as_str());
        let has_broker = sources.any(|source| matches!(source, "configured" | "learned"));
        self.is_cut_off.store(!has_broker, Ordering::Release);
    }
}

/// The context of a client that [`reconnect`] can serve.
pub trait Reconnecting: ClientContext {
    /// Returns what counts the client's requests; its statistics show when no broker is left.
    fn requests(&self) -> &super::requests::Requests;
}

/// Adds the bootstrap servers to a client that has no broker left. Cheap otherwise: call it after
/// each poll.
pub fn reconnect<C: Reconnecting>(client: &Client<C>) {
    let bootstrap = client.context().requests().bootstrap();
    if !bootstrap.is_cut_off.swap(false, Ordering::AcqRel) {
        return;
    }
    // SAFETY: the client lives as long as the reference, and librdkafka copies the list.
    #[allow(unsafe_code, reason = "rdkafka has no safe function for it")]
    let added = unsafe { rd_kafka_brokers_add(client.native_ptr(), bootstrap.servers.as_ptr()) };
    tracing::warn!(added, "the client had no broker left; it connects to the bootstrap servers again");
}

#[cfg(test)]
#[path = "reconnect_tests.rs"]
mod tests;
