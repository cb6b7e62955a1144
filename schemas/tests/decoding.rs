//! Decoding is total: any bytes give an error or a value, with bounded memory; never a panic.

#![allow(unsafe_code, reason = "an allocator that watches sizes can be written in no other way")]

mod values;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Debug;

use bincode::{Decode, Encode};
use proptest::prelude::*;
use schemas::codec::{self, DecodeError, VERSION};
use schemas::frame::HEAD_BYTES;
use schemas::limits::{BATCH_MAX, RECORD_BYTES_MAX};
use schemas::reading::{Checkpoint, LogReader};
use schemas::record::Chain;
use schemas::*;

/// Counts the bytes that each thread has allocated, and their maximum.
struct Watching;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn taken(layout: Layout) {
    let live = LIVE.get() + layout.size().cast_signed();
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout);
        unsafe { System.alloc(layout) }
    }

    // Not by filling: a text with a false length must not cost the time to write it.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - layout.size().cast_signed());
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static WATCHING: Watching = Watching;

/// Returns the maximum that `work` has allocated at once.
fn peak_of(work: impl FnOnce()) -> usize {
    let before = LIVE.get();
    PEAK.set(before);
    work();
    (PEAK.get() - before).cast_unsigned()
}

/// Memory that vectors may take before their elements are read: the limit that `codec` sets.
const MEMORY_MAX: usize = 8 * RECORD_BYTES_MAX;

/// Bytes of memory for each byte of a record: the smallest event takes 8 bytes, and 128 in memory.
const EXPANSION_MAX: usize = 32;

/// Returns the memory that decoding a record of `bytes` bytes may take: what is claimed and not
/// read, and what was read.
fn memory_max(bytes: usize) -> usize {
    MEMORY_MAX + (EXPANSION_MAX * bytes).min(2 * MEMORY_MAX)
}

/// Passes `bytes` to every decoder. Each must return, or the test fails.
fn decode_as_everything(bytes: &[u8]) {
    let peak = peak_of(|| {
        let _ = Record::decode(bytes);
        let _ = CommandRecord::decode(bytes);
        let _ = codec::decode_exact::<Event>(bytes);
        let _ = codec::decode_exact::<Command>(bytes);
        let _ = codec::decode_exact::<Message>(bytes);
        let _ = codec::decode_exact::<Parked>(bytes);
        let _ = codec::decode_exact::<Checkpoint>(bytes);
        let _ = Record::follows(bytes, Chain::default());
        let _ = LogReader::new(Shard::new(3).expect("a shard"), 4, Checkpoint::default()).read(0, bytes);
    });
    assert!(peak <= memory_max(bytes.len()), "{peak} bytes of memory for {} bytes", bytes.len());
}

/// Returns valid records of commands, to be damaged.
fn command_records() -> Vec<Vec<u8>> {
    let record = |(_, command)| CommandRecord::new(values::COMMAND_ID, command);
    values::commands().into_iter().map(|named| record(named).encode()).collect()
}

fn outcome_record(events: Vec<Event>) -> Vec<u8> {
    Outcome { events, ..values::outcome() }.encode(Chain::default()).0
}

/// Returns valid records of the events topic, to be damaged.
fn event_records() -> Vec<Vec<u8>> {
    let mut records = vec![values::term().encode(), values::outcome().encode(Chain::default()).0];
    records.extend(values::events().into_iter().map(|(_, event)| outcome_record(vec![event])));
    records
}

fn records() -> Vec<Vec<u8>> {
    [command_records(), event_records()].concat()
}

/// Returns a command with its origin. Without its last frame it is a command without an origin.
fn traced_record() -> Vec<u8> {
    let origin = Some(Box::new(values::came_with()));
    CommandRecord { origin, ..CommandRecord::new(values::COMMAND_ID, Command::AdvanceTime) }.encode()
}

fn frame(kind: u16, needs: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a body is short").to_le_bytes();
    [length.as_slice(), &kind.to_le_bytes(), &needs.to_le_bytes(), body].concat()
}

/// Returns an outcome that claims `count` events, and has these frames.
fn outcome_of(count: usize, frames: &[u8]) -> Vec<u8> {
    let empty = outcome_record(Vec::new());
    let top = &empty[1 + HEAD_BYTES..empty.len() - size_of::<Chain>() - size_of::<u32>()];
    let count = u32::try_from(count).expect("a count fits");
    let body = [top, &count.to_le_bytes(), frames].concat();
    [&[VERSION], frame(2, 0, &body).as_slice(), &[0; size_of::<Chain>()]].concat()
}

fn bytes_of<T: Encode>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode_into(value, &mut bytes);
    bytes
}

#[test]
fn every_truncation_of_every_record_is_an_error() {
    for record in records() {
        for end in 0..record.len() {
            decode_as_everything(&record[..end]);
            assert!(CommandRecord::decode(&record[..end]).is_err());
            assert!(Record::decode(&record[..end]).is_err());
        }
    }
}

