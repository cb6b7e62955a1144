//! Which shards an engine follows besides those that it leads.
//!
//! An engine that follows a shard takes it over with one append. One that does not must first
//! restore the newest snapshot and read the log after it. Where every engine follows every shard,
//! adding engines does not add capacity for shards: each engine folds the whole log.

use std::str::FromStr;

use schemas::Shard;

/// One engine of several, and how many of them follow each shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standby {
    engine: u16,
    engines: u16,
    followers: u16,
}

/// A text that is not a valid [`Standby`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "`{0}` is not ENGINE/ENGINESxFOLLOWERS, as 2/10x3, with an engine and followers below or at the number of engines"
)]
pub struct NotAStandby(String);

impl Standby {
    /// Returns true if this engine follows the shard: shards are assigned to engines in turn, and
    /// the next engines follow as well.
    pub fn follows(self, shard: Shard) -> bool {
        let first = shard.number() % self.engines;
        (self.engine + self.engines - first) % self.engines < self.followers
    }
}

impl FromStr for Standby {
    type Err = NotAStandby;

    fn from_str(text: &str) -> Result<Self, NotAStandby> {
        let read = || {
            let (engine, rest) = text.split_once('/')?;
            let (engines, followers) = rest.split_once('x')?;
            let standby = Self {
                engine: engine.parse().ok()?,
                engines: engines.parse().ok()?,
                followers: followers.parse().ok()?,
            };
            let engines_max = u16::MAX / 2;
            (standby.engine < standby.engines && standby.followers <= standby.engines && standby.engines <= engines_max)
                .then_some(standby)
        };
        read().ok_or_else(|| NotAStandby(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shard_has_as_many_followers_as_were_asked_for_and_engines_share_them() {
        for (engines, followers) in [(1_u16, 1_u16), (3, 2), (10, 3), (7, 0), (4, 4)] {
            let standby = |engine| -> Standby { format!("{engine}/{engines}x{followers}").parse().unwrap() };
            let shards: Vec<Shard> = Shard::all(100).collect();
            for &shard in &shards {
                let count = (0..engines).filter(|&engine| standby(engine).follows(shard)).count();
                assert_eq!(count, usize::from(followers), "{shard} of {engines}");
            }
            let loads =
                (0..engines).map(|engine| shards.iter().filter(|&&shard| standby(engine).follows(shard)).count());
            let loads: Vec<usize> = loads.collect();
            let spread = loads.iter().max().unwrap() - loads.iter().min().unwrap();
            assert!(spread <= usize::from(followers), "{loads:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in ["", "2", "2/10", "2x3", "10/10x3", "2/10x11", "0/0x0", "-1/3x1", "1/99999x1", "a/bxc"] {
            assert!(text.parse::<Standby>().is_err(), "{text}");
        }
    }
}
