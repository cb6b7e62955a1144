//! One shard's log by the read rule: one outcome for each command, in order, and nothing else.

use std::collections::BTreeMap;

use schemas::reading::{Checkpoint, LogReader, ReadRecord};
use schemas::record::Chain;
use schemas::{Command, CommandId, CommandRecord, Event, Message, Origin, Outcome, Shard};

use crate::builds::NEXT;
use crate::clients::commands;
use crate::cluster::{Cluster, PartitionTopic};
use crate::seen::Seen;

/// A shard's outcomes that count.
pub struct History {
    pub shard: Shard,
    /// The outcomes by sequence, from 1, each with the chain after it.
    pub outcomes: Vec<(Outcome, Chain)>,
    /// The command of each outcome; `None` if the record is not a command.
    commands: Vec<Option<Command>>,
}

impl History {
    /// Reads a shard's log. Panics unless each command has exactly one outcome, in order, under its
    /// own id, and time never decreases.
    pub fn read(cluster: &Cluster, shard: Shard) -> Self {
        let mut reader = LogReader::new(shard, cluster.map.shards(), Checkpoint::default()).knowing(NEXT);
        let mut outcomes = Vec::new();
        for (offset, stored) in (0..).zip(&*cluster.partition(PartitionTopic::Events, shard)) {
            match reader.read(offset, &stored.bytes) {
                Ok(ReadRecord::Outcome(outcome)) => {
                    outcomes.push((outcome, reader.position().chain));
                }
                Ok(ReadRecord::Term(_)) => {}
                Ok(ReadRecord::Halted(_) | ReadRecord::Quarantine(_)) => panic!("nothing halts in a run"),
                Ok(ReadRecord::Ignored) => cluster.saw(Seen::StaleOutcome),
                Ok(ReadRecord::Unknown) => cluster.saw(Seen::PassedOver),
                Err(broken) => panic!("{broken}"),
            }
        }
        let times = |pair: &[(Outcome, Chain)]| pair[0].0.time <= pair[1].0.time;
        assert!(outcomes.windows(2).all(times), "time goes back in the outcomes of shard {shard}");
        let commands = cluster.partition(PartitionTopic::Commands, shard);
        assert_eq!(outcomes.len(), commands.len(), "outcomes and commands of shard {shard}");
        let decide = (0..).zip(outcomes.iter().zip(&*commands)).map(|(offset, ((outcome, _), stored))| {
            let record = CommandRecord::decode(&stored.bytes).ok();
            let id = record.as_ref().map_or_else(|| CommandRecord::id_of(&stored.bytes), |record| Some(record.id));
            if record.is_none() && id.is_some() {
                cluster.saw(Seen::StrangeCommandRefused);
            }
            let id = id.unwrap_or(CommandId(0));
            assert_eq!((outcome.cause.offset, outcome.cause.id), (offset, id), "outcome of shard {shard}");
            check_origin(cluster, record.as_ref(), outcome);
            record.map(|record| record.command)
        });
        let commands = decide.collect();
        Self { shard, outcomes, commands }
    }

    /// Returns each outcome with its command.
    pub fn decided(&self) -> impl Iterator<Item = (Option<&Command>, &Outcome)> {
        self.commands.iter().map(Option::as_ref).zip(self.outcomes.iter().map(|(outcome, _)| outcome))
    }

    /// Returns each valid command with its outcome.
    pub fn commands(&self) -> impl Iterator<Item = (&Command, &Outcome)> {
        self.decided().filter_map(|(command, outcome)| Some((command?, outcome)))
    }

    /// Returns the clients' commands on this shard, by id, with the number of their records.
    pub fn asked(&self) -> BTreeMap<CommandId, (&Command, u64)> {
        let mut asked = BTreeMap::new();
        for (command, outcome) in self.commands().filter(|(command, _)| !is_by_an_engine(command)) {
            asked.entry(outcome.cause.id).or_insert((command, 0)).1 += 1;
        }
        asked
    }

    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.outcomes.iter().flat_map(|(outcome, _)| &outcome.events)
    }
}

/// Checks that an outcome contains its command's origin. A message has the trace of the command
/// that it serves, unless it was sent again.
fn check_origin(cluster: &Cluster, record: Option<&CommandRecord>, outcome: &Outcome) {
    let came_with = record.and_then(|record| record.origin.as_deref());
    let said = outcome.events.iter().enumerate().filter_map(|(at, event)| match event {
        Event::CameWith(origin) => Some((at, &**origin)),
        _ => None,
    });
    let said: Vec<(usize, &Origin)> = said.collect();
    assert_eq!(said, came_with.map(|origin| (0, origin)).into_iter().collect::<Vec<_>>(), "{record:?}");
    let (Some(origin), Some(CommandRecord { id, command, .. })) = (came_with, record) else { return };
    let (first, found) = (commands::origin(*id).map(|first| *first), origin.clone());
    if let Command::Receive { .. } = command {
        let trace = first.and_then(|first| first.trace);
        assert_eq!(found, Origin { trace, idempotency_key: None }, "a message under command {id}");
        cluster.saw(Seen::TraceFollowed);
    } else {
        assert_eq!(first, Some(found), "command {id}");
        cluster.saw(Seen::OriginSaid);
    }
}

/// Checks that every sent message was received once, unchanged, and in order.
pub fn assert_messages_arrived(histories: &[History]) {
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
        for (command, outcome) in history.commands() {
            if let Command::Receive { from, number, message } = command
                && takes_in(outcome)
            {
                let promised = sent.remove(&(*from, history.shard, *number));
                let as_promised = promised.is_some_and(|promised| promised == message);
                assert!(as_promised, "shard {} took in what {from} never sent as {number}", history.shard);
            }
        }
    }
    let lost = sent.keys().next();
    assert!(lost.is_none(), "messages were never taken in, the first as (from, to, number) {lost:?}");
}

/// Returns true if the outcome received a message in its turn.
pub fn takes_in(outcome: &Outcome) -> bool {
    outcome.events.iter().any(|event| matches!(event, Event::Received { .. }))
}

/// Returns true if no client wrote the command: an engine wrote it, under the id of the command
/// that it serves, or a component announced itself.
fn is_by_an_engine(command: &Command) -> bool {
    matches!(
        command,
        Command::Receive { .. }
            | Command::Acknowledge { .. }
            | Command::AdvanceTime
            | Command::Announce(_)
            | Command::Leave { .. }
    )
}
