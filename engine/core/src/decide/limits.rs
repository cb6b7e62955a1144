//! Market limits for each account.

use schemas::{AccountId, Contract, MarketLimits, Price, Quantity, Rejection};

use crate::state::{Exposure, MarketOrder, MarketView, ShardState};

/// The change that a request makes to the exposure of an account's live orders in a market.
pub struct ExposureChange {
    pub account: AccountId,
    /// The contract.
    pub contract: Contract,
    /// The exposure that is removed.
    pub before: Exposure,
    /// The exposure that is added.
    pub after: Exposure,
}

impl ExposureChange {
    /// Returns the change for a resting order that gets another limit (in the book's YES price) and
    /// other contracts left.
    pub fn amended(resting: &MarketOrder, limit: Price, remaining: Quantity) -> Self {
        let moved = MarketOrder { price: u32::from(limit.ticks()), remaining: remaining.contracts(), ..*resting };
        Self {
            account: resting.owner.account,
            contract: resting.owner.entry.contract(),
            before: Exposure::of_live(resting),
            after: Exposure::of_live(&moved),
        }
    }
}

/// Returns the contracts of one kind that an account may still buy.
pub fn position_room(state: &ShardState, market: MarketView<'_>, account: AccountId, contract: Contract) -> u64 {
    if market.limits.position == u64::MAX {
        return u64::MAX;
    }
    let wanted = exposure(state, market, account).wanted(contract);
    market.limits.position.saturating_sub(market.position(account).held(contract) + wanted)
}

/// Refuses what would exceed the market's limits, if it has any.
#[inline]
pub fn check(
    state: &ShardState,
    market: MarketView<'_>,
    wanted: impl FnOnce() -> ExposureChange,
) -> Result<(), Rejection> {
    if market.limits == MarketLimits::NONE { Ok(()) } else { check_limited(state, market, &wanted()) }
}

fn check_limited(state: &ShardState, market: MarketView<'_>, wanted: &ExposureChange) -> Result<(), Rejection> {
    let mut exposure = exposure(state, market, wanted.account);
    exposure.subtract(&wanted.before);
    exposure.add(&wanted.after);
    check_exposure(market, wanted, &exposure)
}

/// Returns the exposure of an account's live orders in a limited market.
pub fn exposure(state: &ShardState, market: MarketView<'_>, account: AccountId) -> Exposure {
    let exposures = state.lookup.exposures.get(&market.listing.market);
    exposures.and_then(|all| all.get(account)).copied().unwrap_or_default()
}

/// As above, against the given exposure of the live orders.
pub fn check_exposure(market: MarketView<'_>, wanted: &ExposureChange, exposure: &Exposure) -> Result<(), Rejection> {
    exceeded(market, wanted, exposure).next().map_or(Ok(()), Err)
}

/// Returns each limit that would be exceeded. A change that asks for no more than before exceeds
/// none.
pub fn exceeded(
    market: MarketView<'_>,
    wanted: &ExposureChange,
    exposure: &Exposure,
) -> impl Iterator<Item = Rejection> {
    let ExposureChange { account, contract, before, after } = wanted;
    let limits = market.limits;
    let live_orders = after.live_orders > before.live_orders && exposure.live_orders > limits.live_orders;
    let notional = after.notional > before.notional && exposure.notional > limits.notional;
    let position = market.position(*account).held(*contract) + exposure.wanted(*contract);
    let position = after.wanted(*contract) > before.wanted(*contract) && position > limits.position;
    let all = [
        (live_orders, Rejection::LiveOrderLimit),
        (notional, Rejection::NotionalLimit),
        (position, Rejection::PositionLimit),
    ];
    all.into_iter().filter_map(|(exceeded, code)| exceeded.then_some(code))
}
