//! The core itself: one state a shard, and the relays between them.
//!
//! After each command every message is delivered, and what that leads to. Of the many legal orders of delivery this takes one
//! that is easy to tell: what comes back to an account's home goes first, what was passed on to markets goes in its turn. Each
//! shard still gets another's messages in the order of their numbers.
//!
//! Now and then each shard goes on as its follower, restored from its bytes: nothing may show of it.

use engine_core::{Place, State, Sums};
use schemas::shard_map::ShardMap;
use schemas::{Cause, Command, CommandId, Event, Message, Rejection, Shard, Timestamp};

/// Commands between two restarts.
const RESTART_EVERY: u64 = 16;

pub struct Shards {
    pub states: Vec<State>,
    /// They only make events true that were decided elsewhere.
    followers: Vec<State>,
    map: ShardMap,
    handled: u64,
    offset: u64,
    waiting: Vec<Waiting>,
    delivered: u64,
    /// Everything that happened, for the coverage.
    pub told: Vec<Event>,
}

struct Waiting {
    from: Shard,
    to: Shard,
    number: u64,
    message: Message,
}

impl Waiting {
    /// True for what a market's home, or a receiver's, answers.
    fn comes_back(&self) -> bool {
        matches!(self.message, Message::Settle(_) | Message::RaiseHold { .. } | Message::ReturnTransfer { .. })
    }
}

impl Shards {
    pub fn new(map: ShardMap) -> Self {
        let states: Vec<_> = Shard::all(map.shards()).map(|shard| State::new(shard, map)).collect();
        Self {
            followers: states.clone(),
            states,
            map,
            handled: 0,
            offset: 0,
            waiting: Vec::new(),
            delivered: 0,
            told: Vec::new(),
        }
    }

    /// All events of a command on all shards, in the order in which they happened.
    pub fn handle(&mut self, at: Shard, time: Timestamp, command: &Command) -> Vec<Event> {
        self.told.clear();
        self.one(at, time, command);
        while let Some(next) = self.next() {
            let Waiting { from, to, number, message } = self.waiting.remove(next);
            let receive = Command::Receive { from, number, message };
            self.one(to, time, &receive);
            self.delivered += 1;
            if self.delivered.is_multiple_of(16) {
                self.deliver_again(to, time, &receive);
            }
        }
        self.acknowledge(time);
        self.handled += 1;
        if self.handled.is_multiple_of(RESTART_EVERY) {
            self.restart();
        }
        self.told.clone()
    }

    /// The outcome of bytes that are no command.
    pub fn refuse(&mut self, at: Shard, time: Timestamp, code: Rejection) -> Vec<Event> {
        self.told.clear();
        let place = self.place(time);
        self.states[at.index()].refuse(place, code, &mut self.told);
        self.followers[at.index()].follow(place, &self.told);
        self.told.clone()
    }

    fn place(&mut self, time: Timestamp) -> Place {
        self.offset += 1;
        Place { cause: Cause { offset: self.offset, id: CommandId(self.offset.into()) }, time }
    }

    fn one(&mut self, at: Shard, time: Timestamp, command: &Command) {
        let (place, before) = (self.place(time), self.told.len());
        self.states[at.index()].handle(place, command, &mut self.told);
        self.followers[at.index()].follow(place, &self.told[before..]);
        for event in &self.told[before..] {
            if let Event::Sent { to, number, message } = event {
                self.waiting.push(Waiting { from: at, to: *to, number: *number, message: message.clone() });
            }
        }
    }

    fn restart(&mut self) {
        for (state, follower) in self.states.iter_mut().zip(&self.followers) {
            let (shard, bytes) = (state.shard(), follower.to_bytes());
            assert!(state.to_bytes() == bytes, "the follower of {shard} differs");
            *state = State::from_bytes(shard, self.map, &bytes).expect("a state's bytes are a state");
        }
    }

    fn next(&self) -> Option<usize> {
        let first_of_pair = |at: usize| {
            let this = &self.waiting[at];
            !self.waiting[..at].iter().any(|before| (before.from, before.to) == (this.from, this.to))
        };
        let back = (0..self.waiting.len()).find(|at| self.waiting[*at].comes_back() && first_of_pair(*at));
        back.or((!self.waiting.is_empty()).then_some(0))
    }

    /// A relay may repeat itself; nothing comes of it.
    fn deliver_again(&mut self, to: Shard, time: Timestamp, receive: &Command) {
        let before = (self.told.len(), self.states[to.index()].hash());
        self.one(to, time, receive);
        assert!(matches!(self.told[before.0..], [Event::MessageSkipped { .. }]), "a message is taken in once");
        assert_eq!(self.states[to.index()].hash(), before.1, "a message that is skipped changes nothing");
    }

    fn acknowledge(&mut self, time: Timestamp) {
        for shard in 0..self.states.len() {
            let kept: Vec<_> = self.states[shard].kept_messages().map(|(to, number, ..)| (to, number)).collect();
            let last_of = |to| kept.iter().filter(|(other, _)| *other == to).map(|(_, number)| *number).max();
            let from = self.states[shard].shard();
            for to in kept.iter().map(|(to, _)| *to).collect::<std::collections::BTreeSet<_>>() {
                let number = last_of(to).expect("one is kept");
                self.one(from, time, &Command::Acknowledge { to, number });
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
