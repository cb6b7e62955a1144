//! An auditor that uses only the language of the log: the read rule, what events change
//! (`schemas::effects`), and which command each answers (`schemas::answers`).

use std::collections::BTreeMap;

use schemas::effects::{market_change, position_changes};
use schemas::reading::{Checkpoint, LogReader, ReadRecord};
use schemas::shard_map::ShardMap;
use schemas::{AccountId, CommandId, Credits, EngineId, Event, MarketId, Outcome, Rejection, Shard, Timestamp};

use super::SHARDS;
use super::answers::Answers;
use super::messages::Messages;
use super::orders::Orders;
use super::purses::Purses;
use super::waiting::Waiting;

/// Events due later than this after the last outcome do not matter to any test.
const SOON_MS: u64 = 60_000;

/// The contents of the events logs, folded as sums.
pub struct Audit {
    readers: Vec<LogReader>,
    /// For each shard: command offset and id of each outcome, in order.
    pub causes: Vec<Vec<(u64, CommandId)>>,
    pub terms: Vec<Vec<EngineId>>,
    /// Records of stale writers.
    pub ignored: u64,
    pub answers: Answers,
    pub messages: Messages,
    pub orders: Orders,
    pub purses: Purses,
    pub waiting: Waiting,
    positions: BTreeMap<(MarketId, AccountId), [i64; 4]>,
    markets: BTreeMap<MarketId, Market>,
    deposited: Credits,
    /// The time of the last outcome.
    time: Timestamp,
    /// The number of events of each kind.
    pub kinds: BTreeMap<String, u64>,
    /// The number of refusals for each reason.
    pub refusals: BTreeMap<Rejection, u64>,
}

/// A market's own sums.
#[derive(Default)]
struct Market {
    collateral: Credits,
    fees: Credits,
    yes: i64,
    no: i64,
    /// True if it pays out, or has.
    is_answered: bool,
}

impl Audit {
    pub fn new() -> Self {
        Self {
            readers: Shard::all(SHARDS).map(|shard| LogReader::new(shard, SHARDS, Checkpoint::default())).collect(),
            causes: vec![Vec::new(); usize::from(SHARDS)],
            terms: vec![Vec::new(); usize::from(SHARDS)],
            ignored: 0,
            answers: Answers::default(),
            messages: Messages::default(),
            orders: Orders::default(),
            purses: Purses::new(ShardMap::new(SHARDS).expect("a few shards")),
            waiting: Waiting::default(),
            positions: BTreeMap::new(),
            markets: BTreeMap::new(),
            deposited: Credits::ZERO,
            time: Timestamp(0),
            kinds: BTreeMap::new(),
            refusals: BTreeMap::new(),
        }
    }

    pub fn position(&self, shard: Shard) -> &Checkpoint {
        self.readers[shard.index()].position()
    }

    /// Returns the number of events of this kind.
    pub fn count(&self, kind: &str) -> u64 {
        self.kinds.get(kind).copied().unwrap_or(0)
    }

    /// Reads one record.
    pub fn read(&mut self, shard: Shard, offset: u64, bytes: &[u8]) -> Option<Outcome> {
        match self.readers[shard.index()].read(offset, bytes).expect("the log keeps its rules") {
            ReadRecord::Outcome(outcome) => {
                self.causes[shard.index()].push((outcome.cause.offset, outcome.cause.id));
                self.time = self.time.max(outcome.time);
                self.answers.note(shard, &outcome);
                outcome.events.iter().for_each(|event| self.fold(shard, event, outcome.time));
                return Some(outcome);
            }
            ReadRecord::Term(term) => self.terms[shard.index()].push(term.engine),
            ReadRecord::Halted(_) | ReadRecord::Quarantine(_) => {}
            ReadRecord::Ignored | ReadRecord::Unknown => self.ignored += 1,
        }
        None
    }

