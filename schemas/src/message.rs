//! What one shard sends another: the outbox pattern on the log.
//!
//! The sender's outcome holds `Sent { to, number, message }` beside the change that causes it, so that both are one
//! record. The relay copies it to the other shard's commands; the receiver applies each number once, in order.

use bincode::{Decode, Encode};

use crate::ids::OrderId;
use crate::money::Credits;
use crate::order::NewOrder;

/// An effect on the other home.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Message {
    /// Account's home to market's home: a buy whose credits are held.
    PlaceOrder {
        /// The id that the account's shard gave it.
        id: OrderId,
        /// The order.
        order: NewOrder,
    },
    /// Market's home to account's home: what one command did to the wallets that live there.
    Settle(Vec<Settlement>),
}

impl Message {
    /// Credits that are in flight with the message: what wallets will gain less what they will lose.
    /// Negative while a market's collateral already has what a wallet still holds.
    pub fn in_flight(&self) -> Credits {
        match self {
            Self::PlaceOrder { .. } => Credits::ZERO,
            Self::Settle(settlements) => settlements.iter().map(|s| s.received - s.spent).sum(),
        }
    }
}

wire_enum! {
    /// Why a market's home changes a wallet.
    SettlementReason: u8 {
        /// Fills of one order in one command (with what its end releases, if it ended there).
        Trade = 0, "TRADE";
        /// A buy ended without a fill in this command: cancelled or refused.
        Release = 1, "RELEASE";
        /// Pairs of YES and NO became credits.
        Redemption = 2, "REDEMPTION";
        /// The market was resolved or voided.
        Payout = 3, "PAYOUT";
    }
}

/// A change of one wallet. All amounts are zero or positive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Settlement {
    /// Whose wallet.
    pub account: crate::ids::AccountId,
    /// The market that it comes from.
    pub market: crate::ids::MarketId,
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
