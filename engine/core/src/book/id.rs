//! Ids of orders in a book, and how they are mixed.

use schemas::OrderId;

/// An order's id in a book.
pub trait BookId: Copy + Eq + std::fmt::Debug {
    /// Returns the id as a number below `u64::MAX`, if it is one. Books are faster with ids that
    /// are assigned in ascending order.
    fn number(self) -> Option<u64>;
    /// Returns 32 well-mixed bits.
    fn mix(self, key: IdKey) -> u32;
}

/// The key with which ids are mixed: two odd numbers. Without knowing them, nobody can choose many
/// ids that collide (multiply-shift hashing).
#[derive(Clone, Copy, Debug)]
pub struct IdKey([u64; 2]);

impl IdKey {
    #[allow(clippy::cast_possible_truncation, reason = "takes both halves")]
    pub(super) fn new(key: u128) -> Self {
        Self([key as u64 | 1, (key >> 64) as u64 | 1])
    }
}

/// For ids that the exchange assigns, in ascending order or well mixed.
impl Default for IdKey {
    fn default() -> Self {
        Self([0x9E37_79B9_7F4A_7C15, 0xD1B5_4A32_D192_ED03])
    }
}

impl BookId for u64 {
    #[inline]
    fn number(self) -> Option<u64> {
        (self < u64::MAX).then_some(self)
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the product's high half")]
    fn mix(self, key: IdKey) -> u32 {
        (self.wrapping_mul(key.0[0]) >> 32) as u32
    }
}

impl BookId for u128 {
    #[inline]
    fn number(self) -> Option<u64> {
        u64::try_from(self).ok().and_then(BookId::number)
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "takes both halves, and the sum's high half")]
    fn mix(self, key: IdKey) -> u32 {
        let (low, high) = (self as u64, (self >> 64) as u64);
        (low.wrapping_mul(key.0[0]).wrapping_add(high.wrapping_mul(key.0[1])) >> 32) as u32
    }
}

/// Assigned by the shard in ascending order, whatever clients do.
impl BookId for OrderId {
    #[inline]
    fn number(self) -> Option<u64> {
        self.0.number()
    }

    #[inline]
    fn mix(self, key: IdKey) -> u32 {
        self.0.mix(key)
    }
}
