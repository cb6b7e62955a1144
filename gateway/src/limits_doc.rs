//! `docs/limits.md` says what the code does: every limit of the configuration, and every constant
//! that bounds clients.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clap::CommandFactory;

use crate::config::{self, GatewayCli};
use crate::db::{REACH_WITHIN, REPLICA_WITHIN};
use crate::ending;
use crate::http::problem::ERRORS_MAX;
use crate::http::public;
use crate::live::WAITING_MAX;
use crate::rates;
use crate::replays::{ALL_MAX, OF_KEY_MAX};
use crate::room;
use crate::store::checkpoints;
use crate::view::keys::KEYS_IN_USE_MAX;
use crate::view::stored::LOADED_MAX;
use crate::ws::{self, changes, hub, queue, session, snapshot_rate, subjects};
use crate::{books, pending, producer};

const DOCUMENT: &str = include_str!("../../docs/limits.md");

/// Settings that bound no client.
const NO_LIMITS: [&str; 5] = ["shards", "replication", "min_in_sync", "follow", "pool"];

/// First and second cell of each row of a table.
fn rows() -> BTreeMap<&'static str, &'static str> {
    let cells = |line: &'static str| {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        Some((cells.next()?, cells.next()?))
    };
    let rows = DOCUMENT.lines().filter_map(cells).filter(|(name, _)| !["limit", "---"].contains(name));
    let mut found = BTreeMap::new();
    for (name, value) in rows {
        assert!(found.insert(name, value).is_none(), "{name} twice");
    }
    found
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}

/// Constants by their names in the code.
fn constants() -> BTreeMap<&'static str, String> {
    let times = [
        ("BODY_WITHIN", config::BODY_WITHIN),
        ("POSITION_WITHIN", config::POSITION_WITHIN),
        ("PRODUCE_WITHIN", config::PRODUCE_WITHIN),
        ("SNAPSHOT_WITHIN", snapshot_rate::SNAPSHOT_WITHIN),
        ("REQUEST_WITHIN", config::REQUEST_WITHIN),
        ("DRAIN_WITHIN", config::DRAIN_WITHIN),
        ("ACCOUNTS_WITHIN", config::ACCOUNTS_WITHIN),
        ("PING_EVERY", session::PING_EVERY),
        ("SILENCE_MAX", session::SILENCE_MAX),
        ("CLOSE_WITHIN", session::CLOSE_WITHIN),
        ("CHECKPOINT_EVERY", checkpoints::CHECKPOINT_EVERY),
        ("PAUSE", rates::PAUSE),
        ("SHARE_EVERY", rates::sharing::SHARE_EVERY),
        ("OPEN_COUNTS", pending::OPEN_COUNTS),
    ];
    let numbers = [
        ("STREAMS_MAX", config::STREAMS_MAX.to_string()),
        ("REQUEST_PARTS", config::REQUEST_PARTS.to_string()),
        ("WAIT_PARTS", config::WAIT_PARTS.to_string()),
        ("POOL_PARTS", config::POOL_PARTS.to_string()),
        ("WEBSOCKET_BYTE_PARTS", config::WEBSOCKET_BYTE_PARTS.to_string()),
        ("SOCKET_BYTES_MAX", queue::SOCKET_BYTES_MAX.to_string()),
        ("WEBSOCKET_PARTS", config::WEBSOCKET_PARTS.to_string()),
        ("POSITION_AHEAD_MAX", config::POSITION_AHEAD_MAX.to_string()),
        ("BODY_MAX", config::BODY_MAX.to_string()),
        ("ANSWERS_MAX", config::ANSWERS_MAX.to_string()),
        ("ANSWER_PARTS", config::ANSWER_PARTS.to_string()),
        ("PIECE", service::serve::PIECE.to_string()),
        ("RESET_STREAMS_MAX", service::serve::RESET_STREAMS_MAX.to_string()),
        ("FAULTY_STREAMS_MAX", service::serve::FAULTY_STREAMS_MAX.to_string()),
        ("REQUEST_ID_MAX", service::serve::REQUEST_ID_MAX.to_string()),
        ("COMPRESS_FROM", public::COMPRESS_FROM.to_string()),
        ("COMPRESSIONS_MAX", public::COMPRESSIONS_MAX.to_string()),
        ("CLOSED_AT_ONCE", ending::CLOSED_AT_ONCE.to_string()),
        ("URI_MAX", service::serve::refusal::URI_MAX.to_string()),
        ("HEAD_MAX", service::serve::HEAD_MAX.to_string()),
        ("HEAD_MAX_HTTP2", service::serve::HEAD_MAX_HTTP2.to_string()),
        ("ERRORS_MAX", ERRORS_MAX.to_string()),
        ("OF_KEY_MAX", OF_KEY_MAX.to_string()),
        ("ALL_MAX", ALL_MAX.to_string()),
        ("SLOW", format!("{} ms", room::SLOW.as_millis())),
        ("ROOM_MIN", room::ROOM_MIN.to_string()),
        ("SHARE_MAX", rates::sharing::SHARE_MAX.to_string()),
        ("OWNERS_MAX", service::buckets::OWNERS_MAX.to_string()),
        ("SUBSCRIPTIONS_MAX", hub::SUBSCRIPTIONS_MAX.to_string()),
        ("MESSAGE_MAX", ws::MESSAGE_MAX.to_string()),
        ("QUEUE_MAX", queue::QUEUE_MAX.to_string()),
        ("SNAPSHOT_BYTES_EACH_SECOND", snapshot_rate::SNAPSHOT_BYTES_EACH_SECOND.to_string()),
        ("SNAPSHOT_BYTES_BURST", snapshot_rate::SNAPSHOT_BYTES_BURST.to_string()),
        ("TURN_MAX", subjects::TURN_MAX.to_string()),
        ("WAITING_MAX", WAITING_MAX.to_string()),
        ("BAD_REQUESTS_MAX", session::BAD_REQUESTS_MAX.to_string()),
        ("CHANGED_MAX", checkpoints::CHANGED_MAX.to_string()),
        ("LOADED_MAX", LOADED_MAX.to_string()),
        ("KEYS_IN_USE_MAX", KEYS_IN_USE_MAX.to_string()),
        ("OPEN_MAX", pending::OPEN_MAX.to_string()),
        ("QUEUED_KIB_MAX", producer::QUEUED_KIB_MAX.to_string()),
        ("KEPT_MAX", books::KEPT_MAX.to_string()),
        ("TALLIES_MAX", changes::TALLIES_MAX.to_string()),
        ("SNAPSHOT_ORDERS_MAX", changes::SNAPSHOT_ORDERS_MAX.to_string()),
    ];
    let moments = [("REACH_WITHIN", REACH_WITHIN), ("REPLICA_WITHIN", REPLICA_WITHIN)];
    let moments = moments.map(|(name, time)| (name, format!("{} ms", time.as_millis())));
    times.into_iter().map(|(name, time)| (name, seconds(time))).chain(numbers).chain(moments).collect()
}

