//! What each event changes, as differences: the meaning of the log in one place.
//!
//! The engine's `apply` and every projection, gateway and auditor get their numbers from these functions, so that none can
//! read an event differently from another. Each fold is a sum: order within an outcome does not matter to it.

use crate::event::{Event, OrderPlaced, Trade, TradeKind};
use crate::ids::{AccountId, MarketId};
use crate::message::Settlement;
use crate::money::{Credits, Price};
use crate::order::{BookSide, Contract, Entry, NewOrder, Side};

/// A change of one account's wallet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalletChange {
    /// Whose.
    pub account: AccountId,
    /// Change of what can be spent.
    pub available: Credits,
    /// Change of what live buy orders hold.
    pub held: Credits,
    /// Change of how many orders are live, those on their way included.
    pub live_orders: i32,
}

impl WalletChange {
    /// Credits that come in, available, or go, if negative.
    #[inline]
    pub fn moved(account: AccountId, amount: Credits) -> Self {
        Self { account, available: amount, held: Credits::ZERO, live_orders: 0 }
    }

    /// Available credits that are held from now on, for one more order or for the same.
    #[inline]
    pub fn held(account: AccountId, amount: Credits, live_orders: i32) -> Self {
        Self { account, available: -amount, held: amount, live_orders }
    }

    /// What a market did.
    #[inline]
    pub fn settled(s: &Settlement) -> Self {
        let (available, held) = (s.released + s.received, -(s.spent + s.released));
        Self { account: s.account, available, held, live_orders: -i32::from(s.ended) }
    }
}

/// The change of a wallet that `event` means, if any. On the account's home.
#[inline]
pub fn wallet_change(event: &Event) -> Option<WalletChange> {
    Some(match event {
        Event::Deposited { account, amount, .. } => WalletChange::moved(*account, *amount),
        Event::Withdrawn { account, amount, .. } => WalletChange::moved(*account, -*amount),
        Event::OrderEntered { account, held, .. } => WalletChange::held(*account, *held, 1),
        Event::HoldRaised { account, amount, .. } => WalletChange::held(*account, *amount, 0),
        Event::Settled(settlement) => WalletChange::settled(settlement),
        Event::TransferSent { from, amount, .. } => WalletChange::moved(*from, -*amount),
        Event::TransferReceived { to, amount, .. } => WalletChange::moved(*to, *amount),
        Event::TransferReturned { from, amount, .. } => WalletChange::moved(*from, *amount),
        _ => return None,
    })
}

/// A change of one account's position in one market, in contracts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PositionChange {
    /// Where.
    pub market: MarketId,
    /// Whose.
    pub account: AccountId,
    /// Change of YES contracts held.
    pub yes: i64,
    /// Change of NO contracts held.
    pub no: i64,
    /// Change of YES contracts that resting sells reserve.
    pub yes_reserved: i64,
    /// Change of NO contracts that resting sells reserve.
    pub no_reserved: i64,
}

impl PositionChange {
    #[inline]
    fn of(market: MarketId, account: AccountId, contract: Contract, held: i64, reserved: i64) -> Self {
        let none = Self { market, account, yes: 0, no: 0, yes_reserved: 0, no_reserved: 0 };
        match contract {
            Contract::Yes => Self { yes: held, yes_reserved: reserved, ..none },
            Contract::No => Self { no: held, no_reserved: reserved, ..none },
        }
    }

    /// A sell reserves more contracts of its account, or fewer.
    #[inline]
    pub fn reserved(market: MarketId, account: AccountId, entry: Entry, more: i64) -> Self {
        Self::of(market, account, entry.contract(), 0, more)
    }

    /// What a sell does that comes to rest.
    #[inline]
    pub fn placed(placed: &OrderPlaced) -> Self {
        let NewOrder { market, account, entry, .. } = placed.order;
        Self::reserved(market, account, entry, i64::from(placed.resting().contracts()))
    }

    /// What a trade does: to its maker, and to its taker.
    #[inline]
    pub fn traded(trade: &Trade) -> [Self; 2] {
        [
            fill(trade, trade.maker.account, trade.maker.entry, true),
            fill(trade, trade.taker.account, trade.taker.entry, false),
        ]
    }
}

/// The changes of positions that `event` means: none, one, or a trade's two (maker first). On the market's home.
#[inline]
pub fn position_changes(event: &Event) -> impl Iterator<Item = PositionChange> {
    let changes = match event {
        Event::OrderPlaced(placed) if placed.order.entry.side() == Side::Sell => {
            [Some(PositionChange::placed(placed)), None]
        }
        Event::Traded(trade) => PositionChange::traded(trade).map(Some),
        Event::OrderCancelled { account, market, entry, quantity, .. }
        | Event::OrderReduced { account, market, entry, quantity, .. }
            if entry.side() == Side::Sell =>
        {
            let freed = -i64::from(quantity.contracts());
            [Some(PositionChange::reserved(*market, *account, *entry, freed)), None]
        }
        Event::OrderAmended(amended) if amended.entry.side() == Side::Sell => {
            let resting = i64::from(amended.resting().contracts()) - i64::from(amended.old_remaining.contracts());
            [Some(PositionChange::reserved(amended.market, amended.account, amended.entry, resting)), None]
        }
        Event::PairsRedeemed { market, account, pairs } => [Some(gone(*market, *account, *pairs, *pairs)), None],
        Event::PaidOut { market, account, yes, no, .. } => [Some(gone(*market, *account, *yes, *no)), None],
        _ => [None, None],
    };
    changes.into_iter().flatten()
}

