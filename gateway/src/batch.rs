//! Collects the answers to a batch's requests from the outcomes of all shards involved. Pure.
//!
//!   submit ─▶ results of each shard's part of the batch ─▶ *batch* ─▶ HTTP
//!
//! A market's shard reports each of its requests after a `BatchItem` event, at once or after the
//! request was parked. A request that repeats a parked one is answered by the result of that one's
//! command.

use std::collections::BTreeMap;

use schemas::ids::LogPosition;
use schemas::{CommandId, OrderRef, Shard};

use crate::answers::{self, AmendAnswer, CancelAnswer, OrderOutcome, refusal};
use crate::command_result::{CommandResult, OrderName, ResultPart};
use crate::http::problem::Problem;
use crate::submit::{Gather, SubmitError};

/// One request of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BatchItem {
    /// Place an order, with its client id if it has one.
    Place(Option<OrderName>),
    /// Cancel an order.
    Cancel(OrderRef),
    /// Amend an order.
    Amend(OrderRef),
}

/// The answer to one request.
#[derive(Debug)]
pub enum ItemReply {
    /// The result, with its log position and command.
    Told(Content, LogPosition, CommandId),
    /// Why the result is unknown.
    Lost(SubmitError),
}

/// The result of one request.
#[derive(Debug)]
pub enum Content {
    /// The result of a request to place an order.
    Order(OrderOutcome),
    /// The order was cancelled.
    Cancelled(CancelAnswer),
    /// The order was amended.
    Amended(AmendAnswer),
    /// A cancel or an amendment was rejected, or an order was rejected before it had an owner.
    Refused(Problem),
}

#[derive(Debug)]
struct Item {
    asked: BatchItem,
    /// The repeated command whose result also answers this item, once known.
    repeats: Option<CommandId>,
    reply: Option<ItemReply>,
}

/// A batch and the answers collected so far.
#[derive(Debug)]
pub struct Batch {
    items: Vec<Item>,
    /// The items sent to each shard, in order, as indexes into `items`.
    sent: BTreeMap<Shard, Vec<usize>>,
    refused: Option<Problem>,
    at: BTreeMap<Shard, u64>,
}

impl Batch {
    /// Creates a batch from its requests and the shard that each goes to.
    pub fn new(requests: impl IntoIterator<Item = (Shard, BatchItem)>) -> Self {
        let mut batch = Self { items: Vec::new(), sent: BTreeMap::new(), refused: None, at: BTreeMap::new() };
        for (shard, asked) in requests {
            batch.sent.entry(shard).or_default().push(batch.items.len());
            batch.items.push(Item { asked, repeats: None, reply: None });
        }
        batch
    }

    fn is_complete(&self) -> bool {
        self.items.iter().all(|item| item.reply.is_some())
    }

    /// Takes the result of one shard's part of the batch.
    fn read(&mut self, settled: &CommandResult) {
        let Some(places) = self.sent.get(&settled.shard) else { return };
        for (place, told) in settled.requests() {
            let item = place.map(|place| places.get(place).map(|&index| &mut self.items[index]));
            match item {
                Some(Some(item)) => item.read(&told),
                // More items than were sent: not this batch.
                Some(None) => {}
                None => {
                    let Some(problem) = refusal(&told) else { continue };
                    let all = places.clone();
                    self.refuse(&all, &problem, settled);
                    return;
                }
            }
        }
    }

    /// Marks everything that was sent to a shard as rejected.
    fn refuse(&mut self, places: &[usize], problem: &Problem, settled: &CommandResult) {
        for &index in places {
            self.items[index].tell(Content::Refused(problem.clone()), settled);
        }
        if places.len() == self.items.len() {
            self.refused = Some(problem.clone());
        }
    }

    /// Notes how far the shards are whose results are known.
    fn note(&mut self, settled: &CommandResult) {
        let at = settled.at();
        let told = |item: &Item| matches!(&item.reply, Some(ItemReply::Told(_, told, _)) if *told == at);
        if self.items.iter().any(told) {
            let latest = self.at.entry(at.shard).or_default();
            *latest = at.sequence.max(*latest);
        }
    }

