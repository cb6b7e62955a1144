//! Reads the events of all shards and folds them into the view, in one thread. Only this thread
//! changes the view by outcomes.
//!
//!   lfg.events[*] ─▶ *tail* ─▶ view, WebSocket queues, waiting commands
//!
//! Never waits for a client or a database. A shard whose log breaks its rules or was cut is no
//! longer read ([`HaltedShards`]), because its data would be wrong; the other shards continue.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{Counter, Gauge, counter, gauge};
use schemas::reading::{BrokenLog, Checkpoint, LogReader, ReadRecord as Read, RecordFault};
use schemas::{Outcome, Quarantine, Record, Shard};
use service::kafka::{ConsumerProfile, Cut, EventsTail, KafkaFault, TailRecord, quarantine};
use service::{LogArgs, Pulse, Shutdown, panic_text};
use tokio::sync::oneshot;

use crate::follow::Followers;
use crate::fresh::Reads;
use crate::halted::HaltedShards;
use crate::live::Live;
use crate::pending::PendingCommands;
use crate::view::FoldError;

/// Why a shard is no longer read. Never retry: an operator must act.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// The log does not have the next record.
    #[error(transparent)]
    Cut(#[from] Cut),
    /// The log breaks the read rule.
    #[error(transparent)]
    Broken(#[from] BrokenLog),
    /// The log does not follow from the view's starting position.
    #[error("events log of shard {0} cannot be folded at offset {1}: {2}")]
    Fold(Shard, u64, FoldError),
    /// An assumption of the program does not hold.
    #[error("reading shard {0} panicked at offset {1}: {2}")]
    Panicked(Shard, u64, String),
}

impl ShardError {
    fn hint(&self) -> &'static str {
        match self {
            Self::Broken(BrokenLog { fault: RecordFault::Newer { .. }, .. }) => HINT_NEWER,
            Self::Broken(BrokenLog { fault: RecordFault::OtherLog(_), .. }) | Self::Cut(_) => HINT_OTHER_LOG,
            Self::Fold(_, _, FoldError::Store(_)) => HINT_STORE,
            _ => HINT,
        }
    }
}

/// What an operator does about a shard that is no longer read.
const HINT: &str = "look at the record with `engine inspect SHARD --from OFFSET --max 1`; if a later version wrote it, install that \
    version of the gateway; else restore the topic from a copy, or quarantine the record with `engine \
    quarantine`; then restart this process";

/// The same if the log does not have what Postgres, or the store, was filled from.
const HINT_OTHER_LOG: &str = "compare brokers, topic prefix, database and --state with each other; if the log was made anew, \
    have the projections fold it into a new database, and empty the folder of --state; else restore the topic from a copy; \
    then restart this process";

/// The same if the gateway's own store fails.
const HINT_STORE: &str = "mend the disk under --state, or empty its folder while Postgres is there: the store is made anew from it; \
    then restart this process";

/// The same if a later build wrote what this one does not know.
const HINT_NEWER: &str = "install that build of the gateway in place of this process's";

/// Whether admins have quarantined the record at which a shard would halt.
struct Verdict {
    broken: BrokenLog,
    quarantined: Option<Quarantine>,
}

/// The inputs of the tail.
pub struct Tail {
    /// The log.
    pub log: LogArgs,
    /// The starting position of each shard.
    pub positions: Vec<Checkpoint>,
    /// The view and the subscriptions.
    pub live: Arc<Live>,
    /// The handlers that wait for results.
    pub pending: Arc<PendingCommands>,
    /// Notes how far each shard is read.
    pub reads: Arc<Reads>,
    /// Notes each shard that is no longer read.
    pub halted: Arc<HaltedShards>,
    /// Receives every record.
    pub followers: Arc<Followers>,
    /// When to end.
    pub shutdown: Shutdown,
    /// The watchdog.
    pub pulse: Pulse,
}

/// How long to wait for a record before checking for the shutdown.
const PATIENCE: Duration = Duration::from_millis(200);

