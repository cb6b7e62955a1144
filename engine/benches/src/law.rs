//! The reference flow as commands of the core, with 10,000 funded accounts.
//!
//! A buy at p is BUY YES at p, a sell at p is BUY NO at 10,000 − p, so no account needs contracts
//! beforehand.

use engine_core::{CommandContext, LOOKAHEAD, Replica, ShardState};
use schemas::reading::{Checkpoint, LogReader, ReadRecord};
use schemas::shard_map::ShardMap;
use schemas::{
    About, AccountId, AdminId, ApiKey, ApiKeyId, Cause, Command, CommandId, CommandRecord, Credits, EngineId, Entry,
    Event, FeeRate, Instructions, Listing, MarketId, MarketLimits, NewOrder, OrderId, OrderRef, PostOnly, Price,
    Quantity, Scopes, SelfTrade, Shard, Term, Terms, TimeInForce, Timestamp, Transition,
};

use crate::Tape;
use crate::flow::Flow;

pub const ACCOUNTS: u64 = 10_000;
const MAKER_FEE: u32 = 10_000;
const TAKER_FEE: u32 = 70_000;

/// A flow as commands of the core.
pub struct Script {
    pub setup: Vec<Command>,
    pub prefill: Vec<Command>,
    pub commands: Vec<Command>,
}

pub fn shard() -> (Shard, ShardMap) {
    (Shard::new(0).unwrap(), ShardMap::new(1).unwrap())
}

fn order_id(id: u64) -> OrderId {
    OrderId::compose(shard().0, id)
}

/// Assigns an account to each order, so that makers and takers mix.
fn account(id: u64) -> AccountId {
    AccountId(1 + id % ACCOUNTS)
}

impl Script {
    pub fn new(flow: &Flow) -> Self {
        let markets: Vec<_> = (0..flow.books).map(listing).collect();
        let mut setup = Vec::new();
        for account in (1..=ACCOUNTS).map(AccountId) {
            let key = ApiKey::with_secret(ApiKeyId(account.0), [0; 32], Scopes::READ_TRADE);
            setup.push(Command::OpenAccount { account, key });
            // The amount that one admin may deposit alone in a day is split among 2,000 accounts.
            setup.push(Command::Deposit {
                account,
                amount: Credits::whole(1_000_000),
                client_id: None,
                by: AdminId(1 + account.0 / 2_000),
            });
        }
        for listing in &markets {
            setup.push(Command::CreateMarket { listing: listing.clone(), by: AdminId(1) });
            setup.push(Command::ChangeMarket { market: listing.market, by: AdminId(1), transition: Transition::Open });
        }
        // The flow's cancels name only the order; its id determines its account.
        let translate = |commands: &[crate::Command]| commands.iter().map(|c| command(c, &markets)).collect();
        Self { setup, prefill: translate(&flow.prefill), commands: translate(&flow.commands) }
    }
}

pub fn listing(number: usize) -> Listing {
    let ticker: schemas::text::Ticker = format!("M-{number}").parse().unwrap();
    Listing {
        market: MarketId::of(&ticker),
        ticker,
        about: About::plain("Bench?", "YES if it does.", "tests").unwrap().into(),
        opens: None,
        expiry: schemas::limits::TIME_MAX,
        tick: 1,
        maker_fee: FeeRate::new(MAKER_FEE).unwrap(),
        taker_fee: FeeRate::new(TAKER_FEE).unwrap(),
        dispute_window_ms: 0,
        limits: MarketLimits::NONE,
    }
}

fn command(command: &crate::Command, markets: &[Listing]) -> Command {
    match *command {
        crate::Command::Cancel { id, .. } => {
            Command::CancelOrder { account: account(id), order: OrderRef::Id(order_id(id)) }
        }
        crate::Command::Add { book, order } => {
            let yes = Price::new(order.price as u16).unwrap();
            let (entry, price) = if order.buy { (Entry::BuyYes, yes) } else { (Entry::BuyNo, yes.complement()) };
            let time_in_force = if order.ioc { TimeInForce::Ioc } else { TimeInForce::Gtc };
            Command::PlaceOrder(NewOrder {
                account: account(order.id),
                market: markets[book as usize].market,
                entry,
                terms: Terms::Limit {
                    price,
                    quantity: Quantity::new(order.quantity).unwrap(),
                    time_in_force,
                    post_only: PostOnly::Off,
                },
                fee_rate: FeeRate::new(TAKER_FEE).unwrap(),
                client_id: None,
                // The flow has no accounts: any two orders may trade.
                instructions: Instructions { self_trade: SelfTrade::Allow, ..Instructions::default() },
            })
        }
    }
}

