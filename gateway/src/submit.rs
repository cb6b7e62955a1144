//! Puts a command on the log and waits for its outcome.
//!
//!   handler ─▶ *submit* ─▶ lfg.commands[s] ─▶ engine ─▶ lfg.events[*] ─▶ tail ─▶ *pending* ─▶ handler
//!
//! The wait is registered before the command is produced: an outcome cannot come back unnoticed. A handler that goes away
//! (its client hung up) takes its registration with it; the command goes on.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use metrics::{counter, gauge, histogram};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use schemas::event::CancelReason;
use schemas::ids::Coordinate;
use schemas::{Command, CommandId, CommandRecord, Event, Outcome, Shard};
use service::KafkaArgs;
use service::kafka::{KafkaFault, producer_config};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::config::{OUTCOME_WITHIN, PRODUCE_WITHIN};

/// A command's outcome and where it stands.
#[derive(Debug)]
pub struct Settled {
    /// The shard that told it.
    pub shard: Shard,
    /// What it told.
    pub outcome: Outcome,
}

impl Settled {
    /// Its place on the log.
    pub fn at(&self) -> Coordinate {
        Coordinate { shard: self.shard, sequence: self.outcome.sequence }
    }

    /// What the whole of it tells.
    pub fn told(&self) -> Told<'_> {
        Told { settled: self, events: &self.outcome.events }
    }
}

/// What answers one request: all events of an outcome, or a part of a batch's.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The outcome.
    pub settled: &'a Settled,
    /// The part.
    pub events: &'a [Event],
}

/// No outcome; what that means for the caller.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SubmitError {
    /// Too many commands wait, or the queue to the log is full. Nothing was written. Retry later.
    #[error("too many commands at once")]
    Overloaded,
    /// Kafka refused the command. Nothing was written. Retry later.
    #[error("the log refused the command: {0}")]
    NotWritten(KafkaError),
    /// The command is on the log and will have its outcome; it did not come in time.
    #[error("command {0} is on the log, without an outcome yet")]
    Accepted(CommandId),
    /// Written or not, it cannot be told yet. Ask again, or repeat with the same client id.
    #[error("it is not known whether command {0} was written")]
    OutcomeUnknown(CommandId),
}

/// Who waits for which outcome.
#[derive(Default)]
pub struct Pending {
    waiting: DashMap<CommandId, oneshot::Sender<Settled>>,
    /// Who wants every outcome of a command: there are few, so an outcome is looked up here only if there is any.
    following: DashMap<CommandId, mpsc::UnboundedSender<Settled>>,
    followers: AtomicUsize,
}

impl Pending {
    /// An outcome came. Hands it to whoever waits for it, if it is the last word or every word is wanted. Never waits.
    pub fn settle(&self, shard: Shard, outcome: Outcome) {
        // Acquire pairs with `follow`: a command that is on the log has been registered.
        if self.followers.load(Ordering::Acquire) > 0
            && let Some(following) = self.following.get(&outcome.cause.id)
        {
            // As below. The queue is bounded by what one command can lead to.
            let _ = following.send(Settled { shard, outcome });
            return;
        }
        if !is_final(&outcome) {
            return;
        }
        if let Some((_, waiting)) = self.waiting.remove(&outcome.cause.id) {
            // The other end is gone if its client hung up at this very moment; then nobody wants to know.
            let _ = waiting.send(Settled { shard, outcome });
        }
    }

    fn register(self: &Arc<Self>, id: CommandId) -> Registration {
        let (sender, outcome) = oneshot::channel();
        self.waiting.insert(id, sender);
        Registration { pending: Arc::clone(self), id, outcome }
    }

    fn follow(self: &Arc<Self>, id: CommandId) -> Following {
        let (sender, outcomes) = mpsc::unbounded_channel();
        self.following.insert(id, sender);
        self.followers.fetch_add(1, Ordering::Release);
        Following { pending: Arc::clone(self), id, outcomes }
    }
}

struct Registration {
    pending: Arc<Pending>,
    id: CommandId,
    outcome: oneshot::Receiver<Settled>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.pending.waiting.remove(&self.id);
    }
}

struct Following {
    pending: Arc<Pending>,
    id: CommandId,
    outcomes: mpsc::UnboundedReceiver<Settled>,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.pending.following.remove(&self.id);
        self.pending.followers.fetch_sub(1, Ordering::Release);
    }
}

