//! Purses: an account's credits and room on one shard, and the transfers between them.
//!
//! An account has a purse (its balance on one shard) on each shard where it trades. Room is the
//! remaining order allowance of a purse. The account's home shard keeps the state that is shared by
//! all its purses, lends credits and room to the other purses when they ask, and takes back what
//! they do not need.

use bincode::{Decode, Encode};

use crate::account::AccountLimits;
use crate::batch_request::BatchRequest;
use crate::cancel_reason::CancelReason;
use crate::group::{GroupId, GroupNow};
use crate::ids::{AccountId, AdminId, ClientId, CommandId, MarketId, OrderId, Shard};
use crate::money::{Credits, Price, Quantity};
use crate::order::{NewOrder, OrderRef};
use crate::time::Timestamp;

/// The number of live orders and the amount of held credits that a purse may have: its share of the
/// account's limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct Room {
    /// The number of live orders.
    pub orders: u32,
    /// Credits that live buys hold.
    pub held: Credits,
}

impl Room {
    /// No room.
    pub const ZERO: Self = Self { orders: 0, held: Credits::ZERO };
    /// More than any purse can use: the room of a purse whose account has no limits.
    pub const ALL: Self = Self { orders: u32::MAX, held: Credits(i64::MAX) };

    /// Returns true if both are zero.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// Subtracts `other` from each, but not below zero.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self {
            orders: self.orders.saturating_sub(other.orders),
            held: Credits(self.held.0.saturating_sub(other.held.0).max(0)),
        }
    }
}

impl std::ops::Add for Room {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let orders = self.orders.checked_add(other.orders).expect("no more room is lent than there is");
        Self { orders, held: self.held + other.held }
    }
}

impl std::ops::Sub for Room {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        let (orders, held) = (self.orders.checked_sub(other.orders), self.held - other.held);
        let orders = orders.filter(|_| held >= Credits::ZERO);
        Self { orders: orders.expect("no more room is given back than there is"), held }
    }
}

/// What a request needs beyond what its purse has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct Need {
    /// Available credits.
    pub credits: Credits,
    /// Room.
    pub room: Room,
}

impl Need {
    /// Needs nothing.
    pub const NOTHING: Self = Self { credits: Credits::ZERO, room: Room::ZERO };

    /// Needs only credits.
    pub fn credits(credits: Credits) -> Self {
        Self { credits, room: Room::ZERO }
    }

    /// Returns true if nothing is missing.
    pub fn is_nothing(self) -> bool {
        self == Self::NOTHING
    }
}

/// A waiting request: it waits for credits or room from its account's home shard, or, on the home
/// shard, for what other purses return.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Parked {
    /// The account.
    pub account: AccountId,
    /// Identifies the request on its shard.
    pub ticket: u64,
    /// The command that contained the request and that is answered later.
    pub command: CommandId,
    /// Its index in its batch, if it was one of several requests.
    pub index: Option<u16>,
    /// The request is refused if it is not decided by this time.
    pub deadline: Timestamp,
    /// The request.
    pub request: ParkedRequest,
}

/// A request that can be parked.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum ParkedRequest {
    /// On the market's shard: like [`Command::PlaceOrder`](crate::Command::PlaceOrder).
    Place(NewOrder),
    /// On the market's shard: like [`Command::AmendOrder`](crate::Command::AmendOrder).
    Amend {
        /// The order to change.
        order: OrderId,
        /// The new limit; `None` keeps the old one.
        price: Option<Price>,
        /// The new total quantity, including what is already filled; `None` keeps the old one.
        quantity: Option<Quantity>,
    },
    /// On the market's shard: an all-or-nothing batch.
    Batch(Vec<BatchRequest>),
    /// On the home shard: what the purse on a shard asks for. (The home shard's own purse can ask
    /// too.)
    Fund {
        /// The shard of the purse.
        shard: Shard,
        /// What the purse lacks.
        need: Need,
    },
    /// On the home shard: like [`Command::Withdraw`](crate::Command::Withdraw).
    Withdraw {
        /// The amount.
        amount: Credits,
        /// The client's id for the withdrawal.
        client_id: Option<ClientId>,
        /// The admin who makes the request.
        by: AdminId,
    },
    /// On the home shard: like [`Command::Transfer`](crate::Command::Transfer).
    Transfer {
        /// The receiver.
        to: AccountId,
        /// The amount.
        amount: Credits,
        /// The client's id for the transfer.
        client_id: Option<ClientId>,
    },
}

impl ParkedRequest {
    /// Returns true if the request waits on its account's home shard for credits or room of other
    /// purses.
    pub fn is_claim(&self) -> bool {
        matches!(self, Self::Fund { .. } | Self::Withdraw { .. } | Self::Transfer { .. })
    }

    /// Returns the order with this client id that the request would place.
    pub fn order_named(&self, market: MarketId, client_id: ClientId) -> Option<&NewOrder> {
        let named = |order: &&NewOrder| order.market == market && order.client_id == Some(client_id);
        match self {
            Self::Place(order) => Some(order).filter(named),
            Self::Batch(requests) => requests.iter().find_map(|request| match request {
                BatchRequest::Place(order) => Some(order).filter(named),
                BatchRequest::Cancel(_) | BatchRequest::Amend { .. } => None,
            }),
            _ => None,
        }
    }

