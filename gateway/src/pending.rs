//! Registers which handler waits for the result of which command, and delivers results.
//!
//!   tail ─▶ *pending* ─▶ one bounded queue per handler ─▶ submit
//!
//! A handler registers before its command is produced, so no result can arrive unnoticed. Dropping
//! a handler (its client hung up) removes its registration; the command is still decided.
//!
//! A request that repeats a parked request, or a transfer in progress, is answered by the result of
//! that request's command. The handler starts to wait for that command with the very outcome that
//! reports the repeat. Both appear on the same shard's log, the repeat first, so nothing can be
//! missed: the sender's home repeats what the receiver's home reports about a transfer.
//!
//! A command without an outcome is open, whether or not a handler still waits for it:
//!
//! | what is known of it                                                | then                    |
//! |--------------------------------------------------------------------|-------------------------|
//! | the log did not take it ([`Undelivered`])                          | it is not open any more |
//! | the shard has decided it                                           | it is not open any more |
//! | the shard has decided what was sent [`PRODUCE_WITHIN`] later       | it never comes          |
//! | nothing, for [`OPEN_COUNTS`]                                       | it is not counted       |
//! | anything else, also that its delivery failed                       | it is open              |
//!
//! The third row: the producer gives a command up [`PRODUCE_WITHIN`] after it has taken it. It is
//! idempotent, so after that the broker refuses the command once it has taken a later one of the
//! same producer. An outcome of another gateway's command, of an announcement for example, counts
//! as well, because a broker does not keep a request for so long. If one did, the command would be
//! decided and answered all the same, and only not be counted.
//!
//! [`Undelivered`]: crate::producer::Undelivered

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use metrics::counter;
use schemas::event::CancelReason;
use schemas::limits::{BATCH_MAX, PARKED_MAX};
use schemas::{CommandId, Event, Outcome, PurseInstruction, Shard};
use tokio::sync::mpsc;

use crate::command_result::{CommandResult, places, repeated};
use crate::config::PRODUCE_WITHIN;
use crate::quiet::SILENT_AFTER;

/// The most results that wait for one handler: as many as its requests and its account's parked
/// requests can cause. Results beyond that are dropped, and the client has to look them up.
const ANSWERS_MAX: usize = BATCH_MAX + PARKED_MAX;

/// Which handlers wait for which commands.
// Lock order: the handler's lock first.
#[derive(Default)]
pub struct PendingCommands {
    /// Handlers by the command that each of them sent.
    handlers: DashMap<CommandId, Handler>,
    /// Handlers that repeat a parked request, by that request's command.
    repeats: Mutex<HashMap<CommandId, Vec<CommandId>>>,
    /// Open commands of each shard, oldest first: ids begin with the time.
    open: DashMap<Shard, BTreeMap<CommandId, Instant>>,
    /// The number of all open commands.
    open_count: AtomicUsize,
    /// When each shard last wrote an outcome.
    decided: DashMap<Shard, Instant>,
}

/// Commands without an outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Open {
    /// How many commands.
    pub count: usize,
    /// The age of the oldest.
    pub oldest: Duration,
    /// A shard that wrote no outcome for [`SILENT_AFTER`] while a command waited there that long.
    pub silent: Option<Shard>,
}

/// How long a command is counted of which nothing is heard, for example because its shard has no
/// leader for so long.
pub const OPEN_COUNTS: Duration = Duration::from_secs(600);

/// The most commands that are counted.
pub const OPEN_MAX: usize = 100_000;

struct Handler {
    answers: mpsc::Sender<CommandResult>,
    /// Its entries in `repeats`: at most one for each of its requests.
    joined: Vec<CommandId>,
}

impl PendingCommands {
    fn repeats(&self) -> MutexGuard<'_, HashMap<CommandId, Vec<CommandId>>> {
        // If the tail panicked while it delivered a result, that shard has halted; the rest of the
        // data is consistent and stays in use.
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether a shard has decided anything since then.
    pub fn has_decided_since(&self, shard: Shard, start: Instant) -> bool {
        self.decided.get(&shard).is_some_and(|last| *last >= start)
    }

    /// Delivers each result in an outcome to the handler that waits for it. Never waits for a
    /// handler.
    pub fn settle(&self, shard: Shard, outcome: &Arc<Outcome>) {
        if self.handlers.is_empty() && self.open_count.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.decided.insert(shard, Instant::now());
        for (command, events) in places(outcome) {
            self.close(shard, command);
            self.tell(shard, outcome, command, events);
        }
    }

