//! The limits of an account in one market.

use schemas::{AccountId, Contract, Credits, NewOrder, Price, Quantity, Rejection, Side, Terms};

use super::{Answer, Market, Order, orders};

/// The part of one order in the limits.
#[derive(Clone, Copy)]
pub(super) struct Weight {
    live: u64,
    notional: Credits,
    /// Contracts that a buy wants.
    wants: Option<(Contract, u64)>,
}

/// Resting orders that end, and others that replace them.
#[derive(Default)]
pub(super) struct Swap {
    pub(super) gone: Vec<Weight>,
    pub(super) come: Vec<Weight>,
}

impl Weight {
    pub(super) fn of_resting(order: &Order) -> Self {
        Self::of_change(order, order.price, order.left())
    }

    /// The weight of a resting order with another price and another remaining quantity.
    pub(super) fn of_change(order: &Order, price: Price, left: Quantity) -> Self {
        let notional = order.entry.book_price(price).cost(left);
        let wants = (!order.sells()).then_some((order.entry.contract(), u64::from(left.contracts())));
        Self { live: 1, notional, wants }
    }

    /// The weight of an incoming order: all of it, and one live order only if it can rest. An order
    /// by budget counts as at least one contract.
    pub(super) fn of_new(order: &NewOrder) -> Self {
        let quantity = orders::asked(&order.terms);
        let notional = match order.terms {
            Terms::Budget { budget } => budget,
            Terms::Limit { .. } | Terms::Market { .. } => order.terms.limit().cost(quantity),
        };
        let wanted = u64::from(quantity.contracts()).max(1);
        let wants = (order.entry.side() == Side::Buy).then_some((order.entry.contract(), wanted));
        Self { live: u64::from(order.terms.time_in_force().rests()), notional, wants }
    }

    fn wanted(&self, contract: Contract) -> u64 {
        self.wants.filter(|(wanted, _)| *wanted == contract).map_or(0, |(_, contracts)| contracts)
    }
}

impl Market {
    /// Contracts of this kind that the account's live buys want.
    pub(super) fn wanted(&self, account: AccountId, contract: Contract) -> u64 {
        self.of_account(account).map(|order| Weight::of_resting(order).wanted(contract)).sum()
    }

    /// Refuses a change that increases an amount beyond a limit. `others` are the changes made with
    /// it.
    pub(super) fn check_limits(
        &self,
        account: AccountId,
        contract: Contract,
        change: &Swap,
        others: &Swap,
    ) -> Answer<()> {
        let live = |weights: &[Weight]| weights.iter().map(|w| w.live).sum::<u64>();
        let notional = |weights: &[Weight]| weights.iter().map(|w| w.notional).sum::<Credits>();
        let wanted = |weights: &[Weight]| weights.iter().map(|w| w.wanted(contract)).sum::<u64>();
        let there: Vec<_> = self.of_account(account).map(Weight::of_resting).collect();
        let gone = [&*change.gone, &*others.gone].concat();
        let come = [&*change.come, &*others.come].concat();
        let (less, more) = (&change.gone, &change.come);
        let limits = &self.limits;
        let orders = live(&there) - live(&gone) + live(&come);
        if live(more) > live(less) && orders > u64::from(limits.live_orders) {
            return Err(Rejection::LiveOrderLimit);
        }
        let worth = notional(&there) - notional(&gone) + notional(&come);
        if notional(more) > notional(less) && worth > limits.notional {
            return Err(Rejection::NotionalLimit);
        }
        let held = self.position(account).of(contract);
        let wants = held + wanted(&there) - wanted(&gone) + wanted(&come);
        if wanted(more) > wanted(less) && wants > limits.position {
            return Err(Rejection::PositionLimit);
        }
        Ok(())
    }
}
