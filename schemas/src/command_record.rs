//! Records of `lfg.commands[s]`: a command with its id and its origin.
//!
//! A record of the commands topic: version (1 byte), the command's id (16), a [frame] with the
//! command; then, if the request has an [`Origin`], a frame of kind 1 with it. Readers skip frames
//! of other kinds there.

use crate::codec::{self, DecodeError, VERSION};
use crate::command::Command;
use crate::frame;
use crate::ids::CommandId;
use crate::origin::Origin;

/// The kind of the frame after a command that contains its origin.
const KIND_ORIGIN: u16 = 1;

/// A command and its id, as written to the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommandRecord {
    /// The id, kept across shards: a `Receive` carries the id of the original command.
    pub id: CommandId,
    /// The command.
    pub command: Command,
    /// The origin that the request was sent with, if any. It never affects a decision.
    pub origin: Option<Box<Origin>>,
}

impl CommandRecord {
    /// Returns a command without an origin.
    pub fn new(id: CommandId, command: Command) -> Self {
        Self { id, command, origin: None }
    }
}

impl CommandRecord {
    /// Returns the bytes of a record of the commands topic.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(192);
        bytes.push(VERSION);
        codec::encode_into(&self.id, &mut bytes);
        frame::put(&mut bytes, self.command.needs(), |bytes| codec::encode_into(&self.command, bytes));
        if let Some(origin) = &self.origin {
            frame::put(&mut bytes, 0, |bytes| codec::encode_into(&(u32::from(KIND_ORIGIN), origin), bytes));
        }
        bytes
    }

    /// Decodes a record of the commands topic.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode_knowing(frame::VOCABULARY, bytes)
    }

    /// Decodes a record as a build that reads vocabulary `reads`.
    pub fn decode_knowing(reads: u16, bytes: &[u8]) -> Result<Self, DecodeError> {
        let (id, mut body) = codec::versioned(bytes)?.split_first_chunk().ok_or(DecodeError::Truncated)?;
        let (head, command) = frame::take(&mut body)?;
        // No reader may skip a command: its sender waits for the answer.
        let command = frame::read((head, reads), command, Command::LAST_KIND, |kind| Err(DecodeError::Kind(kind)))?;
        let mut origin = None;
        while !body.is_empty() {
            let (head, more) = frame::take(&mut body)?;
            head.check(reads)?;
            if head.kind == KIND_ORIGIN {
                origin = Some(Box::new(codec::decode_front::<Origin>(&more[size_of::<u32>()..])?));
            }
        }
        Ok(Self { id: CommandId(u128::from_le_bytes(*id)), command, origin })
    }

    /// Returns the id of a record whose command cannot be decoded, for its answer. `None` if there
    /// is no id either, or if it is a message between shards, whose command id is answered
    /// elsewhere.
    pub fn id_of(bytes: &[u8]) -> Option<CommandId> {
        let (id, body) = codec::versioned(bytes).ok()?.split_first_chunk()?;
        let is_message = frame::kind(body).is_some_and(|kind| Command::BETWEEN_SHARDS.contains(&kind));
        (!is_message).then_some(CommandId(u128::from_le_bytes(*id)))
    }
}
