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
mod tables;

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use redb::{
    Database, DatabaseError, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageError,
};
use schemas::codec::DecodeError;
use schemas::{AccountId, ApiKey, ApiKeyId, MarketId};
use service::panic_text;

use crate::view::dirty::CheckpointBatch;
use crate::view::market_events::MarketEventView;
use crate::view::{LiveView, Moving};
use tables::{ADMINS, ARCHIVED, EVENTS, FORMAT, KEYS, KEYS_OF, MARKETS, META, MOVING, POSITIONS};

/// Memory for pages of the file, in bytes.
const CACHE: usize = 64 << 20;

/// Least interval between two attempts to open the file again.
const REOPEN_EVERY: Duration = Duration::from_secs(1);

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
    fn closes(&self) -> bool {
        matches!(self, Self::Closed | Self::Database(redb::Error::Io(_) | redb::Error::PreviousIo))
    }
}

/// The bytes of a row are not a value of its table.
fn undecodable(table: &str) -> impl Fn(DecodeError) -> StoreError {
    move |error| StoreError::Damaged(format!("{table}: {error}"))
}

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
    /// Opens the store in `folder` for the log with this prefix, with its view; `None` if it has
    /// none yet. Sets aside a file that cannot be used, with a warning.
    pub fn open(folder: &Path, prefix: &str, shards: u16) -> Result<(Arc<Self>, Option<LiveView>), StoreError> {
        fs::create_dir_all(folder).map_err(|error| StoreError::Disk(folder.to_owned(), error))?;
        let path = folder.join(format!("{prefix}.redb"));
        match Self::open_file(&path, shards) {
            Err(StoreError::Damaged(why)) => {
                let aside = path.with_extension("redb.aside");
                let is_aside = fs::rename(&path, &aside);
                is_aside.map_err(|error| StoreError::Disk(path.clone(), error))?;
                tracing::warn!(why, aside = %aside.display(), "the store is set aside, and made anew from Postgres");
                Self::open_file(&path, shards)
            }
            opened => opened,
        }
    }

    fn open_file(path: &Path, shards: u16) -> Result<(Arc<Self>, Option<LiveView>), StoreError> {
        // Only the owner may read it: it contains hashes of keys. The database treats an empty file
        // as a new one.
        let made = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
        drop(made.map_err(|error| StoreError::Disk(path.to_owned(), error))?);
        let opened = RwLock::new(Opened { database: Some(open(path)?), at: Instant::now() });
        let store = Arc::new(Self { opened, path: path.to_owned() });
        let view = guarded(|| {
            store.claim(shards)?;
            store.view(shards)
        });
        view.map(|view| (store, view))
    }

    /// Creates all tables in an empty file; refuses a file of another format.
    fn claim(&self, shards: u16) -> Result<(), StoreError> {
        let opened = self.opened();
        let mut write = opened.database()?.begin_write()?;
        write.set_quick_repair(true);
        {
            let mut meta = write.open_table(META)?;
            let wanted = (FORMAT, shards);
            let found = meta.get(())?.map(|found| found.value());
            match found {
                Some(found) if found != wanted => {
                    return Err(StoreError::Damaged(format!(
                        "it has format {}, {} shards, and this gateway has format {FORMAT}, {shards} shards",
                        found.0, found.1
                    )));
                }
                Some(_) => return Ok(()),
                None => drop(meta.insert((), wanted)?),
            }
            tables::create(&write)?;
        }
        Ok(write.commit()?)
    }

    /// Loads the view as of the last checkpoint, without the data that is read on demand.
    pub fn view(self: &Arc<Self>, shards: u16) -> Result<Option<LiveView>, StoreError> {
        let opened = self.opened();
        let read = opened.database()?.begin_read()?;
        let mut positions = Vec::new();
        for row in read.open_table(POSITIONS)?.iter()? {
            positions.push(tables::decode(row?.1.value()).map_err(undecodable("positions"))?);
        }
        if positions.is_empty() {
            return Ok(None);
        }
        if positions.len() != usize::from(shards) {
            return Err(StoreError::Damaged(format!("{} positions for {shards} shards", positions.len())));
        }
        let mut view = LiveView::stored(&positions, Arc::clone(self));
        for row in read.open_table(ADMINS)?.iter()? {
            view.admins_mut().set(tables::decode(row?.1.value()).map_err(undecodable("admins"))?);
        }
        for row in read.open_table(EVENTS)?.iter()? {
            let (event, yes, shard) = tables::decode(row?.1.value()).map_err(undecodable("events"))?;
            view.add_market_event(MarketEventView { event, yes, shard });
        }
        for row in read.open_table(MARKETS)?.iter()? {
            view.list_stored(tables::market(row?.1.value()).map_err(undecodable("markets"))?);
        }
        // The loaded data counts as stored.
        drop(view.take_changes()?);
        Ok(Some(view))
    }

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
        let (since, written) = (self.opened().at, guarded(write));
        let Err(error) = written else { return Ok(()) };
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
        let (since, done) = (self.opened().at, read());
        match done {
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

/// Opens the file, or creates an empty one.
fn open(path: &Path) -> Result<Database, StoreError> {
    guarded(|| match Database::builder().set_cache_size(CACHE).create(path) {
        Err(DatabaseError::DatabaseAlreadyOpen) => Err(StoreError::InUse(path.to_owned())),
        Err(DatabaseError::Storage(StorageError::Io(error))) if error.kind() != ErrorKind::InvalidData => {
            Err(StoreError::Disk(path.to_owned(), error))
        }
        created => Ok(created?),
    })
}

/// The database panics at pages that were never written.
fn guarded<T>(act: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let done = catch_unwind(AssertUnwindSafe(act));
    done.unwrap_or_else(|payload| Err(StoreError::Damaged(panic_text(&*payload))))
}

#[cfg(test)]
mod tests;
