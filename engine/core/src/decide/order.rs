//! Orders: validation, the funds that they need, and acceptance.

use schemas::event::FirstOutcome;
use schemas::limits::AMOUNT_MAX;
use schemas::{
    AccountId, Event, MarketState, Need, NewOrder, ParkedRequest, PostOnly, Price, Quantity, Rejection, Room, Side,
    Terms, Timestamp,
};

use super::limits::{self, ExposureChange};
use super::{CommandRun, DecisionContext, groups, market, matching, parking, reduce};
use crate::state::{Exposure, MarketView, Meaning, RequestName, ShardState};

impl CommandRun<'_> {
    pub(super) fn place_order(&mut self, order: &NewOrder) {
        self.state.seek(order);
        if self.state.map.of_market(order.market) != self.state.shard {
            return self.reject_order(order, Rejection::WrongShard);
        }
        match repeated(self.state, order) {
            Some(Ok(answer)) => return self.step(|_, context| context.events.push(answer)),
            Some(Err(code)) => return self.reject_order(order, code),
            None if order.client_id.is_some() && self.state.facts.client_ids.are_used_up(order.account) => {
                return self.reject_order(order, Rejection::ClientIdLimit);
            }
            None => {}
        }
        let queues = parking::queues(self.state, order.account);
        let lacking = self.step(|state, context| match check(state, order, context.now) {
            Ok((market, limit, need)) if need.is_nothing() && !queues => {
                take_in(state, market, order, limit, context);
                None
            }
            Ok((.., need)) => Some(need),
            Err(code) => {
                refuse(state, order, code, context);
                None
            }
        });
        match lacking {
            Some(need) => self.park_for(order.account, need, ParkedRequest::Place(*order)),
            None => self.finish(order.market),
        }
    }

    pub(super) fn reject_order(&mut self, order: &NewOrder, code: Rejection) {
        self.step(|state, context| refuse(state, order, code, context));
    }

    /// Accepts an order that lacks nothing, or that passed the precheck of its batch.
    pub(super) fn take_in(&mut self, order: &NewOrder) {
        self.step(|state, context| match check(state, order, context.now) {
            Ok((market, limit, _)) => take_in(state, market, order, limit, context),
            Err(code) => refuse(state, order, code, context),
        });
        self.finish(order.market);
    }
}

fn take_in(
    state: &ShardState,
    market: MarketView<'_>,
    order: &NewOrder,
    limit: Price,
    context: &mut DecisionContext<'_>,
) {
    let id = state.next_order_id();
    state.prefetch_order(id, order);
    matching::place(state, market, id, order, limit, context);
}

fn refuse(state: &ShardState, order: &NewOrder, code: Rejection, context: &mut DecisionContext<'_>) {
    context.events.push(Event::OrderRejected { id: state.next_order_id(), order: *order, code });
}

/// Returns the fingerprint of an order: it distinguishes a repeated request from a client id used
/// for another order.
pub(crate) fn fingerprint(order: &NewOrder) -> u128 {
    fingerprint_of(order)
}

/// Returns the first half of the hash of a request's bytes.
pub(super) fn fingerprint_of(request: &impl bincode::Encode) -> u128 {
    let mut bytes = Vec::with_capacity(96);
    schemas::codec::encode_into(request, &mut bytes);
    let mut head = [0; 16];
    head.copy_from_slice(&blake3::hash(&bytes).as_bytes()[..16]);
    u128::from_le_bytes(head)
}

/// Returns the answer to a client id that was used before; `None` if it was not.
pub(super) fn repeated(state: &ShardState, order: &NewOrder) -> Option<Result<Event, Rejection>> {
    let NewOrder { account, client_id, .. } = *order;
    let (name, client_id) = (RequestName::of_order(order)?, client_id?);
    let (first, same) = match parking::asks_for(state, order) {
        Some((command, parked)) => (FirstOutcome::Parked { command }, parked == order),
        None => {
            let (meaning, same) = state.facts.client_ids.get_first(name, || fingerprint(order))?;
            let first = match meaning {
                Meaning::Order(id) => FirstOutcome::Order { id },
                Meaning::Refused(id, code) => FirstOutcome::OrderRejected { id, code },
                Meaning::Movement | Meaning::RefusedMovement(_) => unreachable!("a movement's name has no market"),
            };
            (first, same)
        }
    };
    let answer = Event::ClientIdRepeated { account, client_id, first };
    Some(if same { Ok(answer) } else { Err(Rejection::ClientIdReused) })
}

