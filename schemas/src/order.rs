//! Orders: their terms, and how they enter a market's single book.

use bincode::{Decode, Encode};

use crate::group::GroupId;
use crate::ids::{AccountId, ClientId, MarketId, OrderId, Shard};
use crate::money::{Credits, FeeRate, Price, Quantity};
use crate::time::Timestamp;

wire_enum! {
    /// One of a market's two outcomes.
    Contract: u8 {
        /// Pays 1 credit if the answer is yes.
        Yes = 0, "YES";
        /// Pays 1 credit if the answer is no.
        No = 1, "NO";
    }
}

impl Contract {
    /// The other outcome.
    #[must_use]
    #[inline]
    pub const fn other(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
        }
    }
}

wire_enum! {
    /// Whether an order buys or sells its contract.
    Side: u8 {
        /// Pay credits, receive contracts.
        Buy = 0, "BUY";
        /// Deliver contracts, receive credits.
        Sell = 1, "SELL";
    }
}

/// How long an order stays live.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum TimeInForce {
    /// Good till cancelled: the remainder rests.
    Gtc,
    /// Good till a date: the remainder rests until the order expires. An order never trades at or
    /// after its expiry.
    Gtd {
        /// The expiry: the first moment at which the order is no longer live. It must be in the
        /// future.
        expires: Timestamp,
    },
    /// Immediate or cancel: the remainder is cancelled.
    Ioc,
    /// Fill or kill: the whole quantity at once, or nothing.
    Fok,
}

impl TimeInForce {
    /// All names in JSON and SQL.
    pub const NAMES: [&'static str; 4] = ["GTC", "GTD", "IOC", "FOK"];

    /// Returns the name in JSON and SQL.
    #[inline]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gtc => Self::NAMES[0],
            Self::Gtd { .. } => Self::NAMES[1],
            Self::Ioc => Self::NAMES[2],
            Self::Fok => Self::NAMES[3],
        }
    }

    /// Returns true if a remainder rests in the book.
    #[inline]
    pub const fn rests(self) -> bool {
        matches!(self, Self::Gtc | Self::Gtd { .. })
    }

    /// Returns the expiry of a `Gtd` order.
    #[inline]
    pub const fn expires(self) -> Option<Timestamp> {
        match self {
            Self::Gtd { expires } => Some(expires),
            Self::Gtc | Self::Ioc | Self::Fok => None,
        }
    }
}

wire_enum! {
    /// What happens when a post-only order would take liquidity.
    PostOnly: u8 {
        /// Not post-only: the order may take.
        Off = 0, "OFF";
        /// The order is refused.
        Reject = 1, "REJECT";
        /// The order rests one of the market's ticks away from the best order on the other side.
        Reprice = 2, "REPRICE";
    }
}

wire_enum! {
    /// What happens when an incoming order meets a resting order of its own account. The incoming
    /// order's setting applies.
    SelfTrade: u8 {
        /// They trade.
        Allow = 0, "ALLOW";
        /// The remainder of the incoming order is cancelled.
        CancelNewest = 1, "CANCEL_NEWEST";
        /// The resting order is cancelled; the incoming order continues.
        CancelOldest = 2, "CANCEL_OLDEST";
        /// Both are cancelled.
        CancelBoth = 3, "CANCEL_BOTH";
        /// Both are reduced by the smaller of the two quantities without a trade; a budget is
        /// reduced by what those contracts would have cost.
        Decrement = 4, "DECREMENT";
    }
}

/// An order's instructions besides its terms.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Instructions {
    /// What happens when the order meets an order of its own account.
    pub self_trade: SelfTrade,
    /// The order is refused if the log's time is past this when the order is decided.
    pub deadline: Option<Timestamp>,
    /// Cancels the order when its market pauses. Otherwise it keeps its queue priority.
    pub cancel_on_pause: bool,
    /// Reduce-only: the order never increases its account's position. It sells, or buys the
    /// opposite contract, at most the quantity that its account holds and that neither a resting
    /// sell reserves nor another resting reduce-only buy will take. On arrival the excess is cut; a
    /// resting buy is cut later when an excess arises.
    pub reduce_only: bool,
    /// The group of its account's orders that the order belongs to.
    pub group: Option<GroupId>,
}

impl Default for Instructions {
    /// Cancels the newest order on self-trade; no deadline; keeps its priority in a pause; not
    /// reduce-only; in no group.
    fn default() -> Self {
        Self {
            self_trade: SelfTrade::CancelNewest,
            deadline: None,
            cancel_on_pause: false,
            reduce_only: false,
            group: None,
        }
    }
}

