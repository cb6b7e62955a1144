//! Checks markets from the log alone: descriptions are replaced only before the first trade and
//! added to only before the end, markets open and close in time; and I-12: at most one market of an
//! exclusive event is paid out as YES.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{Event, Listing, MarketEventId, MarketId, MarketState, Outcome, Rejection};

use super::history::History;
use crate::cluster::Cluster;
use crate::seen::Seen;

struct MarketOracle {
    listing: Listing,
    state: MarketState,
    traded: bool,
}

/// Panics unless each market of a shard keeps these rules.
pub fn check(cluster: &Cluster, history: &History) {
    let mut markets: BTreeMap<MarketId, MarketOracle> = BTreeMap::new();
    for (outcome, _) in &history.outcomes {
        for event in &outcome.events {
            see(cluster, event);
            read(cluster, &mut markets, outcome, event);
        }
    }
    let Some((last, _)) = history.outcomes.last() else { return };
    for (id, market) in &markets {
        let waits =
            market.state == MarketState::Created && market.listing.opens.is_some_and(|opens| opens <= last.time);
        assert!(!waits, "market {id} has not opened, though nothing is left to do");
    }
}

fn see(cluster: &Cluster, event: &Event) {
    match event {
        Event::MarketEdited { .. } => cluster.saw(Seen::MarketEdited),
        Event::Rejected { code: Rejection::MarketTraded } => cluster.saw(Seen::EditTooLate),
        Event::YesReleased { .. } => cluster.saw(Seen::YesReleased),
        Event::Rejected { code: Rejection::YesTaken } => cluster.saw(Seen::YesTaken),
        Event::Rejected { code: Rejection::YesPending } => cluster.saw(Seen::YesPending),
        _ => {}
    }
}

fn read(cluster: &Cluster, markets: &mut BTreeMap<MarketId, MarketOracle>, outcome: &Outcome, event: &Event) {
    let now = outcome.time;
    match event {
        Event::MarketCreated { listing, .. } => {
            let listing = listing.clone();
            markets.insert(listing.market, MarketOracle { listing, state: MarketState::Created, traded: false });
        }
        Event::Traded(trade) => markets.get_mut(&trade.market).expect("it is listed").traded = true,
        Event::MarketEdited { market, edit, .. } => {
            let known = markets.get_mut(market).expect("it is listed");
            assert!(!known.traded, "market {market} was replaced after it had traded: {edit:?}");
            assert!(known.state.trades_later(), "market {market} was replaced in {}", known.state);
            known.listing.edit(edit);
            let created = known.state == MarketState::Created;
            let opens = known.listing.opens.filter(|_| created);
            assert!(opens.is_none_or(|opens| opens < known.listing.expiry), "market {market} never opens: {edit:?}");
        }
        Event::MarketAddedTo { market, addition, .. } => {
            let known = markets.get_mut(market).expect("it is listed");
            assert!(!known.state.is_final(), "market {market} was added to after its end");
            let added = known.listing.add(addition);
            assert!(added.is_some(), "market {market} has {:?}, and now {addition:?}", known.listing.about);
        }
        Event::MarketChanged { market, state, by, .. } => {
            let known = markets.get_mut(market).expect("it is listed");
            let due = |time| time <= now;
            match (state, by) {
                (MarketState::Open, None) => {
                    let opens = known.listing.opens.is_some_and(due) && !due(known.listing.expiry);
                    assert!(opens && known.state == MarketState::Created, "market {market} opened by itself at {now}");
                    cluster.saw(Seen::MarketOpened);
                }
                (MarketState::Closed, None) => {
                    assert!(due(known.listing.expiry), "market {market} closed by itself at {now}");
                }
                _ => {}
            }
            known.state = *state;
        }
        _ => {}
    }
}

/// Checks I-12 over all shards.
pub fn check_yes(histories: &[History]) {
    let (mut events, mut exclusive) = (BTreeMap::new(), BTreeSet::new());
    let mut yes: BTreeMap<MarketEventId, BTreeSet<MarketId>> = BTreeMap::new();
    for event in histories.iter().flat_map(History::events) {
        match event {
            Event::MarketEventCreated { event, .. } if event.exclusive => drop(exclusive.insert(event.id)),
            Event::MarketCreated { listing, .. } => drop(events.insert(listing.market, listing.about.event)),
            Event::MarketEdited { market, edit, .. } => {
                if let Some(event) = edit.event {
                    events.insert(*market, event);
                }
            }
            Event::MarketChanged { market, state: MarketState::Resolved, resolution: Some(resolution), .. } => {
                if let Some(event) = events[market].filter(|_| resolution.answer.is_yes()) {
                    yes.entry(event).or_default().insert(*market);
                }
            }
            _ => {}
        }
    }
    for (event, markets) in yes.iter().filter(|(event, _)| exclusive.contains(event)) {
        assert!(markets.len() == 1, "I-12: markets {markets:?} of the exclusive event {event} are YES");
    }
}
