//! The real core: one state per shard, and the relays between them.
//!
//! After each command all messages are delivered, also those that follow from them, until none is
//! left. Each shard receives another's messages in the order of their numbers; apart from that, any
//! waiting message may be next, because the order must not change the result.
//!
//! From time to time each shard is replaced by its follower, restored from its bytes; this must
//! have no effect.

use engine_core::{BooksMax, CommandContext, ShardState, Sums};
use schemas::shard_map::ShardMap;
use schemas::{Cause, Command, CommandId, Event, Message, Rejection, Shard, Timestamp};

/// Commands between two restarts.
const RESTART_EVERY: u64 = 16;

pub struct Shards {
    pub states: Vec<ShardState>,
    /// These commands only apply events that were decided elsewhere.
    followers: Vec<ShardState>,
    map: ShardMap,
    books_max: BooksMax,
    handled: u64,
    offset: u64,
    waiting: Vec<Waiting>,
    /// Transfers and their results are not delivered, nor are messages sent after them.
    pub closed: bool,
    delivered: u64,
    /// All events of the command so far on all shards, in the order in which they happened.
    told: Vec<(Shard, Event)>,
}

struct Waiting {
    from: Shard,
    to: Shard,
    number: u64,
    /// The command that caused it.
    origin: CommandId,
    message: Message,
}

impl Shards {
    pub fn new(map: ShardMap) -> Self {
        let states: Vec<_> = Shard::all(map.shards()).map(|shard| ShardState::new(shard, map)).collect();
        Self {
            followers: states.clone(),
            states,
            map,
            books_max: BooksMax::default(),
            handled: 0,
            offset: 0,
            waiting: Vec::new(),
            closed: false,
            delivered: 0,
            told: Vec::new(),
        }
    }

    /// Number of orders from which on books are full.
    pub fn bound_books(&mut self, most: BooksMax) {
        self.books_max = most;
        for state in self.states.iter_mut().chain(&mut self.followers) {
            *state = state.clone().with_books_max(most);
        }
    }

    pub fn map(&self) -> ShardMap {
        self.map
    }

    /// All events of a command on all shards, in the order in which they happened.
    pub fn handle(&mut self, at: Shard, time: Timestamp, command: &Command) -> Vec<(Shard, Event)> {
        self.handled += 1;
        self.one(at, time, CommandId(self.handled.into()), command);
        self.deliver(time)
    }

    /// Delivers the messages that were held back.
    pub fn open(&mut self, time: Timestamp) -> Vec<(Shard, Event)> {
        self.closed = false;
        self.deliver(time)
    }

    fn deliver(&mut self, time: Timestamp) -> Vec<(Shard, Event)> {
        while let Some(next) = self.next() {
            let Waiting { from, to, number, origin, message } = self.waiting.remove(next);
            let receive = Command::Receive { from, number, message };
            self.one(to, time, origin, &receive);
            self.delivered += 1;
            if self.delivered.is_multiple_of(16) {
                self.deliver_again(to, time, &receive);
            }
        }
        self.acknowledge(time);
        if self.handled.is_multiple_of(RESTART_EVERY) {
            self.restart();
        }
        std::mem::take(&mut self.told)
    }

    /// Returns the outcome of bytes that are not a command.
    pub fn refuse(&mut self, at: Shard, time: Timestamp, code: Rejection) -> Vec<(Shard, Event)> {
        let (place, mut events) = (self.place(time, CommandId(self.handled.into())), Vec::new());
        self.states[at.index()].refuse(place, code, &mut events);
        self.followers[at.index()].follow(place, &events);
        events.into_iter().map(|event| (at, event)).collect()
    }

    /// The command that caused everything, and the offset of the next record in its log.
    fn place(&mut self, time: Timestamp, id: CommandId) -> CommandContext {
        self.offset += 1;
        CommandContext { cause: Cause { offset: self.offset, id }, time }
    }

    fn one(&mut self, at: Shard, time: Timestamp, id: CommandId, command: &Command) {
        let (place, mut events) = (self.place(time, id), Vec::new());
        self.states[at.index()].handle(place, command, &mut events);
        self.followers[at.index()].follow(place, &events);
        let mut origin = id;
        for event in events {
            match &event {
                Event::Resumed { command, .. } => origin = *command,
                Event::Sent { to, number, message } => {
                    let (to, number, message) = (*to, *number, message.clone());
                    self.waiting.push(Waiting { from: at, to, number, origin, message });
                }
                _ => {}
            }
            self.told.push((at, event));
        }
    }

    fn restart(&mut self) {
        for (state, follower) in self.states.iter_mut().zip(&self.followers) {
            let (shard, bytes) = (state.shard(), follower.to_bytes());
            assert!(state.to_bytes() == bytes, "the follower of {shard} differs");
            *state = ShardState::from_bytes(shard, self.map, &bytes)
                .expect("a state is restored from its bytes")
                .with_books_max(self.books_max);
        }
    }

    /// Returns a message that is the oldest of its pair of shards and may be delivered. The number
    /// of records chooses which.
    fn next(&self) -> Option<usize> {
        let is_oldest = |at: &usize| {
            let this = &self.waiting[*at];
            let held = self.closed && matches!(this.message, Message::Transfer { .. } | Message::TransferEnded { .. });
            !held && !self.waiting[..*at].iter().any(|before| (before.from, before.to) == (this.from, this.to))
        };
        let oldest: Vec<_> = (0..self.waiting.len()).filter(is_oldest).collect();
        let mixed = self.offset.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let any = usize::try_from(mixed).expect("32 bits").checked_rem(oldest.len())?;
        Some(oldest[any])
    }

    /// A relay may repeat a message; the repeat has no effect.
    fn deliver_again(&mut self, to: Shard, time: Timestamp, receive: &Command) {
        let before = (self.told.len(), self.states[to.index()].digest());
        self.one(to, time, CommandId(self.handled.into()), receive);
        assert!(matches!(self.told[before.0..], [(_, Event::MessageSkipped { .. })]), "a message is received once");
        assert_eq!(self.states[to.index()].digest(), before.1, "a message that is skipped changes nothing");
    }

    fn acknowledge(&mut self, time: Timestamp) {
        for shard in 0..self.states.len() {
            let from = self.states[shard].shard();
            let kept = self.states[shard].kept_messages().map(|(to, number, ..)| (to, number));
            let kept: Vec<_> =
                kept.filter(|(to, number)| *number <= self.states[to.index()].received_from(from)).collect();
            let last_of = |to| kept.iter().filter(|(other, _)| *other == to).map(|(_, number)| *number).max();
            for to in kept.iter().map(|(to, _)| *to).collect::<std::collections::BTreeSet<_>>() {
                let number = last_of(to).expect("one message is kept");
                self.one(from, time, CommandId(self.handled.into()), &Command::Acknowledge { to, number });
            }
        }
    }

    /// I-1 over all shards.
    pub fn sums(&self) -> Sums {
        let received = |from: Shard| move |to: Shard| self.states[to.index()].received_from(from);
        let parts = self.states.iter().map(|state| state.sums(received(state.shard())));
        parts.fold(Sums::default(), |all, part| all + part)
    }
}
