//! The progress of a shard's keys, as the text under its `progress` key.

use crate::reading::Checkpoint;
use crate::record::Chain;

const REBUILDING: &str = "rebuilding:";

/// The version of the key layout; increases when a key or field changes its format. A writer that
/// finds another version halts: the keys must be rebuilt.
const LAYOUT: &str = "2";

/// The content of a `progress` key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RedisProgress {
    /// The keys reflect this position.
    At(Checkpoint),
    /// A rebuilder, identified by a token, is clearing the keys and will fold the log again.
    Clearing(u128),
    /// The log is being folded again and has not reached the end that it had when the rebuild
    /// began. The keys reflect an old position: readers must not treat them as current.
    Refolding {
        /// The position that the keys reflect.
        at: Checkpoint,
        /// The offset after the last record of the log when the rebuild began.
        until: u64,
    },
}

impl RedisProgress {
    /// Returns the progress of keys that reflect `at`. `until` is the target offset of a running
    /// rebuild.
    pub fn new(at: Checkpoint, until: Option<u64>) -> Self {
        match until {
            Some(until) if at.offset < until => Self::Refolding { at, until },
            _ => Self::At(at),
        }
    }
}

impl std::fmt::Display for RedisProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::At(position) => write_position(f, position, ':'),
            Self::Clearing(token) => write!(f, "{REBUILDING}{token:032x}"),
            Self::Refolding { at, until } => {
                write!(f, "{REBUILDING}{until}/")?;
                write_position(f, at, '/')
            }
        }
    }
}

fn write_position(f: &mut std::fmt::Formatter<'_>, position: &Checkpoint, between: char) -> std::fmt::Result {
    write!(f, "{}{between}", position.offset)?;
    match position.term {
        Some(term) => write!(f, "{term}{between}")?,
        None => write!(f, "-{between}")?,
    }
    write!(f, "{}{between}", position.sequence)?;
    for byte in position.chain.0 {
        write!(f, "{byte:02x}")?;
    }
    write!(f, "{between}{}{between}{}{between}{LAYOUT}", position.anchor, position.next_command)
}

impl std::str::FromStr for RedisProgress {
    type Err = NoProgress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| NoProgress(text.to_owned()))
    }
}

/// The text is not a progress of this build: some other program writes these keys.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is no progress of this build's read models")]
pub struct NoProgress(String);

fn parse(text: &str) -> Option<RedisProgress> {
    match text.strip_prefix(REBUILDING) {
        None => position(text, ':').map(RedisProgress::At),
        Some(rest) => match rest.split_once('/') {
            None => u128::from_str_radix(rest, 16).ok().map(RedisProgress::Clearing),
            Some((until, at)) => Some(RedisProgress::Refolding { at: position(at, '/')?, until: until.parse().ok()? }),
        },
    }
}

fn position(text: &str, between: char) -> Option<Checkpoint> {
    let mut parts = text.split(between);
    let position = Checkpoint {
        offset: parts.next()?.parse().ok()?,
        term: match parts.next()? {
            "-" => None,
            term => Some(term.parse().ok()?),
        },
        sequence: parts.next()?.parse().ok()?,
        chain: chain(parts.next()?)?,
        anchor: parts.next()?.parse().ok()?,
        next_command: parts.next()?.parse().ok()?,
    };
    (parts.next() == Some(LAYOUT) && parts.next().is_none()).then_some(position)
}

fn chain(text: &str) -> Option<Chain> {
    let mut chain = Chain::default();
    if text.len() != 2 * chain.0.len() || !text.is_ascii() {
        return None;
    }
    for (i, byte) in chain.0.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(chain)
}

/// Returns the sequence of a progress, also of one that another build wrote, for readers of keys that
/// both know; `None` while the shard is being rebuilt.
pub fn sequence_reached(progress: &str) -> Option<u64> {
    let current = (!progress.starts_with(REBUILDING)).then_some(progress)?;
    current.split(':').nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_is_being_rebuilt_has_no_sequence() {
        assert_eq!(sequence_reached("10:3:7:00000000000000000000000000000000:8:9:2"), Some(7));
        assert_eq!(sequence_reached("0:-:0:00:0"), Some(0), "of another build");
        for text in ["", "rebuilding:abc", "rebuilding:a:b", "rebuilding:9/3/0/2/00/2"] {
            assert_eq!(sequence_reached(text), None, "{text:?}");
        }
    }

    #[test]
    fn texts_survive_a_round_trip() {
        let chain = Chain(*b"\x00\x01\x7f\x80\xffchain bytes");
        let position = Checkpoint { offset: 12, term: Some(7), sequence: 4, chain, anchor: 8, next_command: 9 };
        let texts = [
            (RedisProgress::At(Checkpoint::default()), "0:-:0:00000000000000000000000000000000:0:0:2"),
            (RedisProgress::At(position), "12:7:4:00017f80ff636861696e206279746573:8:9:2"),
            (RedisProgress::Clearing(10), "rebuilding:0000000000000000000000000000000a"),
            (RedisProgress::new(position, Some(13)), "rebuilding:13/12/7/4/00017f80ff636861696e206279746573/8/9/2"),
            (RedisProgress::new(position, Some(12)), "12:7:4:00017f80ff636861696e206279746573:8:9:2"),
            (
                RedisProgress::new(Checkpoint::default(), Some(1)),
                "rebuilding:1/0/-/0/00000000000000000000000000000000/0/0/2",
            ),
        ];
        for (progress, text) in texts {
            assert_eq!(progress.to_string(), text);
            assert_eq!(text.parse(), Ok(progress));
        }
        for text in [
            "",
            "1:2:3",
            "1:-:1:zz:1",
            "rebuilding:x",
            "rebuilding:1/2",
            "rebuilding:/0/-/0/00000000000000000000000000000000/0/0/2",
            "0:-:0:00000000000000000000000000000000:0:0:2:0",
            // The format of builds whose orders had a field for each number, and whose positions
            // had no anchors.
            "12:7:4:00017f80ff636861696e206279746573:8:9",
            "12:7:4:00017f80ff636861696e206279746573:9",
            // The format of a later build.
            "12:7:4:00017f80ff636861696e206279746573:8:9:3",
        ] {
            assert!(text.parse::<RedisProgress>().is_err(), "{text}");
        }
    }
}