wire_enum! {
    /// The state of an order. `ACTIVE` and `PARTIALLY_FILLED` are live.
    Status: u8 {
        /// Resting in the book, nothing filled.
        Active = 0, "ACTIVE";
        /// Resting in the book, partly filled.
        PartiallyFilled = 1, "PARTIALLY_FILLED";
        /// Completely filled.
        Filled = 2, "FILLED";
        /// Ended with a remainder: cancelled by its owner, its time in force or the end of its
        /// market.
        Cancelled = 3, "CANCELLED";
        /// Ended at its expiry.
        Expired = 4, "EXPIRED";
        /// Refused, without any effect.
        Rejected = 5, "REJECTED";
    }
}

impl Status {
    /// Returns true while the order can still fill.
    #[inline]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Active | Self::PartiallyFilled)
    }
}

wire_enum! {
    /// A side of the book. The book is quoted in YES prices.
    BookSide: u8 {
        /// Profits if YES rises: BUY YES and SELL NO.
        Bid = 0, "BID";
        /// Profits if YES falls: SELL YES and BUY NO.
        Ask = 1, "ASK";
    }
}

impl BookSide {
    /// Returns the side it matches against.
    #[must_use]
    #[inline]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Bid => Self::Ask,
            Self::Ask => Self::Bid,
        }
    }
}

wire_enum! {
    /// How an order enters the single book: its contract and side in one value.
    Entry: u8 {
        /// A bid that pays credits.
        BuyYes = 0, "BUY_YES";
        /// A bid (at 1 − p) that delivers NO contracts.
        SellNo = 1, "SELL_NO";
        /// An ask that delivers YES contracts.
        SellYes = 2, "SELL_YES";
        /// An ask (at 1 − p) that pays credits.
        BuyNo = 3, "BUY_NO";
    }
}

impl Entry {
    /// Returns the entry for a contract and a side.
    #[inline]
    pub const fn of(contract: Contract, side: Side) -> Self {
        match (side, contract) {
            (Side::Buy, Contract::Yes) => Self::BuyYes,
            (Side::Sell, Contract::No) => Self::SellNo,
            (Side::Sell, Contract::Yes) => Self::SellYes,
            (Side::Buy, Contract::No) => Self::BuyNo,
        }
    }

    /// Returns the contract that is bought or sold.
    // Decoded from bits of the code, so that no branch depends on the next order: the low bit is
    // the contract, the high bit the book side, and the order buys or sells according to whether
    // they agree. (The tests state it in words.)
    #[inline]
    pub const fn contract(self) -> Contract {
        if self.code() & 1 == 0 { Contract::Yes } else { Contract::No }
    }

    /// Returns whether the order buys or sells.
    #[inline]
    pub const fn side(self) -> Side {
        if (self.code() >> 1) ^ (self.code() & 1) == 0 { Side::Buy } else { Side::Sell }
    }

    /// Returns the side of the book.
    #[inline]
    pub const fn book_side(self) -> BookSide {
        if self.code() >> 1 == 0 { BookSide::Bid } else { BookSide::Ask }
    }

    /// Converts between the contract's price and the book's (YES) price.
    #[inline]
    pub const fn book_price(self, price: Price) -> Price {
        if self.code() & 1 == 0 { price } else { price.complement() }
    }

    /// Returns the contract of which the account has fewer once the order has filled and pairs are
    /// redeemed: the contract that is sold, or the opposite of the contract that is bought.
    #[inline]
    pub const fn reduces(self) -> Contract {
        match self.side() {
            Side::Buy => self.contract().other(),
            Side::Sell => self.contract(),
        }
    }
}

/// An order's quantity, price and time in force. Prices are in terms of the order's own contract,
/// not of the book.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Terms {
    /// `quantity` contracts at `price` or better.
    Limit {
        /// The worst price that the order accepts.
        price: Price,
        /// Contracts; 0 is refused.
        quantity: Quantity,
        /// What happens to a remainder.
        time_in_force: TimeInForce,
        /// Whether the order may take.
        post_only: PostOnly,
    },
    /// `quantity` contracts now, at `worst_price` or better; the remainder is cancelled.
    Market {
        /// Contracts; 0 is refused.
        quantity: Quantity,
        /// The worst price that the order accepts.
        worst_price: Price,
    },
    /// As many contracts as `budget` buys now, fees included. Buys only.
    Budget {
        /// The amount to spend; must be positive.
        budget: Credits,
    },
}

impl Terms {
    /// Returns the worst price that the order accepts, in terms of its own contract. A buy with a
    /// budget accepts any price.
    #[inline]
    pub const fn limit(&self) -> Price {
        match self {
            Self::Limit { price, .. } => *price,
            Self::Market { worst_price, .. } => *worst_price,
            Self::Budget { .. } => Price::MAX,
        }
    }

    /// Returns the number of contracts that the order asks for; zero for a budget.
    #[inline]
    pub const fn contracts(&self) -> Quantity {
        match self {
            Self::Limit { quantity, .. } | Self::Market { quantity, .. } => *quantity,
            Self::Budget { .. } => Quantity::ZERO,
        }
    }

