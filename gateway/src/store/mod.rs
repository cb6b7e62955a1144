//! The view on this machine's disk, as of the last checkpoint, so that a start needs neither
//! Postgres nor Redis.
//!
//!   view ─▶ [`checkpoints`] ─▶ *store* ─▶ the next start; keys, books and trades that memory does not hold
//!
//! One file for each topic prefix, which only one process may open at a time. Each checkpoint is
//! one transaction that includes its positions, so a crash leaves the last whole checkpoint. The
//! store is only a cache of the log: a store that cannot be used is set aside and rebuilt from
//! Postgres.
//!
//! | the disk                      | then                                                             |
//! |-------------------------------|------------------------------------------------------------------|
//! | fails a write, or is full     | the file is opened again, as of the last checkpoint              |
//! | fails a read                  | the file is opened again, and the read is repeated once          |
//! | fails when it is opened again | reads and writes fail, and open it again, at most once a second  |
//!
//! After a failure the embedded database refuses everything until it is opened again, because it
//! does not know what the disk has.

pub mod checkpoints;
mod error;
mod file;
mod open;
mod tables;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTableMetadata};
use schemas::{AccountId, ApiKey, ApiKeyId, MarketId};

use crate::view::dirty::CheckpointBatch;
use crate::view::moving::Moving;
pub use error::StoreError;
use error::undecodable;
use file::{guarded, open};
use tables::{ARCHIVED, KEYS, KEYS_OF, MOVING};

/// Least interval between two attempts to open the file again.
const REOPEN_EVERY: Duration = Duration::from_secs(1);

/// The store of one gateway.
#[derive(Debug)]
pub struct Store {
    opened: RwLock<Opened>,
    path: PathBuf,
}

#[derive(Debug)]
struct Opened {
    /// `None` if the file could not be opened again.
    database: Option<Database>,
    /// When it was opened, or could not be.
    at: Instant,
}

impl Store {
    /// Writes all of a batch, or nothing.
    pub fn write(&self, batch: &CheckpointBatch) -> Result<(), StoreError> {
        let write = || {
            let opened = self.opened();
            let mut write = opened.database()?.begin_write()?;
            // A start after a crash must not scan the whole file.
            write.set_quick_repair(true);
            tables::put(&write, batch)?;
            Ok(write.commit()?)
        };
        // The lock is free again before the database is asked: a thread that reopens the file waits for
        // it, and readers wait for that thread.
        let since = self.opened().at;
        let Err(error) = guarded(write) else { return Ok(()) };
        // The next batch has all of this one.
        match self.open_again(since) {
            Ok(()) | Err(StoreError::Closed) => Err(error),
            Err(worse) => Err(worse),
        }
    }

    /// Removes everything but the format: a view that is written in parts starts from nothing.
    pub fn clear(&self) -> Result<(), StoreError> {
        guarded(|| {
            let opened = self.opened();
            let mut write = opened.database()?.begin_write()?;
            write.set_quick_repair(true);
            tables::clear(&write)?;
            tables::create(&write)?;
            Ok(write.commit()?)
        })
    }

    fn read<T>(&self, read: impl Fn(&ReadTransaction) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let read = || guarded(|| read(&self.opened().database()?.begin_read()?));
        // As in `write`.
        let since = self.opened().at;
        match read() {
            Err(error) if error.closes() => {
                self.open_again(since)?;
                read()
            }
            done => done,
        }
    }

    /// Opens the file again, unless another thread has since `failed` was opened, or it was tried
    /// just before.
    fn open_again(&self, failed: Instant) -> Result<(), StoreError> {
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if opened.at != failed {
            return Ok(());
        }
        if failed.elapsed() < REOPEN_EVERY {
            return Err(StoreError::Closed);
        }
        // It holds the lock on the file until it is dropped.
        let broken = opened.database.take();
        let dropped = guarded(|| {
            drop(broken);
            Ok(())
        });
        opened.at = Instant::now();
        dropped?;
        opened.database = Some(open(&self.path)?);
        Ok(())
    }

    fn opened(&self) -> RwLockReadGuard<'_, Opened> {
        // A panic leaves a database that opens again, or none.
        self.opened.read().unwrap_or_else(PoisonError::into_inner)
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

impl Opened {
    fn database(&self) -> Result<&Database, StoreError> {
        self.database.as_ref().ok_or(StoreError::Closed)
    }
}

#[cfg(test)]
mod tests;
