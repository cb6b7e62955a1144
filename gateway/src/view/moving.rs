//! What changes with every trade of a market.

use super::book::BookLevels;
use super::trades::RecentTrades;

/// A market's book and trades. Cheap to copy.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Moving {
    /// Its levels.
    pub book: BookLevels,
    /// Its last trades.
    pub trades: RecentTrades,
}
