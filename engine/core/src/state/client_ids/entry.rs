//! A client id and its meaning, in 32 bytes.

use bincode::de::{BorrowDecode, BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use schemas::{OrderId, Rejection};

use super::RequestName;

/// 128 bits of the BLAKE3 hash of a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct NameHash(pub [u64; 2]);

impl NameHash {
    /// Hashes the whole name, with the account first and all fields of fixed width: two names never
    /// have the same bytes.
    pub fn of(name: RequestName) -> Self {
        let mut bytes = [0; 33];
        bytes[..8].copy_from_slice(&name.account.0.to_le_bytes());
        if let Some(market) = name.market {
            bytes[8] = 1;
            bytes[9..17].copy_from_slice(&market.0.to_le_bytes());
        }
        bytes[17..].copy_from_slice(&name.client_id.0.to_le_bytes());
        let hash = blake3::hash(&bytes);
        let half = |at| {
            let mut half = [0; 8];
            half.copy_from_slice(&hash.as_bytes()[at..at + 8]);
            u64::from_le_bytes(half)
        };
        Self([half(0), half(8)])
    }
}

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    /// An order that was accepted.
    Order(OrderId),
    /// An order that was refused, and why.
    Refused(OrderId, Rejection),
    /// A deposit, a withdrawal or a transfer, identified by its fingerprint.
    Movement,
    /// A transfer that the receiver's home refused, and why.
    RefusedMovement(Rejection),
}

/// How fingerprints are computed. An entry records the scheme of its own: a build with another
/// scheme treats a request that it cannot compare as a different one, and does nothing twice.
/// compare for another request, and does nothing twice.
const SCHEME: u8 = 1;

/// A name and what it stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientIdEntry {
    pub name: NameHash,
    pub meaning: Meaning,
    scheme: u8,
    /// Distinguishes a repeat from another request under the same name: 40 bits for an order, 120
    /// for a movement (104 if it was refused). An order's repeat is answered with the first one's
    /// result, so a client that makes two of its orders look alike gets no wrong answer; a
    /// movement's repeat is answered with what it asks.
    fingerprint: u128,
}

const ORDER: u8 = 0;
const REFUSED: u8 = 1;
const MOVEMENT: u8 = 2;
const REFUSED_MOVEMENT: u8 = 3;

impl ClientIdEntry {
    pub fn new(name: NameHash, meaning: Meaning, fingerprint: u128) -> Self {
        Self { name, meaning, scheme: SCHEME, fingerprint: kept(meaning, fingerprint) }
    }

    /// Returns true if the entry is of a request with this fingerprint.
    pub fn is_of(&self, fingerprint: u128) -> bool {
        self.scheme == SCHEME && self.fingerprint == kept(self.meaning, fingerprint)
    }

    /// Packs the entry. After the name comes an order's id or the low half of a movement's
    /// fingerprint; then, from the high end, an order's fingerprint or the rest of a refused
    /// movement's (40 bits) and the code of the refusal (16), or the rest of a movement's
    /// fingerprint (56), scheme (4) and kind (4).
    #[allow(clippy::cast_possible_truncation, reason = "takes the fingerprint apart")]
    pub fn pack(&self) -> Packed {
        let (fingerprint, rest) = (self.fingerprint as u64, (self.fingerprint >> 64) as u64);
        let (number, high, kind) = match self.meaning {
            Meaning::Order(id) => (id.0, fingerprint << 16, ORDER),
            Meaning::Refused(id, code) => (id.0, fingerprint << 16 | u64::from(code.code()), REFUSED),
            Meaning::Movement => (fingerprint, rest, MOVEMENT),
            Meaning::RefusedMovement(code) => (fingerprint, rest << 16 | u64::from(code.code()), REFUSED_MOVEMENT),
        };
        Packed([self.name.0[0], self.name.0[1], number, high << 8 | u64::from(self.scheme << 4 | kind)])
    }
}

