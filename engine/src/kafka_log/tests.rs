//! Whether records are fetched or reported, a leader reads its whole partition, in order, each
//! record once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use schemas::Shard;
use service::KafkaArgs;
use service::config::Copies;
use service::kafka::topics::{create, delete};
use service::kafka::{ConsumerProfile, EventsTail};

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

const SHARD: Shard = Shard::new(0).unwrap();

/// Records of a partition: offset and bytes.
type Records = Vec<(u64, Vec<u8>)>;

/// An engine's log, and what was read from it.
struct Leader {
    log: KafkaLog,
    seen: Records,
}

impl Leader {
    fn new(args: &LogArgs) -> Self {
        let writer = LogWriter::open(args).unwrap();
        writer.warm(&args.topics()).unwrap();
        Self::with(args, writer)
    }

    fn with(args: &LogArgs, writer: Arc<LogWriter>) -> Self {
        let mut log = KafkaLog::new(args, SHARD, LogConsumer::open(args, ConsumerProfile::Live).unwrap(), writer);
        log.follow_from(0, 0).unwrap();
        log.consume_from(0).unwrap();
        Self { log, seen: Vec::new() }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.log.append_event(bytes).unwrap();
    }

    fn poll(&mut self, timeout: Duration) {
        let seen = self.log.poll(true, timeout, |record| (record.source, record.offset, record.bytes.to_vec()));
        if let Some((source, offset, bytes)) = seen.unwrap() {
            assert_eq!(source, LogPartition::Events);
            self.seen.push((offset, bytes));
        }
    }

    fn poll_until(&mut self, count: usize) {
        let start = Instant::now();
        while self.seen.len() < count {
            assert!(start.elapsed() < PATIENCE, "{} of {count} records came", self.seen.len());
            self.poll(Duration::from_millis(20));
        }
    }
}

fn topics() -> (LogArgs, tokio::runtime::Runtime) {
    topics_of(1)
}

fn topics_of(shards: u16) -> (LogArgs, tokio::runtime::Runtime) {
    let brokers = std::env::var("KAFKA_BROKERS").expect("KAFKA_BROKERS is not set: run ops/test");
    let kafka = KafkaArgs { brokers, properties: Vec::new() };
    let topic_prefix = format!("test-own-{}", uuid::Uuid::now_v7().simple());
    let args = LogArgs { kafka, topic_prefix, shards, copies: Copies::ONE };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(create(&args)).unwrap();
    (args, runtime)
}

fn partition(args: &LogArgs, count: usize) -> Records {
    let tail = EventsTail::open(&args.kafka, &args.topics(), ConsumerProfile::Bulk, [(SHARD, 0)]).unwrap();
    let (mut records, start) = (Vec::new(), Instant::now());
    while records.len() < count {
        assert!(start.elapsed() < PATIENCE, "the partition has {} of {count} records", records.len());
        if let Some(record) = tail.next_or_wait(Duration::from_millis(100)).unwrap() {
            records.push((record.offset(), record.payload().to_vec()));
        }
    }
    records
}

#[test]
fn two_leaders_that_write_to_one_partition_both_see_what_it_holds() {
    let (args, runtime) = topics();
    let mut leaders = [Leader::new(&args), Leader::new(&args)];
    let (mut written, mut own_while_writing) = (0_u64, 0);
    // A separate generator, so that a run can be repeated.
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    for _ in 0..400 {
        // One of the two writes some records, sometimes without the other's knowledge; then one
        // reads, or both do.
        let (writes, burst, reads) = (draw(2), 1 + draw(20), draw(4));
        for _ in 0..burst {
            leaders[usize::try_from(writes).unwrap()].write(&written.to_le_bytes());
            written += 1;
        }
        for (nth, leader) in leaders.iter_mut().enumerate().filter(|(nth, _)| reads & (1 << nth) != 0) {
            for _ in 0..draw(30) {
                leader.poll(Duration::from_micros(draw(2_000)));
            }
            own_while_writing += u64::from(leader.log.events.own && usize::try_from(writes) == Ok(nth));
        }
    }
    let all = usize::try_from(written).unwrap();
    leaders.iter_mut().for_each(|leader| leader.poll_until(all));
    let held = partition(&args, all);
    for leader in &leaders {
        assert!(leader.seen == held, "a leader saw something else than its partition holds");
    }
    assert!(own_while_writing > 0, "nothing was tried");
    runtime.block_on(delete(&args)).unwrap();
}

