//! Entries in the order of their arrival, grouped by hour. Appended at the end, dropped at the
//! front; nothing is moved.

use std::collections::VecDeque;

use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};

use super::entry::{ClientIdEntry, Packed};
use crate::hash::client_id;

/// Number of entries that are allocated and freed together. A generation grows by one such piece at
/// a time, so none of it is ever copied.
const PIECE: usize = 4_096;

/// Entries, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Generations {
    all: VecDeque<Generation>,
    /// The number of the oldest entry. Entries are numbered in the order of arrival.
    first: u64,
    /// The number that the next entry gets.
    next: u64,
    /// The sum of the hashes of all entries.
    sum: u64,
}

/// The entries of an hour.
#[derive(Clone, Debug)]
struct Generation {
    hour: u64,
    /// The number of its first entry, whether that is still there or not.
    base: u64,
    /// Number of entries it ever had.
    len: u64,
    /// All are full but the last one. Dropped pieces are empty.
    pieces: Vec<Vec<Packed>>,
}

impl Generations {
    pub fn len(&self) -> usize {
        usize::try_from(self.next - self.first).expect("they are in memory")
    }

    /// Returns the hour of the oldest entry.
    #[inline]
    pub fn oldest(&self) -> Option<u64> {
        self.all.front().map(|generation| generation.hour)
    }

    /// Appends an entry of this hour. Returns its place: the low bits of its number.
    pub fn push(&mut self, hour: u64, entry: ClientIdEntry) -> u32 {
        let number = self.next;
        self.next += 1;
        if self.all.back().is_none_or(|generation| generation.hour != hour) {
            self.all.push_back(Generation { hour, base: number, len: 0, pieces: Vec::new() });
        }
        let generation = self.all.back_mut().expect("it was just made");
        generation.len += 1;
        let packed = entry.pack();
        self.sum = self.sum.wrapping_add(client_id(hour, packed.words()));
        let first = generation.pieces.is_empty();
        match generation.pieces.last_mut() {
            Some(piece) if piece.len() < PIECE => piece.push(packed),
            _ => {
                // A quiet hour has few entries.
                let mut piece = Vec::with_capacity(if first { 1 } else { PIECE });
                piece.push(packed);
                generation.pieces.push(piece);
            }
        }
        low(number)
    }

    /// Removes the oldest entry.
    pub fn pop(&mut self) -> Option<ClientIdEntry> {
        let number = self.first;
        let packed = *self.get(low(number))?;
        self.first += 1;
        let generation = self.all.front_mut().expect("the entry is there");
        self.sum = self.sum.wrapping_sub(client_id(generation.hour, packed.words()));
        let (piece, at) = generation.place(number);
        if at + 1 == generation.pieces[piece].len() {
            generation.pieces[piece] = Vec::new();
        }
        if generation.base + generation.len == self.first {
            self.all.pop_front();
        }
        packed.unpack()
    }

    /// Returns the sum of the hashes of all entries.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// Returns the entry at a place, if it is there.
    #[inline]
    pub fn get(&self, at: u32) -> Option<&Packed> {
        // The place is the distance from the first entry: there are never 2^32 entries.
        let number = self.first + u64::from(at.wrapping_sub(low(self.first)));
        if number >= self.next {
            return None;
        }
        let generation = self.all.iter().rev().find(|generation| generation.base <= number)?;
        let (piece, at) = generation.place(number);
        generation.pieces.get(piece)?.get(at)
    }

    /// Returns all entries with their places.
    pub fn iter(&self) -> impl Iterator<Item = (u32, ClientIdEntry)> {
        let entries = self.all.iter().flat_map(|generation| self.entries(generation)).filter_map(Packed::unpack);
        (self.first..).map(low).zip(entries)
    }

    /// Returns the entries of a generation that are still there.
    fn entries<'a>(&self, generation: &'a Generation) -> impl Iterator<Item = &'a Packed> + use<'a> {
        let gone = usize::try_from(self.gone(generation)).expect("they were in memory");
        generation.pieces.iter().skip(gone / PIECE).flatten().skip(gone % PIECE)
    }

    /// Returns how many entries of a generation were dropped.
    fn gone(&self, generation: &Generation) -> u64 {
        self.first.saturating_sub(generation.base)
    }
}

impl Generation {
    /// Returns the piece of an entry, and the index in it.
    #[inline]
    fn place(&self, number: u64) -> (usize, usize) {
        let behind = usize::try_from(number - self.base).expect("it is in memory");
        (behind / PIECE, behind % PIECE)
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the low half")]
fn low(number: u64) -> u32 {
    number as u32
}

impl Encode for Generations {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (self.all.len() as u64).encode(encoder)?;
        self.all.iter().try_for_each(|generation| {
            (generation.hour, generation.len - self.gone(generation)).encode(encoder)?;
            self.entries(generation).try_for_each(|entry| entry.encode(encoder))
        })
    }
}

impl<C> Decode<C> for Generations {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let mut generations = Self::default();
        for _ in 0..u64::decode(decoder)? {
            let (hour, entries) = <(u64, u64)>::decode(decoder)?;
            if generations.all.back().is_some_and(|before| before.hour >= hour) || entries == 0 {
                return Err(DecodeError::Other("a generation of names that is empty or out of order"));
            }
            for _ in 0..entries {
                generations.push(hour, ClientIdEntry::decode(decoder)?);
            }
        }
        Ok(generations)
    }
}
