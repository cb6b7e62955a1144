//! Names and ids in paths and queries.

/// Returns true if a name can only be an id: digits alone.
pub fn is_id(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_digit())
}
