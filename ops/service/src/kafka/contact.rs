//! When our clients last had an answer from the brokers, for probes and gauges while a broker is
//! unavailable.
//!
//! | metric                        | meaning                                                     |
//! |-------------------------------|-------------------------------------------------------------|
//! | `lfg_kafka_fetch_age_seconds` | seconds since the partition's broker answered; NaN: never   |
//! | `lfg_kafka_lag_records`       | records up to the log's end, as last reported; NaN: unknown |
//!
//! Both have the labels `client`, `topic` and `partition`. They come from librdkafka's statistics
//! and cost no requests to the broker.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::{describe_gauge, gauge};
use rdkafka::Statistics;
use rdkafka::statistics::{Broker, Partition};

/// Seconds since the broker of a partition last answered.
pub const FETCH_AGE: &str = "lfg_kafka_fetch_age_seconds";

/// Number of records from a reader to the end of the log.
pub const LAG: &str = "lfg_kafka_lag_records";

/// A fetch is answered twice a second at least, with or without records. A broker that has not
/// answered for this long counts as unavailable.
pub const SILENT_AFTER: Duration = Duration::from_secs(5);

/// The clients of this process that read partitions, by a number of their own.
static READERS: Mutex<BTreeMap<u64, Heard>> = Mutex::new(BTreeMap::new());

static NEXT: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Debug)]
struct Heard {
    client: &'static str,
    /// For each partition that is read: the age of its last answer, and when it was reported;
    /// `None`: there was no answer.
    ages: BTreeMap<(String, i32), Option<Duration>>,
    told: Instant,
}

impl Heard {
    /// Returns the age of the oldest answer.
    fn oldest(&self) -> Option<Duration> {
        self.ages.values().copied().reduce(|one, other| Some(one?.max(other?))).flatten()
    }
}

/// One client's contact with its brokers, as long as the client exists.
#[derive(Debug)]
pub struct Contact {
    client: &'static str,
    number: u64,
}

impl Contact {
    pub(super) fn of(client: &'static str) -> Self {
        describe_gauge!(FETCH_AGE, "seconds since the broker of a partition last answered");
        describe_gauge!(LAG, "records from where a partition is read to its end; NaN if that is not known");
        Self { client, number: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// Records the client's statistics, once a second.
    pub(super) fn note(&self, statistics: &Statistics) {
        let mut ages = BTreeMap::new();
        for (topic, told) in &statistics.topics {
            for partition in told.partitions.values().filter(|partition| is_read(partition)) {
                let age = age(partition, statistics.brokers.values());
                let labels = [
                    ("client", self.client.to_owned()),
                    ("topic", topic.clone()),
                    ("partition", partition.partition.to_string()),
                ];
                gauge!(FETCH_AGE, &labels).set(age.map_or(f64::NAN, |age| age.as_secs_f64()));
                gauge!(LAG, &labels).set(lag(partition, age));
                ages.insert((topic.clone(), partition.partition), age);
            }
        }
        let mut readers = readers();
        if ages.is_empty() {
            // Records that the client reads nothing.
            readers.remove(&self.number);
        } else {
            readers.insert(self.number, Heard { client: self.client, ages, told: Instant::now() });
        }
    }
}

impl Drop for Contact {
    fn drop(&mut self) {
        readers().remove(&self.number);
    }
}

/// Returns the readers of the log that have had no answer from their broker for [`SILENT_AFTER`] or
/// longer, and for how long.
pub fn silent() -> BTreeMap<String, String> {
    let now = Instant::now();
    let mut silent: BTreeMap<String, String> = BTreeMap::new();
    for heard in readers().values() {
        let Some(why) = complaint(heard, now) else { continue };
        silent.insert(format!("kafka {}", heard.client), why);
    }
    silent
}

/// True if this process reads the partition and none of its clients has had an answer from the
/// broker for [`SILENT_AFTER`].
pub fn is_silent(topic: &str, partition: i32) -> bool {
    is_silent_to(readers().values(), &(topic.to_owned(), partition), Instant::now())
}

fn is_silent_to<'a>(readers: impl Iterator<Item = &'a Heard>, partition: &(String, i32), now: Instant) -> bool {
    let mut ages = readers.filter_map(|heard| Some((heard, *heard.ages.get(partition)?))).peekable();
    let is_old = |(heard, age): (&Heard, Option<Duration>)| {
        age.is_none_or(|age| age + now.saturating_duration_since(heard.told) >= SILENT_AFTER)
    };
    ages.peek().is_some() && ages.all(is_old)
}

fn complaint(heard: &Heard, now: Instant) -> Option<String> {
    let since = now.saturating_duration_since(heard.told);
    match heard.oldest().map(|age| age + since) {
        Some(age) if age < SILENT_AFTER => None,
        Some(age) => Some(format!("no broker has answered for {} s", age.as_secs())),
        None => Some("no broker has answered".to_owned()),
    }
}

fn readers() -> MutexGuard<'static, BTreeMap<u64, Heard>> {
    READERS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_read(partition: &Partition) -> bool {
    partition.partition >= 0 && partition.fetch_state == "active"
}

/// Time since the partition's broker last answered; without a leader, since any broker did.
fn age<'a>(partition: &Partition, brokers: impl Iterator<Item = &'a Broker>) -> Option<Duration> {
    let known = brokers.filter(|broker| broker.nodeid >= 0 && broker.rxidle >= 0);
    let ages = known.map(|broker| (broker.nodeid == partition.broker, broker.rxidle.unsigned_abs()));
    let (mut own, mut any) = (None, None);
    for (is_own, micros) in ages {
        any = Some(any.map_or(micros, |least: u64| least.min(micros)));
        if is_own {
            own = Some(micros);
        }
    }
    own.or(any).map(Duration::from_micros)
}

