//! The Prometheus metrics of one writer.
//!
//! | metric (labels `sink`, `shard`)         | meaning                                                               |
//! |-----------------------------------------|-----------------------------------------------------------------------|
//! | `lfg_projections_outcomes_total`        | outcomes written                                                      |
//! | `lfg_projections_unknown_total`         | records and events of a later build that were skipped                 |
//! | `lfg_projections_rows_total`            | rows (or, in Redis, entries) that they changed                        |
//! | `lfg_projections_batch_records`         | records per batch                                                     |
//! | `lfg_projections_batch_seconds`         | time that writing a batch took                                        |
//! | `lfg_projections_delay_seconds`         | from the broker's append of a batch's oldest record to its commit     |
//! | `lfg_projections_offset`, `…_sequence`  | the position                                                          |
//! | `lfg_projections_lag_records`           | records between the position and the end of the log; NaN: unknown     |
//! | `lfg_projections_lag_seconds`           | age of the last record written, while there are later ones, else 0;   |
//! |                                         | NaN: unknown                                                          |
//! | `lfg_projections_halted`                | 1 if the shard halted while the others continue, else 0               |
//! | `lfg_projections_shut`                  | 1 while the writer waits for an unavailable store, else 0             |
//! | `lfg_projections_restarts_total`        | restarts of the writer because of a temporary fault                   |

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use schemas::reading::Checkpoint;
use schemas::{Shard, Timestamp};

use super::batch::FoldedBatch;

/// One writer's metrics.
pub struct WriterMetrics {
    outcomes: Counter,
    unknown: Counter,
    rows: Counter,
    batch_records: Histogram,
    batch_seconds: Histogram,
    delay_seconds: Histogram,
    offset: Gauge,
    sequence: Gauge,
    lag_records: Gauge,
    lag_seconds: Gauge,
    halted: Gauge,
    shut: Gauge,
    restarts: Counter,
    /// The position's offset, and the time of the last record before it; 0 before the first.
    at: AtomicU64,
    time: AtomicU64,
    /// True while the store is unavailable, and so the position unknown.
    is_shut: AtomicBool,
}

impl WriterMetrics {
    /// Creates the metrics of `sink`'s writer of `shard`.
    pub fn new(sink: &'static str, shard: Shard) -> Self {
        let labels = [("sink", sink.to_owned()), ("shard", shard.to_string())];
        let halted = gauge!("lfg_projections_halted", &labels);
        let shut = gauge!("lfg_projections_shut", &labels);
        halted.set(0.0);
        shut.set(0.0);
        Self {
            halted,
            shut,
            restarts: counter!("lfg_projections_restarts_total", &labels),
            outcomes: counter!("lfg_projections_outcomes_total", &labels),
            unknown: counter!("lfg_projections_unknown_total", &labels),
            rows: counter!("lfg_projections_rows_total", &labels),
            batch_records: histogram!("lfg_projections_batch_records", &labels),
            batch_seconds: histogram!("lfg_projections_batch_seconds", &labels),
            delay_seconds: histogram!("lfg_projections_delay_seconds", &labels),
            offset: gauge!("lfg_projections_offset", &labels),
            sequence: gauge!("lfg_projections_sequence", &labels),
            lag_records: gauge!("lfg_projections_lag_records", &labels),
            lag_seconds: gauge!("lfg_projections_lag_seconds", &labels),
            at: AtomicU64::new(0),
            time: AtomicU64::new(0),
            is_shut: AtomicBool::new(false),
        }
    }

    /// Records that the store is at `position`.
    pub fn at(&self, position: &Checkpoint) {
        self.at.store(position.offset, Ordering::Relaxed);
        self.offset.set(float(position.offset));
        self.sequence.set(float(position.sequence));
    }

    /// Records that the shard halted.
    pub fn halted(&self) {
        self.halted.set(1.0);
    }

    /// Records that the store became unavailable or available.
    pub fn shut(&self, shut: bool) {
        self.is_shut.store(shut, Ordering::Relaxed);
        self.shut.set(if shut { 1.0 } else { 0.0 });
    }

    /// Records that the shard restarts because of a temporary fault.
    pub fn restarted(&self) {
        self.restarts.increment(1);
    }

    /// Records that a batch was written.
    pub fn written(&self, batch: &FoldedBatch, to: &Checkpoint, took: Duration) {
        self.outcomes.increment(u64::try_from(batch.outcomes).unwrap_or(u64::MAX));
        self.unknown.increment(batch.unknown);
        self.rows.increment(u64::try_from(batch.changes.rows()).unwrap_or(u64::MAX));
        self.batch_records.record(float(u64::try_from(batch.records).unwrap_or(u64::MAX)));
        self.batch_seconds.record(took);
        self.delay_seconds.record(since(batch.oldest));
        self.time.store(batch.newest.as_millis(), Ordering::Relaxed);
        self.at(to);
    }

    /// Sets the lag to unknown, because the end of the log or the store's position is unknown; 0
    /// would be wrong.
    pub fn log_end_unknown(&self) {
        self.lag_records.set(f64::NAN);
        self.lag_seconds.set(f64::NAN);
    }

    /// Records that the log ends before offset `end`.
    pub fn log_ends(&self, end: u64) {
        if self.is_shut.load(Ordering::Relaxed) {
            return self.log_end_unknown();
        }
        let behind = end.saturating_sub(self.at.load(Ordering::Relaxed));
        self.lag_records.set(float(behind));
        let time = self.time.load(Ordering::Relaxed);
        match (behind, time) {
            (0, _) => self.lag_seconds.set(0.0),
            // This process has written nothing yet: the age is unknown.
            (_, 0) => self.lag_seconds.set(f64::NAN),
            (_, time) => self.lag_seconds.set(since(Timestamp(time)).as_secs_f64()),
        }
    }
}

/// Returns the time elapsed since `then`, by two machines' clocks.
fn since(then: Timestamp) -> Duration {
    let then = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(then.as_millis()));
    then.and_then(|then| SystemTime::now().duration_since(then).ok()).unwrap_or_default()
}

#[allow(clippy::cast_precision_loss, reason = "gauges are floats; exact below 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}
