//! A market's description: its texts, its category and tags, and its market event.
//!
//! All of it is set when the market is created. Until the first trade, an [edit](MarketEdit) may
//! replace it; before and after that, an [addition](MarketAddition) adds to it. Nothing that
//! somebody traded on is ever replaced (ADR 29).

use crate::ids::MarketEventId;
use crate::limits::{MARKET_SOURCES_MAX, MARKET_TAGS_MAX};
use crate::text::{Clarification, Label, Question, Rules, Source, UnknownName};
use crate::time::Timestamp;

growing! {
    /// A market's description.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct About {
        /// The market's question.
        pub question: Question,
        /// How the answer is determined, in every case.
        pub rules: Rules,
        /// Where to look up the answer.
        pub sources: Sources,
        /// The single category that lists it.
        pub category: Label,
        /// Further search terms.
        pub tags: Tags,
        /// The market event that the market belongs to.
        pub event: Option<MarketEventId>,
    }
}

growing! {
    /// A named group of markets. It never changes after its creation.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct MarketEvent {
        /// Must be [`MarketEventId::of`] the name.
        pub id: MarketEventId,
        /// Short name, unique.
        pub name: Label,
        /// The title, for people.
        pub title: Question,
        /// True if at most one of its markets can be answered YES.
        pub exclusive: bool,
    }
}

growing! {
    /// Replacements in the description of a market that has never traded; `None` keeps the old
    /// value.
    #[derive(Clone, PartialEq, Eq, Debug, Default)]
    pub struct MarketEdit {
        /// The market's question.
        pub question: Option<Question>,
        /// How the answer is determined.
        pub rules: Option<Rules>,
        /// Where to look up the answer: replaces all sources.
        pub sources: Option<Sources>,
        /// The category.
        pub category: Option<Label>,
        /// Replaces all tags.
        pub tags: Option<Tags>,
        /// The market event that the market belongs to; `Some(None)` removes it from its event.
        pub event: Option<Option<MarketEventId>>,
        /// When the market opens automatically; `Some(None)`: never.
        pub opens: Option<Option<Timestamp>>,
        /// When the market closes automatically.
        pub expiry: Option<Timestamp>,
    }
}

growing! {
    /// Additions to a market's description.
    #[derive(Clone, PartialEq, Eq, Debug, Default)]
    pub struct MarketAddition {
        /// How to interpret the rules in a case that they leave open. Shown after the rules, with
        /// its time.
        pub clarification: Option<Clarification>,
        /// Further sources.
        pub sources: Sources,
        /// Further tags.
        pub tags: Tags,
    }
}

macro_rules! short_list {
    ($(#[$meta:meta])* $name:ident of $item:ty, $max:expr) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Debug, Default)]
        pub struct $name(Vec<$item>);

        checked_decode!($name(Vec<$item>));

        impl $name {
            /// Returns `None` if there are too many items, or one occurs twice.
            pub fn new(items: Vec<$item>) -> Option<Self> {
                let repeated = items.iter().enumerate().any(|(at, item)| items[..at].contains(item));
                (items.len() <= $max && !repeated).then_some(Self(items))
            }

            /// Returns these items and `more`. `None` if that is too many, or one occurs twice.
            pub fn with(&self, more: &Self) -> Option<Self> {
                Self::new([self.0.as_slice(), more.0.as_slice()].concat())
            }
        }

        impl std::ops::Deref for $name {
            type Target = [$item];

            fn deref(&self) -> &[$item] {
                &self.0
            }
        }
    };
}

short_list! {
    /// Where to look up a market's answer. Invariant: at most 10, without duplicates.
    Sources of Source, MARKET_SOURCES_MAX
}

short_list! {
    /// A market's tags. Invariant: at most 10, without duplicates.
    Tags of Label, MARKET_TAGS_MAX
}

impl About {
    /// Returns a description with only the mandatory texts: no sources, no tags and no market
    /// event.
    pub fn plain(question: &str, rules: &str, category: &str) -> Result<Self, UnknownName> {
        let (question, rules, category) = (question.parse()?, rules.parse()?, category.parse()?);
        Ok(Self { question, rules, sources: Sources::default(), category, tags: Tags::default(), event: None })
    }
}

impl MarketEdit {
    /// Returns true if it replaces nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Combines this edit with a `later` one, which takes precedence.
    #[must_use]
    pub fn then(self, later: &Self) -> Self {
        Self {
            question: later.question.clone().or(self.question),
            rules: later.rules.clone().or(self.rules),
            sources: later.sources.clone().or(self.sources),
            category: later.category.clone().or(self.category),
            tags: later.tags.clone().or(self.tags),
            event: later.event.or(self.event),
            opens: later.opens.or(self.opens),
            expiry: later.expiry.or(self.expiry),
        }
    }
}

impl MarketAddition {
    /// Returns true if it adds nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(names: &[&str]) -> Option<Tags> {
        Tags::new(names.iter().map(|name| name.parse().expect("a label")).collect())
    }

    #[test]
    fn a_list_is_short_and_has_nothing_twice() {
        assert!(tags(&[]).is_some() && tags(&["a", "b"]).is_some());
        assert_eq!(tags(&["a", "b", "a"]), None);
        let many: Vec<String> = (0..=MARKET_TAGS_MAX).map(|n| format!("t{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(tags(&many[1..]).is_some());
        assert_eq!(tags(&many), None);
        let nine = tags(&many[..9]).expect("they are few");
        assert!(nine.with(&tags(&["x"]).expect("one")).is_some());
        assert_eq!(nine.with(&tags(&["x", "y"]).expect("two")), None, "that would be eleven");
        assert_eq!(nine.with(&tags(&["t0"]).expect("one")), None, "it is there already");
    }

    #[test]
    fn bytes_of_a_list_that_breaks_its_invariant_are_refused() {
        let mut bytes = Vec::new();
        crate::codec::encode_into(&vec!["a".to_owned(), "a".to_owned()], &mut bytes);
        assert!(crate::codec::decode_exact::<Tags>(&bytes).is_err());
        assert!(crate::codec::decode_exact::<Vec<Label>>(&bytes).is_ok());
    }

    #[test]
    fn the_later_edit_counts_field_by_field() {
        let first = MarketEdit { tags: tags(&["a"]), opens: Some(Some(Timestamp(1))), ..MarketEdit::default() };
        let later = MarketEdit { opens: Some(None), expiry: Some(Timestamp(9)), ..MarketEdit::default() };
        let both = MarketEdit { tags: tags(&["a"]), ..later.clone() };
        assert_eq!(first.clone().then(&later), both);
        assert!(!first.is_empty() && MarketEdit::default().is_empty());
        assert_eq!(first.clone().then(&MarketEdit::default()), first);
    }
}
