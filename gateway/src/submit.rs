//! Writes commands to the log and waits for their results.
//!
//!   handler ─▶ *submit* ─▶ lfg.commands[s] ─▶ engine ─▶ lfg.events[*] ─▶ tail ─▶ pending ─▶ handler
//!
//! All commands of one request share one command id, however many shards they go to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Gauge, Histogram, counter, gauge, histogram};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use schemas::{Command, CommandId, CommandRecord, Shard};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::asker;
use crate::command_result::CommandResult;
use crate::config::REQUEST_PARTS;
use crate::halted::HaltedShards;
use crate::http::origin;
use crate::pending::PendingCommands;
use crate::producer::{Delivery, Producer, Undelivered};
use crate::room::CommandRoom;

/// Why a command has no result, and what that means for the caller.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SubmitError {
    /// Too many commands wait, or the producer's queue is full. Nothing was written. Retry later.
    #[error("too many commands at once")]
    Overloaded,
    /// The shard's log is no longer read, so its result could not be found. Nothing was written. An
    /// operator must act.
    #[error("shard {0} has halted")]
    ShardHalted(Shard),
    /// Kafka refused the command. Nothing was written. Retry later.
    #[error("the log refused the command: {0}")]
    NotWritten(KafkaError),
    /// The command is on the log and will be decided; its result did not arrive in time.
    #[error("command {0} is on the log, without an answer yet")]
    Accepted(CommandId),
    /// The command may or may not be on the log. Ask again, or repeat the request with the same
    /// client id.
    #[error("it is not known whether command {0} was written")]
    OutcomeUnknown(CommandId),
}

impl SubmitError {
    /// The problem code for clients, for answers that report several shards at once.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::ShardHalted(_) => "shard-halted",
            Self::NotWritten(_) => "log-unavailable",
            Self::Accepted(_) | Self::OutcomeUnknown(_) => "outcome-unknown",
        }
    }

    /// The label for metrics.
    fn name(&self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::ShardHalted(_) => "shard-halted",
            Self::NotWritten(_) => "not-written",
            Self::Accepted(_) => ACCEPTED,
            Self::OutcomeUnknown(_) => UNKNOWN,
        }
    }
}

/// Collects the results of one request.
pub trait Gather {
    /// Takes one command result. Returns true once nothing is missing.
    fn take(&mut self, settled: &CommandResult) -> bool;

    /// Marks everything that is still missing from `shard` as lost. Returns true once nothing is
    /// missing.
    fn lose(&mut self, shard: Shard, error: SubmitError) -> bool;
}

/// The result of a single command: the first match that `find` returns.
struct One<F, T> {
    find: F,
    found: Option<Result<T, SubmitError>>,
}

impl<T, F: FnMut(&CommandResult) -> Option<T>> Gather for One<F, T> {
    fn take(&mut self, settled: &CommandResult) -> bool {
        self.found = (self.find)(settled).map(Ok);
        self.found.is_some()
    }

    fn lose(&mut self, _: Shard, error: SubmitError) -> bool {
        self.found = Some(Err(error));
        true
    }
}

/// Sends commands to the log.
pub struct Submitter {
    producer: Arc<Producer>,
    pending: Arc<PendingCommands>,
    halted: Arc<HaltedShards>,
    room: CommandRoom,
    within: Duration,
    /// Latency of commands that got a result. The others are few.
    settled: Histogram,
    /// Commands in flight.
    waiting: Gauge,
}

/// Label of a request for which all results arrived.
const SETTLED: &str = "settled";
/// The same of one that is on the log without a result.
const ACCEPTED: &str = "accepted";
/// The same of one of which nothing is known.
const UNKNOWN: &str = "unknown";

impl Submitter {
    /// Creates a submitter that lets at most `max` commands wait at the same time, and each for at
    /// most `within`.
    pub fn new(
        producer: Arc<Producer>,
        (max, within): (usize, Duration),
        (pending, halted): (Arc<PendingCommands>, Arc<HaltedShards>),
    ) -> Self {
        Self {
            producer,
            pending,
            halted,
            room: CommandRoom::new(max, REQUEST_PARTS),
            within,
            settled: seconds(SETTLED),
            waiting: gauge!("gateway_pending"),
        }
    }

    /// Returns how long a request waits for an outcome.
    pub fn within(&self) -> Duration {
        self.within
    }

    /// Sends a command to a shard and waits, for a bounded time, until `find` returns its result.
    pub async fn ask<T>(
        &self,
        shard: Shard,
        command: Command,
        find: impl FnMut(&CommandResult) -> Option<T>,
    ) -> Result<T, SubmitError> {
        let mut one = One { find, found: None };
        let id = self.ask_all(vec![(shard, command)], &mut one).await;
        one.found.unwrap_or(Err(SubmitError::OutcomeUnknown(id)))
    }

