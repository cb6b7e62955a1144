//! Messages between shards according to the logs: numbered without gaps, received once and in
//! order.

use std::collections::BTreeMap;

use schemas::{Credits, Event, Message, Shard};

/// Sender and receiver.
type Pair = (Shard, Shard);

/// The messages sent, received and acknowledged so far.
#[derive(Default)]
pub struct Messages {
    sent: BTreeMap<Pair, u64>,
    received: BTreeMap<Pair, u64>,
    acknowledged: BTreeMap<Pair, u64>,
    in_flight: BTreeMap<(Shard, Shard, u64), Message>,
    /// Copies that arrived again, or too early.
    pub skipped: u64,
}

impl Messages {
    pub fn fold(&mut self, at: Shard, event: &Event) {
        match event {
            Event::Sent { to, number, message } => self.sent(at, *to, *number, message),
            Event::Received { from, number } => {
                self.in_flight.remove(&(*from, at, *number));
                let last = self.received.insert((*from, at), *number).unwrap_or(0);
                assert_eq!(*number, last + 1, "messages are received once, in order");
            }
            Event::MessageSkipped { .. } => self.skipped += 1,
            Event::Acknowledged { to, number } => drop(self.acknowledged.insert((at, *to), *number)),
            _ => {}
        }
    }

    fn sent(&mut self, from: Shard, to: Shard, number: u64, message: &Message) {
        let last = self.sent.insert((from, to), number).unwrap_or(0);
        assert_eq!(number, last + 1, "messages are numbered densely");
        // The receiver's log may have been read before the sender's.
        if self.received.get(&(from, to)).is_none_or(|last| *last < number) {
            self.in_flight.insert((from, to, number), message.clone());
        }
    }

    /// Returns true at a cut of the logs at which every received message was also seen sent.
    pub fn are_seen(&self) -> bool {
        self.received.iter().all(|(pair, number)| self.sent.get(pair) >= Some(number))
    }

    /// Returns sender, receiver and message of all that is sent and not yet received.
    pub fn in_flight(&self) -> impl Iterator<Item = (Shard, Shard, &Message)> {
        self.in_flight.iter().map(|((from, to, _), message)| (*from, *to, message))
    }

    pub fn credits(&self) -> Credits {
        self.in_flight.values().map(Message::in_flight).sum()
    }

    /// Returns true if no message is in flight or kept.
    pub fn are_settled(&self) -> bool {
        self.sent == self.received && self.sent == self.acknowledged
    }

    pub fn count(&self) -> u64 {
        self.sent.values().sum()
    }
}