impl Tail {
    /// Starts the thread. `caught_up` is notified once the view has everything that was on the log
    /// at the start, of all readable shards. If Kafka refuses access to the log, the process is
    /// asked to end.
    pub fn start(self, caught_up: oneshot::Sender<()>) -> std::io::Result<JoinHandle<Result<(), KafkaFault>>> {
        std::thread::Builder::new().name("tail".to_owned()).spawn(move || {
            let (shutdown, pulse) = (self.shutdown.clone(), self.pulse.clone());
            // Also on a panic, so that a view that no longer moves is not served.
            let _end = EndOfProcess(shutdown);
            let result = self.run(caught_up);
            match &result {
                Ok(()) => pulse.stop(),
                Err(error) => {
                    tracing::error!(%error, "the tail of the log ended");
                    pulse.fail(error.to_string());
                }
            }
            result
        })
    }

    fn run(self, caught_up: oneshot::Sender<()>) -> Result<(), KafkaFault> {
        let shards: Vec<Shard> = Shard::all(self.log.shards).collect();
        let from = shards.iter().zip(&self.positions).map(|(&shard, position)| (shard, position.start()));
        let tail = EventsTail::open(&self.log.kafka, &self.log.topics(), ConsumerProfile::Live, from)?;
        let reader = |(&shard, &position)| LogReader::new(shard, self.log.shards, position);
        let mut readers: Vec<LogReader> = shards.iter().zip(&self.positions).map(reader).collect();
        for reader in &readers {
            self.followers.feed(reader.shard()).inspect(|feed| feed.opens(reader.next_offset()));
        }
        let meters: Vec<Meters> = shards.iter().map(|&shard| Meters::new(shard)).collect();
        self.halt_cut(&tail, &readers)?;
        let goals = tail.high_watermarks()?;
        let mut caught_up = Some(caught_up);
        let mut lost = None;
        let (answers, answered) = mpsc::channel::<Verdict>();
        let mut asked = vec![false; shards.len()];
        // The offset behind the last record that arrived, readable or not.
        let mut seen = vec![0; shards.len()];
        while !self.shutdown.is_triggered() {
            while let Ok(answer) = answered.try_recv() {
                let index = answer.broken.shard.index();
                asked[index] = false;
                self.hear(&tail, &mut readers[index], answer)?;
            }
            // Also known for a halted shard: if its log continues, keys of its accounts are
            // refused.
            let has_caught_up = |&(shard, goal): &(Shard, u64)| match self.halted.contains(shard) {
                true => self.halted.is_looked_through(shard) || seen[shard.index()] >= goal,
                false => readers[shard.index()].next_offset() >= goal,
            };
            if caught_up.is_some() && goals.iter().all(has_caught_up) {
                tracing::info!("the view has caught up with the log");
                self.halted.all_caught_up();
                // The receiver may be gone; the tail continues until the shutdown.
                let _ = caught_up.take().map(|sender| sender.send(()));
            }
            let next = tail.next_or_wait(PATIENCE);
            if let Ok(Some(record)) = &next {
                self.followers.feed(record.shard()).inspect(|feed| feed.put(record.offset(), record.payload()));
            }
            match next {
                Ok(None) => {}
                // Fetched before the answer about the previous record; it is fetched again
                // afterwards.
                Ok(Some(record)) if asked[record.shard().index()] => {}
                Ok(Some(record)) if self.halted.contains(record.shard()) => {
                    seen[record.shard().index()] = record.offset() + 1;
                    self.look_behind(&tail, &record)?;
                }
                Ok(Some(record)) => {
                    let (shard, index) = (record.shard(), record.shard().index());
                    seen[index] = record.offset() + 1;
                    match self.read_or_halt(&mut readers[index], &meters[index], &record) {
                        Ok(()) => self.halted.set_leaderless(shard, readers[index].leader_halted()),
                        Err(ShardError::Broken(broken)) => {
                            tail.leave(shard)?;
                            asked[index] = self.ask(broken.clone(), answers.clone()).is_ok();
                            if !asked[index] {
                                self.hear(&tail, &mut readers[index], Verdict { broken, quarantined: None })?;
                            }
                        }
                        Err(error) => self.halt(&tail, shard, &error)?,
                    }
                }
                Err(fault) if fault.is_lost_log() => lost = Some(fault),
                Err(fault) => return Err(fault),
            }
            if let Some(fault) = lost.take() {
                lost = self.find_cut(&tail, &readers, fault)?;
            }
            self.pulse.beat();
        }
        Ok(())
    }