    /// Returns true if the request concerns this market.
    pub fn concerns(&self, market: MarketId, market_of: impl Fn(OrderId) -> Option<MarketId>) -> bool {
        let of = |order: &OrderRef| match order {
            OrderRef::Id(id) => market_of(*id),
            OrderRef::ClientId { market, .. } => Some(*market),
        };
        match self {
            Self::Place(order) => order.market == market,
            Self::Amend { order, .. } => market_of(*order) == Some(market),
            Self::Batch(requests) => requests.iter().any(|request| match request {
                BatchRequest::Place(order) => order.market == market,
                BatchRequest::Cancel(order) | BatchRequest::Amend { order, .. } => of(order) == Some(market),
            }),
            Self::Fund { .. } | Self::Withdraw { .. } | Self::Transfer { .. } => false,
        }
    }
}

/// An instruction from an account's home shard to every shard where the account has a purse. Each
/// answers with [`Returned`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum PurseInstruction {
    /// Return what is free: all of it up to this much, and at least half.
    Recall(Need),
    /// Freeze: from now on the account can only cancel.
    Freeze {
        /// The admin who makes the request.
        by: AdminId,
    },
    /// End a freeze.
    Unfreeze {
        /// The admin who makes the request.
        by: AdminId,
    },
    /// Return all free room, and ask again before the next order: the account's limits have
    /// changed.
    Limit {
        /// The new limits.
        limits: AccountLimits,
        /// The admin who makes the request.
        by: AdminId,
    },
    /// Cancel all orders of the account, parked ones included.
    MassCancel(CancelReason),
    /// The new state of a group of the account's orders.
    Group {
        /// The group.
        group: GroupId,
        /// The state; `None`: the group is deleted.
        now: Option<GroupNow>,
    },
}

