//! Decoding is total: whatever the bytes, an error or a value comes out, with bounded memory; never a panic.

#![allow(unsafe_code, reason = "an allocator that watches sizes can be written in no other way")]

mod values;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use schemas::codec::{self, DecodeError, VERSION};
use schemas::limits::RECORD_BYTES_MAX;
use schemas::reading::{Position, Reader};
use schemas::record::Chain;
use schemas::{Command, CommandRecord, Event, Message, Record, Shard};

/// Remembers the largest block that anybody asked for.
struct Watching;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static WATCHING: Watching = Watching;

/// Memory that one decoded vector may take; what `codec` claims for itself.
const MEMORY_MAX: usize = 8 * RECORD_BYTES_MAX;

/// Feeds `bytes` to every decoder there is. Returns for all of them, or the test fails.
fn decode_as_everything(bytes: &[u8]) {
    let _ = Record::decode(bytes);
    let _ = CommandRecord::decode(bytes);
    let _ = codec::decode_exact::<Event>(bytes);
    let _ = codec::decode_exact::<Command>(bytes);
    let _ = codec::decode_exact::<Message>(bytes);
    let _ = codec::decode_exact::<Position>(bytes);
    let _ = Record::follows(bytes, Chain::default());
    let _ = Reader::new(Shard::new(3).expect("a shard"), 4, Position::default()).read(0, bytes);
    assert!(LARGEST.load(Ordering::Relaxed) <= MEMORY_MAX, "a block of {LARGEST:?} bytes");
}

/// Records that are right, to be spoilt.
fn records() -> Vec<Vec<u8>> {
    let command = |(_, command)| CommandRecord { id: values::COMMAND_ID, command }.encode();
    let mut records: Vec<Vec<u8>> = values::commands().into_iter().map(command).collect();
    records.push(values::term().encode());
    records.push(values::outcome().encode(Chain::default()).0);
    let event = |(_, event)| {
        let outcome = schemas::Outcome { events: vec![event], ..values::outcome() };
        outcome.encode(Chain::default()).0
    };
    records.extend(values::events().into_iter().map(event));
    records
}

#[test]
fn every_truncation_of_every_record_is_an_error() {
    for record in records() {
        for end in 0..record.len() {
            decode_as_everything(&record[..end]);
            assert!(CommandRecord::decode(&record[..end]).is_err());
        }
    }
}

#[test]
fn every_byte_too_many_is_an_error() {
    for (_, command) in values::commands() {
        let mut bytes = CommandRecord { id: values::COMMAND_ID, command }.encode();
        bytes.push(0);
        assert_eq!(CommandRecord::decode(&bytes), Err(DecodeError::Trailing(1)));
    }
}

#[test]
fn every_flipped_bit_of_every_record_is_survived() {
    for record in records() {
        for bit in 0..record.len() * 8 {
            let mut bytes = record.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            decode_as_everything(&bytes);
        }
    }
}

#[test]
fn every_length_that_lies_is_an_error_without_its_memory() {
    let lengths = [1 << 20, 1 << 32, 1 << 48, 1 << 60, u64::MAX / 2, u64::MAX - 1, u64::MAX];
    for record in records() {
        // Wherever a length may stand, and also where none does.
        for at in 0..record.len().saturating_sub(8) {
            for length in lengths {
                let mut bytes = record.clone();
                bytes[at..at + 8].copy_from_slice(&length.to_le_bytes());
                decode_as_everything(&bytes);
            }
        }
    }
}

#[test]
fn versions_and_kinds_from_the_future_are_named() {
    assert_eq!(Record::decode(&[]), Err(DecodeError::Truncated));
    assert_eq!(Record::decode(&[VERSION]), Err(DecodeError::Truncated));
    assert_eq!(Record::decode(&[VERSION + 1, 1]), Err(DecodeError::Unknown(VERSION + 1)));
    assert_eq!(Record::decode(&[VERSION, 9]), Err(DecodeError::Unknown(9)));
    assert_eq!(CommandRecord::decode(&[0]), Err(DecodeError::Unknown(0)));
    let long = vec![VERSION; RECORD_BYTES_MAX + 1];
    assert_eq!(Record::decode(&long), Err(DecodeError::TooLong(long.len())));
}

proptest! {
    #[test]
    fn random_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        decode_as_everything(&bytes);
    }

    /// Random bodies behind a right head get further into the decoder.
    #[test]
    fn random_bodies_are_survived(kind in 1_u8..=3, body in prop::collection::vec(any::<u8>(), 0..300)) {
        decode_as_everything(&[&[VERSION, kind], body.as_slice()].concat());
    }

    #[test]
    fn spoilt_records_are_survived(
        index in any::<prop::sample::Index>(),
        spoils in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let records = records();
        let mut bytes = records[index.index(records.len())].clone();
        for (at, byte) in spoils {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        decode_as_everything(&bytes);
    }
}
