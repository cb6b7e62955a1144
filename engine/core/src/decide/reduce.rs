//! Reduce-only orders: they leave their account with fewer contracts, never with more.
//!
//! The account owns what such an order sells; what it buys is redeemed with what the account owns.
//! So for each account, market and contract (I-11):
//!
//! ```text
//! contracts of the other kind that its resting reduce-only buys want  ≤  contracts that none of its resting sells reserves
//! ```
//!
//! | a reduce-only order               | happens                                                              |
//! |-----------------------------------|----------------------------------------------------------------------|
//! | comes in and asks for more        | the excess is cut off; with nothing to reduce it is refused          |
//! | is amended to more                | the excess is cut off                                                |
//! | sells and rests                   | its contracts are reserved: nothing takes them, it never shrinks     |
//! | buys and rests, and is met        | it first loses the excess, then trades what is left to reduce        |
//! | buys and rests, and a request has | it loses the excess once the request's pairs are redeemed: the       |
//! | made its account's contracts fewer| youngest order first, and a whole order ends                         |
//!
//! An account's contracts become fewer through another order's sale, or its reservation when it
//! comes to rest; and through pairs that are redeemed, after a buy of the other contract or when a
//! sell of it ends. Orders that are not reduce-only have precedence. In a market that does not
//! trade any more, orders end anyway, and nothing shrinks.

use std::collections::BTreeMap;

use schemas::event::CancelReason;
use schemas::limits::REDUCE_ONLY_MAX;
use schemas::{AccountId, BookSide, Contract, Entry, MarketId, NewOrder, Quantity, Rejection, Side};

use super::{CommandRun, DecisionContext, cancel};
use crate::state::{MarketOrder, MarketView, ShardState};

impl CommandRun<'_> {
    /// Reduces reduce-only buys to what their accounts still have. Returns how many orders were
    /// reduced.
    #[cold]
    pub(super) fn shrink(&mut self, id: MarketId) -> usize {
        let mut accounts = std::mem::take(&mut self.state.shrinking);
        accounts.sort_unstable();
        accounts.dedup();
        let shrunk = self.step(|state, context| {
            let market = state.market(id).filter(|market| market.state.trades_later());
            market.map_or(0, |market| accounts.iter().map(|account| shrink(state, market, *account, context)).sum())
        });
        accounts.clear();
        self.state.shrinking = accounts;
        shrunk
    }
}

fn shrink(state: &ShardState, market: MarketView<'_>, account: AccountId, context: &mut DecisionContext<'_>) -> usize {
    Contract::ALL.iter().map(|bought| shrink_buys(state, market, account, *bought, context)).sum()
}

fn shrink_buys(
    state: &ShardState,
    market: MarketView<'_>,
    account: AccountId,
    bought: Contract,
    context: &mut DecisionContext<'_>,
) -> usize {
    let id = market.listing.market;
    let Some(reducing) = state.lookup.reducing(id, account, bought) else { return 0 };
    let mut beyond = reducing.contracts.saturating_sub(market.position(account).free(bought.other()));
    let mut shrunk = 0;
    for order in reducing.orders.iter().rev() {
        if beyond == 0 {
            break;
        }
        let (_, resting) = state.live_order(*order).expect("what reduces rests");
        let quantity = at_most(resting.contracts(), beyond);
        cancel::take_off(id, &resting, quantity, CancelReason::ReduceOnly, context);
        beyond -= u64::from(quantity.contracts());
        shrunk += 1;
    }
    shrunk
}

/// Caps a quantity at `most`.
pub fn at_most(quantity: Quantity, most: u64) -> Quantity {
    u32::try_from(most).ok().and_then(Quantity::new).map_or(quantity, |most| quantity.min(most))
}

/// Returns the contracts that one more reduce-only order of this kind may sell or buy.
pub fn allowance(state: &ShardState, market: MarketView<'_>, account: AccountId, entry: Entry) -> u64 {
    let reduced = entry.reduces();
    let taken = state.lookup.reducing(market.listing.market, account, reduced.other());
    // In a market that does not trade any more they may take more than there is.
    market.position(account).free(reduced).saturating_sub(taken.map_or(0, |taken| taken.contracts))
}