/// What a purse returns to its account's home shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Returned {
    /// The account of the purse.
    pub account: AccountId,
    /// The returned credits, which were available there.
    pub credits: Credits,
    /// The returned room, which was free there.
    pub room: Room,
    /// The instruction that this answers; `None` if the purse is idle or its market has paid out.
    pub ticket: Option<u64>,
    /// True if something is still free there.
    pub more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::FeeRate;
    use crate::order::{Entry, Instructions, Terms};

    const RAIN: MarketId = MarketId(1);
    const SNOW: MarketId = MarketId(2);
    const SUN: MarketId = MarketId(3);
    const NAME: ClientId = ClientId(4);
    const OTHER_NAME: ClientId = ClientId(5);

    fn room(orders: u32, held: i64) -> Room {
        Room { orders, held: Credits(held) }
    }

    #[test]
    fn room_is_lent_and_given_back_in_both_parts() {
        assert_eq!(room(3, 40) + room(2, 5), room(5, 45));
        assert_eq!(room(5, 45) - room(2, 5), room(3, 40));
        assert_eq!(room(3, 40) - room(3, 40), Room::ZERO);
        assert_eq!(Room::ALL + Room::ZERO, Room::ALL);
        assert_eq!(Room::ALL - Room::ALL, Room::ZERO);
    }

    #[test]
    fn room_is_zero_only_without_either_part() {
        assert!(Room::ZERO.is_zero() && Room::default().is_zero());
        assert!(!room(1, 0).is_zero() && !room(0, 1).is_zero());
    }

    #[test]
    fn what_is_left_of_room_is_not_below_none() {
        assert_eq!(room(5, 45).saturating_sub(room(2, 5)), room(3, 40));
        assert_eq!(room(5, 45).saturating_sub(room(6, 5)), room(0, 40));
        assert_eq!(room(5, 45).saturating_sub(room(2, 46)), room(3, 0));
        assert_eq!(Room::ZERO.saturating_sub(Room::ALL), Room::ZERO);
        assert_eq!(room(1, i64::MIN).saturating_sub(Room::ALL), Room::ZERO);
    }

    #[test]
    #[should_panic(expected = "no more room is lent than there is")]
    fn orders_beyond_all_room_are_a_broken_invariant() {
        let _ = Room::ALL + room(1, 0);
    }

    #[test]
    #[should_panic(expected = "credits overflow")]
    fn held_credits_beyond_all_room_are_a_broken_invariant() {
        let _ = Room::ALL + room(0, 1);
    }

    #[test]
    #[should_panic(expected = "no more room is given back than there is")]
    fn orders_that_were_not_lent_are_a_broken_invariant() {
        let _ = room(1, 10) - room(2, 10);
    }

    #[test]
    fn a_need_is_nothing_only_without_any_part() {
        assert!(Need::NOTHING.is_nothing() && Need::credits(Credits::ZERO).is_nothing());
        assert!(!Need::credits(Credits(1)).is_nothing());
        assert!(!Need { room: room(1, 0), ..Need::NOTHING }.is_nothing());
        assert!(!Need { room: room(0, 1), ..Need::NOTHING }.is_nothing());
    }

    fn order(market: MarketId, client_id: Option<ClientId>) -> NewOrder {
        NewOrder {
            account: AccountId(6),
            market,
            entry: Entry::BuyYes,
            terms: Terms::Budget { budget: Credits(7) },
            fee_rate: FeeRate::ZERO,
            client_id,
            instructions: Instructions::default(),
        }
    }

    fn named(market: MarketId) -> OrderRef {
        OrderRef::ClientId { market, client_id: NAME }
    }

    fn amend(order: OrderRef) -> BatchRequest {
        BatchRequest::Amend { order, price: Some(Price::MAX), quantity: None }
    }

    /// Requests that wait on an account's home shard.
    fn claims() -> [ParkedRequest; 3] {
        let (amount, client_id) = (Credits(8), Some(NAME));
        [
            ParkedRequest::Fund { shard: Shard::new(0).expect("a shard"), need: Need::credits(amount) },
            ParkedRequest::Withdraw { amount, client_id, by: AdminId(1) },
            ParkedRequest::Transfer { to: AccountId(9), amount, client_id },
        ]
    }

    /// Requests that wait on a market's shard.
    fn at_markets() -> [ParkedRequest; 3] {
        [
            ParkedRequest::Place(order(RAIN, Some(NAME))),
            ParkedRequest::Amend { order: OrderId(10), price: None, quantity: Some(Quantity::ZERO) },
            ParkedRequest::Batch(vec![BatchRequest::Place(order(RAIN, Some(NAME)))]),
        ]
    }

    #[test]
    fn claims_wait_at_home() {
        assert!(claims().iter().all(ParkedRequest::is_claim));
        assert!(!at_markets().iter().any(ParkedRequest::is_claim));
    }

    #[test]
    fn an_order_is_named_within_its_market() {
        let parked = ParkedRequest::Place(order(RAIN, Some(NAME)));
        assert_eq!(parked.order_named(RAIN, NAME), Some(&order(RAIN, Some(NAME))));
        assert_eq!(parked.order_named(SNOW, NAME), None);
        assert_eq!(parked.order_named(RAIN, OTHER_NAME), None);
        assert_eq!(ParkedRequest::Place(order(RAIN, None)).order_named(RAIN, NAME), None);
    }

    #[test]
    fn a_batch_names_the_orders_that_it_would_place() {
        let batch = ParkedRequest::Batch(vec![
            BatchRequest::Cancel(named(SUN)),
            amend(named(SUN)),
            BatchRequest::Place(order(RAIN, None)),
            BatchRequest::Place(order(RAIN, Some(OTHER_NAME))),
            BatchRequest::Place(order(SNOW, Some(NAME))),
        ]);
        assert_eq!(batch.order_named(RAIN, OTHER_NAME), Some(&order(RAIN, Some(OTHER_NAME))));
        assert_eq!(batch.order_named(SNOW, NAME), Some(&order(SNOW, Some(NAME))));
        assert_eq!(batch.order_named(RAIN, NAME), None);
        assert_eq!(batch.order_named(SUN, NAME), None, "a cancel or an amendment places nothing");
    }

    #[test]
    fn only_what_places_an_order_names_one() {
        let amend = ParkedRequest::Amend { order: OrderId(10), price: None, quantity: None };
        for request in claims().into_iter().chain([amend]) {
            assert_eq!(request.order_named(RAIN, NAME), None, "{request:?}");
        }
    }

    /// Order 10 is in RAIN, order 20 in SNOW; any other is unknown.
    fn market_of(order: OrderId) -> Option<MarketId> {
        match order.0 {
            10 => Some(RAIN),
            20 => Some(SNOW),
            _ => None,
        }
    }

    fn check(request: &ParkedRequest, markets: &[MarketId]) {
        for market in [RAIN, SNOW, SUN] {
            assert_eq!(request.concerns(market, market_of), markets.contains(&market), "{request:?} {market:?}");
        }
    }

    #[test]
    fn a_request_concerns_the_market_of_its_order() {
        check(&ParkedRequest::Place(order(SUN, None)), &[SUN]);
        let amend = |order| ParkedRequest::Amend { order: OrderId(order), price: None, quantity: None };
        check(&amend(20), &[SNOW]);
        check(&amend(30), &[]);
        for claim in claims() {
            check(&claim, &[]);
        }
    }

    #[test]
    fn a_batch_concerns_the_market_of_each_request() {
        let batch = |requests: &[BatchRequest]| ParkedRequest::Batch(requests.to_vec());
        check(&batch(&[]), &[]);
        check(&batch(&[BatchRequest::Place(order(RAIN, None)), amend(named(SUN))]), &[RAIN, SUN]);
        check(
            &batch(&[BatchRequest::Cancel(OrderRef::Id(OrderId(10))), amend(OrderRef::Id(OrderId(20)))]),
            &[RAIN, SNOW],
        );
        check(&batch(&[BatchRequest::Cancel(named(SNOW)), BatchRequest::Cancel(OrderRef::Id(OrderId(30)))]), &[SNOW]);
    }
}
