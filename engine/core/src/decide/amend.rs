//! Amends a live order. A refused amendment leaves the order as it was.

use schemas::{
    AccountId, Amendment, Credits, Event, MarketState, Need, OrderRef, ParkedRequest, Price, Quantity, Rejection, Room,
    Side,
};

use super::limits::{self, ExposureChange};
use super::matching::{self, RestingChange};
use super::{CommandRun, cancel, order, parking, reduce};
use crate::state::{MarketOrder, MarketView, ShardState};

impl CommandRun<'_> {
    pub(super) fn amend_order(
        &mut self,
        account: AccountId,
        order: OrderRef,
        price: Option<Price>,
        quantity: Option<Quantity>,
    ) {
        let id =
            match order::check_active(self.state, account).and_then(|()| cancel::resolve(self.state, account, order)) {
                Ok(id) => id,
                Err(code) => return self.reject_amend(account, order, code),
            };
        let amendment = Amendment { account, order: id, price, quantity };
        match look(self.state, &amendment) {
            Err(code) => self.reject_amend(account, OrderRef::Id(id), code),
            Ok((change, _)) if change.in_place => self.change(&amendment),
            Ok((_, need)) if need.is_nothing() && !parking::queues(self.state, account) => self.change(&amendment),
            Ok((_, need)) => self.park_for(account, need, ParkedRequest::Amend { order: id, price, quantity }),
        }
    }

    pub(super) fn reject_amend(&mut self, account: AccountId, order: OrderRef, code: Rejection) {
        self.step(|_, context| context.events.push(Event::AmendRejected { account, order, code }));
    }

    /// Carries out an amendment that lacks nothing.
    pub(super) fn change(&mut self, amendment: &Amendment) {
        let changed = self.step(|state, context| {
            let (market, resting, change) = match check(state, amendment, false) {
                Ok(checked) => checked,
                Err(code) => {
                    let (account, order) = (amendment.account, OrderRef::Id(amendment.order));
                    context.events.push(Event::AmendRejected { account, order, code });
                    return None;
                }
            };
            let Amendment { account, order, .. } = *amendment;
            if change.raised != Credits::ZERO {
                context.events.push(Event::HoldRaised { account, order, amount: change.raised });
            }
            matching::amend(state, market, &resting, &change, context);
            Some(market.listing.market)
        });
        if let Some(market) = changed {
            self.finish(market);
        }
    }
}

/// Returns the change and what its purse lacks for it, or what refuses it whatever its purse has.
pub(super) fn look(state: &ShardState, amendment: &Amendment) -> Result<(RestingChange, Need), Rejection> {
    order::check_active(state, amendment.account)?;
    let (.., change) = check(state, amendment, true)?;
    let raised = change.raised;
    let wanted = Need { credits: raised, room: Room { orders: 0, held: raised } };
    let need = parking::lacks(state, amendment.account, wanted)?;
    Ok((change, need))
}

/// Runs every check of the order and its market that can refuse an amendment. One that is not alone
/// is part of an all-or-nothing batch, whose precheck checks the account's allowance itself.
pub(super) fn check<'a>(
    state: &'a ShardState,
    amendment: &Amendment,
    alone: bool,
) -> Result<(MarketView<'a>, MarketOrder, RestingChange), Rejection> {
    let Amendment { account, order, price, quantity } = *amendment;
    let (market, resting) = cancel::find_live(state, account, order)?;
    let metadata = &resting.owner;
    let limit = price.map_or(resting.book_price(), |price| metadata.entry.book_price(price));
    let quantity = quantity.unwrap_or(metadata.quantity);
    if (limit, quantity) == (resting.book_price(), metadata.quantity) {
        return Err(Rejection::AmendmentEmpty);
    }
    let in_place = limit == resting.book_price() && quantity < metadata.quantity;
    check_market(state, market, limit, in_place)?;
    if quantity <= resting.filled() {
        return Err(Rejection::QuantityFilled);
    }
    let asked = quantity - resting.filled();
    let remaining = if metadata.reduce_only && !in_place {
        reduce::at_most(asked, allowance(state, market, &resting))
    } else {
        asked
    };
    let (quantity, cut) = (resting.filled() + remaining, remaining < asked);
    if alone && !in_place {
        check_room(state, market, &resting, limit, remaining)?;
    }
    // An order that holds more than the change needs frees the rest when it is amended.
    let raised = Credits((metadata.hold(limit, remaining) - resting.held()).0.max(0));
    let limit = if in_place {
        limit
    } else {
        matching::limit_to_rest(market, metadata.entry, limit, metadata.post_only, state.facts.time)?
    };
    Ok((market, resting, RestingChange { limit, quantity, in_place, cut, raised }))
}

fn check_market(state: &ShardState, market: MarketView<'_>, limit: Price, in_place: bool) -> Result<(), Rejection> {
    let trades = market.state == MarketState::Open && market.listing.expiry > state.facts.time;
    let takes = trades || (in_place && market.state.takes_cancels());
    if !takes {
        return Err(Rejection::MarketNotOpen);
    }
    if !limit.ticks().is_multiple_of(market.listing.tick) {
        return Err(Rejection::PriceOffTick);
    }
    Ok(())
}

/// Returns the contracts that a reduce-only order may have, besides those that are filled: what it
/// has left, and what its account has that nothing else takes.
pub(super) fn allowance(state: &ShardState, market: MarketView<'_>, resting: &MarketOrder) -> u64 {
    let metadata = &resting.owner;
    u64::from(resting.remaining) + reduce::allowance(state, market, metadata.account, metadata.entry)
}

/// Checks the contracts to sell, and the limits.
fn check_room(
    state: &ShardState,
    market: MarketView<'_>,
    resting: &MarketOrder,
    limit: Price,
    remaining: Quantity,
) -> Result<(), Rejection> {
    let metadata = &resting.owner;
    if metadata.entry.side() == Side::Sell {
        let more = more_contracts(resting, remaining);
        if market.position(metadata.account).free(metadata.entry.contract()) < more {
            return Err(Rejection::PositionInsufficient);
        }
    }
    limits::check(state, market, || ExposureChange::amended(resting, limit, remaining))
}

/// Returns the contracts that an amendment asks for beyond what is left.
pub(super) fn more_contracts(resting: &MarketOrder, remaining: Quantity) -> u64 {
    u64::from(remaining.contracts().saturating_sub(resting.remaining))
}
