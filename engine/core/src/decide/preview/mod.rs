//! Previews an order: what it would do if it were decided now, and every rule that it breaks. Uses
//! the core's own functions on a state that does not change. Nothing is written anywhere.
//!
//! Matching decides on `&ShardState` and yields events; here they go into a scratch outcome, and
//! are added up instead of applied. The account's home would be asked for what the order's purse
//! lacks: see [`lending`](super::lending). The groups of an account without a purse here are known
//! only to the home.

mod breaks;
mod shrunk;

use schemas::effects::{self, PurseChange};
use schemas::event::{CancelReason, FirstOutcome, OrderPlaced};
use schemas::limits::ORDER_FILLS_MAX;
use schemas::{
    AccountId, Contract, Credits, Event, Need, NewOrder, ParkedRequest, Price, Quantity, Rejection, Room, Settlement,
    Side, Timestamp,
};

use self::breaks::Breaks;
use super::{DecisionContext, cancel, claims, matching, order, parking};
use crate::state::{MarketView, Purse, ShardState, weight};

/// A shard's preview of an order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Preview {
    /// The rules of its market's shard that it breaks, each once, in the order of the checks: the
    /// order would be refused for the first. A rule that can only be checked where another holds (a
    /// market's rules, without the market) is not included.
    pub breaks: Vec<Rejection>,
    /// What its client id stands for already: that would be the answer, and nothing would be done.
    pub repeats: Option<FirstOutcome>,
    /// It would wait behind other requests of its account.
    pub waits: bool,
    /// What its purse lacks; the account's home would be asked for it.
    pub lacks: Need,
    /// Room that the purse would give back with the ask.
    pub given_back: Room,
    /// What it would do once nothing is lacking; `None` if it breaks a rule or repeats another.
    pub does: Option<OrderEffect>,
}

/// What an order would do at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderEffect {
    /// The order as it would be accepted: contracts, how many fill, and its state afterwards.
    pub placed: OrderPlaced,
    /// Its fills, best price first.
    pub fills: Vec<PriceFill>,
    /// Number of resting orders with which it trades.
    pub trades: u32,
    /// Credits paid or received for the contracts.
    pub notional: Credits,
    /// The sum of its fees.
    pub fee: Credits,
    /// Credits held for what rests of it.
    pub held: Credits,
    /// Its effect on its account's purse, including pairs that it completes and what resting orders
    /// that it shrinks free.
    pub purse: PurseEffect,
    /// Pairs of its account that would be redeemed for credits.
    pub redeemed: u64,
    /// It would trigger a group of its account. These figures do not include the other orders of
    /// that group that end, nor the consequences.
    pub triggers_group: bool,
    /// What the fills win or lose if the market answers YES.
    pub if_yes: Credits,
    /// What the fills win or lose if it answers NO.
    pub if_no: Credits,
}

/// Contracts that fill at one price.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PriceFill {
    /// The price in the book, in YES.
    pub price: Price,
    /// Contracts.
    pub contracts: Quantity,
    /// The fee for them.
    pub fee: Credits,
}

/// A change of a purse.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PurseEffect {
    /// Change of the credits that can be spent.
    pub available: Credits,
    /// Change of the credits that live buys hold.
    pub held: Credits,
    /// Change of the number of live orders.
    pub live_orders: i32,
}

impl ShardState {
    /// Previews an order as if decided at `now`, or at the state's time if that is later. Nothing
    /// is changed.
    ///
    /// Takes as long as a command: visits no more than [`ORDER_FILLS_MAX`] resting orders. A client
    /// id that is old enough to be dropped is reported as known until the shard has dropped it.
    pub fn preview(&self, order: &NewOrder, now: Timestamp) -> Preview {
        let now = now.max(self.facts.time);
        if self.map.of_market(order.market) != self.shard {
            return Preview { breaks: vec![Rejection::WrongShard], ..Preview::default() };
        }
        let named = order::repeated(self, order);
        if let Some(Ok(Event::ClientIdRepeated { first, .. })) = named {
            return Preview { repeats: Some(first), ..Preview::default() };
        }
        let mut breaks = Breaks::default();
        breaks.note(named.map_or(Ok(()), |named| named.map(|_| ())));
        if order.client_id.is_some() && self.facts.client_ids.are_used_up_at(order.account, now) {
            breaks.note(Err(Rejection::ClientIdLimit));
        }
        let checked = order::check(self, order, now);
        breaks.note(checked.map(|_| ()));
        breaks.note_each(self, order, now);
        let Ok((market, limit, lacks)) = checked else {
            return Preview { breaks: breaks.0, ..Preview::default() };
        };
        if !breaks.0.is_empty() {
            return Preview { breaks: breaks.0, ..Preview::default() };
        }
        let (purse, waits) = (self.purse(order.account), parking::queues(self, order.account));
        let given_back = purse.filter(|_| !self.is_home(order.account)).map_or(Room::ZERO, Purse::sealed_room);
        // A request that could never get what it lacks is refused for that, and not parked.
        let hopeless = !waits && claims::hopeless(self, order.account, lacks).is_some();
        if (waits || !lacks.is_nothing()) && !hopeless {
            breaks.note(parking::check_park(self, order.account, weight(&ParkedRequest::Place(*order))));
        }
        let does = breaks.0.is_empty().then(|| does(self, market, order, limit, now));
        Preview { breaks: breaks.0, repeats: None, waits, lacks, given_back, does }
    }
}

