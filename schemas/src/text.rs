//! Short texts with a bound and an alphabet.

use crate::limits::{QUESTION_BYTES_MAX, REASON_BYTES_MAX, TICKER_BYTES_MAX};

/// The text is not one of the known names, or has not the form that was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a known name or form")]
pub struct UnknownName;

/// A market's short name. Invariant: 1 to 32 of `A–Z`, `0–9` and `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticker(String);

checked_decode!(Ticker(String));

impl Ticker {
    /// `None` if the text breaks the invariant.
    pub fn new(text: String) -> Option<Self> {
        let fits = (1..=TICKER_BYTES_MAX).contains(&text.len());
        let plain = text.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'-'));
        (fits && plain).then_some(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a market asks. Invariant: 1 to 500 bytes of UTF-8 without control characters, not only white space.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question(String);

checked_decode!(Question(String));

impl Question {
    /// `None` if the text breaks the invariant.
    pub fn new(text: String) -> Option<Self> {
        let fits = text.len() <= QUESTION_BYTES_MAX && !text.trim().is_empty();
        (fits && !text.chars().any(char::is_control)).then_some(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why an operator, or a process, did something. Invariant: 1 to 1,000 bytes of UTF-8 without control characters, not
/// only white space.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason(String);

checked_decode!(Reason(String));

impl Reason {
    /// `None` if the text breaks the invariant.
    pub fn new(text: String) -> Option<Self> {
        let fits = text.len() <= REASON_BYTES_MAX && !text.trim().is_empty();
        (fits && !text.chars().any(char::is_control)).then_some(Self(text))
    }

    /// Of any text: control characters become spaces, and what is too long is cut off.
    pub fn of(text: &str) -> Self {
        let mut plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        plain.truncate(plain.floor_char_boundary(REASON_BYTES_MAX));
        Self::new(plain).unwrap_or_else(|| Self("none given".to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_traits {
    ($name:ident) => {
        impl std::str::FromStr for $name {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text.to_owned()).ok_or(UnknownName)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_traits!(Ticker);
text_traits!(Question);
text_traits!(Reason);
