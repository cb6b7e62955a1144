//! The meaning of each event, as differences: the single definition of what the log's events
//! change.
//!
//! The engine's `apply` and every projection, gateway and auditor compute their numbers with these
//! functions, so no two of them can interpret an event differently. Each fold is a sum: the order
//! within an outcome does not matter.

use crate::event::{Event, OrderPlaced, Trade, TradeKind};
use crate::ids::{AccountId, MarketId};
use crate::money::{Credits, Price};
use crate::order::{BookSide, Contract, Entry, NewOrder, Side};
use crate::settlement::Settlement;

/// A change of one account's purse (its balance on one shard) on the shard whose log has the event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PurseChange {
    /// The account.
    pub account: AccountId,
    /// Change of the credits that can be spent.
    pub available: Credits,
    /// Change of the credits that live buy orders hold.
    pub held: Credits,
    /// Change of the number of live orders.
    pub live_orders: i32,
    /// Credits sent to the account's purses on other shards.
    pub sent: Credits,
    /// Credits received from them.
    pub received: Credits,
}

impl PurseChange {
    const NONE: Self = Self {
        account: AccountId(0),
        available: Credits::ZERO,
        held: Credits::ZERO,
        live_orders: 0,
        sent: Credits::ZERO,
        received: Credits::ZERO,
    };

    /// Credits that become available, or are removed if negative.
    #[inline]
    pub fn moved(account: AccountId, amount: Credits) -> Self {
        Self { account, available: amount, ..Self::NONE }
    }

    /// Available credits that become held.
    #[inline]
    pub fn held(account: AccountId, amount: Credits) -> Self {
        Self { account, available: -amount, held: amount, ..Self::NONE }
    }

    /// Changes the number of live orders.
    #[inline]
    pub fn live(account: AccountId, live_orders: i32) -> Self {
        Self { account, live_orders, ..Self::NONE }
    }

    /// What an accepted order holds. (What it spends and what it no longer needs follow in
    /// `Settled`.)
    #[inline]
    pub fn placed(placed: &OrderPlaced) -> Self {
        let live_orders = i32::from(placed.status.is_live());
        Self { live_orders, ..Self::held(placed.order.account, placed.hold()) }
    }

    /// What a market settled.
    #[inline]
    pub fn settled(s: &Settlement) -> Self {
        let (available, held) = (s.released + s.received, -(s.spent + s.released));
        Self { account: s.account, available, held, ..Self::NONE }
    }
}

/// Returns the change of a purse that `event` causes, if any.
#[inline]
pub fn purse_change(event: &Event) -> Option<PurseChange> {
    Some(match event {
        Event::Deposited { account, amount, .. } => PurseChange::moved(*account, *amount),
        Event::Withdrawn { account, amount, .. } => PurseChange::moved(*account, -*amount),
        Event::OrderPlaced(placed) => PurseChange::placed(placed),
        Event::Traded(trade) if trade.maker_remaining.is_zero() => PurseChange::live(trade.maker.account, -1),
        Event::OrderCancelled { account, .. } => PurseChange::live(*account, -1),
        Event::OrderAmended(amended) if !amended.status.is_live() => PurseChange::live(amended.account, -1),
        Event::HoldRaised { account, amount, .. } => PurseChange::held(*account, *amount),
        Event::Settled(settlement) => PurseChange::settled(settlement),
        Event::PurseSent { account, credits, .. } => {
            PurseChange { sent: *credits, ..PurseChange::moved(*account, -*credits) }
        }
        Event::PurseReceived { account, credits, .. } => {
            PurseChange { received: *credits, ..PurseChange::moved(*account, *credits) }
        }
        Event::TransferSent { from, amount, .. } => PurseChange::moved(*from, -*amount),
        Event::TransferReceived { to, amount, .. } => PurseChange::moved(*to, *amount),
        Event::TransferReturned { from, amount, .. } => PurseChange::moved(*from, *amount),
        _ => return None,
    })
}

/// A change of one account's position in one market, in contracts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PositionChange {
    /// The market.
    pub market: MarketId,
    /// The account.
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

    /// Changes the contracts that a sell reserves of its account's position.
    #[inline]
    pub fn reserved(market: MarketId, account: AccountId, entry: Entry, more: i64) -> Self {
        Self::of(market, account, entry.contract(), 0, more)
    }

    /// What a resting sell reserves.
    #[inline]
    pub fn placed(placed: &OrderPlaced) -> Self {
        let NewOrder { market, account, entry, .. } = placed.order;
        Self::reserved(market, account, entry, i64::from(placed.resting().contracts()))
    }

    /// What a trade changes for its maker and its taker.
    #[inline]
    pub fn traded(trade: &Trade) -> [Self; 2] {
        [
            fill(trade, trade.maker.account, trade.maker.entry, true),
            fill(trade, trade.taker.account, trade.taker.entry, false),
        ]
    }
}

/// Returns the changes of positions that `event` causes: none, one, or a trade's two (maker first).
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
        // Only resting orders reserve contracts: an incoming sell delivers its contracts at once.
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

