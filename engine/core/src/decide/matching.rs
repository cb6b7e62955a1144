//! How an order enters a market's book, and how a resting order is amended.

use schemas::event::{CancelReason, OrderAmended, OrderPlaced};
use schemas::limits::{ORDER_FILLS_MAX, QUANTITY_MAX};
use schemas::{
    BookSide, Entry, Event, NewOrder, OrderId, PostOnly, Price, Quantity, Rejection, Status, Terms, TimeInForce,
    Timestamp,
};

use super::taker::{self, Appetite, FillOrKill, Taker, TakerInput};
use super::{DecisionContext, amend, limits, reduce};
use crate::state::{MarketOrder, MarketView, ShardState};

/// Places an order that passed all checks; `limit` is its limit after adjustment. Yields its
/// `OrderPlaced`, its trades, their settlements, and whose positions changed.
pub fn place(
    state: &ShardState,
    market: MarketView<'_>,
    id: OrderId,
    order: &NewOrder,
    limit: Price,
    context: &mut DecisionContext<'_>,
) {
    let mut taker = incoming(state, market, id, order, (limit, context.now));
    // The event that precedes the trades contains their sums.
    let at = context.events.len();
    context.events.push(Event::OrderPlaced(place_so_far(order, &taker)));
    let meets = taker.meets(market);
    if meets {
        let fok = order.terms.time_in_force() == TimeInForce::Fok;
        let whole = || taker.fills(state, market, context.now, context.room);
        match if fok && taker.stop.is_none() { whole() } else { FillOrKill::Whole } {
            FillOrKill::Whole => taker.cross(state, market, context),
            FillOrKill::NotWhole => {}
            FillOrKill::NotForItsOwn => taker.stop = Some(CancelReason::SelfTrade),
        }
        if let Event::OrderPlaced(placed) = &mut context.events[at] {
            (placed.quantity, placed.filled) = (wanted(order, &taker), taker.filled);
            (placed.status, placed.cancel_reason) = status(order, &taker, placed.quantity);
        }
    }
    // An order that rests at the limit it asked for holds what it held.
    let as_asked = limit == order.entry.book_price(order.terms.limit());
    let rests_as_asked = !meets && as_asked && order.terms.time_in_force().rests();
    if let (false, Event::OrderPlaced(placed)) = (rests_as_asked, &context.events[at]) {
        context.settlements.extend(taker.settlement(placed.hold(), placed.resting()));
    }
}

/// Returns the taker for an order that enters the book.
#[inline]
pub fn incoming(
    state: &ShardState,
    market: MarketView<'_>,
    id: OrderId,
    order: &NewOrder,
    (limit, now): (Price, Timestamp),
) -> Taker {
    let NewOrder { account, entry, fee_rate, instructions, .. } = *order;
    let (self_trade, group) = (instructions.self_trade, instructions.group);
    let allowance = instructions.reduce_only.then(|| reduce::allowance(state, market, account, entry));
    let appetite = match order.terms {
        Terms::Limit { quantity, .. } | Terms::Market { quantity, .. } => Appetite::Quantity(quantity),
        Terms::Budget { budget } => Appetite::Budget(budget, most_contracts(state, market, order)),
    };
    let mut taker =
        Taker::new(market, TakerInput { id, account, entry, fee_rate, self_trade, limit, appetite, allowance, group });
    if order.terms.time_in_force() == TimeInForce::Fok {
        if taker.is_cut() {
            taker.stop = Some(CancelReason::ReduceOnly);
        } else if taker.exceeds_group(state, now) {
            taker.stop = Some(CancelReason::Group);
        }
    }
    taker
}

/// Returns the most contracts that an order by budget may buy: the maximum of one order, and what
/// the market lets its account hold.
fn most_contracts(state: &ShardState, market: MarketView<'_>, order: &NewOrder) -> Quantity {
    let room = limits::position_room(state, market, order.account, order.entry.contract());
    u32::try_from(room).ok().and_then(Quantity::new).unwrap_or(Quantity::new(QUANTITY_MAX).expect("the limit itself"))
}

#[inline]
fn place_so_far(order: &NewOrder, taker: &Taker) -> OrderPlaced {
    let quantity = wanted(order, taker);
    let (status, cancel_reason) = status(order, taker, quantity);
    let (id, price, filled) = (taker.id, taker.limit, taker.filled);
    OrderPlaced { id, order: *order, price, quantity, filled, status, cancel_reason }
}