/// True if an outcome says what became of a command that a client sent. (A batch has as many answers as requests: see
/// [`Submitter::follow`].)
///
/// Others with the same id tell of a step on the way (entered, held, sent) or of what followed elsewhere (settled, swept), and
/// may be read earlier or later, since shards are read independently.
fn is_final(outcome: &Outcome) -> bool {
    outcome.events.iter().any(|event| match event {
        Event::Rejected { .. }
        | Event::AccountOpened { .. }
        | Event::ApiKeyAdded { .. }
        | Event::ApiKeyRevoked { .. }
        | Event::Deposited { .. }
        | Event::Withdrawn { .. }
        | Event::OrderPlaced(_)
        | Event::OrderRejected { .. }
        | Event::MarketCreated(_)
        | Event::MarketChanged { .. }
        | Event::ClientIdRepeated { .. }
        | Event::CancelRejected { .. }
        | Event::OrderAmended(_)
        | Event::AmendRejected { .. }
        | Event::MassCancelRequested { .. }
        | Event::DeadManSwitchSet { .. }
        | Event::AccountFrozen { .. }
        | Event::AccountUnfrozen { .. }
        | Event::AccountLimited { .. }
        | Event::MarketLimited { .. }
        | Event::TransferReceived { .. }
        | Event::TransferReturned { .. } => true,
        // For any other reason nobody asked for this order's end.
        Event::OrderCancelled { reason, .. } => *reason == CancelReason::Requested,
        Event::OrderEntered { .. }
        | Event::Traded(_)
        | Event::PairsRedeemed { .. }
        | Event::Settled(_)
        | Event::PaidOut { .. }
        | Event::MarketSettled { .. }
        | Event::Sent { .. }
        | Event::Received { .. }
        | Event::MessageSkipped { .. }
        | Event::Acknowledged { .. }
        | Event::StateHashed { .. }
        | Event::HoldRaised { .. }
        | Event::OrderReduced { .. }
        | Event::MassCancelOpened { .. }
        | Event::MassCancelClosed { .. }
        | Event::DeadManSwitchFired { .. }
        | Event::BatchItem { .. }
        // The credits may come back.
        | Event::TransferSent { .. } => false,
    })
}

/// The way to the log.
pub struct Submitter {
    producer: FutureProducer,
    topic: String,
    pending: Arc<Pending>,
    permits: Semaphore,
    within: Duration,
}

impl Submitter {
    /// Connects to the log. At most `max` commands wait at the same time.
    pub fn new(kafka: &KafkaArgs, topic: String, max: usize, pending: Arc<Pending>) -> Result<Self, KafkaFault> {
        let producer = producer_config(kafka, PRODUCE_WITHIN).create()?;
        Ok(Self { producer, topic, pending, permits: Semaphore::new(max), within: OUTCOME_WITHIN })
    }

    /// Makes the first command as quick as the later ones: finds the cluster and the topic's leaders. Blocks.
    pub fn warm_up(&self) -> Result<(), KafkaFault> {
        self.producer.client().fetch_metadata(Some(&self.topic), Duration::from_secs(10))?;
        Ok(())
    }

    /// Sends a command to a shard and waits for its outcome, a bounded time.
    pub async fn submit(&self, shard: Shard, command: Command) -> Result<Settled, SubmitError> {
        let id = new_id();
        let mut registration = self.pending.register(id);
        let outcome = async {
            match (&mut registration.outcome).await {
                Ok(settled) => settled,
                // The sender is dropped only with a settlement or with this registration.
                Err(_) => std::future::pending().await,
            }
        };
        self.timed(shard, CommandRecord { id, command }, outcome).await
    }

    /// Sends a command to a shard and hands each of its outcomes, from whichever shard, to `fold` until that says that it has
    /// all, a bounded time. Fails only if there was none; else says which command it was, and whether `fold` has all.
    pub async fn follow(
        &self,
        shard: Shard,
        command: Command,
        mut fold: impl FnMut(Settled) -> bool,
    ) -> Result<(CommandId, bool), SubmitError> {
        let id = new_id();
        let (mut following, mut any) = (self.pending.follow(id), false);
        let all = async {
            while let Some(settled) = following.outcomes.recv().await {
                any = true;
                if fold(settled) {
                    return;
                }
            }
            // As above.
            std::future::pending::<()>().await;
        };
        match self.timed(shard, CommandRecord { id, command }, all).await {
            Ok(()) => Ok((id, true)),
            Err(SubmitError::Accepted(_) | SubmitError::OutcomeUnknown(_)) if any => Ok((id, false)),
            Err(error) => Err(error),
        }
    }

