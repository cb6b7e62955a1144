//! Orders: taking them in at their account's home, and into the book at their market's.

use schemas::event::KnownAs;
use schemas::limits::AMOUNT_MAX;
use schemas::{
    Credits, Event, MarketState, Message, NewOrder, OrderId, PostOnly, Price, Quantity, Rejection, Shard, Side, Terms,
};

use super::limits::{self, Wanted};
use super::{Turn, account, market, matching, settle};
use crate::state::{Exposure, MarketView, State};

/// What becomes of an order after its entry.
enum Entry {
    /// Answered: refused, or seen before.
    Answered,
    /// To the market that lives here too.
    Here(OrderId),
    /// To the market's home.
    There(Shard, OrderId),
}

impl Turn<'_> {
    /// Account's home.
    pub(super) fn place_order(&mut self, order: &NewOrder) {
        self.state.recall(order.account, order.market);
        match self.step(|state, draft| take_in(state, order, draft.events)) {
            Entry::Answered => {}
            Entry::Here(id) => self.enter_market(id, order),
            Entry::There(to, id) => self.tell(to, Message::PlaceOrder { id, order: *order }),
        }
    }

    pub(super) fn reject_order(&mut self, order: &NewOrder, code: Rejection) {
        self.step(|state, draft| {
            let id = state.next_order_id(state.map.of_market(order.market));
            draft.events.push(Event::OrderRejected { id, order: *order, code });
        });
    }

    /// Market's home: an order that was entered.
    pub(super) fn enter_market(&mut self, id: OrderId, order: &NewOrder) {
        self.step(|state, draft| match check_market(state, order) {
            Ok((market, limit)) => matching::place(state, market, id, order, limit, draft),
            Err(code) => {
                draft.events.push(Event::OrderRejected { id, order: *order, code });
                draft.settlements.push(settle::ended(id, order));
            }
        });
        self.finish(order.market);
    }
}

/// Tells a repeat of a client id from its use for another order.
pub(crate) fn fingerprint(order: &NewOrder) -> u64 {
    let mut bytes = Vec::with_capacity(96);
    schemas::codec::encode_into(order, &mut bytes);
    let mut head = [0; 8];
    head.copy_from_slice(&blake3::hash(&bytes).as_bytes()[..8]);
    u64::from_le_bytes(head)
}

/// What the client called the order.
pub(super) fn known_as(order: &NewOrder) -> Option<KnownAs> {
    order.client_id.map(|client_id| KnownAs { client_id, fingerprint: fingerprint(order) })
}

/// The answer to a client id that was used before.
pub(super) fn repeated(state: &State, order: &NewOrder) -> Option<Result<Event, Rejection>> {
    let client_id = order.client_id?;
    let (first, seen) = state.facts.client_ids.get(order.account, client_id)?;
    let same = seen == fingerprint(order);
    let answer = Event::ClientIdRepeated { account: order.account, client_id, first };
    Some(if same { Ok(answer) } else { Err(Rejection::ClientIdReused) })
}

/// Takes an order in: gives it an id and, for a buy, holds its credits.
fn take_in(state: &State, order: &NewOrder, events: &mut Vec<Event>) -> Entry {
    let market_home = state.map.of_market(order.market);
    let id = state.next_order_id(market_home);
    let hold = order.hold();
    let checked = match repeated(state, order) {
        Some(Ok(answer)) => {
            events.push(answer);
            return Entry::Answered;
        }
        Some(Err(code)) => Err(code),
        None => check_entry(state, order, hold),
    };
    if let Err(code) = checked {
        events.push(Event::OrderRejected { id, order: *order, code });
        return Entry::Answered;
    }
    events.push(entered(id, order, hold));
    if market_home != state.shard {
        return Entry::There(market_home, id);
    }
    state.prefetch_order(id, order);
    Entry::Here(id)
}

pub(super) fn entered(id: OrderId, order: &NewOrder, held: Credits) -> Event {
    let NewOrder { account, market, .. } = *order;
    Event::OrderEntered { id, account, market, held, known_as: known_as(order) }
}

/// What the account's home can refuse.
pub(super) fn check_entry(state: &State, order: &NewOrder, hold: Credits) -> Result<(), Rejection> {
    let account = account::active(state, order.account);
    if let Err(code @ Rejection::WrongShard) = account {
        return Err(code);
    }
    check_terms(state, order)?;
    let account = account?;
    if account.available < hold {
        return Err(Rejection::FundsInsufficient);
    }
    check_deadline(state, order)?;
    if account.live_orders >= account.limits.live_orders {
        return Err(Rejection::LiveOrderLimit);
    }
    if hold.0 > 0 && account.held + hold > account.limits.held {
        return Err(Rejection::NotionalLimit);
    }
    Ok(())
}

