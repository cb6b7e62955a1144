//! Runs the current engine over the logs and snapshots of each release: it reads the whole log,
//! continues from each snapshot, and arrives at the same state.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test fails by panicking, reads files, and shares code with others"
)]

#[path = "../cluster/mod.rs"]
mod cluster;
#[path = "../../../../schemas/tests/releases/mod.rs"]
mod files;
#[path = "../kinds/mod.rs"]
mod kinds;
mod life;
mod run;
#[path = "../../../fuzz/src/lib.rs"]
mod targets;

use std::collections::BTreeSet;

use engine_core::{OwnRecord, Replica, SnapshotError};
use files::Release;
use schemas::shard_map::ShardMap;
use schemas::{Event, Shard};

/// Returns the kinds that none of these events has.
fn missing<'a>(events: impl Iterator<Item = &'a Event>) -> Vec<&'static str> {
    let reached: BTreeSet<_> = events.map(kinds::kind).collect();
    kinds::KINDS.iter().copied().filter(|kind| !reached.contains(kind)).collect()
}

/// Reads the rest of the log.
fn read_on(release: &Release, mut replica: Replica, log: &[Vec<u8>]) -> Replica {
    while let Some(record) = usize::try_from(replica.next_offset()).ok().and_then(|offset| log.get(offset)) {
        let offset = replica.next_offset();
        match replica.read(offset, record) {
            Ok(
                OwnRecord::Ignored
                | OwnRecord::Unknown
                | OwnRecord::Quarantine(_)
                | OwnRecord::Term(_)
                | OwnRecord::Followed(_),
            ) => {}
            other => panic!("{}: record {offset} of shard {}: {other:?}", release.name, replica.state().shard()),
        }
    }
    replica
}

/// Formats the result of one shard.
fn line(replica: &mut Replica) -> String {
    let (shard, position) = (replica.state().shard(), *replica.position());
    let hash = replica.state_hash();
    format!("shard {shard}: {} records, {} outcomes, state {hash}", position.offset, position.sequence)
}

fn restore(release: &Release, shard: Shard, map: ShardMap, file: &str) -> Replica {
    let bytes = release.bytes(file);
    match Replica::restore(shard, map, &bytes) {
        Ok(replica) => replica,
        Err(SnapshotError::Foreign) => panic!(
            "{}/{file} has the layout {}, for which `snapshot.rs` has no reader. If the layout has changed since \
             that release: keep its reader, in `engine/core/src/snapshot/`, and name it in `READERS` \
             (docs/upgrades.md). If it is `unreleased`: make it again with UPDATE_EXPECT=1",
            release.name,
            bytes[..8.min(bytes.len())].escape_ascii(),
        ),
        Err(error) => panic!("{}/{file}: {error}", release.name),
    }
}

#[test]
fn every_release_is_read_to_the_same_state() {
    if let Some(release) = Release::to_update() {
        run::write(&release);
    }
    for release in Release::all() {
        let (map, lines) = (ShardMap::new(release.count()).unwrap(), release.shards());
        for shard in Shard::all(map.shards()) {
            let (log, expected) = (release.log(shard), &lines[shard.index()]);
            let mut whole = read_on(&release, Replica::new(shard, map), &log);
            assert_eq!(&line(&mut whole), expected, "{}: the whole log", release.name);
            assert_eq!(whole.unchecked_hashes(), 0, "{}: a hash version is missing", release.name);
            whole.state().assert_all();
            for file in [format!("middle-{shard}.snapshot"), format!("end-{shard}.snapshot")] {
                let restored = restore(&release, shard, map, &file);
                let mut restored = read_on(&release, restored, &log);
                assert_eq!(&line(&mut restored), expected, "{}/{file} and the log after it", release.name);
                assert_eq!(restored.state().digest(), whole.state().digest(), "{}/{file}", release.name);
            }
        }
    }
}

/// A release keeps only a small run.
#[test]
fn the_run_reaches_all_kinds_of_events_that_take_few_commands() {
    let (run, _) = run::Run::whole();
    // A mass cancel continues with time only where more than a thousand orders rest.
    assert_eq!(missing(run.cluster.events()), ["MassCancelOpened", "MassCancelClosed"]);
}
