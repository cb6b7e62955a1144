//! Divides what exists once for all clients (places for requests, for incoming bodies, for waiting
//! requests and for WebSockets; bytes of answers), so that no client can take everything.
//!
//! | rank      | who                | may take                                             |
//! |-----------|--------------------|------------------------------------------------------|
//! | anonymous | no valid key       | a half, of what the first seven eighths have left    |
//! | known     | a key, or a claim  | what the first seven eighths have left               |
//! | urgent    | a key that cancels | what all has left                                    |
//!
//! What clients with keys take is not counted against the half of those without: one address with
//! many accounts would exclude them all. Each owner has a share of its own as well: an account, an
//! admin or, without a key, an address.
//! All owners that send from one address have a half together, because anybody can open accounts.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemas::{AccountId, AdminId, ApiKeyId};
use service::serve::Peer;
use tokio::sync::Notify;

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

impl Owner {
    /// Returns whether rates apply. Addresses of many clients have no bucket, and so a claim to a key
    /// behind one has none: whoever knows the key's id would empty it for the key's holder.
    pub fn has_bucket(self) -> bool {
        !matches!(self, Self::Many | Self::Claimed(_))
    }
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

impl Asker {
    /// Returns a client without a key. `via` is its address, unless that stands for many clients.
    pub fn anonymous(via: Option<Peer>) -> Self {
        Self { owner: via.map_or(Owner::Many, Owner::Address), rank: Rank::Anonymous, via }
    }

    /// Returns a client with a key of an account.
    pub fn account(account: AccountId, via: Option<Peer>) -> Self {
        Self { owner: Owner::Account(account), rank: Rank::Known, via }
    }
}

/// The total and what is taken of it.
pub struct Shares {
    /// What there is: less than at the beginning while it is bounded.
    all: AtomicUsize,
    parts: usize,
    taken: Mutex<Taken>,
    /// Wakes those who wait until nothing is taken.
    returned: Notify,
}

#[derive(Default)]
struct Taken {
    all: usize,
    /// Of these, by clients without a key.
    anonymous: usize,
    of_owners: HashMap<Owner, usize>,
    of_addresses: HashMap<Peer, usize>,
}

impl Taken {
    fn add(&mut self, asker: Asker, count: usize) {
        self.all += count;
        if asker.rank == Rank::Anonymous {
            self.anonymous += count;
        }
        if asker.owner != Owner::Many {
            add(&mut self.of_owners, asker.owner, count);
        }
        if let Some(via) = asker.via {
            add(&mut self.of_addresses, via, count);
        }
    }

    fn remove(&mut self, asker: Asker, count: usize) {
        self.all -= count;
        if asker.rank == Rank::Anonymous {
            self.anonymous -= count;
        }
        subtract(&mut self.of_owners, &asker.owner, count);
        if let Some(via) = asker.via {
            subtract(&mut self.of_addresses, &via, count);
        }
    }
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
        Arc::new(Self { all: AtomicUsize::new(all), parts, taken: Mutex::default(), returned: Notify::new() })
    }

    /// Sets the total from here on. What is taken beyond it stays until it is returned.
    pub fn bound(&self, all: usize) {
        self.all.store(all, Ordering::Relaxed);
    }

    /// Returns how much is taken.
    pub fn count(&self) -> usize {
        self.taken().all
    }

    /// Takes some, if they are available.
    pub fn take(self: &Arc<Self>, asker: Asker, count: usize) -> Option<Share> {
        let mut taken = self.taken();
        if !self.fits(&taken, asker, count) {
            return None;
        }
        taken.add(asker, count);
        drop(taken);
        Some(Share { shares: Arc::clone(self), asker, count })
    }

    /// Waits until nothing is taken.
    pub async fn all_returned(&self) {
        loop {
            let mut returned = pin!(self.returned.notified());
            // From here on, a return wakes this task.
            returned.as_mut().enable();
            if self.taken().all == 0 {
                return;
            }
            returned.await;
        }
    }

