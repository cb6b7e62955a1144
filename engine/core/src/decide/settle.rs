//! The last steps of a command that touched a market: pairs become credits, and wallets learn of it all.

use std::collections::BTreeMap;

use schemas::message::{Settlement, SettlementReason};
use schemas::{AccountId, Credits, Event, MarketId, Message, OrderId, Shard};

use super::Draft;
use super::message::send;
use crate::state::State;

/// Unreserved YES and NO of one account are worth a credit a pair, whatever the answer: they are redeemed at once.
pub fn redeem(state: &State, market: MarketId, draft: &mut Draft<'_>) {
    let Draft { events, settlements, touched } = draft;
    touched.sort_unstable();
    touched.dedup();
    for account in touched.drain(..) {
        let pairs = state.market(market).map_or(0, |market| market.position(account).pairs());
        if pairs > 0 {
            events.push(Event::PairsRedeemed { market, account, pairs });
            settlements.push(received(account, market, SettlementReason::Redemption, Credits::of_pairs(pairs)));
        }
    }
}

/// A settlement that only brings credits.
pub fn received(account: AccountId, market: MarketId, reason: SettlementReason, received: Credits) -> Settlement {
    let (spent, released) = (Credits::ZERO, Credits::ZERO);
    Settlement { account, market, order: None, reason, spent, released, received }
}

/// A settlement that only gives back what a buy held.
pub fn released(account: AccountId, market: MarketId, order: OrderId, released: Credits) -> Settlement {
    let (spent, received, reason) = (Credits::ZERO, Credits::ZERO, SettlementReason::Release);
    Settlement { account, market, order: Some(order), reason, spent, released, received }
}

/// Settles wallets that live here, and sends each other home one message with all of its own.
pub fn tell_homes(state: &State, draft: &mut Draft<'_>) {
    let Draft { events, settlements, .. } = draft;
    let mut away: BTreeMap<Shard, Vec<Settlement>> = BTreeMap::new();
    for settlement in settlements.drain(..) {
        let home = state.map.of_account(settlement.account);
        if home == state.shard {
            events.push(Event::Settled(settlement));
        } else {
            away.entry(home).or_default().push(settlement);
        }
    }
    events.extend(away.into_iter().map(|(to, settlements)| send(state, to, Message::Settle(settlements))));
}
