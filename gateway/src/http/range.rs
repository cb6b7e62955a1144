//! Ranges of time of lists, and several values of one filter. Pure.

use schemas::Timestamp;

use crate::http::fields::Params;
use crate::http::parse::{self, ValueFault};

/// The most values of one filter.
pub const VALUES_MAX: usize = 16;

/// A range of time; an absent end is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TimeRange {
    /// The first moment of the range.
    pub since: Option<Timestamp>,
    /// The first moment after the range.
    pub until: Option<Timestamp>,
}

impl TimeRange {
    /// Reads `since` and `until`.
    pub fn read(params: &mut Params) -> Self {
        let range = Self { since: params.optional("since", parse::time), until: params.optional("until", parse::time) };
        if range.since.zip(range.until).is_some_and(|(since, until)| since >= until) {
            params.fault("until", ValueFault::conflict("must be later than since"));
        }
        range
    }

    /// Returns the place after which a page begins, newest first: the cursor's, or that of the
    /// range's end if it is older. `end` makes the place that follows everything of a moment and
    /// later.
    pub fn place<P>(
        self,
        cursor: Option<P>,
        time: impl Fn(&P) -> Timestamp,
        end: impl Fn(Timestamp) -> P,
    ) -> Option<P> {
        let Some(until) = self.until else { return cursor };
        Some(cursor.filter(|place| time(place) < until).unwrap_or_else(|| end(until)))
    }
}

/// Parses values that are separated by commas.
pub fn several<T>(parse: impl Fn(&str) -> Result<T, ValueFault>) -> impl Fn(&str) -> Result<Vec<T>, ValueFault> {
    several_up_to(VALUES_MAX, parse)
}

/// Parses at most `max` values that are separated by commas.
pub fn several_up_to<T>(
    max: usize,
    parse: impl Fn(&str) -> Result<T, ValueFault>,
) -> impl Fn(&str) -> Result<Vec<T>, ValueFault> {
    move |text| {
        if text.split(',').count() > max {
            return Err(ValueFault::range(&format!("at most {max} values, separated by commas")));
        }
        text.split(',').map(&parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_after_it_begins() {
        let read = |since: &str, until: &str| {
            let pairs = [("since", since), ("until", until)];
            let mut params = Params::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec());
            let range = TimeRange::read(&mut params);
            params.finish().map(|()| range).map_err(|problem| problem.body()["errors"][0]["parameter"].clone())
        };
        let (one, two) = ("1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z");
        let range = TimeRange { since: Some(Timestamp(1_000)), until: Some(Timestamp(2_000)) };
        assert_eq!(read(one, two), Ok(range));
        assert_eq!(read(two, one), Err("until".into()));
        assert_eq!(read(one, one), Err("until".into()));
        assert_eq!(read("now", two), Err("since".into()));
    }

    #[test]
    fn a_page_begins_at_the_older_of_the_cursor_and_the_ranges_end() {
        let place = |until: Option<u64>, cursor| {
            let range = TimeRange { until: until.map(Timestamp), since: None };
            range.place(cursor, |(time, _)| *time, |time| (time, 0))
        };
        let cursor = Some((Timestamp(5), 7));
        assert_eq!(place(None, cursor), cursor);
        assert_eq!(place(Some(6), cursor), cursor);
        assert_eq!(place(Some(5), cursor), Some((Timestamp(5), 0)));
        assert_eq!(place(Some(6), None), Some((Timestamp(6), 0)));
    }

    #[test]
    fn several_values_are_separated_by_commas() {
        let parse = several_up_to(2, |text| text.parse::<u8>().map_err(|_| ValueFault::form("a number")));
        assert_eq!(parse("1,2"), Ok(vec![1, 2]));
        assert!(parse("1,2,3").is_err() && parse("1,").is_err() && parse("").is_err());
    }
}