/// Returns the bits of a fingerprint that are kept.
fn kept(meaning: Meaning, fingerprint: u128) -> u128 {
    match meaning {
        Meaning::Order(_) | Meaning::Refused(..) => fingerprint >> 88,
        Meaning::Movement => fingerprint >> 8,
        Meaning::RefusedMovement(_) => fingerprint >> 24,
    }
}

/// A packed [`ClientIdEntry`].
#[derive(Clone, Copy, Debug)]
pub struct Packed([u64; 4]);

impl Packed {
    pub fn words(&self) -> [u64; 4] {
        self.0
    }

    pub fn name(&self) -> NameHash {
        NameHash([self.0[0], self.0[1]])
    }

    /// Unpacks an entry; `None` if these words are not an entry.
    #[allow(clippy::cast_possible_truncation, reason = "takes the words apart")]
    pub fn unpack(&self) -> Option<ClientIdEntry> {
        let [.., number, tail] = self.0;
        let (scheme, kind, code) = (tail as u8 >> 4, tail as u8 & 0xF, (tail >> 8) as u16);
        let high = u128::from(tail >> 24);
        let (meaning, fingerprint) = match kind {
            ORDER if code == 0 => (Meaning::Order(OrderId(number)), high),
            REFUSED => (Meaning::Refused(OrderId(number), Rejection::from_code(code)), high),
            MOVEMENT => (Meaning::Movement, u128::from(tail >> 8) << 64 | u128::from(number)),
            REFUSED_MOVEMENT => (Meaning::RefusedMovement(Rejection::from_code(code)), high << 64 | u128::from(number)),
            _ => return None,
        };
        Some(ClientIdEntry { name: self.name(), meaning, scheme, fingerprint })
    }
}

impl Encode for Packed {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.encode(encoder)
    }
}

impl<C> Decode<C> for Packed {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let packed = Self(Decode::decode(decoder)?);
        packed.unpack().map(|_| packed).ok_or(DecodeError::Other("a name that stands for nothing known"))
    }
}

impl Encode for ClientIdEntry {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.pack().encode(encoder)
    }
}

impl<C> Decode<C> for ClientIdEntry {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Packed::decode(decoder)?.unpack().ok_or(DecodeError::Other("a name that stands for nothing known"))
    }
}

impl<'de, C> BorrowDecode<'de, C> for Packed {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Decode::decode(decoder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{AccountId, ClientId, MarketId};

    #[test]
    fn an_entry_is_the_same_once_it_was_packed() {
        let name =
            RequestName { account: AccountId(u64::MAX), market: Some(MarketId(3)), client_id: ClientId(u128::MAX) };
        let id = OrderId(i64::MAX as u64);
        let codes = || Rejection::ALL.iter().copied();
        let refused = codes().map(|code| Meaning::Refused(id, code)).chain(codes().map(Meaning::RefusedMovement));
        for meaning in refused.chain([Meaning::Order(id), Meaning::Movement]) {
            for fingerprint in [0, u128::MAX, 0xABCD_EF01_2345_6789 << 60] {
                let entry = ClientIdEntry::new(NameHash::of(name), meaning, fingerprint);
                assert_eq!(entry.pack().unpack(), Some(entry));
                assert!(entry.is_of(fingerprint) && !entry.is_of(fingerprint ^ 1 << 90));
                assert!(!ClientIdEntry { scheme: SCHEME + 1, ..entry }.is_of(fingerprint), "made in another way");
            }
        }
        assert_eq!(size_of::<Packed>(), 32);
    }

    #[test]
    fn every_part_of_a_name_tells_it_from_others() {
        let name = RequestName { account: AccountId(1), market: None, client_id: ClientId(1) };
        let others = [
            RequestName { account: AccountId(2), ..name },
            RequestName { market: Some(MarketId(0)), ..name },
            RequestName { client_id: ClientId(1 << 64), ..name },
        ];
        assert!(others.iter().all(|other| NameHash::of(*other) != NameHash::of(name)));
    }
}
