//! Derived look-up structures over a shard's facts. Not part of a snapshot: they are rebuilt.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{AccountId, ApiKeyId, Contract, Credits, GroupId, MarketId, OrderId, Quantity, Shard, Side, Timestamp};

use super::{MarketOrder, MarketPlaces, OrderMetadata, OwnOrders, Table};
use crate::hash::SlotHashes;

/// Look-ups over a shard's facts.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    /// When each market next changes state by time: one with an opening time opens, one that may
    /// still trade closes at its expiry, one with a confirmed answer pays out at the end of its
    /// dispute window, one that has paid out is archived.
    pub market_times: BTreeSet<(Timestamp, MarketId)>,
    /// The market of each book.
    pub market_places: MarketPlaces,
    /// The expiry of each live order that has one.
    pub order_expiries: BTreeSet<(Timestamp, OrderId)>,
    /// When each parked request or claim is refused: deadline, account, ticket.
    pub parked: BTreeSet<(Timestamp, AccountId, u64)>,
    /// The step at which each purse away from home has rested long enough to send its free credits
    /// home.
    pub resting_purses: BTreeSet<(u32, AccountId)>,
    /// When each dead-man switch fires.
    pub dead_man_switches: BTreeSet<(Timestamp, AccountId)>,
    /// The expiry of each API key that has one.
    pub key_expiries: BTreeSet<(Timestamp, AccountId, ApiKeyId)>,
    /// The live orders of each account.
    pub own_orders: OwnOrders,
    /// The hashes of live orders, by their slots in the books.
    pub order_hashes: SlotHashes,
    /// Live orders that are cancelled when their market pauses.
    pub cancel_on_pause: BTreeSet<(MarketId, OrderId)>,
    /// Markets that still have orders to cancel or positions to pay out.
    pub sweeping: BTreeSet<MarketId>,
    /// Resting reduce-only buys, by market, account and the contract that they buy.
    pub reducing: BTreeMap<(MarketId, AccountId, Contract), Reducing>,
    /// Resting orders of groups.
    pub group_orders: BTreeMap<(AccountId, GroupId), BTreeSet<OrderId>>,
    /// Groups whose home is elsewhere and must be notified: home, account, group.
    pub unreported: BTreeSet<(Shard, AccountId, GroupId)>,
    /// Exposure of accounts' live orders, in the markets that limit it.
    pub exposures: BTreeMap<MarketId, Table<AccountId, Exposure>>,
}

/// Resting reduce-only buys of one account for one contract of one market.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reducing {
    /// Contracts that they want.
    pub contracts: u64,
    /// The orders, oldest first; at most [`REDUCE_ONLY_MAX`](schemas::limits::REDUCE_ONLY_MAX).
    pub orders: BTreeSet<OrderId>,
}

/// The total exposure of one account's live orders in one market.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Exposure {
    pub live_orders: u32,
    /// Their value at their own limits.
    pub notional: Credits,
    /// YES contracts that its buys want.
    pub yes: u64,
    /// NO contracts that its buys want.
    pub no: u64,
}

impl Exposure {
    /// Returns the exposure of a live order.
    pub fn of_live(order: &MarketOrder) -> Self {
        Self { live_orders: 1, ..Self::of(order, order.contracts()) }
    }

    /// Returns the exposure of `quantity` contracts of an order.
    pub fn of(order: &MarketOrder, quantity: Quantity) -> Self {
        let price = order.owner.entry.book_price(order.book_price());
        let wanted = match order.owner.entry.side() {
            Side::Buy => u64::from(quantity.contracts()),
            Side::Sell => 0,
        };
        let (yes, no) = match order.owner.entry.contract() {
            Contract::Yes => (wanted, 0),
            Contract::No => (0, wanted),
        };
        Self { live_orders: 0, notional: price.cost(quantity), yes, no }
    }

    /// Returns the contracts of one kind that its buys want.
    pub fn wanted(&self, contract: Contract) -> u64 {
        match contract {
            Contract::Yes => self.yes,
            Contract::No => self.no,
        }
    }