/// Known only as of the last answer.
#[allow(clippy::cast_precision_loss, reason = "offsets stay below 2^52")]
fn lag(partition: &Partition, age: Option<Duration>) -> f64 {
    let known = age.is_some_and(|age| age < SILENT_AFTER) && partition.consumer_lag >= 0;
    if known { partition.consumer_lag as f64 } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(nodeid: i32, rxidle: i64) -> Broker {
        Broker { nodeid, rxidle, ..Broker::default() }
    }

    fn partition(broker: i32, consumer_lag: i64) -> Partition {
        Partition { broker, consumer_lag, fetch_state: "active".to_owned(), ..Partition::default() }
    }

    #[test]
    fn a_partition_is_as_old_as_its_brokers_last_answer() {
        let brokers = [broker(-1, 5), broker(1, 3_000_000), broker(2, 9_000_000)];
        let of = |number| age(&partition(number, 0), brokers.iter());
        assert_eq!((of(1), of(2)), (Some(Duration::from_secs(3)), Some(Duration::from_secs(9))));
        assert_eq!(of(-1), Some(Duration::from_secs(3)), "without a leader, as old as any broker");
        assert_eq!(age(&partition(1, 0), [broker(1, -1)].iter()), None);
    }

    #[test]
    fn an_unknown_lag_is_not_0() {
        let second = Some(Duration::from_secs(1));
        assert!((lag(&partition(1, 7), second) - 7.0).abs() < f64::EPSILON);
        for unknown in [lag(&partition(1, -1), second), lag(&partition(1, 0), Some(SILENT_AFTER))] {
            assert!(unknown.is_nan());
        }
        assert!(lag(&partition(1, 0), None).is_nan());
    }

    #[test]
    fn silence_is_reported_also_without_statistics_of_the_client() {
        let now = Instant::now();
        let heard = |age| Heard { client: "tail", ages: BTreeMap::from([(("t".to_owned(), 0), age)]), told: now };
        assert_eq!(complaint(&heard(Some(Duration::from_secs(1))), now), None);
        let later = now + Duration::from_secs(60);
        let said = complaint(&heard(Some(Duration::from_secs(1))), later);
        assert_eq!(said.as_deref(), Some("no broker has answered for 61 s"));
        assert!(complaint(&heard(None), now).is_some());
    }

    #[test]
    fn a_client_is_as_silent_as_the_partition_that_was_answered_longest_ago() {
        let now = Instant::now();
        let heard = |ages: [Option<u64>; 2]| {
            let ages = (0..).zip(ages).map(|(n, age)| (("t".to_owned(), n), age.map(Duration::from_secs))).collect();
            Heard { client: "tail", ages, told: now }
        };
        assert_eq!(complaint(&heard([Some(1), Some(2)]), now), None);
        assert!(complaint(&heard([Some(9), Some(2)]), now).is_some());
        assert!(complaint(&heard([Some(1), None]), now).is_some());
    }

    #[test]
    fn a_partition_is_silent_when_no_client_has_had_an_answer() {
        let (now, of) = (Instant::now(), |number| ("t".to_owned(), number));
        let heard =
            |age| Heard { client: "tail", ages: BTreeMap::from([(of(3), Some(Duration::from_secs(age)))]), told: now };
        let (fresh, old) = (heard(1), heard(60));
        assert!(!is_silent_to([].into_iter(), &of(3), now), "it is not read");
        assert!(is_silent_to([&old].into_iter(), &of(3), now) && !is_silent_to([&old].into_iter(), &of(4), now));
        assert!(!is_silent_to([&old, &fresh].into_iter(), &of(3), now));
        assert!(
            is_silent_to([&old, &fresh].into_iter(), &of(3), now + SILENT_AFTER),
            "neither client reports any more"
        );
    }

    #[test]
    fn a_client_that_ends_or_reads_nothing_is_not_silent() {
        let contact = Contact::of("a test");
        let read = |state: &str| {
            let partition = Partition { fetch_state: state.to_owned(), ..partition(1, 0) };
            let mut statistics = Statistics::default();
            statistics.topics.entry("t".to_owned()).or_default().partitions.insert(0, partition);
            statistics
        };
        let is_silent = || silent().contains_key("kafka a test");
        contact.note(&read("active"));
        assert!(is_silent());
        contact.note(&read("stopped"));
        assert!(!is_silent());
        contact.note(&read("active"));
        assert!(is_silent());
        drop(contact);
        assert!(!is_silent());
    }
}
