//! An auditor that knows only the language of the log: the rule of reading, and what events change (`schemas::effects`).

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message as _, Offset, TopicPartitionList};
use schemas::effects::{market_change, position_changes, wallet_change};
use schemas::reading::{Position, Reader, Reading};
use schemas::{
    AccountId, Command, CommandId, CommandRecord, Credits, EngineId, Event, MarketId, Message, Outcome, Shard,
    Timestamp,
};
use service::kafka::{EventsTail, consumer_config};

use super::TestLog;
use super::orders::{Orders, held_for};

/// Everything that the events log says, folded as sums.
pub struct Audit {
    readers: Vec<Reader>,
    /// For each shard: command offset and id of each outcome, in order.
    pub causes: Vec<Vec<(u64, CommandId)>>,
    pub terms: Vec<Vec<EngineId>>,
    /// Records of writers whose time was over.
    pub ignored: u64,
    wallets: BTreeMap<AccountId, (Credits, Credits)>,
    positions: BTreeMap<(MarketId, AccountId), [i64; 4]>,
    markets: BTreeMap<MarketId, (Credits, Credits, i64, i64)>,
    deposited: Credits,
    pub orders: Orders,
    live_orders: BTreeMap<AccountId, i64>,
    /// The time of the last outcome.
    time: Timestamp,
    /// By sender, receiver and number.
    on_their_way: BTreeMap<(Shard, Shard, u64), Message>,
    /// How often each kind of event was seen.
    pub kinds: BTreeMap<String, u64>,
    sent: BTreeMap<(Shard, Shard), u64>,
    received: BTreeMap<(Shard, Shard), u64>,
    acknowledged: BTreeMap<(Shard, Shard), u64>,
    pub trades: u64,
    pub skipped: u64,
    pub state_hashes: u64,
}

impl Audit {
    pub fn new() -> Self {
        Self {
            readers: Shard::all(super::SHARDS).map(|s| Reader::new(s, super::SHARDS, Position::default())).collect(),
            causes: vec![Vec::new(); usize::from(super::SHARDS)],
            terms: vec![Vec::new(); usize::from(super::SHARDS)],
            ignored: 0,
            wallets: BTreeMap::new(),
            positions: BTreeMap::new(),
            markets: BTreeMap::new(),
            deposited: Credits::ZERO,
            orders: Orders::default(),
            live_orders: BTreeMap::new(),
            time: Timestamp(0),
            on_their_way: BTreeMap::new(),
            kinds: BTreeMap::new(),
            sent: BTreeMap::new(),
            received: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            trades: 0,
            skipped: 0,
            state_hashes: 0,
        }
    }

    pub fn position(&self, shard: Shard) -> &Position {
        self.readers[shard.index()].position()
    }

    /// Reads one record.
    pub fn read(&mut self, shard: Shard, offset: u64, bytes: &[u8]) -> Option<Outcome> {
        match self.readers[shard.index()].read(offset, bytes).expect("the log keeps its rules") {
            Reading::Outcome(outcome) => {
                self.causes[shard.index()].push((outcome.cause.offset, outcome.cause.id));
                self.time = self.time.max(outcome.time);
                outcome.events.iter().for_each(|event| self.fold(shard, event));
                return Some(outcome);
            }
            Reading::Term(term) => self.terms[shard.index()].push(term.engine),
            Reading::Ignored => self.ignored += 1,
        }
        None
    }

