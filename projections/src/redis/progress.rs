//! How far a shard's keys are, as the text under its `progress` key.

use std::fmt::Write as _;

use schemas::reading::Position;
use schemas::record::Chain;

const REBUILDING: &str = "rebuilding:";

/// What stands under a `progress` key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// The keys are those of this position.
    At(Position),
    /// Somebody, named by a token, clears the keys and will fold the log again.
    Rebuilding(u128),
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rebuilding(token) => write!(f, "{REBUILDING}{token:032x}"),
            Self::At(position) => {
                write!(f, "{}:", position.offset)?;
                match position.term {
                    Some(term) => write!(f, "{term}:")?,
                    None => f.write_str("-:")?,
                }
                write!(f, "{}:", position.sequence)?;
                for byte in position.chain.0 {
                    write!(f, "{byte:02x}")?;
                }
                f.write_char(':')?;
                write!(f, "{}", position.next_command)
            }
        }
    }
}

impl std::str::FromStr for Progress {
    type Err = NoProgress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| NoProgress(text.to_owned()))
    }
}

/// The text is no progress: somebody else writes these keys.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is no progress of this projection")]
pub struct NoProgress(String);

fn parse(text: &str) -> Option<Progress> {
    if let Some(token) = text.strip_prefix(REBUILDING) {
        return u128::from_str_radix(token, 16).ok().map(Progress::Rebuilding);
    }
    let mut parts = text.split(':');
    let position = Position {
        offset: parts.next()?.parse().ok()?,
        term: match parts.next()? {
            "-" => None,
            term => Some(term.parse().ok()?),
        },
        sequence: parts.next()?.parse().ok()?,
        chain: chain(parts.next()?)?,
        next_command: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(Progress::At(position))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_survive_a_round_trip() {
        let chain = Chain(*b"\x00\x01\x7f\x80\xffchain bytes");
        let position = Position { offset: 12, term: Some(7), sequence: 4, chain, next_command: 9 };
        let texts = [
            (Progress::At(Position::default()), "0:-:0:00000000000000000000000000000000:0"),
            (Progress::At(position), "12:7:4:00017f80ff636861696e206279746573:9"),
            (Progress::Rebuilding(10), "rebuilding:0000000000000000000000000000000a"),
        ];
        for (progress, text) in texts {
            assert_eq!(progress.to_string(), text);
            assert_eq!(text.parse(), Ok(progress));
        }
        for text in ["", "1:2:3", "1:-:1:zz:1", "rebuilding:x", "0:-:0:00000000000000000000000000000000:0:0"] {
            assert!(text.parse::<Progress>().is_err(), "{text}");
        }
    }
}
