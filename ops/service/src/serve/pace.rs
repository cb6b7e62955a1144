//! Slows the requests of a connection.

use std::sync::Arc;

use tokio::time::Instant;

use super::traffic::Traffic;

/// The connection of a request, which can be slowed. An extension of every request.
#[derive(Clone)]
pub struct Pace(Arc<Traffic>);

impl Pace {
    pub(super) fn of(traffic: Arc<Traffic>) -> Self {
        Self(traffic)
    }

    /// Delays the connection's requests until then.
    pub fn hold(&self, until: Instant) {
        self.0.hold(until);
    }

    /// Waits until requests of the connection may be served. Over HTTP/1 the connection is not read
    /// meanwhile.
    pub async fn wait(&self) {
        self.0.held().await;
    }
}
