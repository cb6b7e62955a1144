//! Outboxes are bounded: nothing that a client asks sends a message to a shard for which as many are kept as may be.

use std::collections::BTreeMap;

use schemas::answers::parts;
use schemas::{Event, Message, Outcome, Rejection, Shard};

use super::history::History;
use crate::cluster::Cluster;
use crate::seen::Seen;

/// Numbers of the last message sent to each shard, and of the last that was acknowledged.
type Outboxes = BTreeMap<Shard, (u64, u64)>;

/// Panics unless each message of a shard may be sent when it is.
pub fn check(cluster: &Cluster, history: &History) {
    let (mut outboxes, most) = (Outboxes::new(), cluster.plan.outbox as u64);
    let asked = history.asked();
    for (outcome, _) in &history.outcomes {
        // What a client's own command begins, before anything that waited goes on.
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

/// Neither an answer, nor what follows for others (a recall for whoever waits, an ask for who was parked before), nor
/// what makes things safe.
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

/// What is sent as soon as there is room for it, whatever the command.
fn waits(message: &Message) -> bool {
    matches!(message, Message::GroupFilled { .. })
}