/// Runs every check that can refuse an order; returns its market, limit and what its purse lacks.
/// What the purse lacks comes last, because it can be requested from the home. The limit is the
/// order's own, or the adjusted one of a post-only order. [`preview`](super::preview) runs the same
/// rules one by one.
pub(super) fn check<'a>(
    state: &'a ShardState,
    order: &NewOrder,
    now: Timestamp,
) -> Result<(MarketView<'a>, Price, Need), Rejection> {
    check_terms(order, now)?;
    check_active(state, order.account)?;
    let (market, limit, contracts) = check_market(state, order, now)?;
    let need = parking::lacks(state, order.account, needed(order, contracts))?;
    Ok((market, limit, need))
}

/// Checks that the account is active, as far as its purse on this shard shows.
pub(super) fn check_active(state: &ShardState, account: AccountId) -> Result<(), Rejection> {
    match state.purse(account) {
        Some(purse) if purse.frozen => Err(Rejection::AccountFrozen),
        _ => Ok(()),
    }
}

/// Returns what an order of this many contracts takes from its purse.
pub(super) fn needed(order: &NewOrder, contracts: Quantity) -> Need {
    let held = order.hold_for(contracts);
    let orders = u32::from(order.terms.time_in_force().rests());
    Need { credits: held, room: Room { orders, held } }
}

/// Checks the order alone: what no account could ever do.
pub(super) fn check_terms(order: &NewOrder, now: Timestamp) -> Result<(), Rejection> {
    check_amount(order)?;
    check_expiry(order, now)?;
    check_post_only(order)
}

pub(super) fn check_amount(order: &NewOrder) -> Result<(), Rejection> {
    match order.terms {
        Terms::Limit { quantity, .. } | Terms::Market { quantity, .. } if quantity.is_zero() => {
            Err(Rejection::QuantityIsZero)
        }
        Terms::Budget { budget } if !(1..=AMOUNT_MAX).contains(&budget.0) => Err(Rejection::AmountOutOfRange),
        Terms::Budget { .. } if order.entry.side() == Side::Sell => Err(Rejection::BudgetOnSell),
        Terms::Limit { .. } | Terms::Market { .. } | Terms::Budget { .. } => Ok(()),
    }
}

pub(super) fn check_expiry(order: &NewOrder, now: Timestamp) -> Result<(), Rejection> {
    match order.terms.time_in_force().expires() {
        Some(expires) if expires <= now => Err(Rejection::ExpiryInPast),
        _ => Ok(()),
    }
}

pub(super) fn check_post_only(order: &NewOrder) -> Result<(), Rejection> {
    let immediate = !order.terms.time_in_force().rests();
    if order.terms.post_only() != PostOnly::Off && immediate { Err(Rejection::PostOnlyImmediate) } else { Ok(()) }
}

pub(super) fn check_deadline(order: &NewOrder, now: Timestamp) -> Result<(), Rejection> {
    match order.instructions.deadline {
        Some(deadline) if now > deadline => Err(Rejection::DeadlinePassed),
        _ => Ok(()),
    }
}

/// Checks the order against its market; returns the limit and the contracts with which it enters.
fn check_market<'a>(
    state: &'a ShardState,
    order: &NewOrder,
    now: Timestamp,
) -> Result<(MarketView<'a>, Price, Quantity), Rejection> {
    let market = check_listing(state, order, now)?;
    check_room(state, order, state.orders())?;
    groups::check(state, order)?;
    let contracts = reduce::admit(state, market, order)?;
    check_position(market, order, contracts)?;
    check_times(order, now)?;
    let limit = limit_to_rest(market, order, now)?;
    limits::check(state, market, || wanted(order, contracts))?;
    Ok((market, limit, contracts))
}