/// What makes no sense for anybody, ever.
fn check_terms(state: &State, order: &NewOrder) -> Result<(), Rejection> {
    let time_in_force = order.terms.time_in_force();
    match order.terms {
        Terms::Limit { quantity, .. } | Terms::Market { quantity, .. } if quantity.is_zero() => {
            return Err(Rejection::QuantityIsZero);
        }
        Terms::Budget { budget } if !(1..=AMOUNT_MAX).contains(&budget.0) => return Err(Rejection::AmountOutOfRange),
        Terms::Budget { .. } if order.entry.side() == Side::Sell => return Err(Rejection::BudgetOnSell),
        Terms::Limit { .. } | Terms::Market { .. } | Terms::Budget { .. } => {}
    }
    if time_in_force.expires().is_some_and(|expires| expires <= state.facts.time) {
        return Err(Rejection::ExpiryInPast);
    }
    if order.terms.post_only() != PostOnly::Off && !time_in_force.rests() {
        return Err(Rejection::PostOnlyImmediate);
    }
    Ok(())
}

fn check_deadline(state: &State, order: &NewOrder) -> Result<(), Rejection> {
    match order.instructions.deadline {
        Some(deadline) if state.facts.time > deadline => Err(Rejection::DeadlinePassed),
        _ => Ok(()),
    }
}

/// What the market's home can refuse. The limit is the order's own, or where a post-only order goes instead.
fn check_market<'a>(state: &'a State, order: &NewOrder) -> Result<(MarketView<'a>, Price), Rejection> {
    let market = check_listing(state, order)?;
    if order.entry.side() == Side::Sell {
        let free = market.position(order.account).free(order.entry.contract());
        if free < u64::from(contracts(order).contracts()) {
            return Err(Rejection::PositionInsufficient);
        }
    }
    check_times(state, order)?;
    let limit = order.entry.book_price(order.terms.limit());
    let limit = matching::limit_to_rest(market, order.entry, limit, order.terms.post_only(), state.facts.time)?;
    limits::check(state, market, || wanted(order))?;
    Ok((market, limit))
}

/// Its deadline and expiry, by the time at which it reaches its market.
pub(super) fn check_times(state: &State, order: &NewOrder) -> Result<(), Rejection> {
    check_deadline(state, order)?;
    match order.terms.time_in_force().expires() {
        Some(expires) if expires <= state.facts.time => Err(Rejection::ExpiryInPast),
        _ => Ok(()),
    }
}

/// What the market's rules refuse, whoever asks.
pub(super) fn check_listing<'a>(state: &'a State, order: &NewOrder) -> Result<MarketView<'a>, Rejection> {
    let market = market::known(state, order.market)?;
    let listing = &market.listing;
    if market.state != MarketState::Open || listing.expiry <= state.facts.time {
        return Err(Rejection::MarketNotOpen);
    }
    let limited = matches!(order.terms, Terms::Limit { .. });
    if limited && !order.terms.limit().ticks().is_multiple_of(listing.tick) {
        return Err(Rejection::PriceOffTick);
    }
    if order.entry.side() == Side::Buy && order.fee_rate < listing.maker_fee.max(listing.taker_fee) {
        return Err(Rejection::FeeRateTooLow);
    }
    Ok(market)
}

/// What an order comes to among its account's live orders, at most.
pub(super) fn wanted(order: &NewOrder) -> Wanted {
    let buys = match order.entry.side() {
        // By budget it buys no more than the position's limit lets it; one contract tells whether there is room.
        Side::Buy => u64::from(contracts(order).contracts()).max(1),
        Side::Sell => 0,
    };
    let (yes, no) = match order.entry.contract() {
        schemas::Contract::Yes => (buys, 0),
        schemas::Contract::No => (0, buys),
    };
    let notional = match order.terms {
        Terms::Budget { budget } => budget,
        Terms::Limit { .. } | Terms::Market { .. } => order.terms.limit().cost(contracts(order)),
    };
    let live_orders = u32::from(order.terms.time_in_force().rests());
    let (account, contract) = (order.account, order.entry.contract());
    Wanted { account, contract, before: Exposure::default(), after: Exposure { live_orders, notional, yes, no } }
}

/// Contracts that are asked for; none by budget.
pub(super) fn contracts(order: &NewOrder) -> Quantity {
    match order.terms {
        Terms::Limit { quantity, .. } | Terms::Market { quantity, .. } => quantity,
        Terms::Budget { .. } => Quantity::ZERO,
    }
}