#[test]
fn a_leader_that_writes_alone_fetches_nothing_and_an_idle_one_reads_the_next() {
    let (args, runtime) = topics();
    let mut leader = Leader::new(&args);
    for number in 0..500_u64 {
        leader.write(&number.to_le_bytes());
        leader.poll(Duration::ZERO);
    }
    leader.poll_until(500);
    assert!(leader.log.events.own, "what it wrote it fetched");
    // It has nothing to write, and another process takes over.
    let mut next = Leader::new(&args);
    next.poll_until(500);
    next.write(b"a term");
    leader.poll_until(501);
    assert!(!leader.log.events.own);
    assert_eq!(leader.seen, partition(&args, 501));
    // If it writes after that, its records still arrive in order.
    next.write(b"an outcome");
    leader.write(b"a stale one");
    leader.poll_until(503);
    assert_eq!(leader.seen, partition(&args, 503));
    runtime.block_on(delete(&args)).unwrap();
}

#[test]
fn another_reader_of_the_shard_takes_no_records_from_its_leader() {
    let (args, runtime) = topics();
    let writer = LogWriter::open(&args).unwrap();
    writer.warm(&args.topics()).unwrap();
    let mut leader = Leader::with(&args, writer.clone());
    for number in 0..300_usize {
        leader.write(&number.to_le_bytes());
        if number % 50 == 10 {
            // As the snapshotter does.
            let mut snapshotter = Leader::with(&args, writer.clone());
            snapshotter.poll_until(1);
        }
    }
    leader.poll_until(300);
    assert!(leader.log.events.own, "it went back to the partition");
    assert_eq!(leader.seen, partition(&args, 300));
    runtime.block_on(delete(&args)).unwrap();
}

#[test]
fn records_that_bypassed_the_queues_are_read_again() {
    let (args, runtime) = topics();
    let mut writes = Leader::new(&args);
    for number in 0..300_u64 {
        writes.write(&number.to_le_bytes());
    }
    let mut reads = Leader::new(&args);
    for count in [1, 100, 101, 299, 300] {
        reads.poll_until(count);
        reads.log.consumer.let_stray(SHARD);
    }
    writes.write(b"one more");
    reads.poll_until(301);
    assert_eq!(reads.seen, partition(&args, 301));
    runtime.block_on(delete(&args)).unwrap();
}

#[test]
fn the_shards_of_a_process_share_a_consumer_and_each_reads_its_own() {
    let (args, runtime) = topics_of(3);
    let writer = LogWriter::open(&args).unwrap();
    writer.warm(&args.topics()).unwrap();
    let consumer = LogConsumer::open(&args, ConsumerProfile::Live).unwrap();
    let log = |shard| KafkaLog::new(&args, shard, consumer.clone(), writer.clone());
    let mut logs: Vec<KafkaLog> = Shard::all(3).map(log).collect();
    for log in &mut logs {
        log.follow_from(0, 0).unwrap();
    }
    // One leads; one is idle, and resumes; one ends.
    logs[0].consume_from(0).unwrap();
    logs[1].rest().unwrap();
    logs[1].follow_from(0, 0).unwrap();
    drop(logs.pop());
    for number in 0..100_u64 {
        for shard in Shard::all(2) {
            writer.current().append_event(&args.topics().events, shard, &number.to_le_bytes()).unwrap();
            writer.current().append_command(&args.topics().commands, shard, &number.to_le_bytes()).unwrap();
        }
    }
    let (mut seen, start) = (BTreeMap::<_, Vec<u64>>::new(), Instant::now());
    while seen.values().map(Vec::len).sum::<usize>() < 300 {
        assert!(start.elapsed() < PATIENCE, "{seen:?}");
        for (shard, log) in logs.iter_mut().enumerate() {
            let mut read = |record: LogRecord<'_>| {
                seen.entry((shard, record.source == LogPartition::Events)).or_default().push(record.offset)
            };
            log.poll(true, Duration::from_millis(5), &mut read).unwrap();
        }
    }
    let all: Vec<u64> = (0..100).collect();
    assert_eq!(seen, BTreeMap::from([((0, true), all.clone()), ((0, false), all.clone()), ((1, true), all)]));
    runtime.block_on(delete(&args)).unwrap();
}
