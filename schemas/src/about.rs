//! What a market is about: its texts, its category and tags, the market event that it belongs to.
//!
//! All of it is set when the market is created. Until the first trade an [edit](MarketEdit) may replace it; from then on,
//! and before, an [addition](MarketAddition) adds to it. Nothing that somebody traded on is ever replaced (ADR 29).

use crate::ids::MarketEventId;
use crate::limits::{MARKET_SOURCES_MAX, MARKET_TAGS_MAX};
use crate::market::Listing;
use crate::text::{Clarification, Label, Question, Rules, Source, UnknownName};
use crate::time::Timestamp;

growing! {
    /// What a market is about.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct About {
        /// What the market asks.
        pub question: Question,
        /// How the answer is found, in every case.
        pub rules: Rules,
        /// Where the answer is looked up.
        pub sources: Sources,
        /// The one category that it is listed under.
        pub category: Label,
        /// What else it is found by.
        pub tags: Tags,
        /// The market event that it belongs to.
        pub event: Option<MarketEventId>,
    }
}

growing! {
    /// A named group of markets. What it was created with stays as it is.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct MarketEvent {
        /// Must be [`MarketEventId::of`] the name.
        pub id: MarketEventId,
        /// Short name, unique.
        pub name: Label,
        /// What the event is, for people.
        pub title: Question,
        /// True if at most one of its markets can be answered YES.
        pub exclusive: bool,
    }
}

growing! {
    /// What is replaced in a market that has never traded; `None` leaves it.
    #[derive(Clone, PartialEq, Eq, Debug, Default)]
    pub struct MarketEdit {
        /// What the market asks.
        pub question: Option<Question>,
        /// How the answer is found.
        pub rules: Option<Rules>,
        /// Where the answer is looked up: all of them.
        pub sources: Option<Sources>,
        /// The category.
        pub category: Option<Label>,
        /// All tags.
        pub tags: Option<Tags>,
        /// The market event that it belongs to; `Some(None)` takes it out of its own.
        pub event: Option<Option<MarketEventId>>,
        /// When it opens by itself; `Some(None)`: it does not.
        pub opens: Option<Option<Timestamp>>,
        /// When it closes by itself.
        pub expiry: Option<Timestamp>,
    }
}

growing! {
    /// What is added to a market.
    #[derive(Clone, PartialEq, Eq, Debug, Default)]
    pub struct MarketAddition {
        /// What the rules mean, in a case that they leave open. Stands behind the rules, with its time.
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
            /// `None` if they are too many, or one is there twice.
            pub fn new(items: Vec<$item>) -> Option<Self> {
                let repeated = items.iter().enumerate().any(|(at, item)| items[..at].contains(item));
                (items.len() <= $max && !repeated).then_some(Self(items))
            }

            /// These and more. `None` if they are too many, or one is there already.
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
    /// Where a market's answer is looked up. Invariant: at most 10, each once.
    Sources of Source, MARKET_SOURCES_MAX
}

short_list! {
    /// A market's tags. Invariant: at most 10, each once.
    Tags of Label, MARKET_TAGS_MAX
}

impl About {
    /// What must be there and no more: without sources and tags, and in no market event.
    pub fn plain(question: &str, rules: &str, category: &str) -> Result<Self, UnknownName> {
        let (question, rules, category) = (question.parse()?, rules.parse()?, category.parse()?);
        Ok(Self { question, rules, sources: Sources::default(), category, tags: Tags::default(), event: None })
    }
}

impl MarketEdit {
    /// True if it replaces nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// This, and `later` on top of it.
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
    /// True if it adds nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What the events of a market's life do to what it is: for every reader that shows it.
impl Listing {
    /// Replaces what an edit says.
    pub fn edit(&mut self, edit: &MarketEdit) {
        let MarketEdit { question, rules, sources, category, tags, event, opens, expiry } = edit.clone();
        let about = std::sync::Arc::make_mut(&mut self.about);
        about.question = question.unwrap_or_else(|| about.question.clone());
        about.rules = rules.unwrap_or_else(|| about.rules.clone());
        about.sources = sources.unwrap_or_else(|| about.sources.clone());
        about.category = category.unwrap_or_else(|| about.category.clone());
        about.tags = tags.unwrap_or_else(|| about.tags.clone());
        about.event = event.unwrap_or(about.event);
        self.opens = opens.unwrap_or(self.opens);
        self.expiry = expiry.unwrap_or(self.expiry);
    }

    /// Adds sources and tags. `None`, and nothing is changed, if the market then had too many, or one twice: no engine
    /// says so. (A clarification stands beside the listing, with its time.)
    #[must_use]
    pub fn add(&mut self, addition: &MarketAddition) -> Option<()> {
        let (sources, tags) = (self.about.sources.with(&addition.sources)?, self.about.tags.with(&addition.tags)?);
        let about = std::sync::Arc::make_mut(&mut self.about);
        (about.sources, about.tags) = (sources, tags);
        Some(())
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
