//! How many connections there are, in all and of each client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::limits::Limits;
use super::peer::Peer;
use super::traffic::Traffic;

/// The open connections of a port.
pub struct Connections {
    limits: Arc<Limits>,
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

    /// The connection that has been idle for longest leaves. False if none is idle.
    fn make_room(&mut self) -> bool {
        let idle = self.open.iter().filter_map(|(number, (_, traffic))| Some((traffic.idle_since()?, *number)));
        let Some((_, number)) = idle.min() else { return false };
        if let Some(traffic) = self.remove(number) {
            traffic.leave();
        }
        true
    }
}

impl Connections {
    pub fn new(limits: Arc<Limits>) -> Arc<Self> {
        Arc::new(Self { limits, state: Mutex::default() })
    }

    /// A place for a connection of this client, if there is one.
    pub fn admit(self: &Arc<Self>, peer: Peer) -> Option<Slot> {
        let is_shared = self.limits.shared_addresses.iter().any(|address| Peer::of(*address) == peer);
        let mut state = self.state();
        let of_peer = state.of_peers.get(&peer).copied().unwrap_or(0);
        if !is_shared && of_peer >= self.limits.each_address {
            return None;
        }
        if state.open.len() >= self.limits.connections && !state.make_room() {
            return None;
        }
        let (number, traffic) = (state.next, Traffic::new());
        state.next += 1;
        state.open.insert(number, (peer, Arc::clone(&traffic)));
        *state.of_peers.entry(peer).or_default() += 1;
        drop(state);
        Some(Slot { connections: Arc::clone(self), number, traffic })
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
        self.connections.state().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn peer(last: u8) -> Peer {
        Peer::of([192, 0, 2, last].into())
    }

    fn connections(connections: usize, each_address: usize) -> Arc<Connections> {
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
        assert!(state.open.is_empty() && state.of_peers.is_empty());
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
