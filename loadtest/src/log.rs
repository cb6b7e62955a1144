//! Reads the whole events log into a fold: every shard from its first record to its present end, by
//! the read rule.
//!
//!   lfg.events[s…] ─▶ *log* ─▶ fold

use std::time::{Duration, Instant};

use schemas::Shard;
use schemas::reading::{Checkpoint, LogReader, ReadRecord};
use schemas::shard_map::ShardMap;
use service::LogArgs;
use service::kafka::{ConsumerProfile as Tuning, EventsTail, quarantine};

use crate::fold::Fold;
use crate::log_error::{LogError, PATIENCE};
use crate::phase::Phase;

const POLL: Duration = Duration::from_millis(100);

/// The events log and its fold so far.
pub struct AuditedLog {
    args: LogArgs,
    tail: EventsTail,
    readers: Vec<LogReader>,
    /// The assignment of accounts and markets to home shards.
    pub map: ShardMap,
    /// The fold of the log.
    pub fold: Fold,
    /// The phase that is counted separately, if any.
    pub phase: Option<Phase>,
    /// Records read, including those that do not count.
    pub records: u64,
    /// Records of stale writers, which do not count.
    pub stale: u64,
}

impl AuditedLog {
    /// Opens the log at its first record; reads nothing yet.
    pub fn open(args: &LogArgs) -> Result<Self, LogError> {
        let shards = || Shard::all(args.shards);
        let tail = EventsTail::open(&args.kafka, &args.topics(), Tuning::Bulk, shards().map(|shard| (shard, 0)))?;
        let readers = shards().map(|shard| LogReader::new(shard, args.shards, Checkpoint::default())).collect();
        let (map, fold) = (args.shard_map(), Fold::default());
        let args = args.clone();
        Ok(Self { args, tail, readers, map, fold, phase: None, records: 0, stale: 0 })
    }

    /// Also counts `phase`.
    pub fn during(self, phase: Phase) -> Self {
        Self { phase: Some(phase), ..self }
    }

    /// Reads to the log's present end. Blocks.
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
                // Written by a later build; changes nothing that is checked here.
                ReadRecord::Unknown => {}
            }
        }
        Ok(())
    }

    /// Returns each shard's checkpoint.
    pub fn positions(&self) -> impl Iterator<Item = (Shard, &Checkpoint)> {
        self.readers.iter().map(|reader| (reader.shard(), reader.position()))
    }
}
