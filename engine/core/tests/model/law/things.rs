//! Accounts, markets, orders and positions.

use std::collections::{BTreeMap, BTreeSet};

use schemas::market::Resolution;
use schemas::{
    AccountId, AccountLimits, ApiKey, ApiKeyId, BookSide, Contract, Credits, Entry, FeeRate, GroupId, Listing,
    MarketId, MarketLimits, MarketState, OrderId, PostOnly, Price, Quantity, Rejection, SelfTrade, Shard, Side, Status,
    Timestamp,
};

use super::about::Yes;
use super::{Answer, Model};

#[derive(Clone, Default)]
pub struct Account {
    /// The sum of all shards.
    pub available: Credits,
    /// Shards with a purse of the account: its home shard, and each shard that accepted an order of
    /// it.
    pub purses: BTreeSet<Shard>,
    pub frozen: bool,
    pub limits: AccountLimits,
    pub dead_man: Option<Timestamp>,
    pub keys: BTreeMap<ApiKeyId, ApiKey>,
}

#[derive(Clone)]
pub struct Market {
    pub listing: Listing,
    pub state: MarketState,
    pub limits: MarketLimits,
    /// The time of its payout.
    pub settled: Option<Timestamp>,
    /// Its index among the markets of its shard: the first free one when it is listed.
    pub place: usize,
    pub resolution: Option<Resolution>,
    /// It has traded.
    pub traded: bool,
    /// Number of clarifications of its rules.
    pub clarifications: u8,
    /// Number of times that it has claimed its event's YES.
    pub claims: u32,
    /// The last answer, if the claim is still wanted.
    pub yes: Option<Yes>,
    pub collateral: Credits,
    pub fees: Credits,
    pub positions: BTreeMap<AccountId, Position>,
    /// The book: bids, then asks; each side in the order in which it fills.
    pub orders: Vec<Order>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Position {
    pub yes: u64,
    pub no: u64,
}

impl Position {
    pub fn of(&self, contract: Contract) -> u64 {
        match contract {
            Contract::Yes => self.yes,
            Contract::No => self.no,
        }
    }

    pub fn of_mut(&mut self, contract: Contract) -> &mut u64 {
        match contract {
            Contract::Yes => &mut self.yes,
            Contract::No => &mut self.no,
        }
    }
}

/// A resting order, or one that is being matched.
#[derive(Clone, Copy)]
pub struct Order {
    pub id: OrderId,
    pub account: AccountId,
    pub entry: Entry,
    /// The price in YES.
    pub price: Price,
    /// The quantity, filled contracts included.
    pub quantity: Quantity,
    pub filled: Quantity,
    pub fee_rate: FeeRate,
    pub expires: Option<Timestamp>,
    pub self_trade: SelfTrade,
    pub post_only: PostOnly,
    pub cancel_on_pause: bool,
    pub reduce_only: bool,
    pub group: Option<GroupId>,
}

impl Order {
    pub fn left(&self) -> Quantity {
        self.quantity - self.filled
    }

    pub fn side(&self) -> BookSide {
        self.entry.book_side()
    }

    pub fn sells(&self) -> bool {
        self.entry.side() == Side::Sell
    }

    /// Returns the credits that it would hold for so many contracts at this price of the book.
    pub fn hold_for(&self, price: Price, quantity: Quantity) -> Credits {
        if self.sells() { Credits::ZERO } else { self.fee_rate.hold(self.entry.book_price(price), quantity) }
    }

    pub fn hold(&self) -> Credits {
        self.hold_for(self.price, self.left())
    }

    pub fn is_gone(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// True if it may trade at the price of `other`.
    pub fn reaches(&self, other: Price) -> bool {
        match self.side() {
            BookSide::Bid => other <= self.price,
            BookSide::Ask => other >= self.price,
        }
    }
}

impl Market {
    pub fn id(&self) -> MarketId {
        self.listing.market
    }

    pub fn is_open(&self, now: Timestamp) -> bool {
        self.state == MarketState::Open && now < self.listing.expiry
    }

    pub fn position(&self, account: AccountId) -> Position {
        self.positions.get(&account).copied().unwrap_or_default()
    }

    /// Contracts that the account's resting sells would deliver.
    pub fn reserved(&self, account: AccountId, contract: Contract) -> u64 {
        let sells = self.of_account(account).filter(|o| o.sells() && o.entry.contract() == contract);
        sells.map(|order| u64::from(order.left().contracts())).sum()
    }

