//! The part of a market's listing that the matching rules need. The texts are in the log and in the
//! read models; here is only enough of them to refuse a repeat.

use bincode::{Decode, Encode};
use schemas::text::{Label, Source};
use schemas::{FeeRate, Listing, MarketAddition, MarketEdit, MarketEventId, MarketId, Timestamp};
use twox_hash::XxHash3_64;

/// A market's listing without its texts.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Listed {
    /// The market.
    pub market: MarketId,
    /// When it opens by time.
    pub opens: Option<Timestamp>,
    /// When it closes by time.
    pub expiry: Timestamp,
    /// Limit prices are multiples of it, in ticks.
    pub tick: u16,
    /// The fee rate of the order that was resting.
    pub maker_fee: FeeRate,
    /// The fee rate of the order that came in.
    pub taker_fee: FeeRate,
    /// How long a confirmed answer can be amended.
    pub dispute_window_ms: u64,
    /// The market event that contains it.
    pub event: Option<MarketEventId>,
    /// Its sources.
    pub sources: Prints,
    /// Its tags.
    pub tags: Prints,
    /// How often its rules were clarified.
    pub clarifications: u8,
}

/// A hash of each text, to check only whether a text is there already.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct Prints(Box<[u64]>);

impl Prints {
    fn of_sources(sources: &[Source]) -> Self {
        Self(sources.iter().map(|source| print(source.as_str())).collect())
    }

    fn of_tags(tags: &[Label]) -> Self {
        Self(tags.iter().map(|tag| print(tag.as_str())).collect())
    }

    /// Returns the number of texts.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns true if one of the texts is there already.
    fn meets(&self, other: &Self) -> bool {
        other.0.iter().any(|print| self.0.contains(print))
    }

    fn extend(&mut self, other: &Self) {
        self.0 = [self.0.as_ref(), other.0.as_ref()].concat().into();
    }
}

/// Returns the hash of a text. Two texts with one hash count as the same: then the second is
/// refused, and can be worded differently.
fn print(text: &str) -> u64 {
    XxHash3_64::oneshot(text.as_bytes())
}

impl Listed {
    /// Returns the listing as it was created.
    pub fn of(listing: &Listing) -> Self {
        Self {
            market: listing.market,
            opens: listing.opens,
            expiry: listing.expiry,
            tick: listing.tick,
            maker_fee: listing.maker_fee,
            taker_fee: listing.taker_fee,
            dispute_window_ms: listing.dispute_window_ms,
            event: listing.about.event,
            sources: Prints::of_sources(&listing.about.sources),
            tags: Prints::of_tags(&listing.about.tags),
            clarifications: 0,
        }
    }

    /// Returns true if something that is to be added is there already.
    pub fn has_of(&self, addition: &MarketAddition) -> bool {
        let (sources, tags) = (Prints::of_sources(&addition.sources), Prints::of_tags(&addition.tags));
        self.sources.meets(&sources) || self.tags.meets(&tags)
    }

    pub(crate) fn edit(&mut self, edit: &MarketEdit) {
        self.opens = edit.opens.unwrap_or(self.opens);
        self.expiry = edit.expiry.unwrap_or(self.expiry);
        self.event = edit.event.unwrap_or(self.event);
        if let Some(sources) = &edit.sources {
            self.sources = Prints::of_sources(sources);
        }
        if let Some(tags) = &edit.tags {
            self.tags = Prints::of_tags(tags);
        }
    }

    pub(crate) fn add(&mut self, addition: &MarketAddition) {
        self.sources.extend(&Prints::of_sources(&addition.sources));
        self.tags.extend(&Prints::of_tags(&addition.tags));
        self.clarifications += u8::from(addition.clarification.is_some());
    }
}
