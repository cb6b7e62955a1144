//! What each event changes in purses, positions, markets and books: arithmetic of this program's
//! own.
//!
//! The engine and the projections compute these numbers with `schemas::effects`. An auditor that
//! did so too could not find an error there. It is written from the documentation of the events,
//! case by case, and shares no code with what it audits; a test compares both.

use schemas::event::{Event, OrderPlaced, Trade};
use schemas::{AccountId, BookSide, Credits, Entry, MarketId, Price, Quantity, Status};

/// A change of an account's purse on the shard of the event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuditedPurse {
    pub account: AccountId,
    pub available: Credits,
    pub held: Credits,
    pub live_orders: i64,
    pub sent: Credits,
    pub received: Credits,
}

/// A change of an account's position in a market.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuditedPosition {
    pub market: MarketId,
    pub account: AccountId,
    pub yes: i64,
    pub no: i64,
    pub yes_reserved: i64,
    pub no_reserved: i64,
}

/// A change of a market's own money and contracts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuditedMarket {
    pub market: MarketId,
    pub collateral: Credits,
    pub fees: Credits,
    pub yes: i64,
    pub no: i64,
    pub volume: u64,
}

/// A change of the contracts that rest at a price level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuditedLevel {
    pub market: MarketId,
    pub side: BookSide,
    /// In terms of YES.
    pub price: Price,
    pub quantity: i64,
}

fn number(quantity: Quantity) -> i64 {
    i64::from(quantity.contracts())
}

fn count(contracts: u64) -> i64 {
    i64::try_from(contracts).expect("there are not so many contracts")
}

/// Returns the contracts that rest of an order with this status after its matching.
fn resting(status: Status, quantity: Quantity, filled: Quantity) -> i64 {
    match status {
        Status::Active | Status::PartiallyFilled => number(quantity) - number(filled),
        _ => 0,
    }
}

/// Returns what an order holds when it is placed. A reduce-only order holds only for the contracts
/// that it may still buy.
fn hold(placed: &OrderPlaced) -> Credits {
    let order = &placed.order;
    if order.instructions.reduce_only { order.hold_for(placed.quantity) } else { order.hold() }
}

/// Returns the change of a purse, if the event changes one.
pub fn purse(event: &Event) -> Option<AuditedPurse> {
    let zero = Credits::ZERO;
    let of =
        |account| AuditedPurse { account, available: zero, held: zero, live_orders: 0, sent: zero, received: zero };
    Some(match event {
        Event::Deposited { account, amount, .. }
        | Event::TransferReceived { to: account, amount, .. }
        | Event::TransferReturned { from: account, amount, .. } => AuditedPurse { available: *amount, ..of(*account) },
        Event::Withdrawn { account, amount, .. } | Event::TransferSent { from: account, amount, .. } => {
            AuditedPurse { available: -*amount, ..of(*account) }
        }
        Event::PurseSent { account, credits, .. } => {
            AuditedPurse { available: -*credits, sent: *credits, ..of(*account) }
        }
        Event::PurseReceived { account, credits, .. } => {
            AuditedPurse { available: *credits, received: *credits, ..of(*account) }
        }
        Event::OrderPlaced(placed) => {
            let lives = matches!(placed.status, Status::Active | Status::PartiallyFilled);
            let hold = hold(placed);
            AuditedPurse { available: -hold, held: hold, live_orders: lives.into(), ..of(placed.order.account) }
        }
        Event::HoldRaised { account, amount, .. } => {
            AuditedPurse { available: -*amount, held: *amount, ..of(*account) }
        }
        // What was spent and what is no longer needed was held before.
        Event::Settled(s) => {
            AuditedPurse { available: s.released + s.received, held: -s.spent - s.released, ..of(s.account) }
        }
        Event::Traded(trade) if number(trade.maker_remaining) == 0 => {
            AuditedPurse { live_orders: -1, ..of(trade.maker.account) }
        }
        Event::OrderCancelled { account, .. } => AuditedPurse { live_orders: -1, ..of(*account) },
        Event::OrderAmended(amended) => match amended.status {
            Status::Active | Status::PartiallyFilled => return None,
            _ => AuditedPurse { live_orders: -1, ..of(amended.account) },
        },
        _ => return None,
    })
}

/// A position that does not change.
fn unchanged(market: MarketId, account: AccountId) -> AuditedPosition {
    AuditedPosition { market, account, yes: 0, no: 0, yes_reserved: 0, no_reserved: 0 }
}

/// A sell reserves `more` contracts of its account. Buys reserve none.
fn reserved(market: MarketId, account: AccountId, entry: Entry, more: i64) -> Option<AuditedPosition> {
    let none = unchanged(market, account);
    match entry {
        Entry::SellYes => Some(AuditedPosition { yes_reserved: more, ..none }),
        Entry::SellNo => Some(AuditedPosition { no_reserved: more, ..none }),
        Entry::BuyYes | Entry::BuyNo => None,
    }
}