    /// Counts a command that is about to be produced to a shard.
    pub fn goes(self: &Arc<Self>, id: CommandId, shard: Shard) -> OpenCommand {
        let counted = self.open_count.fetch_add(1, Ordering::Relaxed) < OPEN_MAX
            && self.open.entry(shard).or_default().insert(id, Instant::now()).is_none();
        if !counted {
            self.open_count.fetch_sub(1, Ordering::Relaxed);
        }
        OpenCommand { pending: Arc::clone(self), id, shard }
    }

    /// Ends the count of a command that the shard has decided, and of those that never come.
    fn close(&self, shard: Shard, decided: CommandId) {
        let Some(mut open) = self.open.get_mut(&shard) else { return };
        let before = open.len();
        open.remove(&decided);
        if let Some(first) = sent_in_time_before(decided) {
            let later = open.split_off(&first);
            *open = later;
        }
        self.open_count.fetch_sub(before - open.len(), Ordering::Relaxed);
    }

    /// Returns the commands without an outcome.
    pub fn open(&self, now: Instant) -> Open {
        let age = |since: Instant| now.saturating_duration_since(since);
        let mut open = Open::default();
        for mut of_shard in self.open.iter_mut() {
            let before = of_shard.len();
            of_shard.retain(|_, since| age(*since) < OPEN_COUNTS);
            self.open_count.fetch_sub(before - of_shard.len(), Ordering::Relaxed);
            let Some(oldest) = of_shard.values().map(|since| age(*since)).max() else { continue };
            open.count += of_shard.len();
            open.oldest = open.oldest.max(oldest);
            let decides = self.decided.get(of_shard.key()).is_some_and(|last| age(*last) < SILENT_AFTER);
            if oldest >= SILENT_AFTER && !decides {
                open.silent = Some(*of_shard.key());
            }
        }
        open
    }

    /// Starts to wait for the result of a command.
    pub fn register(self: &Arc<Self>, id: CommandId) -> Registration {
        let (sender, answers) = mpsc::channel(ANSWERS_MAX);
        self.handlers.insert(id, Handler { answers: sender, joined: Vec::new() });
        Registration { pending: Arc::clone(self), id, answers }
    }

    fn tell(&self, shard: Shard, outcome: &Arc<Outcome>, command: CommandId, events: Range<usize>) {
        let own = self.handlers.contains_key(&command).then_some(command);
        let mut hearers: Vec<CommandId> = own.into_iter().collect();
        hearers.extend(self.repeats().get(&command).into_iter().flatten());
        let part = &outcome.events[events.clone()];
        if hearers.is_empty() || !part.iter().any(may_answer) {
            return;
        }
        for asked in hearers {
            let settled = CommandResult { shard, outcome: Arc::clone(outcome), command, asked, events: events.clone() };
            self.hand_over(settled);
            for first in repeated(part) {
                self.join(asked, first);
            }
        }
    }

    fn hand_over(&self, settled: CommandResult) {
        let Some(handler) = self.handlers.get(&settled.asked) else { return };
        match handler.answers.try_send(settled) {
            // A handler that has its result is about to end and takes no more.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(_)) => counter!("gateway_answers_dropped_total").increment(1),
        }
    }

    /// Delivers the result of `first` to the handler of `asked` from now on.
    fn join(&self, asked: CommandId, first: CommandId) {
        let Some(mut handler) = self.handlers.get_mut(&asked) else { return };
        // A batch that names one order twice repeats itself.
        if first == asked || handler.joined.contains(&first) || handler.joined.len() == BATCH_MAX {
            return;
        }
        handler.joined.push(first);
        self.repeats().entry(first).or_default().push(asked);
    }

    fn leave(&self, asked: CommandId) {
        let Some((_, handler)) = self.handlers.remove(&asked) else { return };
        let mut repeats = self.repeats();
        for first in handler.joined {
            let Entry::Occupied(mut hearers) = repeats.entry(first) else { continue };
            hearers.get_mut().retain(|id| *id != asked);
            if hearers.get().is_empty() {
                hearers.remove();
            }
        }
    }
}

/// A command that was handed to the producer.
pub struct OpenCommand {
    pending: Arc<PendingCommands>,
    id: CommandId,
    shard: Shard,
}

