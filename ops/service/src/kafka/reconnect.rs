//! Finds brokers again for a client that has none left.
//!
//! A client forgets brokers that are missing from the broker's metadata. A broker that was
//! unreachable for the cluster's controller may answer with metadata without any broker, for a
//! moment. librdkafka 2.10 to 2.15 then forgets the bootstrap servers as well and never connects
//! again (<https://github.com/confluentinc/librdkafka/issues/5301>): the process would need a
//! restart. Each poll loop therefore calls [`reconnect`].

use rdkafka::bindings::rd_kafka_brokers_add;
use rdkafka::client::{Client, ClientContext};

use super::requests::Requests;

/// The context of a client that [`reconnect`] can serve.
pub trait Reconnecting: ClientContext {
    /// Returns what counts the client's requests; its statistics show when no broker is left.
    fn requests(&self) -> &Requests;
}

impl Reconnecting for Requests {
    fn requests(&self) -> &Requests {
        self
    }
}

/// Adds the bootstrap servers to a client that has no broker left. Cheap otherwise: call it after
/// each poll.
pub fn reconnect<C: Reconnecting>(client: &Client<C>) {
    let Some(servers) = client.context().requests().bootstrap().lost() else { return };
    // SAFETY: the client lives as long as the reference, and librdkafka copies the list.
    #[allow(unsafe_code, reason = "rdkafka has no safe function for it")]
    let added = unsafe { rd_kafka_brokers_add(client.native_ptr(), servers.as_ptr()) };
    tracing::warn!(added, "the client had no broker left; it connects to the bootstrap servers again");
}

#[cfg(test)]
#[path = "reconnect_tests.rs"]
mod tests;
