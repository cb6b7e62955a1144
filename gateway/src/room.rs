//! How many commands may wait for their outcome: as many as the log takes in a short time.
//!
//!   submit ─▶ *room* ─▶ a permit, or 503 at once
//!      └──── how long the outcome took ────▲
//!
//! More commands than the log takes wait longer and longer, until none is answered in time. So the
//! room shrinks while most outcomes are slow, and grows while they are not. What is refused was not
//! written, and costs the log nothing. Shares of owners and ranks are parts of the room, so cancels
//! have the last eighth of it ([`crate::shares`]).
//!
//! | of the outcomes of [`LOOK_EVERY`] | the room                                          |
//! |-----------------------------------|---------------------------------------------------|
//! | fewer than [`OUTCOMES_MIN`]       | stays                                             |
//! | more than half took [`SLOW`]      | becomes 7/8 of what was used of it, [`ROOM_MIN`] at least |
//! | others                            | grows by 1/16, to `--pending-max`                 |
//!
//! Half of them: a few wait for other shards, or for one that is slow alone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{Gauge, gauge};
use tokio::time::Instant;

use crate::shares::{Asker, Share, Shares};

/// An outcome that takes so long says that too many commands wait. Under overload most take as long
/// as the slowest, which may be a few times this until the room has shrunk.
pub const SLOW: Duration = Duration::from_millis(150);

/// The least room: a log that takes a thousand commands a second answers them within 256 ms.
pub const ROOM_MIN: usize = 256;

/// The time after which the room changes.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The outcomes that say something.
const OUTCOMES_MIN: u32 = 8;

/// The room of all commands.
pub struct CommandRoom {
    permits: Arc<Shares>,
    max: usize,
    look: Mutex<Look>,
    shown: Gauge,
}

struct Look {
    start: Instant,
    fast: u32,
    slow: u32,
    /// The most that was used since the start.
    used: usize,
    room: usize,
}

impl CommandRoom {
    /// Creates a room of `max`, of which an owner has one of `parts`.
    pub fn new(max: usize, parts: usize) -> Self {
        let shown = gauge!("gateway_pending_room");
        shown.set(f64::from(u32::try_from(max).unwrap_or(u32::MAX)));
        let look = Look { start: Instant::now(), fast: 0, slow: 0, used: 0, room: max };
        Self { permits: Shares::new(max, parts), max, look: Mutex::new(look), shown }
    }

    /// Takes room for so many commands, if there is some for this client.
    pub fn take(&self, asker: Asker, count: usize) -> Option<Share> {
        self.permits.take(asker, count)
    }

    /// Notes how long an outcome took; also of one that did not come in time.
    pub fn took(&self, time: Duration) {
        let used = self.permits.count();
        let mut look = self.look.lock().unwrap_or_else(PoisonError::into_inner);
        look.used = look.used.max(used);
        let of_its_kind = if time >= SLOW { &mut look.slow } else { &mut look.fast };
        *of_its_kind += 1;
        if look.start.elapsed() < LOOK_EVERY || look.fast + look.slow < OUTCOMES_MIN {
            return;
        }
        let room = next(&look, self.max);
        if room != look.room {
            self.permits.bound(room);
            self.shown.set(f64::from(u32::try_from(room).unwrap_or(u32::MAX)));
        }
        *look = Look { start: Instant::now(), fast: 0, slow: 0, used: 0, room };
    }
}

fn next(look: &Look, max: usize) -> usize {
    if look.slow > look.fast {
        // Never more than before, and at least what is always there.
        let used = look.used.min(look.room);
        return (used - used / 8).max(ROOM_MIN).min(look.room);
    }
    (look.room + look.room / 16 + 1).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shares::{Owner, Rank};
    use std::collections::VecDeque;

    const EVERYBODY: Asker = Asker { owner: Owner::Many, rank: Rank::Known, via: None };
    const CANCELLER: Asker = Asker { rank: Rank::Urgent, ..EVERYBODY };

    fn ended(room: &CommandRoom, count: u32, time: Duration) {
        (0..count).for_each(|_| room.took(time));
    }

    #[tokio::test(start_paused = true)]
    async fn the_room_shrinks_while_most_outcomes_are_slow_and_grows_again() {
        let room = CommandRoom::new(4_096, 4);
        let size = || room.look.lock().unwrap().room;
        let held = room.take(EVERYBODY, 2_000).unwrap();
        tokio::time::advance(LOOK_EVERY).await;
        ended(&room, 7, SLOW);
        assert_eq!(size(), 4_096, "too few say nothing");
        ended(&room, 1, SLOW);
        assert_eq!(size(), 1_750);
        assert!(room.take(EVERYBODY, 1).is_none() && room.take(CANCELLER, 1).is_none());
        drop(held);
        let held = room.take(EVERYBODY, 1_750 - 1_750 / 8).unwrap();
        assert!(room.take(EVERYBODY, 1).is_none(), "an eighth is for cancels");
        assert!(room.take(CANCELLER, 1_750 / 8).is_some());
        drop(held);
        for _ in 0..20 {
            tokio::time::advance(LOOK_EVERY).await;
            ended(&room, 8, SLOW);
        }
        assert_eq!(size(), ROOM_MIN);
        // A few slow ones say nothing about the log.
        for _ in 0..60 {
            tokio::time::advance(LOOK_EVERY).await;
            ended(&room, 9, Duration::from_millis(5));
            ended(&room, 3, SLOW * 20);
        }
        assert_eq!(size(), 4_096);
    }

    #[test]
    fn a_small_maximum_stays_below_the_least_room() {
        let look = Look { start: Instant::now(), fast: 0, slow: 9, used: 20, room: 32 };
        assert_eq!(next(&look, 32), 32);
    }

    /// A log that takes 4,000 commands a second, in order, and clients that send three times as many.
    #[tokio::test(start_paused = true)]
    async fn of_three_times_what_the_log_takes_a_third_is_accepted_and_all_of_that_is_fast() {
        const A_MILLISECOND: usize = 4;
        let room = CommandRoom::new(4_096, 4);
        let (mut waiting, mut accepted, mut refused, mut slowest) = (VecDeque::new(), 0, 0, Duration::ZERO);
        for millisecond in 0..20_000 {
            tokio::time::advance(Duration::from_millis(1)).await;
            for _ in 0..3 * A_MILLISECOND {
                match room.take(EVERYBODY, 1) {
                    Some(share) => waiting.push_back((Instant::now(), share)),
                    None => refused += 1,
                }
            }
            for (sent, share) in waiting.drain(..A_MILLISECOND.min(waiting.len())) {
                room.took(sent.elapsed());
                drop(share);
                // The first seconds shrink the room.
                if millisecond > 3_000 {
                    slowest = slowest.max(sent.elapsed());
                }
                accepted += 1;
            }
        }
        assert!(slowest < Duration::from_millis(250), "{slowest:?}");
        assert!(accepted >= 79_900 && refused > 150_000, "the log is always busy: {accepted}, {refused}");
    }
}
