//! Positions of the log in JSON.

use schemas::ids::LogPosition;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

/// Log positions as an object: `{"0": 17, "2": 41}`.
pub struct LogPositions<'a>(pub &'a [LogPosition]);

impl Serialize for LogPositions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for at in self.0 {
            map.serialize_entry(&at.shard.number(), &at.sequence)?;
        }
        map.end()
    }
}
