//! The broker's clock against this machine's.
//!
//! Commands have the time at which the broker appended them, and that time expires orders, closes markets and pays out.
//! A leader lets no broker run ahead:
//!
//! | the command's time is ahead of the own clock by | the leader                                                  |
//! |-------------------------------------------------|-------------------------------------------------------------|
//! | at most [`CLAMP`]                               | takes it as it is                                           |
//! | more                                            | takes the own clock + [`CLAMP`] for it                      |
//! | more than the alarm's limit                     | stops leading, until its own clock is near enough again     |
//!
//! Only leaders decide, so followers and auditors see no more of it than the time in the outcome.

use std::time::Duration;

use schemas::Timestamp;

/// So far ahead a command's time may be of the leader's clock.
pub const CLAMP: Duration = Duration::from_secs(2);

/// So far ahead it may be before one of the two clocks is wrong.
pub const AHEAD_MAX: Duration = Duration::from_secs(30);

/// What a leader makes of a command's time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TimeCheck {
    /// It counts.
    Taken(Timestamp),
    /// Another counts in its place.
    Clamped(Timestamp),
    /// None does.
    FarAhead,
}

/// What is known of the two clocks.
#[derive(Debug)]
pub(super) struct Clocks {
    ahead_max: Duration,
    /// The time of the command that was too far ahead.
    alarm: Option<Timestamp>,
}

impl Clocks {
    pub fn new(ahead_max: Duration) -> Self {
        Self { ahead_max, alarm: None }
    }

    /// See the module.
    pub fn judge(&self, time: Timestamp, own: Timestamp) -> TimeCheck {
        let latest = later(own, CLAMP);
        if time > later(own, self.ahead_max) {
            TimeCheck::FarAhead
        } else if time > latest {
            TimeCheck::Clamped(latest)
        } else {
            TimeCheck::Taken(time)
        }
    }

    /// A command of this time came.
    pub fn raise_alarm(&mut self, time: Timestamp) {
        self.alarm = Some(time);
    }

    /// True if the alarm is raised and there is still reason for it.
    pub fn are_apart(&self, own: Timestamp) -> bool {
        self.alarm.is_some_and(|time| time > later(own, self.ahead_max))
    }

    /// Ends the alarm. True if there was one.
    pub fn end_alarm(&mut self) -> bool {
        self.alarm.take().is_some()
    }
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp(time.as_millis().saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Timestamp = Timestamp(1_000_000);

    #[test]
    fn a_time_is_taken_clamped_or_refused_by_how_far_ahead_it_is() {
        let clocks = Clocks::new(AHEAD_MAX);
        let ahead = |millis| clocks.judge(Timestamp(OWN.0 + millis), OWN);
        assert_eq!(clocks.judge(Timestamp(5), OWN), TimeCheck::Taken(Timestamp(5)));
        assert_eq!(ahead(2_000), TimeCheck::Taken(Timestamp(OWN.0 + 2_000)));
        assert_eq!(ahead(2_001), TimeCheck::Clamped(Timestamp(OWN.0 + 2_000)));
        assert_eq!(ahead(30_000), TimeCheck::Clamped(Timestamp(OWN.0 + 2_000)));
        assert_eq!(ahead(30_001), TimeCheck::FarAhead);
        assert_eq!(clocks.judge(Timestamp(u64::MAX), OWN), TimeCheck::FarAhead);
    }

    #[test]
    fn the_alarm_lasts_until_the_clocks_are_near_again() {
        let mut clocks = Clocks::new(AHEAD_MAX);
        assert!(!clocks.are_apart(OWN) && !clocks.end_alarm());
        clocks.raise_alarm(Timestamp(OWN.0 + 60_000));
        assert!(clocks.are_apart(OWN) && clocks.are_apart(Timestamp(OWN.0 + 29_999)));
        assert!(!clocks.are_apart(Timestamp(OWN.0 + 30_000)));
        assert!(clocks.end_alarm() && !clocks.end_alarm());
    }
}
