//! What clients called their requests, so that a repeat finds the first outcome.
//!
//! Remembered for at least 24 hours, and at least the last 1,000,000 of a shard whatever their age (`schemas::limits`).

use std::collections::{BTreeMap, VecDeque};

use bincode::{Decode, Encode};
use schemas::event::FirstOutcome;
use schemas::limits::{CLIENT_ID_WINDOW_MS, CLIENT_IDS_MIN};
use schemas::{AccountId, ClientId, MarketId, Timestamp};

/// What a client calls a request: an order within its market, a movement of credits within its account.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Encode, Decode)]
pub struct Name {
    pub account: AccountId,
    /// `None` for deposits, withdrawals and transfers.
    pub market: Option<MarketId>,
    pub client_id: ClientId,
}

/// A name and what it stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Remembered {
    pub name: Name,
    pub time: Timestamp,
    pub first: FirstOutcome,
    /// Tells a repeat from another request under the same name.
    pub fingerprint: u64,
}

/// The remembered names, oldest first, and where to find them.
// A client chooses its ids, so they are kept in a tree and not in a hash map with a known hash.
#[derive(Clone, Debug, Default)]
pub struct ClientIds {
    queue: VecDeque<Remembered>,
    known: BTreeMap<Name, (FirstOutcome, u64)>,
}

impl ClientIds {
    /// How many names are remembered.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// What the name stands for, and the fingerprint of the request that had it first.
    pub fn get(&self, name: Name) -> Option<(FirstOutcome, u64)> {
        self.known.get(&name).copied()
    }

    /// Remembers a name unless it is known already, and forgets those that are old enough.
    pub fn remember(&mut self, entry: Remembered) {
        if self.known.contains_key(&entry.name) {
            return;
        }
        self.known.insert(entry.name, (entry.first, entry.fingerprint));
        self.queue.push_back(entry);
        while self.queue.len() > CLIENT_IDS_MIN {
            let old = self.queue.front().is_some_and(|e| e.time.0 + CLIENT_ID_WINDOW_MS < entry.time.0);
            if !old {
                break;
            }
            if let Some(gone) = self.queue.pop_front() {
                self.known.remove(&gone.name);
            }
        }
    }
}

impl Encode for ClientIds {
    fn encode<E: bincode::enc::Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
        self.queue.encode(encoder)
    }
}

impl<C> Decode<C> for ClientIds {
    fn decode<D: bincode::de::Decoder<Context = C>>(decoder: &mut D) -> Result<Self, bincode::error::DecodeError> {
        let queue = VecDeque::<Remembered>::decode(decoder)?;
        let known = queue.iter().map(|e| (e.name, (e.first, e.fingerprint))).collect();
        Ok(Self { queue, known })
    }
}

impl<'de, C> bincode::BorrowDecode<'de, C> for ClientIds {
    fn borrow_decode<D: bincode::de::BorrowDecoder<'de, Context = C>>(
        decoder: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        Decode::decode(decoder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::Credits;

    fn name(client_id: u128) -> Name {
        Name { account: AccountId(1), market: None, client_id: ClientId(client_id) }
    }

    fn remembered(client_id: u128, hours: u64) -> Remembered {
        Remembered {
            name: name(client_id),
            time: Timestamp(hours * 3_600_000),
            first: FirstOutcome::Deposit { amount: Credits(1) },
            fingerprint: 0,
        }
    }

    #[test]
    fn an_id_is_forgotten_only_when_it_is_old_and_many_came_since() {
        let mut ids = ClientIds::default();
        let known = |ids: &ClientIds, id| ids.get(name(id)).is_some();
        ids.remember(remembered(0, 0));
        for id in 1..CLIENT_IDS_MIN as u128 {
            ids.remember(remembered(id, 1));
        }
        ids.remember(remembered(u128::MAX, 24));
        assert!(known(&ids, 0), "many, but not older than the window");
        ids.remember(remembered(u128::MAX - 1, 25));
        assert!(!known(&ids, 0), "old, and many came since");
        assert!(known(&ids, 1), "old enough only in an hour");
    }
}
