//! Filters of the list of markets. Pure.

use schemas::text::Label;
use schemas::{MarketState, Timestamp};

use crate::http::fields::Params;
use crate::http::parse::{self, ValueFault};
use crate::http::range::several;
use crate::shapes::market::MarketShape;
use crate::view::topics::MarketTopic;

/// The most characters of a text to search for.
const SEARCH_MAX: usize = 64;

/// What a market must be to be listed; an empty list of values allows all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MarketFilter {
    states: Vec<MarketState>,
    categories: Vec<Label>,
    tags: Vec<Label>,
    /// In lower case.
    search: Option<String>,
    expires_since: Option<Timestamp>,
    expires_until: Option<Timestamp>,
}

impl MarketFilter {
    /// Reads the filter.
    pub fn read(params: &mut Params) -> Self {
        const STATES: &str = "CREATED, OPEN, PAUSED, CANCEL_ONLY, CLOSED, RESOLVING, RESOLVED, VOIDED";
        let read = Self {
            states: params.optional("state", several(parse::name(STATES))).unwrap_or_default(),
            categories: params.optional("category", several(parse::label)).unwrap_or_default(),
            tags: params.optional("tag", several(parse::label)).unwrap_or_default(),
            search: params.optional("search", search),
            expires_since: params.optional("expires_since", parse::time),
            expires_until: params.optional("expires_until", parse::time),
        };
        if read.expires_since.zip(read.expires_until).is_some_and(|(since, until)| since >= until) {
            params.fault("expires_until", ValueFault::conflict("must be later than expires_since"));
        }
        read
    }

    /// Returns the criteria that the indexes have: those with one value.
    pub fn topics(&self) -> impl Iterator<Item = MarketTopic> {
        let state = one(&self.states).map(MarketTopic::State);
        let category = one(&self.categories).map(MarketTopic::Category);
        [state, category, one(&self.tags).map(MarketTopic::Tag)].into_iter().flatten()
    }

    /// Returns true if a market that has paid out may be listed.
    pub fn allows_final(&self) -> bool {
        self.states.is_empty() || self.states.iter().any(|state| state.is_final())
    }

    /// Returns true if the market is listed.
    pub fn allows(&self, market: &MarketShape) -> bool {
        let (listing, about) = (&market.listing, &market.listing.about);
        let is_found = |wanted: &String| {
            let texts = [listing.ticker.as_str(), about.question.as_str()];
            texts.iter().any(|text| text.to_lowercase().contains(wanted.as_str()))
        };
        (self.states.is_empty() || self.states.contains(&market.state))
            && (self.categories.is_empty() || self.categories.contains(&about.category))
            && (self.tags.is_empty() || about.tags.iter().any(|tag| self.tags.contains(tag)))
            && self.expires_since.is_none_or(|since| listing.expiry >= since)
            && self.expires_until.is_none_or(|until| listing.expiry < until)
            && self.search.as_ref().is_none_or(is_found)
    }
}

fn one<T: Clone>(values: &[T]) -> Option<T> {
    if let [value] = values { Some(value.clone()) } else { None }
}

fn search(text: &str) -> Result<String, ValueFault> {
    match text.chars().count() {
        1..=SEARCH_MAX => Ok(text.to_lowercase()),
        _ => Err(ValueFault::range(&format!("1 to {SEARCH_MAX} characters"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::Shard;

    fn read(query: &[(&str, &str)]) -> Result<MarketFilter, serde_json::Value> {
        let pairs = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut params = Params::new(pairs.collect());
        let filter = MarketFilter::read(&mut params);
        params.finish().map(|()| filter).map_err(|problem| problem.body()["errors"][0]["parameter"].clone())
    }

    #[test]
    fn a_market_is_listed_if_it_meets_each_filter_with_any_of_its_values() {
        let mut market = MarketShape::listed(crate::view::tests::listing("RAIN"), Shard::new(0).unwrap());
        market.listing.expiry = Timestamp(2_000);
        let is_listed = |name, value| read(&[(name, value)]).unwrap().allows(&market);
        let question = market.listing.about.question.as_str().to_uppercase();
        for (name, value) in [
            ("search", "rAi"),
            ("search", &question[1..]),
            ("state", "OPEN,CREATED"),
            ("category", "tests,other"),
            ("expires_since", "1970-01-01T00:00:02Z"),
            ("expires_until", "1970-01-01T00:00:03Z"),
        ] {
            assert!(is_listed(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("search", "snow"),
            ("state", "OPEN,PAUSED"),
            ("category", "other"),
            ("tag", "none"),
            ("expires_since", "1970-01-01T00:00:03Z"),
            ("expires_until", "1970-01-01T00:00:02Z"),
        ] {
            assert!(!is_listed(name, value), "{name}={value}");
        }
        assert!(!read(&[("search", "rain"), ("state", "OPEN")]).unwrap().allows(&market));
    }

    #[test]
    fn indexes_serve_filters_with_one_value() {
        let topics = |query: &[(&str, &str)]| read(query).unwrap().topics().count();
        assert_eq!(topics(&[("state", "OPEN"), ("category", "a,b"), ("tag", "c")]), 2);
        assert!(read(&[("state", "OPEN,PAUSED")]).is_ok_and(|filter| !filter.allows_final()));
        assert!(read(&[("state", "OPEN,VOIDED")]).is_ok_and(|filter| filter.allows_final()));
    }

    #[test]
    fn filters_have_bounds() {
        let long = "x".repeat(SEARCH_MAX + 1);
        for (name, value) in [("search", ""), ("search", long.as_str()), ("state", "open"), ("expires_since", "now")] {
            assert_eq!(read(&[(name, value)]), Err(name.into()));
        }
        let (one, two) = ("1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z");
        assert_eq!(read(&[("expires_since", two), ("expires_until", one)]), Err("expires_until".into()));
    }
}
