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

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use metrics::counter;
use schemas::event::CancelReason;
use schemas::limits::{BATCH_MAX, PARKED_MAX};
use schemas::{CommandId, Event, Outcome, PurseInstruction, Shard};
use tokio::sync::mpsc;

use crate::command_result::{CommandResult, places, repeated};
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
    /// Commands that were produced and have no outcome yet, whether or not a handler still waits.
    open: DashMap<(CommandId, Shard), Instant>,
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

/// How long a command without an outcome is counted. A command that never reached the log would be
/// counted forever otherwise.
const OPEN_COUNTS: Duration = Duration::from_secs(600);

/// The most commands that are counted.
const OPEN_MAX: usize = 100_000;

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

    /// Delivers each result in an outcome to the handler that waits for it. Never waits for a
    /// handler.
    pub fn settle(&self, shard: Shard, outcome: &Arc<Outcome>) {
        if self.handlers.is_empty() && self.open.is_empty() {
            return;
        }
        self.decided.insert(shard, Instant::now());
        for (command, events) in places(outcome) {
            self.open.remove(&(command, shard));
            self.tell(shard, outcome, command, events);
        }
    }

    /// Counts a command that is about to be produced to a shard.
    pub fn goes(&self, id: CommandId, shard: Shard) {
        if self.open.len() < OPEN_MAX {
            self.open.insert((id, shard), Instant::now());
        }
    }

    /// Undoes the count of a command that was not produced.
    pub fn stays(&self, id: CommandId, shard: Shard) {
        self.open.remove(&(id, shard));
    }

    /// Returns the commands without an outcome.
    pub fn open(&self, now: Instant) -> Open {
        let age = |since: Instant| now.saturating_duration_since(since);
        self.open.retain(|_, since| age(*since) < OPEN_COUNTS);
        let mut open = Open::default();
        for entry in &self.open {
            let ((_, shard), since) = (*entry.key(), *entry.value());
            open.count += 1;
            open.oldest = open.oldest.max(age(since));
            let decides = self.decided.get(&shard).is_some_and(|last| age(*last) < SILENT_AFTER);
            if age(since) >= SILENT_AFTER && !decides {
                open.silent = Some(shard);
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

    #[test]
    fn commands_without_outcome_are_counted_and_a_shard_that_decides_nothing_is_named() {
        let pending = PendingCommands::default();
        let [decided, waits, refused] = [1, 2, 3].map(CommandId);
        [decided, waits, refused].iter().for_each(|id| pending.goes(*id, SHARD));
        pending.stays(refused, SHARD);
        let now = Instant::now();
        let young = pending.open(now);
        assert_eq!((young.count, young.silent), (2, None));
        let old = pending.open(now + SILENT_AFTER * 2);
        assert_eq!((old.count, old.silent), (2, Some(SHARD)));
        assert!(old.oldest >= SILENT_AFTER);
        let told = Arc::new(outcome(1, vec![Event::Rejected { code: Rejection::OrderUnknown }]));
        pending.settle(SHARD, &told);
        let left = pending.open(Instant::now());
        assert_eq!((left.count, left.silent), (1, None));
        assert_eq!(pending.open(now + OPEN_COUNTS * 2), Open::default(), "what the log never took is forgotten");
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
