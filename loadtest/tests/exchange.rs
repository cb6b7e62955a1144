//! Runs the load test against a real exchange. It finds no fault in a correct exchange, and finds
//! data that was tampered with.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

mod common;

use common::{Stack, text};
use fred::interfaces::HashesInterface as _;

#[test]
fn a_short_demo_holds() {
    let stack = Stack::start("demo");
    let engine = format!("engine={}", stack.pid("engine"));
    let shape = ["--rate", "200", "--seconds", "8", "--markets", "5", "--accounts", "40", "--with-floor"];
    let output = stack.loadtest(&[&["demo", "--pid", &engine], &shape[..]].concat());
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    let parts = [
        " checks hold",
        "p99.9",
        "orders to floor",
        "every acknowledged order was accepted once",
        "outcomes  ",
        "asks of purses that lacked credits or room",
        "together ",
    ];
    for part in parts {
        assert!(said.contains(part), "{part:?} is missing in:\n{said}");
    }
    assert!(!said.contains("does not exist"), "the engine's processor time is missing:\n{said}");
    for label in sample_labels() {
        let is_there = said.lines().any(|line| line.trim_start().starts_with(&label));
        assert!(is_there, "README.md shows {label:?}, and a demo prints no such line:\n{said}");
    }
    let batches = ["--rate", "2000", "--seconds", "3", "--markets", "5", "--accounts", "40", "--batch", "50"];
    let output = stack.loadtest(&[&["demo"], &batches[..]].concat());
    let said = text(&output);
    assert!(output.status.success() && said.contains("in batches of 50"), "{said}");
    assert!(said.contains(" × 201"), "{said}");
}

/// Returns the first words of the lines of the demo's output that README.md shows.
fn sample_labels() -> Vec<String> {
    let readme = include_str!("../../README.md");
    let sample = readme.split("$ ops/loadtest demo --with-floor\n").nth(1).unwrap().split("```").next().unwrap();
    let label = |line: &str| {
        let words = line.trim().split("  ").next()?;
        let label = words.split(|c: char| c.is_ascii_digit()).next()?.trim_end();
        (!label.is_empty() && label != "…").then(|| label.to_owned())
    };
    let labels: Vec<String> = sample.lines().filter_map(label).collect();
    assert!(labels.len() >= 15, "{labels:?}");
    labels
}

/// Runs these attacks beside a victim that is refused nothing, except with the code `late`. Returns
/// the report's line of each.
///
/// `ops/hostile` measures latencies, on an otherwise idle machine; here other tests run at the same
/// time.
fn attacked(name: &str, attacks: &[&str], late: Option<&str>) -> Vec<String> {
    let stack = Stack::start(name);
    let gateway = format!("gateway={}", stack.pid("gateway"));
    let size = ["--seconds", "1", "--levels", "400", "--markets", "20", "--pid", &gateway];
    let only: Vec<&str> = attacks.iter().flat_map(|attack| ["--only", attack]).collect();
    let output = stack.loadtest(&[&["hostile"], &size[..], &only].concat());
    let said = text(&output);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{said}");
    let line_of = |attack: &&str| {
        let mut lines = said.lines().skip_while(|line| !line.trim_start().starts_with(attack));
        let line = lines.next().unwrap_or_else(|| panic!("{said}"));
        let refused: u64 = line.split_whitespace().nth(5).unwrap().parse().unwrap();
        let refusals = lines.map_while(|line| line.trim_start().split_once(" × "));
        let were_late = refusals.filter(|(_, what)| late.is_some_and(|late| what.contains(late)));
        assert_eq!(refused, were_late.map(|(count, _)| count.parse::<u64>().unwrap()).sum::<u64>(), "{said}");
        line.to_owned()
    };
    attacks.iter().map(line_of).collect()
}

#[test]
fn no_attack_takes_the_victims_place() {
    attacked("hostile", &["silent-connections", "slow-bodies", "unfinished-streams", "far-positions"], None);
}

#[test]
fn no_websockets_take_the_victims_place_or_keep_memory() {
    let attacks = ["many-sockets", "unread-snapshots", "deep-subscriptions", "order-subscriptions", "crowded-book"];
    // These take the processors where programs are built for tests: then Postgres may be late.
    for line in attacked("sockets", &attacks, Some("read-model-unavailable")) {
        let felt = line.split("FELT:").nth(1).unwrap_or_default();
        assert!(!felt.contains("memory"), "memory does not come back: {line}");
    }
}

