//! Admins of the exchange, as the first shard knows them.

use schemas::{Admin, AdminId};

use super::ShardState;

impl ShardState {
    /// Returns all admins that were not revoked, including expired ones, by id. Empty on every
    /// shard but the first.
    pub fn admins(&self) -> impl Iterator<Item = &Admin> {
        self.facts.admins.values()
    }

    /// Returns an admin that was not revoked.
    pub fn admin(&self, id: AdminId) -> Option<&Admin> {
        self.facts.admins.get(&id)
    }
}
