//! What a market does to a purse.

use bincode::{Decode, Encode};

use crate::ids::{AccountId, MarketId, OrderId};
use crate::money::Credits;

open_enum! {
    /// Why a market changes a purse.
    SettlementReason: u8, unknown "UNKNOWN_" {
        /// Fills of one order in one command (with what its end releases, if it ended there).
        Trade = 0, "TRADE";
        /// An order ended or shrank without a fill in this command.
        Release = 1, "RELEASE";
        /// Pairs of YES and NO became credits.
        Redemption = 2, "REDEMPTION";
        /// The market was resolved or voided.
        Payout = 3, "PAYOUT";
    }
}

/// A change of an account's purse on its market's shard. All amounts are zero or positive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Settlement {
    /// Whose purse.
    pub account: AccountId,
    /// The market that it comes from.
    pub market: MarketId,
    /// The order that it concerns, unless a redemption or payout.
    pub order: Option<OrderId>,
    /// Why.
    pub reason: SettlementReason,
    /// From held credits to the market: cost and fee.
    pub spent: Credits,
    /// From held back to available.
    pub released: Credits,
    /// From the market to available: proceeds less fee, redemption, payout.
    pub received: Credits,
}
