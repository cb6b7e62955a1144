//! Checks that nothing is written that an announced component cannot read: the vocabulary is raised
//! when all components that count can read it, is not refused without reason, and never decreases.

use std::collections::BTreeMap;

use schemas::frame::FIRST_VOCABULARY;
use schemas::limits::PART_COUNTS_MS;
use schemas::{Build, Command, Event, PartId, PartInfo, Rejection, Shard, Timestamp};

use super::history::History;
use crate::builds::OLDER;
use crate::cluster::Cluster;
use crate::seen::Seen;

/// The components of a shard, by their announcements.
#[derive(Default)]
struct PartsOracle(BTreeMap<PartId, (PartInfo, Timestamp)>);

impl PartsOracle {
    fn counting(&self, now: Timestamp) -> impl Iterator<Item = &PartInfo> {
        let counts = move |at: &Timestamp| now.0 - at.0 <= PART_COUNTS_MS;
        self.0.values().filter(move |(_, at)| counts(at)).map(|(part, _)| part)
    }
}

pub fn check(cluster: &Cluster, history: &History) {
    let (shard, terms) = (history.shard, cluster.terms(history.shard));
    let (mut parts, mut vocabulary, mut last) = (PartsOracle::default(), FIRST_VOCABULARY, None);
    for (command, outcome) in history.commands() {
        let now = outcome.time;
        if last.replace(outcome.term) != Some(outcome.term) {
            let speaks = terms[&outcome.term].vocabulary;
            assert!(speaks == vocabulary, "shard {shard}: term {} speaks {speaks}, not {vocabulary}", outcome.term);
        }
        match command {
            Command::Announce(part) if part.reads >= vocabulary => drop(parts.0.insert(part.id, (*part, now))),
            Command::Announce(_) => {
                cluster.saw(Seen::OlderBuildTold);
                assert_raised(&outcome.events, shard, vocabulary, None);
            }
            Command::Leave { part } => drop(parts.0.remove(part)),
            Command::RaiseVocabulary { to, .. } => {
                let unread = parts.counting(now).find(|part| part.reads < *to);
                let oldest = parts.counting(now).map(|part| part.build).min();
                let refused = |code| outcome.events.contains(&Event::Rejected { code });
                if *to <= vocabulary {
                    assert!(refused(Rejection::VocabularyNotHigher), "shard {shard}: {:?}", outcome.events);
                } else if refused(Rejection::VocabularyUnread) {
                    cluster.saw(Seen::RaiseRefused);
                    let decider = terms[&outcome.term].build;
                    let why = unread.is_some() || oldest.is_none() || decider == OLDER.build;
                    assert!(why, "shard {shard}: all read vocabulary {to}, and it was refused");
                } else {
                    assert!(unread.is_none(), "shard {shard}: raised to {to}, which {unread:?} does not read");
                    assert_raised(&outcome.events, shard, *to, oldest);
                    cluster.saw(Seen::VocabularyRaised);
                    vocabulary = *to;
                }
            }
            _ => {}
        }
    }
}

fn assert_raised(events: &[Event], shard: Shard, wanted: u16, by: Option<Build>) {
    let raised = events.iter().any(|event| match event {
        Event::VocabularyRaised { to, install, .. } => *to == wanted && by.is_none_or(|oldest| oldest == *install),
        _ => false,
    });
    assert!(raised, "shard {shard}: {events:?} does not say vocabulary {wanted}");
}
