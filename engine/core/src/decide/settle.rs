//! The last steps of a command that touched a market: pairs are redeemed for credits, and purses
//! are settled.

use schemas::{AccountId, Credits, Event, MarketId, OrderId, Settlement, SettlementReason};

use super::{CommandRun, DecisionContext};

impl CommandRun<'_> {
    /// Redeems unreserved pairs: YES and NO of one account are worth one credit a pair, whatever
    /// the answer.
    pub(super) fn redeem(&mut self, market: MarketId) {
        let mut paired = std::mem::take(&mut self.state.paired);
        paired.sort_unstable();
        paired.dedup();
        self.step(|state, context| {
            for &account in &paired {
                // A later event of the same command may have taken them.
                let pairs = state.market(market).map_or(0, |market| market.position(account).pairs());
                if pairs > 0 {
                    context.events.push(Event::PairsRedeemed { market, account, pairs });
                    let credits = Credits::of_pairs(pairs);
                    context.settlements.push(received(account, market, SettlementReason::Redemption, credits));
                }
            }
        });
        paired.clear();
        self.state.paired = paired;
    }
}

/// Returns a settlement that only brings credits.
pub fn received(account: AccountId, market: MarketId, reason: SettlementReason, received: Credits) -> Settlement {
    let (spent, released) = (Credits::ZERO, Credits::ZERO);
    Settlement { account, market, order: None, reason, spent, released, received }
}

/// Returns a settlement that only frees what a buy held.
pub fn released(account: AccountId, market: MarketId, order: OrderId, released: Credits) -> Settlement {
    let (spent, received, reason) = (Credits::ZERO, Credits::ZERO, SettlementReason::Release);
    Settlement { account, market, order: Some(order), reason, spent, released, received }
}

/// Emits the settlements of the purses.
pub fn settle(context: &mut DecisionContext<'_>) {
    let DecisionContext { events, settlements, .. } = context;
    events.extend(settlements.drain(..).map(Event::Settled));
}
