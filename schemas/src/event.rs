//! What became true. The meaning of an event is fixed for ever: recovery and every follower apply old ones again.
//!
//! What each event changes in wallets, positions, markets and books is written once, in [`crate::effects`].

use bincode::{Decode, Encode};

use crate::account::ApiKey;
use crate::ids::{AccountId, ApiKeyId, ClientId, MarketId, OrderId, Shard, TradeId};
use crate::market::{Listing, MarketState, YesValue};
use crate::message::{Message, Settlement};
use crate::money::{Credits, Price, Quantity};
use crate::order::{BookSide, Contract, Entry, NewOrder, Side, Status};
use crate::rejection::Rejection;

/// What became true. Append-only: variants keep their place and their fields.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Event {
    /// A command (not an order) was refused; nothing changed.
    Rejected {
        /// Why.
        code: Rejection,
    },
    /// An account exists, with an empty wallet.
    AccountOpened {
        /// Which.
        account: AccountId,
    },
    /// A key authenticates its account from now on.
    ApiKeyAdded {
        /// Whose key.
        account: AccountId,
        /// The key.
        key: ApiKey,
    },
    /// A key is worthless from now on.
    ApiKeyRevoked {
        /// Whose key.
        account: AccountId,
        /// Which key.
        key: ApiKeyId,
    },
    /// Credits came into the exchange, available.
    Deposited {
        /// Whose wallet.
        account: AccountId,
        /// How much.
        amount: Credits,
        /// The client's own name for the request.
        client_id: Option<ClientId>,
    },
    /// Available credits left the exchange.
    Withdrawn {
        /// Whose wallet.
        account: AccountId,
        /// How much.
        amount: Credits,
        /// The client's own name for the request.
        client_id: Option<ClientId>,
    },
    /// Account's home: a buy has its id and its credits, which went from available to held. The market's home, told in
    /// the same outcome, decides what becomes of it.
    OrderFunded {
        /// The id given to it.
        id: OrderId,
        /// The order.
        order: NewOrder,
        /// How much is held.
        held: Credits,
    },
    /// Market's home: an order was taken in. Its trades follow in the same outcome.
    OrderPlaced(OrderPlaced),
    /// An order was refused and nothing else happened: by the account's home before it was funded, or by the market's home.
    OrderRejected {
        /// The id given to it.
        id: OrderId,
        /// The order.
        order: NewOrder,
        /// Why.
        code: Rejection,
    },
    /// Market's home: two orders matched.
    Traded(Trade),
    /// Market's home: a resting order ended with a remainder. (An order that never rested ends in its `OrderPlaced`.)
    OrderCancelled {
        /// Which order.
        order: OrderId,
        /// Whose.
        account: AccountId,
        /// Where.
        market: MarketId,
        /// How it had entered the book.
        entry: Entry,
        /// Its price in the book (YES).
        price: Price,
        /// The remainder.
        quantity: Quantity,
        /// Why.
        reason: CancelReason,
    },
    /// Market's home: unreserved YES and NO of one account became credits.
    PairsRedeemed {
        /// Where.
        market: MarketId,
        /// Whose.
        account: AccountId,
        /// How many of each.
        pairs: u64,
    },
    /// Account's home: a market changed a wallet.
    Settled(Settlement),
    /// A market exists, in CREATED.
    MarketCreated(Listing),
    /// A market moved on.
    MarketChanged {
        /// Which.
        market: MarketId,
        /// Where it stands now.
        state: MarketState,
        /// What a YES pays, once that is known.
        yes_value: Option<YesValue>,
    },
    /// Market's home: a position was paid out and is gone.
    PaidOut {
        /// Where.
        market: MarketId,
        /// Whose.
        account: AccountId,
        /// YES contracts it had.
        yes: u64,
        /// NO contracts it had.
        no: u64,
        /// What they paid.
        credits: Credits,
    },
    /// Market's home: the last position of a resolved or voided market was paid out.
    MarketSettled {
        /// Which.
        market: MarketId,
    },
    /// A message to another shard is promised; kept until acknowledged.
    Sent {
        /// The receiver.
        to: Shard,
        /// Dense among those from here to there, from 1.
        number: u64,
        /// The effect.
        message: Message,
    },
    /// A message from another shard was taken in; its effects follow in the same outcome.
    Received {
        /// The sender.
        from: Shard,
        /// Its number.
        number: u64,
    },
    /// A message from another shard was not the next one: had before, or one is missing in between.
    MessageSkipped {
        /// The sender.
        from: Shard,
        /// Its number.
        number: u64,
        /// The number that is next.
        expected: u64,
    },
    /// Messages up to a number need not be kept any longer.
    Acknowledged {
        /// The shard that has them.
        to: Shard,
        /// The highest.
        number: u64,
    },
    /// The request was made before under the same client id; nothing changed.
    ClientIdRepeated {
        /// Whose.
        account: AccountId,
        /// The repeated name.
        client_id: ClientId,
        /// What the first request led to.
        first: FirstOutcome,
    },
    /// The hash of the shard's state after all other events of this outcome: every follower proves that it agrees.
    StateHashed {
        /// BLAKE3 of the snapshot's state bytes.
        hash: [u8; 32],
    },
}