    async fn timed<T>(
        &self,
        shard: Shard,
        record: CommandRecord,
        outcome: impl Future<Output = T>,
    ) -> Result<T, SubmitError> {
        let start = Instant::now();
        let result = self.submit_by(start + self.within, shard, record, outcome).await;
        let label = match &result {
            Ok(_) => "settled",
            Err(SubmitError::Overloaded) => "overloaded",
            Err(SubmitError::NotWritten(_)) => "not-written",
            Err(SubmitError::Accepted(_)) => "accepted",
            Err(SubmitError::OutcomeUnknown(_)) => "unknown",
        };
        histogram!("gateway_submit_seconds", "result" => label).record(start.elapsed());
        result
    }

    async fn submit_by<T>(
        &self,
        deadline: Instant,
        shard: Shard,
        record: CommandRecord,
        outcome: impl Future<Output = T>,
    ) -> Result<T, SubmitError> {
        let _permit = self.permits.try_acquire().map_err(|_| SubmitError::Overloaded)?;
        let _counted = Counted::new();
        let (id, bytes) = (record.id, record.encode());
        let record = FutureRecord::<(), _>::to(&self.topic).partition(shard.partition()).payload(&bytes);
        let delivery = self.producer.send_result(record).map_err(|(error, _)| not_queued(error))?;
        tokio::pin!(delivery, outcome);
        let mut acknowledged = false;
        loop {
            tokio::select! {
                biased;
                settled = &mut outcome => return Ok(settled),
                delivered = &mut delivery, if !acknowledged => match delivered {
                    Ok(Ok(_)) => acknowledged = true,
                    Ok(Err((error, _))) => return Err(not_delivered(id, error)),
                    Err(_) => return Err(SubmitError::OutcomeUnknown(id)),
                },
                () = sleep_until(deadline) => {
                    return Err(if acknowledged { SubmitError::Accepted(id) } else { SubmitError::OutcomeUnknown(id) });
                }
            }
        }
    }

    /// Gives what is still queued a last chance to be written.
    pub fn drain(&self, within: Duration) {
        let deadline = std::time::Instant::now() + within;
        while self.producer.in_flight_count() > 0 && std::time::Instant::now() < deadline {
            self.producer.poll(Duration::from_millis(1));
        }
        let lost = self.producer.in_flight_count();
        if lost > 0 {
            tracing::warn!(lost, "commands were not acknowledged before the end");
        }
    }
}

fn new_id() -> CommandId {
    CommandId(uuid::Uuid::now_v7().as_u128())
}

/// librdkafka did not take the record: it is certain that it was not written.
fn not_queued(error: KafkaError) -> SubmitError {
    match error.rdkafka_error_code() {
        Some(Code::QueueFull) => SubmitError::Overloaded,
        _ => SubmitError::NotWritten(error),
    }
}

/// Kafka did not acknowledge the record.
///
/// | error                                       | the record      |
/// |---------------------------------------------|-----------------|
/// | the broker's refusal of this record         | was not written |
/// | purged before it was sent                   | was not written |
/// | a time-out, a broken connection, any other  | may be written  |
fn not_delivered(id: CommandId, error: KafkaError) -> SubmitError {
    counter!("gateway_produce_errors_total").increment(1);
    tracing::warn!(%error, command = %id, "a command was not acknowledged");
    match error.rdkafka_error_code() {
        Some(
            Code::MessageSizeTooLarge
            | Code::InvalidMessage
            | Code::InvalidRecord
            | Code::UnknownTopicOrPartition
            | Code::UnknownTopic
            | Code::UnknownPartition
            | Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::NotEnoughReplicas
            | Code::PurgeQueue,
        ) => SubmitError::NotWritten(error),
        _ => SubmitError::OutcomeUnknown(id),
    }
}

/// Counts commands in flight, also when their handler is dropped.
struct Counted;

