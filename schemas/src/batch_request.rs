//! The requests of a batch.

use bincode::{Decode, Encode};

use crate::money::{Price, Quantity};
use crate::order::{NewOrder, OrderRef};
use crate::time::Timestamp;

/// One request of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum BatchRequest {
    /// Like [`Command::PlaceOrder`](crate::Command::PlaceOrder).
    Place(NewOrder),
    /// Like [`Command::CancelOrder`](crate::Command::CancelOrder).
    Cancel(OrderRef),
    /// Like [`Command::AmendOrder`](crate::Command::AmendOrder).
    Amend {
        /// The order to change.
        order: OrderRef,
        /// The new limit; `None` keeps the old one.
        price: Option<Price>,
        /// The new total quantity, including what is already filled; `None` keeps the old one.
        quantity: Option<Quantity>,
    },
}

impl BatchRequest {
    /// Returns the latest time that the request names, if any.
    pub(crate) fn latest_time(&self) -> Option<Timestamp> {
        match self {
            Self::Place(order) => order.latest_time(),
            Self::Cancel(_) | Self::Amend { .. } => None,
        }
    }
}
