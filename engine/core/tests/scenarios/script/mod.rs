//! Scenarios as text: each line is a command, and one helper knows the API. The result is the text
//! of the log and the state at the end. `command.rs` parses the commands.

mod command;
mod report;

use std::fmt::Write;

use engine_core::{CommandContext, ShardState};
use schemas::shard_map::ShardMap;
use schemas::{
    About, AccountId, AdminId, ApiKey, ApiKeyId, Cause, Command, CommandId, Entry, Event, FeeRate, Instructions,
    Listing, MarketId, MarketLimits, NewOrder, OrderId, PostOnly, Price, Quantity, Scopes, Shard, Terms, TimeInForce,
    Timestamp, Transition,
};

/// Runs a script on one shard and compares the result.
#[track_caller]
pub fn check(script: &str, expected: expect_test::Expect) {
    let mut scenario = Scenario::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        scenario.line(line);
    }
    expected.assert_eq(&scenario.report());
}

pub struct Scenario {
    pub state: ShardState,
    names: Vec<String>,
    orders: Vec<OrderId>,
    market: Option<MarketId>,
    offset: u64,
    waited: u64,
    said: String,
}

impl Scenario {
    pub fn new() -> Self {
        let state = ShardState::new(Shard::new(0).unwrap(), ShardMap::new(1).unwrap());
        let (names, orders, said) = (Vec::new(), Vec::new(), String::new());
        Self { state, names, orders, market: None, offset: 0, waited: 0, said }
    }

    /// The same without the checks after each command.
    pub fn quickly(&mut self, command: &Command) -> Vec<Event> {
        self.offset += 1;
        let cause = Cause { offset: self.offset, id: CommandId(u128::from(self.offset)) };
        let mut events = Vec::new();
        self.state.handle(CommandContext { cause, time: self.now() }, command, &mut events);
        events
    }

    /// Handles a command one millisecond after the last one.
    pub fn handle(&mut self, command: &Command) -> Vec<Event> {
        let events = self.quickly(command);
        self.state.assert_all();
        let bytes = self.state.to_bytes();
        let restored = ShardState::from_bytes(self.state.shard(), ShardMap::new(1).unwrap(), &bytes).unwrap();
        assert_eq!(restored.next_due(), self.state.next_due(), "a restored state has another due time");
        events
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.offset + self.waited)
    }

    pub fn wait(&mut self, milliseconds: u64) {
        self.waited += milliseconds;
    }

    pub fn account(&mut self, name: &str) -> AccountId {
        if let Some(at) = self.names.iter().position(|known| known == name) {
            return AccountId(at as u64 + 1);
        }
        self.names.push(name.to_owned());
        let account = AccountId(self.names.len() as u64);
        let key = ApiKey::with_secret(ApiKeyId(account.0), [0; 32], Scopes::READ_TRADE);
        self.handle(&Command::OpenAccount { account, key });
        account
    }

    fn name(&self, account: AccountId) -> &str {
        &self.names[usize::try_from(account.0).unwrap() - 1]
    }

    pub fn market(&mut self) -> MarketId {
        self.market.unwrap_or_else(|| self.list(1, 0, 0, 0))
    }

    fn list_later(&mut self, opens: Timestamp) {
        let listing = self.listing(1, 0, 0, 0);
        self.market = Some(listing.market);
        self.handle(&Command::CreateMarket { listing: Listing { opens: Some(opens), ..listing }, by: AdminId(1) });
    }

    fn list(&mut self, tick: u16, maker: u32, taker: u32, dispute_window_ms: u64) -> MarketId {
        let listing = self.listing(tick, maker, taker, dispute_window_ms);
        let market = listing.market;
        self.handle(&Command::CreateMarket { listing, by: AdminId(1) });
        self.handle(&Command::ChangeMarket { market, by: AdminId(1), transition: Transition::Open });
        self.market = Some(market);
        market
    }

    pub fn listing(&self, tick: u16, maker: u32, taker: u32, dispute_window_ms: u64) -> Listing {
        let ticker: schemas::text::Ticker = "RAIN".parse().unwrap();
        Listing {
            market: MarketId::of(&ticker),
            ticker,
            about: About::plain("Rain?", "YES if it rains.", "weather").unwrap().into(),
            opens: None,
            expiry: Timestamp(1_000_000),
            tick,
            maker_fee: FeeRate::new(maker).unwrap(),
            taker_fee: FeeRate::new(taker).unwrap(),
            dispute_window_ms,
            limits: MarketLimits::NONE,
        }
    }

    fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["market", "tick", tick, "maker", maker, "taker", taker] => {
                self.list(tick.parse().unwrap(), maker.parse().unwrap(), taker.parse().unwrap(), 0);
            }
            ["market", "opens", opens] => self.list_later(Timestamp(opens.parse().unwrap())),
            ["market", "dispute", window] => drop(self.list(1, 0, 0, window.parse().unwrap())),
            ["wait", milliseconds] => self.wait(milliseconds.parse().unwrap()),
            _ => {
                let command = self.command(&words);
                let events = self.handle(&command);
                if matches!(command, Command::Deposit { .. }) {
                    return;
                }
                writeln!(self.said, "> {line}").unwrap();
                for event in events {
                    let text = self.event(&event);
                    self.said.push_str(&text);
                }
            }
        }
    }
}

/// A limit order that rests, at a price in ticks, free of fees.
pub fn limit_order(account: AccountId, market: MarketId, entry: Entry, quantity: &str, ticks: u16) -> Command {
    let (price, quantity) = (Price::new(ticks).unwrap(), quantity_of(quantity));
    let terms = Terms::Limit { price, quantity, time_in_force: TimeInForce::Gtc, post_only: PostOnly::Off };
    let instructions = Instructions::default();
    Command::PlaceOrder(NewOrder {
        account,
        market,
        entry,
        terms,
        fee_rate: FeeRate::ZERO,
        client_id: None,
        instructions,
    })
}

pub fn quantity_of(text: &str) -> Quantity {
    Quantity::new(text.parse().unwrap()).unwrap()
}