impl OpenCommand {
    /// Ends the count of a command that the log did not take.
    pub fn was_not_written(&self) {
        if self.pending.open.get_mut(&self.shard).is_some_and(|mut open| open.remove(&self.id).is_some()) {
            self.pending.open_count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Returns the first id of a command that may still come when `decided` has been. `None` if that is
/// not known: the id does not contain a time (it is not a UUID of version 7).
fn sent_in_time_before(decided: CommandId) -> Option<CommandId> {
    const TIME_AT: u32 = 80;
    let id = uuid::Uuid::from_u128(decided.0);
    let first = (decided.0 >> TIME_AT).checked_sub(PRODUCE_WITHIN.as_millis())?;
    (id.get_version_num() == 7).then_some(CommandId(first << TIME_AT))
}

/// A waiting handler.
pub struct Registration {
    pending: Arc<PendingCommands>,
    id: CommandId,
    /// Receives the results of its command, and of those that it repeats.
    pub answers: mpsc::Receiver<CommandResult>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.pending.leave(self.id);
    }
}

/// Returns false for events that only follow from a request or are an intermediate step.
///
/// The handler decides what answers its request. This filter only skips events that cannot answer
/// any.
fn may_answer(event: &Event) -> bool {
    match event {
        Event::Rejected { .. }
        | Event::AccountOpened { .. }
        | Event::ApiKeyAdded { .. }
        | Event::ApiKeyRevoked { .. }
        | Event::ApiKeyEnds { .. }
        | Event::Deposited { .. }
        | Event::Withdrawn { .. }
        | Event::DepositProposed { .. }
        | Event::OrderPlaced(_)
        | Event::OrderRejected { .. }
        | Event::MarketCreated { .. }
        | Event::MarketChanged { .. }
        | Event::ClientIdRepeated { .. }
        | Event::CancelRejected { .. }
        | Event::OrderAmended(_)
        | Event::AmendRejected { .. }
        | Event::MassCancelRequested { .. }
        | Event::DeadManSwitchSet { .. }
        | Event::MarketLimited { .. }
        | Event::MarketEventCreated { .. }
        | Event::MarketEdited { .. }
        | Event::MarketAddedTo { .. }
        | Event::AdminSet { .. }
        | Event::AdminRevoked { .. }
        | Event::TransferReceived { .. }
        | Event::TransferReturned { .. }
        | Event::TransferCompleted { .. }
        | Event::ParkedCancelled { .. } => true,
        Event::VocabularyRaised { by, .. } => by.is_some(),
        // The order ended for another reason; no request asked for it.
        Event::OrderCancelled { reason, .. } => *reason == CancelReason::Requested,
        // No request asked for the end of an unconfirmed deposit.
        Event::DepositDropped { by, .. } => by.is_some(),
        Event::InstructionCompleted { instruction, .. } => !matches!(instruction, PurseInstruction::Recall(_)),
        // Events of a later build answer no request of this build.
        Event::Unknown { .. }
        | Event::Traded(_)
        | Event::PairsRedeemed { .. }
        | Event::Settled(_)
        | Event::PaidOut { .. }
        | Event::MarketSettled { .. }
        | Event::MarketArchived { .. }
        | Event::CameWith(_)
        | Event::YesClaimed { .. }
        | Event::YesReleased { .. }
        | Event::YesHeld { .. }
        | Event::ApiKeyExpired { .. }
        | Event::YesAnswered { .. }
        | Event::Sent { .. }
        | Event::Received { .. }
        | Event::MessageSkipped { .. }
        | Event::Acknowledged { .. }
        | Event::StateHashed { .. }
        | Event::PartAnnounced { .. }
        | Event::PartLeft { .. }
        | Event::HoldRaised { .. }
        | Event::OrderReduced { .. }
        | Event::MassCancelOpened { .. }
        | Event::MassCancelClosed { .. }
        | Event::DeadManSwitchFired { .. }
        | Event::BatchItem { .. }
        // Answered when every shard has confirmed it.
        | Event::AccountFrozen { .. }
        | Event::AccountUnfrozen { .. }
        | Event::AccountLimited { .. }
        | Event::GroupSet { .. }
        | Event::GroupTriggered { .. }
        | Event::GroupDeleted { .. }
        | Event::GroupFilled { .. }
        | Event::GroupReported { .. }
        | Event::Parked(_)
        // Answered when it has ended.
        | Event::TransferSent { .. }
        | Event::Resumed { .. }
        | Event::Asked { .. }
        | Event::AskAnswered { .. }
        | Event::PurseSent { .. }
        | Event::PurseReceived { .. }
        | Event::PurseFrozen { .. }
        | Event::PurseLimited { .. }
        | Event::Instructed { .. }
        | Event::Obeyed { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command_result::tests::{named, parked, repeats, resumed};
    use crate::view::tests::{SHARD, outcome, placed, trade};
    use schemas::{AccountId, AdminId, ClientId, Credits, Entry, Need, Rejection};

    const ACCOUNT: AccountId = AccountId(1);

    fn heard(registration: &mut Registration) -> Vec<CommandResult> {
        std::iter::from_fn(|| registration.answers.try_recv().ok()).collect()
    }

    /// The id of a command that is sent so many milliseconds after the first one.
    fn sent_at(millis: u64) -> CommandId {
        let time = uuid::Timestamp::from_unix_time(1_700_000_000 + millis / 1_000, 0, 0, 0);
        CommandId(uuid::Uuid::new_v7(time).as_u128() + (u128::from(millis % 1_000) << 80))
    }

    fn decide(pending: &PendingCommands, id: CommandId) {
        let mut told = outcome(1, vec![Event::Rejected { code: Rejection::OrderUnknown }]);
        told.cause.id = id;
        pending.settle(SHARD, &Arc::new(told));
    }

    #[test]
    fn commands_without_outcome_are_counted_and_a_shard_that_decides_nothing_is_named() {
        let pending = Arc::new(PendingCommands::default());
        let [decided, waits, refused] = [1, 2, 3].map(CommandId);
        let [_, _, refused] = [decided, waits, refused].map(|id| pending.goes(id, SHARD));
        refused.was_not_written();
        refused.was_not_written();
        let now = Instant::now();
        let young = pending.open(now);
        assert_eq!((young.count, young.silent), (2, None));
        let old = pending.open(now + SILENT_AFTER * 2);
        assert_eq!((old.count, old.silent), (2, Some(SHARD)));
        assert!(old.oldest >= SILENT_AFTER);
        decide(&pending, decided);
        let left = pending.open(Instant::now());
        assert_eq!((left.count, left.silent), (1, None));
        assert_eq!(pending.open(now + OPEN_COUNTS * 2), Open::default());
        assert_eq!(pending.open_count.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_command_that_can_not_come_any_more_is_not_open() {
        let pending = Arc::new(PendingCommands::default());
        let within = u64::try_from(PRODUCE_WITHIN.as_millis()).unwrap();
        let (lost, young) = (sent_at(500), sent_at(1_500));
        for id in [lost, young] {
            let _open = pending.goes(id, SHARD);
        }
        let other = Shard::new(1).unwrap();
        let _open = pending.goes(lost, other);
        let count = || pending.open(Instant::now()).count;
        decide(&pending, sent_at(499 + within));
        assert_eq!(count(), 3, "what was sent sooner may have overtaken them");
        // An id without a time says nothing.
        decide(&pending, CommandId(u128::MAX));
        assert_eq!(count(), 3);
        decide(&pending, sent_at(501 + within));
        assert_eq!(count(), 2, "another shard says nothing of it, and the younger one may come");
        decide(&pending, young);
        assert_eq!(count(), 1);
    }

    #[test]
    fn open_commands_are_bounded() {
        let pending = Arc::new(PendingCommands::default());
        let all: Vec<_> = (0..OPEN_MAX as u128 + 10).map(|id| pending.goes(CommandId(id), SHARD)).collect();
        assert_eq!(pending.open(Instant::now()).count, OPEN_MAX);
        all.iter().for_each(OpenCommand::was_not_written);
        assert_eq!((pending.open(Instant::now()).count, pending.open_count.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn a_step_on_the_way_is_no_answer() {
        let order = placed(1, Entry::BuyYes, 5_000, 10, 0);
        let (account, by, amount, shard) = (ACCOUNT, AdminId(1), Credits::whole(1), SHARD);
        let recall = PurseInstruction::Recall(Need::credits(amount));
        let (id, market, entry) = (order.id, order.order.market, Entry::BuyYes);
        let cancelled = |reason| {
            let (price, quantity) = (order.price, order.quantity);
            Event::OrderCancelled { order: id, account, market, entry, price, quantity, reason }
        };
        for step in [
            parked(7, &order),
            Event::Received { from: SHARD, number: 1 },
            Event::Asked { account, need: Need::credits(amount), given_back: schemas::Room::ZERO },
            Event::HoldRaised { account, order: id, amount },
            Event::AccountFrozen { account, by },
            Event::Obeyed { account, ticket: 1, shard, more: false },
            Event::InstructionCompleted { account, instruction: recall },
            cancelled(CancelReason::MassCancel),
        ] {
            assert!(!may_answer(&step), "{step:?}");
        }
        let ticket = 3;
        for word in [
            Event::OrderPlaced(order),
            cancelled(CancelReason::Requested),
            Event::ParkedCancelled { account, ticket, command: CommandId(7) },
            Event::InstructionCompleted { account, instruction: PurseInstruction::Freeze { by } },
            Event::Rejected { code: Rejection::AccountUnknown },
        ] {
            assert!(may_answer(&word), "{word:?}");
        }
    }

    #[test]
    fn each_part_of_an_outcome_goes_to_whoever_waits_for_its_command() {
        let pending = Arc::new(PendingCommands::default());
        let (mut seller, mut parked_buyer) = (pending.register(CommandId(7)), pending.register(CommandId(8)));
        let (maker, buy) = (placed(1, Entry::SellYes, 5_000, 10, 0), placed(2, Entry::BuyYes, 5_000, 10, 4));
        pending.settle(SHARD, &Arc::new(outcome(6, vec![parked(8, &buy)])));
        let events = vec![Event::OrderPlaced(maker), resumed(8), Event::OrderPlaced(buy), trade(1, &maker, &buy, 4, 6)];
        pending.settle(SHARD, &Arc::new(outcome(7, events)));
        let [sold] = heard(&mut seller).try_into().unwrap();
        assert_eq!((sold.command, sold.told().events), (CommandId(7), &[Event::OrderPlaced(maker)][..]));
        let [bought] = heard(&mut parked_buyer).try_into().unwrap();
        assert_eq!((bought.command, bought.told().events.len(), bought.is_repeat()), (CommandId(8), 2, false));
        assert_eq!(bought.at().to_string(), "0:7");
    }

    #[test]
    fn a_repeat_of_a_parked_request_hears_its_answer_and_so_does_the_first() {
        let pending = Arc::new(PendingCommands::default());
        let (mut first, mut again) = (pending.register(CommandId(5)), pending.register(CommandId(6)));
        let order = named(1, 99);
        pending.settle(SHARD, &Arc::new(outcome(5, vec![parked(5, &order)])));
        pending.settle(SHARD, &Arc::new(outcome(6, vec![repeats(5, 99)])));
        pending.settle(SHARD, &Arc::new(outcome(7, vec![resumed(5), Event::OrderPlaced(order)])));
        assert_eq!(heard(&mut first).len(), 1);
        let [says_so, answer] = heard(&mut again).try_into().unwrap();
        assert_eq!((says_so.told().repeats(), says_so.is_repeat()), (Some(CommandId(5)), false));
        assert_eq!((answer.command, answer.is_repeat()), (CommandId(5), true));
        assert!(answer.of_order((order.order.market, ClientId(99))).is_some());
        assert!(answer.of_order((order.order.market, ClientId(98))).is_none());
    }

    #[test]
    fn an_answer_in_the_same_outcome_as_its_repeat_is_not_missed() {
        let pending = Arc::new(PendingCommands::default());
        let mut again = pending.register(CommandId(6));
        let order = named(1, 99);
        pending.settle(SHARD, &Arc::new(outcome(6, vec![repeats(5, 99), resumed(5), Event::OrderPlaced(order)])));
        assert_eq!(heard(&mut again).len(), 2);
    }

    #[test]
    fn who_goes_away_leaves_nothing_behind() {
        let pending = Arc::new(PendingCommands::default());
        let (one, other) = (pending.register(CommandId(6)), pending.register(CommandId(7)));
        for id in [6, 7] {
            pending.settle(SHARD, &Arc::new(outcome(id, vec![repeats(5, 99), repeats(5, 98)])));
        }
        assert_eq!(pending.repeats()[&CommandId(5)], [CommandId(6), CommandId(7)]);
        drop(one);
        assert_eq!(pending.repeats()[&CommandId(5)], [CommandId(7)]);
        drop(other);
        assert!(pending.handlers.is_empty() && pending.repeats().is_empty());
    }

    #[test]
    fn what_waits_for_one_handler_is_bounded() {
        let pending = Arc::new(PendingCommands::default());
        let mut slow = pending.register(CommandId(1));
        let all = ANSWERS_MAX as u64 + 10;
        for sequence in 1..=all {
            let mut outcome = outcome(sequence, vec![Event::Rejected { code: Rejection::OrderUnknown }]);
            outcome.cause.id = CommandId(1);
            pending.settle(SHARD, &Arc::new(outcome));
        }
        for first in 0..BATCH_MAX as u128 + 10 {
            pending.join(CommandId(1), CommandId(1_000 + first));
        }
        assert_eq!(pending.repeats().len(), BATCH_MAX);
        assert_eq!(heard(&mut slow).len(), ANSWERS_MAX);
    }
}