    fn fold(&mut self, at: Shard, event: &Event) {
        *self.kinds.entry(kind(event)).or_default() += 1;
        self.orders.fold(event);
        if let Some(change) = wallet_change(event) {
            *self.live_orders.entry(change.account).or_default() += i64::from(change.live_orders);
            let wallet = self.wallets.entry(change.account).or_default();
            wallet.0 += change.available;
            wallet.1 += change.held;
            assert!(wallet.0 >= Credits::ZERO && wallet.1 >= Credits::ZERO, "I-4: wallet {}", change.account);
        }
        for change in position_changes(event) {
            let position = self.positions.entry((change.market, change.account)).or_default();
            let by = [change.yes, change.no, change.yes_reserved, change.no_reserved];
            position.iter_mut().zip(by).for_each(|(part, by)| *part += by);
        }
        if let Some(change) = market_change(event) {
            let market = self.markets.entry(change.market).or_default();
            market.0 += change.collateral;
            market.1 += change.fees;
            market.2 += change.yes;
            market.3 += change.no;
        }
        match event {
            Event::Deposited { amount, .. } => self.deposited += *amount,
            Event::Withdrawn { amount, .. } => self.deposited -= *amount,
            Event::Sent { to, number, message } => {
                self.expect_next(at, *to, *number);
                // The receiver's log may have been read before the sender's.
                if self.received.get(&(at, *to)).is_none_or(|last| last < number) {
                    self.on_their_way.insert((at, *to, *number), message.clone());
                }
            }
            Event::Received { from, number } => {
                self.on_their_way.remove(&(*from, at, *number));
                let last = self.received.insert((*from, at), *number).unwrap_or(0);
                assert_eq!(*number, last + 1, "messages are taken in once, in order");
            }
            Event::MessageSkipped { .. } => self.skipped += 1,
            Event::Acknowledged { to, number } => drop(self.acknowledged.insert((at, *to), *number)),
            Event::Traded(_) => self.trades += 1,
            Event::StateHashed { .. } => self.state_hashes += 1,
            _ => {}
        }
    }

    fn expect_next(&mut self, from: Shard, to: Shard, number: u64) {
        let last = self.sent.insert((from, to), number).unwrap_or(0);
        assert_eq!(number, last + 1, "messages are numbered densely");
    }

    /// True if no message is on its way, nor kept.
    pub fn is_settled(&self) -> bool {
        self.sent == self.received && self.sent == self.acknowledged
    }

    pub fn messages(&self) -> u64 {
        self.sent.values().sum()
    }

    /// True if nothing happens by itself for a while.
    pub fn is_quiet(&self) -> bool {
        let held = self.positions.iter().filter(|(_, parts)| parts.iter().any(|part| *part != 0));
        let paid = held.into_iter().all(|((market, _), _)| !self.orders.is_answered(*market));
        paid && self.orders.is_quiet(self.time)
    }

    /// I-5: what wallets hold is what their live buys could still cost, and what is held for messages on their way. At any cut at
    /// which no message is taken in that was not seen sent.
    pub fn assert_holds(&self) {
        let mut expected = self.orders.holds();
        for (account, credits) in self.on_their_way.values().flat_map(held_for) {
            *expected.entry(account).or_default() += credits;
        }
        for (account, (_, held)) in &self.wallets {
            let expected = expected.get(account).copied().unwrap_or_default();
            assert_eq!(*held, expected, "I-5: what account {account} holds");
        }
    }

    /// I-1, I-2, I-4 and I-5, with nothing in flight.
    pub fn assert_invariants(&self) {
        for (key, [yes, no, yes_reserved, no_reserved]) in &self.positions {
            let fine = *yes_reserved >= 0 && *no_reserved >= 0 && yes >= yes_reserved && no >= no_reserved;
            assert!(fine, "I-4: position {key:?}");
        }
        for (market, (collateral, _, yes, no)) in &self.markets {
            assert_eq!((*collateral, yes), (Credits::whole(*yes), no), "I-2: market {market}");
        }
        let wallets: Credits = self.wallets.values().map(|(available, held)| *available + *held).sum();
        let markets: Credits = self.markets.values().map(|(collateral, fees, ..)| *collateral + *fees).sum();
        assert!(
            self.is_settled(),
            "messages are in flight: {:?} {:?} {:?}",
            self.sent,
            self.received,
            self.acknowledged
        );
        assert_eq!(wallets + markets, self.deposited, "I-1: credits are conserved");
        self.assert_holds();
        let counted =
            self.live_orders.iter().filter(|(_, count)| **count != 0).map(|(account, count)| (*account, *count));
        assert_eq!(counted.collect::<BTreeMap<_, _>>(), self.orders.counts(), "each home knows how many orders live");
    }
}

/// The name of an event's variant, which is the first word of how it is printed: the rest is not printed at all.
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

