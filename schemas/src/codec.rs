//! Bytes of the log: one version byte, then [frames](crate::frame) of `bincode` with fixed-width little-endian
//! integers.
//!
//! A record of the commands topic: version (1 byte), the command's id (16), a frame with the command; then, if it came
//! with something, a frame of kind 1 with its [`Origin`]. Readers pass over frames of other kinds there.
//!
//! Decoding is total: bad bytes give an error, never a panic, never unbounded memory. Golden bytes of every kind of
//! record are in `tests/golden.rs`; within a version they stay as they are.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::de::DecoderImpl;
use bincode::de::read::SliceReader;
use bincode::{Decode, Encode};

use crate::command::{Command, CommandRecord};
use crate::frame;
use crate::ids::CommandId;
use crate::limits::RECORD_BYTES_MAX;
use crate::origin::Origin;
use crate::record::Build;

/// The version byte in front of every record.
pub const VERSION: u8 = 3;

/// Memory that decoding one record may claim; above the record's own bound, since decoded events are wider than encoded ones.
const DECODE_BYTES_MAX: usize = 8 * RECORD_BYTES_MAX;

const CONFIG: Configuration<LittleEndian, Fixint, Limit<DECODE_BYTES_MAX>> =
    bincode::config::legacy().with_limit::<DECODE_BYTES_MAX>();

/// The frame behind a command that says what it came with.
const KIND_ORIGIN: u16 = 1;

/// Bytes that are not a record. Never retry: the same bytes fail again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// No bytes, or too few for what they claim to be.
    #[error("truncated record")]
    Truncated,
    /// More bytes than a record may have.
    #[error("record of {0} bytes is above the limit")]
    TooLong(usize),
    /// Another layout.
    #[error("format version {0}, and this build reads {VERSION}")]
    Version(u8),
    /// Written by a later build, for readers that know more. Install one.
    #[error("kind {kind} needs vocabulary {needs}, and this build reads {reads}: install a build that reads it")]
    Newer {
        /// What it is.
        kind: u16,
        /// What a reader must know.
        needs: u16,
        /// What this one knows.
        reads: u16,
        /// The build to install, if the bytes name it.
        install: Option<Build>,
    },
    /// A kind that is not one, or that nobody may pass over.
    #[error("unknown kind {0}")]
    Kind(u16),
    /// The body is no value of its type.
    #[error("malformed record: {0}")]
    Malformed(String),
    /// Bytes are left over after the value.
    #[error("{0} bytes too many")]
    Trailing(usize),
}

struct Append<'a>(&'a mut Vec<u8>);

impl bincode::enc::write::Writer for Append<'_> {
    // Where it is inlined the length is known, and a field becomes one store instead of a call.
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Appends the bytes of `value`, without a version byte: the building block of records and snapshots.
pub fn encode_into<T: Encode>(value: &T, bytes: &mut Vec<u8>) {
    bincode::encode_into_writer(value, Append(bytes), CONFIG).expect("writing to memory cannot fail");
}

/// Decodes a value that fills `bytes` exactly, without a version byte.
pub fn decode_exact<T: Decode<()>>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (value, used) = bincode::decode_from_slice(bytes, CONFIG).map_err(malformed)?;
    if used == bytes.len() { Ok(value) } else { Err(DecodeError::Trailing(bytes.len() - used)) }
}

/// Decodes the value at the front of `bytes`. What a later build added stands behind it and is ignored.
// Not by `decode_from_slice`: with the number of bytes used beside it, an event would be moved once more.
#[inline]
pub(crate) fn decode_front<T: Decode<()>>(bytes: &[u8]) -> Result<T, DecodeError> {
    T::decode(&mut DecoderImpl::new(SliceReader::new(bytes), CONFIG, ())).map_err(malformed)
}

#[cold]
fn malformed(error: bincode::error::DecodeError) -> DecodeError {
    DecodeError::Malformed(error.to_string())
}

impl CommandRecord {
    /// The bytes of a record of the commands topic.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(192);
        bytes.push(VERSION);
        encode_into(&self.id, &mut bytes);
        frame::put(&mut bytes, self.command.needs(), |bytes| encode_into(&self.command, bytes));
        if let Some(origin) = &self.origin {
            frame::put(&mut bytes, 0, |bytes| encode_into(&(u32::from(KIND_ORIGIN), origin), bytes));
        }
        bytes
    }

    /// Reads a record of the commands topic.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode_knowing(frame::VOCABULARY, bytes)
    }

    /// The same as a build that reads vocabulary `reads`.
    pub fn decode_knowing(reads: u16, bytes: &[u8]) -> Result<Self, DecodeError> {
        let (id, mut body) = versioned(bytes)?.split_first_chunk().ok_or(DecodeError::Truncated)?;
        let (head, command) = frame::take(&mut body)?;
        // Nobody may pass over a command: its sender waits for the answer.
        let command = frame::read((head, reads), command, Command::LAST_KIND, |kind| Err(DecodeError::Kind(kind)))?;
        let mut origin = None;
        while !body.is_empty() {
            let (head, more) = frame::take(&mut body)?;
            head.check(reads)?;
            if head.kind == KIND_ORIGIN {
                origin = Some(Box::new(decode_front::<Origin>(&more[size_of::<u32>()..])?));
            }
        }
        Ok(Self { id: CommandId(u128::from_le_bytes(*id)), command, origin })
    }

    /// The id of a record whose command cannot be read, for its answer. `None` if there is not even an id; or if it is
    /// a message between shards, which has the id of a command that is answered elsewhere.
    pub fn id_of(bytes: &[u8]) -> Option<CommandId> {
        let (id, body) = versioned(bytes).ok()?.split_first_chunk()?;
        let is_message = frame::kind(body).is_some_and(|kind| Command::BETWEEN_SHARDS.contains(&kind));
        (!is_message).then_some(CommandId(u128::from_le_bytes(*id)))
    }
}

/// Checks length and version; what is left is the body.
pub(crate) fn versioned(bytes: &[u8]) -> Result<&[u8], DecodeError> {
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(DecodeError::TooLong(bytes.len()));
    }
    match bytes.split_first() {
        None => Err(DecodeError::Truncated),
        Some((&VERSION, body)) => Ok(body),
        Some((&version, _)) => Err(DecodeError::Version(version)),
    }
}