/// A change of a market's own money and of the contracts outstanding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MarketChange {
    /// The market.
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
    /// What a trade changes.
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

/// Returns the change of a market that `event` causes, if any.
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

/// A change of one price level of a market's book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BookChange {
    /// The market.
    pub market: MarketId,
    /// The side.
    pub side: BookSide,
    /// The level's price, in terms of YES.
    pub price: Price,
    /// Change of the contracts resting at the level.
    pub quantity: i64,
}

/// Returns the changes of a book's levels that `event` causes: none, one, or two for an order that
/// moves.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{CancelReason, OrderAmended, Party};
    use crate::ids::{AdminId, ClientId, CommandId, OrderId, Shard, TradeId};
    use crate::limits::AMOUNT_MAX;
    use crate::money::{FeeRate, Quantity};
    use crate::order::{Instructions, PostOnly, Status, Terms, TimeInForce};
    use crate::purse::{Need, Parked, ParkedRequest, Room};
    use crate::rejection::Rejection;
    use crate::settlement::SettlementReason;
    use crate::time::Timestamp;

    const ACCOUNT: AccountId = AccountId(1);
    const OTHER: AccountId = AccountId(2);
    const MARKET: MarketId = MarketId(3);
    const ORDER: OrderId = OrderId(4);
    const AMOUNT: Credits = Credits(5_000_006);

    fn quantity(contracts: u32) -> Quantity {
        Quantity::new(contracts).expect("a quantity")
    }

    fn shard() -> Shard {
        Shard::new(7).expect("a shard")
    }

    /// 10 contracts at 0.6, without a fee: a buy holds 6 credits.
    fn placed(entry: Entry, status: Status) -> Event {
        let price = Price::new(6_000).expect("a price");
        let terms =
            Terms::Limit { price, quantity: quantity(10), time_in_force: TimeInForce::Gtc, post_only: PostOnly::Off };
        let order = NewOrder {
            account: ACCOUNT,
            market: MARKET,
            entry,
            terms,
            fee_rate: FeeRate::ZERO,
            client_id: None,
            instructions: Instructions::default(),
        };
        let (quantity, filled, cancel_reason) = (quantity(10), quantity(4), None);
        Event::OrderPlaced(OrderPlaced { id: ORDER, order, price, quantity, filled, status, cancel_reason })
    }

    fn amended(status: Status) -> Event {
        Event::OrderAmended(OrderAmended {
            order: ORDER,
            account: ACCOUNT,
            market: MARKET,
            entry: Entry::BuyYes,
            old_price: Price::MIN,
            old_remaining: quantity(5),
            price: Price::MAX,
            quantity: quantity(10),
            filled: quantity(4),
            status,
            cancel_reason: None,
            in_place: false,
        })
    }

    fn traded(maker_remaining: u32) -> Event {
        let party = |account| Party { order: ORDER, account, entry: Entry::BuyYes, fee: Credits(8) };
        Event::Traded(Trade {
            id: TradeId(9),
            market: MARKET,
            price: Price::MIN,
            quantity: quantity(1),
            maker: party(OTHER),
            taker: party(ACCOUNT),
            maker_remaining: quantity(maker_remaining),
        })
    }

    fn settlement(spent: i64, released: i64, received: i64) -> Settlement {
        let (spent, released, received) = (Credits(spent), Credits(released), Credits(received));
        let (order, reason) = (Some(ORDER), SettlementReason::Trade);
        Settlement { account: ACCOUNT, market: MARKET, order, reason, spent, released, received }
    }

    fn change(available: i64, held: i64, live_orders: i32) -> Option<PurseChange> {
        let (available, held) = (Credits(available), Credits(held));
        Some(PurseChange { available, held, live_orders, ..PurseChange::moved(ACCOUNT, Credits::ZERO) })
    }

    fn check(event: &Event, expected: Option<PurseChange>) {
        assert_eq!(purse_change(event), expected, "{event:?}");
    }

    #[test]
    fn credits_come_into_a_purse_and_leave_it() {
        let (in_, out) = (change(AMOUNT.0, 0, 0), change(-AMOUNT.0, 0, 0));
        let (amount, client_id, code) = (AMOUNT, None, Rejection::AccountUnknown);
        check(&Event::Deposited { account: ACCOUNT, amount, client_id, by: AdminId(1), seconded: None }, in_);
        check(&Event::Withdrawn { account: ACCOUNT, amount, client_id, by: AdminId(1) }, out);
        check(&Event::TransferSent { from: ACCOUNT, to: OTHER, amount, client_id }, out);
        check(&Event::TransferReceived { from: OTHER, to: ACCOUNT, amount, client_id }, in_);
        check(&Event::TransferReturned { from: ACCOUNT, to: OTHER, amount, client_id, code }, in_);
        let client_id = ClientId(1);
        check(&Event::TransferCompleted { from: ACCOUNT, to: OTHER, amount, client_id }, None);
    }

    #[test]
    fn an_order_holds_what_it_may_need_and_is_live_until_it_ends() {
        let hold = 6_000_000;
        check(&placed(Entry::BuyYes, Status::Active), change(-hold, hold, 1));
        check(&placed(Entry::BuyNo, Status::PartiallyFilled), change(-hold, hold, 1));
        check(&placed(Entry::BuyYes, Status::Filled), change(-hold, hold, 0));
        check(&placed(Entry::BuyYes, Status::Cancelled), change(-hold, hold, 0));
        check(&placed(Entry::SellYes, Status::Active), change(0, 0, 1));
        check(&placed(Entry::SellNo, Status::Filled), change(0, 0, 0));
        check(&Event::HoldRaised { account: ACCOUNT, order: ORDER, amount: AMOUNT }, change(-AMOUNT.0, AMOUNT.0, 0));
        check(&amended(Status::Filled), change(0, 0, -1));
        check(&amended(Status::Cancelled), change(0, 0, -1));
        check(&traded(0), Some(PurseChange::live(OTHER, -1)));
        let cancelled = Event::OrderCancelled {
            order: ORDER,
            account: ACCOUNT,
            market: MARKET,
            entry: Entry::BuyYes,
            price: Price::MIN,
            quantity: quantity(1),
            reason: CancelReason::Requested,
        };
        check(&cancelled, change(0, 0, -1));
    }

    #[test]
    fn a_settlement_spends_and_releases_what_was_held() {
        check(&Event::Settled(settlement(40, 2, 0)), change(2, -42, 0));
        check(&Event::Settled(settlement(0, 7, 0)), change(7, -7, 0));
        check(&Event::Settled(settlement(0, 0, 30)), change(30, 0, 0));
    }

    #[test]
    fn credits_between_purses_are_counted_on_both_sides() {
        let (credits, room) = (AMOUNT, Room { orders: 1, held: Credits(2) });
        let sent = PurseChange { sent: AMOUNT, ..PurseChange::moved(ACCOUNT, -AMOUNT) };
        let received = PurseChange { received: AMOUNT, ..PurseChange::moved(ACCOUNT, AMOUNT) };
        check(&Event::PurseSent { account: ACCOUNT, to: shard(), credits, room }, Some(sent));
        check(&Event::PurseReceived { account: ACCOUNT, from: shard(), credits, room }, Some(received));
    }

    #[test]
    fn what_changes_no_purse() {
        let (market, account) = (MARKET, ACCOUNT);
        check(&Event::AccountOpened { account }, None);
        check(&traded(1), None);
        check(&amended(Status::Active), None);
        check(&amended(Status::PartiallyFilled), None);
        check(&Event::PairsRedeemed { market, account, pairs: 1 }, None);
        check(&Event::PaidOut { market, account, yes: 1, no: 0, credits: AMOUNT }, None);
        check(&Event::Asked { account, need: Need::credits(AMOUNT), given_back: Room::ZERO }, None);
        check(&Event::AskAnswered { account, refused: None }, None);
        let parked = Parked {
            account,
            ticket: 1,
            command: CommandId(2),
            index: None,
            deadline: Timestamp(3),
            request: ParkedRequest::Withdraw { amount: AMOUNT, client_id: None, by: AdminId(1) },
        };
        check(&Event::Parked(Box::new(parked)), None);
    }

    fn rooms() -> impl Strategy<Value = Room> {
        (any::<u32>(), 0..=i64::MAX).prop_map(|(orders, held)| Room { orders, held: Credits(held) })
    }

    proptest! {
        /// Whatever moves between the purses of an account, `available + held + sent − received` of
        /// each purse stays the same. So the sum over an account's purse rows is right whether or
        /// not a row already includes the other purse's part of a transfer.
        #[test]
        fn what_moves_between_purses_leaves_each_row_as_it_is(credits in 0..=AMOUNT_MAX, room in rooms()) {
            let credits = Credits(credits);
            let sent = Event::PurseSent { account: ACCOUNT, to: shard(), credits, room };
            let received = Event::PurseReceived { account: ACCOUNT, from: shard(), credits, room };
            for event in [sent, received] {
                let change = purse_change(&event).expect("credits move");
                let row = change.available + change.held + change.sent - change.received;
                prop_assert_eq!(row, Credits::ZERO);
                prop_assert_eq!(change.sent + change.received, credits);
                prop_assert_eq!((change.account, change.live_orders), (ACCOUNT, 0));
            }
        }

        /// A settlement changes a purse by what the market paid minus what it took, never by what
        /// it released.
        #[test]
        fn what_is_released_stays_in_the_purse(spent in 0..=AMOUNT_MAX, released in 0..=AMOUNT_MAX, received in 0..=AMOUNT_MAX) {
            let change = PurseChange::settled(&settlement(spent, released, received));
            prop_assert_eq!(change.available + change.held, Credits(received - spent));
            prop_assert_eq!(change.held, Credits(-spent - released));
        }
    }
}
