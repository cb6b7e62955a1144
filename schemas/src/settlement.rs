//! Settlements: changes that a market makes to a purse (an account's balance on one shard).

use bincode::{Decode, Encode};

use crate::ids::{AccountId, MarketId, OrderId};
use crate::money::Credits;

open_enum! {
    /// Why a market changes a purse.
    SettlementReason: u8, unknown "UNKNOWN_" {
        /// Fills of one order in one command (with what its end releases, if it ended there).
        Trade = 0, "TRADE";
        /// An order ended or was reduced without a fill in this command.
        Release = 1, "RELEASE";
        /// Pairs of YES and NO were redeemed for credits.
        Redemption = 2, "REDEMPTION";
        /// The market was resolved or voided.
        Payout = 3, "PAYOUT";
    }
}

/// A change of an account's purse on its market's shard. All amounts are zero or positive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Settlement {
    /// The account of the purse.
    pub account: AccountId,
    /// The market that makes the change.
    pub market: MarketId,
    /// The order that it concerns; `None` for a redemption or payout.
    pub order: Option<OrderId>,
    /// The reason.
    pub reason: SettlementReason,
    /// Moved from held credits to the market: cost and fee.
    pub spent: Credits,
    /// Moved from held back to available.
    pub released: Credits,
    /// Moved from the market to available: proceeds minus fee, redemption, payout.
    pub received: Credits,
}
