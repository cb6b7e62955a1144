//! Golden bytes: every command, event, message and record, as the log has them in format version 3.
//!
//! `golden/version-3/*.hex` has one line per value, `NAME HEX`. **Lines are never edited and never
//! removed** once a release wrote the version: a log keeps these bytes permanently, and a build
//! that breaks one of them cannot read its own past. Lines are only added: a variant without a line
//! fails a test, which prints the line to append.

mod later;
mod values;

use std::collections::BTreeMap;
use std::fmt::Debug;

use schemas::codec::{self, DecodeError};
use schemas::record::Chain;
use schemas::{Command, CommandRecord, Event, Message, Outcome, Quarantined, Record, Term, TimeInForce};

/// Checks each value against its golden line, in both directions, and that every line has a value.
fn check<T: PartialEq + Debug>(
    golden: &str,
    values: &[(String, T)],
    encode: impl Fn(&T) -> Vec<u8>,
    decode: impl Fn(&[u8]) -> T,
) {
    let mut lines: BTreeMap<&str, &str> = golden
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(' ').expect("a line is NAME HEX"))
        .collect();
    let mut missing = String::new();
    for (name, value) in values {
        let bytes = encode(value);
        match lines.remove(name.as_str()) {
            None => missing += &format!("{name} {}\n", hex(&bytes)),
            Some(line) => {
                assert_eq!(hex(&bytes), line, "{name}: the value no longer encodes to the bytes on the log");
                assert_eq!(&decode(&unhex(line)), value, "{name}: the log's bytes no longer mean this value");
            }
        }
    }
    assert!(missing.is_empty(), "values without golden bytes; append these lines:\n{missing}");
    assert!(lines.is_empty(), "golden bytes without a value: {:?}", lines.keys());
}

/// Checks that every name of the exhaustive match has at least one value.
fn covers<T>(variants: &[&str], values: &[(String, T)]) {
    for variant in variants {
        let covered = values.iter().any(|(name, _)| name.split('/').next() == Some(variant));
        assert!(covered, "{variant} has no value in `values`, so no golden bytes");
    }
}

#[test]
fn every_command() {
    let values = values::commands();
    covers(values::COMMANDS, &values);
    let record = |command: &Command| CommandRecord::new(values::COMMAND_ID, command.clone());
    check(
        include_str!("golden/version-3/commands.hex"),
        &values,
        |command| record(command).encode(),
        |bytes| {
            let record = CommandRecord::decode(bytes).expect("golden bytes decode");
            assert_eq!(record.id, values::COMMAND_ID);
            record.command
        },
    );
}

/// The origin follows the command.
#[test]
fn a_command_with_its_origin() {
    let plain = CommandRecord::new(values::COMMAND_ID, Command::AdvanceTime);
    let record = CommandRecord { origin: Some(Box::new(values::came_with())), ..plain.clone() };
    check(
        include_str!("golden/version-3/origins.hex"),
        &[("AdvanceTime".to_owned(), record)],
        CommandRecord::encode,
        |bytes| CommandRecord::decode(bytes).expect("golden bytes decode"),
    );
    // A reader skips other frames there if it need not know them.
    let later = |needs| [plain.encode(), later::unknown(needs)].concat();
    assert_eq!(CommandRecord::decode(&later(0)), Ok(plain.clone()));
    assert!(matches!(CommandRecord::decode(&later(later::NEXT)), Err(DecodeError::Newer { .. })));
}

#[test]
fn every_event() {
    let values = values::events();
    covers(values::EVENTS, &values);
    check(include_str!("golden/version-3/events.hex"), &values, body::<Event>, exact::<Event>);
}

#[test]
fn every_message() {
    let values = values::messages();
    covers(values::MESSAGES, &values);
    check(include_str!("golden/version-3/messages.hex"), &values, body::<Message>, exact::<Message>);
}

/// The chain before every outcome here.
const BEFORE: Chain = Chain([0xC4; 16]);

#[test]
fn every_record() {
    let values = [
        ("Term".to_owned(), Record::Term(values::term())),
        ("Outcome".to_owned(), Record::Outcome(values::outcome(), values::outcome().encode(BEFORE).1)),
        ("Outcome/empty".to_owned(), Record::Outcome(values::empty(), values::empty().encode(BEFORE).1)),
        ("Halted".to_owned(), Record::Halted(values::leader_halted())),
        ("Quarantine/record".to_owned(), Record::Quarantine(values::quarantine(Quarantined::Record { offset: 0x51 }))),
        (
            "Quarantine/command".to_owned(),
            Record::Quarantine(values::quarantine(Quarantined::Command { offset: 0x52 })),
        ),
    ];
    check(
        include_str!("golden/version-3/records.hex"),
        &values,
        |record| match record {
            Record::Term(term) => Term::encode(term),
            Record::Outcome(outcome, _) => Outcome::encode(outcome, BEFORE).0,
            Record::Halted(halted) => halted.encode(),
            Record::Quarantine(quarantine) => quarantine.encode(),
            Record::Unknown { .. } => unreachable!("it is never written"),
        },
        |bytes| {
            let record = Record::decode(bytes).expect("golden bytes decode");
            assert_eq!(matches!(record, Record::Outcome(..)), Record::follows(bytes, BEFORE));
            record
        },
    );
}

/// The names of enums that have data on the log and are one word in JSON and SQL.
#[test]
fn every_time_in_force_has_its_name() {
    let golden = ["GTC", "GTD", "IOC", "FOK"];
    assert_eq!(TimeInForce::NAMES, golden);
    assert_eq!(values::times_in_force().map(TimeInForce::name), golden);
}

/// Enums without data: codes are on the log, names are in JSON and SQL. Both are public.
#[test]
fn every_code_and_name() {
    let codes = values::codes();
    let golden = include_str!("golden/codes.txt");
    let known: Vec<&str> = golden.lines().filter(|line| !line.starts_with('#')).collect();
    let missing: Vec<&String> = codes.iter().filter(|line| !known.contains(&line.as_str())).collect();
    assert!(missing.is_empty(), "codes without a golden line; append:\n{missing:#?}");
    let gone: Vec<&&str> = known.iter().filter(|line| !codes.iter().any(|code| code == **line)).collect();
    assert!(gone.is_empty(), "codes with a changed meaning, or missing: {gone:#?}");
}

fn body<T: bincode::Encode>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode_into(value, &mut bytes);
    bytes
}

fn exact<T: bincode::Decode<()>>(bytes: &[u8]) -> T {
    codec::decode_exact(bytes).expect("golden bytes decode")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex")).collect()
}
