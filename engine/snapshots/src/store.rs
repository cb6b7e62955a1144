//! The snapshot store: a local folder, or any other store that `object_store` is built for.
//!
//! `LOCATION/TOPIC_PREFIX/shard-SSS/SEQUENCE.snapshot`; the sequence has 20 digits, so that names
//! sort like numbers. A snapshot appears completely or not at all. It is written outside the
//! shard's thread; the last [`KEEP`] remain.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use schemas::Shard;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::{SNAPSHOTS_FAILED, SnapshotStore, SnapshotStoreFault};

/// Snapshots kept of each shard: if the newest is damaged, an older one still saves most of the
/// work.
const KEEP: usize = 3;

/// Unfinished files older than this are removed: no snapshot takes so long to write.
const UNFINISHED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// The location of snapshots cannot be used. Never retry: it is a configuration error.
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    /// The folder cannot be created.
    #[error("{location}: {error}")]
    Folder {
        /// The location as configured.
        location: String,
        /// The cause.
        error: std::io::Error,
    },
    /// No store exists for this location.
    #[error("{location}: {error}")]
    Store {
        /// The location as configured.
        location: String,
        /// The cause.
        error: object_store::Error,
    },
}

/// All shards' snapshots of one log.
#[derive(Clone)]
pub struct Snapshots {
    store: Arc<dyn ObjectStore>,
    root: Path,
    runtime: Handle,
}

impl Snapshots {
    /// Opens `location`, a path or URL, for the log with this topic prefix. Call it within a
    /// runtime, which performs the writes.
    pub fn open(location: &str, topic_prefix: &str) -> Result<Self, LocationError> {
        let runtime = Handle::current();
        let (store, base) = open_store(location)?;
        Ok(Self { store, root: base.join(topic_prefix), runtime })
    }

    /// Opens `location` for reading only: creates and removes nothing there. `None` if it is a
    /// folder that does not exist.
    pub fn open_to_read(location: &str, topic_prefix: &str) -> Result<Option<Self>, LocationError> {
        let runtime = Handle::current();
        let (store, base) = match place(location)? {
            LocationKind::Folder(folder) if folder.is_dir() => (local(location, folder)?, Path::default()),
            LocationKind::Folder(_) => return Ok(None),
            LocationKind::Store(store, base) => (store, base),
        };
        Ok(Some(Self { store, root: base.join(topic_prefix), runtime }))
    }

    /// Returns the store of one shard.
    pub fn store(&self, shard: Shard) -> ObjectSnapshotStore {
        let folder = self.root.clone().join(format!("shard-{:03}", shard.number()));
        ObjectSnapshotStore { shard, store: self.store.clone(), folder, runtime: self.runtime.clone(), writing: None }
    }
}

/// The kind of a location.
enum LocationKind {
    Folder(PathBuf),
    Store(Arc<dyn ObjectStore>, Path),
}

fn place(location: &str) -> Result<LocationKind, LocationError> {
    let Ok(url) = url::Url::parse(location) else { return Ok(LocationKind::Folder(location.into())) };
    if let Ok(folder) = url.to_file_path() {
        return Ok(LocationKind::Folder(folder));
    }
    let store = |error| LocationError::Store { location: location.to_owned(), error };
    let (found, path) = object_store::parse_url(&url).map_err(store)?;
    Ok(LocationKind::Store(Arc::from(found), path))
}

fn open_store(location: &str) -> Result<(Arc<dyn ObjectStore>, Path), LocationError> {
    match place(location)? {
        LocationKind::Store(store, path) => Ok((store, path)),
        LocationKind::Folder(folder) => {
            let made = std::fs::create_dir_all(&folder);
            made.map_err(|error| LocationError::Folder { location: location.to_owned(), error })?;
            sweep(&folder);
            Ok((local(location, folder)?, Path::default()))
        }
    }
}

fn local(location: &str, folder: PathBuf) -> Result<Arc<dyn ObjectStore>, LocationError> {
    let store = |error| LocationError::Store { location: location.to_owned(), error };
    Ok(Arc::new(LocalFileSystem::new_with_prefix(folder).map_err(store)?.with_fsync(true)))
}

/// Removes the files of engines that died while writing: the store writes to `….snapshot#N` first,
/// and then renames it. A recent one may belong to another engine that is still writing. Best
/// effort; failures are logged.
fn sweep(folder: &std::path::Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            sweep(&path);
            continue;
        }
        let is_unfinished = entry.file_name().to_str().is_some_and(|name| name.contains(&format!("{SUFFIX}#")));
        let age = metadata.modified().ok().and_then(|modified| modified.elapsed().ok());
        if is_unfinished && age.is_some_and(|age| age >= UNFINISHED_FOR) {
            let removed = std::fs::remove_file(&path);
            tracing::info!(path = %path.display(), ?removed, "removing an unfinished snapshot");
        }
    }
}

/// One shard's snapshots. Used from the shard's own thread.
pub struct ObjectSnapshotStore {
    shard: Shard,
    store: Arc<dyn ObjectStore>,
    folder: Path,
    runtime: Handle,
    writing: Option<JoinHandle<()>>,
}

