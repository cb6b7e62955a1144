//! Turns for reads of Postgres: how many connections of the pool one client may hold.
//!
//! A read waits for a turn of its account or address, then of the address that it comes from, and
//! only then for a connection. So a client whose reads are slow waits for itself, and nobody else
//! waits for it.
//!
//! | who                               | holds at most                        |
//! |-----------------------------------|--------------------------------------|
//! | an account, an admin, or an address without a key | one part of [`POOL_PARTS`] |
//! | all requests from one address     | a half                               |
//! | all clients without a key         | a half                               |
//! | all clients                       | all but one part of [`POOL_PARTS`]   |
//!
//! The rest is for the gateway's own reads: positions, checks, and snapshots for sockets.

use std::sync::Arc;

use service::serve::Peer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::POOL_PARTS;
use crate::lines::{LinePlace, Lines};
use crate::shares::{Asker, Owner, Rank};

/// A client with a limit of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum ReadClient {
    Owner(Owner),
    Address(Peer),
}

/// The turns of one pool.
pub struct ReadTurns {
    of_owner: usize,
    half: usize,
    anonymous: Arc<Semaphore>,
    clients: Arc<Semaphore>,
    /// One for each client with a read in progress or waiting.
    lines: Arc<Lines<ReadClient>>,
}

/// One read's turn. It ends when it is dropped.
#[derive(Default)]
pub struct ReadTurn {
    of_client: Vec<LinePlace<ReadClient>>,
    of_all: Vec<OwnedSemaphorePermit>,
}

impl ReadTurns {
    /// Creates the turns of a pool with so many connections.
    pub fn of(connections: usize) -> Arc<Self> {
        let (of_owner, half) = ((connections / POOL_PARTS).max(1), connections.div_ceil(2).max(1));
        let clients = Arc::new(Semaphore::new(connections.saturating_sub(of_owner).max(1)));
        let anonymous = Arc::new(Semaphore::new(half));
        Arc::new(Self { of_owner, half, anonymous, clients, lines: Arc::default() })
    }

    /// Waits for a turn of the client; the gateway itself (`None`) does not wait. Whoever stops
    /// waiting leaves the queue.
    pub async fn take(&self, client: Option<Asker>) -> ReadTurn {
        let mut turn = ReadTurn::default();
        let Some(asker) = client else { return turn };
        let owner = (asker.owner != Owner::Many).then_some((ReadClient::Owner(asker.owner), self.of_owner));
        let address = asker.via.map(|via| (ReadClient::Address(via), self.half));
        for (client, most) in [owner, address].into_iter().flatten() {
            turn.of_client.push(self.lines.take_one_of(most, client).await);
        }
        if asker.rank == Rank::Anonymous {
            turn.of_all.push(permit(Arc::clone(&self.anonymous)).await);
        }
        turn.of_all.push(permit(Arc::clone(&self.clients)).await);
        turn
    }
}

async fn permit(queue: Arc<Semaphore>) -> OwnedSemaphorePermit {
    queue.acquire_owned().await.expect("the semaphore is never closed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use schemas::AccountId;

    fn peer(last: u8) -> Peer {
        Peer::of([192, 0, 2, last].into())
    }

    fn account(id: u64, via: Option<u8>) -> Asker {
        Asker { owner: Owner::Account(AccountId(id)), rank: Rank::Known, via: via.map(peer) }
    }

    fn anonymous(via: u8) -> Asker {
        Asker { owner: Owner::Address(peer(via)), rank: Rank::Anonymous, via: Some(peer(via)) }
    }

    fn now(turns: &Arc<ReadTurns>, asker: Asker) -> Option<ReadTurn> {
        turns.take(Some(asker)).now_or_never()
    }

    #[test]
    fn a_client_has_its_part_and_waits_for_itself_alone() {
        let turns = ReadTurns::of(16);
        let mut held: Vec<_> = (0..4).map(|_| now(&turns, account(1, None)).unwrap()).collect();
        let mut waiting: Vec<_> = (0..100).map(|_| Box::pin(turns.take(Some(account(1, None))))).collect();
        assert!(waiting.iter_mut().all(|turn| turn.as_mut().now_or_never().is_none()));
        held.push(now(&turns, account(2, None)).expect("another account is not kept waiting"));
        held.remove(0);
        assert!(waiting[0].as_mut().now_or_never().is_some(), "the first that waits is next");
        drop((held, waiting));
        assert!(turns.lines.keys().is_empty());
    }

    #[test]
    fn accounts_of_one_address_have_a_half_together() {
        let turns = ReadTurns::of(16);
        let held: Vec<_> = (0..8).map(|id| now(&turns, account(id, Some(1))).unwrap()).collect();
        assert!(now(&turns, account(8, Some(1))).is_none());
        assert!(now(&turns, anonymous(1)).is_none());
        assert!(now(&turns, account(8, Some(2))).is_some());
        drop(held);
        assert!(turns.lines.keys().is_empty());
    }

    #[test]
    fn clients_without_a_key_have_a_half_together() {
        let turns = ReadTurns::of(16);
        let many = Asker { owner: Owner::Many, rank: Rank::Anonymous, via: None };
        let mut held: Vec<_> = (0..4).map(|_| now(&turns, many).unwrap()).collect();
        held.extend((0..4).map(|via| now(&turns, anonymous(via)).unwrap()));
        assert!(now(&turns, many).is_none());
        assert!(now(&turns, anonymous(9)).is_none());
        assert!(now(&turns, account(1, Some(1))).is_some());
        drop(held);
        assert!(turns.lines.keys().is_empty());
    }

    #[test]
    fn a_part_is_left_for_the_gateway_itself() {
        let turns = ReadTurns::of(16);
        let held: Vec<_> = (0..12).map(|id| now(&turns, account(id, None)).unwrap()).collect();
        assert!(now(&turns, account(99, None)).is_none());
        assert!(turns.take(None).now_or_never().is_some());
        drop(held);
        assert!(turns.lines.keys().is_empty());
    }

    #[test]
    fn the_smallest_pool_has_a_turn_for_everybody() {
        let turns = ReadTurns::of(1);
        for asker in [account(1, Some(1)), anonymous(1)] {
            assert!(now(&turns, asker).is_some());
        }
    }
}
