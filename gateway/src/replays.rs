//! Remembers recently accepted signed requests, so that none is accepted twice. The memory belongs
//! to one process; API.md describes what holds with several gateways.
//!
//! The timestamp decides: a signed text is valid from [`LATE_MAX_MS`] before the gateway's clock to
//! [`EARLY_MAX_MS`] after it. Texts within that window are kept by second. A second that is over is
//! forgotten as a whole, and its texts are never accepted again, even if the clock moves back.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use schemas::ApiKeyId;
use sha2::{Digest, Sha256};

/// The maximum age of a signed text, in milliseconds.
pub const LATE_MAX_MS: u64 = 5_000;

/// How far a client's clock may be ahead, in milliseconds. Short, because a gateway that starts
/// does not know what was accepted before: it rejects texts up to this long after its start.
pub const EARLY_MAX_MS: u64 = 1_000;

/// The most signed texts that are kept for each key: those of 6 to 7 seconds.
pub const OF_KEY_MAX: usize = 10_000;

/// The most signed texts that are kept for all keys: more than a machine can verify in that time.
/// They take 16 to 32 MB.
pub const ALL_MAX: usize = 1_000_000;
const _: () = assert!(OF_KEY_MAX < ALL_MAX);

const SECOND_MS: u64 = 1_000;

/// A text's fingerprint: half of a SHA-256. Finding a second text with the same fingerprint is
/// infeasible.
type Name = [u8; 16];

/// Why a signed text is not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotAccepted {
    /// Its timestamp is too old or too far ahead.
    OutOfWindow,
    /// It was accepted before.
    Used,
    /// The limit of texts for its key is reached.
    KeyIsFull,
    /// The limit of texts for all keys is reached.
    Full,
}

/// The signed texts that this process has accepted recently.
#[derive(Debug)]
pub struct Replays(Mutex<SeenRequest>);

impl Replays {
    /// Creates an empty memory for a process that starts at `now`, in milliseconds by its clock.
    pub fn new(now: u64) -> Self {
        Self(Mutex::new(SeenRequest { seconds: BTreeMap::new(), kept: 0, from: now + EARLY_MAX_MS + 1 }))
    }

    /// Checks whether a text with this timestamp can be accepted at all. Cheap, and independent of
    /// the signer.
    pub fn is_in_time(&self, timestamp: u64, now: u64) -> bool {
        self.lock().is_in_time(timestamp, now)
    }

    /// Accepts a text, once.
    pub fn accept(&self, key: ApiKeyId, timestamp: u64, text: &str, now: u64) -> Result<(), NotAccepted> {
        let name = Sha256::digest(text).first_chunk().copied().expect("a SHA-256 has 32 bytes");
        self.lock().accept(key, timestamp, name, now)
    }

    fn lock(&self) -> MutexGuard<'_, SeenRequest> {
        // No change is left half done by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepted texts by the second of their timestamp and by key.
#[derive(Debug)]
struct SeenRequest {
    seconds: BTreeMap<u64, HashMap<ApiKeyId, HashSet<Name>>>,
    kept: usize,
    /// Texts before this time were forgotten or were never known. Only grows.
    from: u64,
}

impl SeenRequest {
    fn is_in_time(&self, timestamp: u64, now: u64) -> bool {
        let earliest = self.from.max(now.saturating_sub(LATE_MAX_MS));
        (earliest..=now + EARLY_MAX_MS).contains(&timestamp)
    }

    fn accept(&mut self, key: ApiKeyId, timestamp: u64, name: Name, now: u64) -> Result<(), NotAccepted> {
        self.forget(now);
        // Checked again, because verifying the signature took time.
        if !self.is_in_time(timestamp, now) {
            return Err(NotAccepted::OutOfWindow);
        }
        let second = timestamp / SECOND_MS;
        let of_key = |second: &HashMap<ApiKeyId, HashSet<Name>>| second.get(&key).map_or(0, HashSet::len);
        if self.seconds.get(&second).and_then(|keys| keys.get(&key)).is_some_and(|names| names.contains(&name)) {
            return Err(NotAccepted::Used);
        }
        if self.seconds.values().map(of_key).sum::<usize>() >= OF_KEY_MAX {
            return Err(NotAccepted::KeyIsFull);
        }
        if self.kept >= ALL_MAX {
            return Err(NotAccepted::Full);
        }
        self.seconds.entry(second).or_default().entry(key).or_default().insert(name);
        self.kept += 1;
        Ok(())
    }

