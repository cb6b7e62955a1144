//! The operations of one call of `apply.lua`, as its keys and arguments.
//!
//! All fields of one hash that a batch sets go into one command, and so do all that it drops.
//! Numbers are incremented one by one: `HINCRBY` costs the server half as much as reading, adding
//! in Lua and writing (docs/benchmarks.md), and counts in 64 bits.

use schemas::read_models::RedisKeys;
use std::collections::HashMap;

use crate::sink::WriterId;

/// The script's source.
pub const APPLY: &str = include_str!("apply.lua");

/// The maximum number of words in one Redis command of the script: Lua's stack holds some 8,000.
const WORDS_MAX: usize = 1_000;

/// The operations of one batch.
#[derive(Debug)]
pub struct Operations {
    keys: Vec<String>,
    numbers: HashMap<String, usize>,
    /// The script's arguments before the operations.
    head: [String; 3],
    hashes: Vec<Hash>,
    /// Index into `hashes` by the number of the key.
    places: HashMap<usize, usize>,
    /// Operations on other keys. They run after those on hashes, since sets read expiries from the
    /// hashes.
    others: Vec<String>,
}

/// The operations of a batch on one hash. No field appears twice.
#[derive(Debug)]
pub struct Hash {
    key: usize,
    /// Fields and values, alternating.
    set: Vec<String>,
    drop: Vec<String>,
    /// Fields and differences, alternating; a field that becomes 0 is deleted.
    sum: Vec<String>,
    /// Operations on one field each, in the script's words.
    single: Vec<String>,
}

impl Operations {
    /// Returns operations that only move `writer`'s progress from `expected` to `next`.
    pub fn new(keys: &RedisKeys, writer: WriterId, expected: String, next: String) -> Self {
        Self {
            keys: vec![keys.progress(), keys.writer()],
            numbers: HashMap::new(),
            head: [expected, next, writer.0.to_string()],
            hashes: Vec::new(),
            places: HashMap::new(),
            others: Vec::new(),
        }
    }

    /// Returns the script's KEYS and ARGV.
    pub fn into_parts(self) -> (Vec<String>, Vec<String>) {
        let mut words = Vec::with_capacity(
            16 + self
                .hashes
                .iter()
                .map(|hash| hash.single.len() + hash.sum.len() + hash.set.len() + hash.drop.len() + 9)
                .sum::<usize>(),
        );
        words.extend(self.head);
        for hash in self.hashes {
            hash.into_words(&mut words);
        }
        words.extend(self.others);
        (self.keys, words)
    }

    /// Returns the number of the key, counted from 1 as in Lua.
    fn number(&mut self, key: String) -> usize {
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        self.keys.push(key.clone());
        self.numbers.insert(key, self.keys.len());
        self.keys.len()
    }

    fn operation(&mut self, word: &str, key: String, words: impl IntoIterator<Item = String>) {
        let number = self.number(key).to_string();
        self.others.extend([word.to_owned(), number]);
        self.others.extend(words);
    }

    /// Returns the operations on a hash, to add to.
    pub fn hash(&mut self, key: String) -> &mut Hash {
        let key = self.number(key);
        let place = *self.places.entry(key).or_insert(self.hashes.len());
        if place == self.hashes.len() {
            let [set, drop, sum, single] = [const { Vec::new() }; 4];
            self.hashes.push(Hash { key, set, drop, sum, single });
        }
        &mut self.hashes[place]
    }

    /// Prepends items to a list, in order, so that the last becomes the first, and keeps the first
    /// `keep`.
    pub fn push(&mut self, key: String, items: &[String], keep: usize) {
        // Skip items that would be cut off immediately.
        let items = &items[items.len().saturating_sub(keep)..];
        for items in items.chunks(WORDS_MAX) {
            let head = [keep.to_string(), items.len().to_string()];
            self.operation("push", key.clone(), head.into_iter().chain(items.iter().cloned()));
        }
    }

    /// Deletes a key that no later operation will mention.
    pub fn forget(&mut self, key: String) {
        self.operation("forget", key, []);
    }

    /// Adds a market to the set, scored by the expiry in `market`.
    pub fn list(&mut self, set: String, market: String, id: String) {
        let market = self.number(market).to_string();
        self.operation("list", set, [market, id]);
    }

    /// Updates a market's score to the expiry in `market`, if the market is in the set.
    pub fn rescore(&mut self, set: String, market: String, id: String) {
        let market = self.number(market).to_string();
        self.operation("rescore", set, [market, id]);
    }

    /// Removes a market from the set.
    pub fn unlist(&mut self, set: String, id: String) {
        self.operation("unlist", set, [id]);
    }
}

impl Hash {
    /// Sets a field.
    pub fn set(&mut self, field: impl Into<String>, value: impl std::fmt::Display) {
        self.set.extend([field.into(), value.to_string()]);
    }

    /// Sets a field, or deletes it.
    pub fn put(&mut self, field: impl Into<String>, value: Option<impl std::fmt::Display>) {
        match value {
            Some(value) => self.set(field, value),
            None => self.drop(field),
        }
    }

    /// Deletes a field, and the key with its last field.
    pub fn drop(&mut self, field: impl Into<String>) {
        self.drop.push(field.into());
    }

    /// Adds to a number. A field that becomes 0 is deleted, and the key with its last field.
    pub fn sum(&mut self, field: impl Into<String>, difference: i64) {
        if difference != 0 {
            self.sum.extend([field.into(), difference.to_string()]);
        }
    }

    /// Creates all missing fields of a purse, and sets its sequence.
    pub fn purse(&mut self, sequence: u64) {
        self.single("purse", [sequence.to_string()]);
    }

    /// Adds to a number.
    pub fn add(&mut self, field: impl Into<String>, difference: i64) {
        if difference != 0 {
            self.single("add", [field.into(), difference.to_string()]);
        }
    }

    /// Adds to a number, modulo 2^64.
    pub fn turn(&mut self, field: impl Into<String>, difference: i64) {
        if difference != 0 {
            self.single("turn", [field.into(), difference.to_string()]);
        }
    }

    /// Changes a live order. Each part is empty, a difference, or `=` and the new value.
    pub fn patch(&mut self, field: impl Into<String>, parts: &[String; 5]) {
        self.single("patch", [field.into(), parts.join(":")]);
    }

    fn single<const N: usize>(&mut self, word: &str, words: [String; N]) {
        self.single.extend([word.to_owned(), self.key.to_string()]);
        self.single.extend(words);
    }

    fn into_words(self, words: &mut Vec<String>) {
        words.extend(self.single);
        for (word, all) in [("sum", self.sum), ("set", self.set), ("drop", self.drop)] {
            // The chunk size is even, so that a field and its value stay in one command.
            for part in all.chunks(WORDS_MAX) {
                words.extend([word.to_owned(), self.key.to_string(), part.len().to_string()]);
                words.extend_from_slice(part);
            }
        }
    }
}
