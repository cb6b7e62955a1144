//! Orders: taking them in, handing a funded buy to its market's home, cancelling.

use schemas::limits::AMOUNT_MAX;
use schemas::message::Settlement;
use schemas::{AccountId, Credits, Event, MarketState, Message, NewOrder, OrderId, Rejection, Shard, Side, Terms};

use super::{Draft, Turn, account, market, matching, settle};
use crate::state::{Market, State};

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
    pub(super) fn place_order(&mut self, order: &NewOrder) {
        match self.step(|state, draft| take_in(state, order, draft.events)) {
            Entry::Answered => {}
            Entry::Here(id) => self.enter_market(id, order),
            Entry::There(to, id) => {
                self.step(|state, draft| {
                    draft.events.push(super::message::send(state, to, Message::PlaceOrder { id, order: *order }));
                });
            }
        }
    }

    /// Market's home: an order whose credits are held, or whose contracts are here.
    pub(super) fn enter_market(&mut self, id: OrderId, order: &NewOrder) {
        self.step(|state, draft| match check_market(state, order) {
            Ok(market) => matching::match_order(state, market, id, order, draft),
            Err(code) => {
                draft.events.push(Event::OrderRejected { id, order: *order, code });
                release(id, order, draft.settlements);
            }
        });
        self.finish(order.market);
    }

    pub(super) fn cancel_order(&mut self, account: AccountId, order: OrderId) {
        let market = self.step(|state, draft| match find_live(state, account, order) {
            Ok(market) => {
                cancel(market, order, schemas::event::CancelReason::Requested, draft);
                Some(market.listing.market)
            }
            Err(code) => {
                draft.events.push(Event::Rejected { code });
                None
            }
        });
        if let Some(market) = market {
            self.finish(market);
        }
    }
}

/// Tells a repeat of a client id from its use for another order.
pub(crate) fn fingerprint(order: &NewOrder) -> u64 {
    let mut bytes = Vec::with_capacity(64);
    schemas::codec::encode_into(order, &mut bytes);
    let mut head = [0; 8];
    head.copy_from_slice(&blake3::hash(&bytes).as_bytes()[..8]);
    u64::from_le_bytes(head)
}

/// Takes an order in: gives it an id and, for a buy, holds its credits.
fn take_in(state: &State, order: &NewOrder, events: &mut Vec<Event>) -> Entry {
    let market_home = state.map.of_market(order.market);
    let id = state.next_order_id(market_home);
    let known_as = order.client_id.and_then(|name| Some((name, state.facts.client_ids.get(order.account, name)?)));
    if let Some((client_id, (first, seen))) = known_as {
        events.push(if seen == fingerprint(order) {
            Event::ClientIdRepeated { account: order.account, client_id, first }
        } else {
            Event::OrderRejected { id, order: *order, code: Rejection::ClientIdReused }
        });
        return Entry::Answered;
    }
    if let Err(code) = check_entry(state, order) {
        events.push(Event::OrderRejected { id, order: *order, code });
        return Entry::Answered;
    }
    if order.entry.side() == Side::Buy {
        events.push(Event::OrderFunded { id, order: *order, held: order.hold() });
    }
    if market_home == state.shard { Entry::Here(id) } else { Entry::There(market_home, id) }
}

fn check_entry(state: &State, order: &NewOrder) -> Result<(), Rejection> {
    let side = order.entry.side();
    let home = match side {
        Side::Buy => state.map.of_account(order.account),
        Side::Sell => state.map.of_market(order.market),
    };
    if home != state.shard {
        return Err(Rejection::WrongShard);
    }
    match order.terms {
        Terms::Limit { quantity, .. } | Terms::Market { quantity, .. } if quantity.is_zero() => {
            return Err(Rejection::QuantityIsZero);
        }
        Terms::Budget { budget } if !(1..=AMOUNT_MAX).contains(&budget.0) => return Err(Rejection::AmountOutOfRange),
        Terms::Budget { .. } if side == Side::Sell => return Err(Rejection::BudgetOnSell),
        Terms::Limit { .. } | Terms::Market { .. } | Terms::Budget { .. } => {}
    }
    if side == Side::Buy && account::known(state, order.account)?.available < order.hold() {
        return Err(Rejection::FundsInsufficient);
    }
    Ok(())
}

fn check_market<'a>(state: &'a State, order: &NewOrder) -> Result<&'a Market, Rejection> {
    let market = market::known(state, order.market)?;
    let listing = &market.listing;
    if market.state != MarketState::Open || listing.expiry <= state.facts.time {
        return Err(Rejection::MarketNotOpen);
    }
    let resting_limit = matches!(order.terms, Terms::Limit { .. });
    if resting_limit && !order.terms.limit().ticks().is_multiple_of(listing.tick) {
        return Err(Rejection::PriceOffTick);
    }
    match (order.entry.side(), order.terms) {
        (Side::Buy, _) if order.fee_rate < listing.maker_fee.max(listing.taker_fee) => Err(Rejection::FeeRateTooLow),
        (Side::Sell, Terms::Limit { quantity, .. } | Terms::Market { quantity, .. })
            if market.position(order.account).free(order.entry.contract()) < u64::from(quantity.contracts()) =>
        {
            Err(Rejection::PositionInsufficient)
        }
        _ => Ok(market),
    }
}

/// A buy that came to nothing gives back all it held.
fn release(id: OrderId, order: &NewOrder, settlements: &mut Vec<Settlement>) {
    if order.entry.side() == Side::Buy {
        settlements.push(settle::released(order.account, order.market, id, order.hold()));
    }
}

fn find_live(state: &State, account: AccountId, order: OrderId) -> Result<&Market, Rejection> {
    if order.market_shard() != state.shard {
        return Err(Rejection::WrongShard);
    }
    let market = state.lookup.live.get(&order).and_then(|id| state.market(*id)).ok_or(Rejection::OrderUnknown)?;
    match market.book.get(order) {
        Some(resting) if resting.owner.account == account => Ok(market),
        _ => Err(Rejection::OrderUnknown),
    }
}

/// Ends a resting order and gives back what it holds.
pub(super) fn cancel(market: &Market, order: OrderId, reason: schemas::event::CancelReason, draft: &mut Draft<'_>) {
    let resting = market.book.get(order).expect("the caller saw it rest");
    let (account, id) = (resting.owner.account, market.listing.market);
    draft.touched.push(account);
    draft.events.push(Event::OrderCancelled {
        order,
        account,
        market: id,
        entry: resting.owner.entry,
        price: resting.book_price(),
        quantity: resting.contracts(),
        reason,
    });
    let released = resting.held();
    if released != Credits::ZERO {
        draft.settlements.push(settle::released(account, id, order, released));
    }
}
