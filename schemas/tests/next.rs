//! Bytes of a later build, read by the current build: what readers may skip is skipped, what must
//! be known stops the reader and names the build to install.

mod later;
mod values;

use later::{BUILD, KIND, NEXT, event, frame};
use schemas::codec::{DecodeError, VERSION};
use schemas::event::CancelReason;
use schemas::reading::{Checkpoint, LogReader, ReadRecord, RecordFault, WrittenBy};
use schemas::record::{Cause, Chain};
use schemas::{
    AdminId, Command, CommandRecord, Event, Message, NewOrder, Outcome, Record, Rejection, Shard, VOCABULARY, codec,
};

/// A chained outcome of these events; `more` are fields after them.
fn outcome(events: &[Vec<u8>], more: &[u8]) -> Vec<u8> {
    later::outcome(&values::empty(), events, more, Chain::default()).0
}

fn events_of(bytes: &[u8]) -> Result<Vec<Event>, DecodeError> {
    assert!(Record::follows(bytes, Chain::default()));
    match Record::decode(bytes)? {
        Record::Outcome(Outcome { events, .. }, _) => Ok(events),
        record => panic!("{record:?}"),
    }
}

fn known() -> Vec<Event> {
    values::events().into_iter().map(|(_, event)| event).collect()
}

#[test]
fn this_tests_own_encoding_equals_the_current_one() {
    for written in known() {
        let bytes = outcome(&[event(&written, 0, &[])], &[]);
        let today = Outcome { events: vec![written], ..values::empty() }.encode(Chain::default()).0;
        assert_eq!(bytes, today);
    }
}

#[test]
fn an_event_with_one_more_field_is_the_event() {
    for written in known() {
        let bytes = outcome(&[event(&written, 0, &[7; 9]), event(&written, 0, &[])], &[]);
        assert_eq!(events_of(&bytes), Ok(vec![written.clone(), written]));
    }
}

#[test]
fn an_outcome_with_one_more_field_is_the_outcome() {
    let written = known();
    let frames: Vec<_> = written.iter().map(|written| event(written, 0, &[])).collect();
    assert_eq!(events_of(&outcome(&frames, &[1, 2, 3])), Ok(written));
}

#[test]
fn an_event_of_a_new_kind_is_skipped() {
    let (before, after) = (known()[0].clone(), known()[1].clone());
    let bytes = outcome(&[event(&before, 0, &[]), later::unknown(0), event(&after, 0, &[])], &[]);
    assert_eq!(events_of(&bytes), Ok(vec![before, Event::Unknown { kind: KIND }, after]));
}

/// The first kinds that the current build does not know.
#[test]
fn the_next_kinds_are_not_known() {
    let kind = u16::try_from(values::EVENTS.len()).unwrap() + 1;
    assert_eq!(events_of(&outcome(&[frame(kind, 0, &[])], &[])), Ok(vec![Event::Unknown { kind }]));
    let kind = u16::try_from(values::COMMANDS.len()).unwrap();
    let bytes = [&[VERSION], [7; 16].as_slice(), &frame(kind, 0, &[])].concat();
    assert_eq!(CommandRecord::decode(&bytes), Err(DecodeError::Kind(kind)));
}

#[test]
fn an_event_that_must_be_known_stops_the_reader() {
    let newer = DecodeError::Newer { kind: KIND, needs: NEXT, reads: VOCABULARY, install: None };
    assert_eq!(events_of(&outcome(&[later::unknown(NEXT)], &[])), Err(newer.clone()));
    // A known kind whose new field readers must not miss.
    let written = event(&known()[0], NEXT, &[1]);
    assert!(matches!(events_of(&outcome(&[written], &[])), Err(DecodeError::Newer { needs: NEXT, .. })));
    // What the current vocabulary includes is read, whatever it needs.
    let written = event(&known()[0], VOCABULARY, &[]);
    assert_eq!(events_of(&outcome(&[written], &[])), Ok(vec![known()[0].clone()]));
    assert!(newer.to_string().contains("install a build that reads it"), "{newer}");
}

#[test]
fn a_new_code_is_read_as_unknown_and_its_name_has_the_number() {
    let mut bytes = Vec::new();
    codec::encode_into(&Event::Rejected { code: Rejection::Unknown(9_999) }, &mut bytes);
    let read: Event = codec::decode_exact(&bytes).unwrap();
    let Event::Rejected { code } = read else { panic!("{read:?}") };
    assert_eq!((code, code.code(), code.to_string().as_str()), (Rejection::Unknown(9_999), 9_999, "unknown-9999"));
    // A build that knows the code can parse the name that an older build gave it.
    assert_eq!("unknown-9999".parse(), Ok(code));
    assert_eq!("unknown-302".parse(), Ok(Rejection::PositionInsufficient));
    assert!(["unknown-", "unknown-x", "unknown-65536"].iter().all(|text| text.parse::<Rejection>().is_err()));
    assert_eq!(CancelReason::from_code(77).to_string(), "UNKNOWN_77");
}