    pub fn free(&self, account: AccountId, contract: Contract) -> u64 {
        self.position(account).of(contract) - self.reserved(account, contract)
    }

    pub fn of_account(&self, account: AccountId) -> impl Iterator<Item = &Order> {
        self.orders.iter().filter(move |order| order.account == account)
    }

    pub fn order(&self, id: OrderId) -> Option<&Order> {
        self.orders.iter().find(|order| order.id == id)
    }

    pub fn order_mut(&mut self, id: OrderId) -> &mut Order {
        self.orders.iter_mut().find(|order| order.id == id).expect("it rests")
    }

    pub fn on_side(&self, side: BookSide) -> impl Iterator<Item = &Order> {
        self.orders.iter().filter(move |order| order.side() == side)
    }

    /// Behind all orders at its price.
    pub fn rest(&mut self, order: Order) {
        self.orders.push(order);
        self.orders.sort_by_key(|order| match order.side() {
            BookSide::Bid => (0, u16::MAX - order.price.ticks()),
            BookSide::Ask => (1, order.price.ticks()),
        });
    }

    pub fn take_out(&mut self, id: OrderId) -> Order {
        let at = self.orders.iter().position(|order| order.id == id).expect("it rests");
        self.orders.remove(at)
    }

    pub fn gain(&mut self, account: AccountId, contract: Contract, contracts: Quantity) {
        *self.positions.entry(account).or_default().of_mut(contract) += u64::from(contracts.contracts());
    }

    pub fn lose(&mut self, account: AccountId, contract: Contract, contracts: u64) {
        let position = self.positions.entry(account).or_default();
        *position.of_mut(contract) -= contracts;
        if *position == Position::default() {
            self.positions.remove(&account);
        }
    }
}

impl Model {
    pub fn home(&self, account: AccountId) -> Shard {
        self.map.of_account(account)
    }

    pub(super) fn known(&self, account: AccountId) -> Answer<&Account> {
        self.accounts.get(&account).ok_or(Rejection::AccountUnknown)
    }

    /// Returns an account that is not frozen.
    pub(super) fn active(&self, account: AccountId) -> Answer<&Account> {
        let found = self.known(account)?;
        if found.frozen { Err(Rejection::AccountFrozen) } else { Ok(found) }
    }

    /// Returns an account whose home shard this is.
    pub(super) fn account_here(&self, account: AccountId) -> Answer<&Account> {
        if self.home(account) == self.at { self.known(account) } else { Err(Rejection::WrongShard) }
    }

    /// A purse knows at once that its account is frozen.
    pub(super) fn check_purse(&self, account: AccountId) -> Answer<()> {
        let frozen = |found: &Account| found.frozen && found.purses.contains(&self.at);
        if self.accounts.get(&account).is_some_and(frozen) { Err(Rejection::AccountFrozen) } else { Ok(()) }
    }

    pub(super) fn account(&self, account: AccountId) -> &Account {
        self.accounts.get(&account).expect("the account is known")
    }

    pub(super) fn account_mut(&mut self, account: AccountId) -> &mut Account {
        self.accounts.get_mut(&account).expect("the account is known")
    }

    pub fn find_market(&self, id: MarketId) -> Option<&Market> {
        self.markets.iter().find(|market| market.id() == id)
    }

    pub(super) fn market(&self, id: MarketId) -> &Market {
        self.find_market(id).expect("the market is known")
    }

    pub(super) fn market_mut(&mut self, id: MarketId) -> &mut Market {
        self.markets.iter_mut().find(|market| market.id() == id).expect("the market is known")
    }

    /// A live order of this account, and its market. One whose time has come is gone.
    pub(super) fn live_order(&self, account: AccountId, id: OrderId) -> Answer<(&Market, &Order)> {
        let found = self.markets.iter().find_map(|market| Some((market, market.order(id)?)));
        let own = found.filter(|(_, order)| order.account == account);
        match (own, self.ended.get(&id).filter(|(owner, _)| *owner == account)) {
            (Some((_, order)), _) if order.is_gone(self.now) => Err(Rejection::OrderExpired),
            (Some(live), _) => Ok(live),
            (None, Some((_, Status::Filled))) => Err(Rejection::OrderFilled),
            (None, Some((_, Status::Expired))) => Err(Rejection::OrderExpired),
            (None, Some(_)) => Err(Rejection::OrderCancelled),
            (None, None) => Err(Rejection::OrderUnknown),
        }
    }
}
