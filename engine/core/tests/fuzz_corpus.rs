//! Runs the fuzzing targets over their corpus, over random bytes and over random changes of the
//! corpus. Faults that a fuzzer once found are tested on every machine, without a fuzzer.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking, and reads the corpus")]

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use schemas::{Event, MarketState, Message, ParkedRequest, PurseInstruction, Rejection, TriggerCause};

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 5] = [
    ("command_record", targets::command_record),
    ("event_record", targets::event_record),
    ("reading", targets::reading),
    ("snapshot", targets::snapshot),
    ("commands", targets::commands),
];

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target)
}

fn files(target: &str) -> BTreeMap<String, Vec<u8>> {
    let read = |path: PathBuf| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap());
    fs::read_dir(folder(target)).unwrap().map(|entry| read(entry.unwrap().path())).collect()
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    files(target).into_values().collect()
}

#[test]
fn every_target_survives_its_corpus() {
    for (name, target) in TARGETS {
        let inputs = corpus(name);
        assert!(!inputs.is_empty(), "{name} has no corpus");
        inputs.iter().for_each(|bytes| target(bytes));
    }
}

/// The corpus must reach parked requests: a fuzzer rarely finds them from a corpus without them.
#[test]
fn the_corpus_of_commands_asks_and_recalls() {
    let events: Vec<_> = corpus("commands").iter().flat_map(|bytes| targets::run(bytes)).collect();
    let reached = |what: &str, is: fn(&Event) -> bool| assert!(events.iter().any(is), "no {what}");
    reached("ask", |event| matches!(event, Event::Asked { .. }));
    reached("refused ask", |event| matches!(event, Event::AskAnswered { refused: Some(_), .. }));
    reached("recall", |event| matches!(event, Event::Instructed { instruction: PurseInstruction::Recall(_), .. }));
    reached(
        "parked batch",
        |event| matches!(event, Event::Parked(parked) if matches!(parked.request, ParkedRequest::Batch(_))),
    );
    reached("cancel of a parked request", |event| matches!(event, Event::ParkedCancelled { .. }));
    reached("request that waited too long", |event| {
        matches!(event, Event::OrderRejected { code: Rejection::FundingTimeout, .. })
    });
    reached("frozen purse", |event| matches!(event, Event::PurseFrozen { frozen: true, .. }));
    reached("limited purse", |event| matches!(event, Event::PurseLimited { .. }));
    reached("idle purse", |event| match event {
        Event::Sent { message: Message::Return(all), .. } => all.iter().any(|returned| returned.ticket.is_none()),
        _ => false,
    });
    reached("deposit by two admins", |event| matches!(event, Event::Deposited { seconded: Some(_), .. }));
    reached("archived market", |event| matches!(event, Event::MarketArchived { .. }));
    reached("order in an archived market", |event| {
        matches!(event, Event::OrderRejected { code: Rejection::MarketArchived, .. })
    });
    reached("edited market", |event| matches!(event, Event::MarketEdited { .. }));
    reached("edit of a market that has traded", |event| {
        matches!(event, Event::Rejected { code: Rejection::MarketTraded })
    });
    reached("added text", |event| matches!(event, Event::MarketAddedTo { .. }));
    reached("market that opens by itself", |event| {
        matches!(event, Event::MarketChanged { state: MarketState::Open, by: None, .. })
    });
    reached("YES that is claimed", |event| matches!(event, Event::YesAnswered { taken_by: Some(_), .. }));
    reached("YES that is released", |event| matches!(event, Event::YesReleased { .. }));
    reached("confirmed YES", |event| match event {
        Event::MarketChanged { state: MarketState::Resolved, resolution, .. } => {
            resolution.is_some_and(|resolution| resolution.answer.is_yes())
        }
        _ => false,
    });
    reached("group that its fills trigger", |event| {
        matches!(event, Event::GroupTriggered { cause: TriggerCause::Filled, .. })
    });
    reached("group that is triggered elsewhere", |event| {
        matches!(event, Event::GroupTriggered { cause: TriggerCause::Elsewhere, .. })
    });
    reached("group that has filled elsewhere", |event| {
        matches!(event, Event::GroupFilled { reported_by: Some(_), .. })
    });
    reached("order of a triggered group", |event| {
        matches!(event, Event::OrderRejected { code: Rejection::GroupTriggered, .. })
    });
    reached("deleted group", |event| matches!(event, Event::GroupDeleted { .. }));
    reached("key that a key adds", |event| matches!(event, Event::ApiKeyAdded { by: Some(_), .. }));
    reached("key that ends after a grace", |event| matches!(event, Event::ApiKeyEnds { .. }));
    reached("key that asks for more than it has", |event| {
        matches!(event, Event::Rejected { code: Rejection::KeyRightsExceeded })
    });
    reached("admin that is set", |event| matches!(event, Event::AdminSet { .. }));
    reached("admin that is revoked", |event| matches!(event, Event::AdminRevoked { .. }));
    reached("last admin", |event| matches!(event, Event::Rejected { code: Rejection::LastAdmin }));
    reached("mass cancel everywhere", |event| {
        matches!(event, Event::InstructionCompleted { instruction: PurseInstruction::MassCancel(_), .. })
    });
}

/// Fails when the layout of the state has changed. Then `snapshot.rs` needs a new magic and the
/// corpus needs new snapshots (`UPDATE_EXPECT=1` makes one after each sequence of commands).
#[test]
fn snapshots_of_this_layout_are_restored() {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        files("snapshot").keys().for_each(|name| fs::remove_file(folder("snapshot").join(name)).unwrap());
        for (name, script) in files("commands") {
            fs::write(folder("snapshot").join(name), targets::snapshot_after(&script)).unwrap();
        }
    }
    let (shard, map) = targets::shard();
    for bytes in corpus("snapshot") {
        let restored = engine_core::Replica::restore(shard, map, &bytes);
        assert!(restored.is_ok(), "the layout changed: {restored:?}");
    }
}

/// Changes that a network, a disk or an attacker may make to valid bytes.
#[derive(Clone, Debug)]
enum Change {
    Flip { at: prop::sample::Index, bit: u8 },
    Set { at: prop::sample::Index, byte: u8 },
    Cut { at: prop::sample::Index },
    Append { bytes: Vec<u8> },
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 0_u8..8).prop_map(|(at, bit)| Change::Flip { at, bit }),
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set { at, byte }),
        at().prop_map(|at| Change::Cut { at }),
        prop::collection::vec(any::<u8>(), 1..16).prop_map(|bytes| Change::Append { bytes }),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        match change {
            Change::Append { bytes: more } => bytes.extend(more),
            _ if bytes.is_empty() => {}
            Change::Flip { at, bit } => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Change::Set { at, byte } => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Change::Cut { at } => bytes.truncate(at.index(bytes.len())),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_target_survives_changes_of_its_corpus(
        pick in any::<prop::sample::Index>(), changes in prop::collection::vec(change(), 1..8),
    ) {
        for (name, target) in TARGETS {
            let inputs = corpus(name);
            target(&changed(inputs[pick.index(inputs.len())].clone(), &changes));
        }
    }

    #[test]
    fn every_target_survives_random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for (_, target) in TARGETS {
            target(&bytes);
        }
    }
}