    /// Returns the problem if the batch was rejected as a whole, or the answer to each request, in
    /// request order.
    pub fn into_replies(self) -> Result<Vec<ItemReply>, Problem> {
        let reply = |item: Item| item.reply.expect("what is not told is lost before the submission ends");
        self.refused.map_or(Ok(self.items.into_iter().map(reply).collect()), Err)
    }

    /// Returns the log positions that the answers are as of.
    pub fn positions(&self) -> Vec<LogPosition> {
        self.at.iter().map(|(&shard, &sequence)| LogPosition { shard, sequence }).collect()
    }
}

impl Gather for Batch {
    fn take(&mut self, settled: &CommandResult) -> bool {
        if !settled.is_repeat() {
            self.read(settled);
        }
        for item in &mut self.items {
            item.read_repeated(settled);
        }
        self.note(settled);
        self.is_complete()
    }

    fn lose(&mut self, shard: Shard, error: SubmitError) -> bool {
        for &index in self.sent.get(&shard).into_iter().flatten() {
            self.items[index].reply.get_or_insert(ItemReply::Lost(error.clone()));
        }
        self.is_complete()
    }
}

impl Item {
    fn tell(&mut self, content: Content, settled: &CommandResult) {
        self.reply.get_or_insert(ItemReply::Told(content, settled.at(), settled.command));
    }

    fn read(&mut self, told: &ResultPart<'_>) {
        self.repeats = told.repeats().or(self.repeats);
        if let Some(content) = content(self.asked, told) {
            self.tell(content, told.settled);
        }
    }

    /// The result of the command that this item repeats.
    fn read_repeated(&mut self, settled: &CommandResult) {
        let BatchItem::Place(Some(name)) = self.asked else { return };
        if self.reply.is_some() || self.repeats != Some(settled.command) {
            return;
        }
        let content = settled.of_order(name).and_then(|told| content(self.asked, &told));
        if let Some(content) = content {
            self.tell(content.repeated(), settled);
        }
    }
}

impl Content {
    /// Marks the answer as that of a repeated request.
    fn repeated(self) -> Self {
        match self {
            Self::Order(outcome) => Self::Order(outcome.repeated()),
            Self::Refused(problem) => Self::Refused(problem.repeated()),
            other => other,
        }
    }
}

