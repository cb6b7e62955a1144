//! Records of `lfg.events[s]`: a new writer's `Term`, and one `Outcome` for each command.
//!
//! Layout: version (1 byte), kind (1 byte), body; an outcome ends with its chain (16 bytes), the hash of the chain
//! before it and of all its own bytes up to there.

use bincode::{Decode, Encode};

use crate::codec::{self, DecodeError, VERSION};
use crate::event::Event;
use crate::ids::{CommandId, EngineId, Shard};
use crate::time::Timestamp;

/// The running hash of a shard's outcomes. All zero before the first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Encode, Decode)]
pub struct Chain(pub [u8; CHAIN_BYTES]);

const CHAIN_BYTES: usize = 16;

impl Chain {
    fn next(self, bytes: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0).update(bytes);
        let mut chain = [0; CHAIN_BYTES];
        chain.copy_from_slice(&hasher.finalize().as_bytes()[..CHAIN_BYTES]);
        Self(chain)
    }
}

/// A record of the events topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// A new writer takes the shard over.
    Term(Term),
    /// What one command led to, and the chain after it.
    Outcome(Outcome, Chain),
}

/// A new writer takes the shard over. The offset of this record is the term's number.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Term {
    /// The shard; a reader that finds another one reads the wrong log.
    pub shard: Shard,
    /// How many shards the log has: part of the data, the same in every term.
    pub shards: u16,
    /// The process that takes over.
    pub engine: EngineId,
    /// Tells the take-overs of one process apart.
    pub attempt: u64,
}

/// Everything that one command caused.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Outcome {
    /// The writer's term: the offset of its `Term` record.
    pub term: u64,
    /// Dense over the outcomes that count, from 1.
    pub sequence: u64,
    /// The command's time: the broker's append time, made non-decreasing.
    pub time: Timestamp,
    /// The command.
    pub cause: Cause,
    /// What became true, in order.
    pub events: Vec<Event>,
}

/// Which command it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Cause {
    /// Its offset in `lfg.commands[s]`.
    pub offset: u64,
    /// Its id; all zero if the record could not be decoded.
    pub id: CommandId,
}

const KIND_TERM: u8 = 1;
const KIND_OUTCOME: u8 = 2;

impl Term {
    /// The record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, KIND_TERM];
        codec::encode_into(self, &mut bytes);
        bytes
    }
}

impl Outcome {
    /// The record's bytes, and the chain after it.
    pub fn encode(&self, before: Chain) -> (Vec<u8>, Chain) {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&[VERSION, KIND_OUTCOME]);
        codec::encode_into(self, &mut bytes);
        let chain = before.next(&bytes);
        bytes.extend_from_slice(&chain.0);
        (bytes, chain)
    }
}

impl Record {
    /// Reads a record. The chain is what the record claims; [`Record::follows`] checks it.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (&kind, body) = codec::versioned(bytes)?.split_first().ok_or(DecodeError::Truncated)?;
        match kind {
            KIND_TERM => codec::decode_exact(body).map(Self::Term),
            KIND_OUTCOME => {
                let (body, chain) = body.split_last_chunk().ok_or(DecodeError::Truncated)?;
                Ok(Self::Outcome(codec::decode_exact(body)?, Chain(*chain)))
            }
            unknown => Err(DecodeError::Unknown(unknown)),
        }
    }

    /// True if the chain at the end of an outcome's `bytes` is the one that follows `before`.
    pub fn follows(bytes: &[u8], before: Chain) -> bool {
        bytes.split_last_chunk().is_some_and(|(body, chain)| before.next(body).0 == *chain)
    }
}