    /// Asks, in a thread of its own, whether admins have quarantined the record at which a shard
    /// would halt. Until the answer arrives the shard is not read; the other shards are.
    fn ask(&self, broken: BrokenLog, answers: mpsc::Sender<Verdict>) -> std::io::Result<()> {
        let (log, shutdown) = (self.log.clone(), self.shutdown.clone());
        let ask = move || {
            let BrokenLog { shard, offset, .. } = broken;
            let quarantined = loop {
                match quarantine::of_record(&log, shard, offset) {
                    Err(fault) if fault.may_retry() && !shutdown.is_triggered() => {
                        tracing::warn!(%shard, offset, %fault, "cannot read whether the record is quarantined; trying again");
                        std::thread::sleep(PATIENCE);
                    }
                    found => break found.unwrap_or_default(),
                }
            };
            // The receiver is gone if the tail has ended.
            let _ = answers.send(Verdict { broken, quarantined });
        };
        std::thread::Builder::new().name("quarantine".to_owned()).spawn(ask).map(|_| ())
    }

    /// Continues with a shard after the answer about its record: reads on, or only checks whether
    /// the log continues.
    fn hear(&self, tail: &EventsTail, reader: &mut LogReader, answer: Verdict) -> Result<(), KafkaFault> {
        let Verdict { broken, quarantined } = answer;
        let (shard, next) = (broken.shard, broken.offset + 1);
        match quarantined {
            Some(Quarantine { reason, .. }) => {
                tracing::warn!(%shard, %broken, %reason, "skipped: admins have quarantined the record");
                reader.pass_over(broken.offset);
            }
            None => self.halt(tail, shard, &broken.into())?,
        }
        tail.enter(shard, next)
    }

    fn halt(&self, tail: &EventsTail, shard: Shard, error: &ShardError) -> Result<(), KafkaFault> {
        let hint = error.hint();
        tracing::error!(%shard, %error, hint, "a shard is read no further; the others go on");
        self.halted.halt(shard, &format!("{error}; hint: {hint}"));
        // A follower finds out by itself what it can read.
        self.followers.feed(shard).inspect(|feed| feed.closes());
        match error {
            // Nothing can be read there. The missing records contain what this process has not
            // seen.
            ShardError::Cut(cut) => {
                if cut.first > cut.offset {
                    self.leave_behind(shard);
                }
                self.halted.give_up(shard);
                tail.leave(shard)
            }
            ShardError::Broken(_) | ShardError::Fold(..) | ShardError::Panicked(..) => Ok(()),
        }
    }

    /// Handles a record of a halted shard. An outcome, or an unreadable record, shows that engines
    /// continue there: they can read what this process cannot, or had written it already.
    fn look_behind(&self, tail: &EventsTail, record: &TailRecord<'_>) -> Result<(), KafkaFault> {
        let shard = record.shard();
        if matches!(
            Record::decode(record.payload()),
            Ok(Record::Term(_) | Record::Halted(_) | Record::Quarantine(_) | Record::Unknown { .. })
        ) {
            return Ok(());
        }
        tracing::error!(%shard, offset = record.offset(), "a halted shard's log goes on; keys of its accounts are refused");
        self.leave_behind(shard);
        tail.leave(shard)
    }

    fn leave_behind(&self, shard: Shard) {
        self.halted.leave_behind(shard);
        self.live.hub().evict_accounts(|account| self.log.shard_map().of_account(account) == shard);
    }

    /// Halts the shards whose log does not have the record after the starting position. Returns
    /// true if there are any.
    fn halt_cut(&self, tail: &EventsTail, readers: &[LogReader]) -> Result<bool, KafkaFault> {
        let read = readers.iter().filter(|reader| !self.halted.contains(reader.shard()));
        let cut = tail.cut(read)?;
        let found = !cut.is_empty();
        cut.into_iter().try_for_each(|cut| self.halt(tail, cut.shard, &cut.into()))?;
        Ok(found)
    }

