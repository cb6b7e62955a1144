//! A market on its home shard: its state, book and positions.

use bincode::{Decode, Encode};
use schemas::event::OrderPlaced;
use schemas::limits::MARKET_KEPT_MS;
use schemas::market::{Resolution, YesValue};
use schemas::{
    AccountId, BookSide, Credits, Entry, FeeRate, GroupId, MarketLimits, MarketState, OrderId, PostOnly, Price,
    Quantity, SelfTrade, Timestamp,
};

use super::{Hashed, Listed, YesClaim};
use crate::book::{BookKey, Books, Queue, Resting};

/// A market, on its home shard.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Market {
    /// The listing, without its texts.
    pub listing: Listed,
    /// The market's state.
    pub state: MarketState,
    /// Limits for each account in this market.
    pub limits: MarketLimits,
    /// When everything was paid out.
    pub settled: Option<Timestamp>,
    /// The answer, from RESOLVING on.
    pub resolution: Option<Resolution>,
    /// The market has traded: its listing can only be added to.
    pub traded: bool,
    /// How often it has claimed the YES of its market event.
    pub claims: u32,
    /// The result of the last claim, unless it was released.
    pub yes_claim: Option<YesClaim>,
    /// Credits that back its pairs (I-2).
    pub collateral: Credits,
    /// Fees collected.
    pub fees: Credits,
    /// YES contracts outstanding (I-2).
    pub yes: u64,
    /// NO contracts outstanding (I-2).
    pub no: u64,
    pub(crate) positions: Hashed<AccountId, Position>,
    pub(crate) book: BookKey,
}

/// Contracts of one account in one market. An empty position is not stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct Position {
    /// YES contracts held.
    pub yes: u64,
    /// NO contracts held.
    pub no: u64,
    /// YES contracts reserved by resting sells.
    pub yes_reserved: u64,
    /// NO contracts reserved by resting sells.
    pub no_reserved: u64,
}

impl Position {
    /// Returns the contracts held.
    pub fn held(&self, contract: schemas::Contract) -> u64 {
        match contract {
            schemas::Contract::Yes => self.yes,
            schemas::Contract::No => self.no,
        }
    }

    /// Returns the contracts that no sell reserves.
    pub fn free(&self, contract: schemas::Contract) -> u64 {
        match contract {
            schemas::Contract::Yes => self.yes - self.yes_reserved,
            schemas::Contract::No => self.no - self.no_reserved,
        }
    }

    /// Returns the number of pairs of unreserved YES and NO, which are redeemed for credits at
    /// once.
    pub fn pairs(&self) -> u64 {
        self.free(schemas::Contract::Yes).min(self.free(schemas::Contract::No))
    }
}

/// The metadata of a resting order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct OrderMetadata {
    pub account: AccountId,
    /// When it expires; [`OrderMetadata::NEVER`] if it does not expire.
    pub expires: Timestamp,
    /// The fee rate with which a buy's hold was computed.
    pub fee_rate: FeeRate,
    /// The order's total contracts, including filled ones.
    pub quantity: Quantity,
    pub entry: Entry,
    /// The self-trade prevention that applies when an amendment crosses.
    pub self_trade: SelfTrade,
    /// The post-only policy that applies when an amendment crosses.
    pub post_only: PostOnly,
    pub cancel_on_pause: bool,
    /// Reduce-only: the order never leaves its account with more contracts.
    pub reduce_only: bool,
    /// The group, of the same account, that contains the order.
    pub group: Option<GroupId>,
}

// With its links in the queue, an order fills one cache line.
const _: () = assert!(size_of::<OrderMetadata>() <= 32);

impl OrderMetadata {
    /// The expiry of an order without expiry; no order expires at this time.
    pub const NEVER: Timestamp = Timestamp(u64::MAX);

    /// Returns the credits that `quantity` contracts of this order still hold at book price
    /// `price`.
    pub fn hold(&self, price: Price, quantity: Quantity) -> Credits {
        match self.entry.side() {
            schemas::Side::Buy => self.fee_rate.hold(self.entry.book_price(price), quantity),
            schemas::Side::Sell => Credits::ZERO,
        }
    }
}

/// An order in a market's book.
pub type MarketOrder = Resting<OrderId, OrderMetadata>;

impl MarketOrder {
    /// Returns the resting form of an order that was accepted.
    #[inline]
    pub fn placed(placed: &OrderPlaced) -> Self {
        let order = &placed.order;
        let owner = OrderMetadata {
            account: order.account,
            expires: order.terms.time_in_force().expires().unwrap_or(OrderMetadata::NEVER),
            fee_rate: order.fee_rate,
            quantity: placed.quantity,
            entry: order.entry,
            self_trade: order.instructions.self_trade,
            post_only: order.terms.post_only(),
            cancel_on_pause: order.instructions.cancel_on_pause,
            reduce_only: order.instructions.reduce_only,
            group: order.instructions.group,
        };
        let (side, price) = (order.entry.book_side(), u32::from(placed.price.ticks()));
        Self { id: placed.id, side, price, remaining: placed.resting().contracts(), owner }
    }

