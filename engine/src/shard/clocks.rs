//! Compares the broker's clock with this machine's.
//!
//! A command has the time at which the broker appended it, and that time expires orders, closes
//! markets and pays out. A leader does not follow a broker clock that runs ahead:
//!
//! | the command's time is ahead of the own clock by | the leader                                                  |
//! |-------------------------------------------------|-------------------------------------------------------------|
//! | at most [`CLAMP`]                               | uses it unchanged                                           |
//! | more                                            | uses its own clock + [`CLAMP`] instead                      |
//! | more than the alarm's limit                     | stops leading, until its own clock is near enough again     |
//!
//! Only leaders decide, so followers and auditors see only the resulting time in the outcome.

use std::time::Duration;

use schemas::Timestamp;

/// How far a command's time may be ahead of the leader's clock.
pub const CLAMP: Duration = Duration::from_secs(2);

/// How far it may be ahead before one of the two clocks must be wrong.
pub const AHEAD_MAX: Duration = Duration::from_secs(30);

/// How a leader treats a command's time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TimeCheck {
    /// It is used.
    Taken(Timestamp),
    /// Another time is used instead.
    Clamped(Timestamp),
    /// It is not used: the command is not decided.
    FarAhead,
}

/// The result of comparing the two clocks.
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

    /// Compares a command's time with the leader's own clock; the table of the module has the rule.
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

    /// Raises the alarm because of a command with this time.
    pub fn raise_alarm(&mut self, time: Timestamp) {
        self.alarm = Some(time);
    }

    /// Returns true if the alarm is raised and still justified.
    pub fn are_apart(&self, own: Timestamp) -> bool {
        self.alarm.is_some_and(|time| time > later(own, self.ahead_max))
    }

    /// Ends the alarm. Returns true if there was one.
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
