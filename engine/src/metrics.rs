//! The engine's metrics: every name, in one place.
//!
//! All have the label `shard`.

use metrics::{Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram};
use metrics::{gauge, histogram};
use schemas::Shard;

/// Counts commands that this process decided.
pub const COMMANDS_HANDLED: &str = "lfg_engine_commands_handled_total";
/// Counts outcomes that count, own or followed.
pub const OUTCOMES_READ: &str = "lfg_engine_outcomes_read_total";
/// Counts records and events that were skipped because this build does not know them and need not.
pub const UNKNOWN: &str = "lfg_engine_unknown_total";
/// State hashes since the last recovery that were computed in a way that this build does not know,
/// so this process has not checked them.
pub const UNCHECKED_HASHES: &str = "lfg_engine_unchecked_hashes";
/// Seconds from the broker's append of a command until its outcome was read back by its writer.
pub const OUTCOME_SECONDS: &str = "lfg_engine_outcome_seconds";
/// Outcomes written and not yet read back.
pub const UNCONFIRMED: &str = "lfg_engine_unconfirmed_outcomes";
/// The role: 0 recovering, 1 following, 2 taking over, 3 leading, 4 resigning, 5 halted, 6 absent,
/// [`LEADS_UNCONFIRMED`].
pub const ROLE: &str = "lfg_engine_role";
/// The value of [`ROLE`] of a leader that cannot know whether it leads still: no broker has
/// answered it for [`SILENT_AFTER`](service::kafka::contact::SILENT_AFTER), so another's term may
/// be on the log.
pub const LEADS_UNCONFIRMED: u8 = 7;
/// The sequence of the last outcome read.
pub const SEQUENCE: &str = "lfg_engine_position_sequence";
/// Commands in the log without an outcome, of shards that this process leads; NaN where unknown.
pub const COMMANDS_LAG: &str = "lfg_engine_commands_lag";
/// Seconds to make a snapshot from the previous one and the log since then. No loop waits for it.
pub const SNAPSHOT_SECONDS: &str = "lfg_engine_snapshot_seconds";
/// Bytes of the last snapshot.
pub const SNAPSHOT_BYTES: &str = "lfg_engine_snapshot_bytes";
/// Counts snapshots that could not be made or written.
pub use snapshots::SNAPSHOTS_FAILED;
/// Counts messages that the relay sent again.
pub const RELAY_RESENDS: &str = "lfg_engine_relay_resends_total";
/// Counts terms that this process began.
pub const TERMS_TAKEN: &str = "lfg_engine_terms_taken_total";
/// Counts the times that this process led and was deposed by another writer's term.
pub const DEPOSED: &str = "lfg_engine_deposed_total";

/// 1 if the group assigns to this process a shard that has halted here, so that no other process
/// leads it; else 0.
pub const HALTED_AND_OWNED: &str = "lfg_engine_halted_and_owned";
/// 1 while the shard is not led here because the broker's clock is too far ahead; else 0.
pub const CLOCK_ALARM: &str = "lfg_engine_clock_alarm";
/// Counts commands whose time was further ahead of the leader's own clock than it accepts, and was
/// set back.
pub const TIMES_CLAMPED: &str = "lfg_engine_times_clamped_total";

/// Describes the metrics to Prometheus.
pub fn describe() {
    describe_counter!(COMMANDS_HANDLED, "commands that this process decided");
    describe_counter!(OUTCOMES_READ, "outcomes that count, own or followed");
    describe_counter!(UNKNOWN, "records and events of a later build that were skipped");
    describe_gauge!(
        UNCHECKED_HASHES,
        "state hashes of a later build since the last recovery that could not be checked"
    );
    describe_histogram!(OUTCOME_SECONDS, Unit::Seconds, "from a command's append until its outcome was read back");
    describe_gauge!(UNCONFIRMED, "outcomes written and not yet read back");
    describe_gauge!(
        ROLE,
        "0 recovering, 1 following, 2 taking over, 3 leading, 4 resigning, 5 halted, 6 absent, 7 led last, and no broker has answered \
         for 5 s or longer"
    );
    describe_gauge!(SEQUENCE, "sequence of the last outcome read");
    describe_gauge!(COMMANDS_LAG, "commands in the log without an outcome, of shards led here");
    describe_histogram!(SNAPSHOT_SECONDS, Unit::Seconds, "how long a snapshot took to make, outside the loops");
    describe_gauge!(SNAPSHOT_BYTES, Unit::Bytes, "bytes of the last snapshot");
    describe_counter!(SNAPSHOTS_FAILED, "snapshots that could not be made or written");
    describe_counter!(RELAY_RESENDS, "messages that the relay sent again");
    describe_counter!(TERMS_TAKEN, "terms that this process began");
    describe_gauge!(HALTED_AND_OWNED, "1 if the group assigns to this process a shard that has halted here");
    describe_gauge!(CLOCK_ALARM, "1 while the shard is not led because the broker's clock is too far ahead");
    describe_counter!(TIMES_CLAMPED, "commands whose time was set back to near the own clock");
    describe_counter!(DEPOSED, "times that another writer's term deposed this process");
}

/// One shard's metrics, looked up once.
pub struct ShardMetrics {
    /// [`COMMANDS_HANDLED`].
    pub commands_handled: Counter,
    /// [`OUTCOMES_READ`].
    pub outcomes_read: Counter,
    /// [`UNKNOWN`].
    pub unknown: Counter,
    /// [`UNCHECKED_HASHES`].
    pub unchecked_hashes: Gauge,
    /// [`OUTCOME_SECONDS`].
    pub outcome_seconds: Histogram,
    /// [`UNCONFIRMED`].
    pub unconfirmed: Gauge,
    /// [`ROLE`].
    pub role: Gauge,
    /// [`SEQUENCE`].
    pub sequence: Gauge,
    /// [`RELAY_RESENDS`].
    pub relay_resends: Counter,
    /// [`TERMS_TAKEN`].
    pub terms_taken: Counter,
    /// [`DEPOSED`].
    pub deposed: Counter,
    /// [`CLOCK_ALARM`].
    pub clock_alarm: Gauge,
    /// [`TIMES_CLAMPED`].
    pub times_clamped: Counter,
}

impl ShardMetrics {
    /// Returns the metrics of `shard`.
    pub fn of(shard: Shard) -> Self {
        let shard = shard.to_string();
        Self {
            commands_handled: counter!(COMMANDS_HANDLED, "shard" => shard.clone()),
            outcomes_read: counter!(OUTCOMES_READ, "shard" => shard.clone()),
            unknown: counter!(UNKNOWN, "shard" => shard.clone()),
            unchecked_hashes: gauge!(UNCHECKED_HASHES, "shard" => shard.clone()),
            outcome_seconds: histogram!(OUTCOME_SECONDS, "shard" => shard.clone()),
            unconfirmed: gauge!(UNCONFIRMED, "shard" => shard.clone()),
            role: gauge!(ROLE, "shard" => shard.clone()),
            sequence: gauge!(SEQUENCE, "shard" => shard.clone()),
            relay_resends: counter!(RELAY_RESENDS, "shard" => shard.clone()),
            terms_taken: counter!(TERMS_TAKEN, "shard" => shard.clone()),
            deposed: counter!(DEPOSED, "shard" => shard.clone()),
            clock_alarm: gauge!(CLOCK_ALARM, "shard" => shard.clone()),
            times_clamped: counter!(TIMES_CLAMPED, "shard" => shard),
        }
    }
}
