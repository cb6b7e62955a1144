//! Frames: how a record, a command or an event states its kind and length, so that an older reader
//! can skip what it need not know and stops at what it must know.
//!
//! | bytes | field  | meaning                                                                  |
//! |-------|--------|--------------------------------------------------------------------------|
//! | 4     | length | bytes of the body                                                        |
//! | 2     | kind   | the kind of the body                                                     |
//! | 2     | needs  | the vocabulary that a reader must know; 0: any reader may skip it        |
//! | …     | body   | the fields known when the kind was new, then those added later           |
//!
//! A reader decodes the fields that it knows and ignores the bytes after them. A field that an
//! older writer did not write has its default value: see [`Added`]. The log defines what may be
//! written (ADR 21): each shard has a vocabulary, which `VocabularyRaised` changes, and a leader
//! writes nothing that needs a later one.
//!
//! An addition of a later build needs a new vocabulary if `apply` or any sum depends on it;
//! otherwise, if a reader only gets less information without it, it does not.

use bincode::de::read::Reader as _;
use bincode::de::{BorrowDecode, BorrowDecoder, Decoder};
use bincode::{Decode, Encode};

use crate::codec::{self, DecodeError};

/// The vocabulary that this build reads, and writes where the log's vocabulary allows it. It
/// increases with each release that adds a kind, a field or a code.
pub const VOCABULARY: u16 = 1;

/// The oldest vocabulary that this build can write. A log starts with it, since its other readers
/// are not yet known.
pub const FIRST_VOCABULARY: u16 = 1;

const _: () = assert!(FIRST_VOCABULARY <= VOCABULARY);

/// Bytes before a body.
pub const HEAD_BYTES: usize = 8;

/// The kind and needs of a body, as a reader finds them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// The kind of the body.
    pub kind: u16,
    /// The vocabulary that a reader must know.
    pub needs: u16,
}

impl Head {
    /// Returns an error if a reader of vocabulary `reads` must not skip or guess at the body.
    #[inline]
    pub fn check(self, reads: u16) -> Result<(), DecodeError> {
        if self.needs <= reads {
            return Ok(());
        }
        Err(DecodeError::Newer { kind: self.kind, needs: self.needs, reads, install: None })
    }
}

/// Appends a frame around a body that starts with its kind, as an enum's bytes do: four bytes, of
/// which two are always zero.
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

/// Takes a frame off the front of `bytes`. Returns its head, and its body with the kind in front,
/// as an enum's bytes have it.
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

/// Returns the kind of the frame at the front of `bytes`, also if the rest is missing or invalid.
pub(crate) fn kind(bytes: &[u8]) -> Option<u16> {
    bytes.get(4..6).map(|kind| u16::from_le_bytes([kind[0], kind[1]]))
}

/// Decodes a body of an enum whose last kind is `last`, or returns `unknown` of its kind if that is
/// a later one that readers may skip. Returns an error if the frame needs more than a reader of
/// vocabulary `reads` knows.
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

/// Decodes a body with a non-zero `needs` field that this build satisfies: the enum's own bytes
/// have zeros in its place.
#[cold]
fn read_needed<T: Decode<()>>(body: &[u8]) -> Result<T, DecodeError> {
    let mut plain = body.to_vec();
    plain[2..4].fill(0);
    codec::decode_front(&plain)
}

/// A field that a later build added at the end of a growing struct or variant. It is absent if its
/// writer did not know it, or wrote for readers that do not. An absent field takes no bytes, and no
/// field follows it.
///
/// Create it with `Added::when(state.speaks(N), || …)`, which checks that the state's vocabulary
/// has the field.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Added<T>(pub Option<T>);

impl<T> Added<T> {
    /// The field is not written.
    pub const ABSENT: Self = Self(None);

    /// Present if the vocabulary has the field.
    pub fn when(spoken: bool, value: impl FnOnce() -> T) -> Self {
        Self(spoken.then(value))
    }
}

impl<T: Default> Added<T> {
    /// Returns the field, or its default if it is absent.
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

    /// A present field is written; an absent one leaves the old bytes unchanged.
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
