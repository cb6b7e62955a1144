//! The log alone decides: every outcome is the one that a shard decides which never died, never recovered and never shared its
//! lead, from the same commands.

use engine_core::{Read, Replica};
use schemas::{Outcome, Record};

use super::history::History;
use crate::cluster::{Cluster, Topic};
use crate::process::HASH_EVERY;

/// Decides all commands of a shard once more; the state's digest at the end.
pub fn check(cluster: &Cluster, history: &History) -> [u8; 32] {
    let shard = history.shard;
    let mut replica = Replica::new(shard, cluster.map).with_hash_every(HASH_EVERY).with_outbox_max(cluster.plan.outbox);
    let term = cluster.first_term(shard).unwrap_or_else(|| panic!("shard {shard} never had a leader"));
    let began = replica.read(0, &term.encode());
    assert!(matches!(began, Ok(Read::Term(_))), "the first term begins a term");
    replica.lead();
    for (offset, stored) in (0..).zip(&*cluster.partition(Topic::Commands, shard)) {
        let bytes = replica.handle(offset, schemas::Timestamp(stored.time), &stored.bytes).expect("handled only once");
        let Ok(Record::Outcome(decided, _)) = Record::decode(&bytes) else { panic!("an outcome decodes") };
        let index = usize::try_from(offset).expect("a small log");
        let (counted, _) = &history.outcomes[index];
        let same = |a: &Outcome, b: &Outcome| {
            (a.sequence, a.time, a.cause, &a.events) == (b.sequence, b.time, b.cause, &b.events)
        };
        assert!(
            same(counted, &decided),
            "shard {shard} decided {counted:?} where an undisturbed one decides {decided:?}"
        );
    }
    replica.state().assert_all();
    replica.state().digest()
}