    /// Returns the time in force. Only limit orders can rest.
    #[inline]
    pub const fn time_in_force(&self) -> TimeInForce {
        match self {
            Self::Limit { time_in_force, .. } => *time_in_force,
            Self::Market { .. } | Self::Budget { .. } => TimeInForce::Ioc,
        }
    }

    /// Returns whether the order may take.
    #[inline]
    pub const fn post_only(&self) -> PostOnly {
        match self {
            Self::Limit { post_only, .. } => *post_only,
            Self::Market { .. } | Self::Budget { .. } => PostOnly::Off,
        }
    }
}

growing! {
    /// An order as its account submits it.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct NewOrder {
        /// The account that owns the order.
        pub account: AccountId,
        /// The market of the order.
        pub market: MarketId,
        /// The contract, and whether to buy or sell it.
        pub entry: Entry,
        /// Quantity, price and time in force.
        pub terms: Terms,
        /// The highest fee rate that the order accepts. A buy holds credits at this rate, so its
        /// hold depends on the order alone. The order is refused if this is below either of the
        /// market's rates.
        pub fee_rate: FeeRate,
        /// The client's id for this order, unique within its account and market. A repeat returns
        /// the first outcome again.
        pub client_id: Option<ClientId>,
        /// Further instructions.
        pub instructions: Instructions,
    }
}

impl NewOrder {
    /// Returns the latest time that the order names, if any.
    pub fn latest_time(&self) -> Option<Timestamp> {
        self.terms.time_in_force().expires().max(self.instructions.deadline)
    }
}

impl NewOrder {
    /// Returns the credits that a buy holds until it ends; zero for a sell. A reduce-only buy holds
    /// only for the contracts that it is admitted with: see [`NewOrder::hold_for`].
    #[inline]
    pub fn hold(&self) -> Credits {
        self.hold_for(self.terms.contracts())
    }

    /// Returns the hold of a buy that is admitted with this many contracts; for a budget, the
    /// budget.
    #[inline]
    pub fn hold_for(&self, contracts: Quantity) -> Credits {
        match (self.entry.side(), self.terms) {
            (Side::Sell, _) => Credits::ZERO,
            (Side::Buy, Terms::Budget { budget }) => budget,
            (Side::Buy, Terms::Limit { .. } | Terms::Market { .. }) => {
                self.fee_rate.hold(self.terms.limit(), contracts)
            }
        }
    }
}

/// A client's reference to one of its orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum OrderRef {
    /// The id that the exchange assigned.
    Id(OrderId),
    /// The client's own id for the order.
    ClientId {
        /// The order's market.
        market: MarketId,
        /// The client id, unique within the account and the market.
        client_id: ClientId,
    },
}

impl OrderRef {
    /// Returns the shard that the order is on, if it exists.
    pub fn shard(self, map: crate::shard_map::ShardMap) -> Shard {
        match self {
            Self::Id(id) => id.shard(),
            Self::ClientId { market, .. } => map.of_market(market),
        }
    }
}

/// A change of a live order.
///
/// | change                                  | queue priority     | if it crosses |
/// |-----------------------------------------|--------------------|---------------|
/// | quantity down, price unchanged          | kept               | it does not   |
/// | price changed, or quantity up           | lost               | it matches    |
///
/// If the change is refused, the order stays as it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Amendment {
    /// The account that owns the order. An order of another account is reported as unknown.
    pub account: AccountId,
    /// The order to change.
    pub order: OrderId,
    /// The new limit in terms of the order's own contract; `None` keeps the old one.
    pub price: Option<Price>,
    /// The new total quantity, including what is already filled; `None` keeps the old one.
    pub quantity: Option<Quantity>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_in_words() {
        let words = |entry: Entry| (entry.side(), entry.contract(), entry.book_side());
        assert_eq!(words(Entry::BuyYes), (Side::Buy, Contract::Yes, BookSide::Bid));
        assert_eq!(words(Entry::SellNo), (Side::Sell, Contract::No, BookSide::Bid));
        assert_eq!(words(Entry::SellYes), (Side::Sell, Contract::Yes, BookSide::Ask));
        assert_eq!(words(Entry::BuyNo), (Side::Buy, Contract::No, BookSide::Ask));
        let price = Price::new(3_000).unwrap();
        for &entry in Entry::ALL {
            assert_eq!(Entry::of(entry.contract(), entry.side()), entry);
            let expected = if entry.contract() == Contract::Yes { price } else { price.complement() };
            assert_eq!(entry.book_price(price), expected);
        }
    }

    #[test]
    fn an_order_is_on_its_markets_shard_by_either_name() {
        let map = crate::shard_map::ShardMap::new(4).unwrap();
        for market in (0..100).map(MarketId) {
            let shard = map.of_market(market);
            assert_eq!(OrderRef::Id(OrderId::compose(shard, 7)).shard(map), shard);
            assert_eq!(OrderRef::ClientId { market, client_id: ClientId(8) }.shard(map), shard);
        }
    }
}
