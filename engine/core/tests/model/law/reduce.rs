//! Reduce-only orders, which never enlarge their account's position. Nothing is reserved for them:
//! their allowance is counted from the positions and orders at each use.

use schemas::event::CancelReason;
use schemas::limits::REDUCE_ONLY_MAX;
use schemas::{AccountId, Contract, MarketId, NewOrder, Quantity, Rejection, Terms};

use super::matching::Meeting;
use super::{Answer, Market, Model, Order, orders};

impl Order {
    /// A reduce-only buy.
    pub fn shrinks(&self) -> bool {
        self.reduce_only && !self.sells()
    }

    /// Returns the contract of which the account has fewer afterwards.
    pub fn reduces(&self) -> Contract {
        if self.sells() { self.entry.contract() } else { self.entry.contract().other() }
    }
}

impl Market {
    /// Returns an account's resting reduce-only buys against this contract, oldest first.
    pub fn shrinking(&self, account: AccountId, reduced: Contract) -> Vec<&Order> {
        let mut all: Vec<_> =
            self.of_account(account).filter(|order| order.shrinks() && order.reduces() == reduced).collect();
        all.sort_unstable_by_key(|order| order.id);
        all
    }

    pub fn taken(&self, account: AccountId, reduced: Contract) -> u64 {
        self.shrinking(account, reduced).iter().map(|order| u64::from(order.left().contracts())).sum()
    }

    /// Returns the contracts that one more order may reduce.
    pub fn reducible(&self, account: AccountId, reduced: Contract) -> u64 {
        self.free(account, reduced).saturating_sub(self.taken(account, reduced))
    }

    /// Returns the contracts that remain if all pairs are redeemed now, without those that `order`
    /// is about to sell. None if the others remain.
    pub(super) fn net(&self, account: AccountId, reduced: Contract, order: &Meeting) -> u64 {
        let selling = if order.sells_of(account) { u64::from(order.wanted.contracts()) } else { 0 };
        (self.free(account, reduced) + selling).saturating_sub(self.free(account, reduced.other()))
    }
}

impl Model {
    /// Returns the order as it may enter the market.
    pub(super) fn check_reduces(&self, market: &Market, order: &NewOrder) -> Answer<NewOrder> {
        if !order.instructions.reduce_only {
            return Ok(*order);
        }
        let resting = orders::as_resting(schemas::OrderId(0), order);
        let most = market.reducible(order.account, resting.reduces());
        let others = market.shrinking(order.account, resting.reduces()).len();
        if most == 0 {
            return Err(Rejection::NothingToReduce);
        }
        if resting.shrinks() && order.terms.time_in_force().rests() && others >= REDUCE_ONLY_MAX {
            return Err(Rejection::ReduceOnlyLimit);
        }
        let mut admitted = *order;
        if let Terms::Limit { quantity, .. } | Terms::Market { quantity, .. } = &mut admitted.terms {
            *quantity = smaller(*quantity, most);
        }
        Ok(admitted)
    }

    /// An order that is being matched may shrink further.
    pub(super) fn keep_reducing(&self, market: MarketId, meeting: &mut Meeting) {
        if !meeting.order.shrinks() {
            return;
        }
        let (account, reduced) = (meeting.order.account, meeting.order.reduces());
        let market = self.market(market);
        let most = market.net(account, reduced, meeting).saturating_sub(market.taken(account, reduced));
        let wanted = smaller(meeting.wanted, most);
        if meeting.budget.is_none() {
            meeting.beyond = meeting.beyond + (meeting.wanted - wanted);
        }
        meeting.wanted = wanted;
        meeting.cut |= !meeting.beyond.is_zero() || meeting.budget.is_some() && most == 0;
    }

    /// Shrinks a maker to its account's position. Returns the rest of it.
    pub(super) fn keep_maker_reducing(&mut self, id: MarketId, meeting: &Meeting, maker: &Order) -> Option<Order> {
        if !maker.shrinks() {
            return Some(*maker);
        }
        let most = self.most_of_maker(id, meeting, maker);
        self.lose(id, maker, maker.left() - most);
        self.market(id).order(maker.id).copied()
    }

    /// Returns how much a maker may trade.
    pub(super) fn most_of_maker(&self, id: MarketId, meeting: &Meeting, maker: &Order) -> Quantity {
        if !maker.shrinks() {
            return maker.left();
        }
        smaller(maker.left(), self.market(id).net(maker.account, maker.reduces(), meeting))
    }

    fn lose(&mut self, market: MarketId, order: &Order, quantity: Quantity) {
        if quantity == order.left() {
            self.end(market, order.id, CancelReason::ReduceOnly);
        } else if !quantity.is_zero() {
            self.shrink(market, order, quantity, CancelReason::ReduceOnly);
        }
    }

    /// Shrinks the youngest order of the first account whose position it would enlarge.
    pub(super) fn shrink_one(&mut self, id: MarketId) -> bool {
        let market = self.market(id);
        if !market.state.trades_later() {
            return false;
        }
        let mut accounts: Vec<_> = market.orders.iter().filter(|o| o.shrinks()).map(|o| o.account).collect();
        accounts.sort_unstable();
        let beyond = accounts
            .into_iter()
            .flat_map(|account| [Contract::No, Contract::Yes].map(|c| (account, c)))
            .find_map(|(account, reduced)| {
                let beyond = market.taken(account, reduced).checked_sub(market.free(account, reduced) + 1)? + 1;
                Some((**market.shrinking(account, reduced).last()?, beyond))
            });
        let Some((youngest, beyond)) = beyond else { return false };
        self.lose(id, &youngest, smaller(youngest.left(), beyond));
        true
    }
}

/// Returns the smaller quantity.
pub(super) fn smaller(quantity: Quantity, most: u64) -> Quantity {
    match u32::try_from(most).ok().and_then(Quantity::new) {
        Some(most) if most < quantity => most,
        _ => quantity,
    }
}
