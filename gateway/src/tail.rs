//! Follows the events of all shards and folds them into the view: one thread, the view's only writer.
//!
//!   lfg.events[*] ─▶ *tail* ─▶ view, WebSocket queues, waiting commands
//!
//! Never waits for a client or a database. A shard whose log breaks its rules, or was cut, is read no further
//! ([`HaltedShards`]), since it could only serve falsehoods; the others go on.

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

/// Why a shard is read no further. Never retry: an operator must look.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// The log does not have what comes next.
    #[error(transparent)]
    Cut(#[from] Cut),
    /// The log breaks the rule of reading.
    #[error(transparent)]
    Broken(#[from] BrokenLog),
    /// The log does not follow from what the view began with.
    #[error("events log of shard {0} cannot be folded at offset {1}: {2}")]
    Fold(Shard, u64, FoldError),
    /// The program does not hold what it takes for granted, or the log does not.
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

/// What an operator does with a shard that is read no further.
const HINT: &str = "look at the record with `engine inspect SHARD --from OFFSET --max 1`; if a later version wrote it, install that \
    version of the gateway; else restore the topic from a copy, or put the record aside with `engine \
    quarantine`; then restart this process";

/// The same where the log does not have what Postgres, or the store, was filled from.
const HINT_OTHER_LOG: &str = "compare brokers, topic prefix, database and --state with each other; if the log was made anew, \
    have the projections fold it into a new database, and empty the folder of --state; else restore the topic from a copy; \
    then restart this process";

/// The same where the gateway's own store fails.
const HINT_STORE: &str = "mend the disk under --state, or empty its folder while Postgres is there: the store is made anew from it; \
    then restart this process";

/// The same where a later build writes what this one does not know.
const HINT_NEWER: &str = "install that build of the gateway in place of this process's";

/// Whether a record at which a shard would halt is put aside.
struct Verdict {
    broken: BrokenLog,
    put_aside: Option<Quarantine>,
}

/// What the tail needs.
pub struct Tail {
    /// Which log.
    pub log: LogArgs,
    /// From where, for each shard.
    pub positions: Vec<Checkpoint>,
    /// What is folded into.
    pub live: Arc<Live>,
    /// Who waits for answers.
    pub pending: Arc<PendingCommands>,
    /// Told how far each shard is read.
    pub reads: Arc<Reads>,
    /// Told of each shard that is read no further.
    pub halted: Arc<HaltedShards>,
    /// Who gets every record that is read.
    pub followers: Arc<Followers>,
    /// When to end.
    pub shutdown: Shutdown,
    /// The watchdog.
    pub pulse: Pulse,
}

/// How long to wait for a record before looking at the shutdown.
const PATIENCE: Duration = Duration::from_millis(200);

impl Tail {
    /// Starts the thread. `caught_up` is told once the view has all that was on the log at the start, of shards that
    /// can be read. If Kafka refuses to let the log be read, the whole process is asked to end.
    pub fn start(self, caught_up: oneshot::Sender<()>) -> std::io::Result<JoinHandle<Result<(), KafkaFault>>> {
        std::thread::Builder::new().name("tail".to_owned()).spawn(move || {
            let (shutdown, pulse) = (self.shutdown.clone(), self.pulse.clone());
            // Also on a panic, so that nothing is served from a view that stands still.
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
        // Up to where records came, whether or not they could be read.
        let mut seen = vec![0; shards.len()];
        while !self.shutdown.is_triggered() {
            while let Ok(answer) = answered.try_recv() {
                let index = answer.broken.shard.index();
                asked[index] = false;
                self.hear(&tail, &mut readers[index], answer)?;
            }
            // Of a halted shard, too, it must be known whether its log goes on: then keys of its accounts open nothing.
            let has_caught_up = |&(shard, goal): &(Shard, u64)| match self.halted.contains(shard) {
                true => self.halted.is_looked_through(shard) || seen[shard.index()] >= goal,
                false => readers[shard.index()].next_offset() >= goal,
            };
            if caught_up.is_some() && goals.iter().all(has_caught_up) {
                tracing::info!("the view has caught up with the log");
                self.halted.all_caught_up();
                // Whoever asked may have given up; the tail goes on until the shutdown.
                let _ = caught_up.take().map(|sender| sender.send(()));
            }
            let next = tail.next_or_wait(PATIENCE);
            if let Ok(Some(record)) = &next {
                self.followers.feed(record.shard()).inspect(|feed| feed.put(record.offset(), record.payload()));
            }
            match next {
                Ok(None) => {}
                // Fetched before it was asked about the one before, and read again after.
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
                                self.hear(&tail, &mut readers[index], Verdict { broken, put_aside: None })?;
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

    /// Asks, in a thread of its own, whether admins have put aside the record at which a shard would halt. Until that
    /// is answered the shard is not read, and the others are.
    fn ask(&self, broken: BrokenLog, answers: mpsc::Sender<Verdict>) -> std::io::Result<()> {
        let (log, shutdown) = (self.log.clone(), self.shutdown.clone());
        let ask = move || {
            let BrokenLog { shard, offset, .. } = broken;
            let put_aside = loop {
                match quarantine::of_record(&log, shard, offset) {
                    Err(fault) if fault.may_retry() && !shutdown.is_triggered() => {
                        tracing::warn!(%shard, offset, %fault, "whether a record is put aside is to be asked again");
                        std::thread::sleep(PATIENCE);
                    }
                    found => break found.unwrap_or_default(),
                }
            };
            // Nobody hears it if the tail has ended.
            let _ = answers.send(Verdict { broken, put_aside });
        };
        std::thread::Builder::new().name("quarantine".to_owned()).spawn(ask).map(|_| ())
    }

    /// Goes on with a shard behind the record that was asked about: reads it, or looks whether others do.
    fn hear(&self, tail: &EventsTail, reader: &mut LogReader, answer: Verdict) -> Result<(), KafkaFault> {
        let Verdict { broken, put_aside } = answer;
        let (shard, next) = (broken.shard, broken.offset + 1);
        match put_aside {
            Some(Quarantine { reason, .. }) => {
                tracing::warn!(%shard, %broken, %reason, "passed over: it is put aside");
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
            // Nothing can be read there. Records that are gone have told of what this process has not seen.
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

    /// A record of a shard that has halted. An outcome, or what nobody can read, says that engines go on there: they
    /// read what this process cannot, or had written it already.
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

    /// Halts the shards whose log does not have what comes after what Postgres has. True if there are any.
    fn halt_cut(&self, tail: &EventsTail, readers: &[LogReader]) -> Result<bool, KafkaFault> {
        let read = readers.iter().filter(|reader| !self.halted.contains(reader.shard()));
        let cut = tail.cut(read)?;
        let found = !cut.is_empty();
        cut.into_iter().try_for_each(|cut| self.halt(tail, cut.shard, &cut.into()))?;
        Ok(found)
    }

    /// Kafka says that an offset is not there, but not of which shard. Gives the fault back if Kafka cannot be asked
    /// now.
    fn find_cut(
        &self,
        tail: &EventsTail,
        readers: &[LogReader],
        fault: KafkaFault,
    ) -> Result<Option<KafkaFault>, KafkaFault> {
        match self.halt_cut(tail, readers) {
            // It may be said late of a shard that has halted.
            Ok(false) if !self.halted.any() => Err(fault),
            Ok(_) => Ok(None),
            Err(unavailable) if unavailable.may_retry() => {
                tracing::warn!(%unavailable, "a log was cut; which one, is to be asked again");
                Ok(Some(fault))
            }
            Err(refused) => Err(refused),
        }
    }

    /// Reads a record. A panic on the way is that shard's: what the locks guard of the others is whole.
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
                // Before the answer: a key that was revoked is told of nothing more, whatever waits for the fan-out.
                self.live.let_go(&told);
                // After the view, so that a client that got its answer finds its effects there; before the streams, which may take long.
                self.pending.settle(shard, &outcome);
                self.reads.note(shard, outcome.sequence);
                self.live.publish(told);
            }
            Read::Halted(halted) => {
                tracing::error!(%shard, engine = %halted.engine, reason = %halted.reason, "the leader has halted");
            }
            Read::Quarantine(quarantine) => tracing::warn!(%shard, ?quarantine, "put aside"),
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

/// How far a shard is followed, and how old its last outcome was when it came.
struct Meters {
    sequence: Gauge,
    behind: Gauge,
    /// Records that do not count, of all shards.
    ignored: Counter,
    /// Records and events that were passed over, since a later build wrote them.
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
