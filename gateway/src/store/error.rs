//! Why the store failed.

use std::io::ErrorKind;
use std::path::PathBuf;

use schemas::codec::DecodeError;

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process uses the file. Never retry: each gateway needs a folder of its own.
    #[error("{path} is in use by another process; hint: give each gateway a --state of its own", path = .0.display())]
    InUse(PathBuf),
    /// The disk failed. Retry later.
    #[error("{path}: {1}", path = .0.display())]
    Disk(PathBuf, std::io::Error),
    /// The file contains what this build has not written. The next start rebuilds it.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// The embedded database failed. Retry later.
    #[error("the store: {0}")]
    Database(redb::Error),
    /// The file could not be opened again after the disk failed. Retry later.
    #[error("the store is closed since the disk failed")]
    Closed,
    /// An outcome was folded only in part, so the view differs from the log. Never retry.
    #[error("no checkpoint is taken any more, since a shard could not be folded; hint: see the shard that has halted")]
    HalfFolded,
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        match error.into() {
            redb::Error::Corrupted(text) => Self::Damaged(text),
            redb::Error::Io(error) if error.kind() == ErrorKind::InvalidData => Self::Damaged(error.to_string()),
            error @ (redb::Error::UpgradeRequired(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::TableDoesNotExist(_)) => Self::Damaged(error.to_string()),
            error => Self::Database(error),
        }
    }
}

impl StoreError {
    /// Returns true if nothing works until the file is opened again.
    pub fn closes(&self) -> bool {
        matches!(self, Self::Closed | Self::Database(redb::Error::Io(_) | redb::Error::PreviousIo))
    }
}

/// The bytes of a row are not a value of its table.
pub fn undecodable(table: &str) -> impl Fn(DecodeError) -> StoreError {
    move |error| StoreError::Damaged(format!("{table}: {error}"))
}