/// Reads the events until everything asked has its outcome, no message is on its way and nothing is due; fails after `limit`.
pub fn drained(log: &TestLog, limit: Duration) -> Audit {
    let mut audit = Audit::new();
    let from = Shard::all(super::SHARDS).map(|shard| (shard, 0));
    let tail = EventsTail::open(&log.args.kafka, &log.topics, service::kafka::Reading::Bulk, from).unwrap();
    let start = Instant::now();
    loop {
        while let Some(record) = tail.next_or_wait(Duration::from_millis(200)).unwrap() {
            audit.read(record.shard(), record.offset(), record.payload());
        }
        let ends = command_ends(log);
        let done = ends.iter().all(|(&shard, &end)| audit.position(shard).next_command == end);
        if done && audit.is_settled() && audit.is_quiet() && command_ends(log) == ends {
            return audit;
        }
        let at: Vec<_> = Shard::all(super::SHARDS).map(|shard| audit.position(shard).next_command).collect();
        assert!(
            start.elapsed() < limit,
            "not drained within {limit:?}: at {at:?} of {ends:?}, {}",
            if audit.is_quiet() { "quiet" } else { "something is still due" }
        );
    }
}

/// Waits for the first outcome with such an event.
pub fn first(log: &TestLog, what: &str, limit: Duration, is_it: impl Fn(&Event) -> bool) -> Outcome {
    let mut audit = Audit::new();
    let from = Shard::all(super::SHARDS).map(|shard| (shard, 0));
    let tail = EventsTail::open(&log.args.kafka, &log.topics, service::kafka::Reading::Live, from).unwrap();
    super::wait_for(what, limit, || {
        let record = tail.next_or_wait(Duration::from_millis(50)).unwrap()?;
        let outcome = audit.read(record.shard(), record.offset(), record.payload())?;
        outcome.events.iter().any(&is_it).then_some(outcome)
    })
}

fn command_ends(log: &TestLog) -> BTreeMap<Shard, u64> {
    let consumer: BaseConsumer =
        consumer_config(&log.args.kafka, "test", service::kafka::Reading::Live).create().unwrap();
    let end = |shard: Shard| {
        let marks = consumer.fetch_watermarks(&log.topics.commands, shard.partition(), Duration::from_secs(5));
        (shard, u64::try_from(marks.unwrap().1).unwrap())
    };
    Shard::all(super::SHARDS).map(end).collect()
}

/// All commands in the log, in order.
pub fn commands(log: &TestLog, shard: Shard) -> Vec<(u64, CommandRecord)> {
    let end = command_ends(log)[&shard];
    let consumer: BaseConsumer =
        consumer_config(&log.args.kafka, "test", service::kafka::Reading::Bulk).create().unwrap();
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(&log.topics.commands, shard.partition(), Offset::Offset(0)).unwrap();
    consumer.assign(&assignment).unwrap();
    let mut found: Vec<(u64, CommandRecord)> = Vec::new();
    while found.last().map_or(0, |(offset, _)| offset + 1) < end {
        let record = consumer.poll(Duration::from_secs(10)).expect("a record before the end").unwrap();
        let command = CommandRecord::decode(record.payload().unwrap()).unwrap();
        found.push((u64::try_from(record.offset()).unwrap(), command));
    }
    found
}

/// Every command in the log has exactly one outcome, in order, under its own id; everything asked is in the log once.
pub fn assert_each_command_has_one_outcome(log: &TestLog, audit: &Audit, asked: &[CommandId]) {
    let mut seen: HashMap<CommandId, u32> = HashMap::new();
    for shard in Shard::all(super::SHARDS) {
        let commands = commands(log, shard);
        let expected: Vec<_> = commands.iter().map(|(offset, record)| (*offset, record.id)).collect();
        assert_eq!(audit.causes[shard.index()].len(), expected.len(), "outcomes and commands of shard {shard}");
        assert!(audit.causes[shard.index()] == expected, "causes of shard {shard}");
        let entered = commands.iter().filter(|(_, record)| !matches!(record.command, Command::Receive { .. }));
        entered.for_each(|(_, record)| *seen.entry(record.id).or_default() += 1);
    }
    for id in asked {
        assert_eq!(seen.get(id), Some(&1), "command {id}");
    }
}
