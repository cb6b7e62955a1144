//! Requests `AdvanceTime` when the state has something due. At most one is in flight at a time.

use std::time::Duration;

use schemas::{Command, CommandId, CommandRecord, Outcome, Shard, Timestamp};

use super::write_queue::WriteQueue;
use crate::log::Clock;

/// An `AdvanceTime` without an outcome for this long is given up, and another may be sent. (Two do
/// no harm.)
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

/// The first pause after an `AdvanceTime` that came too early, because the broker's clock is behind
/// ours.
const EARLY_PAUSE: Duration = Duration::from_millis(10);

/// The longest such pause.
const EARLY_PAUSE_MAX: Duration = Duration::from_secs(1);

/// The timers of one shard's leader.
pub struct Timers {
    me: Shard,
    outstanding: Option<(CommandId, Duration)>,
    not_before: Duration,
    pause: Duration,
}

impl Timers {
    /// Returns timers with nothing in flight.
    pub fn begin(me: Shard) -> Self {
        Self { me, outstanding: None, not_before: Duration::ZERO, pause: EARLY_PAUSE }
    }

    /// Appends an `AdvanceTime` if something is due.
    pub fn tend(&mut self, due: Option<Timestamp>, clock: &mut impl Clock, out: &mut WriteQueue) {
        let now = clock.elapsed();
        if self.outstanding.is_some_and(|(_, since)| now.saturating_sub(since) >= GIVE_UP_AFTER) {
            self.outstanding = None;
        }
        let is_due = due.is_some_and(|due| due <= clock.wall());
        if is_due && self.outstanding.is_none() && self.not_before <= now {
            let id = clock.command_id();
            self.outstanding = Some((id, now));
            out.command(self.me, &CommandRecord::new(id, Command::AdvanceTime));
        }
    }

    /// Handles a confirmed own outcome; `due` is the next due time after it.
    pub fn confirmed(&mut self, outcome: &Outcome, due: Option<Timestamp>, now: Duration) {
        if self.outstanding.is_none_or(|(id, _)| id != outcome.cause.id) {
            return;
        }
        self.outstanding = None;
        // Due by our clock when it was sent, but not by the broker's.
        if due.is_some_and(|due| due > outcome.time) {
            self.not_before = now + self.pause;
            self.pause = (self.pause * 2).min(EARLY_PAUSE_MAX);
        } else {
            self.pause = EARLY_PAUSE;
        }
    }
}
