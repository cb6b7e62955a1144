//! Operations of one call of `apply.lua`, as its keys and arguments.

use std::collections::HashMap;

use super::keys::Keys;
use crate::sink::WriterId;

/// The script.
pub const APPLY: &str = include_str!("apply.lua");

/// Words that one Redis command of the script takes at most: Lua's stack has room for some 8,000.
const WORDS_MAX: usize = 1_000;

/// What a batch does to keys, in order.
#[derive(Debug)]
pub struct Operations {
    keys: Vec<String>,
    numbers: HashMap<String, usize>,
    words: Vec<String>,
}

impl Operations {
    /// Nothing yet, but that `writer` moves the progress from `expected` to `next`.
    pub fn new(keys: &Keys, writer: WriterId, expected: String, next: String) -> Self {
        let keys = vec![keys.progress(), keys.writer()];
        Self { keys, numbers: HashMap::new(), words: vec![expected, next, writer.0.to_string()] }
    }

    /// The script's KEYS and ARGV.
    pub fn into_parts(self) -> (Vec<String>, Vec<String>) {
        (self.keys, self.words)
    }

    /// The key's number, from 1 as in Lua.
    fn number(&mut self, key: String) -> String {
        if let Some(number) = self.numbers.get(&key) {
            return number.to_string();
        }
        self.keys.push(key.clone());
        self.numbers.insert(key, self.keys.len());
        self.keys.len().to_string()
    }

    fn operation(&mut self, word: &str, key: String, words: impl IntoIterator<Item = String>) {
        let number = self.number(key);
        self.words.extend([word.to_owned(), number]);
        self.words.extend(words);
    }

    /// Makes a hash whose few fields are 0, unless it is there.
    pub fn begin<const N: usize>(&mut self, key: String, fields: [&str; N]) {
        let fields = fields.map(str::to_owned);
        self.operation("begin", key, std::iter::once(N.to_string()).chain(fields));
    }

    /// Sets fields of a hash.
    pub fn set(&mut self, key: String, fields: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>) {
        let words: Vec<String> = fields.into_iter().flat_map(|(field, value)| [field.into(), value.into()]).collect();
        for words in words.chunks(WORDS_MAX) {
            let count = words.len().to_string();
            self.operation("set", key.clone(), std::iter::once(count).chain(words.iter().cloned()));
        }
    }

    /// Adds to a hash's number.
    pub fn add(&mut self, key: String, field: impl Into<String>, difference: i64) {
        if difference != 0 {
            self.operation("add", key, [field.into(), difference.to_string()]);
        }
    }

    /// Adds to a hash's number, modulo 2^64.
    pub fn turn(&mut self, key: String, field: impl Into<String>, difference: i64) {
        if difference != 0 {
            self.operation("turn", key, [field.into(), difference.to_string()]);
        }
    }

    /// Adds to a hash's number, and drops the field when it becomes 0.
    pub fn sum(&mut self, key: String, field: impl Into<String>, difference: i64) {
        if difference != 0 {
            self.operation("sum", key, [field.into(), difference.to_string()]);
        }
    }

    /// Drops fields of a hash.
    pub fn drop_fields(&mut self, key: String, fields: Vec<String>) {
        for fields in fields.chunks(WORDS_MAX) {
            let count = fields.len().to_string();
            self.operation("drop", key.clone(), std::iter::once(count).chain(fields.iter().cloned()));
        }
    }

    /// Puts items before those of a list, each before the one before it, and keeps the first `keep`.
    pub fn push(&mut self, key: String, items: &[String], keep: usize) {
        // What would be cut off at once need not be sent.
        let items = &items[items.len().saturating_sub(keep)..];
        for items in items.chunks(WORDS_MAX) {
            let head = [(keep - 1).to_string(), items.len().to_string()];
            self.operation("push", key.clone(), head.into_iter().chain(items.iter().cloned()));
        }
    }

    /// Drops a key: nothing will be said of it any more.
    pub fn forget(&mut self, key: String) {
        self.operation("forget", key, []);
    }

    /// Puts a market into the set, scored by the expiry that `market` has.
    pub fn list(&mut self, set: String, market: String, id: String) {
        let market = self.number(market);
        self.operation("list", set, [market, id]);
    }

    /// Scores a market anew by the expiry that `market` has, if it is in the set.
    pub fn rescore(&mut self, set: String, market: String, id: String) {
        let market = self.number(market);
        self.operation("rescore", set, [market, id]);
    }

    /// Takes a market out of the set.
    pub fn unlist(&mut self, set: String, id: String) {
        self.operation("unlist", set, [id]);
    }
}