/// Settings by their flags, with the defaults of those that have one.
fn settings() -> BTreeMap<String, Option<String>> {
    let cli = GatewayCli::command();
    let run = cli.find_subcommand("run").expect("gateway run");
    let is_limit = |flag: &str| {
        let endings = ["-max", "-within", "-burst"];
        let is_time_or_number = endings.iter().any(|ending| flag.ends_with(ending)) || flag.contains("-per-");
        is_time_or_number && !NO_LIMITS.contains(&flag)
    };
    let limits = run.get_arguments().filter_map(|argument| {
        let flag = argument.get_long().filter(|flag| is_limit(flag))?;
        let default = argument.get_default_values().first().map(|value| value.to_string_lossy().into_owned());
        let shown = if flag.ends_with("-within") { default.map(|value| format!("{value} s")) } else { default };
        Some((format!("--{flag}"), shown))
    });
    limits.collect()
}

#[test]
fn every_limit_is_in_the_document_with_its_value() {
    let rows = rows();
    let shown =
        |name: &str| rows.get(format!("`{name}`").as_str()).copied().unwrap_or_else(|| panic!("no row `{name}`"));
    for (name, value) in constants() {
        assert_eq!(shown(name), value, "{name}");
    }
    for (flag, default) in settings() {
        let row = shown(&flag);
        assert!(default.is_none_or(|default| default == row), "{flag} is {row}");
    }
    assert_eq!(rows["admin port: connections"], service::admin::CONNECTIONS.to_string());
    let times = service::admin::LIMITS;
    let times = [times.first_within, times.idle_within, times.write_within].map(seconds).join(", ");
    assert_eq!(rows["admin port: first request, idle, writing"], times);
    // And nothing that is not there.
    let known: BTreeSet<String> = constants()
        .into_keys()
        .map(str::to_owned)
        .chain(settings().into_keys())
        .map(|name| format!("`{name}`"))
        .collect();
    for name in rows.keys().filter(|name| name.starts_with('`')) {
        assert!(known.contains(*name), "{name} is no limit of the code");
    }
}

#[test]
fn every_constant_of_the_configuration_is_in_the_document() {
    let source = include_str!("config.rs");
    let names = source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    let names: Vec<&str> = names.collect();
    assert!(names.len() > 10);
    for name in names {
        assert!(constants().contains_key(name), "{name}");
    }
}