/// What a client id stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum FirstOutcome {
    /// An order that was taken in (its present state is in the read models).
    Order {
        /// Which.
        id: OrderId,
    },
    /// An order that was refused where it came in.
    OrderRejected {
        /// Which.
        id: OrderId,
        /// Why.
        code: Rejection,
    },
    /// A deposit.
    Deposit {
        /// How much.
        amount: Credits,
    },
    /// A withdrawal.
    Withdrawal {
        /// How much.
        amount: Credits,
    },
}

wire_enum! {
    /// Why a resting order was cancelled.
    CancelReason: u8 {
        /// Its owner asked.
        Requested = 0, "REQUESTED";
        /// Its market closed, was resolved or was voided.
        MarketEnded = 1, "MARKET_ENDED";
    }
}

/// An order as the market's home took it in, after all its matching.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct OrderPlaced {
    /// Its id.
    pub id: OrderId,
    /// As asked.
    pub order: NewOrder,
    /// Contracts it is for: as asked, or what the budget bought.
    pub quantity: Quantity,
    /// Contracts filled on the way in; its trades follow.
    pub filled: Quantity,
    /// Where it stands after them: ACTIVE and PARTIALLY_FILLED rest in the book, FILLED and CANCELLED do not.
    pub status: Status,
}

impl OrderPlaced {
    /// Contracts that rest in the book.
    pub fn resting(&self) -> Quantity {
        if self.status.is_live() { self.quantity - self.filled } else { Quantity::ZERO }
    }

    /// Its limit in the book's (YES) price.
    pub fn book_price(&self) -> Price {
        self.order.entry.book_price(self.order.terms.limit())
    }
}

/// Two orders matched at the maker's price.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Trade {
    /// Its id.
    pub id: TradeId,
    /// Where.
    pub market: MarketId,
    /// The maker's price, in YES.
    pub price: Price,
    /// Contracts.
    pub quantity: Quantity,
    /// The order that was resting.
    pub maker: Party,
    /// The order that came in.
    pub taker: Party,
    /// What is left of the maker's order; 0 when it is filled.
    pub maker_remaining: Quantity,
}

/// One side of a trade.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Party {
    /// The order.
    pub order: OrderId,
    /// Its account.
    pub account: AccountId,
    /// How it entered the book.
    pub entry: Entry,
    /// The fee it pays.
    pub fee: Credits,
}

wire_enum! {
    /// What a match does to the contracts in the world.
    TradeKind: u8 {
        /// YES moves from seller to buyer.
        TransferYes = 0, "TRANSFER_YES";
        /// NO moves from seller to buyer.
        TransferNo = 1, "TRANSFER_NO";
        /// Two buyers: pairs come into being, a credit each goes into collateral.
        Mint = 2, "MINT";
        /// Two sellers: pairs end, a credit each comes out of collateral.
        Burn = 3, "BURN";
    }
}

impl Trade {
    /// What the match did. Total: a bid (BUY YES, SELL NO) meets an ask (SELL YES, BUY NO).
    pub fn kind(&self) -> TradeKind {
        match (self.maker.entry.side(), self.taker.entry.side()) {
            (Side::Buy, Side::Buy) => TradeKind::Mint,
            (Side::Sell, Side::Sell) => TradeKind::Burn,
            _ if self.maker.entry.contract() == Contract::Yes => TradeKind::TransferYes,
            _ => TradeKind::TransferNo,
        }
    }

    /// The side of the book that the taker hit from.
    pub fn taker_side(&self) -> BookSide {
        self.taker.entry.book_side()
    }

    /// What a party pays (a buyer) or gets (a seller) for its contracts, before the fee.
    pub fn notional(&self, party: &Party) -> Credits {
        party.entry.book_price(self.price).cost(self.quantity)
    }
}
