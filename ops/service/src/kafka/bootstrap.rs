//! Where a client starts to connect, and whether it has to start again.

use std::ffi::{CStr, CString};
use std::sync::atomic::{AtomicBool, Ordering};

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

    /// Returns the bootstrap servers, once, if the client has lost all brokers.
    pub(super) fn lost(&self) -> Option<&CStr> {
        self.is_cut_off.swap(false, Ordering::AcqRel).then_some(&*self.servers)
    }
}
