//! The log's topics must have the required configuration: at the start, and while a process runs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::engine::command;
use common::settings::change_events;
use common::{TestLog, wait_for};
use service::kafka::topics;
use service::{Readiness, Shutdown};

const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn another_number_of_shards_than_the_topics_have_is_refused() {
    let log = TestLog::create("shards");
    for what in ["run", "topics"] {
        let output = command(&log, what).env("LFG_SHARDS", "3").output().unwrap();
        assert!(!output.status.success());
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("partitions = 4, the log needs 3"), "{error}");
    }
    assert!(command(&log, "topics").output().unwrap().status.success());
}

#[test]
fn topics_that_keep_fewer_copies_than_is_demanded_are_refused() {
    let log = TestLog::create("copies");
    for (setting, value, refusal) in [
        ("LFG_REPLICATION", "2", "copies of a partition = 1, the log needs 2 (--replication)"),
        ("LFG_MIN_IN_SYNC", "2", "min.insync.replicas = 1, the log needs 2 or more (--min-in-sync)"),
    ] {
        let output = command(&log, "run").env(setting, value).output().unwrap();
        assert!(!output.status.success());
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(refusal), "{error}");
    }
    // The default is what production needs.
    let output = command(&log, "run").env_remove("LFG_REPLICATION").env_remove("LFG_MIN_IN_SYNC").output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("copies of a partition = 1, the log needs 3 (--replication)"), "{error}");
}

/// The properties that `engine topics` sets are changed one after the other.
#[test]
fn a_topic_that_was_changed_is_refused_at_start_and_seen_while_running() {
    let log = TestLog::create("changed");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (readiness, shutdown) = (Readiness::new(), Shutdown::new());
    let interval = Duration::from_millis(50);
    let watch = topics::watch_every(interval, log.args.clone(), readiness.part("topics"), shutdown.clone());
    let watch = runtime.spawn(watch);
    becomes("the topics are right", || readiness.is_ready());
    for (property, value) in [
        ("message.timestamp.type", "CreateTime"),
        ("max.message.bytes", "1000"),
        ("retention.ms", "86400000"),
        ("retention.bytes", "1000000"),
        ("cleanup.policy", "compact"),
        ("unclean.leader.election.enable", "true"),
    ] {
        runtime.block_on(change_events(&log, Some((property, value))));
        becomes(property, || !readiness.is_ready());
        let output = command(&log, "run").output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(&format!("{property} = {value}")), "{error}");
        runtime.block_on(change_events(&log, None));
        becomes("the topics are right again", || readiness.is_ready());
    }
    shutdown.trigger();
    runtime.block_on(watch).unwrap();
}

fn becomes(what: &str, is_true: impl Fn() -> bool) {
    wait_for(what, LIMIT, || is_true().then_some(()));
}
