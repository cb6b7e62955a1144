//! The last steps of a command that touched a market: pairs become credits, and wallets learn of it all.

use std::collections::BTreeMap;

use schemas::message::{Settlement, SettlementReason};
use schemas::{AccountId, Credits, Event, MarketId, Message, NewOrder, OrderId, Shard};

use super::message::send;
use super::{Draft, Turn};
use crate::state::State;

impl Turn<'_> {
    /// Unreserved YES and NO of one account are worth a credit a pair, whatever the answer: they are redeemed at once.
    pub(super) fn redeem(&mut self, market: MarketId) {
        let mut paired = std::mem::take(&mut self.state.paired);
        paired.sort_unstable();
        paired.dedup();
        self.step(|state, draft| {
            for &account in &paired {
                // A later event of the same command may have taken them.
                let pairs = state.market(market).map_or(0, |market| market.position(account).pairs());
                if pairs > 0 {
                    draft.events.push(Event::PairsRedeemed { market, account, pairs });
                    let credits = Credits::of_pairs(pairs);
                    draft.settlements.push(received(account, market, SettlementReason::Redemption, credits));
                }
            }
        });
        paired.clear();
        self.state.paired = paired;
    }
}

/// A settlement that only brings credits.
pub fn received(account: AccountId, market: MarketId, reason: SettlementReason, received: Credits) -> Settlement {
    let (spent, released) = (Credits::ZERO, Credits::ZERO);
    Settlement { account, market, order: None, reason, spent, released, received, ended: false }
}

/// A settlement that only gives back what a buy held.
pub fn released(account: AccountId, market: MarketId, order: OrderId, released: Credits) -> Settlement {
    let (spent, received, reason) = (Credits::ZERO, Credits::ZERO, SettlementReason::Release);
    Settlement { account, market, order: Some(order), reason, spent, released, received, ended: false }
}

/// An order that came to nothing gives back all it held.
pub fn ended(id: OrderId, order: &NewOrder) -> Settlement {
    Settlement { ended: true, ..released(order.account, order.market, id, order.hold()) }
}

/// Settles wallets that live here, and sends each other home one message with all of its own.
pub fn tell_homes(state: &State, draft: &mut Draft<'_>) {
    let Draft { events, settlements, .. } = draft;
    let mut away = 0;
    for settlement in settlements.iter() {
        if state.map.of_account(settlement.account) == state.shard {
            events.push(Event::Settled(*settlement));
        } else {
            away += 1;
        }
    }
    if away > 0 {
        tell_others(state, settlements, events);
    }
    settlements.clear();
}

fn tell_others(state: &State, settlements: &[Settlement], events: &mut Vec<Event>) {
    let mut away: BTreeMap<Shard, Vec<Settlement>> = BTreeMap::new();
    for settlement in settlements {
        let home = state.map.of_account(settlement.account);
        if home != state.shard {
            away.entry(home).or_default().push(*settlement);
        }
    }
    events.extend(away.into_iter().map(|(to, settlements)| send(state, to, Message::Settle(settlements))));
}
