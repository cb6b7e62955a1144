//! Checks that outboxes are bounded: no client's command sends a message to a shard whose outbox is
//! full.

use std::collections::BTreeMap;

use schemas::answers::parts;
use schemas::{Event, Message, Outcome, Rejection, Shard};

use super::history::History;
use crate::cluster::Cluster;
use crate::seen::Seen;

/// For each shard the numbers of the last message sent and of the last one acknowledged.
type Outboxes = BTreeMap<Shard, (u64, u64)>;

/// Panics unless each message of a shard was allowed when it was sent.
pub fn check(cluster: &Cluster, history: &History) {
    let (mut outboxes, most) = (Outboxes::new(), cluster.plan.outbox as u64);
    let asked = history.asked();
    for (outcome, _) in &history.outcomes {
        // What a client's own command starts, before anything that waited continues.
        let own = parts(outcome).next().filter(|part| part.command == outcome.cause.id);
        let own = own.filter(|_| asked.contains_key(&outcome.cause.id)).map_or(0, |part| part.events.len());
        for (at, event) in outcome.events.iter().enumerate() {
            match event {
                Event::Sent { to, number, message } => {
                    let (last, acknowledged) = outboxes.entry(*to).or_default();
                    let full = *last - *acknowledged >= most;
                    let begins = at < own && begins(outcome, message) || waits(message);
                    let shard = history.shard;
                    assert!(!(full && begins), "shard {shard} begins what {to} must hear, which is full: {outcome:?}");
                    *last = *number;
                    if *last - *acknowledged == most {
                        cluster.saw(Seen::OutboxFull);
                    }
                }
                Event::Acknowledged { to, number } => outboxes.entry(*to).or_default().1 = *number,
                Event::Rejected { code: Rejection::ShardUnavailable }
                | Event::OrderRejected { code: Rejection::ShardUnavailable, .. } => cluster.saw(Seen::ShardUnavailable),
                _ => {}
            }
        }
    }
}

/// Returns true for a message that starts something: not an answer, not a consequence for others (a
/// recall for a waiting claim, an ask for an earlier parked request), and not a safety measure.
fn begins(outcome: &Outcome, message: &Message) -> bool {
    match message {
        Message::Transfer { .. } | Message::ClaimYes { .. } | Message::ReleaseYes { .. } => true,
        Message::Ask { .. } => outcome.events.iter().any(|event| matches!(event, Event::Parked(_))),
        Message::Instruct { .. }
        | Message::Fund { .. }
        | Message::Return(_)
        | Message::TransferEnded { .. }
        | Message::YesAnswered { .. }
        | Message::Groups { .. }
        | Message::GroupFilled { .. } => false,
    }
}

/// Returns true for messages that are sent as soon as there is space for them, whatever the
/// command.
fn waits(message: &Message) -> bool {
    matches!(message, Message::GroupFilled { .. })
}
