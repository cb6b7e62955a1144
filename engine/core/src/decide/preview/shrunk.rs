//! What an account's resting reduce-only buys would lose: the last step of a command
//! ([`reduce`](crate::decide::reduce)), on events that are not applied yet.

use schemas::effects::{self, PositionChange};
use schemas::event::OrderPlaced;
use schemas::{AccountId, Contract, Event, Quantity};

use crate::decide::reduce;
use crate::state::{MarketOrder, MarketView, ShardState};

/// Contracts that none of an account's sells reserves.
pub struct Free {
    yes: u64,
    no: u64,
}

impl Free {
    /// Returns the contracts after these events. None of its pairs is redeemed yet.
    pub fn after(market: MarketView<'_>, account: AccountId, events: &[Event]) -> Self {
        let position = market.position(account);
        let signed =
            |contracts: u64| i64::try_from(contracts).expect("contracts are bounded by the credits that made them");
        let (mut yes, mut no) = (signed(position.free(Contract::Yes)), signed(position.free(Contract::No)));
        let changes = events.iter().flat_map(effects::position_changes);
        for change in changes.filter(|change| change.account == account) {
            let PositionChange { yes_reserved, no_reserved, .. } = change;
            yes += change.yes - yes_reserved;
            no += change.no - no_reserved;
        }
        let counted = |free| u64::try_from(free).expect("nothing is sold that is not there");
        Self { yes: counted(yes), no: counted(no) }
    }

    /// Returns the pairs that are redeemed.
    pub fn pairs(&self) -> u64 {
        self.yes.min(self.no)
    }

    /// Returns the contracts of a kind that are left then.
    fn left(&self, contract: Contract) -> u64 {
        let free = match contract {
            Contract::Yes => self.yes,
            Contract::No => self.no,
        };
        free - self.pairs()
    }
}

/// Returns the orders of the account that would lose contracts, as they are after these events, and
/// how many each.
pub fn losses(
    state: &ShardState,
    market: MarketView<'_>,
    placed: &OrderPlaced,
    free: &Free,
    events: &[Event],
) -> Vec<(MarketOrder, Quantity)> {
    let account = placed.order.account;
    let mut losses = Vec::new();
    for bought in Contract::ALL {
        let resting = state.lookup.reducing(market.listing.market, account, *bought);
        let ids = resting.into_iter().flat_map(|reducing| &reducing.orders);
        let resting = ids.map(|id| state.live_order(*id).expect("what reduces rests").1);
        let here = |order: &MarketOrder| order.shrinks() && order.owner.entry.contract() == *bought;
        let new = placed.status.is_live().then(|| MarketOrder::placed(placed)).filter(here);
        let orders: Vec<_> = resting.filter_map(|order| after(order, events)).chain(new).collect();
        let wanted: u64 = orders.iter().map(|order| u64::from(order.remaining)).sum();
        let mut beyond = wanted.saturating_sub(free.left(bought.other()));
        for order in orders.into_iter().rev() {
            if beyond == 0 {
                break;
            }
            let quantity = reduce::at_most(order.contracts(), beyond);
            beyond -= u64::from(quantity.contracts());
            losses.push((order, quantity));
        }
    }
    losses
}

/// Returns a resting order as it is after these events; `None` if it is gone then.
fn after(mut resting: MarketOrder, events: &[Event]) -> Option<MarketOrder> {
    let id = resting.id;
    for event in events {
        match event {
            Event::Traded(trade) if trade.maker.order == id => resting.remaining = trade.maker_remaining.contracts(),
            Event::OrderReduced { order, quantity, .. } if *order == id => resting.remaining -= quantity.contracts(),
            Event::OrderCancelled { order, .. } if *order == id => resting.remaining = 0,
            _ => {}
        }
    }
    (resting.remaining > 0).then_some(resting)
}
