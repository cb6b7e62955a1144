//! The folders of `releases/`: what an engine of each release wrote, for the current components to
//! read.
//!
//! | file                       | content                                                                          |
//! |----------------------------|----------------------------------------------------------------------------------|
//! | `shards.txt`               | one line per shard: its records, outcomes, and the hash of its final state        |
//! | `events-N.log`             | the events partition of shard N, each record after its length (`u32`, little-endian) |
//! | `middle-N.snapshot`        | its snapshot somewhere in the middle                                             |
//! | `end-N.snapshot`           | its snapshot after the last record                                               |
//! | `tables.txt`               | the tables that the fold creates from all these logs, one line per row           |
//!
//! `UPDATE_EXPECT=1` writes `unreleased` again, and none of the others.

#![allow(dead_code, reason = "each test program uses its part")]

use std::fs;
use std::path::{Path, PathBuf};

use schemas::Shard;

/// The folder of the next release.
const UNRELEASED: &str = "unreleased";

/// The files of one release.
pub struct Release {
    /// Its version, or `unreleased`.
    pub name: String,
    folder: PathBuf,
}

impl Release {
    /// Returns all releases, and the next one.
    pub fn all() -> Vec<Self> {
        let entries = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
        let mut all: Vec<_> = entries.filter(|path| path.is_dir()).map(Self::at).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        assert!(all.iter().any(|release| release.name == UNRELEASED), "no {UNRELEASED}");
        all
    }

    /// Returns the next release, if it is to be written again.
    pub fn to_update() -> Option<Self> {
        std::env::var_os("UPDATE_EXPECT").map(|_| Self::at(root().join(UNRELEASED)))
    }

    fn at(folder: PathBuf) -> Self {
        Self { name: folder.file_name().unwrap().to_str().unwrap().to_owned(), folder }
    }

    /// Returns the lines of `shards.txt`, one per shard.
    pub fn shards(&self) -> Vec<String> {
        self.text("shards.txt").lines().map(str::to_owned).collect()
    }

    /// Returns the number of shards of its logs.
    pub fn count(&self) -> u16 {
        self.shards().len().try_into().unwrap()
    }

    /// Returns all records of a shard's events partition, from offset 0.
    pub fn log(&self, shard: Shard) -> Vec<Vec<u8>> {
        let (bytes, mut records) = (self.bytes(&format!("events-{shard}.log")), Vec::new());
        let mut rest = bytes.as_slice();
        while let Some((length, behind)) = rest.split_first_chunk() {
            let (record, behind) = behind.split_at(u32::from_le_bytes(*length) as usize);
            records.push(record.to_vec());
            rest = behind;
        }
        assert!(rest.is_empty(), "{}: a length is cut", self.name);
        records
    }

    pub fn bytes(&self, file: &str) -> Vec<u8> {
        let path = self.folder.join(file);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub fn text(&self, file: &str) -> String {
        String::from_utf8(self.bytes(file)).unwrap()
    }

    pub fn write_log(&self, shard: Shard, records: &[Vec<u8>]) {
        let framed =
            |record: &Vec<u8>| [&u32::try_from(record.len()).unwrap().to_le_bytes(), record.as_slice()].concat();
        self.write(&format!("events-{shard}.log"), &records.iter().flat_map(framed).collect::<Vec<u8>>());
    }

    pub fn write(&self, file: &str, bytes: &[u8]) {
        fs::write(self.folder.join(file), bytes).unwrap();
    }
}

fn root() -> PathBuf {
    // Works for any crate that runs the test: uses the first folder above it that has releases.
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().map(|folder| folder.join("releases")).find(|folder| folder.is_dir()).unwrap()
}
