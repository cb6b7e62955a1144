//! Operations of one call of `apply.lua`, as its keys and arguments.
//!
//! All fields of one hash that a batch sets go in one command, and so do all that it drops. Numbers are added to one by one: `HINCRBY` costs
//! the server half of what reading, adding in Lua and writing would (docs/benchmarks.md), and counts in 64 bits.

use std::collections::HashMap;

use super::keys::RedisKeys;
use crate::sink::WriterId;

/// The script.
pub const APPLY: &str = include_str!("apply.lua");

/// Words that one Redis command of the script takes at most: Lua's stack has room for some 8,000.
const WORDS_MAX: usize = 1_000;

/// What a batch does to keys.
#[derive(Debug)]
pub struct Operations {
    keys: Vec<String>,
    numbers: HashMap<String, usize>,
    /// What the script takes before its operations.
    head: [String; 3],
    hashes: Vec<Hash>,
    /// Where in `hashes` a key's is, by the key's number.
    places: HashMap<usize, usize>,
    /// What is not done to hashes; after these, since sets take expiries from there.
    others: Vec<String>,
}

/// What a batch does to one hash. No field is named twice.
#[derive(Debug)]
pub struct Hash {
    key: usize,
    /// Fields and values, in turn.
    set: Vec<String>,
    drop: Vec<String>,
    /// Fields and differences, in turn; a field that becomes 0 goes.
    sum: Vec<String>,
    /// Operations that name one field each, in the script's words.
    single: Vec<String>,
}

impl Operations {
    /// Nothing yet, but that `writer` moves the progress from `expected` to `next`.
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

    /// The script's KEYS and ARGV.
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

    /// The key's number, from 1 as in Lua.
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

    /// What is done to a hash, to be added to.
    pub fn hash(&mut self, key: String) -> &mut Hash {
        let key = self.number(key);
        let place = *self.places.entry(key).or_insert(self.hashes.len());
        if place == self.hashes.len() {
            let [set, drop, sum, single] = [const { Vec::new() }; 4];
            self.hashes.push(Hash { key, set, drop, sum, single });
        }
        &mut self.hashes[place]
    }

    /// Puts items before those of a list, each before the one before it, and keeps the first `keep`.
    pub fn push(&mut self, key: String, items: &[String], keep: usize) {
        // What would be cut off at once need not be sent.
        let items = &items[items.len().saturating_sub(keep)..];
        for items in items.chunks(WORDS_MAX) {
            let head = [keep.to_string(), items.len().to_string()];
            self.operation("push", key.clone(), head.into_iter().chain(items.iter().cloned()));
        }
    }

    /// Drops a key: nothing will be said of it any more.
    pub fn forget(&mut self, key: String) {
        self.operation("forget", key, []);
    }

    /// Puts a market into the set, scored by the expiry that `market` has.
    pub fn list(&mut self, set: String, market: String, id: String) {
        let market = self.number(market).to_string();
        self.operation("list", set, [market, id]);
    }

    /// Scores a market anew by the expiry that `market` has, if it is in the set.
    pub fn rescore(&mut self, set: String, market: String, id: String) {
        let market = self.number(market).to_string();
        self.operation("rescore", set, [market, id]);
    }

    /// Takes a market out of the set.
    pub fn unlist(&mut self, set: String, id: String) {
        self.operation("unlist", set, [id]);
    }
}

impl Hash {
    /// Sets a field.
    pub fn set(&mut self, field: impl Into<String>, value: impl std::fmt::Display) {
        self.set.extend([field.into(), value.to_string()]);
    }

    /// Sets a field, or drops it.
    pub fn put(&mut self, field: impl Into<String>, value: Option<impl std::fmt::Display>) {
        match value {
            Some(value) => self.set(field, value),
            None => self.drop(field),
        }
    }

    /// Drops a field, and with the last of them the key.
    pub fn drop(&mut self, field: impl Into<String>) {
        self.drop.push(field.into());
    }

    /// Adds to a number, and drops the field when it becomes 0; with the last of them the key.
    pub fn sum(&mut self, field: impl Into<String>, difference: i64) {
        if difference != 0 {
            self.sum.extend([field.into(), difference.to_string()]);
        }
    }

    /// Makes all fields of a purse, unless they are there, and sets its sequence.
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

    /// Changes a live order; each part is empty, a difference, or `=` and what it is told to be.
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
            // Even, so that no field is parted from what is done to it.
            for part in all.chunks(WORDS_MAX) {
                words.extend([word.to_owned(), self.key.to_string(), part.len().to_string()]);
                words.extend_from_slice(part);
            }
        }
    }
}
