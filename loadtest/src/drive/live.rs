//! A trader's knowledge from the responses so far: orders that may still rest, and contracts that
//! were bought.

use std::sync::{Mutex, MutexGuard};

use schemas::{Contract, OrderId};

use super::answer::{RequestKind, RequestOutcome, RequestResult};

/// The maximum number of cancellable orders kept; beyond it, new ones replace old ones.
const RESTING_MAX: usize = 20_000;

/// The number of youngest orders among which cancels choose: quotes are replaced soon, and most old
/// ones are filled.
const YOUNG: usize = 200;

/// The maximum number of lots available to sell, per market.
const LOTS_MAX: usize = 1_000;

/// An order that rested at the time of its response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RestingOrder {
    pub order: OrderId,
    pub account: usize,
    pub market: usize,
}

/// Contracts that an account bought as a taker. It may have sold or redeemed them since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lot {
    pub account: usize,
    pub contract: Contract,
    pub quantity: u32,
}

/// The orders and lots known.
pub struct LiveOrders {
    resting: Vec<RestingOrder>,
    replace: usize,
    lots: Vec<Vec<Lot>>,
}

impl LiveOrders {
    pub fn new(markets: usize) -> Self {
        Self { resting: Vec::new(), replace: 0, lots: vec![Vec::new(); markets] }
    }

    /// Updates from a result.
    pub fn learn(&mut self, answer: &RequestResult) {
        let RequestOutcome::Placed { order, filled, remaining, .. } = answer.result else { return };
        let RequestKind::Order { contract, .. } = answer.asked else { return };
        let (account, market) = (answer.account, answer.market);
        if remaining > 0 {
            self.rest(RestingOrder { order, account, market });
        }
        if let Some(contract) = contract.filter(|_| filled > 0) {
            let lots = &mut self.lots[market];
            if lots.len() < LOTS_MAX {
                lots.push(Lot { account, contract, quantity: filled });
            }
        }
    }

    fn rest(&mut self, resting: RestingOrder) {
        if self.resting.len() < RESTING_MAX {
            self.resting.push(resting);
        } else {
            self.replace = (self.replace + 1) % RESTING_MAX;
            self.resting[self.replace] = resting;
        }
    }

    /// Returns a random young order to cancel, and removes it.
    pub fn pick(&mut self, pick: u64) -> Option<RestingOrder> {
        let young = self.resting.len().min(YOUNG);
        let back = usize::try_from(pick.checked_rem(young as u64)?).ok()?;
        Some(self.resting.swap_remove(self.resting.len() - 1 - back))
    }

    /// Returns a lot of at most `quantity` contracts to sell. The rest stays for the next call.
    pub fn take_lot(&mut self, market: usize, quantity: u32) -> Option<Lot> {
        let lots = &mut self.lots[market];
        let lot = lots.pop()?;
        if lot.quantity > quantity {
            lots.push(Lot { quantity: lot.quantity - quantity, ..lot });
        }
        Some(Lot { quantity: lot.quantity.min(quantity), ..lot })
    }
}

/// Locks a mutex. No holder of these locks panics; if one did, the figures would be invalid.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("a lock is not poisoned")
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::Status;

    fn placed(order: u64, filled: u32, remaining: u32) -> RequestResult {
        let asked = RequestKind::Order { client_id: uuid::Uuid::nil(), contract: Some(Contract::Yes) };
        let result = RequestOutcome::Placed { order: OrderId(order), status: Status::Active, filled, remaining };
        RequestResult { asked, account: 3, market: 0, result }
    }

    #[test]
    fn a_resting_order_can_be_cancelled_once() {
        let mut live = LiveOrders::new(1);
        assert_eq!(live.pick(5), None);
        live.learn(&placed(1, 0, 10));
        live.learn(&placed(2, 10, 0));
        assert_eq!(live.pick(5), Some(RestingOrder { order: OrderId(1), account: 3, market: 0 }));
        assert_eq!(live.pick(5), None);
    }

    #[test]
    fn bought_contracts_can_be_sold_in_parts() {
        let mut live = LiveOrders::new(1);
        live.learn(&placed(1, 10, 0));
        let quantities: Vec<_> = std::iter::from_fn(|| live.take_lot(0, 7)).map(|lot| lot.quantity).collect();
        assert_eq!(quantities, [7, 3]);
    }
}
