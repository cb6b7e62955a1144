//! The interface of a store, and its errors.
//!
//!   fold ─▶ [`RowChanges`] ─▶ *Sink* ─▶ Postgres, Redis
//!
//! A sink keeps a shard's [`Checkpoint`] with its rows and moves both together, from the position
//! that the writer expects. So after any fault on either side each outcome is in the store once or
//! not at all, and the position shows which.

use std::future::Future;

use schemas::Shard;
use schemas::reading::Checkpoint;

use crate::fold::RowChanges;

/// The id of one writing process. Ids are ordered by age: the oldest is the least.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct WriterId(pub uuid::Uuid);

impl WriterId {
    /// Returns the id of a process that starts now.
    pub fn begin() -> Self {
        Self(uuid::Uuid::now_v7())
    }
}

/// One shard's rows in one store.
pub trait Sink: Send + 'static {
    /// The sink's name in logs and metrics.
    const NAME: &'static str;

    /// Returns the shard of the rows.
    fn shard(&self) -> Shard;

    /// Connects again and returns the stored position; all knowledge about the store is discarded.
    /// `end` is the offset after the log's last record, which a store that must be rebuilt has to
    /// reach before it is current again.
    fn load(&mut self, end: u64) -> impl Future<Output = Result<Checkpoint, SinkError>> + Send;

    /// Writes `changes` and moves the position `from` → `to`, together or not at all.
    fn write(
        &mut self,
        changes: &RowChanges,
        from: &Checkpoint,
        to: &Checkpoint,
    ) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Verifies, while idle, that the store is still at the position that the writer wrote last.
    fn check(&mut self, at: &Checkpoint) -> impl Future<Output = Result<(), SinkError>> + Send;
}

/// Why a store did not carry out a request, by what the writer does next.
///
/// | error         | the shard's writer                                                      |
/// |---------------|-------------------------------------------------------------------------|
/// | `Unavailable` | loads after a while, and continues from there                           |
/// | `Moved`       | loads, or ends the process: see `run::shard::StoreMoves`                |
/// | `Gone`        | loads, which rebuilds                                                   |
/// | `Refused`     | halts alone                                                             |
/// | `Denied`      | is reported, waits, loads again: an operator may correct the store      |
/// | `Foreign`     | ends the sink                                                           |
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The store is unreachable, busy or gave up. It is unknown whether the batch was written:
    /// load, and continue from there.
    #[error("unavailable: {0}")]
    Unavailable(Box<dyn std::error::Error + Send + Sync>),
    /// The store is not at the position that the writer wrote last. Nothing was written. Either a
    /// batch that was considered lost arrived after all (load, and continue from there), or another
    /// writer is alive (one of the two stops).
    #[error("the position is {found}, not the expected {expected}")]
    Moved {
        /// The position that the writer wrote last.
        expected: String,
        /// The position in the store.
        found: String,
        /// The process that moved it, if the store knows.
        by: Option<WriterId>,
    },
    /// The store lost all its data, or was told to delete it. Load rebuilds it from the log.
    #[error("the read models are gone")]
    Gone,
    /// The store refused this shard's data, or holds rows that contradict the log. Never retry: an
    /// operator must act.
    #[error("{0}")]
    Refused(Box<dyn std::error::Error + Send + Sync>),
    /// The store denies access, does not exist, or has no tables yet.
    #[error("{0}")]
    Denied(Box<dyn std::error::Error + Send + Sync>),
    /// It is laid out as a later build writes it.
    #[error("{0}")]
    Foreign(String),
}

impl SinkError {
    /// Converts any error that a later try may not meet.
    pub fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(error.into())
    }

    /// Converts any error by which the store denies access.
    pub fn denied(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Denied(error.into())
    }

    /// Converts any error that a later try would meet again.
    pub fn refused(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Refused(error.into())
    }
}