    /// Forgets the seconds that are over.
    fn forget(&mut self, now: u64) {
        let first = now.saturating_sub(LATE_MAX_MS) / SECOND_MS;
        self.from = self.from.max(first * SECOND_MS);
        while let Some(second) = self.seconds.first_entry().filter(|second| *second.key() < first) {
            self.kept -= second.remove().values().map(HashSet::len).sum::<usize>();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use NotAccepted::{Full, KeyIsFull, OutOfWindow, Used};

    const KEY: ApiKeyId = ApiKeyId(1);
    const OTHER: ApiKeyId = ApiKeyId(2);
    /// A time long after the start.
    const NOW: u64 = 1_764_288_000_500;

    fn long_running() -> Replays {
        Replays::new(NOW - 60_000)
    }

    fn name(n: usize) -> Name {
        u128::try_from(n).unwrap().to_le_bytes()
    }

    #[test]
    fn a_text_is_accepted_once_as_long_as_it_could_be() {
        let replays = long_running();
        assert_eq!(replays.accept(KEY, NOW, "a", NOW), Ok(()));
        assert_eq!(replays.accept(KEY, NOW, "b", NOW), Ok(()));
        for later in [0, 1, LATE_MAX_MS] {
            assert_eq!(replays.accept(KEY, NOW, "a", NOW + later), Err(Used), "{later}");
        }
        assert_eq!(replays.accept(KEY, NOW, "a", NOW + LATE_MAX_MS + 1), Err(OutOfWindow));
    }

    #[test]
    fn a_time_counts_from_five_seconds_before_to_one_after() {
        let replays = long_running();
        for (timestamp, is_in_time) in [
            (NOW - LATE_MAX_MS - 1, false),
            (NOW - LATE_MAX_MS, true),
            (NOW + EARLY_MAX_MS, true),
            (NOW + EARLY_MAX_MS + 1, false),
            (0, false),
        ] {
            assert_eq!(replays.is_in_time(timestamp, NOW), is_in_time, "{timestamp}");
            assert_eq!(replays.accept(KEY, timestamp, "a", NOW).is_ok(), is_in_time, "{timestamp}");
        }
    }

    #[test]
    fn a_clock_that_goes_back_brings_nothing_back() {
        let replays = long_running();
        assert_eq!(replays.accept(KEY, NOW, "a", NOW), Ok(()));
        let later = NOW + 60_000;
        assert_eq!(replays.accept(KEY, later, "b", later), Ok(()));
        assert_eq!(replays.accept(KEY, NOW, "a", NOW), Err(OutOfWindow));
    }

    #[test]
    fn what_may_have_been_accepted_before_the_start_is_not_accepted() {
        let restarted = Replays::new(NOW);
        assert_eq!(restarted.accept(KEY, NOW + EARLY_MAX_MS, "a", NOW), Err(OutOfWindow));
        let next = NOW + EARLY_MAX_MS + 1;
        assert_eq!(restarted.accept(KEY, next, "a", next), Ok(()));
    }

    #[test]
    fn a_key_that_is_full_stands_in_nobodys_way_and_has_room_again_later() {
        let mut seen = Replays::new(NOW - 60_000).0.into_inner().unwrap();
        for n in 0..OF_KEY_MAX {
            let ago = u64::try_from(n % 5_000).unwrap();
            assert_eq!(seen.accept(KEY, NOW - ago, name(n), NOW), Ok(()));
        }
        assert_eq!(seen.accept(KEY, NOW, name(OF_KEY_MAX), NOW), Err(KeyIsFull));
        // A text that was accepted is reported as such, in this case too.
        assert_eq!(seen.accept(KEY, NOW, name(0), NOW), Err(Used));
        assert_eq!(seen.accept(OTHER, NOW, name(OF_KEY_MAX), NOW), Ok(()));
        let later = NOW + LATE_MAX_MS + SECOND_MS;
        assert_eq!(seen.accept(KEY, later, name(OF_KEY_MAX), later), Ok(()));
        assert_eq!(seen.kept, 1);
    }

    #[test]
    fn all_keys_together_have_a_limit_and_what_is_over_is_counted_out() {
        let mut seen = Replays::new(NOW - 60_000).0.into_inner().unwrap();
        let key = |n: usize| ApiKeyId(u64::try_from(n / OF_KEY_MAX).unwrap());
        for n in 0..ALL_MAX {
            assert_eq!(seen.accept(key(n), NOW, name(n), NOW), Ok(()));
        }
        assert_eq!(seen.accept(key(ALL_MAX), NOW, name(ALL_MAX), NOW), Err(Full));
        let later = NOW + LATE_MAX_MS + SECOND_MS;
        assert_eq!(seen.accept(key(ALL_MAX), later, name(ALL_MAX), later), Ok(()));
        assert_eq!((seen.kept, seen.seconds.len()), (1, 1));
    }
}
