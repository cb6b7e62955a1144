//! Orders: what is asked for, and how it enters a market's one book.

use bincode::{Decode, Encode};

use crate::ids::{AccountId, ClientId, MarketId};
use crate::money::{Credits, FeeRate, Price, Quantity};

wire_enum! {
    /// One of a market's two outcomes.
    Contract: u8 {
        /// Pays 1 credit if the answer is yes.
        Yes = 0, "YES";
        /// Pays 1 credit if the answer is no.
        No = 1, "NO";
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

wire_enum! {
    /// How long an order waits.
    TimeInForce: u8 {
        /// Good till cancelled: the remainder rests.
        Gtc = 0, "GTC";
        /// Immediate or cancel: the remainder is cancelled.
        Ioc = 1, "IOC";
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
    pub const fn of(contract: Contract, side: Side) -> Self {
        match (side, contract) {
            (Side::Buy, Contract::Yes) => Self::BuyYes,
            (Side::Sell, Contract::No) => Self::SellNo,
            (Side::Sell, Contract::Yes) => Self::SellYes,
            (Side::Buy, Contract::No) => Self::BuyNo,
        }
    }

    /// The contract that is bought or sold.
    pub const fn contract(self) -> Contract {
        match self {
            Self::BuyYes | Self::SellYes => Contract::Yes,
            Self::BuyNo | Self::SellNo => Contract::No,
        }
    }

    /// Bought or sold.
    pub const fn side(self) -> Side {
        match self {
            Self::BuyYes | Self::BuyNo => Side::Buy,
            Self::SellYes | Self::SellNo => Side::Sell,
        }
    }

    /// The side of the book.
    pub const fn book_side(self) -> BookSide {
        match self {
            Self::BuyYes | Self::SellNo => BookSide::Bid,
            Self::SellYes | Self::BuyNo => BookSide::Ask,
        }
    }

    /// Turns the contract's price into the book's (YES) price, and back.
    pub const fn book_price(self, price: Price) -> Price {
        match self.contract() {
            Contract::Yes => price,
            Contract::No => price.complement(),
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
    pub const fn limit(&self) -> Price {
        match self {
            Self::Limit { price, .. } => *price,
            Self::Market { worst_price, .. } => *worst_price,
            Self::Budget { .. } => Price::MAX,
        }
    }

    /// True if a remainder stays in the book.
    pub const fn rests(&self) -> bool {
        matches!(self, Self::Limit { time_in_force: TimeInForce::Gtc, .. })
    }
}

/// An order as its account asks for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct NewOrder {
    /// Whose order.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// For which contract, and whether to buy or sell it.
    pub entry: Entry,
    /// How much, at what price, for how long.
    pub terms: Terms,
    /// The highest fee rate that the order accepts. A buy holds credits for it, since its account's shard may not know the
    /// market's rates; the market's shard refuses an order whose rate is below either of its own.
    pub fee_rate: FeeRate,
    /// The client's own name for this order. A repeat yields the first outcome again.
    pub client_id: Option<ClientId>,
}

impl NewOrder {
    /// What a buy holds at its account until it ends; nothing for a sell.
    pub fn hold(&self) -> Credits {
        match (self.entry.side(), self.terms) {
            (Side::Sell, _) => Credits::ZERO,
            (Side::Buy, Terms::Budget { budget }) => budget,
            (Side::Buy, Terms::Limit { price, quantity, .. }) => self.fee_rate.hold(price, quantity),
            (Side::Buy, Terms::Market { worst_price, quantity }) => self.fee_rate.hold(worst_price, quantity),
        }
    }
}
