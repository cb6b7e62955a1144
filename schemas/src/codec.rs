//! Bytes of the log: one version byte, then `bincode` with fixed-width little-endian integers.
//!
//! Decoding is total: bad bytes give an error, never a panic, never unbounded memory. Golden bytes of every kind of
//! record are in `tests/golden.rs` and are never edited.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::{Decode, Encode};

use crate::command::CommandRecord;
use crate::limits::RECORD_BYTES_MAX;

/// The version byte in front of every record.
pub const VERSION: u8 = 3;

/// Memory that decoding one record may claim; above the record's own bound, since decoded events are wider than encoded ones.
const DECODE_BYTES_MAX: usize = 8 * RECORD_BYTES_MAX;

const CONFIG: Configuration<LittleEndian, Fixint, Limit<DECODE_BYTES_MAX>> =
    bincode::config::legacy().with_limit::<DECODE_BYTES_MAX>();

/// Bytes that are not a record. Never retry: the same bytes fail again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// No bytes, or too few for what they claim to be.
    #[error("truncated record")]
    Truncated,
    /// More bytes than a record may have.
    #[error("record of {0} bytes is above the limit")]
    TooLong(usize),
    /// A version or kind from the future.
    #[error("unknown version or kind {0}")]
    Unknown(u8),
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
    let (value, used) =
        bincode::decode_from_slice(bytes, CONFIG).map_err(|error| DecodeError::Malformed(error.to_string()))?;
    if used == bytes.len() { Ok(value) } else { Err(DecodeError::Trailing(bytes.len() - used)) }
}

impl CommandRecord {
    /// The bytes of a record of the commands topic.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        encode_into(self, &mut bytes);
        bytes
    }

    /// Reads a record of the commands topic.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_exact(versioned(bytes)?)
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
        Some((&version, _)) => Err(DecodeError::Unknown(version)),
    }
}
