//! The view on this machine's disk, as of the last checkpoint, so that a start needs neither
//! Postgres nor Redis.
//!
//!   view ─▶ [`checkpoints`] ─▶ *store* ─▶ the next start; keys, books and trades that memory does not hold
//!
//! One file for each topic prefix, which only one process may open at a time. Each checkpoint is
//! one transaction that includes its positions, so a crash leaves the last whole checkpoint. The
//! store is only a cache of the log: a store that cannot be used is set aside and rebuilt from
//! Postgres.

pub mod checkpoints;
mod error;
mod open;
mod tables;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTableMetadata};
use schemas::{AccountId, ApiKey, ApiKeyId, MarketId};
use service::panic_text;

use crate::view::dirty::CheckpointBatch;
use crate::view::moving::Moving;
pub use error::StoreError;
use error::undecodable;
use tables::{ARCHIVED, KEYS, KEYS_OF, MOVING};

/// The store of one gateway.
#[derive(Debug)]
pub struct Store {
    database: Database,
    path: PathBuf,
}

impl Store {
    /// Writes all of a batch, or nothing.
    pub fn write(&self, batch: &CheckpointBatch) -> Result<(), StoreError> {
        guarded(|| {
            let mut write = self.database.begin_write()?;
            // A start after a crash must not scan the whole file.
            write.set_quick_repair(true);
            tables::put(&write, batch)?;
            Ok(write.commit()?)
        })
    }

    fn read<T>(&self, read: impl FnOnce(&ReadTransaction) -> Result<T, StoreError>) -> Result<T, StoreError> {
        guarded(|| read(&self.database.begin_read()?))
    }

    /// Reads all keys with this id: one, in practice.
    pub fn keys(&self, id: ApiKeyId) -> Result<Vec<(AccountId, Arc<ApiKey>)>, StoreError> {
        self.read(|read| {
            let mut found = Vec::new();
            for row in read.open_table(KEYS)?.range((id.0, 0)..=(id.0, u64::MAX))? {
                let (place, bytes) = row?;
                let key = tables::decode(bytes.value()).map_err(undecodable("keys"))?;
                found.push((AccountId(place.value().1), Arc::new(key)));
            }
            Ok(found)
        })
    }

    /// Reads an account's keys, by id.
    pub fn keys_of(&self, account: AccountId) -> Result<Vec<Arc<ApiKey>>, StoreError> {
        self.read(|read| {
            let keys = read.open_table(KEYS)?;
            let mut found = Vec::new();
            for row in read.open_table(KEYS_OF)?.range((account.0, 0)..=(account.0, u64::MAX))? {
                let (_, id) = row?.0.value();
                let bytes = keys.get((id, account.0))?;
                let bytes = bytes.ok_or_else(|| StoreError::Damaged(format!("keys_of: key {id} is not there")))?;
                found.push(Arc::new(tables::decode(bytes.value()).map_err(undecodable("keys"))?));
            }
            Ok(found)
        })
    }

    /// Reads a live market's book and trades.
    pub fn moving(&self, id: MarketId) -> Result<Moving, StoreError> {
        self.read(|read| {
            let bytes = read.open_table(MOVING)?.get(id.0)?;
            let bytes = bytes.ok_or_else(|| StoreError::Damaged(format!("moving: market {id} is not there")))?;
            tables::moving(bytes.value()).map_err(undecodable("moving"))
        })
    }

    /// Returns true if a market was archived by the last checkpoint.
    pub fn is_archived(&self, id: MarketId) -> Result<bool, StoreError> {
        self.read(|read| Ok(read.open_table(ARCHIVED)?.get(id.0)?.is_some()))
    }

    /// Returns the number of keys.
    pub fn keys_len(&self) -> Result<u64, StoreError> {
        self.read(|read| Ok(read.open_table(KEYS)?.len()?))
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The database panics at pages that were never written.
fn guarded<T>(act: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let done = catch_unwind(AssertUnwindSafe(act));
    done.unwrap_or_else(|payload| Err(StoreError::Damaged(panic_text(&*payload))))
}

#[cfg(test)]
mod tests;
