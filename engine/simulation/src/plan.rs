//! The parameters of one run: its size, and which faults occur how often.
//!
//! Every seed enables another random subset of the faults, each at another rate ("swarm testing"):
//! with all of them enabled, none would ever have a long run to itself, and one could hide what
//! another would find.

use schemas::Program;
use schemas::limits::OUTBOX_MAX;

use crate::builds::{NEWER, OLDER};
use crate::random::Random;
use crate::seen::Seen;

/// Rates are numbers of times in this many occasions.
pub const OCCASIONS: u64 = 10_000;

/// Faults that occur by themselves: how often in [`OCCASIONS`] steps of the scheduler, at the usual
/// rate.
pub const SCHEDULED: &[(Seen, u64)] = &[
    (Seen::ProcessKilled, 20),
    (Seen::AllKilled, 4),
    (Seen::ProcessStopped, 10),
    (Seen::ProcessFrozen, 15),
    (Seen::PartUpgraded, 15),
    (Seen::PartDowngraded, 6),
    (Seen::RaiseAsked, 15),
    (Seen::LeadShared, 30),
    (Seen::LeadWithdrawn, 10),
    (Seen::ShardDown, 4),
    (Seen::StrangerTerm, 4),
    (Seen::WriterBroken, 10),
    (Seen::CopyRepeated, 40),
    (Seen::LaterBuild, 10),
    (Seen::Garbage, 10),
    (Seen::EventsStalled, 30),
    (Seen::ReadAgain, 20),
    (Seen::BrokerClockBack, 10),
    (Seen::SnapshotFlipped, 20),
    (Seen::SnapshotTruncated, 20),
    (Seen::SnapshotsGone, 4),
    (Seen::SnapshotOld, 10),
    (Seen::ProjectionCrashed, 40),
    (Seen::GatewayCrashed, 5),
];

/// Faults that affect another operation: how often in [`OCCASIONS`] of those, at the usual rate.
const STRIKING: &[(Seen, u64)] = &[
    (Seen::AnnouncementLost, 1_000),
    (Seen::CopyLost, 500),
    (Seen::TimerLost, 3_000),
    (Seen::CommandsSkipped, 1_500),
    (Seen::HeadUnavailable, 2_000),
    (Seen::StoreUnreadable, 1_000),
    (Seen::SnapshotUnfinished, 5_000),
    (Seen::RequestLost, 700),
    (Seen::RequestUnsure, 1_000),
    (Seen::RequestRefused, 400),
    (Seen::RequestRepeated, 300),
];

/// All faults that a plan can have.
pub const FAULTS: &[&[(Seen, u64)]] = &[SCHEDULED, STRIKING];

/// The parameters of one run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub shards: u16,
    pub processes: usize,
    /// Steps of the scheduler before faults end.
    pub steps: u64,
    /// The number of outcomes from one snapshot to the next.
    pub snapshot_every: u64,
    /// The maximum number of records in a process's write queue.
    pub queue: usize,
    /// The number of messages that a shard keeps for another before it counts as full.
    pub outbox: usize,
    /// The most that one passing of time adds, in milliseconds.
    pub tick: u64,
    /// True if time sometimes leaps, so far that purses are idle long enough to return their
    /// credits.
    pub leaps: bool,
    /// True if all processes keep their snapshots in one store.
    pub one_store: bool,
    /// True if processes follow only some of the shards that they do not lead.
    pub absent: bool,
    /// The build of all components at the start.
    pub program: Program,
    /// The maximum number of open requests of clients.
    pub open_requests: usize,
    rates: [u64; Seen::ALL.len()],
}

impl Plan {
    pub fn draw(random: &mut Random) -> Self {
        let mut rates = [0; Seen::ALL.len()];
        for &(fault, usual) in FAULTS.iter().copied().flatten() {
            let factor = *random.pick(&[1, 2, 4, 8]);
            if random.one_in(2) {
                rates[fault as usize] = usual * factor / 4;
            }
        }
        // A long run with many snapshots would do little else.
        let (steps, often) = match random.below(20) {
            0 => (20_000, 50),
            _ => (1_000 + random.below(7_000), 5),
        };
        Self {
            shards: *random.pick(&[2, 3, 3, 4]),
            processes: *random.pick(&[1, 2, 3, 3]),
            steps,
            snapshot_every: *random.pick(&[often, 20.max(often), 50, 200]),
            queue: *random.pick(&[3, 20, 100, 100_000]),
            outbox: *random.pick(&[2, 8, OUTBOX_MAX, OUTBOX_MAX]),
            tick: *random.pick(&[5, 30, 100]),
            leaps: random.one_in(4),
            one_store: random.one_in(2),
            absent: random.one_in(4),
            program: *random.pick(&[OLDER, NEWER]),
            open_requests: *random.pick(&[4, 12, 40]),
            rates,
        }
    }

    /// Enables only this fault, at its highest rate, and what it requires.
    pub fn only(&mut self, fault: Seen) {
        self.rates = [0; Seen::ALL.len()];
        let needed = (fault == Seen::SnapshotUnfinished).then_some(Seen::ProcessKilled);
        for &(known, usual) in FAULTS.iter().copied().flatten() {
            if known == fault || Some(known) == needed {
                self.rates[known as usize] = usual * 2;
            }
        }
    }

    pub fn rate(&self, fault: Seen) -> u64 {
        self.rates[fault as usize]
    }
}
