//! Orders: what is asked for, and how it enters a market's one book.

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
    /// What an order wants of its contract.
    Side: u8 {
        /// Pay credits, get contracts.
        Buy = 0, "BUY";
        /// Give contracts, get credits.
        Sell = 1, "SELL";
    }
}

/// How long an order waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum TimeInForce {
    /// Good till cancelled: the remainder rests.
    Gtc,
    /// Good till a date: the remainder rests and expires by itself. An order whose time has come never trades.
    Gtd {
        /// The first moment at which it is no longer there; must be in the future.
        expires: Timestamp,
    },
    /// Immediate or cancel: the remainder is cancelled.
    Ioc,
    /// Fill or kill: all of it at once, or nothing.
    Fok,
}

impl TimeInForce {
    /// Every name in JSON and SQL.
    pub const NAMES: [&'static str; 4] = ["GTC", "GTD", "IOC", "FOK"];

    /// The name in JSON and SQL.
    #[inline]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gtc => Self::NAMES[0],
            Self::Gtd { .. } => Self::NAMES[1],
            Self::Ioc => Self::NAMES[2],
            Self::Fok => Self::NAMES[3],
        }
    }

    /// True if a remainder stays in the book.
    #[inline]
    pub const fn rests(self) -> bool {
        matches!(self, Self::Gtc | Self::Gtd { .. })
    }

    /// When the order expires, if it does so by itself.
    #[inline]
    pub const fn expires(self) -> Option<Timestamp> {
        match self {
            Self::Gtd { expires } => Some(expires),
            Self::Gtc | Self::Ioc | Self::Fok => None,
        }
    }
}

wire_enum! {
    /// What an order that must not take does when it would.
    PostOnly: u8 {
        /// It may take.
        Off = 0, "OFF";
        /// It is refused.
        Reject = 1, "REJECT";
        /// It rests one tick of the market away from the best order on the other side.
        Reprice = 2, "REPRICE";
    }
}

wire_enum! {
    /// What happens when an order that comes in meets one of its own account. The order that comes in decides.
    SelfTrade: u8 {
        /// They trade.
        Allow = 0, "ALLOW";
        /// The rest of the order that comes in is cancelled.
        CancelNewest = 1, "CANCEL_NEWEST";
        /// The resting order is cancelled; the other goes on.
        CancelOldest = 2, "CANCEL_OLDEST";
        /// Both are cancelled.
        CancelBoth = 3, "CANCEL_BOTH";
        /// Both lose the smaller of the two quantities without a trade; a budget loses what they would have cost.
        Decrement = 4, "DECREMENT";
    }
}

/// What an order wants besides its terms.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Instructions {
    /// What happens when it meets an order of its own account.
    pub self_trade: SelfTrade,
    /// Refused if the log's time is past this when it is decided.
    pub deadline: Option<Timestamp>,
    /// Cancelled when its market pauses, instead of keeping its place.
    pub cancel_on_pause: bool,
    /// It leaves its account with fewer contracts, never with more. It sells, or buys the other contract, at most what
    /// its account has of them that no resting sell reserves and no other resting reduce-only buy will take. What is
    /// beyond is cut off when it comes in; a buy that rests loses what comes to be beyond later.
    pub reduce_only: bool,
    /// The group of its account's orders that it belongs to.
    pub group: Option<GroupId>,
}

impl Default for Instructions {
    /// Cancels the newest on self-trade; no deadline; keeps its place in a pause; may enlarge its account's position; in
    /// no group.
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
    /// Where an order stands. `ACTIVE` and `PARTIALLY_FILLED` are live.
    Status: u8 {
        /// In the book, nothing filled yet.
        Active = 0, "ACTIVE";
        /// In the book, a part filled.
        PartiallyFilled = 1, "PARTIALLY_FILLED";
        /// All filled.
        Filled = 2, "FILLED";
        /// Ended with a remainder, by its owner, its time in force or its market's end.
        Cancelled = 3, "CANCELLED";
        /// Ended by its own time.
        Expired = 4, "EXPIRED";
        /// Refused; nothing happened.
        Rejected = 5, "REJECTED";
    }
}

impl Status {
    /// True while the order can still fill.
    #[inline]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Active | Self::PartiallyFilled)
    }
}

wire_enum! {
    /// A side of the book, which is quoted in YES.
    BookSide: u8 {
        /// Wants YES to be worth more: BUY YES and SELL NO.
        Bid = 0, "BID";
        /// Wants YES to be worth less: SELL YES and BUY NO.
        Ask = 1, "ASK";
    }
}

impl BookSide {
    /// The side it matches.
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
    /// How an order enters the one book: its contract and side in one word.
    Entry: u8 {
        /// A bid that pays credits.
        BuyYes = 0, "BUY_YES";
        /// A bid (at 1 − p) that gives NO contracts.
        SellNo = 1, "SELL_NO";
        /// An ask that gives YES contracts.
        SellYes = 2, "SELL_YES";
        /// An ask (at 1 − p) that pays credits.
        BuyNo = 3, "BUY_NO";
    }
}

impl Entry {
    /// From the words of the order.
    #[inline]
    pub const fn of(contract: Contract, side: Side) -> Self {
        match (side, contract) {
            (Side::Buy, Contract::Yes) => Self::BuyYes,
            (Side::Sell, Contract::No) => Self::SellNo,
            (Side::Sell, Contract::Yes) => Self::SellYes,
            (Side::Buy, Contract::No) => Self::BuyNo,
        }
    }

