//! What is there once for all clients (places for requests, for bodies that come in, for those who wait; bytes of
//! answers), shared out so that none of them can take everything.
//!
//! | rank      | who                        | may take of all            |
//! |-----------|----------------------------|----------------------------|
//! | anonymous | nobody showed a valid key  | a half                     |
//! | known     | a key                      | seven eighths              |
//! | urgent    | a key that cancels         | all                        |
//!
//! Besides, each owner has a share of its own: an account, an admin or, without a key, an address.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemas::{AccountId, AdminId};
use service::serve::Peer;

/// Whose share it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Owner {
    /// An account, whichever key it uses.
    Account(AccountId),
    /// An admin.
    Admin(AdminId),
    /// An address, for those without a key.
    Address(Peer),
    /// An address that stands for many clients. It has no share.
    Many,
}

/// How much of all may be taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rank {
    /// A half.
    Anonymous,
    /// Seven eighths.
    Known,
    /// All.
    Urgent,
}

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asker {
    /// Whose share it takes from.
    pub owner: Owner,
    /// How much of all may be taken.
    pub rank: Rank,
}

/// See the module.
pub struct Shares {
    all: usize,
    of_owner: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    of_owners: HashMap<Owner, usize>,
}

impl Shares {
    /// So many in all, of which an owner has one part of `parts`.
    pub fn new(all: usize, parts: usize) -> Arc<Self> {
        Arc::new(Self { all, of_owner: (all / parts).max(1), taken: Mutex::default() })
    }

    /// Takes some, if they are there.
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
        if asker.owner != Owner::Many {
            let own = taken.of_owners.get(&asker.owner).copied().unwrap_or(0) + count;
            if own > self.of_owner {
                return None;
            }
            taken.of_owners.insert(asker.owner, own);
        }
        taken.all += count;
        drop(taken);
        Some(Share { shares: Arc::clone(self), owner: asker.owner, count })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was taken; it is given back at its end.
pub struct Share {
    shares: Arc<Shares>,
    owner: Owner,
    count: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.taken();
        taken.all -= self.count;
        if let Some(own) = taken.of_owners.get_mut(&self.owner) {
            *own -= self.count;
            if *own == 0 {
                taken.of_owners.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(id: u64, rank: Rank) -> Asker {
        Asker { owner: Owner::Account(AccountId(id)), rank }
    }

    fn address(last: u8) -> Asker {
        Asker { owner: Owner::Address(Peer::of([192, 0, 2, last].into())), rank: Rank::Anonymous }
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
        assert!(taken.all == 0 && taken.of_owners.is_empty());
    }

    #[test]
    fn an_address_of_many_has_no_share_and_no_more_than_its_rank() {
        let shares = Shares::new(16, 4);
        let many = Asker { owner: Owner::Many, rank: Rank::Anonymous };
        let kept: Vec<_> = (0..8).map(|_| shares.take(many, 1).unwrap()).collect();
        assert!(shares.take(many, 1).is_none());
        drop(kept);
        assert_eq!(shares.taken().all, 0);
    }
}