#[test]
fn a_nested_order_with_one_more_field_is_the_order() {
    let order = values::commands().into_iter().find_map(|(_, command)| match command {
        Command::PlaceOrder(order) => Some(order),
        _ => None,
    });
    let mut bytes = Vec::new();
    codec::encode_into(&order.unwrap(), &mut bytes);
    let (length, fields) = bytes.split_first_chunk::<2>().unwrap();
    let longer = (u16::from_le_bytes(*length) + 3).to_le_bytes();
    let bytes = [longer.as_slice(), fields, &[1, 2, 3]].concat();
    assert_eq!(codec::decode_exact::<NewOrder>(&bytes), Ok(order.unwrap()));
    assert!(codec::decode_exact::<NewOrder>(&bytes[..bytes.len() - 1]).is_err());
}

#[test]
fn an_order_within_an_event_may_grow_as_well() {
    let placed = known().into_iter().find(|event| matches!(event, Event::OrderPlaced(_))).unwrap();
    assert_eq!(events_of(&outcome(&[later::grown(&placed, 8)], &[])), Ok(vec![placed]));
    let listed = known().into_iter().find(|event| matches!(event, Event::MarketCreated { .. })).unwrap();
    assert_eq!(events_of(&outcome(&[later::grown(&listed, 0)], &[])), Ok(vec![listed]));
}

#[test]
fn a_reader_skips_records_of_new_kinds_and_stops_at_a_new_vocabulary() {
    let shard = Shard::new(3).unwrap();
    let mut reader = LogReader::new(shard, 4, Checkpoint::default());
    assert_eq!(reader.read(0, &values::term().encode()), Ok(ReadRecord::Term(values::term())));
    assert_eq!(reader.read(1, &later::record(0)), Ok(ReadRecord::Unknown));
    assert_eq!(reader.position().offset, 2);
    let fault = reader.read(2, &later::record(NEXT)).unwrap_err().fault;
    assert_eq!(
        fault,
        RecordFault::Newer { needs: NEXT, reads: VOCABULARY, writer: WrittenBy::Build(values::term().build) }
    );
    assert!(fault.to_string().ends_with("this build reads 1: install build 0.7.8 or a later one"), "{fault}");
    assert_eq!(reader.position().offset, 2, "on an error nothing has changed");

    // A reader that started after the term states where its build is named; without a term it does
    // not know the build.
    let cause = Cause { offset: 0, ..values::outcome().cause };
    let first = Outcome { term: 0, sequence: 1, cause, ..values::outcome() }.encode(Chain::default()).0;
    assert!(matches!(reader.read(2, &first), Ok(ReadRecord::Outcome(_))));
    let mut behind = LogReader::new(shard, 4, *reader.position());
    assert_eq!(behind.read(2, &first), Ok(ReadRecord::Ignored));
    let fault = behind.read(3, &later::record(NEXT)).unwrap_err().fault;
    assert_eq!(fault, RecordFault::Newer { needs: NEXT, reads: VOCABULARY, writer: WrittenBy::Term(0) });
    assert!(fault.to_string().ends_with("install the build that the term at offset 0 names or a later one"), "{fault}");
    let fault = LogReader::new(shard, 4, Checkpoint::default()).read(0, &later::record(NEXT)).unwrap_err().fault;
    assert_eq!(
        fault,
        RecordFault::Undecodable(DecodeError::Newer { kind: KIND, needs: NEXT, reads: VOCABULARY, install: None })
    );

    let fault = reader.read(3, &later::term(values::term())).unwrap_err().fault;
    assert_eq!(fault, RecordFault::Newer { needs: NEXT, reads: VOCABULARY, writer: WrittenBy::Build(BUILD) });
    assert!(fault.to_string().contains("install build 9.8.7 or a later one"), "{fault}");
}

