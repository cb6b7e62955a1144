//! Tells a shard without commands from a shard without a leader.
//!
//! | last outcome of the shard   | last announcement of this process there   | action                  |
//! |-----------------------------|-------------------------------------------|-------------------------|
//! | younger than [`asks_after`] | any                                       | none                    |
//! | older                       | before it                                 | announces itself        |
//! | older                       | after it, for less than [`SILENT_AFTER`]  | waits                   |
//! | any                         | after it, [`SILENT_AFTER`] ago or longer  | the shard has no leader |
//!
//! An announcement is a command that every leader decides and that changes nothing (ADR 21). All
//! gateways read its outcome, so a shard without traffic gets one announcement in [`ASKS_AFTER`] or
//! longer, however many gateways there are. A shard with traffic gets none.

use std::time::{Duration, Instant};

use schemas::Shard;

/// The age of a shard's last outcome after which a gateway may send an announcement.
pub const ASKS_AFTER: Duration = Duration::from_secs(20);

/// A shard that has decided nothing for this long while commands wait counts as dead.
pub const SILENT_AFTER: Duration = Duration::from_secs(5);

/// What to do about a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IdleShard {
    /// Nothing.
    No,
    /// Send an announcement.
    Ask,
    /// The shard has not decided the announcement for this long.
    Dead(Duration),
}

/// When this process sends an announcement to a shard: after one to two times [`ASKS_AFTER`]. Each
/// process has its own time for each shard, so that they do not all send at once.
pub fn asks_after(process: u64, shard: Shard) -> Duration {
    let range = u64::try_from(ASKS_AFTER.as_millis()).unwrap_or(u64::MAX);
    let mixed = (process ^ u64::from(shard.number())).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    ASKS_AFTER + Duration::from_millis(mixed % range)
}

/// Decides what to do about a shard. `decided` is when its last outcome was read, or when reading
/// started.
pub fn judge(decided: Instant, asked: Option<Instant>, after: Duration, now: Instant) -> IdleShard {
    let since = |then: Instant| now.saturating_duration_since(then);
    match asked.filter(|asked| *asked > decided) {
        Some(asked) if since(asked) >= SILENT_AFTER => IdleShard::Dead(since(asked)),
        Some(_) => IdleShard::No,
        None if since(decided) >= after => IdleShard::Ask,
        None => IdleShard::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_shard_is_asked_once_and_is_dead_if_it_does_not_decide() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let at = |seconds: u32| start + second * seconds;
        let judge = |asked, now| judge(at(100), asked, second * 30, at(now));
        assert_eq!(judge(None, 129), IdleShard::No);
        assert_eq!(judge(None, 130), IdleShard::Ask);
        assert_eq!(judge(Some(at(99)), 130), IdleShard::Ask, "that was answered");
        assert_eq!(judge(Some(at(130)), 131), IdleShard::No);
        assert_eq!(judge(Some(at(130)), 135), IdleShard::Dead(second * 5));
        assert_eq!(judge(Some(at(101)), 400), IdleShard::Dead(second * 299), "it is not asked again and again");
    }

    #[test]
    fn gateways_ask_at_times_of_their_own() {
        let mut times: Vec<Duration> =
            (0..100).map(|process| asks_after(process * 7_919, Shard::new(3).unwrap())).collect();
        assert!(times.iter().all(|time| (ASKS_AFTER..2 * ASKS_AFTER).contains(time)));
        times.sort_unstable();
        times.dedup();
        assert!(times.len() > 90);
    }
}