fn content(asked: BatchItem, told: &ResultPart<'_>) -> Option<Content> {
    let content = match asked {
        BatchItem::Place(_) => answers::order(told).map(Content::Order),
        BatchItem::Cancel(order) => answers::cancelled(told, order).map(Content::Cancelled),
        BatchItem::Amend(_) => answers::amended(told).map(Content::Amended),
    };
    content.or_else(|| refusal(told).map(Content::Refused))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command_result::tests::{named, parked, repeats, resumed, settled_of};
    use crate::view::tests::{amended, outcome, placed};
    use schemas::event::{CancelReason, OrderPlaced};
    use schemas::{AccountId, Entry, Event, OrderId, Rejection};

    const ONE: Shard = Shard::new(0).unwrap();
    const OTHER: Shard = Shard::new(1).unwrap();
    const ACCOUNT: AccountId = AccountId(1);
    /// The id of the batch's command in all tests.
    const BATCH: CommandId = CommandId(7);

    fn order(id: u64) -> OrderPlaced {
        placed(id, Entry::BuyYes, 5_000, 10, 0)
    }

    fn name_of(placed: &OrderPlaced) -> Option<OrderName> {
        Some((placed.order.market, placed.order.client_id?))
    }

    fn cancelled(id: u64) -> Event {
        let OrderPlaced { id, order, price, quantity, .. } = order(id);
        let (account, market, entry, reason) = (order.account, order.market, order.entry, CancelReason::Requested);
        Event::OrderCancelled { order: id, account, market, entry, price, quantity, reason }
    }

    fn item(index: u16) -> Event {
        Event::BatchItem { index }
    }

    /// A shard's result of the batch, in the outcome with this sequence.
    fn told(shard: Shard, sequence: u64, events: Vec<Event>) -> CommandResult {
        told_of(shard, sequence, BATCH, events)
    }

    fn told_of(shard: Shard, sequence: u64, command: CommandId, events: Vec<Event>) -> CommandResult {
        let mut outcome = outcome(sequence, events);
        outcome.cause.id = command;
        settled_of(shard, outcome, BATCH, command)
    }

    fn word(reply: ItemReply) -> String {
        match reply {
            ItemReply::Lost(error) => error.to_string(),
            ItemReply::Told(content, at, _) => match content {
                Content::Order(OrderOutcome::Placed(order, _, repeated)) => {
                    format!("{at} placed {}{}", order.id, if repeated { " before" } else { "" })
                }
                Content::Order(other) => format!("{at} {other:?}"),
                Content::Cancelled(_) => format!("{at} cancelled"),
                Content::Amended(_) => format!("{at} amended"),
                Content::Refused(problem) => format!("{at} {}", problem.kind().code),
            },
        }
    }

    fn words(batch: Batch) -> Vec<String> {
        batch.into_replies().unwrap().into_iter().map(word).collect()
    }

    /// Takes all results; the batch is complete with the last one and not before.
    fn complete(mut batch: Batch, all: &[CommandResult]) -> Vec<String> {
        let taken: Vec<bool> = all.iter().map(|settled| batch.take(settled)).collect();
        assert_eq!(taken.iter().position(|complete| *complete), Some(all.len() - 1));
        words(batch)
    }

    #[test]
    fn each_request_finds_its_answer_on_its_markets_shard() {
        let (account, code, unknown) = (ACCOUNT, Rejection::OrderUnknown, OrderRef::Id(OrderId(9)));
        let requests = || {
            let by_id = |id| BatchItem::Cancel(OrderRef::Id(OrderId(id)));
            [(OTHER, BatchItem::Place(None)), (ONE, BatchItem::Place(None)), (ONE, by_id(9)), (OTHER, by_id(5))]
        };
        let one = vec![
            item(0),
            Event::OrderPlaced(order(1)),
            item(1),
            Event::CancelRejected { account, order: unknown, code },
        ];
        let other = vec![item(0), Event::OrderPlaced(order(2)), item(1), cancelled(5)];
        let found = ["1:20 placed 2", "0:10 placed 1", "0:10 order-unknown", "1:20 cancelled"];
        let all = [told(ONE, 10, one), told(OTHER, 20, other)];
        assert_eq!(complete(Batch::new(requests()), &all), found);
        let mut batch = Batch::new(requests());
        let taken: Vec<bool> = all.iter().rev().map(|settled| batch.take(settled)).collect();
        assert_eq!(taken, [false, true]);
        assert_eq!(batch.positions().iter().map(LogPosition::to_string).collect::<Vec<_>>(), ["0:10", "1:20"]);
        assert_eq!(words(batch), found);
    }

    #[test]
    fn parked_requests_are_answered_when_they_are_decided_each_on_its_own_or_all_at_once() {
        let requests = [(ONE, BatchItem::Place(None)), (ONE, BatchItem::Amend(OrderRef::Id(OrderId(5))))];
        let at_first = told(ONE, 10, vec![item(0), parked(7, &order(1)), item(1), parked(7, &order(5))]);
        let amend = |at| told(ONE, at, vec![item(1), Event::OrderAmended(amended(&order(5), 5_000, 9))]);
        let place = |at| told(ONE, at, vec![item(0), Event::OrderPlaced(order(1))]);
        let each = [at_first, place(11), amend(12)];
        assert_eq!(complete(Batch::new(requests), &each), ["0:11 placed 1", "0:12 amended"]);

        let as_a_whole = told(ONE, 10, vec![parked(7, &order(1))]);
        let events =
            vec![item(1), Event::OrderAmended(amended(&order(5), 5_000, 9)), item(0), Event::OrderPlaced(order(1))];
        let all = [as_a_whole, told(ONE, 13, events)];
        assert_eq!(complete(Batch::new(requests), &all), ["0:13 placed 1", "0:13 amended"]);
    }

    #[test]
    fn a_request_that_repeats_a_parked_one_has_its_answer_wherever_that_came_from() {
        let (again, fresh) = (named(1, 99), named(2, 98));
        let first = CommandId(5);
        let requests = [(ONE, BatchItem::Place(name_of(&again))), (ONE, BatchItem::Place(name_of(&fresh)))];
        let events = vec![item(0), repeats(5, 99), item(1), Event::OrderPlaced(fresh)];
        let of_another_batch = vec![item(3), Event::OrderPlaced(named(8, 97)), item(4), Event::OrderPlaced(again)];
        let all = [told(ONE, 10, events.clone()), told_of(ONE, 11, first, of_another_batch)];
        assert_eq!(complete(Batch::new(requests), &all), ["0:11 placed 1 before", "0:10 placed 2"]);
        // The first item is rejected as a whole, without an event of the order itself.
        let refused = vec![Event::Rejected { code: Rejection::FundingTimeout }];
        let all = [told(ONE, 10, events), told_of(ONE, 12, first, refused)];
        assert_eq!(complete(Batch::new(requests), &all), ["0:12 funding-timeout", "0:10 placed 2"]);
    }

    #[test]
    fn a_batch_that_names_one_parked_order_twice_answers_both_with_it() {
        let twice = named(1, 99);
        let requests = [(ONE, BatchItem::Place(name_of(&twice))), (ONE, BatchItem::Place(name_of(&twice)))];
        let parked = vec![item(0), parked(7, &twice), item(1), repeats(7, 99)];
        let decided = vec![item(0), Event::OrderPlaced(twice)];
        let all = [told(ONE, 10, parked), told(ONE, 11, decided)];
        assert_eq!(complete(Batch::new(requests), &all), ["0:11 placed 1", "0:11 placed 1 before"]);
    }

    #[test]
    fn what_follows_elsewhere_under_the_same_command_is_passed_over() {
        let mut batch = Batch::new([(ONE, BatchItem::Place(None))]);
        let elsewhere = told(OTHER, 5, vec![item(0), Event::OrderPlaced(order(2))]);
        assert!(!batch.take(&elsewhere));
        // The account's home decides on the same shard what another shard's purse asks for.
        assert!(!batch.take(&told(ONE, 6, vec![Event::Received { from: OTHER, number: 1 }])));
        assert!(batch.take(&told(ONE, 10, vec![item(0), Event::OrderPlaced(order(1))])));
        assert_eq!(words(batch), ["0:10 placed 1"]);
    }

    #[test]
    fn a_shard_that_is_lost_does_not_keep_what_another_one_told() {
        let mut batch =
            Batch::new([(ONE, BatchItem::Place(None)), (OTHER, BatchItem::Place(None)), (ONE, BatchItem::Place(None))]);
        assert!(!batch.take(&told(ONE, 10, vec![item(0), Event::OrderPlaced(order(1))])));
        assert!(!batch.lose(OTHER, SubmitError::Overloaded));
        assert!(batch.lose(ONE, SubmitError::Accepted(BATCH)));
        let accepted = SubmitError::Accepted(BATCH).to_string();
        assert_eq!(words(batch), ["0:10 placed 1", "too many commands at once", &accepted]);
    }

    #[test]
    fn a_batch_may_be_refused_as_a_whole_by_one_shard_or_by_each_for_itself() {
        let refused = |shard| told(shard, 10, vec![Event::Rejected { code: Rejection::AccountFrozen }]);
        let mut batch = Batch::new([(ONE, BatchItem::Place(None)), (ONE, BatchItem::Place(None))]);
        assert!(batch.take(&refused(ONE)));
        assert_eq!(batch.into_replies().unwrap_err().kind().code, "account-frozen");
        let batch = Batch::new([(ONE, BatchItem::Place(None)), (OTHER, BatchItem::Place(None))]);
        let all = [refused(ONE), told(OTHER, 11, vec![item(0), Event::OrderPlaced(order(1))])];
        assert_eq!(complete(batch, &all), ["0:10 account-frozen", "1:11 placed 1"]);
    }

    #[test]
    fn a_cancel_of_a_parked_order_is_answered() {
        let ended = named(1, 99);
        let (market, client_id) = name_of(&ended).unwrap();
        let requests = [(ONE, BatchItem::Cancel(OrderRef::ClientId { market, client_id }))];
        let (id, order, code) = (ended.id, ended.order, Rejection::CancelledWhileParked);
        let events = vec![
            item(0),
            Event::ParkedCancelled { account: ACCOUNT, ticket: 3, command: CommandId(5) },
            resumed(5),
            Event::OrderRejected { id, order, code },
        ];
        assert_eq!(complete(Batch::new(requests), &[told(ONE, 10, events)]), ["0:10 cancelled"]);
    }
}