fn does(state: &ShardState, market: MarketView<'_>, order: &NewOrder, limit: Price, now: Timestamp) -> OrderEffect {
    let (mut events, mut settlements) = (Vec::new(), Vec::new());
    let mut context =
        DecisionContext { events: &mut events, settlements: &mut settlements, now, room: ORDER_FILLS_MAX };
    matching::place(state, market, state.next_order_id(), order, limit, &mut context);
    let Some(&Event::OrderPlaced(placed)) = events.first() else {
        unreachable!("an order that is taken in is told first");
    };
    let fills = fills_of(&events, &placed);
    let trades = events.iter().filter(|event| matches!(event, Event::Traded(_))).count();
    let own_trigger =
        |event: &Event| matches!(event, Event::GroupTriggered { account, .. } if *account == order.account);
    let triggers_group = events.iter().any(own_trigger);
    let contract = order.entry.contract();
    let notional: Credits = fills.iter().map(|fill| order.entry.book_price(fill.price).cost(fill.contracts)).sum();
    let fee: Credits = fills.iter().map(|fill| fill.fee).sum();
    let (paid, contracts) = match order.entry.side() {
        Side::Buy => (-(notional + fee), i64::from(placed.filled.contracts())),
        Side::Sell => (notional - fee, -i64::from(placed.filled.contracts())),
    };
    let worth = |answer: Contract| if answer == contract { paid + Credits::whole(contracts) } else { paid };
    let free = shrunk::Free::after(market, order.account, &events);
    let redeemed = free.pairs();
    let losses = shrunk::losses(state, market, &placed, &free, &events);
    let mut context = DecisionContext { events: &mut events, settlements: &mut settlements, now, room: 0 };
    for (resting, quantity) in losses {
        cancel::take_off(order.market, &resting, quantity, CancelReason::ReduceOnly, &mut context);
    }
    OrderEffect {
        held: match order.entry.side() {
            Side::Buy => order.fee_rate.hold(order.entry.book_price(placed.price), placed.resting()),
            Side::Sell => Credits::ZERO,
        },
        purse: change(order.account, &events, &settlements, redeemed),
        trades: u32::try_from(trades).expect("an order has no more fills than it may"),
        if_yes: worth(Contract::Yes),
        if_no: worth(Contract::No),
        placed,
        fills,
        notional,
        fee,
        redeemed,
        triggers_group,
    }
}

/// Returns an order's trades, added up by price.
fn fills_of(events: &[Event], placed: &OrderPlaced) -> Vec<PriceFill> {
    let mut fills: Vec<PriceFill> = Vec::new();
    for event in events {
        let Event::Traded(trade) = event else { continue };
        debug_assert_eq!(trade.taker.order, placed.id);
        // Best price first, so trades at one price follow one another.
        match fills.last_mut().filter(|last| last.price == trade.price) {
            Some(last) => {
                last.contracts = last.contracts + trade.quantity;
                last.fee += trade.taker.fee;
            }
            None => {
                fills.push(PriceFill { price: trade.price, contracts: trade.quantity, fee: trade.taker.fee });
            }
        }
    }
    fills
}

fn change(account: AccountId, events: &[Event], settlements: &[Settlement], redeemed: u64) -> PurseEffect {
    let told = events.iter().filter_map(effects::purse_change);
    let settled = settlements.iter().map(PurseChange::settled);
    let all = told.chain(settled).chain([PurseChange::moved(account, Credits::of_pairs(redeemed))]);
    all.filter(|change| change.account == account).fold(PurseEffect::default(), |sum, change| PurseEffect {
        available: sum.available + change.available,
        held: sum.held + change.held,
        live_orders: sum.live_orders + change.live_orders,
    })
}
