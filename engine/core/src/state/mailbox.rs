//! The two ends of the messages between shards.

use std::collections::VecDeque;

use bincode::{Decode, Encode};
use schemas::{CommandId, Message};

/// What was sent to one shard and is not acknowledged yet. Numbers are dense, from 1.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct Outbox {
    /// The number of the last message sent.
    pub last: u64,
    kept: VecDeque<Kept>,
}

/// A message on its way.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Kept {
    /// The command that began it all.
    pub origin: CommandId,
    /// The effect.
    pub message: Message,
}

impl Outbox {
    /// Messages not acknowledged, oldest first, with their numbers.
    pub fn kept(&self) -> impl Iterator<Item = (u64, &Kept)> {
        (self.first()..).zip(&self.kept)
    }

    /// The number of the oldest message kept; the next one to be sent if none is.
    pub fn first(&self) -> u64 {
        self.last + 1 - self.kept.len() as u64
    }

    pub fn push(&mut self, number: u64, origin: CommandId, message: Message) {
        assert_eq!(number, self.last + 1, "messages are numbered densely");
        self.last = number;
        self.kept.push_back(Kept { origin, message });
    }

    /// Drops everything up to `number`.
    pub fn acknowledge(&mut self, number: u64) {
        while self.first() <= number && self.kept.pop_front().is_some() {}
    }
}

/// How far the messages of one shard were taken in.
#[derive(Clone, Copy, Debug, Default, Encode, Decode)]
pub struct Inbox {
    /// The number of the last message taken in.
    pub last: u64,
}
