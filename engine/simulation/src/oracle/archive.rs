//! Checks paid-out markets from the log alone: each is archived in time, with all its fees, and
//! later appears only in refusals.

use std::collections::BTreeMap;

use schemas::limits::MARKET_KEPT_MS;
use schemas::{Credits, Event, MarketId, Rejection, Timestamp, effects};

use super::history::History;
use crate::cluster::Cluster;
use crate::seen::Seen;

#[derive(Default)]
struct MarketLife {
    settled: Option<Timestamp>,
    archived: bool,
    fees: Credits,
}

/// Panics unless each market of a shard is archived as it should be.
pub fn check(cluster: &Cluster, history: &History) {
    let mut markets: BTreeMap<MarketId, MarketLife> = BTreeMap::new();
    for (outcome, _) in &history.outcomes {
        for event in &outcome.events {
            if let Some(change) = effects::market_change(event) {
                let market = markets.entry(change.market).or_default();
                assert!(!market.archived, "{} changes after its archive: {event:?}", change.market);
                market.fees += change.fees;
            }
            match event {
                Event::MarketCreated { listing, .. } => {
                    let again = markets.insert(listing.market, MarketLife::default()).is_some();
                    assert!(!again, "market {} is listed twice", listing.market);
                }
                Event::MarketSettled { market } => {
                    markets.entry(*market).or_default().settled = Some(outcome.time);
                }
                Event::MarketArchived { market, settled, fees, .. } => {
                    let known = markets.entry(*market).or_default();
                    assert!(!known.archived, "market {market} is archived twice");
                    let in_time = known.settled == Some(*settled) && settled.0 + MARKET_KEPT_MS <= outcome.time.0;
                    assert!(in_time, "market {market} is archived at {:?}, settled at {settled:?}", outcome.time);
                    assert!(known.fees == *fees, "market {market} is archived with {fees} of {}", known.fees);
                    known.archived = true;
                    cluster.saw(Seen::MarketArchived);
                }
                Event::Rejected { code: Rejection::MarketArchived }
                | Event::OrderRejected { code: Rejection::MarketArchived, .. } => cluster.saw(Seen::ArchivedRefused),
                _ => {}
            }
        }
    }
}
