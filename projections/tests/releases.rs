//! The present fold over logs written by each release's engines: it produces the tables that the
//! release's own fold produced.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../../schemas/tests/releases/mod.rs"]
mod files;
#[path = "common/model.rs"]
mod model;
#[path = "releases/tables.rs"]
mod tables;

use files::Release;
use model::Model;
use projections::fold::RowChanges;
use schemas::Shard;
use schemas::reading::{Checkpoint, LogReader, ReadRecord};

/// Outcomes per batch: batch boundaries make no difference (`fold.rs`).
const BATCH: usize = 20;

/// Returns the rows of all logs of a release.
fn fold(release: &Release) -> Model {
    let (mut model, shards) = (Model::default(), release.count());
    for shard in Shard::all(shards) {
        let mut reader = LogReader::new(shard, shards, Checkpoint::default());
        let mut outcomes = Vec::new();
        for (offset, record) in (0..).zip(release.log(shard)) {
            match reader.read(offset, &record) {
                Ok(ReadRecord::Outcome(outcome)) => outcomes.push(outcome),
                Ok(_) => {}
                Err(error) => panic!("{}: record {offset} of shard {shard}: {error}", release.name),
            }
        }
        for batch in outcomes.chunks(BATCH) {
            let mut changes = RowChanges::new();
            batch.iter().for_each(|outcome| changes.fold(outcome).unwrap());
            model.apply(shard, &changes);
        }
    }
    model
}

#[test]
fn every_release_makes_the_same_tables() {
    if let Some(release) = Release::to_update() {
        release.write("tables.txt", tables::dump(&fold(&release)).as_bytes());
    }
    for release in Release::all() {
        let (then, today) = (release.text("tables.txt"), tables::dump(&fold(&release)));
        tables::check(&release.name, &then, &today);
    }
}

#[test]
fn what_was_in_a_table_is_missed() {
    let then = "purses/1 shard=0 held=5\npurses/2 shard=0 held=6\n";
    let differs = |today: &str| std::panic::catch_unwind(|| tables::check("0.0.0", then, today)).is_err();
    // A later build may have more columns and more tables.
    assert!(!differs("purses/1 shard=0 held=5 room=1\npurses/2 shard=0 room=2 held=6\nparts/1 build=7\n"));
    for today in [
        "purses/1 shard=0 held=5\n",
        "purses/1 shard=0 held=5\npurses/2 shard=0 held=7\n",
        "purses/1 shard=0 held=5\npurses/2 shard=0\n",
        "purses/1 shard=0 held=5\npurses/2 shard=0 held=6\npurses/3 shard=0 held=1\n",
    ] {
        assert!(differs(today), "{today}");
    }
}
