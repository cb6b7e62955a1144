//! Puts the answers to a batch's requests together, from as many outcomes and shards as they come from. Pure.
//!
//!   submit ─▶ outcomes, in any order ─▶ *batch* ─▶ HTTP
//!
//! The account's home tells of each request behind its `BatchItem`: the answer itself, or the message that carries the request
//! to another shard. An outcome that begins with `Received` answers the request whose message it received; a message that it
//! sends on for the request (credits for an amendment) is followed in the same way. So an answer finds its request even if two
//! requests of a batch are about one order.

use std::collections::{BTreeMap, HashMap};

use schemas::ids::Coordinate;
use schemas::message::EnteredRequest;
use schemas::{Event, Message, OrderId, Shard};

use crate::answers::{self, AmendAnswer, CancelAnswer, OrderOutcome, refusal};
use crate::http::problem::Problem;
use crate::submit::{Settled, Told};

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// An order.
    Place,
    /// The end of one.
    Cancel,
    /// The change of one.
    Amend,
}

/// What became of a request, and where that is told.
#[derive(Debug)]
pub struct Reply {
    /// Its place on the log.
    pub at: Coordinate,
    /// What it says.
    pub content: Content,
}

/// What became of a request.
#[derive(Debug)]
pub enum Content {
    /// What became of an order that was to be placed.
    Order(OrderOutcome),
    /// An order was cancelled.
    Cancelled(CancelAnswer),
    /// An order was amended.
    Amended(AmendAnswer),
    /// A cancel or an amendment was refused, or an order before it was anybody's.
    Refused(Problem),
}

/// A request and what is known of it.
#[derive(Debug)]
pub struct Item {
    /// What is asked.
    pub asked: Asked,
    /// The order that it is about, once known.
    pub order: Option<OrderId>,
    /// What became of it, once known.
    pub reply: Option<Reply>,
}

/// Sender, receiver and number: which message it is.
type MessageName = (Shard, Shard, u64);

/// What a message carries.
#[derive(Clone, Copy, Debug)]
enum Cargo {
    /// One request.
    Item(usize),
    /// All of them.
    Batch,
}

/// A batch and the answers so far.
#[derive(Debug)]
pub struct Batch {
    items: Vec<Item>,
    messages: HashMap<MessageName, Cargo>,
    /// Outcomes that were read before the one that tells of their message.
    early: Vec<Settled>,
    refused: Option<Problem>,
    at: BTreeMap<Shard, u64>,
}

impl Batch {
    /// Nothing is known yet.
    pub fn new(asked: impl IntoIterator<Item = Asked>) -> Self {
        let items = asked.into_iter().map(|asked| Item { asked, order: None, reply: None }).collect();
        let (messages, early, refused, at) = Default::default();
        Self { items, messages, early, refused, at }
    }

    /// Takes an outcome of the batch's command in. True once every request has its answer.
    pub fn fold(&mut self, settled: Settled) -> bool {
        if !matters(&settled.outcome.events) {
            return self.is_complete();
        }
        self.early.push(settled);
        // Each that can be read may be what another one waits for.
        while let Some(index) = self.early.iter().position(|settled| self.is_readable(settled)) {
            let settled = self.early.swap_remove(index);
            self.read(&settled);
        }
        self.is_complete()
    }

    fn is_complete(&self) -> bool {
        self.refused.is_some() || self.items.iter().all(|item| item.reply.is_some())
    }

    fn is_readable(&self, settled: &Settled) -> bool {
        received(settled).is_none_or(|name| self.messages.contains_key(&name))
    }

    fn read(&mut self, settled: &Settled) {
        let latest = self.at.entry(settled.shard).or_default();
        *latest = settled.outcome.sequence.max(*latest);
        let cargo = received(settled).and_then(|name| self.messages.get(&name).copied());
        if let Some(Cargo::Item(index)) = cargo {
            self.read_item(index, &settled.told());
            return;
        }
        let mut parts = settled.outcome.events.split_inclusive(|event| matches!(event, Event::BatchItem { .. }));
        let mut item = None;
        for part in &mut parts {
            // The event at the end of a part says whose the next one is.
            let (next, events) = match part.split_last() {
                Some((Event::BatchItem { index }, events)) => (Some(usize::from(*index)), events),
                _ => (None, part),
            };
            match item {
                Some(index) => self.read_item(index, &Told { settled, events }),
                None => self.read_head(&Told { settled, events }),
            }
            item = next;
        }
    }

