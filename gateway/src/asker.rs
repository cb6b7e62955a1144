//! Who sent the request that a task serves, for limits that each client has for itself.

use crate::shares::{Asker, Owner, Rank};

tokio::task_local! {
    /// Who sent the request that the current task serves.
    static ASKER: Asker;
}

/// Runs `serving` as part of a request of `asker`.
pub async fn asked_by<T>(asker: Asker, serving: impl Future<Output = T>) -> T {
    ASKER.scope(asker, serving).await
}

/// Returns who sent the request that the current task serves; `None` for the gateway's own tasks.
pub fn client() -> Option<Asker> {
    ASKER.try_with(|asker| *asker).ok()
}

/// The same. The gateway's own tasks have no limit but that of all.
pub fn asker() -> Asker {
    client().unwrap_or(Asker { owner: Owner::Many, rank: Rank::Urgent, via: None })
}
