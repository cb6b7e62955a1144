//! What one shard's log says, by the rule of reading: one outcome for each command, in order, and nothing else.

use std::collections::BTreeMap;

use schemas::reading::{Position, Reader, Reading};
use schemas::record::Chain;
use schemas::{Command, CommandId, CommandRecord, Event, Message, Outcome, Shard};

use crate::cluster::{Cluster, Topic};
use crate::seen::Seen;

/// A shard's outcomes that count.
pub struct History {
    pub shard: Shard,
    /// By sequence, from 1; with the chain after each.
    pub outcomes: Vec<(Outcome, Chain)>,
}

impl History {
    /// Reads a shard's log; panics unless each command has exactly one outcome, in order, under its own id, and time never goes
    /// back.
    pub fn read(cluster: &Cluster, shard: Shard) -> Self {
        let mut reader = Reader::new(shard, cluster.map.shards(), Position::default());
        let mut outcomes = Vec::new();
        for (offset, stored) in (0..).zip(&*cluster.partition(Topic::Events, shard)) {
            match reader.read(offset, &stored.bytes) {
                Ok(Reading::Outcome(outcome)) => {
                    outcomes.push((outcome, reader.position().chain));
                }
                Ok(Reading::Term(_)) => {}
                Ok(Reading::Ignored) => cluster.saw(Seen::StaleOutcome),
                Err(broken) => panic!("{broken}"),
            }
        }
        let times = |pair: &[(Outcome, Chain)]| pair[0].0.time <= pair[1].0.time;
        assert!(outcomes.windows(2).all(times), "time goes back in the outcomes of shard {shard}");
        let commands = cluster.partition(Topic::Commands, shard);
        assert_eq!(outcomes.len(), commands.len(), "outcomes and commands of shard {shard}");
        for (offset, ((outcome, _), stored)) in (0..).zip(outcomes.iter().zip(&*commands)) {
            let id = CommandRecord::decode(&stored.bytes).map_or(CommandId(0), |record| record.id);
            assert_eq!((outcome.cause.offset, outcome.cause.id), (offset, id), "outcome of shard {shard}");
        }
        Self { shard, outcomes }
    }

    /// Each command that is one, with its outcome.
    pub fn commands(&self, cluster: &Cluster) -> Vec<(Command, &Outcome)> {
        let commands = cluster.partition(Topic::Commands, self.shard);
        let decoded = self.outcomes.iter().zip(&*commands).filter_map(|((outcome, _), stored)| {
            CommandRecord::decode(&stored.bytes).ok().map(|record| (record.command, outcome))
        });
        decoded.collect()
    }

    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.outcomes.iter().flat_map(|(outcome, _)| &outcome.events)
    }
}

/// Every message that was promised was taken in once, as it was promised, and in order.
pub fn assert_messages_arrived(cluster: &Cluster, histories: &[History]) {
    let mut sent: BTreeMap<(Shard, Shard, u64), &Message> = BTreeMap::new();
    for history in histories {
        for event in history.events() {
            if let Event::Sent { to, number, message } = event {
                let before = sent.insert((history.shard, *to, *number), message);
                assert!(before.is_none(), "message {number} from {} to {to} was sent twice", history.shard);
            }
        }
    }
    for history in histories {
        for (command, outcome) in history.commands(cluster) {
            if let Command::Receive { from, number, message } = command
                && takes_in(outcome)
            {
                let promised = sent.remove(&(from, history.shard, number));
                let as_promised = promised.is_some_and(|promised| *promised == message);
                assert!(as_promised, "shard {} took in what {from} never sent as {number}", history.shard);
            }
        }
    }
    let lost = sent.keys().next();
    assert!(lost.is_none(), "messages were never taken in, the first as (from, to, number) {lost:?}");
}

/// True if the outcome is that of a message which came in its turn.
pub fn takes_in(outcome: &Outcome) -> bool {
    outcome.events.iter().any(|event| matches!(event, Event::Received { .. }))
}