    /// Sends one command to each of these shards and waits, for a bounded time, until all results
    /// are collected. Reports missing ones to `gather` as lost, so that it always completes.
    pub async fn ask_all(&self, commands: Vec<(Shard, Command)>, gather: &mut impl Gather) -> CommandId {
        let (id, start) = (new_id(), Instant::now());
        let shards: Vec<Shard> = commands.iter().map(|(shard, _)| *shard).collect();
        let mut exchange = Exchange { id, gather, open: BTreeMap::new(), result: SETTLED };
        self.hold(&mut exchange, commands, start + self.within).await;
        // A shard that decides nothing has another fault than too many commands: it says nothing about
        // the room of the others.
        if exchange.is_log_awaited()
            && shards.iter().all(|shard| self.pending.has_decided_since(*shard, start.into_std()))
        {
            self.room.took(start.elapsed());
        }
        match exchange.result {
            SETTLED => self.settled.record(start.elapsed()),
            result => seconds(result).record(start.elapsed()),
        }
        id
    }

    async fn hold(&self, exchange: &mut Exchange<'_, impl Gather>, commands: Vec<(Shard, Command)>, deadline: Instant) {
        let Some(_permits) = self.room.take(asker::asker(), commands.len()) else {
            for (shard, _) in commands {
                exchange.lose(shard, SubmitError::Overloaded);
            }
            return;
        };
        let _counted = Counted::new(&self.waiting, commands.len());
        // Register before producing, so that no result can arrive unnoticed.
        let mut registration = self.pending.register(exchange.id);
        let (failed, mut complete) = (Arc::new(Notify::new()), false);
        for (shard, command) in commands {
            if self.halted.takes_no_commands(shard) {
                complete = exchange.lose(shard, SubmitError::ShardHalted(shard));
                continue;
            }
            let record = CommandRecord { id: exchange.id, command, origin: origin::current() };
            let delivery = Delivery::new(&failed, self.pending.goes(exchange.id, shard));
            match self.producer.send(shard, &record.encode(), Arc::clone(&delivery)) {
                Ok(()) => drop(exchange.open.insert(shard, delivery)),
                Err(error) => complete = exchange.lose(shard, not_queued(error)),
            }
        }
        while !complete {
            complete = tokio::select! {
                biased;
                Some(settled) = registration.answers.recv() => exchange.gather.take(&settled),
                () = failed.notified() => exchange.fail(),
                () = sleep_until(deadline) => exchange.end(),
            };
        }
    }
}

/// Commands in flight, and what is known about each.
struct Exchange<'a, G> {
    id: CommandId,
    gather: &'a mut G,
    /// Shards whose results are missing, with the delivery state of the command there.
    open: BTreeMap<Shard, Arc<Delivery>>,
    /// Label for metrics.
    result: &'static str,
}

impl<G: Gather> Exchange<'_, G> {
    /// Returns whether its time says how fast the log is: it was not refused before the log.
    fn is_log_awaited(&self) -> bool {
        [SETTLED, ACCEPTED, UNKNOWN].contains(&self.result)
    }

    fn lose(&mut self, shard: Shard, error: SubmitError) -> bool {
        self.result = error.name();
        self.open.remove(&shard);
        self.gather.lose(shard, error)
    }

    /// Handles commands that Kafka did not acknowledge. Returns true once nothing is missing.
    fn fail(&mut self) -> bool {
        let failed = |(shard, delivery): (&Shard, &Arc<Delivery>)| Some((*shard, delivery.failure()?.clone()));
        let failed: Vec<(Shard, Undelivered)> = self.open.iter().filter_map(failed).collect();
        let mut complete = false;
        for (shard, undelivered) in failed {
            complete = self.lose(shard, not_delivered(self.id, undelivered));
        }
        complete
    }

    /// Handles the end of the waiting time.
    fn end(&mut self) -> bool {
        for (shard, delivery) in std::mem::take(&mut self.open) {
            let id = self.id;
            let error =
                if delivery.is_acknowledged() { SubmitError::Accepted(id) } else { SubmitError::OutcomeUnknown(id) };
            self.lose(shard, error);
        }
        true
    }
}

fn seconds(result: &'static str) -> Histogram {
    histogram!("gateway_submit_seconds", "result" => result)
}

fn new_id() -> CommandId {
    CommandId(uuid::Uuid::now_v7().as_u128())
}

/// librdkafka did not accept the record: it was certainly not written.
fn not_queued(error: KafkaError) -> SubmitError {
    match error.rdkafka_error_code() {
        Some(Code::QueueFull) => SubmitError::Overloaded,
        _ => SubmitError::NotWritten(error),
    }
}