/// Returns the contracts with which an order may come in: as asked, or what it may reduce. An order
/// by budget asks for none.
pub fn admit(state: &ShardState, market: MarketView<'_>, order: &NewOrder) -> Result<Quantity, Rejection> {
    let asked = order.terms.contracts();
    if !order.instructions.reduce_only {
        return Ok(asked);
    }
    let allowed = allowance(state, market, order.account, order.entry);
    if allowed == 0 {
        return Err(Rejection::NothingToReduce);
    }
    if rests_to_shrink(order)
        && count(state, market.listing.market, order.account, order.entry.contract()) >= REDUCE_ONLY_MAX
    {
        return Err(Rejection::ReduceOnlyLimit);
    }
    Ok(at_most(asked, allowed))
}

/// Returns true for a reduce-only buy that may come to rest.
fn rests_to_shrink(order: &NewOrder) -> bool {
    order.instructions.reduce_only && order.entry.side() == Side::Buy && order.terms.time_in_force().rests()
}

/// Counts the resting reduce-only buys of this contract.
pub fn count(state: &ShardState, market: MarketId, account: AccountId, bought: Contract) -> usize {
    state.lookup.reducing(market, account, bought).map_or(0, |reducing| reducing.orders.len())
}

/// Returns the most orders that may shrink when an account's contracts become fewer.
pub fn most_shrunk(state: &ShardState, market: MarketId, account: AccountId) -> usize {
    Contract::ALL.iter().map(|bought| count(state, market, account, *bought)).sum()
}

/// Makers of one side of a book whose accounts have reduce-only buys there, while one taker matches
/// them. Their contracts change with each fill; the state changes only when everything is decided.
pub struct Makers {
    market: MarketId,
    /// The contract that buys of this side want.
    bought: Contract,
    /// By account that was met: contracts that its buys may still reduce, minus its excess of the
    /// bought contract.
    left: BTreeMap<AccountId, i64>,
}

impl Makers {
    pub fn new(market: MarketView<'_>, side: BookSide) -> Self {
        let bought = match side {
            BookSide::Bid => Contract::Yes,
            BookSide::Ask => Contract::No,
        };
        Self { market: market.listing.market, bought, left: BTreeMap::new() }
    }

    /// Returns the cost of meeting this order: itself, and for the first order of its account those
    /// that it may shrink.
    #[inline]
    pub fn counts(&self, state: &ShardState, maker: &MarketOrder) -> usize {
        let account = maker.owner.account;
        match state.lookup.reducing(self.market, account, self.bought) {
            Some(reducing) if !self.left.contains_key(&account) => 1 + reducing.orders.len(),
            _ => 1,
        }
    }

    /// Records that an order is met.
    #[inline]
    pub fn meets(&mut self, state: &ShardState, market: MarketView<'_>, maker: &MarketOrder) {
        let account = maker.owner.account;
        if state.lookup.reducing(self.market, account, self.bought).is_some() {
            let left = || {
                let position = market.position(account);
                signed(position.free(self.bought.other())) - signed(position.free(self.bought))
            };
            self.left.entry(account).or_insert_with(left);
        }
    }

    /// Returns what a maker that was met may trade. `gained` is what the taker has bought, if both
    /// are of the same account.
    #[inline]
    pub fn may_trade(&self, maker: &MarketOrder, gained: u64) -> Quantity {
        if !maker.shrinks() {
            return maker.contracts();
        }
        let left = self.left.get(&maker.owner.account).copied().unwrap_or(0) + signed(gained);
        at_most(maker.contracts(), u64::try_from(left).unwrap_or(0))
    }

    /// Records a trade: what the maker bought is redeemed with what its account had.
    #[inline]
    pub fn traded(&mut self, maker: &MarketOrder, quantity: Quantity) {
        if maker.owner.entry.side() == Side::Buy
            && let Some(left) = self.left.get_mut(&maker.owner.account)
        {
            *left -= i64::from(quantity.contracts());
        }
    }

    /// Records that a maker lost contracts without a trade: what a sell reserved is free.
    #[inline]
    pub fn lost(&mut self, maker: &MarketOrder, quantity: Quantity) {
        if maker.owner.entry.side() == Side::Sell
            && let Some(left) = self.left.get_mut(&maker.owner.account)
        {
            *left += i64::from(quantity.contracts());
        }
    }
}

fn signed(contracts: u64) -> i64 {
    i64::try_from(contracts).expect("contracts are bounded by the credits that minted them")
}
