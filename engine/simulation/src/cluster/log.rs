//! One shard's view of the log, as the shard loop needs it (`engine::log::ShardLog`), over
//! partitions in memory.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use engine::log::{AppendFault, Extent, LogPartition, LogRecord, ShardLog};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use schemas::{Quarantine, Shard, Timestamp};
use service::kafka::KafkaFault;

use super::writer::{SimulatedWriter, WriterGeneration};
use super::{Cluster, PartitionTopic};
use crate::random::Random;
use crate::seen::Seen;

/// How many times in a row a reader may start after its offset: the loop rightly halts if it never
/// gets a command.
const SKIPS_MAX: u32 = 3;

/// How a run disturbs one reader from outside, and observes it.
#[derive(Default)]
pub struct Tap {
    /// No events before this time.
    pub stalled_until: Cell<u64>,
    /// Delivers this many records of each partition again.
    pub go_back: Cell<u64>,
    /// The loop started to read the events from the beginning of a recovery.
    pub recovered: Cell<bool>,
    /// The loop was informed that its writer is broken.
    pub writer_lost: Cell<bool>,
}

/// One loop's view of its shard's log.
pub struct MemoryLog {
    shard: Shard,
    cluster: Rc<Cluster>,
    writer: SimulatedWriter,
    generation: Rc<WriterGeneration>,
    tap: Rc<Tap>,
    random: Random,
    events: u64,
    commands: Option<u64>,
    skips: u32,
    /// True for the snapshotter's log: its reading is no recovery.
    of_snapshotter: bool,
}

impl MemoryLog {
    pub fn new(shard: Shard, cluster: Rc<Cluster>, writer: SimulatedWriter, tap: Rc<Tap>, random: Random) -> Self {
        let generation = writer.current();
        Self {
            shard,
            cluster,
            writer,
            generation,
            tap,
            random,
            events: 0,
            commands: None,
            skips: 0,
            of_snapshotter: false,
        }
    }

    /// Returns a log for the snapshotter only.
    pub fn of_snapshotter(shard: Shard, cluster: Rc<Cluster>, writer: SimulatedWriter, random: Random) -> Self {
        Self { of_snapshotter: true, ..Self::new(shard, cluster, writer, Rc::default(), random) }
    }

    fn append(&mut self, topic: PartitionTopic, shard: Shard, bytes: &[u8]) -> Result<(), AppendFault> {
        let appended = self.generation.append(&self.cluster, topic, shard, bytes);
        if appended == Err(AppendFault::WriterLost) {
            self.tap.writer_lost.set(true);
        }
        appended
    }

    /// Returns an error if the cluster does not answer now.
    fn answers(&self) -> Result<(), KafkaFault> {
        if self.cluster.strikes(Seen::HeadUnavailable) {
            return Err(KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure).into());
        }
        Ok(())
    }

    fn go_back(&mut self) {
        let by = self.tap.go_back.take();
        self.events = self.events.saturating_sub(by);
        self.commands = self.commands.map(|next| next.saturating_sub(by));
    }

    /// Returns the next record, if there is one. Chance decides which of the two partitions it
    /// comes from.
    fn next(&mut self, hungry: bool) -> Option<(LogPartition, u64, u64, Rc<[u8]>)> {
        let stalled = !self.cluster.is_calm() && self.cluster.now() < self.tap.stalled_until.get();
        if hungry
            && (stalled || self.random.one_in(2))
            && let Some(offset) = self.commands
            && let Some((time, bytes)) = self.cluster.record(PartitionTopic::Commands, self.shard, offset)
        {
            self.commands = Some(offset + 1);
            return Some((LogPartition::Commands, offset, time, bytes));
        }
        if stalled {
            return None;
        }
        let (time, bytes) = self.cluster.record(PartitionTopic::Events, self.shard, self.events)?;
        self.events += 1;
        Some((LogPartition::Events, self.events - 1, time, bytes))
    }
}

impl ShardLog for MemoryLog {
    fn follow_from(&mut self, events: u64, _: u64) -> Result<(), KafkaFault> {
        if !self.of_snapshotter {
            self.cluster.saw(if events > 0 { Seen::RestoredFromSnapshot } else { Seen::RecoveredFromLog });
            self.tap.recovered.set(true);
        }
        (self.events, self.commands) = (events, None);
        Ok(())
    }

    fn consume_from(&mut self, offset: u64) -> Result<(), KafkaFault> {
        // Real readers have been seen to start after the requested offset.
        let skip = self.skips < SKIPS_MAX && self.cluster.strikes(Seen::CommandsSkipped);
        self.skips = if skip { self.skips + 1 } else { 0 };
        // A leader requests the command before the next one as well.
        self.commands = Some(if skip { offset + 2 } else { offset });
        Ok(())
    }

    fn stop_consuming(&mut self) -> Result<(), KafkaFault> {
        self.commands = None;
        Ok(())
    }

    fn rest(&mut self) -> Result<(), KafkaFault> {
        // An offset without records.
        (self.events, self.commands) = (u64::MAX, None);
        Ok(())
    }

    fn extent(&mut self, source: LogPartition) -> Result<Extent, KafkaFault> {
        self.answers()?;
        let topic = match source {
            LogPartition::Events => PartitionTopic::Events,
            LogPartition::Commands => PartitionTopic::Commands,
        };
        Ok(Extent { first: 0, end: self.cluster.end(topic, self.shard) })
    }

    fn committed(&mut self) -> Result<u64, KafkaFault> {
        self.answers()?;
        Ok(self.cluster.committed(self.shard))
    }

    /// No admin quarantines anything in the simulation.
    fn quarantine_of(&mut self, _: u64) -> Result<Option<Quarantine>, KafkaFault> {
        Ok(None)
    }

    fn poll<R>(
        &mut self,
        hungry: bool,
        _: Duration,
        visit: impl FnOnce(LogRecord<'_>) -> R,
    ) -> Result<Option<R>, KafkaFault> {
        self.go_back();
        let Some((source, offset, time, bytes)) = self.next(hungry) else { return Ok(None) };
        Ok(Some(visit(LogRecord { source, offset, time: Timestamp(time), bytes: &bytes })))
    }

    fn append_event(&mut self, bytes: &[u8]) -> Result<(), AppendFault> {
        self.append(PartitionTopic::Events, self.shard, bytes)
    }

    fn append_command(&mut self, to: Shard, bytes: &[u8]) -> Result<(), AppendFault> {
        self.append(PartitionTopic::Commands, to, bytes)
    }

    fn writer_is_lost(&self) -> bool {
        let lost = self.generation.has_failed();
        self.tap.writer_lost.set(self.tap.writer_lost.get() || lost);
        lost
    }

    fn renew_writer(&mut self) -> Result<(), KafkaFault> {
        self.generation = self.writer.renew();
        Ok(())
    }
}