#[test]
fn the_origin_of_a_command_is_complete_or_absent() {
    let (traced, plain) = (traced_record(), CommandRecord::new(values::COMMAND_ID, Command::AdvanceTime).encode());
    for end in plain.len()..=traced.len() {
        let came_with = CommandRecord::decode(&traced[..end]).map(|record| record.origin.map(|origin| *origin));
        let expected = match end {
            end if end == plain.len() => Ok(None),
            end if end == traced.len() => Ok(Some(values::came_with())),
            _ => Err(DecodeError::Truncated),
        };
        assert_eq!(came_with, expected, "{end} bytes");
    }
}

#[test]
fn every_byte_too_many_is_an_error() {
    for mut bytes in command_records() {
        // Frames follow a command.
        bytes.push(0);
        assert_eq!(CommandRecord::decode(&bytes), Err(DecodeError::Truncated));
    }
    for mut bytes in event_records() {
        bytes.push(0);
        assert_eq!(Record::decode(&bytes), Err(DecodeError::Trailing(1)));
    }
}

#[test]
fn every_flipped_bit_of_every_record_is_survived() {
    for record in [records(), vec![traced_record()]].concat() {
        for bit in 0..record.len() * 8 {
            let mut bytes = record.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            decode_as_everything(&bytes);
        }
    }
}

#[test]
fn every_false_length_is_an_error_without_its_memory() {
    let lengths = [1 << 10, 1 << 20, 1 << 25, 1 << 32, 1 << 48, 1 << 60, u64::MAX / 2, u64::MAX - 1, u64::MAX];
    for record in records() {
        // At every offset where a length may be, and also where none is.
        for at in 0..record.len().saturating_sub(8) {
            for length in lengths {
                let mut bytes = record.clone();
                bytes[at..at + 8].copy_from_slice(&length.to_le_bytes());
                decode_as_everything(&bytes);
            }
        }
    }
}

/// `value` ends with an empty vector whose length is falsified. A length that memory allows is
/// allocated before the bytes run out; one more is not.
fn claims_before_it_allocates<T: Encode + Decode<()> + Debug>(value: &T, element_bytes: usize) {
    let mut bytes = bytes_of(value);
    let length_at = bytes.len() - size_of::<u64>();
    let read = bytes.len();
    for (length, allocates) in [((MEMORY_MAX - read) / element_bytes, true), (MEMORY_MAX / element_bytes + 1, false)] {
        bytes[length_at..].copy_from_slice(&(length as u64).to_le_bytes());
        let peak = peak_of(|| {
            let decoded = codec::decode_exact::<T>(&bytes);
            assert!(matches!(decoded, Err(DecodeError::Malformed(_))), "{decoded:?}");
        });
        assert_eq!(peak >= length * element_bytes, allocates, "{value:?}: {peak} bytes for {length} elements");
        assert!(peak <= memory_max(read), "{value:?}: {peak} bytes for {length} elements");
    }
}

#[test]
fn every_vector_claims_its_memory_before_it_allocates_it() {
    claims_before_it_allocates(&Message::Return(Vec::new()), size_of::<Returned>());
    let shards = Event::Instructed {
        account: AccountId(1),
        ticket: 2,
        instruction: PurseInstruction::Recall(Need::NOTHING),
        shards: Vec::new(),
    };
    claims_before_it_allocates(&shards, size_of::<Shard>());
    claims_before_it_allocates(&Event::Parked(Box::new(parked_batch(Vec::new()))), size_of::<BatchRequest>());
    let batch = Command::Batch { account: AccountId(1), all_or_nothing: true, requests: Vec::new() };
    claims_before_it_allocates(&batch, size_of::<BatchRequest>());
    let sent = Event::Sent { to: Shard::new(1).expect("a shard"), number: 2, message: Message::Return(Vec::new()) };
    claims_before_it_allocates(&sent, size_of::<Returned>());
}

fn parked_batch(requests: Vec<BatchRequest>) -> Parked {
    Parked {
        account: AccountId(1),
        ticket: 2,
        command: CommandId(3),
        index: None,
        deadline: Timestamp(4),
        request: ParkedRequest::Batch(requests),
    }
}

/// A full record of boxes and vectors within the vector of events, each with the elements that grow
/// most when they are read.
#[test]
fn a_full_record_of_nested_values_is_read_in_bounded_memory() {
    let cancel = BatchRequest::Cancel(OrderRef::Id(OrderId(5)));
    let event = Event::Parked(Box::new(parked_batch(vec![cancel; BATCH_MAX])));
    let head = outcome_record(Vec::new()).len();
    let framed = outcome_record(vec![event.clone()]).len() - head;
    let count = (RECORD_BYTES_MAX - head) / framed;
    let bytes = outcome_record(vec![event; count]);
    let peak = peak_of(|| {
        let Ok(Record::Outcome(outcome, _)) = Record::decode(&bytes) else { panic!("a full record is no outcome") };
        assert_eq!(outcome.events.len(), count);
    });
    let requests = count * BATCH_MAX * size_of::<BatchRequest>();
    assert!((requests..=memory_max(bytes.len())).contains(&peak), "{peak} bytes of memory");
}

