//! Follows the events of all shards and folds them into the view: one thread, the view's only writer.
//!
//!   lfg.events[*] ─▶ *tail* ─▶ view, WebSocket queues, waiting commands
//!
//! Never waits for a client or a database. A log that breaks its rules ends the process: it could only serve falsehoods.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{Gauge, counter, gauge};
use schemas::reading::{Broken, Position, Reader, Reading as Read};
use schemas::{Outcome, Shard};
use service::kafka::{EventsTail, KafkaFault, Reading, TailRecord};
use service::{LogArgs, Pulse, Shutdown};
use tokio::sync::oneshot;

use crate::live::Live;
use crate::pending::Pending;
use crate::view::FoldError;

/// Why the tail ended other than by request. Never retry in the same process.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// Kafka refused to let the log be read.
    #[error(transparent)]
    Kafka(#[from] KafkaFault),
    /// The log breaks the rule of reading.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The log does not follow from what the view began with.
    #[error("shard {0}: {1}")]
    Fold(Shard, FoldError),
}

/// What the tail needs.
pub struct Tail {
    /// Which log.
    pub log: LogArgs,
    /// From where, for each shard.
    pub positions: Vec<Position>,
    /// What is folded into.
    pub live: Arc<Live>,
    /// Who waits for answers.
    pub pending: Arc<Pending>,
    /// When to end.
    pub shutdown: Shutdown,
    /// The watchdog.
    pub pulse: Pulse,
}

/// The offset after the last record of each shard. Blocks.
pub fn log_ends(log: &LogArgs) -> Result<Vec<u64>, KafkaFault> {
    let from = Shard::all(log.shards).map(|shard| (shard, 0));
    let tail = EventsTail::open(&log.kafka, &log.topics(), Reading::Live, from)?;
    Ok(tail.high_watermarks()?.into_iter().map(|(_, end)| end).collect())
}

/// How long to wait for a record before looking at the shutdown.
const PATIENCE: Duration = Duration::from_millis(200);

impl Tail {
    /// Starts the thread. `caught_up` is told once the view has all that was on the log at the start. If the tail fails, the
    /// whole process is asked to end.
    pub fn start(self, caught_up: oneshot::Sender<()>) -> std::io::Result<JoinHandle<Result<(), TailError>>> {
        std::thread::Builder::new().name("tail".to_owned()).spawn(move || {
            let (shutdown, pulse) = (self.shutdown.clone(), self.pulse.clone());
            // Also on a panic, so that nothing is served from a view that stands still.
            let _end = EndOfProcess(shutdown);
            let result = self.run(caught_up);
            match &result {
                Ok(()) => pulse.stop(),
                Err(error) => {
                    tracing::error!(%error, "the tail of the log ended");
                    pulse.fail(error.to_string());
                }
            }
            result
        })
    }

    fn run(self, caught_up: oneshot::Sender<()>) -> Result<(), TailError> {
        let shards: Vec<Shard> = Shard::all(self.log.shards).collect();
        let from = shards.iter().zip(&self.positions).map(|(&shard, position)| (shard, position.offset));
        let tail = EventsTail::open(&self.log.kafka, &self.log.topics(), Reading::Live, from)?;
        let reader = |(&shard, &position)| Reader::new(shard, self.log.shards, position);
        let mut readers: Vec<Reader> = shards.iter().zip(&self.positions).map(reader).collect();
        let meters: Vec<Meters> = shards.iter().map(|&shard| Meters::new(shard)).collect();
        let goals = tail.high_watermarks()?;
        let mut caught_up = Some(caught_up);
        while !self.shutdown.is_triggered() {
            if caught_up.is_some() && goals.iter().all(|(s, goal)| readers[s.index()].position().offset >= *goal) {
                tracing::info!("the view has caught up with the log");
                // Whoever asked may have given up; the tail goes on until the shutdown.
                let _ = caught_up.take().map(|sender| sender.send(()));
            }
            if let Some(record) = tail.next_or_wait(PATIENCE)? {
                let index = record.shard().index();
                self.read(&mut readers[index], &meters[index], &record)?;
            }
            self.pulse.beat();
        }
        Ok(())
    }

    fn read(&self, reader: &mut Reader, meters: &Meters, record: &TailRecord<'_>) -> Result<(), TailError> {
        let shard = record.shard();
        match reader.read(record.offset(), record.payload())? {
            Read::Outcome(outcome) => {
                meters.observe(&outcome);
                self.live.apply(shard, &outcome).map_err(|error| TailError::Fold(shard, error))?;
                // After the view, so that a client that got its answer finds its effects in the view.
                self.pending.settle(shard, outcome);
            }
            Read::Term(term) => tracing::info!(%shard, engine = %term.engine, term = record.offset(), "a new term"),
            Read::Ignored => counter!("gateway_tail_ignored_total").increment(1),
        }
        Ok(())
    }
}

/// How far a shard is followed, and how old its last outcome was when it came.
struct Meters {
    sequence: Gauge,
    behind: Gauge,
}

impl Meters {
    fn new(shard: Shard) -> Self {
        let label = shard.to_string();
        let sequence = gauge!("gateway_tail_sequence", "shard" => label.clone());
        Self { sequence, behind: gauge!("gateway_tail_behind_seconds", "shard" => label) }
    }

    #[allow(clippy::cast_precision_loss, reason = "sequences stay below 2^52")]
    fn observe(&self, outcome: &Outcome) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let behind = now.saturating_sub(Duration::from_millis(outcome.time.as_millis()));
        self.sequence.set(outcome.sequence as f64);
        self.behind.set(behind.as_secs_f64());
    }
}

struct EndOfProcess(Shutdown);

impl Drop for EndOfProcess {
    fn drop(&mut self) {
        self.0.trigger();
    }
}
