//! What the running part asks of a store, and what can go wrong with one.
//!
//!   fold ─▶ [`RowChanges`] ─▶ *Sink* ─▶ Postgres, Redis
//!
//! A sink keeps a shard's [`Checkpoint`] with its rows and moves both together, from the position
//! that the writer expects. So whatever happens to either side, each outcome is in the store once
//! or not at all, and the position says which.

use std::future::Future;

use schemas::Shard;
use schemas::reading::Checkpoint;

use crate::fold::RowChanges;

/// One process that writes. The order is that of age: the eldest is the least.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct WriterId(pub uuid::Uuid);

impl WriterId {
    /// A process that begins now.
    pub fn begin() -> Self {
        Self(uuid::Uuid::now_v7())
    }
}

/// One shard's rows in one store.
pub trait Sink: Send + 'static {
    /// The sink's name in logs and metrics.
    const NAME: &'static str;

    /// Whose rows.
    fn shard(&self) -> Shard;

    /// Connects (again) and says how far the store is; whatever was known of the store before is
    /// forgotten. `end`: the offset after the log's last record, which a store that must begin anew
    /// has to reach before it is the present again.
    fn load(&mut self, end: u64) -> impl Future<Output = Result<Checkpoint, SinkError>> + Send;

    /// Writes `changes` and moves the position `from` → `to`, together or not at all.
    fn write(
        &mut self,
        changes: &RowChanges,
        from: &Checkpoint,
        to: &Checkpoint,
    ) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Looks, in idle times, whether the store still is where the writer left it.
    fn check(&mut self, at: &Checkpoint) -> impl Future<Output = Result<(), SinkError>> + Send;
}

/// A store did not do what was asked. From the writer's side: what now?
///
/// | error         | the shard's writer                                                      |
/// |---------------|-------------------------------------------------------------------------|
/// | `Unavailable` | loads after a while, and goes on from there                             |
/// | `Moved`       | loads, or ends the process: see `run::shard::Trust`                     |
/// | `Gone`        | loads, which rebuilds                                                   |
/// | `Refused`     | halts alone                                                             |
/// | `Denied`      | is named, waits, loads again: somebody may let it in, or make the store |
/// | `Foreign`     | ends the sink                                                           |
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// It cannot be reached, is busy or gave up. Whether the batch was written is unknown: load,
    /// and go on from there.
    #[error("unavailable: {0}")]
    Unavailable(Box<dyn std::error::Error + Send + Sync>),
    /// It is not where the writer left it. Nothing was written. Either a batch that was given up
    /// for lost arrived after all (load, and go on from there), or another writer is alive (one of
    /// the two stops).
    #[error("the position is {found}, not the expected {expected}")]
    Moved {
        /// Where the writer left it.
        expected: String,
        /// Where it is.
        found: String,
        /// Who moved it, if the store knows.
        by: Option<WriterId>,
    },
    /// It lost all it had, or was told to forget it. Load rebuilds it from the log.
    #[error("the read models are gone")]
    Gone,
    /// It refused this shard's data, or holds what the log says cannot be. Never retry: an operator
    /// must look.
    #[error("{0}")]
    Refused(Box<dyn std::error::Error + Send + Sync>),
    /// It does not let this program in, or there is no such store, or it has no tables yet.
    #[error("{0}")]
    Denied(Box<dyn std::error::Error + Send + Sync>),
    /// It is laid out as a later build writes it.
    #[error("{0}")]
    Foreign(String),
}

impl SinkError {
    /// From any error that a later try may not meet.
    pub fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(error.into())
    }

    /// From any error by which the store shuts this program out.
    pub fn denied(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Denied(error.into())
    }

    /// From any error that a later try would meet again.
    pub fn refused(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Refused(error.into())
    }
}
