//! Rules that keep the stores correct under faults: other writers, broken logs, lost connections,
//! lost memory, missing months.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "tests fail by panicking, on small numbers"
)]

mod common;

use std::collections::BTreeMap;
use std::process::Command;

use common::exchange::{Exchange, Told};
use common::later;
use common::log::{Log, one};
use common::stack::{Stack, dump_postgres, until};
use common::worker::Worker;
use fred::interfaces::ClientInterface as _;
use fred::prelude::KeysInterface as _;
use fred::types::Value;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{Offset, TopicPartitionList};
use schemas::event::{CancelReason, OrderPlaced};
use schemas::read_models::RedisKeys;
use schemas::text::Ticker;
use schemas::{
    About, AccountId, AdminId, CommandId, Credits, EngineId, Entry, Event, FeeRate, Instructions, Listing, MarketId,
    MarketLimits, NewOrder, OrderId, PostOnly, Price, Quantity, Rejection, Settlement, SettlementReason, Shard, Status,
    Term, Terms, TimeInForce, Timestamp,
};
use service::kafka::admin_config;

const SHARDS: u16 = 2;
const START: Timestamp = Timestamp(1_790_000_000_000);

/// Returns a stack, and a log with some history that was produced to it.
async fn prepared(test: &str, steps: usize) -> (Stack, Log, Exchange) {
    let mut stack = Stack::new(test, SHARDS).await;
    let (mut log, mut exchange) = (Log::new(SHARDS, START), Exchange::new(SHARDS, 7));
    let told = exchange.seed(20, 4);
    log.tell_all(&told);
    grow(&mut log, &mut exchange, steps);
    stack.produce_and_flush(&log);
    (stack, log, exchange)
}

fn grow(log: &mut Log, exchange: &mut Exchange, steps: usize) {
    for _ in 0..steps {
        log.time = Timestamp(log.time.as_millis() + 1);
        let told = exchange.step();
        log.tell_all(&told);
    }
}

