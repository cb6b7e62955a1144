//! Records of a later build, for tests of readers. Other crates' tests include this file.

#![allow(dead_code, reason = "each test uses its own part")]

use schemas::codec::{self, VERSION};
use schemas::frame::HEAD_BYTES;
use schemas::record::Chain;
use schemas::{Build, Command, CommandId, CommandRecord, Event, Outcome, Record, Term, VOCABULARY};

/// A vocabulary that no current build knows.
pub const NEXT: u16 = VOCABULARY + 1;

/// A kind that no current build knows.
pub const KIND: u16 = 9_999;

/// A build later than every current one.
pub const BUILD: Build = Build { major: 9, minor: 8, patch: 7 };

pub fn frame(kind: u16, needs: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a body is short").to_le_bytes();
    [length.as_slice(), &kind.to_le_bytes(), &needs.to_le_bytes(), body].concat()
}

/// An event that no build knows.
pub fn unknown(needs: u16) -> Vec<u8> {
    frame(KIND, needs, b"whatever")
}

/// An event as the current build writes it, with `more` after its fields.
pub fn event(event: &Event, needs: u16, more: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode_into(event, &mut bytes);
    let (kind, fields) = bytes.split_first_chunk::<4>().expect("an event has a kind");
    let kind = u16::try_from(u32::from_le_bytes(*kind)).expect("kinds are few");
    frame(kind, needs, &[fields, more].concat())
}

/// An event with a growing struct, at `at` bytes from its first field, that has one more field.
pub fn grown(known: &Event, at: usize) -> Vec<u8> {
    let mut bytes = event(known, 0, &[]);
    let at = HEAD_BYTES + at;
    let length = u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let end = at + 2 + usize::from(length);
    bytes.splice(end..end, [1, 2, 3]);
    bytes[at..at + 2].copy_from_slice(&(length + 3).to_le_bytes());
    let whole = u32::try_from(bytes.len() - HEAD_BYTES).expect("an event is short");
    bytes[..4].copy_from_slice(&whole.to_le_bytes());
    bytes
}

/// An outcome with these events instead of its own, and `more` fields after them.
pub fn outcome(outcome: &Outcome, events: &[Vec<u8>], more: &[u8], before: Chain) -> (Vec<u8>, Chain) {
    let empty = Outcome { events: Vec::new(), ..outcome.clone() };
    let (today, _) = empty.encode(Chain::default());
    let top = &today[1 + HEAD_BYTES..today.len() - size_of::<Chain>() - size_of::<u32>()];
    let count = u32::try_from(events.len()).expect("events are few").to_le_bytes();
    let mut bytes = vec![VERSION];
    bytes.extend(frame(2, 0, &[top, &count, &events.concat(), more].concat()));
    let chain = Record::seal(&mut bytes, before);
    (bytes, chain)
}

/// A record of a kind that no build knows.
pub fn record(needs: u16) -> Vec<u8> {
    [&[VERSION], frame(KIND, needs, b"whatever").as_slice(), b"and a seal"].concat()
}

/// A term of a build whose vocabulary the current build does not know.
pub fn term(term: Term) -> Vec<u8> {
    Term { vocabulary: NEXT, build: BUILD, ..term }.encode()
}

/// A command of a kind that no build knows.
pub fn command(id: CommandId, needs: u16) -> Vec<u8> {
    let today = CommandRecord::new(id, Command::AdvanceTime).encode();
    [&today[..1 + size_of::<CommandId>()], &frame(KIND, needs, b"whatever")].concat()
}
