//! Frames: how a record, a command or an event says what it is and where it ends, so that an older reader can pass over
//! what it need not know, and stops at what it must know.
//!
//! | bytes | field  | meaning                                                                  |
//! |-------|--------|--------------------------------------------------------------------------|
//! | 4     | length | bytes of the body                                                        |
//! | 2     | kind   | what the body is                                                         |
//! | 2     | needs  | the vocabulary that a reader must know; 0: any reader may pass over it   |
//! | …     | body   | the fields known when the kind was new, then those added later           |
//!
//! A reader takes the fields that it knows and ignores bytes behind them. A field that an older writer did not write is
//! its default: see [`Added`]. What may be written is agreed on the log: `Term` says which vocabulary its writer
//! speaks.
//!
//! What a later build adds needs a new vocabulary if `apply` or any sum depends on it; if a reader is merely told less
//! without it, it need not.

use bincode::de::read::Reader as _;
use bincode::de::{BorrowDecode, BorrowDecoder, Decoder};
use bincode::{Decode, Encode};

use crate::codec::{self, DecodeError};

/// The vocabulary that this build reads and writes. It counts up with each release that adds a kind, a field or a code.
pub const VOCABULARY: u16 = 1;

/// Bytes before a body.
pub const HEAD_BYTES: usize = 8;

/// A body's kind, as a reader finds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// What the body is.
    pub kind: u16,
    /// The vocabulary that a reader must know.
    pub needs: u16,
}

impl Head {
    /// An error if this build must not pass over or guess at what follows.
    #[inline]
    pub fn check(self) -> Result<(), DecodeError> {
        if self.needs <= VOCABULARY {
            return Ok(());
        }
        Err(DecodeError::Newer { kind: self.kind, needs: self.needs })
    }
}

/// Appends a frame around a body that begins with its kind, as an enum's bytes do: four bytes, of which two are always
/// zero.
#[inline]
pub fn put(bytes: &mut Vec<u8>, needs: u16, body: impl FnOnce(&mut Vec<u8>)) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; 4]);
    body(bytes);
    let length = u32::try_from(bytes.len() - start - HEAD_BYTES).expect("a body is within its record's limit");
    bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
    if needs != 0 {
        bytes[start + 6..start + 8].copy_from_slice(&needs.to_le_bytes());
    }
}

/// Takes a frame off the front of `bytes`: its head, and its body with the kind in front, as an enum's bytes have it.
#[inline]
pub fn take<'a>(bytes: &mut &'a [u8]) -> Result<(Head, &'a [u8]), DecodeError> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(DecodeError::Truncated)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| DecodeError::Truncated)?;
    let whole = length.checked_add(4).ok_or(DecodeError::Truncated)?;
    let (body, after) = rest.split_at_checked(whole).ok_or(DecodeError::Truncated)?;
    let head = Head { kind: u16::from_le_bytes([body[0], body[1]]), needs: u16::from_le_bytes([body[2], body[3]]) };
    *bytes = after;
    Ok((head, body))
}

/// The kind of the frame at the front of `bytes`, also where the rest of it is missing or makes no sense.
pub(crate) fn kind(bytes: &[u8]) -> Option<u16> {
    bytes.get(4..6).map(|kind| u16::from_le_bytes([kind[0], kind[1]]))
}

/// A body of an enum whose last kind is `last`; or `unknown` of its kind, if that is a later one that may be passed
/// over.
#[inline]
pub fn read<T: Decode<()>>(
    head: Head,
    body: &[u8],
    last: u16,
    unknown: impl FnOnce(u16) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    head.check()?;
    if head.kind > last {
        return unknown(head.kind);
    }
    if head.needs == 0 { codec::decode_front(body) } else { read_needed(body) }
}

/// The same where a reader must know something, and this build does: the enum's own bytes have zeros there.
#[cold]
fn read_needed<T: Decode<()>>(body: &[u8]) -> Result<T, DecodeError> {
    let mut plain = body.to_vec();
    plain[2..4].fill(0);
    codec::decode_front(&plain)
}

/// A field that a later build added at the end of what may grow: its default if the writer did not know it yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Added<T>(pub T);

impl<T: Encode> Encode for Added<T> {
    fn encode<E: bincode::enc::Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
        self.0.encode(encoder)
    }
}

impl<C, T: Decode<C> + Default> Decode<C> for Added<T> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, bincode::error::DecodeError> {
        if decoder.reader().peek_read(1).is_none() { Ok(Self::default()) } else { T::decode(decoder).map(Self) }
    }
}

impl<'de, C, T: Decode<C> + Default> BorrowDecode<'de, C> for Added<T> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, bincode::error::DecodeError> {
        Decode::decode(decoder)
    }
}
