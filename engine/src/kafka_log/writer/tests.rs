//! What the broker keeps of a producer that breaks: a prefix of what was handed over, then what the
//! next producer writes.
//!
//! librdkafka calls its gapless guarantee experimental. ADR 22 states what this project relies on,
//! and these tests check it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use rdkafka::bindings::rd_kafka_test_fatal_error;
use rdkafka::types::RDKafkaRespErr;
use schemas::limits::RECORD_BYTES_MAX;
use service::config::Copies;
use service::kafka::topics::{create, delete};
use service::kafka::{ConsumerProfile, EventsTail};
use service::{KafkaArgs, LogArgs};

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

/// The number of records given to a producer; it breaks at one in the middle.
const RECORDS: u32 = 20_000;

/// The number of these that are acknowledged before it breaks.
const WRITTEN: u32 = 1_000;

/// A topic of one partition, and a writer to it.
struct Bench {
    log: LogArgs,
    runtime: tokio::runtime::Runtime,
    writer: Arc<LogWriter>,
    shard: Shard,
}

impl Bench {
    fn new() -> Self {
        let brokers = std::env::var("KAFKA_BROKERS").expect("KAFKA_BROKERS is not set: run ops/test");
        let kafka = KafkaArgs { brokers, properties: Vec::new() };
        let topic_prefix = format!("test-writer-{}", uuid::Uuid::now_v7().simple());
        let log = LogArgs { kafka, topic_prefix, shards: 1, copies: Copies::ONE };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(create(&log)).unwrap();
        let writer = LogWriter::open(&log).unwrap();
        writer.warm(&log.topics()).unwrap();
        Self { log, runtime, writer, shard: Shard::new(0).unwrap() }
    }

    /// Writes records that contain their generation and number, until the producer accepts no more.
    /// Waits while its queue is full.
    fn write(&self, generation: &ProducerGeneration, numbers: std::ops::Range<u32>) -> u32 {
        let topic = self.log.topics().events;
        let end = numbers.end;
        for number in numbers {
            let record = [generation.number.to_le_bytes().as_slice(), &number.to_le_bytes()].concat();
            loop {
                match generation.append_event(&topic, self.shard, &record) {
                    Ok(()) => break,
                    Err(AppendFault::Full) => std::thread::sleep(Duration::from_millis(1)),
                    Err(AppendFault::WriterLost) => return number,
                }
            }
        }
        end
    }

    fn wait_until_broken(&self, generation: &ProducerGeneration) {
        let start = Instant::now();
        while !generation.has_failed() {
            assert!(start.elapsed() < PATIENCE, "the producer has not noticed");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Reads until the last record of this generation, and returns how many each generation has.
    /// Checks that none is missing before another, and that none occurs twice.
    fn read_until(&self, generation: u64, last: u32) -> BTreeMap<u64, u32> {
        let topics = self.log.topics();
        let tail = EventsTail::open(&self.log.kafka, &topics, ConsumerProfile::Bulk, [(self.shard, 0)]).unwrap();
        let (mut next, start) = (BTreeMap::new(), Instant::now());
        while next.get(&generation) != Some(&(last + 1)) {
            assert!(start.elapsed() < PATIENCE, "found {next:?}, not {last} of {generation}");
            let Some(record) = tail.next_or_wait(Duration::from_millis(100)).unwrap() else { continue };
            let (of, number) = record.payload().split_at(8);
            let of = u64::from_le_bytes(of.try_into().unwrap());
            let next = next.entry(of).or_insert(0);
            assert_eq!(u32::from_le_bytes(number.try_into().unwrap()), *next, "of generation {of}");
            *next += 1;
        }
        next
    }

    /// The broken producer's successor continues. The log then has no gap, and missing records are
    /// at the end.
    fn goes_on(&self, broken: &Arc<ProducerGeneration>, handed_over: u32) -> u32 {
        let next = self.writer.renew(broken).unwrap();
        assert_eq!(next.number, broken.number + 1);
        assert_eq!(self.write(&next, 0..100), 100);
        let found = self.read_until(next.number, 99);
        let written = found.get(&broken.number).copied().unwrap_or(0);
        assert!(written <= handed_over);
        written
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.runtime.block_on(delete(&self.log)).unwrap();
        }
    }
}

/// Simulates the broker's answer to a producer that it has fenced or forgotten, or whose sequence
/// it considers wrong.
#[allow(unsafe_code, reason = "the only way to break a producer at will")]
fn break_it(generation: &ProducerGeneration, error: RDKafkaRespErr) {
    // SAFETY: the client lives as long as the generation, and the text ends with a zero.
    unsafe { rd_kafka_test_fatal_error(generation.producer.client().native_ptr(), error, c"a test".as_ptr()) };
}

#[test]
fn a_producer_that_is_fenced_or_forgotten_leaves_a_prefix() {
    use RDKafkaRespErr::*;
    for error in [
        RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
        RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
        RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
    ] {
        let bench = Bench::new();
        let generation = bench.writer.current();
        assert_eq!(bench.write(&generation, 0..WRITTEN), WRITTEN);
        bench.writer.drain(PATIENCE);
        let handed_over = std::thread::scope(|scope| {
            let writing = scope.spawn(|| bench.write(&generation, WRITTEN..RECORDS));
            // In the middle of its work.
            let start = Instant::now();
            while generation.producer.in_flight_count() < 1_000 && !writing.is_finished() {
                assert!(start.elapsed() < PATIENCE);
                std::hint::spin_loop();
            }
            break_it(&generation, error);
            writing.join().unwrap()
        });
        bench.wait_until_broken(&generation);
        let written = bench.goes_on(&generation, handed_over);
        assert!(written >= WRITTEN);
        println!("{error:?}: {handed_over} handed over, {written} written");
    }
}

/// The broker itself refuses a record: valid records handed over after it must not be written.
#[test]
fn a_record_that_the_broker_refuses_ends_the_producer_and_leaves_no_gap() {
    let bench = Bench::new();
    let generation = bench.writer.current();
    assert_eq!(bench.write(&generation, 0..RECORDS / 2), RECORDS / 2);
    // More than the topic accepts, less than what the client itself rejects as too large.
    let too_large = vec![0; RECORD_BYTES_MAX + 100_000];
    assert_eq!(generation.append_event(&bench.log.topics().events, bench.shard, &too_large), Ok(()));
    let handed_over = bench.write(&generation, RECORDS / 2..RECORDS);
    bench.wait_until_broken(&generation);
    let written = bench.goes_on(&generation, handed_over);
    assert!(written <= RECORDS / 2, "{written} written, and the record after {} was refused", RECORDS / 2);
    println!("{handed_over} handed over, {written} written");
}