/// Returns an order's quantity without the contracts removed by self-trade prevention and those
/// beyond what it may reduce.
#[inline]
fn wanted(order: &NewOrder, taker: &Taker) -> Quantity {
    match order.terms {
        Terms::Limit { quantity, .. } | Terms::Market { quantity, .. } => quantity - taker.prevented - taker.beyond,
        Terms::Budget { .. } => taker.filled,
    }
}

#[inline]
fn status(order: &NewOrder, taker: &Taker, quantity: Quantity) -> (Status, Option<CancelReason>) {
    taker.stands(quantity, taker.filled, order.terms.time_in_force().rests())
}

/// An amendment of a resting order that passed all checks.
pub struct RestingChange {
    /// The limit from now on, in the book's YES price.
    pub limit: Price,
    /// Contracts from now on, including those that are filled.
    pub quantity: Quantity,
    /// The order keeps its place in the queue.
    pub in_place: bool,
    /// A reduce-only order that asked for more contracts than it may have.
    pub cut: bool,
    /// Credits held for it beyond what the order holds.
    pub raised: schemas::Credits,
}

/// Amends a resting order. Yields its `OrderAmended`, its trades, their settlements, and whose
/// positions changed.
pub fn amend(
    state: &ShardState,
    market: MarketView<'_>,
    resting: &MarketOrder,
    change: &RestingChange,
    context: &mut DecisionContext<'_>,
) {
    let before = resting.filled();
    let metadata = &resting.owner;
    let mut taker = Taker::new(
        market,
        TakerInput {
            id: resting.id,
            account: metadata.account,
            entry: metadata.entry,
            fee_rate: metadata.fee_rate,
            self_trade: metadata.self_trade,
            limit: change.limit,
            appetite: Appetite::Quantity(change.quantity - before),
            allowance: metadata.reduce_only.then(|| amend::allowance(state, market, resting)),
            group: metadata.group,
        },
    );
    if change.cut {
        taker.was_cut();
    }
    let at = context.events.len();
    let mut amended = amend_so_far(market, resting, change, &taker);
    context.events.push(Event::OrderAmended(amended));
    if !change.in_place && taker.meets(market) {
        taker.cross(state, market, context);
        amended = amend_so_far(market, resting, change, &taker);
        context.events[at] = Event::OrderAmended(amended);
    }
    let held = resting.held() + change.raised;
    context.settlements.extend(taker.settlement(held, amended.resting()));
}

fn amend_so_far(market: MarketView<'_>, resting: &MarketOrder, change: &RestingChange, taker: &Taker) -> OrderAmended {
    let quantity = change.quantity - taker.prevented - taker.beyond;
    let filled = resting.filled() + taker.filled;
    let (status, cancel_reason) = taker.stands(quantity, filled, true);
    OrderAmended {
        order: resting.id,
        account: resting.owner.account,
        market: market.listing.market,
        entry: resting.owner.entry,
        old_price: resting.book_price(),
        old_remaining: resting.contracts(),
        price: taker.limit,
        quantity,
        filled,
        status,
        cancel_reason,
        in_place: change.in_place,
    }
}

/// Returns the limit at which an order enters the book. A post-only order gets its own limit, or
/// one tick away from the best order that it would meet.
#[inline]
pub fn limit_to_rest(
    market: MarketView<'_>,
    entry: Entry,
    limit: Price,
    post_only: PostOnly,
    now: Timestamp,
) -> Result<Price, Rejection> {
    if post_only == PostOnly::Off {
        return Ok(limit);
    }
    let side = entry.book_side();
    // After more expired orders than one order may remove, the next one counts as live: an order
    // that meets it would not come to rest.
    let mut behind = market.queue(side.opposite()).enumerate();
    let best = behind.find(|(nth, maker)| *nth >= ORDER_FILLS_MAX || !maker.has_expired(now));
    let best = best.map(|(_, maker)| maker.book_price());
    let tick = market.listing.tick;
    match best {
        Some(best) if taker::crosses(side, limit, best) => {
            let away = match side {
                BookSide::Bid => best.ticks().checked_sub(tick),
                BookSide::Ask => best.ticks().checked_add(tick),
            };
            let away = away.and_then(Price::new).filter(|_| post_only == PostOnly::Reprice);
            away.ok_or(Rejection::PostOnlyWouldTake)
        }
        _ => Ok(limit),
    }
}