    fn fold(&mut self, at: Shard, event: &Event, now: Timestamp) {
        *self.kinds.entry(kind(event)).or_default() += 1;
        self.messages.fold(at, event);
        self.orders.fold(event);
        self.purses.fold(at, event, now);
        self.waiting.fold(at, event);
        for change in position_changes(event) {
            let position = self.positions.entry((change.market, change.account)).or_default();
            let by = [change.yes, change.no, change.yes_reserved, change.no_reserved];
            position.iter_mut().zip(by).for_each(|(part, by)| *part += by);
        }
        if let Some(change) = market_change(event) {
            let market = self.markets.entry(change.market).or_default();
            market.collateral += change.collateral;
            market.fees += change.fees;
            market.yes += change.yes;
            market.no += change.no;
        }
        match event {
            Event::Deposited { amount, .. } => self.deposited += *amount,
            Event::Withdrawn { amount, .. } => self.deposited -= *amount,
            Event::Rejected { code }
            | Event::OrderRejected { code, .. }
            | Event::CancelRejected { code, .. }
            | Event::AmendRejected { code, .. } => *self.refusals.entry(*code).or_default() += 1,
            Event::MarketChanged { market, state, .. } => {
                self.markets.entry(*market).or_default().is_answered = state.is_final();
            }
            _ => {}
        }
    }

    /// Returns true if no message is in flight, and nothing waits or is due for a while.
    pub fn is_quiet(&self) -> bool {
        let soon = Timestamp(self.time.as_millis() + SOON_MS);
        let left = self.positions.iter().filter(|(_, parts)| **parts != [0; 4]);
        let paid = left.into_iter().all(|((market, _), _)| !self.markets.get(market).is_some_and(|m| m.is_answered));
        let due = !self.waiting.is_quiet(soon) || !self.orders.are_quiet(soon) || !self.purses.are_quiet(soon);
        paid && !due && self.messages.are_settled()
    }

    /// Asserts I-1, I-5, I-8 and I-9 if this is a cut at which every received message was also seen
    /// sent. Returns false if it is not.
    pub fn assert_cut(&self) -> bool {
        if !self.messages.are_seen() {
            return false;
        }
        let markets: Credits = self.markets.values().map(|market| market.collateral + market.fees).sum();
        let all = self.purses.credits() + markets + self.messages.credits();
        assert_eq!(all, self.deposited, "I-1: credits are conserved over purses, markets and what is in flight");
        self.purses.assert_used(&self.orders.used());
        self.purses.assert_lent(self.messages.in_flight());
        true
    }

    /// Asserts all invariants, with nothing in flight and nothing left to wait for.
    pub fn assert_invariants(&self) {
        for (key, [yes, no, yes_reserved, no_reserved]) in &self.positions {
            let fine = *yes_reserved >= 0 && *no_reserved >= 0 && yes >= yes_reserved && no >= no_reserved;
            assert!(fine, "I-4: position {key:?}");
        }
        for (id, market) in &self.markets {
            let pairs = (Credits::whole(market.yes), market.yes);
            assert_eq!((market.collateral, market.no), pairs, "I-2: market {id}");
        }
        assert!(self.messages.are_settled(), "messages are in flight: {:?}", self.messages.in_flight().next());
        assert!(self.assert_cut(), "a log with nothing left to do is a cut");
        self.waiting.assert_nothing_waits();
        self.purses.assert_at_rest();
    }
}

/// Returns the name of an event's variant: the first word of its debug output, the rest of which is
/// not produced.
fn kind(event: &Event) -> String {
    struct Name(String);

    impl std::fmt::Write for Name {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            if !self.0.is_empty() {
                return Err(std::fmt::Error);
            }
            self.0.push_str(text);
            Ok(())
        }
    }

    let mut name = Name(String::new());
    // Ends early, on purpose.
    let _ = std::fmt::write(&mut name, format_args!("{event:?}"));
    name.0
}