/// Checks that the contracts that a sell gives are free.
pub(super) fn check_position(market: MarketView<'_>, order: &NewOrder, contracts: Quantity) -> Result<(), Rejection> {
    if order.entry.side() == Side::Sell {
        let free = market.position(order.account).free(order.entry.contract());
        if free < u64::from(contracts.contracts()) {
            return Err(Rejection::PositionInsufficient);
        }
    }
    Ok(())
}

/// Checks the order's deadline and expiry.
pub(super) fn check_times(order: &NewOrder, now: Timestamp) -> Result<(), Rejection> {
    check_deadline(order, now)?;
    check_expiry(order, now)
}

/// Returns the limit at which the order may enter the book.
pub(super) fn limit_to_rest(market: MarketView<'_>, order: &NewOrder, now: Timestamp) -> Result<Price, Rejection> {
    let limit = order.entry.book_price(order.terms.limit());
    matching::limit_to_rest(market, order.entry, limit, order.terms.post_only(), now)
}

/// Checks the order against the market's rules, whatever the account.
pub(super) fn check_listing<'a>(
    state: &'a ShardState,
    order: &NewOrder,
    now: Timestamp,
) -> Result<MarketView<'a>, Rejection> {
    let market = market::known(state, order.market)?;
    check_open(market, now)?;
    check_tick(market, order)?;
    check_fee_rate(market, order)?;
    Ok(market)
}

pub(super) fn check_open(market: MarketView<'_>, now: Timestamp) -> Result<(), Rejection> {
    let open = market.state == MarketState::Open && market.listing.expiry > now;
    if open { Ok(()) } else { Err(Rejection::MarketNotOpen) }
}

pub(super) fn check_tick(market: MarketView<'_>, order: &NewOrder) -> Result<(), Rejection> {
    let limited = matches!(order.terms, Terms::Limit { .. });
    let off = limited && !order.terms.limit().ticks().is_multiple_of(market.listing.tick);
    if off { Err(Rejection::PriceOffTick) } else { Ok(()) }
}

pub(super) fn check_fee_rate(market: MarketView<'_>, order: &NewOrder) -> Result<(), Rejection> {
    let highest = market.listing.maker_fee.max(market.listing.taker_fee);
    let too_low = order.entry.side() == Side::Buy && order.fee_rate < highest;
    if too_low { Err(Rejection::FeeRateTooLow) } else { Ok(()) }
}

/// Checks that the shard's books, with `resting` orders in them, have space for an order that may
/// rest.
pub(super) fn check_room(state: &ShardState, order: &NewOrder, resting: usize) -> Result<(), Rejection> {
    let full = resting >= state.books_max.orders;
    if full && order.terms.time_in_force().rests() { Err(Rejection::BooksFull) } else { Ok(()) }
}

/// Returns the most that an order of this many contracts may add to its account's live orders.
pub(super) fn wanted(order: &NewOrder, contracts: Quantity) -> ExposureChange {
    let buys = match order.entry.side() {
        // A limit on the position caps what an order by budget buys; one contract shows whether any
        // is left.
        Side::Buy => u64::from(contracts.contracts()).max(1),
        Side::Sell => 0,
    };
    let (yes, no) = match order.entry.contract() {
        schemas::Contract::Yes => (buys, 0),
        schemas::Contract::No => (0, buys),
    };
    let notional = match order.terms {
        Terms::Budget { budget } => budget,
        Terms::Limit { .. } | Terms::Market { .. } => order.terms.limit().cost(contracts),
    };
    let live_orders = u32::from(order.terms.time_in_force().rests());
    let (account, contract) = (order.account, order.entry.contract());
    ExposureChange {
        account,
        contract,
        before: Exposure::default(),
        after: Exposure { live_orders, notional, yes, no },
    }
}