    /// The contract that is bought or sold.
    // The bits of the code, so that no branch depends on what the next order is: the low one is the contract, the high one the side of
    // the book, and what an order wants of its contract is whether they agree. (The tests have it in words.)
    #[inline]
    pub const fn contract(self) -> Contract {
        if self.code() & 1 == 0 { Contract::Yes } else { Contract::No }
    }

    /// Bought or sold.
    #[inline]
    pub const fn side(self) -> Side {
        if (self.code() >> 1) ^ (self.code() & 1) == 0 { Side::Buy } else { Side::Sell }
    }

    /// The side of the book.
    #[inline]
    pub const fn book_side(self) -> BookSide {
        if self.code() >> 1 == 0 { BookSide::Bid } else { BookSide::Ask }
    }

    /// Turns the contract's price into the book's (YES) price, and back.
    #[inline]
    pub const fn book_price(self, price: Price) -> Price {
        if self.code() & 1 == 0 { price } else { price.complement() }
    }

    /// The contracts that an account has fewer of once such an order has filled and its pairs are redeemed: those that
    /// are sold, or the other ones of those that are bought.
    #[inline]
    pub const fn reduces(self) -> Contract {
        match self.side() {
            Side::Buy => self.contract().other(),
            Side::Sell => self.contract(),
        }
    }
}

/// How much, at what price, for how long. Prices are the contract's own (not the book's).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Terms {
    /// `quantity` contracts at `price` or better.
    Limit {
        /// The worst price to accept.
        price: Price,
        /// Contracts; 0 is refused.
        quantity: Quantity,
        /// What happens with a remainder.
        time_in_force: TimeInForce,
        /// Whether it may take.
        post_only: PostOnly,
    },
    /// `quantity` contracts now, at `worst_price` or better; the remainder is cancelled.
    Market {
        /// Contracts; 0 is refused.
        quantity: Quantity,
        /// The worst price to accept.
        worst_price: Price,
    },
    /// As many contracts as `budget` buys now, fees included. Only to buy.
    Budget {
        /// What may be spent; must be positive.
        budget: Credits,
    },
}

impl Terms {
    /// The worst price that the order accepts, in its contract's own terms. A buy with a budget takes any.
    #[inline]
    pub const fn limit(&self) -> Price {
        match self {
            Self::Limit { price, .. } => *price,
            Self::Market { worst_price, .. } => *worst_price,
            Self::Budget { .. } => Price::MAX,
        }
    }

    /// Contracts that are asked for; none by budget.
    #[inline]
    pub const fn contracts(&self) -> Quantity {
        match self {
            Self::Limit { quantity, .. } | Self::Market { quantity, .. } => *quantity,
            Self::Budget { .. } => Quantity::ZERO,
        }
    }

    /// How long the order waits. Only a limit order can wait at all.
    #[inline]
    pub const fn time_in_force(&self) -> TimeInForce {
        match self {
            Self::Limit { time_in_force, .. } => *time_in_force,
            Self::Market { .. } | Self::Budget { .. } => TimeInForce::Ioc,
        }
    }

    /// Whether the order may take.
    #[inline]
    pub const fn post_only(&self) -> PostOnly {
        match self {
            Self::Limit { post_only, .. } => *post_only,
            Self::Market { .. } | Self::Budget { .. } => PostOnly::Off,
        }
    }
}

growing! {
    /// An order as its account asks for it.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct NewOrder {
        /// Whose order.
        pub account: AccountId,
        /// In which market.
        pub market: MarketId,
        /// For which contract, and whether to buy or sell it.
        pub entry: Entry,
        /// How much, at what price, for how long.
        pub terms: Terms,
        /// The highest fee rate that the order accepts. A buy holds credits for it, so what it holds follows from the
        /// order alone; it is refused if the rate is below either of its market's.
        pub fee_rate: FeeRate,
        /// The client's own name for this order, within its account and market. A repeat yields the first outcome
        /// again.
        pub client_id: Option<ClientId>,
        /// What it wants besides.
        pub instructions: Instructions,
    }
}

impl NewOrder {
    /// The latest moment that it names, if it names any.
    pub fn latest_time(&self) -> Option<Timestamp> {
        self.terms.time_in_force().expires().max(self.instructions.deadline)
    }
}

impl NewOrder {
    /// What a buy holds of its account's credits until it ends; nothing for a sell. One that only reduces holds that
    /// for the contracts that it is let in with: [`NewOrder::hold_for`].
    #[inline]
    pub fn hold(&self) -> Credits {
        self.hold_for(self.terms.contracts())
    }

    /// What a buy holds that is let in with so many contracts; a budget, whatever it buys.
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

/// How a client names one of its orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum OrderRef {
    /// By the id that the exchange gave it.
    Id(OrderId),
    /// By the client's own name for it.
    ClientId {
        /// The order's market.
        market: MarketId,
        /// The name within the account and the market.
        client_id: ClientId,
    },
}

impl OrderRef {
    /// The shard where the order is, if it is anywhere.
    pub fn shard(self, map: crate::shard_map::ShardMap) -> Shard {
        match self {
            Self::Id(id) => id.shard(),
            Self::ClientId { market, .. } => map.of_market(market),
        }
    }
}

/// A change of a live order.
///
/// | change                                  | place in the queue | if it crosses |
/// |-----------------------------------------|--------------------|---------------|
/// | quantity down, price as it was          | kept               | it does not   |
/// | price changed, or quantity up           | lost               | it matches    |
///
/// Whatever refuses the change leaves the order as it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Amendment {
    /// Whose order; another account's order is as unknown as one that never was.
    pub account: AccountId,
    /// Which order.
    pub order: OrderId,
    /// The new limit in its contract's own terms; `None` leaves it.
    pub price: Option<Price>,
    /// The new quantity, with what is filled already; `None` leaves it.
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
