//! A process as the log identifies it, and its announcements.

use std::time::Duration;

use schemas::reading::{BrokenLog, RecordFault, WrittenBy};
use schemas::{CommandRecord, PartId, PartKind, Program, Shard};
use service::Announcements;

use crate::builds::{NEWER, NEXT, OLDER};
use crate::cluster::{Cluster, PartitionTopic, START};
use crate::seen::Seen;

/// A process as the log identifies it.
pub struct Identity {
    pub program: Program,
    announcements: Vec<Announcements>,
}

impl Identity {
    pub fn new(cluster: &Cluster, program: Program, id: PartId, kind: PartKind) -> Self {
        let announcements = cluster.shards().map(|_| Announcements::new(program.part(id, kind))).collect();
        Self { program, announcements }
    }

    /// Announces the process to a shard if an announcement is due.
    pub fn announce(&mut self, cluster: &Cluster, shard: Shard) {
        let announcements = &mut self.announcements[shard.index()];
        let now = Duration::from_millis(cluster.now() - START);
        let Some(command) = announcements.due(now) else { return };
        if cluster.strikes(Seen::AnnouncementLost) {
            // The process does not notice the loss: it repeats nothing before its time.
            return;
        }
        let record = CommandRecord::new(cluster.command_id(), command);
        cluster.append(PartitionTopic::Commands, shard, record.encode().into());
    }

    /// Announces an orderly end.
    pub fn leave(&self, cluster: &Cluster) {
        for (shard, announcements) in cluster.shards().zip(&self.announcements) {
            let record = CommandRecord::new(cluster.command_id(), announcements.leave());
            cluster.append(PartitionTopic::Commands, shard, record.encode().into());
        }
    }

    /// Records that the process stops reading a shard. Panics unless an older build must stop
    /// there, and reports the build to install.
    pub fn halts(&self, cluster: &Cluster, broken: &BrokenLog) {
        let expected =
            RecordFault::Newer { needs: NEXT, reads: self.program.reads, writer: WrittenBy::Build(NEWER.build) };
        assert!(self.program == OLDER && broken.fault == expected, "{:?} halts: {broken}", self.program);
        let install = format!("install build {} or a later one", NEWER.build);
        assert!(broken.to_string().ends_with(&install), "{broken}");
        cluster.note(format_args!("  an older build stops: {broken}"));
        cluster.saw(Seen::OlderBuildHalted);
    }
}