    /// What is told before the first item: a batch that goes on as a whole, or that is refused as a whole.
    fn read_head(&mut self, told: &Told<'_>) {
        for event in told.events {
            match event {
                Event::Rejected { .. } => self.refused = Some(refusal(told)),
                Event::Sent { to, number, message: Message::Batch { requests, .. } } => {
                    self.messages.insert((told.settled.shard, *to, *number), Cargo::Batch);
                    for (item, request) in self.items.iter_mut().zip(requests) {
                        item.order = Some(match request {
                            EnteredRequest::Place { id, .. } => *id,
                            EnteredRequest::Cancel { order } => *order,
                            EnteredRequest::Amend(amendment) => amendment.order,
                        });
                    }
                }
                _ => {}
            }
        }
    }

    fn read_item(&mut self, index: usize, told: &Told<'_>) {
        let Some(item) = self.items.get_mut(index) else { return };
        for event in told.events {
            let Event::Sent { to, number, message } = event else { continue };
            let order = match message {
                Message::PlaceOrder { id, .. } => *id,
                Message::CancelOrder { order, .. } => *order,
                Message::AmendOrder { amendment, .. } | Message::RaiseHold { amendment, .. } => amendment.order,
                _ => continue,
            };
            item.order = Some(order);
            self.messages.insert((told.settled.shard, *to, *number), Cargo::Item(index));
        }
        if let Some(content) = content(item.asked, told) {
            item.reply = Some(Reply { at: told.settled.at(), content });
        }
    }

    /// The problem of a batch that was refused as a whole, or its requests in the order in which they were asked.
    pub fn into_items(self) -> Result<Vec<Item>, Problem> {
        self.refused.map_or(Ok(self.items), Err)
    }

    /// What all that is known is as of.
    pub fn positions(&self) -> Vec<Coordinate> {
        self.at.iter().map(|(&shard, &sequence)| Coordinate { shard, sequence }).collect()
    }
}

/// The message that an outcome took in, if it did.
fn received(settled: &Settled) -> Option<MessageName> {
    match settled.outcome.events.first() {
        Some(Event::Received { from, number }) => Some((*from, settled.shard, *number)),
        _ => None,
    }
}

/// False for what only follows from the requests, like settlements: nobody waits for its message.
fn matters(events: &[Event]) -> bool {
    let answers = |event: &Event| {
        matches!(
            event,
            Event::Rejected { .. }
                | Event::BatchItem { .. }
                | Event::OrderPlaced(_)
                | Event::OrderRejected { .. }
                | Event::OrderCancelled { .. }
                | Event::CancelRejected { .. }
                | Event::OrderAmended(_)
                | Event::AmendRejected { .. }
        )
    };
    let goes_on = |event: &Event| {
        let Event::Sent { message, .. } = event else { return false };
        matches!(message, Message::Batch { .. } | Message::AmendOrder { .. } | Message::RaiseHold { .. })
    };
    events.iter().any(|event| answers(event) || goes_on(event))
}