/// Nothing is smaller on the log than a skipped event.
#[test]
fn a_full_record_of_unknown_events_is_read_in_bounded_memory() {
    let count = (RECORD_BYTES_MAX - outcome_of(0, &[]).len()) / HEAD_BYTES;
    let bytes = outcome_of(count, &frame(9_999, 0, &[]).repeat(count));
    let peak = peak_of(|| {
        let Ok(Record::Outcome(outcome, _)) = Record::decode(&bytes) else { panic!("a full record is no outcome") };
        assert_eq!(outcome.events.len(), count);
    });
    assert!((count * size_of::<Event>()..=memory_max(bytes.len())).contains(&peak), "{peak} bytes of memory");
}

/// A false count of events allocates no more than the bytes after it can contain; a false frame
/// length allocates nothing.
#[test]
fn false_counts_and_lengths_allocate_nothing() {
    let lies = [outcome_of(u32::MAX as usize, &frame(9_999, 0, &[1, 2, 3])), {
        let mut bytes = outcome_of(1, &frame(9_999, 0, &[1, 2, 3]));
        let length_at = bytes.len() - size_of::<Chain>() - 3 - HEAD_BYTES;
        bytes[length_at..length_at + 4].fill(0xFF);
        bytes
    }];
    for bytes in lies {
        let peak = peak_of(|| assert_eq!(Record::decode(&bytes), Err(DecodeError::Truncated)));
        assert!(peak <= 2 * size_of::<Event>(), "{peak} bytes of memory");
    }
}

#[test]
fn an_event_that_is_none_is_an_error() {
    assert_eq!(Record::decode(&outcome_of(1, &frame(0, 0, &[1, 2]))), Err(DecodeError::Kind(0)));
}

/// The maximum number of events, followed by a vector with a false length.
#[test]
fn a_false_length_after_a_full_vector_is_an_error_in_bounded_memory() {
    let count = MEMORY_MAX / size_of::<Event>() - 8;
    let mut events = vec![Event::BatchItem { index: 6 }; count];
    let message = Message::Return(Vec::new());
    events.push(Event::Sent { to: Shard::new(1).expect("a shard"), number: 2, message });
    let mut bytes = outcome_record(events);
    let length_at = bytes.len() - size_of::<Chain>() - size_of::<u64>();
    let length = (MEMORY_MAX - bytes.len()) / size_of::<Returned>();
    bytes[length_at..][..8].copy_from_slice(&(length as u64).to_le_bytes());
    let peak = peak_of(|| assert!(matches!(Record::decode(&bytes), Err(DecodeError::Malformed(_)))));
    let (read, claimed) = (count * size_of::<Event>(), length * size_of::<Returned>());
    assert!((read + claimed..=memory_max(bytes.len())).contains(&peak), "{peak} bytes of memory");
}

#[test]
fn unknown_versions_and_kinds_are_named() {
    assert_eq!(Record::decode(&[]), Err(DecodeError::Truncated));
    assert_eq!(Record::decode(&[VERSION]), Err(DecodeError::Truncated));
    for version in (0..VERSION).chain([VERSION + 1, u8::MAX]) {
        assert_eq!(Record::decode(&[version, 1]), Err(DecodeError::Version(version)));
        assert_eq!(CommandRecord::decode(&[version]), Err(DecodeError::Version(version)));
    }
    assert_eq!(Record::decode(&[VERSION, 0, 0, 0, 0, 0, 0, 0, 0]), Err(DecodeError::Kind(0)));
    let long = vec![VERSION; RECORD_BYTES_MAX + 1];
    assert_eq!(Record::decode(&long), Err(DecodeError::TooLong(long.len())));
    assert_eq!(CommandRecord::decode(&long), Err(DecodeError::TooLong(long.len())));
}

proptest! {
    #[test]
    fn random_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        decode_as_everything(&bytes);
    }

    /// Random bodies after a valid head reach more of the decoder.
    #[test]
    fn random_bodies_are_survived(
        kind in 0_u16..=3, needs in 0_u16..=2, body in prop::collection::vec(any::<u8>(), 0..300), id in any::<bool>(),
    ) {
        let id = if id { vec![7; 16] } else { Vec::new() };
        decode_as_everything(&[&[VERSION], id.as_slice(), &frame(kind, needs, &body)].concat());
    }

    /// Random events in a valid outcome reach even more.
    #[test]
    fn random_events_are_survived(
        events in prop::collection::vec((0_u16..60, 0_u16..=2, prop::collection::vec(any::<u8>(), 0..60)), 0..8),
        count in any::<prop::sample::Index>(),
    ) {
        let frames: Vec<_> = events.iter().flat_map(|(kind, needs, body)| frame(*kind, *needs, body)).collect();
        decode_as_everything(&outcome_of(count.index(events.len() + 2), &frames));
    }

    #[test]
    fn damaged_records_are_survived(
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
