//! Checks that all replicas of a shard that have read up to the same outcome have the same state,
//! whatever process has them and however they got there.

use std::collections::BTreeMap;

use engine_core::Replica;
use schemas::Shard;

type HashBytes = [u8; 32];

/// The state hash at each position where a replica was checked.
#[derive(Default)]
pub struct Agreement(BTreeMap<(Shard, u64), HashBytes>);

impl Agreement {
    /// Panics if the replica differs from another at the same position. What a leader has not read
    /// back is not compared: it may never count. Before the first outcome the state depends only on
    /// the term read last.
    pub fn compare(&mut self, replica: &Replica) {
        if replica.unconfirmed() > 0 || replica.position().sequence == 0 {
            return;
        }
        let (shard, sequence, found) = (replica.state().shard(), replica.position().sequence, replica.state().digest());
        let expected = *self.0.entry((shard, sequence)).or_insert(found);
        assert!(found == expected, "two replicas of shard {shard} differ at sequence {sequence}");
    }

    /// Returns true if a replica was checked there.
    pub fn knows(&self, shard: Shard, sequence: u64) -> bool {
        self.0.contains_key(&(shard, sequence))
    }
}
