//! The fields of a hash in Redis.

use std::collections::HashMap;

use schemas::{Price, Timestamp};

use super::error::ReadError;

pub type RedisHash = HashMap<String, String>;

pub fn integer(hash: &RedisHash, field: &'static str) -> Result<Option<i64>, ReadError> {
    let parse = |text: &String| text.parse().map_err(|_| ReadError::Impossible(field));
    hash.get(field).map(parse).transpose()
}

pub fn price(ticks: i64) -> Result<Price, ReadError> {
    u16::try_from(ticks).ok().and_then(Price::new).ok_or(ReadError::Impossible("price"))
}

pub fn time(millis: i64) -> Result<Timestamp, ReadError> {
    u64::try_from(millis).map(Timestamp).map_err(|_| ReadError::Impossible("time"))
}
