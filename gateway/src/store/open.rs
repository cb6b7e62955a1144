//! Opens the store of an earlier run, with its view.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::Instant;

use redb::{ReadableDatabase, ReadableTable};

use super::error::undecodable;
use super::file::{guarded, open};
use super::tables::{self, ADMINS, EVENTS, FORMAT, MARKETS, META, POSITIONS};
use super::{Opened, Store, StoreError};
use crate::view::LiveView;
use crate::view::market_events::MarketEventView;

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
}
