//! Why orders end with a remainder.

use crate::order::Status;

open_enum! {
    /// Why an order ended with a remainder.
    CancelReason: u8, unknown "UNKNOWN_" {
        /// Its owner cancelled it.
        Requested = 0, "REQUESTED";
        /// Its market closed, was resolved or was voided.
        MarketEnded = 1, "MARKET_ENDED";
        /// It expired; its status is EXPIRED.
        Expired = 2, "EXPIRED";
        /// It met an order of its own account; or it is a fill-or-kill that would have filled if
        /// those orders had been another account's.
        SelfTrade = 3, "SELF_TRADE";
        /// Its market paused, and the order was set to be cancelled then.
        MarketPaused = 4, "MARKET_PAUSED";
        /// Its owner cancelled all orders.
        MassCancel = 5, "MASS_CANCEL";
        /// Its owner's dead-man switch fired.
        DeadManSwitch = 6, "DEAD_MAN_SWITCH";
        /// Its time in force does not allow it to rest.
        TimeInForce = 7, "TIME_IN_FORCE";
        /// It matched the maximum that one command may match.
        MatchLimit = 8, "MATCH_LIMIT";
        /// It is reduce-only, and there was no more to reduce.
        ReduceOnly = 9, "REDUCE_ONLY";
        /// Its group was triggered or deleted.
        Group = 10, "GROUP";
    }
}

impl CancelReason {
    /// Returns the status of an order that ended for this reason. A later reason that leads to
    /// another status than CANCELLED needs a new vocabulary.
    pub const fn status(self) -> Status {
        match self {
            Self::Expired => Status::Expired,
            _ => Status::Cancelled,
        }
    }
}
