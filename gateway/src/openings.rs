//! How many accounts one address may open: a few at once, and then one after another.
//!
//! An account takes memory on every shard for good, and anybody may ask for one. Only addresses are
//! counted: admins are not, and neither are addresses that represent many clients.

use std::num::NonZeroU32;

use service::buckets::Buckets;
use service::serve::Peer;

use crate::config::ACCOUNTS_WITHIN;
use crate::http::problem::{Problem, kinds};
use crate::shares::{Asker, Owner};

/// The accounts that each address may still open.
pub struct Openings(Buckets<Peer>);

impl Openings {
    /// Creates the limit of so many accounts for each address, and again as many in
    /// [`ACCOUNTS_WITHIN`].
    pub fn new(of_address: NonZeroU32) -> Self {
        Self(Buckets::slow(of_address, ACCOUNTS_WITHIN))
    }

    /// Counts an account for the client's address, if it may open one.
    pub fn take(&self, asker: Asker) -> Result<(), Problem> {
        let Some(address) = asker.via.filter(|_| !matches!(asker.owner, Owner::Admin(_))) else { return Ok(()) };
        let taken = self.0.take(address, NonZeroU32::MIN);
        taken.map_err(|wait| Problem::new(kinds::ACCOUNTS_LIMIT).retry_after(wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use axum::http::header;
    use axum::response::IntoResponse;
    use schemas::{AccountId, AdminId};

    use crate::shares::Rank;

    fn peer(last: u8) -> Peer {
        Peer::of([192, 0, 2, last].into())
    }

    fn from(owner: Owner, last: u8) -> Asker {
        Asker { owner, rank: Rank::Anonymous, via: Some(peer(last)) }
    }

    fn anonymous(last: u8) -> Asker {
        from(Owner::Address(peer(last)), last)
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_opens_some_at_once_and_then_one_after_another() {
        let openings = Openings::new(NonZeroU32::new(10).unwrap());
        for _ in 0..10 {
            assert!(openings.take(anonymous(1)).is_ok());
        }
        let refused = openings.take(anonymous(1)).unwrap_err();
        assert_eq!(refused.kind(), kinds::ACCOUNTS_LIMIT);
        assert_eq!(refused.into_response().headers()[header::RETRY_AFTER], "10");
        // A key does not open more, and others are not refused.
        assert!(openings.take(from(Owner::Account(AccountId(1)), 1)).is_err());
        assert!(openings.take(anonymous(2)).is_ok());
        tokio::time::advance(Duration::from_secs(7)).await;
        let refused = openings.take(anonymous(1)).unwrap_err();
        assert_eq!(refused.into_response().headers()[header::RETRY_AFTER], "3");
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!(openings.take(anonymous(1)).is_ok());
        assert!(openings.take(anonymous(1)).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn admins_and_addresses_of_many_clients_are_not_counted() {
        let openings = Openings::new(NonZeroU32::MIN);
        let many = Asker { owner: Owner::Many, rank: Rank::Anonymous, via: None };
        for _ in 0..3 {
            assert!(openings.take(many).is_ok());
            assert!(openings.take(from(Owner::Admin(AdminId(1)), 1)).is_ok());
        }
    }
}
