//! Checks that the log alone decides: every outcome is the one that a shard decides from the same
//! commands if it never dies, never recovers and never shares its leadership.

use engine_core::{OwnRecord, Replica};
use schemas::{Event, Outcome, Record, Rejection};

use super::history::History;
use crate::builds::{NEXT, OLDER};
use crate::cluster::{Cluster, PartitionTopic};
use crate::process::HASH_EVERY;

/// Decides all commands of a shard again and returns the state's digest at the end.
pub fn check(cluster: &Cluster, history: &History) -> [u8; 32] {
    let shard = history.shard;
    let mut replica = Replica::new(shard, cluster.map).knowing(NEXT).with_hash_every(HASH_EVERY);
    replica = replica.with_outbox_max(cluster.plan.outbox);
    let (first, _) = history.outcomes.first().unwrap_or_else(|| panic!("shard {shard} never had a leader"));
    let term = cluster.terms(shard)[&first.term].clone();
    let began = replica.read(0, &term.encode());
    assert!(matches!(began, Ok(OwnRecord::Term(_))), "the first term begins a term");
    replica.lead();
    for (offset, stored) in (0..).zip(&*cluster.partition(PartitionTopic::Commands, shard)) {
        let index = usize::try_from(offset).expect("a small log");
        let (counted, _) = &history.outcomes[index];
        // A leader of the older build refuses what it could not read back (`vocabulary` checks when
        // it may).
        let unread = counted.events.contains(&Event::Rejected { code: Rejection::VocabularyUnread });
        replica = replica.knowing(if unread { OLDER.reads } else { NEXT });
        let bytes = replica.handle(offset, schemas::Timestamp(stored.time), &stored.bytes).expect("handled only once");
        let Ok(Record::Outcome(decided, _)) = Record::decode_knowing(NEXT, &bytes) else {
            panic!("an outcome decodes")
        };
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