#[test]
fn verify_finds_tampered_data() {
    let stack = Stack::start("verify");
    let demo = stack.loadtest(&["demo", "--rate", "100", "--seconds", "3", "--markets", "3", "--accounts", "10"]);
    assert!(demo.status.success(), "{}", text(&demo));
    let sound = stack.loadtest(&["verify"]);
    assert!(sound.status.success(), "{}", text(&sound));

    change_a_purse(&stack, 1);
    let sum = "FAIL Postgres: each purse = the sum of its ledger entries";
    fails_at(&stack, &["FAIL Postgres: purses", "FAIL Postgres: wallets", sum, "available: Credits "]);
    change_a_purse(&stack, -1);

    let sent = "FROM ledger_entries WHERE kind = 'PURSE_SENT' ORDER BY account_id, sequence LIMIT 1";
    stack.sql(&format!("CREATE TABLE kept_entry AS SELECT * {sent}"));
    stack.sql("DELETE FROM ledger_entries l USING kept_entry k WHERE (l.shard, l.sequence, l.index) = (k.shard, k.sequence, k.index)");
    fails_at(&stack, &["FAIL Postgres: ledger entries of each purse by kind", sum]);
    stack.sql("INSERT INTO ledger_entries SELECT * FROM kept_entry");

    stack.sql("UPDATE orders SET status = 'EXPIRED' WHERE id = (SELECT min(id) FROM orders WHERE status = 'FILLED')");
    fails_at(&stack, &["FAIL Postgres: one row for each order", "status: Filled in the log, status: Expired found"]);
    stack.sql("UPDATE orders SET status = 'FILLED' WHERE status = 'EXPIRED'");

    stack.sql("CREATE TABLE kept AS SELECT * FROM trades ORDER BY id LIMIT 1; DELETE FROM trades USING kept WHERE trades.id = kept.id");
    fails_at(&stack, &["FAIL Postgres: one row for each trade", "is missing"]);
    stack.sql("INSERT INTO trades SELECT * FROM kept");

    change_a_hash(&stack, ":book:", |_| true, 1);
    fails_at(&stack, &["FAIL Redis: every level of every book"]);
    change_a_hash(&stack, ":book:", |_| true, -1);

    change_a_hash(&stack, ":purse:", |field| field == "received", 1);
    fails_at(&stack, &["FAIL Redis: purses", "received: Credits "]);
    change_a_hash(&stack, ":purse:", |field| field == "received", -1);

    let sound = stack.loadtest(&["verify"]);
    assert!(sound.status.success(), "{}", text(&sound));
}

/// Adds to the available credits of one purse in the table.
fn change_a_purse(stack: &Stack, by: i64) {
    let first = "(SELECT account_id, shard FROM purses ORDER BY account_id, shard LIMIT 1)";
    stack.sql(&format!("UPDATE purses SET available = available + {by} WHERE (account_id, shard) = {first}"));
}

/// `verify` ends with status 1 and prints all of `parts`; no check fails except those among them.
fn fails_at(stack: &Stack, parts: &[&str]) {
    let output = stack.loadtest(&["verify"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is missing in:\n{said}");
    }
    let is_fail = |line: &str| line.trim_start().starts_with("FAIL");
    let failed = said.lines().filter(|line| is_fail(line)).count();
    let expected = parts.iter().filter(|part| is_fail(part)).count();
    assert_eq!(failed, expected, "other checks failed than those of the tampered data:\n{said}");
}

/// Adds to a field that is meant, of the first key of this kind that has one.
fn change_a_hash(stack: &Stack, kind: &str, is_meant: fn(&str) -> bool, by: i64) {
    stack.redis(async |client| {
        let mut keys = stack.keys(client, kind).await;
        keys.sort();
        for key in keys {
            let mut fields: Vec<String> = client.hkeys(&key).await.unwrap();
            fields.sort();
            if let Some(field) = fields.into_iter().find(|field| is_meant(field)) {
                let _: i64 = client.hincrby(&key, field, by).await.unwrap();
                return;
            }
        }
        panic!("no key of {kind} has such a field");
    });
}

#[test]
fn seeding_twice_is_seeding_once() {
    let stack = Stack::start("seed");
    let file = stack.folder.path().join("demo.json");
    let seed = || {
        let output = stack.loadtest(&["seed", "--out", file.to_str().unwrap()]);
        assert!(output.status.success(), "{}", text(&output));
        std::fs::read_to_string(&file).unwrap()
    };
    let first = seed();
    assert_eq!(first, seed());
    let demo: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert_eq!(demo["api_key"], demo["accounts"][0]["api_key"]);
    assert_eq!(demo["market"], demo["markets"][0]["ticker"]);
}