/// Kafka did not acknowledge the record.
fn not_delivered(id: CommandId, Undelivered { error, may_be_written }: Undelivered) -> SubmitError {
    counter!("gateway_produce_errors_total").increment(1);
    tracing::warn!(%error, command = %id, may_be_written, "a command was not acknowledged");
    if may_be_written { SubmitError::OutcomeUnknown(id) } else { SubmitError::NotWritten(error) }
}

/// Counts commands in flight, and also ends the count when the handler is dropped.
struct Counted<'a>(&'a Gauge, f64);

impl<'a> Counted<'a> {
    #[allow(clippy::cast_precision_loss, reason = "as many as a batch has requests")]
    fn new(gauge: &'a Gauge, commands: usize) -> Self {
        let counted = Self(gauge, commands as f64);
        gauge.increment(counted.1);
        counted
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.decrement(self.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command_result::tests::settled;
    use crate::view::tests::{SHARD, outcome};
    use schemas::{Event, Rejection};

    const OTHER: Shard = Shard::new(1).unwrap();
    const ID: CommandId = CommandId(7);

    /// Expects one result from each of its shards.
    #[derive(Default)]
    struct Answers {
        wanted: Vec<Shard>,
        lost: Vec<(Shard, SubmitError)>,
    }

    fn delivery(shard: Shard) -> Arc<Delivery> {
        Delivery::new(&Arc::default(), Arc::new(PendingCommands::default()).goes(ID, shard))
    }

    fn undelivered(may_be_written: bool) -> Undelivered {
        Undelivered { error: KafkaError::MessageProduction(Code::MessageTimedOut), may_be_written }
    }

    impl Gather for Answers {
        fn take(&mut self, settled: &CommandResult) -> bool {
            self.wanted.retain(|shard| *shard != settled.shard);
            self.wanted.is_empty()
        }

        fn lose(&mut self, shard: Shard, error: SubmitError) -> bool {
            self.wanted.retain(|wanted| *wanted != shard);
            self.lost.push((shard, error));
            self.wanted.is_empty()
        }
    }

    #[test]
    fn at_the_end_it_is_known_of_each_shard_whether_it_has_the_command() {
        let mut answers = Answers { wanted: vec![SHARD, OTHER], ..Answers::default() };
        let [acknowledged, silent] = [SHARD, OTHER].map(delivery);
        acknowledged.report(Ok(()));
        let open = [(SHARD, acknowledged), (OTHER, silent)].into();
        let mut exchange = Exchange { id: ID, gather: &mut answers, open, result: "settled" };
        assert!(exchange.end());
        assert_eq!(exchange.result, "unknown");
        assert_eq!(answers.lost, [(SHARD, SubmitError::Accepted(ID)), (OTHER, SubmitError::OutcomeUnknown(ID))]);
    }

    #[test]
    fn a_shard_whose_command_is_lost_does_not_keep_the_others() {
        let mut answers = Answers { wanted: vec![SHARD, OTHER], ..Answers::default() };
        let [lost, silent] = [SHARD, OTHER].map(delivery);
        lost.report(Err(undelivered(true)));
        let open = [(SHARD, lost), (OTHER, silent)].into();
        let mut exchange = Exchange { id: ID, gather: &mut answers, open, result: "settled" };
        assert!(!exchange.fail());
        assert!(!exchange.fail(), "each failure is told once");
        let told = settled(OTHER, outcome(7, vec![Event::Rejected { code: Rejection::OrderUnknown }]));
        assert!(exchange.gather.take(&told));
        assert_eq!(answers.lost, [(SHARD, SubmitError::OutcomeUnknown(ID))]);
    }

    #[test]
    fn one_answer_is_the_first_that_is_found() {
        let told = |code| settled(SHARD, outcome(7, vec![Event::Rejected { code }]));
        let find = |settled: &CommandResult| {
            let wanted = Event::Rejected { code: Rejection::OrderUnknown };
            settled.told().events.contains(&wanted).then_some(settled.at())
        };
        let mut one = One { find, found: None };
        assert!(!one.take(&told(Rejection::AccountUnknown)));
        assert!(one.take(&told(Rejection::OrderUnknown)));
        assert_eq!(one.found.unwrap().unwrap().to_string(), "0:7");
    }

    #[test]
    fn only_what_is_certain_is_called_not_written() {
        let pending = Arc::new(PendingCommands::default());
        let report = |may_be_written| {
            let delivery = Delivery::new(&Arc::default(), pending.goes(ID, SHARD));
            delivery.report(Err(undelivered(may_be_written)));
            let open = pending.open(std::time::Instant::now()).count;
            (not_delivered(ID, delivery.failure().unwrap().clone()), open)
        };
        assert_eq!(report(false), (SubmitError::NotWritten(undelivered(false).error), 0));
        assert_eq!(report(true), (SubmitError::OutcomeUnknown(ID), 1));
    }
}