#[test]
fn a_command_that_cannot_be_read_still_has_its_id() {
    let id = values::COMMAND_ID;
    let bytes = CommandRecord::new(id, Command::AdvanceTime).encode();
    let of = |kind, needs| [&bytes[..17], frame(kind, needs, b"whatever").as_slice()].concat();
    for (bytes, error) in [
        (later::command(id, 0), DecodeError::Kind(KIND)),
        (later::command(id, NEXT), DecodeError::Newer { kind: KIND, needs: NEXT, reads: VOCABULARY, install: None }),
        (of(7, NEXT), DecodeError::Newer { kind: 7, needs: NEXT, reads: VOCABULARY, install: None }),
    ] {
        assert_eq!(CommandRecord::decode(&bytes), Err(error));
        assert_eq!(CommandRecord::id_of(&bytes), Some(id));
    }
    // Its id is that of a command that is answered elsewhere.
    let between_shards = [
        Command::Receive { from: Shard::new(1).unwrap(), number: 2, message: Message::Return(Vec::new()) },
        Command::Acknowledge { to: Shard::new(1).unwrap(), number: 2 },
    ];
    for command in between_shards {
        let bytes = CommandRecord::new(id, command).encode();
        assert_eq!(CommandRecord::id_of(&bytes), None);
    }
    assert_eq!(CommandRecord::id_of(&bytes[..17]), Some(id));
    assert_eq!(CommandRecord::id_of(&bytes[..16]), None);
    assert_eq!(CommandRecord::id_of(&[&[VERSION + 1], &bytes[1..]].concat()), None);
}

/// The first outcome, which every build reads.
fn plain_outcome() -> Outcome {
    let cause = Cause { offset: 0, ..values::empty().cause };
    Outcome { term: 0, sequence: 1, cause, ..values::empty() }
}

/// A reader of a term and the first outcome.
fn with_term() -> LogReader {
    let term = values::term();
    let mut reader = LogReader::new(term.shard, term.shards, Checkpoint::default());
    reader.read(0, &term.encode()).expect("it is read");
    reader.read(1, &plain_outcome().encode(Chain::default()).0).expect("it is read");
    reader
}

/// A reader that continues from there, and has not read the term.
fn behind_term() -> LogReader {
    let term = values::term();
    let mut reader = LogReader::new(term.shard, term.shards, *with_term().position());
    reader.read(1, &plain_outcome().encode(Chain::default()).0).expect("it is read");
    reader
}

/// A reader that started after the term still learns what to install: a raise names the build.
#[test]
fn a_raise_names_the_build_to_install() {
    let raised = |to| Event::VocabularyRaised { to, install: BUILD, by: Some(AdminId(1)) };
    let plain = plain_outcome();
    let bytes = |to| {
        let cause = Cause { offset: plain.cause.offset + 1, ..plain.cause };
        let outcome = Outcome { sequence: 2, cause, events: vec![raised(to)], ..plain.clone() };
        outcome.encode(plain.encode(Chain::default()).1).0
    };
    for mut reader in [with_term(), behind_term()] {
        let fault = reader.clone().read(2, &bytes(NEXT)).unwrap_err().fault;
        assert_eq!(fault, RecordFault::Newer { needs: NEXT, reads: VOCABULARY, writer: WrittenBy::Build(BUILD) });
        // A reader that knows the vocabulary continues.
        let mut next = reader.clone().knowing(NEXT);
        assert!(matches!(next.read(2, &bytes(NEXT)), Ok(ReadRecord::Outcome(_))));
        assert!(matches!(reader.read(2, &bytes(VOCABULARY)), Ok(ReadRecord::Outcome(_))));
    }
}

/// The same holds for any event that needs more: its outcome names the build after its events.
#[test]
fn an_outcome_names_the_build_to_install() {
    let named = [9, 0, 8, 0, 7, 0];
    let empty = Outcome { sequence: 2, ..plain_outcome() };
    let after = event(&known()[0], 0, &[]);
    for (more, writer) in [(named.as_slice(), WrittenBy::Build(BUILD)), (&[], WrittenBy::Term(0))] {
        let bytes = later::outcome(&empty, &[later::unknown(NEXT), after.clone()], more, Chain::default()).0;
        let fault = behind_term().read(2, &bytes).unwrap_err().fault;
        assert_eq!(fault, RecordFault::Newer { needs: NEXT, reads: VOCABULARY, writer });
    }
    // An outcome that every build reads names no build.
    let outcome = Outcome { events: known(), ..empty };
    let plain = outcome.encode(Chain::default());
    let needing = Outcome { events: vec![Event::VocabularyRaised { to: 1, install: BUILD, by: None }], ..outcome };
    assert_eq!(Outcome { events: known(), ..needing.clone() }.encode_naming(Chain::default(), Some(BUILD)), plain);
    let (without, with) = (needing.encode(Chain::default()).0, needing.encode_naming(Chain::default(), Some(BUILD)).0);
    assert_eq!(with.len(), without.len() + named.len());
    assert_eq!(Record::decode(&with).is_ok(), Record::decode(&without).is_ok());
}
