//! The load test against a real exchange: it finds nothing wrong where nothing is, and finds what was tampered with.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Stack, text};
use fred::interfaces::HashesInterface as _;

#[test]
fn a_short_demo_holds() {
    let stack = Stack::start("demo");
    let arguments = ["demo", "--rate", "200", "--seconds", "8", "--markets", "5", "--accounts", "40", "--with-floor"];
    let output = stack.loadtest(&arguments);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    for part in ["All ", " checks hold.", "p99.9", "orders to floor", "every acknowledged order was born exactly once"]
    {
        assert!(said.contains(part), "nothing of {part:?} in:\n{said}");
    }
}

#[test]
fn verify_finds_what_was_tampered_with() {
    let stack = Stack::start("verify");
    let demo = stack.loadtest(&["demo", "--rate", "100", "--seconds", "3", "--markets", "3", "--accounts", "10"]);
    assert!(demo.status.success(), "{}", text(&demo));
    let sound = stack.loadtest(&["verify"]);
    assert!(sound.status.success(), "{}", text(&sound));

    stack.sql("UPDATE wallets SET available = available + 1 WHERE account_id = (SELECT min(account_id) FROM wallets)");
    fails_at(&stack, &["FAIL Postgres: wallets", "FAIL Postgres: each wallet = the sum of its ledger entries"]);
    stack.sql("UPDATE wallets SET available = available - 1 WHERE account_id = (SELECT min(account_id) FROM wallets)");

    stack.sql("UPDATE orders SET status = 'EXPIRED' WHERE id = (SELECT min(id) FROM orders WHERE status = 'FILLED')");
    fails_at(&stack, &["FAIL Postgres: one row for each order", "status: Filled in the log, status: Expired found"]);
    stack.sql("UPDATE orders SET status = 'FILLED' WHERE status = 'EXPIRED'");

    stack.sql("CREATE TABLE kept AS SELECT * FROM trades ORDER BY id LIMIT 1; DELETE FROM trades USING kept WHERE trades.id = kept.id");
    fails_at(&stack, &["FAIL Postgres: one row for each trade", "is missing"]);
    stack.sql("INSERT INTO trades SELECT * FROM kept");

    change_a_level(&stack, 1);
    fails_at(&stack, &["FAIL Redis: every level of every book"]);
    change_a_level(&stack, -1);

    let sound = stack.loadtest(&["verify"]);
    assert!(sound.status.success(), "{}", text(&sound));
}

/// `verify` ends with status 1, and says all of `parts`.
fn fails_at(stack: &Stack, parts: &[&str]) {
    let output = stack.loadtest(&["verify"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in parts {
        assert!(said.contains(part), "nothing of {part:?} in:\n{said}");
    }
    let failed = said.lines().filter(|line| line.trim_start().starts_with("FAIL")).count();
    assert!(failed <= 2, "more failed than was tampered with:\n{said}");
}

/// Adds to the first level of the first book that has one.
fn change_a_level(stack: &Stack, by: i64) {
    stack.redis(async |client| {
        let mut keys = stack.keys(client, ":book:").await;
        keys.sort();
        for key in keys {
            let mut levels: Vec<String> = client.hkeys(&key).await.unwrap();
            levels.sort();
            if let Some(level) = levels.into_iter().find(|field| field != "sequence") {
                let _: i64 = client.hincrby(&key, level, by).await.unwrap();
                return;
            }
        }
        panic!("no book has a level");
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