    /// Kafka reports a missing offset without its shard. Returns the fault if Kafka cannot be asked
    /// now.
    fn find_cut(
        &self,
        tail: &EventsTail,
        readers: &[LogReader],
        fault: KafkaFault,
    ) -> Result<Option<KafkaFault>, KafkaFault> {
        match self.halt_cut(tail, readers) {
            // The report may be late and concern a halted shard.
            Ok(false) if !self.halted.any() => Err(fault),
            Ok(_) => Ok(None),
            Err(unavailable) if unavailable.may_retry() => {
                tracing::warn!(%unavailable, "a log was cut; which one, is to be asked again");
                Ok(Some(fault))
            }
            Err(refused) => Err(refused),
        }
    }

    /// Reads a record. A panic concerns only its shard: the data of the others is consistent.
    fn read_or_halt(&self, reader: &mut LogReader, meters: &Meters, record: &TailRecord<'_>) -> Result<(), ShardError> {
        let reading = AssertUnwindSafe(|| self.read(reader, meters, record));
        catch_unwind(reading).unwrap_or_else(|payload| {
            let text = panic_text(&*payload);
            Err(ShardError::Panicked(record.shard(), record.offset(), text))
        })
    }

    fn read(&self, reader: &mut LogReader, meters: &Meters, record: &TailRecord<'_>) -> Result<(), ShardError> {
        let shard = record.shard();
        match reader.read(record.offset(), record.payload())? {
            Read::Outcome(outcome) => {
                meters.observe(&outcome);
                let outcome = Arc::new(outcome);
                let refused = |error| ShardError::Fold(shard, record.offset(), error);
                let position = *reader.position();
                let told = self.live.apply(shard, &outcome, record.payload().len(), position).map_err(refused)?;
                // Before the results are delivered: a client with a revoked key gets nothing more,
                // whatever waits for the fan-out.
                self.live.let_go(&told);
                // After the view, so that a client that has its answer finds the effects there;
                // before the streams, which may take long.
                self.pending.settle(shard, &outcome);
                self.reads.note(shard, outcome.sequence);
                self.live.publish(told);
            }
            Read::Halted(halted) => {
                tracing::error!(%shard, engine = %halted.engine, reason = %halted.reason, "the leader has halted");
            }
            Read::Quarantine(quarantine) => {
                tracing::warn!(%shard, ?quarantine, "admins have quarantined a record or a command")
            }
            Read::Term(term) => {
                tracing::info!(%shard, engine = %term.engine, term = record.offset(), build = %term.build, "a new term");
                self.live.term(shard, &term);
            }
            Read::Ignored => meters.ignored.increment(1),
            Read::Unknown => meters.unknown.increment(1),
        }
        Ok(())
    }
}

/// Metrics: how far a shard is read, and how old its last outcome was when it arrived.
struct Meters {
    sequence: Gauge,
    behind: Gauge,
    /// Records that do not count, of all shards.
    ignored: Counter,
    /// Records and events that were skipped because a later build wrote them.
    unknown: Counter,
}

impl Meters {
    fn new(shard: Shard) -> Self {
        let label = shard.to_string();
        let sequence = gauge!("gateway_tail_sequence", "shard" => label.clone());
        let behind = gauge!("gateway_tail_behind_seconds", "shard" => label.clone());
        let ignored = counter!("gateway_tail_ignored_total");
        Self { sequence, behind, ignored, unknown: counter!("gateway_tail_unknown_total", "shard" => label) }
    }

    #[allow(clippy::cast_precision_loss, reason = "sequences stay below 2^52")]
    fn observe(&self, outcome: &Outcome) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let behind = now.saturating_sub(Duration::from_millis(outcome.time.as_millis()));
        self.sequence.set(outcome.sequence as f64);
        self.behind.set(behind.as_secs_f64());
        self.unknown.increment(outcome.unknown());
    }
}

struct EndOfProcess(Shutdown);

impl Drop for EndOfProcess {
    fn drop(&mut self) {
        self.0.trigger();
    }
}