    pub fn add(&mut self, other: &Self) {
        self.live_orders += other.live_orders;
        self.notional += other.notional;
        self.yes += other.yes;
        self.no += other.no;
    }

    pub fn subtract(&mut self, other: &Self) {
        self.live_orders -= other.live_orders;
        self.notional -= other.notional;
        self.yes -= other.yes;
        self.no -= other.no;
    }
}

impl Lookup {
    /// Adds an order that came to rest in a market's book.
    pub fn order_rests(&mut self, market: MarketId, order: &MarketOrder) {
        if order.owner.expires != OrderMetadata::NEVER {
            self.order_expiries.insert((order.owner.expires, order.id));
        }
        if order.owner.cancel_on_pause {
            self.cancel_on_pause.insert((market, order.id));
        }
        if let Some(group) = order.group() {
            self.group_orders.entry(group).or_default().insert(order.id);
        }
        if order.shrinks() {
            let reducing = self.reducing.entry(reducing_key(market, order)).or_default();
            reducing.contracts += u64::from(order.remaining);
            reducing.orders.insert(order.id);
        }
        if let Some(exposures) = self.exposures.get_mut(&market) {
            exposures.get_or_default(order.owner.account).add(&Exposure::of_live(order));
        }
    }

    /// Updates for a resting order that lost `quantity` contracts, given as it was before; with
    /// none left it is removed.
    pub fn order_loses(&mut self, market: MarketId, order: &MarketOrder, quantity: Quantity) {
        let gone = order.contracts() == quantity;
        if gone {
            if order.owner.expires != OrderMetadata::NEVER {
                self.order_expiries.remove(&(order.owner.expires, order.id));
            }
            if order.owner.cancel_on_pause {
                self.cancel_on_pause.remove(&(market, order.id));
            }
            if let Some(group) = order.group() {
                self.leaves_group(group, order.id);
            }
        }
        if order.shrinks() {
            self.reduces_less(market, order, quantity);
        }
        if let Some(exposures) = self.exposures.get_mut(&market) {
            let exposure = exposures.get_or_default(order.owner.account);
            exposure.subtract(&Exposure { live_orders: u32::from(gone), ..Exposure::of(order, quantity) });
            if *exposure == Exposure::default() {
                exposures.remove(order.owner.account);
            }
        }
    }

    #[cold]
    fn leaves_group(&mut self, group: (AccountId, GroupId), order: OrderId) {
        let orders = self.group_orders.get_mut(&group).expect("it came to rest");
        orders.remove(&order);
        if orders.is_empty() {
            self.group_orders.remove(&group);
        }
    }

    #[cold]
    fn reduces_less(&mut self, market: MarketId, order: &MarketOrder, quantity: Quantity) {
        let key = reducing_key(market, order);
        let reducing = self.reducing.get_mut(&key).expect("it came to rest");
        reducing.contracts -= u64::from(quantity.contracts());
        if order.contracts() == quantity {
            reducing.orders.remove(&order.id);
            if reducing.orders.is_empty() {
                self.reducing.remove(&key);
            }
        }
    }

    /// Returns an account's resting reduce-only buys for one contract of a market. Usually there
    /// are none in any market.
    #[inline]
    pub fn reducing(&self, market: MarketId, account: AccountId, bought: Contract) -> Option<&Reducing> {
        if self.reducing.is_empty() { None } else { self.reducing.get(&(market, account, bought)) }
    }

    /// Returns a market's orders that are cancelled when it pauses, oldest first.
    pub fn paused_orders(&self, market: MarketId) -> impl Iterator<Item = OrderId> {
        let all = (market, OrderId(0))..=(market, OrderId(u64::MAX));
        self.cancel_on_pause.range(all).map(|(_, order)| *order)
    }
}

fn reducing_key(market: MarketId, order: &MarketOrder) -> (MarketId, AccountId, Contract) {
    (market, order.owner.account, order.owner.entry.contract())
}
