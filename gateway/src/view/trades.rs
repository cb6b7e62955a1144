//! A market's most recent trades. A copy is cheap: it shares them until the next trade. Pure.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::shapes::PublicTrade;

/// The number of trades that are kept for each market.
pub const RECENT_TRADES_MAX: usize = 100;

/// The last [`RECENT_TRADES_MAX`] trades of a market.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RecentTrades {
    oldest_first: Arc<VecDeque<PublicTrade>>,
}

impl RecentTrades {
    /// Adds the newest trade.
    pub fn push(&mut self, trade: PublicTrade) {
        let trades = Arc::make_mut(&mut self.oldest_first);
        if trades.len() == RECENT_TRADES_MAX {
            trades.pop_front();
        }
        trades.push_back(trade);
    }

    /// Returns the trades, newest first.
    pub fn newest_first(&self) -> impl DoubleEndedIterator<Item = &PublicTrade> {
        self.oldest_first.iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::event::TradeKind;
    use schemas::{BookSide, Price, Quantity, Timestamp, TradeId};

    #[test]
    fn the_oldest_makes_room() {
        let mut trades = RecentTrades::default();
        for id in 0..150 {
            let (price, quantity) = (Price::MIN, Quantity::ZERO);
            let (taker_side, kind, time) = (BookSide::Bid, TradeKind::Mint, Timestamp(id));
            trades.push(PublicTrade { trade_id: TradeId(id), price, quantity, taker_side, kind, time });
        }
        let ids: Vec<u64> = trades.newest_first().map(|trade| trade.trade_id.0).collect();
        assert_eq!(ids, (50..150).rev().collect::<Vec<_>>());
    }
}
