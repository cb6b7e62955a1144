//! The byte format of the log: one version byte, then [frames](crate::frame) of `bincode` with
//! fixed-width little-endian integers.
//!
//! Decoding is total: bad bytes give an error, never a panic and never unbounded memory.
//! `tests/golden.rs` has golden bytes of every kind of record; they never change within a version.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::de::DecoderImpl;
use bincode::de::read::SliceReader;
use bincode::{Decode, Encode};

use crate::build::Build;
use crate::limits::RECORD_BYTES_MAX;

/// The version byte in front of every record.
pub const VERSION: u8 = 3;

/// Bytes of memory that decoding one record may claim; above the record's own limit, since decoded
/// events are larger than encoded ones.
const DECODE_BYTES_MAX: usize = 8 * RECORD_BYTES_MAX;

const CONFIG: Configuration<LittleEndian, Fixint, Limit<DECODE_BYTES_MAX>> =
    bincode::config::legacy().with_limit::<DECODE_BYTES_MAX>();

/// Bytes that are not a valid record. Never retry: the same bytes fail again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// No bytes, or fewer than the record needs.
    #[error("truncated record")]
    Truncated,
    /// More bytes than a record may have.
    #[error("record of {0} bytes is above the limit")]
    TooLong(usize),
    /// Another version of the layout.
    #[error("format version {0}, and this build reads {VERSION}")]
    Version(u8),
    /// Written by a later build, for readers with a later vocabulary. Install that build.
    #[error("kind {kind} needs vocabulary {needs}, and this build reads {reads}: install a build that reads it")]
    Newer {
        /// The kind of the frame.
        kind: u16,
        /// The vocabulary that a reader must know.
        needs: u16,
        /// The vocabulary that this reader knows.
        reads: u16,
        /// The build to install, if the bytes name it.
        install: Option<Build>,
    },
    /// A kind that does not exist, or that no reader may skip.
    #[error("unknown kind {0}")]
    Kind(u16),
    /// The body is not a valid value of its type.
    #[error("malformed record: {0}")]
    Malformed(String),
    /// Bytes are left over after the value.
    #[error("{0} bytes too many")]
    Trailing(usize),
}

struct Append<'a>(&'a mut Vec<u8>);

impl bincode::enc::write::Writer for Append<'_> {
    // When inlined, the length is known and a field becomes one store instead of a call.
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Appends the bytes of `value`, without a version byte: used for records and snapshots.
pub fn encode_into<T: Encode>(value: &T, bytes: &mut Vec<u8>) {
    bincode::encode_into_writer(value, Append(bytes), CONFIG).expect("writing to memory cannot fail");
}

/// Decodes a value that fills `bytes` exactly, without a version byte.
pub fn decode_exact<T: Decode<()>>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (value, used) = bincode::decode_from_slice(bytes, CONFIG).map_err(malformed)?;
    if used == bytes.len() { Ok(value) } else { Err(DecodeError::Trailing(bytes.len() - used)) }
}

/// Decodes the value at the front of `bytes`. Fields that a later build added follow it and are
/// ignored.
// Not `decode_from_slice`: it returns the number of bytes used as well, so an event would be moved
// once more.
#[inline]
pub(crate) fn decode_front<T: Decode<()>>(bytes: &[u8]) -> Result<T, DecodeError> {
    T::decode(&mut DecoderImpl::new(SliceReader::new(bytes), CONFIG, ())).map_err(malformed)
}

#[cold]
fn malformed(error: bincode::error::DecodeError) -> DecodeError {
    DecodeError::Malformed(error.to_string())
}

/// Checks length and version, and returns the body.
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
