//! Outboxes and inboxes for the messages between shards.

use std::collections::VecDeque;

use bincode::de::{BorrowDecode, BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use schemas::{CommandId, Message};

use crate::hash::FieldBuffer;

/// Messages that were sent to one shard and not acknowledged yet. Numbers are dense, from 1.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    /// The number of the last message sent.
    pub last: u64,
    kept: VecDeque<OutboxMessage>,
    /// The sum of the hashes of the kept messages.
    sum: u64,
}

/// A message in flight.
#[derive(Clone, Debug, Encode, Decode)]
pub struct OutboxMessage {
    /// The command that started the chain of effects.
    pub origin: CommandId,
    /// The message.
    pub message: Message,
}

impl Outbox {
    /// Returns the messages not acknowledged, oldest first, with their numbers.
    pub fn kept(&self) -> impl Iterator<Item = (u64, &OutboxMessage)> {
        (self.first()..).zip(&self.kept)
    }

    /// Returns the number of the oldest message kept; that of the next one to be sent if none is.
    pub fn first(&self) -> u64 {
        self.last + 1 - self.kept.len() as u64
    }

    /// Returns the number of kept messages.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    pub fn push(&mut self, number: u64, origin: CommandId, message: Message) {
        assert_eq!(number, self.last + 1, "messages are numbered densely");
        self.last = number;
        self.sum = self.sum.wrapping_add(FieldBuffer::default().kept(number, origin, &message));
        self.kept.push_back(OutboxMessage { origin, message });
    }

    /// Drops every message up to `number`.
    pub fn acknowledge(&mut self, number: u64) {
        while self.first() <= number {
            let first = self.first();
            let Some(OutboxMessage { origin, message }) = self.kept.pop_front() else { return };
            self.sum = self.sum.wrapping_sub(FieldBuffer::default().kept(first, origin, &message));
        }
    }

    /// Returns the sum of the hashes of the kept messages.
    pub fn sum(&self) -> u64 {
        self.sum
    }
}

impl Encode for Outbox {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (&self.last, &self.kept).encode(encoder)
    }
}

impl<C> Decode<C> for Outbox {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (last, kept): (u64, VecDeque<OutboxMessage>) = Decode::decode(decoder)?;
        let before = last.checked_sub(kept.len() as u64);
        let before = before.ok_or(DecodeError::Other("more messages than were sent"))?;
        let mut outbox = Self { last: before, ..Self::default() };
        for (number, OutboxMessage { origin, message }) in (before + 1..).zip(kept) {
            outbox.push(number, origin, message);
        }
        Ok(outbox)
    }
}

impl<'de, C> BorrowDecode<'de, C> for Outbox {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Decode::decode(decoder)
    }
}

/// How far the messages of one shard were received.
#[derive(Clone, Copy, Debug, Default, Encode, Decode)]
pub struct Inbox {
    /// The number of the last message received.
    pub last: u64,
}
