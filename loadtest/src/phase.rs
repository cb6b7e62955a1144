//! Counts what one phase of a run wrote to the log: outcomes by cause, parked requests, asks.
//!
//!   lfg.events[s…] ─▶ log ─▶ *phase* ◀─ lfg.commands[s…]
//!
//! An outcome contains its command's id but not its kind, so this module reads the commands too.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Message as _, Offset, TopicPartitionList};
use schemas::{AccountId, Command, CommandRecord, Event, Outcome, Shard};
use service::LogArgs;
use service::kafka::{ConsumerProfile, EventsTail, KafkaFault, consumer_config};

use crate::log_error::{LogError, PATIENCE};

const POLL: Duration = Duration::from_millis(100);

/// A phase: from a log position of each shard to the end of what was read.
pub struct Phase {
    begins: BTreeMap<Shard, u64>,
    /// Offsets of the commands that caused the phase's outcomes, in order.
    commands: BTreeMap<Shard, Vec<u64>>,
    /// Number of requests parked at their market's shard.
    pub parked: u64,
    /// Number of asks for credits or room that a purse lacks.
    pub asks: u64,
    /// The purses that asked. (A purse is an account's balance on one shard.)
    asked: HashSet<(AccountId, Shard)>,
}

impl Phase {
    /// Begins a phase at the log's present end. Blocks.
    pub fn begin(args: &LogArgs) -> Result<Self, KafkaFault> {
        let ends = Shard::all(args.shards).map(|shard| (shard, u64::MAX));
        let begins = EventsTail::open(&args.kafka, &args.topics(), ConsumerProfile::Bulk, ends)?.high_watermarks()?;
        Ok(Self::of(begins.into_iter().collect()))
    }

    fn of(begins: BTreeMap<Shard, u64>) -> Self {
        Self { begins, commands: BTreeMap::new(), parked: 0, asks: 0, asked: HashSet::new() }
    }

    /// Counts an outcome, if it belongs to the phase.
    pub fn take(&mut self, shard: Shard, offset: u64, outcome: &Outcome) {
        if self.begins.get(&shard).is_none_or(|begin| offset < *begin) {
            return;
        }
        self.commands.entry(shard).or_default().push(outcome.cause.offset);
        for event in &outcome.events {
            match event {
                Event::Parked(parked) if !parked.request.is_claim() => self.parked += 1,
                Event::Asked { account, .. } => {
                    self.asks += 1;
                    self.asked.insert((*account, shard));
                }
                _ => {}
            }
        }
    }

    /// Counts asks of purses that had already asked in this phase. Accounts are created for each
    /// run, and the first request of an account on a shard other than its home shard must ask;
    /// steady trading begins after that.
    pub fn repeated_asks(&self) -> u64 {
        self.asks - self.asked.len() as u64
    }

    /// Reads the commands of the phase's outcomes. Blocks.
    pub fn causes(&self, args: &LogArgs) -> Result<Causes, LogError> {
        let (consumer, mut causes) = (self.consumer(args)?, Causes::default());
        let mut missing: BTreeMap<i32, &[u64]> =
            self.commands.iter().map(|(shard, offsets)| (shard.partition(), offsets.as_slice())).collect();
        let mut heard = Instant::now();
        while missing.values().any(|offsets| !offsets.is_empty()) {
            let message = match consumer.poll(POLL).transpose().map_err(KafkaFault::from) {
                Ok(Some(message)) => message,
                Err(fault) if !fault.may_retry() => return Err(fault.into()),
                _ if heard.elapsed() > PATIENCE => return Err(LogError::Stalled),
                _ => continue,
            };
            heard = Instant::now();
            let Some(offsets) = missing.get_mut(&message.partition()) else { continue };
            if let Some((first, rest)) = offsets.split_first()
                && u64::try_from(message.offset()) == Ok(*first)
            {
                *offsets = rest;
                causes.add(CommandRecord::decode(message.payload().unwrap_or_default()).ok().as_ref());
            }
        }
        Ok(causes)
    }

