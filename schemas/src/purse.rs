//! Purses: an account's credits and room for orders on one shard, and what moves between them.
//!
//! An account has a purse on each shard where it trades. Its home keeps what is one for the account, lends the other purses
//! credits and room when they ask, and takes back what they do not need.

use bincode::{Decode, Encode};

use crate::account::AccountLimits;
use crate::command::BatchRequest;
use crate::event::CancelReason;
use crate::group::{GroupId, GroupNow};
use crate::ids::{AccountId, AdminId, ClientId, CommandId, MarketId, OrderId, Shard};
use crate::money::{Credits, Price, Quantity};
use crate::order::{NewOrder, OrderRef};
use crate::time::Timestamp;

/// How many live orders, and how many held credits, a purse may have: its share of the account's limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct Room {
    /// Live orders.
    pub orders: u32,
    /// Credits that live buys hold.
    pub held: Credits,
}

impl Room {
    /// No room.
    pub const ZERO: Self = Self { orders: 0, held: Credits::ZERO };
    /// More than any purse can use: what a purse has of an account without limits.
    pub const ALL: Self = Self { orders: u32::MAX, held: Credits(i64::MAX) };

    /// True if there is none of either.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// What is left of each without `other`, not below none.
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
    /// Nothing.
    pub const NOTHING: Self = Self { credits: Credits::ZERO, room: Room::ZERO };

    /// Credits alone.
    pub fn credits(credits: Credits) -> Self {
        Self { credits, room: Room::ZERO }
    }

    /// True if nothing is missing.
    pub fn is_nothing(self) -> bool {
        self == Self::NOTHING
    }
}

/// A request that waits: for credits or room from its account's home, or at the home for what other purses give back.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Parked {
    /// Whose.
    pub account: AccountId,
    /// Names it on its shard.
    pub ticket: u64,
    /// The command that it came with, which is answered later.
    pub command: CommandId,
    /// Its place in its batch, if it was one of several.
    pub index: Option<u16>,
    /// Refused if it is not decided by then.
    pub deadline: Timestamp,
    /// What is asked.
    pub request: ParkedRequest,
}

/// What a parked request asks.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum ParkedRequest {
    /// Market's shard: as [`Command::PlaceOrder`](crate::Command::PlaceOrder).
    Place(NewOrder),
    /// Market's shard: as [`Command::AmendOrder`](crate::Command::AmendOrder).
    Amend {
        /// Which order.
        order: OrderId,
        /// The new limit; `None` leaves it.
        price: Option<Price>,
        /// The new quantity, with what is filled already; `None` leaves it.
        quantity: Option<Quantity>,
    },
    /// Market's shard: an all-or-nothing batch.
    Batch(Vec<BatchRequest>),
    /// Home: what the purse on a shard asks for. (The home's own purse may ask, too.)
    Fund {
        /// Whose purse: the shard's.
        shard: Shard,
        /// What it lacks.
        need: Need,
    },
    /// Home: as [`Command::Withdraw`](crate::Command::Withdraw).
    Withdraw {
        /// How much.
        amount: Credits,
        /// The client's own name for it.
        client_id: Option<ClientId>,
        /// Who asks.
        by: AdminId,
    },
    /// Home: as [`Command::Transfer`](crate::Command::Transfer).
    Transfer {
        /// Who gets.
        to: AccountId,
        /// How much.
        amount: Credits,
        /// The client's own name for it.
        client_id: Option<ClientId>,
    },
}

impl ParkedRequest {
    /// True if it waits at its account's home for credits or room that other purses have.
    pub fn is_claim(&self) -> bool {
        matches!(self, Self::Fund { .. } | Self::Withdraw { .. } | Self::Transfer { .. })
    }

    /// The order under this name that it would place.
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

    /// True if it is about this market.
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

/// What an account's home tells every shard where the account has a purse. Each answers with [`Returned`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum PurseInstruction {
    /// Give back what is free: all of it up to this much, and at least half.
    Recall(Need),
    /// Only cancel, from now on.
    Freeze {
        /// Who asks.
        by: AdminId,
    },
    /// The end of a freeze.
    Unfreeze {
        /// Who asks.
        by: AdminId,
    },
    /// Give back all free room, and ask again before the next order: the account's limits have changed.
    Limit {
        /// From now on.
        limits: AccountLimits,
        /// Who asks.
        by: AdminId,
    },
    /// End all orders of the account, parked ones included.
    MassCancel(CancelReason),
    /// A group of the account's orders is this now.
    Group {
        /// Which.
        group: GroupId,
        /// What; `None`: it is deleted.
        now: Option<GroupNow>,
    },
}

/// What a purse away from home sends back to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Returned {
    /// Whose purse.
    pub account: AccountId,
    /// Credits that were available there.
    pub credits: Credits,
    /// Room that was free there.
    pub room: Room,
    /// The instruction that this answers; `None` if the purse rests or its market has paid out.
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

    /// What waits at an account's home.
    fn claims() -> [ParkedRequest; 3] {
        let (amount, client_id) = (Credits(8), Some(NAME));
        [
            ParkedRequest::Fund { shard: Shard::new(0).expect("a shard"), need: Need::credits(amount) },
            ParkedRequest::Withdraw { amount, client_id, by: AdminId(1) },
            ParkedRequest::Transfer { to: AccountId(9), amount, client_id },
        ]
    }

    /// What waits at a market's shard.
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