#[inline]
fn fill(trade: &Trade, account: AccountId, entry: Entry, resting: bool) -> PositionChange {
    let quantity = i64::from(trade.quantity.contracts());
    let (held, reserved) = match entry.side() {
        Side::Buy => (quantity, 0),
        // Only what rests is reserved: a sell that comes in gives its contracts at once.
        Side::Sell => (-quantity, if resting { -quantity } else { 0 }),
    };
    PositionChange::of(trade.market, account, entry.contract(), held, reserved)
}

#[inline]
fn gone(market: MarketId, account: AccountId, yes: u64, no: u64) -> PositionChange {
    PositionChange { market, account, yes: -signed(yes), no: -signed(no), yes_reserved: 0, no_reserved: 0 }
}

#[inline]
fn signed(contracts: u64) -> i64 {
    i64::try_from(contracts).expect("contracts are bounded by the credits that minted them")
}

/// A change of a market's own money and of the contracts in the world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MarketChange {
    /// Which market.
    pub market: MarketId,
    /// Change of the credits that back its pairs.
    pub collateral: Credits,
    /// Change of the fees collected.
    pub fees: Credits,
    /// Change of YES contracts outstanding.
    pub yes: i64,
    /// Change of NO contracts outstanding.
    pub no: i64,
    /// Contracts traded.
    pub volume: u64,
}

impl MarketChange {
    /// What a trade does.
    #[inline]
    pub fn traded(trade: &Trade) -> Self {
        let quantity = i64::from(trade.quantity.contracts());
        let pairs = match trade.kind() {
            TradeKind::Mint => quantity,
            TradeKind::Burn => -quantity,
            TradeKind::TransferYes | TradeKind::TransferNo => 0,
        };
        let fees = trade.maker.fee + trade.taker.fee;
        let volume = u64::from(trade.quantity.contracts());
        Self { market: trade.market, collateral: Credits::whole(pairs), fees, yes: pairs, no: pairs, volume }
    }
}

/// The change of a market that `event` means, if any. On the market's home.
#[inline]
pub fn market_change(event: &Event) -> Option<MarketChange> {
    match event {
        Event::Traded(trade) => Some(MarketChange::traded(trade)),
        Event::PairsRedeemed { market, pairs, .. } => {
            let pairs = -signed(*pairs);
            let (fees, volume) = (Credits::ZERO, 0);
            Some(MarketChange {
                market: *market,
                collateral: Credits::whole(pairs),
                fees,
                yes: pairs,
                no: pairs,
                volume,
            })
        }
        Event::PaidOut { market, yes, no, credits, .. } => {
            let (fees, volume) = (Credits::ZERO, 0);
            Some(MarketChange {
                market: *market,
                collateral: -*credits,
                fees,
                yes: -signed(*yes),
                no: -signed(*no),
                volume,
            })
        }
        _ => None,
    }
}

/// A change of one level of a market's book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BookChange {
    /// Which market.
    pub market: MarketId,
    /// Which side.
    pub side: BookSide,
    /// The level's price, in YES.
    pub price: Price,
    /// Change of the contracts resting there.
    pub quantity: i64,
}

/// The changes of a book's levels that `event` means: none, one, or the two of an order that moves. On the market's home.
#[inline]
pub fn book_changes(event: &Event) -> impl Iterator<Item = BookChange> {
    let change = |market: &MarketId, entry: &Entry, price: Price, quantity: i64| {
        Some(BookChange { market: *market, side: entry.book_side(), price, quantity })
    };
    let changes = match event {
        Event::OrderPlaced(placed) if placed.status.is_live() => {
            let resting = i64::from(placed.resting().contracts());
            [change(&placed.order.market, &placed.order.entry, placed.price, resting), None]
        }
        Event::Traded(trade) => {
            let taken = i64::from(trade.quantity.contracts());
            [change(&trade.market, &trade.maker.entry, trade.price, -taken), None]
        }
        Event::OrderCancelled { market, entry, price, quantity, .. }
        | Event::OrderReduced { market, entry, price, quantity, .. } => {
            [change(market, entry, *price, -i64::from(quantity.contracts())), None]
        }
        Event::OrderAmended(a) => {
            let (before, after) = (i64::from(a.old_remaining.contracts()), i64::from(a.resting().contracts()));
            [
                change(&a.market, &a.entry, a.old_price, -before),
                change(&a.market, &a.entry, a.price, after).filter(|_| after > 0),
            ]
        }
        _ => [None, None],
    };
    changes.into_iter().flatten()
}
