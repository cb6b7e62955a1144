//! Divides what exists once for all clients (places for requests, for incoming bodies and for
//! waiting requests; bytes of answers), so that no client can take everything.
//!
//! | rank      | who                                     | may take of the total |
//! |-----------|-----------------------------------------|-----------------------|
//! | anonymous | no valid key                            | a half                |
//! | known     | a key, or an unverified claim to be one | seven eighths         |
//! | urgent    | a key that cancels                      | everything            |
//!
//! Each owner has a share of its own as well: an account, an admin or, without a key, an address.
//! All owners that send from one address have a half together, because anybody can open accounts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemas::{AccountId, AdminId, ApiKeyId};
use service::serve::Peer;

/// The owner of a share.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Owner {
    /// An account, whichever key it uses.
    Account(AccountId),
    /// An admin.
    Admin(AdminId),
    /// An address, for clients without a key, and for signed requests that are not verified yet.
    Address(Peer),
    /// A key that an unverified request from an address of many claims: not its account's share,
    /// because anybody can claim it.
    Claimed(ApiKeyId),
    /// An address that stands for many clients. It has no share.
    Many,
}

/// How much of the total may be taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rank {
    /// A half.
    Anonymous,
    /// Seven eighths.
    Known,
    /// Everything.
    Urgent,
}

/// The sender of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asker {
    /// Whose share it takes from.
    pub owner: Owner,
    /// How much of the total may be taken.
    pub rank: Rank,
    /// The address that the request comes from; `None` if it stands for many clients.
    pub via: Option<Peer>,
}

/// The total and what is taken of it.
pub struct Shares {
    all: usize,
    of_owner: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    of_owners: HashMap<Owner, usize>,
    of_addresses: HashMap<Peer, usize>,
}

/// Adds to a key's count.
fn add<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, usize>, key: K, count: usize) {
    *counts.entry(key).or_default() += count;
}

/// Subtracts from a key's count, and removes a key without any.
fn subtract<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, usize>, key: &K, count: usize) {
    if let Some(own) = counts.get_mut(key) {
        *own -= count;
        if *own == 0 {
            counts.remove(key);
        }
    }
}

impl Shares {
    /// Creates a total of which an owner may take one part of `parts`.
    pub fn new(all: usize, parts: usize) -> Arc<Self> {
        Arc::new(Self { all, of_owner: (all / parts).max(1), taken: Mutex::default() })
    }

    /// Takes some, if they are available.
    pub fn take(self: &Arc<Self>, asker: Asker, count: usize) -> Option<Share> {
        let limit = match asker.rank {
            Rank::Anonymous => self.all.div_ceil(2),
            Rank::Known => self.all - self.all / 8,
            Rank::Urgent => self.all,
        };
        let mut taken = self.taken();
        if taken.all + count > limit {
            return None;
        }
        let has_share = asker.owner != Owner::Many;
        if has_share && taken.of_owners.get(&asker.owner).copied().unwrap_or(0) + count > self.of_owner {
            return None;
        }
        let of_address = |via| taken.of_addresses.get(&via).copied().unwrap_or(0);
        if asker.via.is_some_and(|via| of_address(via) + count > self.all.div_ceil(2)) {
            return None;
        }
        if has_share {
            add(&mut taken.of_owners, asker.owner, count);
        }
        if let Some(via) = asker.via {
            add(&mut taken.of_addresses, via, count);
        }
        taken.all += count;
        drop(taken);
        Some(Share { shares: Arc::clone(self), owner: asker.owner, via: asker.via, count })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something that was taken. It is returned when it is dropped.
pub struct Share {
    shares: Arc<Shares>,
    owner: Owner,
    via: Option<Peer>,
    count: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.taken();
        taken.all -= self.count;
        subtract(&mut taken.of_owners, &self.owner, self.count);
        if let Some(via) = &self.via {
            subtract(&mut taken.of_addresses, via, self.count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(id: u64, rank: Rank) -> Asker {
        Asker { owner: Owner::Account(AccountId(id)), rank, via: None }
    }

    fn peer(last: u8) -> Peer {
        Peer::of([192, 0, 2, last].into())
    }

    fn address(last: u8) -> Asker {
        Asker { owner: Owner::Address(peer(last)), rank: Rank::Anonymous, via: Some(peer(last)) }
    }

    #[test]
    fn an_owner_has_its_share_and_each_rank_leaves_something_to_the_next() {
        let shares = Shares::new(16, 4);
        let mut kept: Vec<_> = (0..4).map(|_| shares.take(address(1), 1).unwrap()).collect();
        assert!(shares.take(address(1), 1).is_none(), "its share is taken");
        kept.push(shares.take(address(2), 4).unwrap());
        assert!(shares.take(address(3), 1).is_none(), "a half is not for the anonymous");
        kept.push(shares.take(account(1, Rank::Known), 4).unwrap());
        assert!(shares.take(account(1, Rank::Urgent), 1).is_none(), "its share is taken");
        kept.push(shares.take(account(2, Rank::Known), 2).unwrap());
        assert!(shares.take(account(2, Rank::Known), 1).is_none(), "an eighth is for what is urgent");
        kept.push(shares.take(account(2, Rank::Urgent), 2).unwrap());
        assert!(shares.take(account(3, Rank::Urgent), 1).is_none(), "there is no more");
        drop(kept);
        let taken = shares.taken();
        assert!(taken.all == 0 && taken.of_owners.is_empty() && taken.of_addresses.is_empty());
    }

    #[test]
    fn accounts_of_one_address_have_a_half_together_whatever_they_ask() {
        let shares = Shares::new(16, 4);
        let from = |id, last| Asker { via: Some(peer(last)), ..account(id, Rank::Urgent) };
        let mut kept: Vec<_> = (1..=2).map(|id| shares.take(from(id, 1), 4).unwrap()).collect();
        assert!(shares.take(from(3, 1), 1).is_none(), "its address has a half");
        assert!(shares.take(address(1), 1).is_none(), "without a key, too");
        kept.push(shares.take(from(3, 2), 4).unwrap());
        drop(kept);
        let taken = shares.taken();
        assert!(taken.all == 0 && taken.of_owners.is_empty() && taken.of_addresses.is_empty());
    }

    #[test]
    fn a_claim_takes_nothing_from_the_account_of_the_key() {
        let shares = Shares::new(16, 4);
        let claim = Asker { owner: Owner::Claimed(ApiKeyId(7)), rank: Rank::Known, via: None };
        let forged: Vec<_> = (0..4).map(|_| shares.take(claim, 1).unwrap()).collect();
        assert!(shares.take(claim, 1).is_none(), "its share is taken");
        let kept = shares.take(account(1, Rank::Known), 4).unwrap();
        drop((forged, kept));
        let taken = shares.taken();
        assert!(taken.all == 0 && taken.of_owners.is_empty());
    }

    #[test]
    fn an_address_of_many_has_no_share_and_no_more_than_its_rank() {
        let shares = Shares::new(16, 4);
        let many = Asker { owner: Owner::Many, rank: Rank::Anonymous, via: None };
        let kept: Vec<_> = (0..8).map(|_| shares.take(many, 1).unwrap()).collect();
        assert!(shares.take(many, 1).is_none());
        drop(kept);
        assert_eq!(shares.taken().all, 0);
    }
}