impl Counted {
    fn new() -> Self {
        gauge!("gateway_pending").increment(1.0);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        gauge!("gateway_pending").decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::{SHARD, amended, outcome, placed, trade};
    use schemas::{AccountId, Credits, Entry, OrderRef, Rejection};

    fn entered() -> Event {
        let placed = placed(1, Entry::BuyYes, 5_000, 10, 0);
        let (account, market) = (placed.order.account, placed.order.market);
        Event::OrderEntered { id: placed.id, account, market, held: Credits::whole(5), known_as: None }
    }

    fn cancelled(reason: CancelReason) -> Event {
        let order = placed(1, Entry::BuyYes, 5_000, 10, 0);
        let (account, market, entry) = (order.order.account, order.order.market, order.order.entry);
        let (price, quantity) = (order.price, order.quantity);
        Event::OrderCancelled { order: order.id, account, market, entry, price, quantity, reason }
    }

    #[test]
    fn a_step_on_the_way_is_not_the_last_word() {
        let maker = placed(1, Entry::BuyYes, 5_000, 10, 0);
        let taker = placed(2, Entry::BuyNo, 5_000, 4, 4);
        let (account, order, amount) = (AccountId(1), maker.id, Credits::whole(1));
        let received = Event::Received { from: SHARD, number: 1 };
        let (from, to) = (account, AccountId(2));
        let is_last = |events: &[Event]| is_final(&outcome(1, events.to_vec()));
        for step in [
            vec![],
            vec![entered()],
            vec![received.clone()],
            vec![received.clone(), Event::HoldRaised { account, order, amount }],
            vec![received.clone(), cancelled(CancelReason::MassCancel)],
            vec![Event::TransferSent { from, to, amount, client_id: None }],
        ] {
            assert!(!is_last(&step), "{step:?}");
        }
        let code = Rejection::OrderUnknown;
        for word in [
            vec![entered(), Event::OrderPlaced(maker)],
            vec![received.clone(), Event::OrderPlaced(taker), trade(1, &maker, &taker, 4, 6)],
            vec![received.clone(), cancelled(CancelReason::Requested)],
            vec![received.clone(), Event::CancelRejected { account, order: OrderRef::Id(order), code }],
            vec![received.clone(), Event::OrderAmended(amended(&maker, 5_000, 9))],
            vec![Event::AmendRejected { account, order: OrderRef::Id(order), code }],
            vec![Event::MassCancelRequested { account, market: None }, cancelled(CancelReason::MassCancel)],
            vec![received.clone(), Event::TransferReceived { from, to, amount }],
            vec![received, Event::TransferReturned { from, to, amount, code }],
            vec![Event::Rejected { code }],
        ] {
            assert!(is_last(&word), "{word:?}");
        }
    }

    #[test]
    fn who_follows_a_command_hears_every_word_and_who_waits_only_the_last() {
        let pending = Arc::new(Pending::default());
        let (mut following, mut waiting) = (pending.follow(CommandId(1)), pending.register(CommandId(2)));
        for id in [1, 2] {
            pending.settle(SHARD, outcome(id, vec![entered()]));
            pending.settle(SHARD, outcome(id, vec![Event::OrderPlaced(placed(1, Entry::BuyYes, 5_000, 10, 0))]));
        }
        let heard: Vec<_> = std::iter::from_fn(|| following.outcomes.try_recv().ok()).collect();
        assert_eq!(heard.iter().map(|settled| settled.outcome.cause.id.0).collect::<Vec<_>>(), [1, 1]);
        assert!(matches!(waiting.outcome.try_recv().unwrap().outcome.events[..], [Event::OrderPlaced(_)]));
        drop(following);
        assert!(pending.following.is_empty());
        assert_eq!(pending.followers.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_last_word_reaches_the_one_who_waits_whatever_is_read_first() {
        let pending = Arc::new(Pending::default());
        let mut registration = pending.register(CommandId(2));
        pending.settle(SHARD, outcome(2, vec![entered()]));
        assert!(registration.outcome.try_recv().is_err());
        pending.settle(SHARD, outcome(2, vec![Event::OrderPlaced(placed(1, Entry::BuyYes, 5_000, 10, 0))]));
        assert_eq!(registration.outcome.try_recv().unwrap().outcome.sequence, 2);
    }

    #[test]
    fn who_goes_away_leaves_nothing_behind() {
        let pending = Arc::new(Pending::default());
        drop(pending.register(CommandId(2)));
        assert!(pending.waiting.is_empty());
    }

    #[test]
    fn only_what_is_certain_is_called_not_written() {
        let of = |code| not_delivered(CommandId(1), KafkaError::MessageProduction(code));
        assert!(matches!(of(Code::MessageSizeTooLarge), SubmitError::NotWritten(_)));
        assert_eq!(of(Code::MessageTimedOut), SubmitError::OutcomeUnknown(CommandId(1)));
        assert_eq!(of(Code::NotEnoughReplicasAfterAppend), SubmitError::OutcomeUnknown(CommandId(1)));
    }
}