fn content(asked: Asked, told: &Told<'_>) -> Option<Content> {
    // `Rejected` says that the request is none of this account's: nobody's order or cancel is told of.
    let refused = |event: &Event| {
        matches!(event, Event::Rejected { .. } | Event::CancelRejected { .. } | Event::AmendRejected { .. })
    };
    let refusal = || told.events.iter().any(refused).then(|| Content::Refused(refusal(told)));
    match asked {
        Asked::Place => answers::order(told).map(Content::Order).or_else(refusal),
        Asked::Cancel => answers::cancelled(told).map(Content::Cancelled).or_else(refusal),
        Asked::Amend => answers::amended(told).map(Content::Amended).or_else(refusal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::{amended, outcome, placed};
    use schemas::event::{CancelReason, OrderPlaced};
    use schemas::message::Raise;
    use schemas::{AccountId, Amendment, Credits, Entry, OrderRef, Rejection};

    const HOME: Shard = Shard::new(0).unwrap();
    const THERE: Shard = Shard::new(1).unwrap();
    const ACCOUNT: AccountId = AccountId(1);

    fn told(shard: Shard, sequence: u64, events: Vec<Event>) -> Settled {
        Settled { shard, outcome: outcome(sequence, events) }
    }

    fn order(id: u64) -> OrderPlaced {
        placed(id, Entry::BuyYes, 5_000, 10, 0)
    }

    fn entered(id: u64) -> Event {
        let OrderPlaced { id, order, .. } = order(id);
        Event::OrderEntered {
            id,
            account: order.account,
            market: order.market,
            held: Credits::whole(5),
            known_as: None,
        }
    }

    fn sent(to: Shard, number: u64, message: Message) -> Event {
        Event::Sent { to, number, message }
    }

    fn place(id: u64) -> Message {
        Message::PlaceOrder { id: OrderId(id), order: order(id).order }
    }

    fn amend(id: u64) -> Amendment {
        Amendment { account: ACCOUNT, order: OrderId(id), price: None, quantity: None }
    }

    fn cancelled(id: u64) -> Event {
        let OrderPlaced { id, order, price, quantity, .. } = order(id);
        let (account, market, entry, reason) = (order.account, order.market, order.entry, CancelReason::Requested);
        Event::OrderCancelled { order: id, account, market, entry, price, quantity, reason }
    }

    /// What is known of each request, in a word.
    fn shown(batch: Batch) -> Vec<String> {
        let word = |item: Item| match item.reply {
            None => format!("pending {:?}", item.order.map(|id| id.0)),
            Some(Reply { at, content }) => match content {
                Content::Order(OrderOutcome::Placed(order, _)) => format!("{at} placed {}", order.id),
                Content::Order(other) => format!("{at} {other:?}"),
                Content::Cancelled(_) => format!("{at} cancelled"),
                Content::Amended(_) => format!("{at} amended"),
                Content::Refused(problem) => format!("{at} {}", problem.kind().code),
            },
        };
        batch.into_items().unwrap().into_iter().map(word).collect()
    }

    /// Folds outcomes in this order and in the opposite one: the result is the same, and complete only with the last.
    fn fold(asked: &[Asked], outcomes: &[Settled]) -> Vec<String> {
        let run = |order: &mut dyn Iterator<Item = &Settled>| {
            let (mut batch, mut complete) = (Batch::new(asked.iter().copied()), Vec::new());
            for settled in order {
                complete.push(batch.fold(Settled { shard: settled.shard, outcome: settled.outcome.clone() }));
            }
            assert_eq!(complete.iter().position(|complete| *complete), Some(outcomes.len() - 1));
            shown(batch)
        };
        let (forward, backward) = (run(&mut outcomes.iter()), run(&mut outcomes.iter().rev()));
        assert_eq!(forward, backward);
        forward
    }

    #[test]
    fn each_request_finds_its_answer_on_whatever_shard_it_is_told() {
        let (account, code) = (ACCOUNT, Rejection::OrderUnknown);
        let home = vec![
            Event::BatchItem { index: 0 },
            entered(1),
            Event::OrderPlaced(order(1)),
            Event::BatchItem { index: 1 },
            entered(2),
            sent(THERE, 7, place(2)),
            Event::BatchItem { index: 2 },
            Event::CancelRejected { account, order: OrderRef::Id(OrderId(9)), code },
            Event::BatchItem { index: 3 },
            sent(THERE, 8, Message::CancelOrder { account, order: OrderId(5) }),
        ];
        let received = |number| Event::Received { from: HOME, number };
        let outcomes = [
            told(HOME, 10, home),
            told(THERE, 20, vec![received(7), Event::OrderPlaced(order(2))]),
            told(THERE, 21, vec![received(8), cancelled(5)]),
        ];
        let found = fold(&[Asked::Place, Asked::Place, Asked::Cancel, Asked::Cancel], &outcomes);
        assert_eq!(found, ["0:10 placed 1", "1:20 placed 2", "0:10 order-unknown", "1:21 cancelled"]);
    }

    #[test]
    fn two_amendments_of_one_order_are_told_apart_though_the_first_waits_for_credits() {
        let market = order(5).order.market;
        let raise = Raise { market, amount: Credits::whole(1) };
        let home = vec![
            Event::BatchItem { index: 0 },
            sent(THERE, 1, Message::AmendOrder { amendment: amend(5), raised: None }),
            Event::BatchItem { index: 1 },
            sent(THERE, 2, Message::AmendOrder { amendment: amend(5), raised: None }),
        ];
        let (account, code) = (ACCOUNT, Rejection::OrderChanged);
        let raised = Event::HoldRaised { account, order: OrderId(5), amount: raise.amount };
        let again = Message::AmendOrder { amendment: amend(5), raised: Some(raise) };
        let outcomes = [
            told(HOME, 10, home),
            told(
                THERE,
                20,
                vec![
                    Event::Received { from: HOME, number: 1 },
                    sent(HOME, 4, Message::RaiseHold { amendment: amend(5), raise }),
                ],
            ),
            told(
                THERE,
                21,
                vec![Event::Received { from: HOME, number: 2 }, Event::OrderAmended(amended(&order(5), 5_000, 9))],
            ),
            told(HOME, 11, vec![Event::Received { from: THERE, number: 4 }, raised, sent(THERE, 3, again)]),
            told(
                THERE,
                22,
                vec![
                    Event::Received { from: HOME, number: 3 },
                    Event::AmendRejected { account, order: OrderRef::Id(OrderId(5)), code },
                ],
            ),
        ];
        assert_eq!(fold(&[Asked::Amend, Asked::Amend], &outcomes), ["1:22 order-changed", "1:21 amended"]);
    }

    #[test]
    fn a_batch_that_goes_on_as_a_whole_is_answered_by_its_markets_home_in_any_order() {
        let requests = vec![
            EnteredRequest::Place { id: OrderId(1), order: order(1).order },
            EnteredRequest::Cancel { order: OrderId(5) },
        ];
        let batch = Message::Batch { account: ACCOUNT, requests };
        let there = vec![
            Event::Received { from: HOME, number: 1 },
            Event::BatchItem { index: 1 },
            cancelled(5),
            Event::BatchItem { index: 0 },
            Event::OrderPlaced(order(1)),
        ];
        let outcomes = [told(HOME, 10, vec![entered(1), sent(THERE, 1, batch)]), told(THERE, 20, there)];
        assert_eq!(fold(&[Asked::Place, Asked::Cancel], &outcomes), ["1:20 placed 1", "1:20 cancelled"]);
    }

    #[test]
    fn what_only_follows_is_passed_over_and_what_is_missing_says_which_order_it_is_about() {
        let mut batch = Batch::new([Asked::Place, Asked::Place]);
        let settle = sent(HOME, 9, Message::Settle(Vec::new()));
        assert!(!batch.fold(told(THERE, 5, vec![Event::Received { from: HOME, number: 99 }, settle])));
        assert!(batch.early.is_empty());
        let home = vec![
            Event::BatchItem { index: 0 },
            entered(1),
            Event::OrderPlaced(order(1)),
            Event::BatchItem { index: 1 },
            entered(2),
            sent(THERE, 7, place(2)),
        ];
        assert!(!batch.fold(told(HOME, 10, home)));
        assert_eq!(batch.positions().iter().map(Coordinate::to_string).collect::<Vec<_>>(), ["0:10"]);
        assert_eq!(shown(batch), ["0:10 placed 1", "pending Some(2)"]);
    }

    #[test]
    fn an_order_in_another_accounts_name_is_answered_too() {
        let home = vec![
            Event::BatchItem { index: 0 },
            Event::Rejected { code: Rejection::AccountMismatch },
            Event::BatchItem { index: 1 },
            cancelled(5),
        ];
        let outcomes = [told(HOME, 10, home)];
        assert_eq!(fold(&[Asked::Place, Asked::Cancel], &outcomes), ["0:10 account-mismatch", "0:10 cancelled"]);
    }

    #[test]
    fn a_batch_may_be_refused_as_a_whole() {
        let mut batch = Batch::new([Asked::Cancel]);
        assert!(batch.fold(told(HOME, 10, vec![Event::Rejected { code: Rejection::AccountUnknown }])));
        assert_eq!(batch.into_items().unwrap_err().kind().code, "account-unknown");
    }
}
