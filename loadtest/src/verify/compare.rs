//! Compares two maps that should be equal: the fold's and a read model's.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;

use super::Check;

/// Checks that `found` has the values of `expected` for every key. A key missing on one side counts
/// as `T::default()` there: read models need not keep empty rows.
pub fn with_defaults<K, T>(name: &str, expected: &HashMap<K, T>, found: &HashMap<K, T>) -> Check
where
    K: Eq + Hash + Debug,
    T: PartialEq + Debug + Default,
{
    compare(name, expected, found, |value| *value == T::default())
}

/// Checks that `found` has the same keys with the same values as `expected`.
pub fn exactly<K, T>(name: &str, expected: &HashMap<K, T>, found: &HashMap<K, T>) -> Check
where
    K: Eq + Hash + Debug,
    T: PartialEq + Debug,
{
    compare(name, expected, found, |_| false)
}

fn compare<K, T>(name: &str, expected: &HashMap<K, T>, found: &HashMap<K, T>, may_miss: impl Fn(&T) -> bool) -> Check
where
    K: Eq + Hash + Debug,
    T: PartialEq + Debug,
{
    let mut check = Check::new(name, expected.len().max(found.len()));
    for (key, value) in expected {
        match found.get(key) {
            Some(other) => check.faults.check(other == value, || differs(key, value, other)),
            None => check.faults.check(may_miss(value), || format!("{key:?} is missing: {value:?}")),
        }
    }
    for (key, value) in found {
        let known = expected.contains_key(key) || may_miss(value);
        check.faults.check(known, || format!("{key:?} is not in the log: {value:?}"));
    }
    check
}

/// Describes the fields in which two values differ.
fn differs<K: Debug, T: Debug>(key: &K, expected: &T, found: &T) -> String {
    let (expected, found) = (format!("{expected:#?}"), format!("{found:#?}"));
    let (mut lines, mut field) = (Vec::new(), String::new());
    for (a, b) in expected.lines().zip(found.lines()) {
        let [a, b] = [a, b].map(|line| line.trim().trim_end_matches(','));
        if a != b {
            let field = if a.contains(':') { "" } else { &field };
            lines.push(format!("{field}{a} in the log, {b} found"));
        } else if let Some(opened) = a.strip_suffix('(') {
            // A wrapped value is on a line of its own, without the field's name.
            field = format!("{opened} ");
        }
    }
    if lines.is_empty() {
        format!("{key:?}: {expected} in the log, {found} found")
    } else {
        format!("{key:?}: {}", lines.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(u8, i64)]) -> HashMap<u8, i64> {
        pairs.iter().copied().collect()
    }

    #[test]
    fn what_is_missing_too_much_or_different_is_found() {
        assert!(exactly("x", &map(&[(1, 5)]), &map(&[(1, 5)])).faults.is_empty());
        assert_eq!(exactly("x", &map(&[(1, 5), (2, 6)]), &map(&[(1, 4), (3, 7)])).faults.count(), 3);
        assert!(!exactly("x", &map(&[(1, 0)]), &map(&[])).faults.is_empty());
    }

    #[test]
    fn an_empty_row_may_be_missing_on_either_side() {
        assert!(with_defaults("x", &map(&[(1, 0)]), &map(&[(2, 0)])).faults.is_empty());
        assert_eq!(with_defaults("x", &map(&[(1, 1)]), &map(&[])).faults.count(), 1);
    }

    #[test]
    fn a_difference_names_the_field() {
        #[derive(Debug, PartialEq)]
        struct Row {
            same: Option<u8>,
            other: u8,
            wrapped: Option<u8>,
        }
        let row = |other| HashMap::from([(1, Row { same: Some(1), other, wrapped: Some(other) })]);
        let check = exactly("x", &row(2), &row(3));
        let told = "1: other: 2 in the log, other: 3 found; wrapped: Some 2 in the log, 3 found";
        assert_eq!(check.faults.told(), [told]);
    }
}
