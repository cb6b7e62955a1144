//! The snapshot store (`engine::log::SnapshotStore`), and its faults.
//!
//! Every complete snapshot ever written is also archived, for the checks at the end of a run and
//! for replacing newer snapshots with old ones.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use engine::log::{SnapshotStore, SnapshotStoreFault};
use engine_core::{Replica, SnapshotError};
use schemas::Shard;

use super::Cluster;
use crate::builds::NEXT;
use crate::random::Random;
use crate::seen::Seen;

/// The number of snapshots kept, as in the product's `snapshots`.
const KEEP: usize = 3;

#[derive(Clone)]
struct Kept {
    bytes: Rc<[u8]>,
    damaged: bool,
}

/// One shard's snapshots by sequence. They survive their process.
#[derive(Default)]
pub struct StoredSnapshots {
    kept: RefCell<BTreeMap<u64, Kept>>,
}

/// A snapshot that is being written.
#[derive(Default)]
pub struct PendingSnapshot(RefCell<Option<(u64, Rc<[u8]>)>>);

/// Every complete snapshot of one shard ever written.
pub type SnapshotArchive = Rc<RefCell<BTreeMap<u64, Rc<[u8]>>>>;

#[derive(Clone)]
pub struct MemorySnapshotStore {
    pub shard: Shard,
    pub cluster: Rc<Cluster>,
    pub cabinet: Rc<StoredSnapshots>,
    pub archive: SnapshotArchive,
    pub pending: Rc<PendingSnapshot>,
}

impl StoredSnapshots {
    fn put(&self, sequence: u64, kept: Kept) {
        let mut store = self.kept.borrow_mut();
        store.insert(sequence, kept);
        let surplus: Vec<u64> = store.range(..=sequence).rev().skip(KEEP).map(|(older, _)| *older).collect();
        surplus.iter().for_each(|older| drop(store.remove(older)));
    }

    /// Returns the complete snapshots.
    pub fn whole(&self) -> Vec<(u64, Rc<[u8]>)> {
        let kept = self.kept.borrow();
        kept.iter().filter(|(_, kept)| !kept.damaged).map(|(sequence, kept)| (*sequence, kept.bytes.clone())).collect()
    }

    /// Flips one bit of the newest, or of any.
    pub fn flip(&self, random: &mut Random) -> bool {
        self.damage(random, |bytes, random| {
            let at = random.index(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        })
    }

    /// Truncates the newest, or any.
    pub fn truncate(&self, random: &mut Random) -> bool {
        self.damage(random, |bytes, random| bytes.truncate(random.index(bytes.len())))
    }

    fn damage(&self, random: &mut Random, how: impl FnOnce(&mut Vec<u8>, &mut Random)) -> bool {
        let mut store = self.kept.borrow_mut();
        let any = random.index(store.len().max(1));
        let which = if random.one_in(3) { any } else { store.len().saturating_sub(1) };
        let Some(kept) = store.values_mut().nth(which).filter(|kept| !kept.bytes.is_empty()) else { return false };
        let mut bytes = kept.bytes.to_vec();
        how(&mut bytes, random);
        *kept = Kept { bytes: bytes.into(), damaged: true };
        true
    }

    /// Removes all.
    pub fn clear(&self) -> bool {
        !std::mem::take(&mut *self.kept.borrow_mut()).is_empty()
    }

    /// Replaces all with an old one from the archive.
    pub fn replace(&self, archive: &SnapshotArchive, random: &mut Random) -> bool {
        let archive = archive.borrow();
        let Some((sequence, bytes)) = archive.iter().nth(random.index(archive.len().max(1))) else { return false };
        self.clear();
        self.put(*sequence, Kept { bytes: bytes.clone(), damaged: false });
        true
    }
}

impl PendingSnapshot {
    /// Completes the write.
    pub fn complete(&self, cluster: &Cluster, cabinet: &StoredSnapshots, archive: &SnapshotArchive) {
        if let Some((sequence, bytes)) = self.0.borrow_mut().take() {
            cluster.saw(Seen::SnapshotKept);
            archive.borrow_mut().insert(sequence, bytes.clone());
            cabinet.put(sequence, Kept { bytes, damaged: false });
        }
    }

    /// The process dies: nothing is stored, or (on an imperfect store) a part.
    pub fn abandon(&self, cluster: &Cluster, cabinet: &StoredSnapshots, random: &mut Random) {
        if let Some((sequence, bytes)) = self.0.borrow_mut().take()
            && cluster.strikes(Seen::SnapshotUnfinished)
        {
            let part = bytes[..random.index(bytes.len())].into();
            cabinet.put(sequence, Kept { bytes: part, damaged: true });
        }
    }
}

impl MemorySnapshotStore {
    fn readable(&self) -> Result<(), SnapshotStoreFault> {
        if self.cluster.strikes(Seen::StoreUnreadable) {
            Err(SnapshotStoreFault("out of reach".into()))
        } else {
            Ok(())
        }
    }
}

/// Returns the replica in a snapshot, whatever vocabulary its shard writes.
pub fn restore(cluster: &Cluster, shard: Shard, bytes: &[u8]) -> Result<Replica, SnapshotError> {
    Replica::restore_knowing(NEXT, (shard, cluster.map), bytes)
}

impl SnapshotStore for MemorySnapshotStore {
    fn list(&mut self) -> Result<Vec<u64>, SnapshotStoreFault> {
        self.readable()?;
        Ok(self.cabinet.kept.borrow().keys().rev().copied().collect())
    }

    fn get(&mut self, sequence: u64) -> Result<Vec<u8>, SnapshotStoreFault> {
        self.readable()?;
        let kept =
            self.cabinet.kept.borrow().get(&sequence).cloned().ok_or_else(|| SnapshotStoreFault("gone".into()))?;
        if kept.damaged && restore(&self.cluster, self.shard, &kept.bytes).is_err() {
            self.cluster.saw(Seen::DamagedSnapshotSkipped);
        }
        Ok(kept.bytes.to_vec())
    }

    fn put(&mut self, sequence: u64, bytes: Vec<u8>) {
        *self.pending.0.borrow_mut() = Some((sequence, bytes.into()));
    }

    fn is_busy(&self) -> bool {
        self.pending.0.borrow().is_some()
    }

    fn finish(&mut self) {
        self.pending.complete(&self.cluster, &self.cabinet, &self.archive);
    }
}
