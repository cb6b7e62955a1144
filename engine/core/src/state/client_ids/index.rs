//! The index from a name's hash to its entry: pages of 64 places, ordered by the range of hashes
//! that each covers.
//!
//! A tree and not a hash table: a client chooses its names and can compute their hashes, so it
//! could fill one region of a table. And a tree grows by one page at a time, however large it is.
//! Dropped entries stay in their page until the page is full.

use std::collections::BTreeMap;

use super::entry::{ClientIdEntry, NameHash};
use super::generations::Generations;

const PLACES: usize = 64;

/// Maximum number of live entries that a full page keeps: with more it is divided.
const KEPT_MAX: usize = 48;

/// Pages by the lowest hash of each; the first one's is 0.
#[derive(Clone, Debug, Default)]
pub struct ClientIdIndex {
    pages: BTreeMap<u64, Box<Page>>,
}

/// Places of entries, unordered.
#[derive(Clone, Debug)]
struct Page {
    len: usize,
    /// Some bits of the hash that do not choose the page: nearly always only the wanted entry is
    /// compared.
    tags: [u16; PLACES],
    places: [u32; PLACES],
}

impl ClientIdIndex {
    /// Returns the entry with this hash.
    pub fn find(&self, name: NameHash, entries: &Generations) -> Option<ClientIdEntry> {
        let (_, page) = self.pages.range(..=key(name)).next_back()?;
        let tagged = (0..page.len).filter(|at| page.tags[*at] == tag(name));
        let found = tagged.filter_map(|at| entries.get(page.places[at])).find(|entry| entry.name() == name);
        found.and_then(super::entry::Packed::unpack)
    }

    /// Records the place of the entry with this hash.
    pub fn insert(&mut self, name: NameHash, place: u32, entries: &Generations) {
        if self.pages.is_empty() {
            self.pages.insert(0, Box::new(Page::new()));
        }
        let (_, page) = self.pages.range_mut(..=key(name)).next_back().expect("the first page is for all hashes");
        if page.len == PLACES {
            if let Some((lowest, half)) = page.make_room(entries) {
                self.pages.insert(lowest, half);
            }
            return self.insert(name, place, entries);
        }
        page.push(tag(name), place);
    }
}

/// Returns the bits that choose the page.
fn key(name: NameHash) -> u64 {
    name.0[0]
}

#[allow(clippy::cast_possible_truncation, reason = "a part")]
fn tag(name: NameHash) -> u16 {
    name.0[1] as u16
}

impl Page {
    fn new() -> Self {
        Self { len: 0, tags: [0; PLACES], places: [0; PLACES] }
    }

    fn push(&mut self, tag: u16, place: u32) {
        (self.tags[self.len], self.places[self.len]) = (tag, place);
        self.len += 1;
    }

    /// Removes dropped entries. If they are few, moves the upper half to another page, and returns
    /// that page with its lowest hash.
    fn make_room(&mut self, entries: &Generations) -> Option<(u64, Box<Self>)> {
        let all = std::mem::replace(self, Self::new());
        let mut kept: Vec<(u64, u16, u32)> = Vec::with_capacity(PLACES);
        for at in 0..all.len {
            let (tag, place) = (all.tags[at], all.places[at]);
            kept.extend(entries.get(place).map(|entry| (key(entry.name()), tag, place)));
        }
        kept.sort_unstable();
        let divides = kept.len() > KEPT_MAX;
        let lowest = if divides { kept[kept.len() / 2].0 } else { u64::MAX };
        // Nobody can make so many hashes that agree in 64 bits.
        assert!(!divides || kept[0].0 < lowest, "a page of names with one hash");
        let mut half = Box::new(Self::new());
        for (key, tag, place) in kept {
            let page = if divides && key >= lowest { &mut *half } else { &mut *self };
            page.push(tag, place);
        }
        divides.then_some((lowest, half))
    }
}
