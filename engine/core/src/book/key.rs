//! The key of one book among the books of a shard.

use schemas::BookSide;

/// The key of a book in a [`Books`](super::Books). Assigned in order from 0; the key of a closed book is used
/// again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, bincode::Encode, bincode::Decode)]
pub struct BookKey(pub(super) u32);

impl BookKey {
    /// The key of a book that has the memory for itself.
    pub(super) const ONLY: Self = Self(0);

    /// Returns the book's index in its memory, from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    #[inline]
    pub(super) fn levels_of_side(self, side: BookSide) -> u32 {
        self.0 * 2 + u32::from(side.code())
    }
}