impl SnapshotStore for ObjectSnapshotStore {
    fn list(&mut self) -> Result<Vec<u64>, SnapshotStoreFault> {
        self.runtime.block_on(sequences(&*self.store, &self.folder)).map_err(fault)
    }

    fn get(&mut self, sequence: u64) -> Result<Vec<u8>, SnapshotStoreFault> {
        let path = name(&self.folder, sequence);
        let read = async { Ok(self.store.get(&path).await?.bytes().await?.to_vec()) };
        self.runtime.block_on(read).map_err(fault)
    }

    fn put(&mut self, sequence: u64, bytes: Vec<u8>) {
        let (shard, store, folder) = (self.shard, self.store.clone(), self.folder.clone());
        self.writing = Some(self.runtime.spawn(async move {
            let (start, size) = (Instant::now(), bytes.len());
            match write(&*store, &folder, sequence, bytes).await {
                Ok(()) => tracing::info!(%shard, sequence, size, took = ?start.elapsed(), "snapshot"),
                Err(error) => {
                    tracing::error!(%shard, sequence, %error, "a snapshot was not written");
                    metrics::counter!(SNAPSHOTS_FAILED, "shard" => shard.to_string()).increment(1);
                }
            }
        }));
    }

    fn is_busy(&self) -> bool {
        self.writing.as_ref().is_some_and(|writing| !writing.is_finished())
    }

    fn finish(&mut self) {
        if let Some(writing) = self.writing.take()
            && let Err(error) = self.runtime.block_on(writing)
        {
            tracing::error!(shard = %self.shard, %error, "writing a snapshot was interrupted");
        }
    }
}

async fn write(store: &dyn ObjectStore, folder: &Path, sequence: u64, bytes: Vec<u8>) -> object_store::Result<()> {
    store.put(&name(folder, sequence), bytes.into()).await?;
    // Newer snapshots, if any, were written by another process.
    let older = sequences(store, folder).await?.into_iter().filter(|&found| found <= sequence);
    for surplus in older.skip(KEEP) {
        store.delete(&name(folder, surplus)).await?;
    }
    Ok(())
}

/// Returns the sequences of the stored snapshots, newest first.
async fn sequences(store: &dyn ObjectStore, folder: &Path) -> object_store::Result<Vec<u64>> {
    let files: Vec<_> = store.list(Some(folder)).try_collect().await?;
    let mut found: Vec<u64> = files.iter().filter_map(|file| sequence(&file.location)).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

fn name(folder: &Path, sequence: u64) -> Path {
    folder.clone().join(format!("{sequence:020}{SUFFIX}"))
}

const SUFFIX: &str = ".snapshot";

fn sequence(path: &Path) -> Option<u64> {
    path.filename()?.strip_suffix(SUFFIX)?.parse().ok()
}

fn fault(error: object_store::Error) -> SnapshotStoreFault {
    SnapshotStoreFault(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dead_engines_left_unfinished_is_removed() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let shard = folder.path().join("lfg/shard-003");
        std::fs::create_dir_all(&shard).unwrap();
        let old = std::time::SystemTime::now() - 2 * UNFINISHED_FOR;
        let left = |name: &str, modified| {
            let path = shard.join(name);
            std::fs::File::create(&path).unwrap().set_modified(modified).unwrap();
            path
        };
        let unfinished = left("00000000000000000005.snapshot#1", old);
        let growing = left("00000000000000000006.snapshot#1", std::time::SystemTime::now());
        let whole = left("00000000000000000004.snapshot", old);
        let _within = runtime.enter();
        Snapshots::open(folder.path().to_str().unwrap(), "lfg").unwrap();
        assert_eq!([unfinished.exists(), growing.exists(), whole.exists()], [false, true, true]);
    }

    #[test]
    fn who_only_reads_makes_and_removes_nothing() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _within = runtime.enter();
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("absent");
        let open = |location: &std::path::Path| Snapshots::open_to_read(location.to_str().unwrap(), "lfg").unwrap();
        assert!(open(&absent).is_none() && !absent.exists());
        let old = folder.path().join("00000000000000000005.snapshot#1");
        let modified = std::time::SystemTime::now() - 2 * UNFINISHED_FOR;
        std::fs::File::create(&old).unwrap().set_modified(modified).unwrap();
        assert!(open(folder.path()).is_some() && old.exists());
    }

    #[test]
    fn the_last_three_stay_and_come_newest_first() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let snapshots = {
            let _within = runtime.enter();
            Snapshots::open(folder.path().to_str().unwrap(), "lfg").unwrap()
        };
        let mut store = snapshots.store(Shard::new(3).unwrap());
        assert_eq!(store.list().unwrap(), Vec::<u64>::new());
        for sequence in [5, 70, 600, 1_000] {
            store.put(sequence, sequence.to_string().into_bytes());
            store.finish();
        }
        assert_eq!(store.list().unwrap(), [1_000, 600, 70]);
        assert_eq!(store.get(600).unwrap(), b"600");
        assert!(store.get(5).is_err());
        assert!(snapshots.store(Shard::new(4).unwrap()).list().unwrap().is_empty());
    }
}