/// A shard's state and the commands that it has handled.
#[derive(Clone)]
pub struct Run {
    pub state: ShardState,
    pub tape: Tape,
    events: Vec<Event>,
    offset: u64,
}

impl Default for Run {
    fn default() -> Self {
        let state = ShardState::new(shard().0, shard().1);
        Self { state, tape: Tape::default(), events: Vec::new(), offset: 0 }
    }
}

impl Run {
    /// Handles commands, a thousand per millisecond of the log's time; later commands are visible
    /// for prefetching.
    pub fn all(&mut self, commands: &[Command]) {
        for (at, command) in commands.iter().enumerate() {
            self.state.prefetch(|behind| commands.get(at + behind));
            self.one(command);
        }
    }

    pub fn one(&mut self, command: &Command) -> &[Event] {
        self.offset += 1;
        let cause = Cause { offset: self.offset, id: CommandId(u128::from(self.offset)) };
        self.events.clear();
        self.state.handle(CommandContext { cause, time: Timestamp(self.offset / 1_000) }, command, &mut self.events);
        record(&mut self.tape, &self.events);
        &self.events
    }
}

fn record(tape: &mut Tape, events: &[Event]) {
    let counter = |id: OrderId| id.0 & ((1 << 56) - 1);
    for event in events {
        if let Event::Traded(t) = event {
            let (maker, taker) = (counter(t.maker.order), counter(t.taker.order));
            tape.trade(maker, taker, u32::from(t.price.ticks()), t.quantity.contracts());
        }
    }
}

/// A leading shard: from a command's bytes to the chained bytes of its outcome.
pub struct Leader {
    replica: Replica,
    offset: u64,
}

impl Default for Leader {
    fn default() -> Self {
        let (shard, map) = shard();
        Self { replica: lead(Replica::new(shard, map)), offset: 0 }
    }
}

/// Starts its leadership with the first record of its log.
fn lead(mut replica: Replica) -> Replica {
    let term = Term::new(shard().0, shard().1.shards(), EngineId(1), 1);
    replica.read(0, &term.encode()).expect("a term is read");
    replica.lead();
    replica
}

/// Returns a follower whose log has begun.
pub fn follower() -> Replica {
    let (shard, map) = shard();
    let mut replica = Replica::new(shard, map);
    replica.read(0, &Term::new(shard, map.shards(), EngineId(1), 1).encode()).expect("a term is read");
    replica
}

/// Reads a leader's outcomes by the read rule. Returns how many count.
pub fn read(outcomes: &[Vec<u8>]) -> usize {
    let (own, map) = shard();
    let mut reader = LogReader::new(own, map.shards(), Checkpoint::default());
    reader.read(0, &Term::new(own, map.shards(), EngineId(1), 1).encode()).expect("a term is read");
    let mut next = 0;
    let mut counts = |bytes: &Vec<u8>| {
        next += 1;
        matches!(reader.read(next, bytes).expect("outcomes follow one another"), ReadRecord::Outcome(_))
    };
    outcomes.iter().filter(|bytes| counts(bytes)).count()
}

impl Leader {
    /// Returns commands as on the log.
    pub fn encode(commands: &[Command]) -> Vec<Vec<u8>> {
        let record = |command: &Command| CommandRecord::new(CommandId(1), command.clone()).encode();
        commands.iter().map(record).collect()
    }

    /// Handles commands as the shard's loop does: each when the later ones are visible, or there
    /// are none. Returns the number of bytes of all outcomes.
    pub fn all(&mut self, commands: &[Vec<u8>]) -> usize {
        let mut bytes = 0;
        for command in commands {
            self.replica.accept(self.offset, Timestamp(self.offset / 1_000), command);
            self.offset += 1;
            if self.replica.waiting() > LOOKAHEAD {
                bytes += self.replica.handle_next().map_or(0, |outcome| outcome.len());
            }
        }
        while let Some(outcome) = self.replica.handle_next() {
            bytes += outcome.len();
        }
        bytes
    }

    /// Returns the bytes of the outcomes of commands, each handled separately.
    pub fn outcomes(&mut self, commands: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut handle = |command: &Vec<u8>| {
            self.offset += 1;
            self.replica.handle(self.offset - 1, Timestamp((self.offset - 1) / 1_000), command)
        };
        commands.iter().filter_map(|command| handle(command)).collect()
    }

    /// Returns another shard in the same state, at the beginning of its log.
    pub fn again(&self) -> Self {
        let (shard, map) = shard();
        let at_the_beginning = Replica::new(shard, map).snapshot_of(&self.replica.state_bytes());
        let replica = Replica::restore(shard, map, &at_the_beginning).expect("a state's own bytes");
        Self { replica: lead(replica), offset: 0 }
    }
}