fn shard(number: u16) -> Shard {
    Shard::new(number).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_writers_the_younger_stops_with_the_reason() {
    let (mut stack, mut log, mut exchange) = prepared("two", 200).await;
    let mut elder = Worker::start(&stack);
    stack.caught_up(&log).await;
    let mut younger = Worker::start(&stack);
    until("the younger one stops", async || {
        grow(&mut log, &mut exchange, 20);
        stack.produce_and_flush(&log);
        !younger.runs()
    })
    .await;
    assert!(!younger.wait().success());
    assert!(younger.logged().contains("another writer is alive"), "{}", younger.logged());

    // However the writers interfered, each outcome is present once.
    grow(&mut log, &mut exchange, 100);
    stack.produce_and_flush(&log);
    stack.caught_up(&log).await;
    assert!(elder.runs());
    assert!(elder.terminate().success());
    compare_with_fresh_fold(&stack, &log).await;
    stack.remove().await;
}

/// Compares Postgres and Redis with a fold of the log from its beginning.
async fn compare_with_fresh_fold(stack: &Stack, log: &Log) {
    let (postgres, redis) = (dump_postgres(&stack.postgres).await, stack.dump_redis().await);
    let (url, other) = stack.other_database().await;
    forget(stack, &[]);
    let worker = Worker::start_on(stack, &url, &[]);
    let ends = common::stack::ends(log);
    until("a fresh fold", async || common::stack::offsets(&other, SHARDS).await == ends).await;
    stack.redis_caught_up(log).await;
    assert!(worker.terminate().success());
    assert!(postgres == dump_postgres(&other).await, "Postgres differs");
    assert_eq!(redis, stack.dump_redis().await);
}

/// Runs `projections rebuild redis`.
fn forget(stack: &Stack, arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_projections"))
        .args(["rebuild", "redis"])
        .args(arguments)
        .env("KAFKA_BROKERS", &stack.log.kafka.brokers)
        .env("REDIS_URL", &stack.redis_url)
        .env("LFG_TOPIC_PREFIX", &stack.log.topic_prefix)
        .env("LFG_SHARDS", SHARDS.to_string())
        .env("LFG_REPLICATION", "1")
        .env("LFG_MIN_IN_SYNC", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flushed_redis_is_rebuilt_while_the_worker_runs() {
    let (mut stack, mut log, mut exchange) = prepared("flush", 1_000).await;
    let worker = Worker::start(&stack);
    stack.caught_up(&log).await;
    let before = stack.dump_redis().await;

    // All data is gone, and no new record wakes the worker.
    for keys in [stack.keys_of(shard(0)).await, stack.keys_of(shard(1)).await] {
        let _: i64 = stack.redis.unlink(keys).await.unwrap();
    }
    until("rebuilt", async || stack.dump_redis().await == before).await;

    // An operator requests a rebuild; stray keys are deleted.
    let stray = RedisKeys::new(&stack.log.topic_prefix, shard(1)).purse(AccountId(12_345));
    let _: () = stack.redis.set(&stray, "?", None, None, false).await.unwrap();
    forget(&stack, &["--shard", "1"]);
    until("rebuilt again", async || stack.dump_redis().await == before).await;

    // The loss happens under load.
    for round in 0..10 {
        grow(&mut log, &mut exchange, 100);
        stack.produce(&log);
        if round == 3 {
            let progress = RedisKeys::new(&stack.log.topic_prefix, shard(0)).progress();
            let _: i64 = stack.redis.unlink(progress).await.unwrap();
        }
    }
    stack.produce_and_flush(&log);
    stack.caught_up(&log).await;
    assert!(worker.terminate().success());
    compare_with_fresh_fold(&stack, &log).await;
    stack.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_redis_halts_its_shard_alone_and_is_rebuilt_at_the_next_start() {
    let (mut stack, mut log, mut exchange) = prepared("torn", 200).await;
    let mut worker = Worker::start(&stack);
    stack.caught_up(&log).await;
    // A foreign value in place of a purse: the script fails there, halfway.
    let (account, _) = *exchange.purses.keys().next().unwrap();
    let home = exchange.home(account);
    let purse = RedisKeys::new(&stack.log.topic_prefix, home).purse(account);
    let _: () = stack.redis.set(&purse, "?", None, None, false).await.unwrap();
    let deposit = |amount| {
        one(
            home,
            Event::Deposited {
                account,
                amount: schemas::Credits(amount),
                client_id: None,
                by: AdminId(1),
                seconded: None,
            },
        )
    };
    exchange.purses.get_mut(&(account, home)).unwrap().available += 1;
    log.tell(&deposit(1));
    stack.produce_and_flush(&log);
    let names = format!("redis of shard {home} refuses: ");
    until("that shard of Redis halts", async || {
        let Some((200, body)) = worker.get("/readyz").await else { return false };
        body.contains(&names) && body.contains("WRONGTYPE") && body.contains("projections rebuild redis --shard")
    })
    .await;
    // All other shards continue.
    grow(&mut log, &mut exchange, 50);
    stack.produce_and_flush(&log);
    stack.postgres_caught_up(&log).await;
    let ends = common::stack::ends(&log);
    let expected: Vec<_> = (0..ends.len()).map(|nth| (nth != home.index()).then_some(ends[nth])).collect();
    until("the other shard of Redis continues", async || stack.redis_offsets().await == expected).await;
    assert!(worker.runs());
    assert!(worker.terminate().success());

    let worker = Worker::start(&stack);
    stack.caught_up(&log).await;
    assert!(worker.terminate().success());
    compare_with_fresh_fold(&stack, &log).await;
    stack.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_lost_its_last_second_continues_from_there() {
    let (mut stack, mut log, mut exchange) = prepared("older", 500).await;
    let worker = Worker::start(&stack);
    stack.caught_up(&log).await;
    let mut saved: BTreeMap<String, Value> = BTreeMap::new();
    for number in 0..SHARDS {
        for key in stack.keys_of(shard(number)).await {
            saved.insert(key.clone(), stack.redis.dump(&key).await.unwrap());
        }
    }
    grow(&mut log, &mut exchange, 500);
    stack.produce_and_flush(&log);
    stack.caught_up(&log).await;
    worker.kill();

    for number in 0..SHARDS {
        let _: i64 = stack.redis.unlink(stack.keys_of(shard(number)).await).await.unwrap();
    }
    for (key, value) in saved {
        let _: () = stack.redis.restore(key, 0, value, false, false, None, None).await.unwrap();
    }
    let worker = Worker::start(&stack);
    stack.caught_up(&log).await;
    assert!(!worker.logged().contains("rebuilt"), "{}", worker.logged());
    assert!(worker.terminate().success());
    compare_with_fresh_fold(&stack, &log).await;
    stack.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_connections_lose_nothing() {
    let (mut stack, mut log, mut exchange) = prepared("lost", 2_000).await;
    let mut worker = Worker::start(&stack);
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name = 'lfg-projections'";
    let (mut backends, mut clients) = (0, 0);
    for round in 0..12 {
        grow(&mut log, &mut exchange, 400);
        stack.produce_and_flush(&log);
        if round % 2 == 0 {
            backends += stack.postgres.query_one(cut, &[]).await.unwrap().get::<_, i64>(0);
        } else {
            clients += kill_redis_clients(&stack).await;
        }
    }
    assert!(backends > 0 && clients > 0, "{backends} backends, {clients} clients");
    stack.caught_up(&log).await;
    assert!(worker.runs());
    assert!(worker.logged().contains("starting again from the stored position"));
    let (_, metrics) = worker.get("/metrics").await.unwrap();
    assert!(metrics.contains("lfg_projections_restarts_total"), "{metrics}");
    assert!(worker.terminate().success());
    compare_with_fresh_fold(&stack, &log).await;
    stack.remove().await;
}

/// Closes the worker's connections; returns how many there were.
async fn kill_redis_clients(stack: &Stack) -> usize {
    let list: String = stack.redis.client_list::<String, String>(None, None).await.unwrap();
    let name = format!("name=lfg-projections:{}:", stack.log.topic_prefix);
    let ours = list.lines().filter(|line| line.contains(&name));
    let mut killed = 0;
    for id in ours.filter_map(|line| line.split_whitespace().find_map(|word| word.strip_prefix("id="))) {
        let filter = fred::types::client::ClientKillFilter::ID(id.to_owned());
        let _: Value = stack.redis.client_kill(vec![filter]).await.unwrap();
        killed += 1;
    }
    killed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_log_halts_its_shard_after_its_valid_records_and_no_other() {
    let (mut stack, mut log, mut exchange) = prepared("broken", 100).await;
    let sound = log.shards[0].records.len();
    grow(&mut log, &mut exchange, 50);
    // Flips one bit of an outcome's chain.
    *log.shards[0].records[sound].last_mut().unwrap() ^= 1;
    stack.produce_and_flush(&log);
    let complaint = format!("events log of shard 0 is broken at offset {sound}");
    // The same after each start.
    for _ in 0..2 {
        let mut worker = Worker::start(&stack);
        let mut body = String::new();
        until("both sinks halt there, and are ready for the other shards", async || {
            let Some((200, ready)) = worker.get("/readyz").await else { return false };
            body = ready;
            body.matches(&complaint).count() == 2
        })
        .await;
        assert!(body.contains(r#""missing":[]"#) && body.contains("postgres of shard 0"), "{body}");
        assert!(matches!(worker.get("/livez").await, Some((200, _))));
        let (_, metrics) = worker.get("/metrics").await.unwrap();
        for (shard, halted) in [(0, 1), (1, 0)] {
            let line =
                format!("lfg_projections_halted{{process=\"projections\",sink=\"redis\",shard=\"{shard}\"}} {halted}");
            let told: Vec<&str> = metrics.lines().filter(|line| line.contains("halted")).collect();
            assert!(told.contains(&line.as_str()), "{line}: {told:?}");
        }
        assert!(worker.logged().contains("hint: ") || worker.logged().contains("hint="), "{}", worker.logged());
        // Later records of the other shard are folded.
        grow(&mut log, &mut exchange, 20);
        stack.produce_and_flush(&log);
        let end = log.shards[1].records.len();
        until("the other shard continues", async || {
            // Redis has all records before the broken one too, but has not reached the end of its
            // first fold.
            stack.postgres_offsets().await == [sound, end] && stack.redis_offsets().await == [None, Some(end)]
        })
        .await;
        let progress = RedisKeys::new(&stack.log.topic_prefix, shard(0)).progress();
        let progress: String = stack.redis.get(progress).await.unwrap();
        assert!(progress.starts_with("rebuilding:") && progress.contains(&format!("/{sound}/")), "{progress}");
        assert!(worker.runs());
        assert!(worker.terminate().success());
    }
    stack.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_log_halts_its_shard_before_anything_is_written() {
    let (mut stack, mut log, _) = prepared("other", 200).await;
    let worker = Worker::start(&stack);
    stack.caught_up(&log).await;
    assert!(worker.terminate().success());
    let (postgres, redis) = (dump_postgres(&stack.postgres).await, stack.dump_redis().await);
    let sound = log.shards[0].records.len();

    // Shard 0 of another exchange, longer; shard 1 unchanged, with more records.
    let (mut others, mut exchange) = (Log::new(SHARDS, START), Exchange::new(SHARDS, 8));
    let told = exchange.seed(20, 4);
    others.tell_all(&told);
    grow(&mut others, &mut exchange, 400);
    std::mem::swap(&mut log.shards[0], &mut others.shards[0]);
    assert!(log.shards[0].records.len() > sound);
    stack.make_topics_anew().await;
    stack.produce_and_flush(&log);
    let key = RedisKeys::new(&stack.log.topic_prefix, shard(0)).progress();
    let progress: String = stack.redis.get(&key).await.unwrap();
    // The same during a rebuild.
    for mark in [progress.clone(), format!("rebuilding:{}/{}", sound + 1, progress.replace(':', "/"))] {
        let _: () = stack.redis.set(&key, &mark, None, None, false).await.unwrap();
        let mut worker = Worker::start(&stack);
        until("both sinks halt there, and are ready for the other shards", async || {
            let Some((200, body)) = worker.get("/readyz").await else { return false };
            body.matches("events log of shard 0 is another log at offset").count() == 2
                && body.matches("hint: compare brokers and topic prefix").count() == 2
        })
        .await;
        assert!(worker.runs());
        assert!(worker.terminate().success());
        assert_eq!(stack.postgres_offsets().await[0], sound);
        assert_eq!(stack.redis.get::<String, _>(&key).await.unwrap(), mark);
    }

    // The other shard's log is the same, and everything is restored.
    let _: () = stack.redis.set(&key, progress, None, None, false).await.unwrap();
    assert!(postgres == dump_postgres(&stack.postgres).await, "Postgres differs");
    assert_eq!(redis, stack.dump_redis().await);
    log.tell(&one(shard(1), Event::AccountOpened { account: AccountId(9_999) }));
    stack.produce_and_flush(&log);
    let worker = Worker::start(&stack);
    let end = log.shards[1].records.len();
    until("the other shard continues", async || {
        stack.postgres_offsets().await == [sound, end] && stack.redis_offsets().await == [Some(sound), Some(end)]
    })
    .await;
    assert!(worker.terminate().success());
    stack.remove().await;
}

/// Returns one metric of a sink's writer.
async fn metric(worker: &Worker, name: &str, sink: &str, shard: u16) -> f64 {
    let (_, metrics) = worker.get("/metrics").await.unwrap();
    let head = format!("{name}{{process=\"projections\",sink=\"{sink}\",shard=\"{shard}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&head));
    line.unwrap_or_else(|| panic!("no {head}: {metrics}")).parse().unwrap()
}

/// Appends `count` outcomes on a shard that change one purse.
fn deposits(log: &mut Log, shard: Shard, account: AccountId, count: usize) {
    for _ in 0..count {
        log.tell(&one(
            shard,
            Event::Deposited { account, amount: Credits::whole(1), client_id: None, by: AdminId(1), seconded: None },
        ));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permanent_error_of_postgres_for_one_shard_halts_that_shard_alone() {
    let (mut stack, mut log, mut exchange) = prepared("refused", 100).await;
    let sound = log.shards[0].records.len();
    let account = AccountId(9_999);
    let statement = "ALTER TABLE purses ADD CONSTRAINT not_this_one CHECK (account_id <> 9999)";
    stack.postgres.batch_execute(statement).await.unwrap();
    stack.produce_and_flush(&log);
    let mut worker = Worker::start(&stack);
    stack.caught_up(&log).await;
    log.tell(&one(shard(0), Event::AccountOpened { account }));
    // The same after a restart.
    for round in 0..2 {
        grow(&mut log, &mut exchange, 50);
        stack.produce_and_flush(&log);
        if round > 0 {
            assert!(worker.terminate().success());
            worker = Worker::start(&stack);
        }
        until("that shard of Postgres halts", async || {
            let Some((200, body)) = worker.get("/readyz").await else { return false };
            body.contains("postgres of shard 0 refuses: ") && body.contains("not_this_one") && body.contains("hint: ")
        })
        .await;
        stack.redis_caught_up(&log).await;
        let end = log.shards[1].records.len();
        until("the other shard continues", async || stack.postgres_offsets().await[1] == end).await;
        assert_eq!(stack.postgres_offsets().await[0], sound);
        for (sink, shard, halted) in [("postgres", 0, 1.0), ("postgres", 1, 0.0), ("redis", 0, 0.0)] {
            let told = metric(&worker, "lfg_projections_halted", sink, shard).await;
            assert!((told - halted).abs() < 0.5, "{sink} {shard}");
        }
        assert!(worker.runs());
    }
    assert!(worker.terminate().success());
    stack.postgres.batch_execute("ALTER TABLE purses DROP CONSTRAINT not_this_one").await.unwrap();
    let worker = Worker::start(&stack);
    stack.caught_up(&log).await;
    assert!(worker.terminate().success());
    compare_with_fresh_fold(&stack, &log).await;
    stack.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_for_one_shard_does_not_delay_or_restart_others() {
    let (mut stack, mut log, mut exchange) = prepared("alone", 100).await;
    let mut worker = Worker::start(&stack);
    stack.caught_up(&log).await;
    let account = AccountId(9_999);
    log.tell(&one(shard(0), Event::AccountOpened { account }));

    // Each transaction of shard 0 loses a deadlock, for more records than its queue holds.
    let fault = "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        IF NEW.shard = 0 THEN RAISE EXCEPTION 'a deadlock' USING ERRCODE = '40P01'; END IF; RETURN NEW; END $$; \
        CREATE TRIGGER fault BEFORE UPDATE ON progress FOR EACH ROW EXECUTE FUNCTION fault()";
    stack.postgres.batch_execute(fault).await.unwrap();
    deposits(&mut log, shard(0), account, 20_000);
    stack.produce_and_flush(&log);
    grow(&mut log, &mut exchange, 100);
    stack.produce_and_flush(&log);
    stack.redis_caught_up(&log).await;
    let end = log.shards[1].records.len();
    until("the other shard continues", async || stack.postgres_offsets().await[1] == end).await;
    until("it is tried again and again", async || {
        metric(&worker, "lfg_projections_restarts_total", "postgres", 0).await > 2.0
    })
    .await;
    for (sink, shard) in [("postgres", 1), ("redis", 0), ("redis", 1)] {
        assert!(metric(&worker, "lfg_projections_restarts_total", sink, shard).await < 0.5, "{sink} {shard}");
    }
    stack.postgres.batch_execute("DROP TRIGGER fault ON progress").await.unwrap();
    stack.postgres_caught_up(&log).await;

    // Another session locks its position, so it waits and its queue fills.
    let other = common::stack::connect(&stack.database_url).await;
    other.batch_execute("BEGIN; SELECT 1 FROM progress WHERE shard = 0 FOR UPDATE").await.unwrap();
    deposits(&mut log, shard(0), account, 20_000);
    stack.produce_and_flush(&log);
    grow(&mut log, &mut exchange, 100);
    stack.produce_and_flush(&log);
    let end = log.shards[1].records.len();
    let start = std::time::Instant::now();
    until("the other shard continues", async || stack.postgres_offsets().await[1] == end).await;
    assert!(start.elapsed().as_secs() < 20, "it waited for the lock's time-out");
    other.batch_execute("ROLLBACK").await.unwrap();
    stack.caught_up(&log).await;
    assert!(metric(&worker, "lfg_projections_restarts_total", "postgres", 1).await < 0.5);
    assert!(worker.runs());
    assert!(worker.terminate().success());
    compare_with_fresh_fold(&stack, &log).await;
    stack.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_is_marked_until_its_end_also_after_a_restart() {
    let (mut stack, mut log, _) = prepared("unfinished", 100).await;
    log.tell(&one(shard(0), Event::AccountOpened { account: AccountId(9_999) }));
    deposits(&mut log, shard(0), AccountId(9_999), 5_000);
    stack.produce_and_flush(&log);
    let slowly = || Worker::start_on(&stack, &stack.database_url, &["--redis-interval-ms", "200"]);
    let worker = slowly();
    stack.caught_up(&log).await;
    let before = stack.dump_redis().await;
    forget(&stack, &["--shard", "0"]);
    let key = RedisKeys::new(&stack.log.topic_prefix, shard(0)).progress();
    let progress = async || -> Option<String> { stack.redis.get(&key).await.unwrap() };
    let end = log.shards[0].records.len();
    let begun = format!("rebuilding:{end}/");
    until("the rebuild is in the middle", async || {
        progress().await.is_some_and(|text| {
            assert!(text.starts_with("rebuilding:"), "{text}");
            text.starts_with(&begun) && !text.starts_with(&format!("{begun}0/"))
        })
    })
    .await;
    worker.kill();
    let left = progress().await.unwrap();
    assert!(left.starts_with(&begun), "{left}");
    let worker = slowly();
    until("the rebuild is done", async || {
        let text = progress().await.unwrap();
        let done = text.starts_with(&format!("{end}:"));
        assert!(done || text.starts_with(&begun), "{text}");
        done
    })
    .await;
    assert!(
        !worker.logged().contains("are rebuilt from the log"),
        "the rebuild continues where it was: {}",
        worker.logged()
    );
    assert_eq!(stack.dump_redis().await, before);
    assert!(worker.terminate().success());
    stack.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_another_version_are_refused_at_the_start_and_by_each_new_connection() {
    let (stack, log, _) = prepared("tables", 50).await;
    let newer = "INSERT INTO refinery_schema_history SELECT version + 1, 'later', applied_on, checksum \
        FROM refinery_schema_history ORDER BY version DESC LIMIT 1";
    let drop_last =
        "DELETE FROM refinery_schema_history WHERE version = (SELECT max(version) FROM refinery_schema_history)";
    // Redis is still written; the exit reports the failure.
    let refused = async |worker: Worker| {
        let ended = "this store is no longer written";
        until("the tables are refused", async || worker.logged().contains(ended)).await;
        let says = "a later build has migrated Postgres's tables to version";
        assert!(worker.logged().contains(says), "{}", worker.logged());
        stack.redis_caught_up(&log).await;
        assert!(!worker.terminate().success());
    };
    stack.postgres.batch_execute(newer).await.unwrap();
    refused(Worker::start(&stack)).await;
    stack.postgres.batch_execute(drop_last).await.unwrap();

    let worker = Worker::start(&stack);
    stack.caught_up(&log).await;
    stack.postgres.batch_execute(newer).await.unwrap();
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name = 'lfg-projections'";
    stack.postgres.query_one(cut, &[]).await.unwrap();
    refused(worker).await;
    stack.postgres.batch_execute(drop_last).await.unwrap();

    // The worker waits for the tables of a migration.
    let waits = async |worker: &Worker, says: &str| {
        until("the reason is reported", async || {
            worker.get("/readyz").await.is_some_and(|(_, body)| body.contains(says) && body.contains("hint: "))
        })
        .await;
    };
    stack.postgres.batch_execute(drop_last).await.unwrap();
    let mut worker = Worker::start(&stack);
    waits(&worker, "run `projections migrate`").await;
    assert!(worker.runs());
    stack.postgres.batch_execute("ALTER TABLE refinery_schema_history RENAME TO history").await.unwrap();
    waits(&worker, "Postgres has no tables: run `projections migrate`").await;
    assert!(worker.terminate().success());
    stack.remove().await;
}

/// Returns the degraded reason that a ready worker reports.
async fn degraded(worker: &Worker) -> Option<String> {
    let (status, body) = worker.get("/readyz").await?;
    let (_, degraded) = body.split_once("\"degraded\":")?;
    let (degraded, _) = degraded.split_once(",\"halted\"")?;
    (status == 200).then(|| degraded.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_database_does_not_delay_redis_and_is_filled_once_it_exists() {
    let (mut stack, mut log, mut exchange) = prepared("gone", 100).await;
    let (path, database) = stack.database_url.rsplit_once('/').unwrap();
    let later = format!("{database}_other");
    let mut worker = Worker::start_on(&stack, &format!("{path}/{later}"), &[]);
    let mut filled = BTreeMap::new();
    stack.redis_caught_up(&log).await;
    until("Postgres is named, and Redis is enough", async || {
        degraded(&worker).await.is_some_and(|named| named.contains("postgres of shard 0") && named.contains(&later))
    })
    .await;
    assert!((metric(&worker, "lfg_projections_shut", "postgres", 0).await - 1.0).abs() < 0.5);
    until("the lag is unknown", async || metric(&worker, "lfg_projections_lag_records", "postgres", 0).await.is_nan())
        .await;

    // The database appears, is dropped under the running worker, and appears again.
    for round in 0..2 {
        let (_, other) = stack.other_database().await;
        let ends = common::stack::ends(&log);
        until("it is filled", async || common::stack::offsets(&other, SHARDS).await == ends).await;
        until("nothing is degraded", async || degraded(&worker).await.as_deref() == Some("{}")).await;
        filled = dump_postgres(&other).await;
        if round == 1 {
            break;
        }
        drop(other);
        stack.drop_other_database().await;
        until("it is missed", async || {
            degraded(&worker).await.is_some_and(|named| named.contains("postgres of shard 1"))
        })
        .await;
        grow(&mut log, &mut exchange, 50);
        stack.produce_and_flush(&log);
        stack.redis_caught_up(&log).await;
        assert!(worker.runs());
    }
    assert!(worker.terminate().success());
    let worker = Worker::start(&stack);
    stack.postgres_caught_up(&log).await;
    assert!(worker.terminate().success());
    assert!(filled == dump_postgres(&stack.postgres).await, "Postgres differs");
    stack.remove().await;
}

/// Returns an order that ends and one that is rejected, for reasons that this build does not know.
fn for_unknown_reasons(account: AccountId) -> Vec<Event> {
    let ticker: Ticker = "LATER".parse().unwrap();
    let market = MarketId::of(&ticker);
    let listing = Listing {
        market,
        ticker,
        about: About::plain("Will it?", "YES if it does.", "tests").unwrap().into(),
        opens: None,
        expiry: Timestamp(4_000_000_000_000),
        tick: 1,
        maker_fee: FeeRate::ZERO,
        taker_fee: FeeRate::ZERO,
        dispute_window_ms: 0,
        limits: MarketLimits::NONE,
    };
    let (price, quantity) = (Price::new(5_000).unwrap(), Quantity::new(10).unwrap());
    let order = NewOrder {
        account,
        market,
        entry: Entry::BuyYes,
        terms: Terms::Limit { price, quantity, time_in_force: TimeInForce::Gtc, post_only: PostOnly::Off },
        fee_rate: FeeRate::ZERO,
        client_id: None,
        instructions: Instructions::default(),
    };
    let id = OrderId::compose(shard(0), 1);
    let (filled, status, cancel_reason) = (Quantity::ZERO, Status::Active, None);
    let (spent, received) = (Credits::ZERO, Credits::ZERO);
    let (reason, code) = (SettlementReason::Unknown(78), Rejection::Unknown(9_999));
    vec![
        Event::MarketCreated { listing, by: AdminId(1) },
        Event::OrderPlaced(OrderPlaced { id, order, price, quantity, filled, status, cancel_reason }),
        Event::OrderCancelled {
            order: id,
            account,
            market,
            entry: order.entry,
            price,
            quantity,
            reason: CancelReason::Unknown(77),
        },
        Event::Settled(Settlement {
            account,
            market,
            order: Some(id),
            reason,
            spent,
            released: order.hold(),
            received,
        }),
        Event::OrderRejected { id: OrderId::compose(shard(0), 2), order, code },
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn additions_of_a_later_build_are_skipped_and_required_ones_halt_the_shard_alone() {
    let mut stack = Stack::new("later", SHARDS).await;
    let (mut log, mut exchange) = (Log { later: true, ..Log::new(SHARDS, START) }, Exchange::new(SHARDS, 7));
    let told = exchange.seed(20, 4);
    log.tell_all(&told);
    grow(&mut log, &mut exchange, 200);
    let account = AccountId(9_999);
    log.tell(&one(shard(0), Event::AccountOpened { account }));
    log.tell(&one(
        shard(0),
        Event::Deposited { account, amount: Credits::whole(100), client_id: None, by: AdminId(1), seconded: None },
    ));
    log.tell(&Told { shard: shard(0), command: CommandId(1), events: for_unknown_reasons(account) });
    stack.produce_and_flush(&log);
    let mut worker = Worker::start(&stack);
    stack.caught_up(&log).await;
    let query = "SELECT (SELECT cancel_reason FROM orders WHERE account_id = $1 AND status = 'CANCELLED'), \
        (SELECT reject_code FROM orders WHERE account_id = $1 AND status = 'REJECTED'), \
        (SELECT string_agg(kind, ' ' ORDER BY sequence, index) FROM ledger_entries WHERE account_id = $1)";
    let row = stack.postgres.query_one(query, &[&(account.0 as i64)]).await.unwrap();
    let shown = (row.get::<_, &str>(0), row.get::<_, i32>(1), row.get::<_, &str>(2));
    assert_eq!(shown, ("UNKNOWN_77", 9_999, "DEPOSIT HOLD UNKNOWN_78"));
    // Two for each outcome: a record before it, and an event in it.
    let (_, metrics) = worker.get("/metrics").await.unwrap();
    let counted = metrics.lines().filter(|line| line.starts_with("lfg_projections_unknown_total{"));
    let counted: f64 = counted.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum();
    assert_eq!(counted as u64, 2 * 2 * log.outcomes(), "both sinks");

    let sound = log.shards[0].records.len();
    log.shards[0].records.push(later::term(Term::new(shard(0), SHARDS, EngineId(2), 1)));
    log.take_over(shard(1));
    stack.produce_and_flush(&log);
    let complaint = format!("events log of shard 0 is newer than this build at offset {sound}");
    let says = "install build 9.8.7 or a later one; hint: install that build of the projections";
    until("both sinks halt there, and are ready for the other shards", async || {
        let Some((200, body)) = worker.get("/readyz").await else { return false };
        body.matches(&complaint).count() == 2 && body.matches(says).count() == 2
    })
    .await;
    let end = log.shards[1].records.len();
    until("the other shard continues", async || {
        stack.postgres_offsets().await == [sound, end] && stack.redis_offsets().await == [Some(sound), Some(end)]
    })
    .await;
    assert!(worker.runs());
    assert!(worker.terminate().success());
    stack.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_cut_halts_its_shard_alone() {
    let (mut stack, mut log, mut exchange) = prepared("cut", 100).await;
    let worker = Worker::start(&stack);
    stack.caught_up(&log).await;
    assert!(worker.terminate().success());
    let at = stack.postgres_offsets().await;
    grow(&mut log, &mut exchange, 50);
    stack.produce_and_flush(&log);
    // Deletes records that were not folded yet.
    let admin: AdminClient<DefaultClientContext> = admin_config(&stack.log.kafka).create().unwrap();
    let mut cut = TopicPartitionList::new();
    let first = Offset::Offset(at[0] as i64 + 1);
    cut.add_partition_offset(&stack.log.topics().events, 0, first).unwrap();
    admin.delete_records(&cut, &AdminOptions::new()).await.unwrap();
    let worker = Worker::start(&stack);
    // The reader first rereads the last outcome that was folded.
    let complaint = format!("events log of shard 0 has no offset {}", at[0] - 1);
    until("both sinks halt there, and are ready for the other shards", async || {
        let Some((200, body)) = worker.get("/readyz").await else { return false };
        body.matches(&complaint).count() == 2
    })
    .await;
    let end = log.shards[1].records.len();
    until("the other shard continues", async || stack.postgres_offsets().await == [at[0], end]).await;
    assert!(worker.terminate().success());
    stack.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_of_stale_engines_do_not_count() {
    let mut stack = Stack::new("stale", SHARDS).await;
    let mut log = Log::new(SHARDS, START);
    let (account, home) = (AccountId(1), shard(0));
    log.tell(&one(home, Event::AccountOpened { account }));
    let deposit = |amount| -> Told {
        one(
            home,
            Event::Deposited {
                account,
                amount: schemas::Credits::whole(amount),
                client_id: None,
                by: AdminId(1),
                seconded: None,
            },
        )
    };
    log.tell(&deposit(1));
    log.take_over(home);
    log.stale(&deposit(10));
    log.tell(&deposit(100));
    log.stale(&deposit(1_000));
    log.take_over(home);
    log.stale(&deposit(10_000));
    stack.produce_and_flush(&log);
    let worker = Worker::start(&stack);
    stack.caught_up(&log).await;
    let row = stack.postgres.query_one("SELECT available, sequence FROM purses", &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (101_000_000, 3));
    assert!(worker.terminate().success());
    compare_with_fresh_fold(&stack, &log).await;
    stack.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn months_appear_before_their_rows() {
    let mut stack = Stack::new("months", SHARDS).await;
    let (mut log, mut exchange) = (Log::new(SHARDS, Timestamp(1_577_836_000_000)), Exchange::new(SHARDS, 7));
    let told = exchange.seed(20, 4);
    log.tell_all(&told);
    // From the end of 2019, about eight and a half months; then a jump of years.
    for _ in 0..500 {
        log.time = Timestamp(log.time.as_millis() + 45_000_000);
        let told = exchange.step();
        log.tell_all(&told);
    }
    log.time = Timestamp(4_102_444_800_000);
    grow(&mut log, &mut exchange, 20);
    stack.produce_and_flush(&log);
    let mut worker = Worker::start(&stack);
    stack.caught_up(&log).await;

    let months = partitions(&stack).await;
    for month in ["2019_12", "2020_01", "2020_08", "2100_01"] {
        for table in projections::postgres::TABLES {
            assert!(months.contains(&format!("{table}_{month}")), "{table}_{month}: {months:?}");
        }
    }
    assert!(!months.contains(&"orders_ended_2050_01".to_owned()));
    // This month and the next two, although no row needs them yet.
    let ahead = "SELECT 'orders_ended' || to_char(now() AT TIME ZONE 'UTC' + i * INTERVAL '1 month', '_YYYY_MM') \
        FROM generate_series(0, 2) AS i";
    for row in stack.postgres.query(ahead, &[]).await.unwrap() {
        assert!(months.contains(&row.get::<_, String>(0)));
    }

    // Detaches a month concurrently while the worker runs; then a row needs it.
    stack.postgres.batch_execute("ALTER TABLE trades DETACH PARTITION trades_2100_01 CONCURRENTLY").await.unwrap();
    // Also detaches old months of ended orders, into which live orders will move.
    let old = ["2019_12", "2020_01", "2020_08"].map(|month| format!("orders_ended_{month}"));
    for month in &old {
        let detach = format!("ALTER TABLE orders_ended DETACH PARTITION {month} CONCURRENTLY");
        stack.postgres.batch_execute(&detach).await.unwrap();
    }
    grow(&mut log, &mut exchange, 200);
    stack.produce_and_flush(&log);
    stack.caught_up(&log).await;
    assert!(worker.runs());
    assert!(partitions(&stack).await.contains(&"trades_2100_01".to_owned()));
    let there = partitions(&stack).await;
    assert!(old.iter().any(|month| there.contains(month)), "no old order ended: {there:?}");
    let attach = "SELECT ensure_month('orders_ended', moment) FROM unnest(ARRAY['2019-12-15Z', '2020-01-15Z', '2020-08-15Z']::timestamptz[]) AS moment";
    stack.postgres.batch_execute(attach).await.unwrap();
    assert!(worker.terminate().success());
    compare_with_fresh_fold(&stack, &log).await;
    stack.remove().await;
}

/// Each batch of the other shard makes its month known to the whole process. After a fault of this
/// shard, that knowledge must not hide that the month into which its order moves is missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_month_stops_no_shard_while_others_write() {
    let mut stack = Stack::new("doubt", SHARDS).await;
    let (account, busy) = (AccountId(9_998), AccountId(9_999));
    // The order was placed in January 2020, and ends in the month in which the other shard writes.
    let mut log = Log::new(SHARDS, Timestamp(1_577_900_000_000));
    log.tell(&one(shard(0), Event::AccountOpened { account }));
    log.tell(&one(shard(1), Event::AccountOpened { account: busy }));
    deposits(&mut log, shard(0), account, 100);
    let life = for_unknown_reasons(account);
    let (born, ends) = (&life[..2], &life[2..]);
    log.tell(&Told { shard: shard(0), command: CommandId(2), events: born.to_vec() });
    stack.produce_and_flush(&log);
    let mut worker = Worker::start(&stack);
    stack.caught_up(&log).await;
    let detach = "ALTER TABLE orders_ended DETACH PARTITION orders_ended_2020_01";
    stack.postgres.batch_execute(detach).await.unwrap();
    stack.postgres.batch_execute("DROP TABLE orders_ended_2020_01").await.unwrap();

    log.time = Timestamp(1_590_000_000_000);
    log.tell(&Told { shard: shard(0), command: CommandId(3), events: ends.to_vec() });
    let end = log.shards[0].records.len();
    let start = std::time::Instant::now();
    until("the shard continues", async || {
        // The other shard writes all the time.
        deposits(&mut log, shard(1), busy, 20);
        stack.produce_and_flush(&log);
        stack.postgres_offsets().await[0] == end
    })
    .await;
    assert!(start.elapsed().as_secs() < 20, "it went on by chance");
    assert!(metric(&worker, "lfg_projections_restarts_total", "postgres", 0).await > 0.5, "nothing was missing");
    assert!(partitions(&stack).await.contains(&"orders_ended_2020_01".to_owned()));
    stack.caught_up(&log).await;
    assert!(worker.runs());
    assert!(worker.terminate().success());
    compare_with_fresh_fold(&stack, &log).await;
    stack.remove().await;
}

async fn partitions(stack: &Stack) -> Vec<String> {
    let rows = stack.postgres.query("SELECT inhrelid::regclass::text FROM pg_inherits", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
