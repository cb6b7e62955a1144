//! The last steps of a command that touched a market: pairs become credits, and wallets learn of it all.

use std::collections::BTreeMap;

use schemas::message::{Settlement, SettlementReason};
use schemas::{AccountId, Credits, Event, MarketId, Message, Shard};

use super::message::send;
use crate::state::State;

/// Unreserved YES and NO of one account are worth a credit a pair, whatever the answer: they are redeemed at once.
pub fn redeem(
    state: &State,
    market: MarketId,
    mut accounts: Vec<AccountId>,
    events: &mut Vec<Event>,
    settlements: &mut Vec<Settlement>,
) {
    let Some(book) = state.market(market) else { return };
    accounts.sort_unstable();
    accounts.dedup();
    for account in accounts {
        let pairs = book.position(account).pairs();
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

/// Settles wallets that live here, and sends each other home one message with all of its own.
pub fn tell_homes(state: &State, settlements: Vec<Settlement>, events: &mut Vec<Event>) {
    let mut away: BTreeMap<Shard, Vec<Settlement>> = BTreeMap::new();
    for settlement in settlements {
        let home = state.map.of_account(settlement.account);
        if home == state.shard {
            events.push(Event::Settled(settlement));
        } else {
            away.entry(home).or_default().push(settlement);
        }
    }
    events.extend(away.into_iter().map(|(to, settlements)| send(state, to, Message::Settle(settlements))));
}
