//! Every rule of the market's shard that an order breaks; deciding stops at the first.

use schemas::{MarketLimits, NewOrder, Quantity, Rejection, Timestamp};

use crate::decide::{groups, limits, market, order, parking, reduce};
use crate::state::{MarketView, ShardState};

/// Rules that an order breaks, each once.
#[derive(Default)]
pub struct Breaks(pub Vec<Rejection>);

impl Breaks {
    pub fn note(&mut self, checked: Result<(), Rejection>) {
        if let Err(code) = checked
            && !self.0.contains(&code)
        {
            self.0.push(code);
        }
    }

    /// Runs the rules of [`order::check`], each by itself.
    pub fn note_each(&mut self, state: &ShardState, order: &NewOrder, now: Timestamp) {
        self.note(order::check_amount(order));
        self.note(order::check_expiry(order, now));
        self.note(order::check_post_only(order));
        self.note(order::check_active(state, order.account));
        let contracts = match market::known(state, order.market) {
            Ok(market) => self.note_market(state, market, order, now),
            Err(code) => {
                self.note(Err(code));
                order.terms.contracts()
            }
        };
        self.note(parking::lacks(state, order.account, order::needed(order, contracts)).map(|_| ()));
    }

    /// Returns the contracts with which the order would come in.
    fn note_market(
        &mut self,
        state: &ShardState,
        market: MarketView<'_>,
        order: &NewOrder,
        now: Timestamp,
    ) -> Quantity {
        self.note(order::check_open(market, now));
        self.note(order::check_tick(market, order));
        self.note(order::check_fee_rate(market, order));
        self.note(order::check_room(state, order, state.orders()));
        self.note(groups::check(state, order));
        let admitted = reduce::admit(state, market, order);
        let contracts = admitted.unwrap_or(order.terms.contracts());
        self.note(admitted.map(|_| ()));
        self.note(order::check_position(market, order, contracts));
        self.note(order::check_deadline(order, now));
        self.note(order::limit_to_rest(market, order, now).map(|_| ()));
        if market.limits != MarketLimits::NONE {
            let wanted = order::wanted(order, contracts);
            let mut exposure = limits::exposure(state, market, order.account);
            exposure.add(&wanted.after);
            limits::exceeded(market, &wanted, &exposure).for_each(|code| self.note(Err(code)));
        }
        contracts
    }
}
