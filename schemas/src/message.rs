//! What one shard sends another: the outbox pattern on the log.
//!
//! The sender's outcome holds `Sent { to, number, message }` beside the change that causes it, so that both are one
//! record. The relay copies it to the other shard's commands; the receiver applies each number once, in order.

use bincode::{Decode, Encode};

use crate::event::CancelReason;
use crate::ids::{AccountId, MarketId, OrderId};
use crate::money::Credits;
use crate::order::{Amendment, NewOrder};
use crate::rejection::Rejection;

/// An effect on another home.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Message {
    /// Account's home to market's home: an order that was entered; what a buy needs is held.
    PlaceOrder {
        /// The id that the account's shard gave it.
        id: OrderId,
        /// The order.
        order: NewOrder,
    },
    /// Market's home to account's home: what one command did to the wallets that live there.
    Settle(Vec<Settlement>),
    /// Account's home to market's home: end an order.
    CancelOrder {
        /// Whose.
        account: AccountId,
        /// Which.
        order: OrderId,
    },
    /// Account's home to market's home: change an order.
    AmendOrder {
        /// The change.
        amendment: Amendment,
        /// What is held for it at home beyond what the order holds, if that was asked for.
        raised: Option<Raise>,
    },
    /// Market's home to account's home: the change needs more credits than the order holds. Once they are held, `AmendOrder`
    /// comes again.
    RaiseHold {
        /// The change.
        amendment: Amendment,
        /// How much more.
        raise: Raise,
    },
    /// Account's home to markets' homes: end its orders there.
    MassCancel {
        /// Whose.
        account: AccountId,
        /// Where; `None` means in every market of the shard.
        market: Option<MarketId>,
        /// Why.
        reason: CancelReason,
    },
    /// Account's home to markets' home: an all-or-nothing batch whose orders are entered.
    Batch {
        /// Whose.
        account: AccountId,
        /// In the order in which they were asked.
        requests: Vec<EnteredRequest>,
    },
    /// Sender's home to receiver's home: credits that left a wallet.
    Transfer {
        /// Who gives.
        from: AccountId,
        /// Who gets.
        to: AccountId,
        /// How much.
        amount: Credits,
    },
    /// Receiver's home to sender's home: the credits could not be received.
    ReturnTransfer {
        /// Who gave.
        from: AccountId,
        /// Who should have got.
        to: AccountId,
        /// How much.
        amount: Credits,
        /// Why not.
        code: Rejection,
    },
}

/// Credits that an amendment needs beyond what its order holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Raise {
    /// The order's market.
    pub market: MarketId,
    /// How much more.
    pub amount: Credits,
}

/// One request of an all-or-nothing batch, as its account's home passed it on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum EnteredRequest {
    /// An order that was entered; what a buy needs is held.
    Place {
        /// Its id.
        id: OrderId,
        /// The order.
        order: NewOrder,
    },
    /// End an order.
    Cancel {
        /// Which.
        order: OrderId,
    },
    /// Change an order.
    Amend(Amendment),
}

impl Message {
    /// Credits that are in flight with the message: what wallets will gain less what they will lose.
    /// Negative while a market's collateral already has what a wallet still holds.
    pub fn in_flight(&self) -> Credits {
        match self {
            Self::PlaceOrder { .. }
            | Self::CancelOrder { .. }
            | Self::AmendOrder { .. }
            | Self::RaiseHold { .. }
            | Self::MassCancel { .. }
            | Self::Batch { .. } => Credits::ZERO,
            Self::Settle(settlements) => settlements.iter().map(|s| s.received - s.spent).sum(),
            Self::Transfer { amount, .. } | Self::ReturnTransfer { amount, .. } => *amount,
        }
    }
}

wire_enum! {
    /// Why a market's home changes a wallet.
    SettlementReason: u8 {
        /// Fills of one order in one command (with what its end releases, if it ended there).
        Trade = 0, "TRADE";
        /// An order ended, shrank or was refused without a fill in this command.
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
    /// The order ended with this: its account has one live order less.
    pub ended: bool,
}
