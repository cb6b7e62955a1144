//! Reads the whole events log into a fold: every shard from its first record to its present end, by the rule of reading.
//!
//!   lfg.events[s…] ─▶ *log* ─▶ fold

use std::time::{Duration, Instant};

use schemas::Shard;
use schemas::reading::{BrokenLog, Checkpoint, LogReader, ReadRecord};
use schemas::shard_map::ShardMap;
use service::LogArgs;
use service::kafka::{ConsumerProfile as Tuning, EventsTail, KafkaFault, quarantine};

use crate::fold::Fold;
use crate::phase::Phase;

/// A log that brings nothing for so long although it has more is given up.
const PATIENCE: Duration = Duration::from_secs(30);

const POLL: Duration = Duration::from_millis(100);

/// The log cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Kafka does not give it.
    #[error(transparent)]
    Kafka(#[from] KafkaFault),
    /// It breaks its own rules.
    #[error(transparent)]
    Broken(#[from] BrokenLog),
    /// It has more, and does not bring it.
    #[error("the events log brought nothing for {} s although it has more", PATIENCE.as_secs())]
    Stalled,
}

/// The log and what it said so far.
pub struct AuditedLog {
    args: LogArgs,
    tail: EventsTail,
    readers: Vec<LogReader>,
    /// The shards' homes.
    pub map: ShardMap,
    /// What it said.
    pub fold: Fold,
    /// The phase that is looked at by itself.
    pub phase: Option<Phase>,
    /// Records read, those that do not count included.
    pub records: u64,
    /// Records that did not count: of stale writers.
    pub stale: u64,
}

impl AuditedLog {
    /// From the first record on; reads nothing yet.
    pub fn open(args: &LogArgs) -> Result<Self, LogError> {
        let shards = || Shard::all(args.shards);
        let tail = EventsTail::open(&args.kafka, &args.topics(), Tuning::Bulk, shards().map(|shard| (shard, 0)))?;
        let readers = shards().map(|shard| LogReader::new(shard, args.shards, Checkpoint::default())).collect();
        let (map, fold) = (args.shard_map(), Fold::default());
        let args = args.clone();
        Ok(Self { args, tail, readers, map, fold, phase: None, records: 0, stale: 0 })
    }

    /// Looks at `phase`, too.
    pub fn during(self, phase: Phase) -> Self {
        Self { phase: Some(phase), ..self }
    }

    /// Reads to where the log ends now. Blocks.
    pub fn catch_up(&mut self) -> Result<(), LogError> {
        let ends = self.tail.high_watermarks()?;
        let mut heard = Instant::now();
        while ends.iter().any(|(shard, end)| self.readers[shard.index()].position().offset < *end) {
            let Some(record) = self.tail.next_or_wait(POLL)? else {
                if heard.elapsed() > PATIENCE {
                    return Err(LogError::Stalled);
                }
                continue;
            };
            heard = Instant::now();
            self.records += 1;
            let shard = record.shard();
            let reader = &mut self.readers[shard.index()];
            let reading = match reader.read(record.offset(), record.payload()) {
                Err(broken) if quarantine::of_record(&self.args, shard, broken.offset)?.is_some() => {
                    reader.pass_over(broken.offset);
                    ReadRecord::Ignored
                }
                reading => reading?,
            };
            match reading {
                ReadRecord::Outcome(outcome) => {
                    self.fold.apply(shard, &outcome);
                    if let Some(phase) = &mut self.phase {
                        phase.take(shard, record.offset(), &outcome);
                    }
                }
                ReadRecord::Term(_) | ReadRecord::Halted(_) | ReadRecord::Quarantine(_) => {}
                ReadRecord::Ignored => self.stale += 1,
                // Of a later build, which changes nothing that is checked here.
                ReadRecord::Unknown => {}
            }
        }
        Ok(())
    }

    /// How far each shard is read.
    pub fn positions(&self) -> impl Iterator<Item = (Shard, &Checkpoint)> {
        self.readers.iter().map(|reader| (reader.shard(), reader.position()))
    }
}
