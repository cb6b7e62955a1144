//! A projection of one shard: the product's fold, into tables in memory that keep the position with
//! the rows.
//!
//! It dies between its transactions and starts again from the stored position. In the end its
//! tables must equal those of a fresh fold of the log.

use std::collections::BTreeMap;
use std::rc::Rc;

use engine_core::ShardState;
use schemas::reading::{Checkpoint, LogReader, ReadRecord};
use schemas::{AccountId, PartId, PartKind, Shard};

use crate::builds::NEWER;
use crate::cluster::{Cluster, PartitionTopic};
use crate::fold::RowChanges;
use crate::identity::Identity;
use crate::random::Random;
use crate::tables::Model;

/// The tables and their position: one transaction changes both.
#[derive(Clone, Default)]
struct Stored {
    position: Checkpoint,
    tables: Model,
}

pub struct Projection {
    shard: Shard,
    cluster: Rc<Cluster>,
    stored: Stored,
    reader: LogReader,
    changes: RowChanges,
    /// True for an older build that met a newer one's vocabulary and reads no further.
    pub has_halted: bool,
}

impl Projection {
    pub fn new(shard: Shard, cluster: Rc<Cluster>) -> Self {
        let reader = LogReader::new(shard, cluster.map.shards(), Checkpoint::default());
        Self { shard, cluster, stored: Stored::default(), reader, changes: RowChanges::new(), has_halted: false }
    }

    /// Reads some records into the batch; sometimes records that it already had.
    pub fn read(&mut self, by: &Identity, most: u64, random: &mut Random) {
        if self.has_halted {
            return;
        }
        self.reader = self.reader.clone().knowing(by.program.reads);
        let next = self.reader.next_offset();
        let from = if random.one_in(20) { next.saturating_sub(random.below(5)) } else { next };
        for offset in from..from.saturating_add(most) {
            let Some((_, bytes)) = self.cluster.record(PartitionTopic::Events, self.shard, offset) else { break };
            match self.reader.read(offset, &bytes) {
                Ok(ReadRecord::Outcome(outcome)) => {
                    self.changes.fold(&outcome).unwrap_or_else(|nonsense| panic!("projection: {nonsense}"));
                }
                Ok(
                    ReadRecord::Term(_)
                    | ReadRecord::Halted(_)
                    | ReadRecord::Quarantine(_)
                    | ReadRecord::Ignored
                    | ReadRecord::Unknown,
                ) => {}
                Err(broken) => {
                    by.halts(&self.cluster, &broken);
                    self.has_halted = true;
                    break;
                }
            }
        }
    }

    /// Commits the rows and the position in one transaction.
    pub fn commit(&mut self) {
        self.stored.tables.apply(self.shard, &std::mem::take(&mut self.changes));
        self.stored.position = *self.reader.position();
    }

    /// Drops what was not committed.
    pub fn crash(&mut self) {
        self.changes = RowChanges::new();
        self.has_halted = false;
        self.reader = LogReader::new(self.shard, self.cluster.map.shards(), self.stored.position);
    }

    pub fn is_at_end(&self) -> bool {
        self.reader.is_verified() && self.stored.position.offset == self.cluster.end(PartitionTopic::Events, self.shard)
    }

    /// Compares the tables with those of a projection that folds the whole log record by record and
    /// never dies.
    pub fn assert_equals_fresh(&self) {
        let mut fresh = Self::new(self.shard, self.cluster.clone());
        let mut luck = Random::new(0);
        let reader = Identity::new(&self.cluster, NEWER, PartId(0), PartKind::Projections);
        while !fresh.is_at_end() {
            fresh.read(&reader, 1, &mut luck);
            fresh.commit();
        }
        let shard = self.shard;
        assert!(self.stored.position == fresh.stored.position, "projection of shard {shard}: another position");
        assert!(
            self.stored.tables == fresh.stored.tables,
            "projection of shard {shard}: tables differ from a fresh fold's"
        );
    }

    /// Compares the rows of purses with a shard's state at the end of its log.
    pub fn assert_purses_are(&self, state: &ShardState) {
        let rows = self.stored.tables.purses.iter().map(|((account, shard), (row, _))| {
            let [available, held, live_orders, ..] = *row;
            (*account, *shard, available, held, live_orders)
        });
        let purses = state.purses().map(|(account, purse)| {
            let (available, held) = (purse.available.micros(), purse.held.micros());
            (account, self.shard, available, held, i64::from(purse.live_orders))
        });
        let (mut rows, mut purses): (Vec<_>, Vec<_>) = (rows.collect(), purses.collect());
        rows.sort_unstable();
        purses.sort_unstable();
        assert!(rows == purses, "projection of shard {}: purses {rows:?} are {purses:?}", self.shard);
    }

    /// In the end nothing is in flight between the purses of an account: their rows have received
    /// what they sent.
    pub fn assert_wallets_add_up(all: &[Self]) {
        let mut under_way: BTreeMap<AccountId, i64> = BTreeMap::new();
        for ((account, _), ([.., sent, received], _)) in all.iter().flat_map(|one| &one.stored.tables.purses) {
            *under_way.entry(*account).or_default() += sent - received;
        }
        let lost = under_way.iter().find(|(_, credits)| **credits != 0);
        assert!(lost.is_none(), "projections: on the way between purses for ever: {lost:?}");
    }
}
