//! Text types with a limited length and alphabet.

use crate::limits::{
    CLARIFICATION_BYTES_MAX, KEY_NAME_BYTES_MAX, LABEL_BYTES_MAX, QUESTION_BYTES_MAX, REASON_BYTES_MAX,
    RULES_BYTES_MAX, SOURCE_BYTES_MAX, TICKER_BYTES_MAX,
};

/// The text is not one of the known names, or does not have the required form.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a known name or form")]
pub struct UnknownName;

macro_rules! text_traits {
    ($name:ident) => {
        impl std::str::FromStr for $name {
            type Err = UnknownName;

            /// Parses text from outside. Stricter than what the log may contain, see
            /// [`is_visible`].
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if is_visible(text) { Self::new(text.to_owned()).ok_or(UnknownName) } else { Err(UnknownName) }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// Returns false for text with invisible characters, or characters that change the direction of the
/// text around them: two such texts can look the same and differ, or look like something else.
/// Joiners are allowed, since scripts and emoji need them.
///
/// Checked only on input: the log may contain such texts from earlier.
pub fn is_visible(text: &str) -> bool {
    const JOINERS: [char; 2] = ['\u{200c}', '\u{200d}'];
    let hidden = |c: char| {
        matches!(c,
            // Soft hyphen, combining joiner, Arabic letter mark, fillers, Mongolian separators.
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            // Zero widths, directions, separators, invisible operators, isolates.
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            // Shorthand and musical controls, tags, variations of ideographs.
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
    };
    text.chars().all(|c| JOINERS.contains(&c) || !hidden(c))
}

/// Parses a number in this project's form: digits only, no sign, no leading zero. Each number has
/// exactly one spelling.
pub fn decimal(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let leads = text.len() > 1 && text.starts_with('0');
    if digits && !leads { text.parse().ok() } else { None }
}

/// A market's short name. Invariant: 1 to 32 characters of `A–Z`, `0–9` and `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticker(String);

checked_decode!(Ticker(String));

impl Ticker {
    /// Returns `None` if the text breaks the invariant.
    pub fn new(text: String) -> Option<Self> {
        let fits = (1..=TICKER_BYTES_MAX).contains(&text.len());
        let plain = text.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'-'));
        (fits && plain).then_some(Self(text))
    }

    /// Returns true if the ticker has a letter: one of digits only could be another market's id.
    pub fn has_letter(&self) -> bool {
        self.0.bytes().any(|b| b.is_ascii_uppercase())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns true for 1 to `most` bytes of text that is not only white space and has no control
/// characters except those in `allowed`.
fn is_text(text: &str, most: usize, allowed: &[char]) -> bool {
    let plain = |c: char| !c.is_control() || allowed.contains(&c);
    text.len() <= most && !text.trim().is_empty() && text.chars().all(plain)
}

macro_rules! text {
    ($(#[$meta:meta])* $name:ident, $most:expr, $allowed:expr) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub struct $name(String);

        checked_decode!($name(String));

        impl $name {
            /// Returns `None` if the text breaks the invariant.
            pub fn new(text: String) -> Option<Self> {
                is_text(&text, $most, $allowed).then_some(Self(text))
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        text_traits!($name);
    };
}

text! {
    /// A market's question, or the title of a market event. Invariant: 1 to 500 bytes of UTF-8
    /// without control characters, not only white space.
    Question, QUESTION_BYTES_MAX, &[]
}

text! {
    /// How a market's answer is determined. Invariant: 1 to 10,000 bytes of UTF-8 without control
    /// characters except line ends, not only white space.
    Rules, RULES_BYTES_MAX, &['\n']
}

text! {
    /// How to interpret a market's rules in a case that they leave open. Invariant: 1 to 2,000
    /// bytes, otherwise like [`Rules`].
    Clarification, CLARIFICATION_BYTES_MAX, &['\n']
}

text! {
    /// Where to look up a market's answer: an address or a name. Invariant: 1 to 500 bytes of UTF-8
    /// without control characters, not only white space.
    Source, SOURCE_BYTES_MAX, &[]
}

text! {
    /// The name that an account gives one of its keys. Invariant: 1 to 64 bytes of UTF-8 without
    /// control characters, not only white space.
    KeyName, KEY_NAME_BYTES_MAX, &[]
}

/// A category, a tag, or the short name of a market event. Invariant: 1 to 32 characters of `a–z`,
/// `0–9` and `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Label(String);

checked_decode!(Label(String));

impl Label {
    /// Returns `None` if the text breaks the invariant.
    pub fn new(text: String) -> Option<Self> {
        let fits = (1..=LABEL_BYTES_MAX).contains(&text.len());
        let plain = text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        (fits && plain).then_some(Self(text))
    }

    /// Returns true if the label has a letter: one of digits only could be another market event's
    /// id.
    pub fn has_letter(&self) -> bool {
        self.0.bytes().any(|b| b.is_ascii_lowercase())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why an operator or a process did something. Invariant: 1 to 1,000 bytes of UTF-8 without control
/// characters, not only white space.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason(String);

checked_decode!(Reason(String));

impl Reason {
    /// Returns `None` if the text breaks the invariant.
    pub fn new(text: String) -> Option<Self> {
        is_text(&text, REASON_BYTES_MAX, &[]).then_some(Self(text))
    }

    /// Converts any text: replaces control characters with spaces and truncates what is too long.
    pub fn of(text: &str) -> Self {
        let mut plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        plain.truncate(plain.floor_char_boundary(REASON_BYTES_MAX));
        Self::new(plain).unwrap_or_else(|| Self("none given".to_owned()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

text_traits!(Ticker);
text_traits!(Label);
text_traits!(Reason);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_bounded_and_has_no_control_characters() {
        assert!(Question::new("a".repeat(QUESTION_BYTES_MAX)).is_some());
        assert_eq!(Question::new("a".repeat(QUESTION_BYTES_MAX + 1)), None);
        for text in ["", "  ", "a\nb", "a\u{7}"] {
            assert_eq!(Question::new(text.to_owned()), None, "{text:?}");
            assert_eq!(Source::new(text.to_owned()), None, "{text:?}");
        }
    }

    #[test]
    fn only_rules_and_what_clarifies_them_have_lines() {
        let lines = "If it rains: YES.\nElse: NO.";
        assert!(Rules::new(lines.to_owned()).is_some() && Clarification::new(lines.to_owned()).is_some());
        for text in ["\n", "a\rb", "a\tb", "a\u{0}"] {
            assert_eq!(Rules::new(text.to_owned()), None, "{text:?}");
        }
        assert!(Rules::new("a".repeat(RULES_BYTES_MAX)).is_some());
        assert_eq!(Rules::new("a".repeat(RULES_BYTES_MAX + 1)), None);
        assert_eq!(Clarification::new("a".repeat(CLARIFICATION_BYTES_MAX + 1)), None);
    }

    #[test]
    fn no_text_from_outside_hides_anything() {
        for c in
            ['\u{200b}', '\u{202e}', '\u{2066}', '\u{feff}', '\u{ad}', '\u{e0041}', '\u{2028}', '\u{61c}', '\u{3164}']
        {
            let text = format!("Will it{c} rain?");
            assert!(text.parse::<Question>().is_err() && text.parse::<Rules>().is_err(), "{c:?}");
            assert!(text.parse::<Source>().is_err() && text.parse::<KeyName>().is_err(), "{c:?}");
            assert!(text.parse::<Clarification>().is_err() && text.parse::<Reason>().is_err(), "{c:?}");
            assert!(Question::new(text).is_some(), "the log may hold it");
        }
        for text in
            ["Regnet es in Zürich?", "هل ستمطر؟", "می\u{200c}خواهم", "👩\u{200d}👩\u{200d}👧", "☔\u{fe0f}", "雨？"]
        {
            assert!(text.parse::<Question>().is_ok(), "{text}");
        }
    }

    #[test]
    fn a_number_has_one_spelling() {
        assert_eq!((decimal("0"), decimal("7"), decimal("18446744073709551615")), (Some(0), Some(7), Some(u64::MAX)));
        for text in ["", "+1", "-1", "01", "00", " 1", "1 ", "1.0", "١", "18446744073709551616"] {
            assert_eq!(decimal(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_name_of_digits_alone_has_no_letter() {
        let ticker = |text: &str| text.parse::<Ticker>().unwrap().has_letter();
        let label = |text: &str| text.parse::<Label>().unwrap().has_letter();
        assert_eq!((ticker("7"), ticker("7-7"), ticker("7A")), (false, false, true));
        assert_eq!((label("7"), label("7-7"), label("7a")), (false, false, true));
    }

    #[test]
    fn a_label_has_one_spelling() {
        assert!("us-politics-2026".parse::<Label>().is_ok());
        for text in ["", "Weather", "a b", "ä", &"a".repeat(LABEL_BYTES_MAX + 1)] {
            assert!(text.parse::<Label>().is_err(), "{text:?}");
        }
    }
}
