//! The state that only a leader has: the write queue, the relay, the timers.

use super::relay::Relay;
use super::timers::Timers;
use super::write_queue::WriteQueue;

/// The maximum number of outcomes written and not yet read back; beyond it no more commands are
/// taken.
pub const UNCONFIRMED_MAX: usize = 10_000;

/// The state of a shard while it leads.
pub struct Leader {
    pub out: WriteQueue,
    pub relay: Relay,
    pub timers: Timers,
}
