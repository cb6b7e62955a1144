//! The store's file, and calls of the embedded database that may panic.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::{Database, DatabaseError, StorageError};
use service::panic_text;

use super::error::StoreError;

/// Memory for pages of the file, in bytes.
const CACHE: usize = 64 << 20;

/// Opens the file, or creates an empty one.
pub fn open(path: &Path) -> Result<Database, StoreError> {
    guarded(|| match Database::builder().set_cache_size(CACHE).create(path) {
        Err(DatabaseError::DatabaseAlreadyOpen) => Err(StoreError::InUse(path.to_owned())),
        Err(DatabaseError::Storage(StorageError::Io(error))) if error.kind() != ErrorKind::InvalidData => {
            Err(StoreError::Disk(path.to_owned(), error))
        }
        created => Ok(created?),
    })
}

/// The database panics at pages that were never written.
pub fn guarded<T>(act: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let done = catch_unwind(AssertUnwindSafe(act));
    done.unwrap_or_else(|payload| Err(StoreError::Damaged(panic_text(&*payload))))
}