    /// Returns a consumer positioned at each shard's first command.
    fn consumer(&self, args: &LogArgs) -> Result<BaseConsumer, KafkaFault> {
        let topic = args.topics().commands;
        let consumer: BaseConsumer =
            consumer_config(&args.kafka, &format!("{topic}.loadtest"), ConsumerProfile::Bulk).create()?;
        let mut assignment = TopicPartitionList::new();
        for (shard, offsets) in &self.commands {
            let first =
                offsets.first().and_then(|first| i64::try_from(*first).ok()).map_or(Offset::End, Offset::Offset);
            assignment.add_partition_offset(&topic, shard.partition(), first)?;
        }
        consumer.assign(&assignment)?;
        Ok(consumer)
    }
}

/// Outcomes by the kind of command that caused them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Causes {
    /// Commands of clients and administrators.
    pub clients: u64,
    /// Messages from other shards: `Receive`.
    pub messages: u64,
    /// Acknowledgements of messages: `Acknowledge`.
    pub acknowledgements: u64,
    /// Due work: `AdvanceTime`; or a component's own announcements: `Announce`, `Leave`.
    pub time: u64,
}

impl Causes {
    /// Returns the number of all outcomes.
    pub fn total(&self) -> u64 {
        self.clients + self.messages + self.acknowledgements + self.time
    }

    /// Adds one; a command that cannot be decoded came from a client.
    fn add(&mut self, record: Option<&CommandRecord>) {
        *match record.map(|record| &record.command) {
            Some(Command::Receive { .. }) => &mut self.messages,
            Some(Command::Acknowledge { .. }) => &mut self.acknowledgements,
            Some(Command::AdvanceTime | Command::Announce(_) | Command::Leave { .. }) => &mut self.time,
            _ => &mut self.clients,
        } += 1;
    }
}

#[cfg(test)]
mod tests {
    use schemas::{AccountId, Cause, CommandId, Need, Parked, ParkedRequest, Room, Timestamp};

    use super::*;

    fn outcome(command: u64, events: Vec<Event>) -> Outcome {
        let cause = Cause { offset: command, id: CommandId(1) };
        Outcome { term: 0, sequence: 1, time: Timestamp(1), cause, events }
    }

    fn parked(request: ParkedRequest) -> Event {
        let (account, command, deadline) = (AccountId(1), CommandId(1), Timestamp(2));
        Event::Parked(Box::new(Parked { account, ticket: 1, command, index: None, deadline, request }))
    }

    #[test]
    fn only_outcomes_of_the_phase_count_and_a_claim_is_no_parked_request() {
        let shards: Vec<Shard> = Shard::all(2).collect();
        let mut phase = Phase::of(BTreeMap::from([(shards[0], 10), (shards[1], 0)]));
        let asked = || Event::Asked { account: AccountId(1), need: Need::NOTHING, given_back: Room::ZERO };
        let batch = || parked(ParkedRequest::Batch(Vec::new()));
        let claim = parked(ParkedRequest::Fund { shard: shards[1], need: Need::NOTHING });
        phase.take(shards[0], 9, &outcome(7, vec![batch()]));
        phase.take(shards[0], 10, &outcome(8, vec![batch(), asked()]));
        phase.take(shards[1], 0, &outcome(3, vec![claim]));
        assert_eq!((phase.asks, phase.repeated_asks()), (1, 0));
        phase.take(shards[0], 11, &outcome(9, vec![asked()]));
        assert_eq!(phase.commands, BTreeMap::from([(shards[0], vec![8, 9]), (shards[1], vec![3])]));
        assert_eq!((phase.parked, phase.asks, phase.repeated_asks()), (1, 2, 1));
    }

    #[test]
    fn every_kind_of_command_is_a_cause() {
        let mut causes = Causes::default();
        let shard = Shard::all(1).next().unwrap();
        let commands = [
            Command::AdvanceTime,
            Command::Acknowledge { to: shard, number: 1 },
            Command::MassCancel { account: AccountId(1), market: None },
        ];
        for command in commands {
            causes.add(Some(&CommandRecord::new(CommandId(1), command)));
        }
        causes.add(None);
        assert_eq!(causes, Causes { clients: 2, messages: 0, acknowledgements: 1, time: 1 });
        assert_eq!(causes.total(), 4);
    }
}