    /// Returns true for a reduce-only buy, which shrinks when its account's position does. (What a
    /// sell gives is reserved, and stays.)
    #[inline]
    pub fn shrinks(&self) -> bool {
        self.owner.reduce_only && self.owner.entry.side() == schemas::Side::Buy
    }

    /// Returns the price in the book (YES).
    pub fn book_price(&self) -> Price {
        book_price(self.price)
    }

    /// Returns the contracts left.
    pub fn contracts(&self) -> Quantity {
        Quantity::new(self.remaining).expect("an order's quantity is bounded")
    }

    /// Returns the credits that it holds.
    pub fn held(&self) -> Credits {
        self.owner.hold(self.book_price(), self.contracts())
    }

    /// Returns the contracts filled so far.
    pub fn filled(&self) -> Quantity {
        self.owner.quantity - self.contracts()
    }

    /// Returns true if the order has expired: it never trades again, though it may still rest until
    /// the next `AdvanceTime`.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.owner.expires <= now
    }
}

/// Returns the price for a price of a market's book.
fn book_price(ticks: u32) -> Price {
    u16::try_from(ticks).ok().and_then(Price::new).expect("a market's book holds prices")
}

impl Market {
    /// Returns an account's contracts in this market.
    pub fn position(&self, account: AccountId) -> Position {
        self.positions.get(account).copied().unwrap_or_default()
    }

    /// Returns all positions, in the order in which they would be paid out.
    pub fn positions(&self) -> impl Iterator<Item = (AccountId, &Position)> {
        self.positions.iter()
    }

    /// Returns what a YES pays, once the market pays out.
    pub fn yes_value(&self) -> Option<YesValue> {
        self.resolution.filter(|_| self.state.is_final()).map(|resolution| resolution.answer.yes_value())
    }

    /// Returns when the market next changes state by time.
    pub(crate) fn moves_on(&self) -> Option<Timestamp> {
        if let Some(settled) = self.settled {
            return Some(Timestamp(settled.0.saturating_add(MARKET_KEPT_MS)));
        }
        match self.state {
            MarketState::Resolving => Some(self.resolution?.confirmed?.payout),
            MarketState::Created => {
                Some(self.listing.opens.map_or(self.listing.expiry, |opens| opens.min(self.listing.expiry)))
            }
            state => state.trades_later().then_some(self.listing.expiry),
        }
    }

    /// Returns true if positions must be paid out, or the end of the payout must still be recorded.
    pub(crate) fn pays_out(&self) -> bool {
        self.state.is_final() && self.settled.is_none()
    }
}

/// A market with its book.
#[derive(Clone, Copy, Debug)]
pub struct MarketView<'a> {
    pub(crate) market: &'a Market,
    pub(crate) books: &'a Books<OrderId, OrderMetadata>,
}

impl std::ops::Deref for MarketView<'_> {
    type Target = Market;

    fn deref(&self) -> &Market {
        self.market
    }
}

impl<'a> MarketView<'a> {
    /// Returns the live orders of one side in the order in which they would fill.
    pub(crate) fn queue(self, side: BookSide) -> Queue<'a, OrderId, OrderMetadata> {
        self.books.queue(self.market.book, side)
    }

    /// Returns true if an order of `side` with this limit crosses one on the other side.
    #[inline]
    pub(crate) fn meets(self, side: BookSide, limit: Price) -> bool {
        self.books.meets(self.market.book, side, u32::from(limit.ticks()))
    }

    /// Returns true if no order rests.
    pub(crate) fn has_no_orders(self) -> bool {
        self.books.is_empty(self.market.book)
    }

    /// Returns the highest bid or the lowest ask, in YES.
    pub fn best(self, side: BookSide) -> Option<Price> {
        self.books.best(self.market.book, side).map(book_price)
    }

    /// Returns the contracts that rest at a price.
    pub fn depth(self, side: BookSide, price: Price) -> u64 {
        self.books.depth(self.market.book, side, u32::from(price.ticks()))
    }

    /// Returns the live orders of one side in the order in which they would fill: id, account,
    /// entry, price, remaining, credits held.
    pub fn orders(
        self,
        side: BookSide,
    ) -> impl Iterator<Item = (OrderId, AccountId, Entry, Price, Quantity, Credits)> + use<'a> {
        self.queue(side).map(|order| {
            let (id, owner) = (order.id, order.owner);
            (id, owner.account, owner.entry, order.book_price(), order.contracts(), order.held())
        })
    }

    /// Returns all resting orders: bids, then asks, each in the order in which they would fill.
    pub(crate) fn all_orders(self) -> impl Iterator<Item = MarketOrder> + use<'a> {
        self.queue(BookSide::Bid).chain(self.queue(BookSide::Ask))
    }

    /// Returns true if live orders must be cancelled because trading has ended.
    pub(crate) fn ends_orders(self) -> bool {
        !self.market.state.trades_later() && !self.has_no_orders()
    }
}
