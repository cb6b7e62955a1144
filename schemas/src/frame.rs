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
//! its default: see [`Added`]. What may be written is agreed on the log (ADR 21): each shard has a vocabulary, which
//! `VocabularyRaised` changes, and a leader writes nothing that needs more.
//!
//! What a later build adds needs a new vocabulary if `apply` or any sum depends on it; if a reader is merely told less
//! without it, it need not.

use bincode::de::read::Reader as _;
use bincode::de::{BorrowDecode, BorrowDecoder, Decoder};
use bincode::{Decode, Encode};

use crate::codec::{self, DecodeError};

/// The vocabulary that this build reads, and writes where it is agreed on. It counts up with each release that adds a
/// kind, a field or a code.
pub const VOCABULARY: u16 = 1;

/// The oldest vocabulary that this build can write. A log begins with it: who else will read it is not known yet.
pub const FIRST_VOCABULARY: u16 = 1;

const _: () = assert!(FIRST_VOCABULARY <= VOCABULARY);

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
    /// An error if a reader of vocabulary `reads` must not pass over or guess at what follows.
    #[inline]
    pub fn check(self, reads: u16) -> Result<(), DecodeError> {
        if self.needs <= reads {
            return Ok(());
        }
        Err(DecodeError::Newer { kind: self.kind, needs: self.needs, reads, install: None })
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
/// over. An error if the frame needs more than a reader of vocabulary `reads` knows.
#[inline]
pub fn read<T: Decode<()>>(
    (head, reads): (Head, u16),
    body: &[u8],
    last: u16,
    unknown: impl FnOnce(u16) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    head.check(reads)?;
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

/// A field that a later build added at the end of what may grow. It is absent where its writer did not know it, or
/// wrote for readers that do not: then it takes no bytes, and behind it there are none.
///
/// Whoever makes one asks the state whether its vocabulary has the field: `Added::when(state.speaks(N), || …)`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Added<T>(pub Option<T>);

impl<T> Added<T> {
    /// Not written.
    pub const ABSENT: Self = Self(None);

    /// There if the vocabulary has it.
    pub fn when(spoken: bool, value: impl FnOnce() -> T) -> Self {
        Self(spoken.then(value))
    }
}

impl<T: Default> Added<T> {
    /// The field; its default if it is absent.
    pub fn or_default(self) -> T {
        self.0.unwrap_or_default()
    }
}

impl<T> Default for Added<T> {
    fn default() -> Self {
        Self::ABSENT
    }
}

impl<T: Encode> Encode for Added<T> {
    fn encode<E: bincode::enc::Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
        self.0.as_ref().map_or(Ok(()), |value| value.encode(encoder))
    }
}

impl<C, T: Decode<C>> Decode<C> for Added<T> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, bincode::error::DecodeError> {
        if decoder.reader().peek_read(1).is_none() { Ok(Self::ABSENT) } else { T::decode(decoder).map(Some).map(Self) }
    }
}

impl<'de, C, T: Decode<C>> BorrowDecode<'de, C> for Added<T> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, bincode::error::DecodeError> {
        Decode::decode(decoder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
    struct Grown {
        old: u16,
        added: Added<u32>,
        again: Added<u8>,
    }

    /// A field is written where it is there, and leaves the old bytes where it is absent.
    #[test]
    fn an_absent_field_takes_no_bytes() {
        for (value, length) in [
            (Grown { old: 5, added: Added::ABSENT, again: Added::ABSENT }, 2),
            (Grown { old: 5, added: Added::when(true, || 0), again: Added::when(false, || 7) }, 6),
            (Grown { old: 5, added: Added(Some(9)), again: Added(Some(7)) }, 7),
        ] {
            let mut bytes = Vec::new();
            codec::encode_into(&value, &mut bytes);
            assert_eq!((bytes.len(), codec::decode_exact(&bytes)), (length, Ok(value)));
        }
        assert_eq!((Added::<u32>::ABSENT.or_default(), Added(Some(9)).or_default()), (0, 9));
    }
}
