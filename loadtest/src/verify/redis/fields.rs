//! The fields of a key.

use std::collections::HashMap;

use crate::verify::read_model_error::ReadModelError;

pub type RedisFields = HashMap<String, String>;

pub fn number<T: std::str::FromStr>(key: &str, text: &str) -> Result<T, ReadModelError> {
    text.parse().map_err(|_| nonsense(key, "a number", text))
}

pub fn nonsense(key: &str, what: &str, value: &str) -> ReadModelError {
    ReadModelError::Nonsense(format!("{key}: {what} is {value}"))
}
