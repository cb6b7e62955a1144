//! How many connections there are, in all and of each client, and how many a client may begin.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::limits::Limits;
use super::peer::Peer;
use super::traffic::{IdleConnections, Traffic};
use crate::buckets::Buckets;

/// The open connections of a port.
pub struct Connections {
    limits: Arc<Limits>,
    /// Connections that each client may begin.
    begun: Option<Buckets<Peer>>,
    idle: Arc<IdleConnections>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    open: HashMap<u64, (Peer, Arc<Traffic>)>,
    of_peers: HashMap<Peer, usize>,
}

impl State {
    fn remove(&mut self, number: u64) -> Option<Arc<Traffic>> {
        let (peer, traffic) = self.open.remove(&number)?;
        if let Some(count) = self.of_peers.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                self.of_peers.remove(&peer);
            }
        }
        Some(traffic)
    }
}

impl Connections {
    pub fn new(limits: Arc<Limits>) -> Arc<Self> {
        let begun = limits.each_address_rate.map(Buckets::new);
        Arc::new(Self { limits, begun, idle: Arc::default(), state: Mutex::default() })
    }

    /// A place for a connection of this client, if there is one.
    pub fn admit(self: &Arc<Self>, peer: Peer) -> Option<Slot> {
        let is_shared = self.limits.shared_addresses.iter().any(|address| Peer::of(*address) == peer);
        // The cheapest comes first: a client that comes and goes is not looked up in the table.
        let is_too_fast = |begun: &Buckets<Peer>| begun.take(peer, NonZeroU32::MIN).is_err();
        if !is_shared && self.begun.as_ref().is_some_and(is_too_fast) {
            return None;
        }
        let mut state = self.state();
        let of_peer = state.of_peers.get(&peer).copied().unwrap_or(0);
        if !is_shared && of_peer >= self.limits.each_address {
            return None;
        }
        if state.open.len() >= self.limits.connections && !self.make_room(&mut state) {
            return None;
        }
        let number = state.next;
        let traffic = Traffic::new(number, Arc::clone(&self.idle));
        state.next += 1;
        state.open.insert(number, (peer, Arc::clone(&traffic)));
        *state.of_peers.entry(peer).or_default() += 1;
        drop(state);
        Some(Slot { connections: Arc::clone(self), number, traffic })
    }

    /// The connection that has been idle for longest leaves. False if none is idle.
    fn make_room(&self, state: &mut State) -> bool {
        while let Some(number) = self.idle.pop() {
            // One that was made to leave may have ended a request since.
            if let Some(traffic) = state.remove(number) {
                traffic.leave();
                return true;
            }
        }
        false
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place. Ends with its socket.
pub struct Slot {
    connections: Arc<Connections>,
    number: u64,
    traffic: Arc<Traffic>,
}

impl Slot {
    pub fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.traffic.close();
        self.connections.state().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buckets::BucketRate;
    use std::time::{Duration, Instant};

    fn peer(last: u8) -> Peer {
        Peer::of([192, 0, 2, last].into())
    }

    fn connections(connections: usize, each_address: usize) -> Arc<Connections> {
        at_rate(connections, each_address, None)
    }

    fn at_rate(connections: usize, each_address: usize, each_address_rate: Option<BucketRate>) -> Arc<Connections> {
        let second = Duration::from_secs(1);
        Connections::new(Arc::new(Limits {
            connections,
            each_address,
            shared_addresses: vec![[192, 0, 2, 9].into()],
            first_within: second,
            idle_within: second,
            write_within: second,
            drain_within: second,
            streams: 1,
            requests: 3,
            each_address_rate,
        }))
    }

    #[tokio::test]
    async fn a_client_has_its_share_and_an_address_of_many_has_all() {
        let connections = connections(8, 2);
        let own: Vec<_> = (0..2).map(|_| connections.admit(peer(1)).unwrap()).collect();
        assert!(connections.admit(peer(1)).is_none());
        let others: Vec<_> = (0..6).map(|_| connections.admit(peer(9)).unwrap()).collect();
        drop(own);
        assert!(connections.admit(peer(1)).is_some());
        drop(others);
        let state = connections.state();
        assert!(state.open.is_empty() && state.of_peers.is_empty() && connections.idle.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_begins_so_many_a_second_and_an_address_of_many_as_many_as_there_are() {
        let (per_second, burst) = (NonZeroU32::new(2).unwrap(), NonZeroU32::new(3).unwrap());
        let connections = at_rate(64, 64, Some(BucketRate { per_second, burst }));
        let admitted = |last| (0..10).filter(|_| connections.admit(peer(last)).is_some()).count();
        assert_eq!((admitted(1), admitted(2), admitted(9)), (3, 3, 10));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!((admitted(1), admitted(2)), (1, 1));
    }

    /// So many take far longer if each looks through the table.
    #[tokio::test]
    async fn room_is_made_without_searching_the_table() {
        const ALL: usize = 32_768;
        let (connections, start) = (connections(ALL, ALL), Instant::now());
        let first: Vec<_> = (0..ALL).map(|_| connections.admit(peer(1)).unwrap()).collect();
        // The half that was idle longest is busy.
        let requests: Vec<_> = first.iter().take(ALL / 2).map(|slot| slot.traffic().begin()).collect();
        let next: Vec<_> = (0..ALL / 2).map(|_| connections.admit(peer(2)).unwrap()).collect();
        for slot in &first[ALL / 2..] {
            slot.traffic().must_leave().await;
        }
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        drop((requests, first, next));
        assert!(connections.idle.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_are_taken_the_one_that_is_idle_longest_makes_room() {
        let connections = connections(3, 3);
        let busy = connections.admit(peer(1)).unwrap();
        let request = busy.traffic().begin();
        let admit = async |last| {
            tokio::time::advance(Duration::from_secs(1)).await;
            connections.admit(peer(last))
        };
        let (first, second) = (admit(2).await.unwrap(), admit(3).await.unwrap());
        let third = admit(4).await.unwrap();
        // Told once, whenever it looks.
        first.traffic().must_leave().await;
        drop(first);
        let of = |slot: &Slot| slot.traffic().begin();
        let requests = [of(&second), of(&third), request];
        assert!(admit(5).await.is_none(), "all are busy");
        drop(requests);
    }
}
