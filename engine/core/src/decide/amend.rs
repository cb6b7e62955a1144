//! Changing a live order. A buy that needs more credits than its order holds asks its account's home for them first:
//!
//! ```text
//! account's home ─ AmendOrder ─▶ *market's home* ─ RaiseHold ─▶ account's home ─ AmendOrder, raised ─▶ *market's home*
//! ```
//!
//! Whatever fails on the way, the order is as it was.

use schemas::message::Raise;
use schemas::{
    AccountId, Amendment, Credits, Event, MarketState, Message, OrderRef, Price, Quantity, Rejection, Shard, Side,
};

use super::limits::{self, Wanted};
use super::matching::{self, Change};
use super::{Turn, account, cancel, message, settle};
use crate::state::{MarketOrder, MarketView, State};

/// What a change that is otherwise in order still lacks.
pub(super) enum Lack {
    /// It can be carried out.
    Nothing,
    /// Credits beyond what the order holds.
    Credits(Credits),
}

impl Turn<'_> {
    /// Account's home.
    pub(super) fn amend_order(
        &mut self,
        account: AccountId,
        order: OrderRef,
        price: Option<Price>,
        quantity: Option<Quantity>,
    ) {
        let id = account::active(self.state, account).and_then(|_| cancel::resolve(self.state, account, order));
        match id {
            Ok(id) => {
                let amendment = Amendment { account, order: id, price, quantity };
                if id.market_shard() == self.state.shard {
                    self.amend_here(amendment, None);
                } else {
                    self.tell(id.market_shard(), Message::AmendOrder { amendment, raised: None });
                }
            }
            Err(code) => self.reject_amend(account, order, code),
        }
    }

    pub(super) fn reject_amend(&mut self, account: AccountId, order: OrderRef, code: Rejection) {
        self.step(|_, draft| draft.events.push(Event::AmendRejected { account, order, code }));
    }

    /// Market's home. `raised` is what the account's home holds for it beyond what the order holds.
    pub(super) fn amend_here(&mut self, amendment: Amendment, raised: Option<Raise>) {
        let held = raised.map_or(Credits::ZERO, |raise| raise.amount);
        match check(self.state, &amendment, held, true) {
            Ok((.., change, Lack::Nothing)) => self.change(&change),
            Ok((market, .., Lack::Credits(amount))) if raised.is_none() => {
                let raise = Raise { market: market.listing.market, amount };
                let home = self.state.map.of_account(amendment.account);
                if home == self.state.shard {
                    self.raise_hold(amendment, raise, home);
                } else {
                    self.tell(home, Message::RaiseHold { amendment, raise });
                }
            }
            Ok(_) => self.refuse_amend(&amendment, raised, Rejection::OrderChanged),
            Err(code) => self.refuse_amend(&amendment, raised, code),
        }
    }

    fn change(&mut self, change: &Change) {
        let Amendment { account, order, .. } = change.amendment;
        let market = self.step(|state, draft| {
            let (market, resting) = cancel::find_live(state, account, order).expect("it was just checked");
            matching::amend(state, market, &resting, change, draft);
            market.listing.market
        });
        self.finish(market);
    }

    fn refuse_amend(&mut self, amendment: &Amendment, raised: Option<Raise>, code: Rejection) {
        let Amendment { account, order, .. } = *amendment;
        self.reject_amend(account, OrderRef::Id(order), code);
        if let Some(Raise { market, amount }) = raised {
            self.draft.settlements.push(settle::released(account, market, order, amount));
            self.settle();
        }
    }

    /// Account's home: holds what a change needs beyond what its order holds, and lets it go on at the market's home.
    pub(super) fn raise_hold(&mut self, amendment: Amendment, raise: Raise, market_home: Shard) {
        let Amendment { account, order, .. } = amendment;
        let here = market_home == self.state.shard;
        let raised = self.step(|state, draft| match check_raise(state, account, raise.amount) {
            Ok(()) => {
                draft.events.push(Event::HoldRaised { account, order, amount: raise.amount });
                if !here {
                    let message = Message::AmendOrder { amendment, raised: Some(raise) };
                    draft.events.push(message::send(state, market_home, message));
                }
                true
            }
            Err(code) => {
                draft.events.push(Event::AmendRejected { account, order: OrderRef::Id(order), code });
                false
            }
        });
        if raised && here {
            self.amend_here(amendment, Some(raise));
        }
    }
}

fn check_raise(state: &State, account: AccountId, amount: Credits) -> Result<(), Rejection> {
    let account = account::active(state, account)?;
    if account.available < amount {
        return Err(Rejection::FundsInsufficient);
    }
    if account.held + amount > account.limits.held {
        return Err(Rejection::NotionalLimit);
    }
    Ok(())
}

/// Everything that can refuse a change, and what it still lacks. One that is not alone is part of an all-or-nothing batch, which
/// looks itself at what its account may have.
pub(super) fn check<'a>(
    state: &'a State,
    amendment: &Amendment,
    raised: Credits,
    alone: bool,
) -> Result<(MarketView<'a>, MarketOrder, Change, Lack), Rejection> {
    let Amendment { account, order, price, quantity } = *amendment;
    let (market, resting) = cancel::find_live(state, account, order)?;
    let stake = &resting.owner;
    let limit = price.map_or(resting.book_price(), |price| stake.entry.book_price(price));
    let quantity = quantity.unwrap_or(stake.quantity);
    if (limit, quantity) == (resting.book_price(), stake.quantity) {
        return Err(Rejection::AmendmentEmpty);
    }
    let in_place = limit == resting.book_price() && quantity < stake.quantity;
    check_market(state, market, limit, in_place)?;
    if quantity <= resting.filled() {
        return Err(Rejection::QuantityFilled);
    }
    let remaining = quantity - resting.filled();
    if alone && !in_place {
        check_room(state, market, &resting, limit, remaining)?;
    }
    let needed = stake.hold(limit, remaining) - resting.held();
    let lack = if needed > raised { Lack::Credits(needed) } else { Lack::Nothing };
    let limit = if in_place {
        limit
    } else {
        matching::limit_to_rest(market, stake.entry, limit, stake.post_only, state.facts.time)?
    };
    Ok((market, resting, Change { amendment: *amendment, limit, quantity, in_place, raised }, lack))
}

fn check_market(state: &State, market: MarketView<'_>, limit: Price, in_place: bool) -> Result<(), Rejection> {
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

/// Contracts to give, and limits.
fn check_room(
    state: &State,
    market: MarketView<'_>,
    resting: &MarketOrder,
    limit: Price,
    remaining: Quantity,
) -> Result<(), Rejection> {
    let stake = &resting.owner;
    if stake.entry.side() == Side::Sell {
        let more = more_contracts(resting, remaining);
        if market.position(stake.account).free(stake.entry.contract()) < more {
            return Err(Rejection::PositionInsufficient);
        }
    }
    limits::check(state, market, || Wanted::amended(resting, limit, remaining))
}

/// Contracts that a change asks for beyond what is left.
pub(super) fn more_contracts(resting: &MarketOrder, remaining: Quantity) -> u64 {
    u64::from(remaining.contracts().saturating_sub(resting.remaining))
}