    fn fits(&self, taken: &Taken, asker: Asker, count: usize) -> bool {
        let all = self.all.load(Ordering::Relaxed);
        let half = all.div_ceil(2);
        let limit = if asker.rank == Rank::Urgent { all } else { all - all / 8 };
        let each_owner = (all / self.parts).max(1);
        let of_owner = taken.of_owners.get(&asker.owner).copied().unwrap_or(0);
        let of_address = |via| taken.of_addresses.get(&via).copied().unwrap_or(0);
        taken.all + count <= limit
            && (asker.rank != Rank::Anonymous || taken.anonymous + count <= half)
            && (asker.owner == Owner::Many || of_owner + count <= each_owner)
            && asker.via.is_none_or(|via| of_address(via) + count <= half)
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something that was taken. It is returned when it is dropped.
pub struct Share {
    shares: Arc<Shares>,
    asker: Asker,
    count: usize,
}

impl Share {
    /// Returns the address that this counts for.
    pub fn via(&self) -> Option<Peer> {
        self.asker.via
    }

    /// Returns how many these are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Takes more. Returns false, and changes nothing, if they are not available.
    #[must_use]
    pub fn grow(&mut self, more: usize) -> bool {
        let mut taken = self.shares.taken();
        let fits = self.shares.fits(&taken, self.asker, more);
        if fits {
            taken.add(self.asker, more);
            self.count += more;
        }
        fits
    }

    /// Counts this for another owner from now on. Returns false, and changes nothing, if that one has
    /// its share already.
    #[must_use]
    pub fn pass_to(&mut self, asker: Asker) -> bool {
        let mut taken = self.shares.taken();
        taken.remove(self.asker, self.count);
        let fits = self.shares.fits(&taken, asker, self.count);
        let asker = if fits { asker } else { self.asker };
        taken.add(asker, self.count);
        drop(taken);
        self.asker = asker;
        fits
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.taken();
        taken.remove(self.asker, self.count);
        if taken.all == 0 {
            self.shares.returned.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn account(id: u64, rank: Rank) -> Asker {
        Asker { owner: Owner::Account(AccountId(id)), rank, via: None }
    }

    fn peer(last: u8) -> Peer {
        Peer::of([192, 0, 2, last].into())
    }

    fn address(last: u8) -> Asker {
        Asker::anonymous(Some(peer(last)))
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
    fn a_share_is_passed_on_where_the_other_has_room() {
        let shares = Shares::new(16, 4);
        let one = Asker::account(AccountId(1), Some(peer(1)));
        let kept: Vec<_> = (0..3).map(|_| shares.take(one, 1).unwrap()).collect();
        let mut passed = [1, 2].map(|last| shares.take(address(last), 1).unwrap());
        assert!(passed[0].pass_to(one), "a fourth");
        assert!(passed[0].pass_to(one), "it is the account's already");
        let own = Asker { via: Some(peer(2)), ..one };
        assert!(!passed[1].pass_to(own), "the account has its share");
        assert_eq!(shares.taken().of_owners.get(&Owner::Address(peer(2))), Some(&1));
        drop(kept);
        assert!(passed[1].pass_to(own));
        drop(passed);
        let taken = shares.taken();
        assert!(taken.all == 0 && taken.of_owners.is_empty() && taken.of_addresses.is_empty());
    }

    #[test]
    fn a_share_grows_where_there_is_room() {
        let shares = Shares::new(16, 4);
        let mut share = shares.take(address(1), 1).unwrap();
        assert!(share.grow(3) && !share.grow(1));
        assert_eq!((share.count(), shares.taken().all), (4, 4));
        drop(share);
        assert_eq!(shares.taken().all, 0);
    }

    #[tokio::test]
    async fn the_return_of_the_last_is_waited_for() {
        let shares = Shares::new(16, 4);
        shares.all_returned().await;
        let kept = [1, 2].map(|last| shares.take(address(last), 1).unwrap());
        let mut returned = pin!(shares.all_returned());
        for share in kept {
            assert!(returned.as_mut().now_or_never().is_none());
            drop(share);
        }
        returned.await;
    }

    #[test]
    fn an_address_with_all_that_it_may_have_leaves_the_others_theirs() {
        let shares = Shares::new(16, 4);
        let from = |id| Asker { via: Some(peer(1)), ..account(id, Rank::Known) };
        let _kept = [1, 2].map(|id| shares.take(from(id), 4).unwrap());
        let _others = shares.take(address(2), 4).expect("a client without a key");
        assert!(shares.take(account(3, Rank::Known), 2).is_some(), "and one with");
        assert!(shares.take(address(3), 3).is_none(), "an eighth is for what is urgent");
    }

    #[test]
    fn an_address_of_many_has_no_share_and_no_more_than_its_rank() {
        let shares = Shares::new(16, 4);
        let many = Asker::anonymous(None);
        let kept: Vec<_> = (0..8).map(|_| shares.take(many, 1).unwrap()).collect();
        assert!(shares.take(many, 1).is_none());
        drop(kept);
        assert_eq!(shares.taken().all, 0);
    }
}