/// One party's contracts after a trade. A maker that sells had reserved them.
fn filled(trade: &Trade, account: AccountId, entry: Entry, is_maker: bool) -> AuditedPosition {
    let (quantity, none) = (number(trade.quantity), unchanged(trade.market, account));
    let freed = if is_maker { -quantity } else { 0 };
    match entry {
        Entry::BuyYes => AuditedPosition { yes: quantity, ..none },
        Entry::BuyNo => AuditedPosition { no: quantity, ..none },
        Entry::SellYes => AuditedPosition { yes: -quantity, yes_reserved: freed, ..none },
        Entry::SellNo => AuditedPosition { no: -quantity, no_reserved: freed, ..none },
    }
}

/// Returns the changes of positions: of a trade the maker's first.
pub fn positions(event: &Event) -> Vec<AuditedPosition> {
    match event {
        Event::OrderPlaced(placed) => {
            let (order, rests) = (&placed.order, resting(placed.status, placed.quantity, placed.filled));
            Vec::from_iter(reserved(order.market, order.account, order.entry, rests))
        }
        Event::OrderAmended(a) => {
            let more = resting(a.status, a.quantity, a.filled) - number(a.old_remaining);
            Vec::from_iter(reserved(a.market, a.account, a.entry, more))
        }
        Event::OrderCancelled { account, market, entry, quantity, .. }
        | Event::OrderReduced { account, market, entry, quantity, .. } => {
            Vec::from_iter(reserved(*market, *account, *entry, -number(*quantity)))
        }
        Event::Traded(trade) => vec![
            filled(trade, trade.maker.account, trade.maker.entry, true),
            filled(trade, trade.taker.account, trade.taker.entry, false),
        ],
        Event::PairsRedeemed { market, account, pairs } => {
            vec![AuditedPosition { yes: -count(*pairs), no: -count(*pairs), ..unchanged(*market, *account) }]
        }
        Event::PaidOut { market, account, yes, no, .. } => {
            vec![AuditedPosition { yes: -count(*yes), no: -count(*no), ..unchanged(*market, *account) }]
        }
        _ => Vec::new(),
    }
}

/// Returns the change of a market, if the event changes one.
pub fn market(event: &Event) -> Option<AuditedMarket> {
    let of = |market: MarketId, (yes, no): (i64, i64), collateral: Credits| AuditedMarket {
        market,
        collateral,
        fees: Credits::ZERO,
        yes,
        no,
        volume: 0,
    };
    match event {
        Event::Traded(trade) => {
            let buys = |entry| matches!(entry, Entry::BuyYes | Entry::BuyNo);
            let quantity = number(trade.quantity);
            // Two buyers make pairs, two sellers end them; otherwise contracts change hands.
            let pairs = match (buys(trade.maker.entry), buys(trade.taker.entry)) {
                (true, true) => quantity,
                (false, false) => -quantity,
                _ => 0,
            };
            let change = of(trade.market, (pairs, pairs), Credits::whole(pairs));
            let volume = u64::from(trade.quantity.contracts());
            Some(AuditedMarket { fees: trade.maker.fee + trade.taker.fee, volume, ..change })
        }
        Event::PairsRedeemed { market, pairs, .. } => {
            let pairs = -count(*pairs);
            Some(of(*market, (pairs, pairs), Credits::whole(pairs)))
        }
        Event::PaidOut { market, yes, no, credits, .. } => Some(of(*market, (-count(*yes), -count(*no)), -*credits)),
        _ => None,
    }
}

/// Returns the changes of the book's levels.
pub fn levels(event: &Event) -> Vec<AuditedLevel> {
    let change = |market: MarketId, entry: Entry, price: Price, quantity: i64| {
        // In terms of YES, a buyer of NO sells YES.
        let side = match entry {
            Entry::BuyYes | Entry::SellNo => BookSide::Bid,
            Entry::BuyNo | Entry::SellYes => BookSide::Ask,
        };
        AuditedLevel { market, side, price, quantity }
    };
    match event {
        Event::OrderPlaced(p) => match p.status {
            Status::Active | Status::PartiallyFilled => {
                vec![change(p.order.market, p.order.entry, p.price, number(p.quantity) - number(p.filled))]
            }
            _ => Vec::new(),
        },
        Event::Traded(trade) => vec![change(trade.market, trade.maker.entry, trade.price, -number(trade.quantity))],
        Event::OrderCancelled { market, entry, price, quantity, .. }
        | Event::OrderReduced { market, entry, price, quantity, .. } => {
            vec![change(*market, *entry, *price, -number(*quantity))]
        }
        Event::OrderAmended(a) => {
            let after = resting(a.status, a.quantity, a.filled);
            let left = change(a.market, a.entry, a.old_price, -number(a.old_remaining));
            let mut changes = vec![left];
            if after > 0 {
                changes.push(change(a.market, a.entry, a.price, after));
            }
            changes
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
