//! Scenarios as text: one line a command, one helper that knows the API. The answer is what the log says and where all ends up.
//!
//! ```text
//! deposit alice 10              market tick 100 maker 0 taker 70000      (before anything else, if not the default market)
//! alice buy yes 10 @ 0.6        alice buy yes 10 @ 0.6 ioc               alice sell no 5 @ market
//! alice buy no budget 5         alice cancel #1                          close | pause | resume | resolve yes | void
//! ```

use std::fmt::Write;

use engine_core::{Place, State};
use schemas::market::YesValue;
use schemas::shard_map::ShardMap;
use schemas::{
    AccountId, ApiKey, ApiKeyId, BookSide, Cause, Command, CommandId, Contract, Credits, Entry, Event, FeeRate,
    Listing, MarketId, NewOrder, OrderId, Price, Quantity, Scopes, Shard, Side, Terms, TimeInForce, Timestamp,
    Transition,
};

/// Runs a script on one shard and compares what came of it.
#[track_caller]
pub fn check(script: &str, expected: expect_test::Expect) {
    let mut scenario = Scenario::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        scenario.line(line);
    }
    expected.assert_eq(&scenario.report());
}

pub struct Scenario {
    pub state: State,
    names: Vec<String>,
    orders: Vec<OrderId>,
    market: Option<MarketId>,
    offset: u64,
    said: String,
}

impl Scenario {
    pub fn new() -> Self {
        let state = State::new(Shard::new(0).unwrap(), ShardMap::new(1).unwrap());
        Self { state, names: Vec::new(), orders: Vec::new(), market: None, offset: 0, said: String::new() }
    }

    pub fn handle(&mut self, command: &Command) -> Vec<Event> {
        self.offset += 1;
        let cause = Cause { offset: self.offset, id: CommandId(u128::from(self.offset)) };
        let mut events = Vec::new();
        self.state.handle(Place { cause, time: Timestamp(self.offset) }, command, &mut events);
        self.state.assert_all();
        events
    }

    pub fn account(&mut self, name: &str) -> AccountId {
        if let Some(at) = self.names.iter().position(|known| known == name) {
            return AccountId(at as u64 + 1);
        }
        self.names.push(name.to_owned());
        let account = AccountId(self.names.len() as u64);
        let key = ApiKey { id: ApiKeyId(account.0), hash: [0; 32], scopes: Scopes::READ_TRADE };
        self.handle(&Command::OpenAccount { account, key });
        account
    }

    fn name(&self, account: AccountId) -> &str {
        &self.names[usize::try_from(account.0).unwrap() - 1]
    }

    pub fn market(&mut self) -> MarketId {
        self.market.unwrap_or_else(|| self.list(1, 0, 0))
    }

    pub fn list(&mut self, tick: u16, maker: u32, taker: u32) -> MarketId {
        let ticker: schemas::text::Ticker = "RAIN".parse().unwrap();
        let market = MarketId::of(&ticker);
        let (question, expiry) = ("Rain?".parse().unwrap(), Timestamp(1_000_000));
        let (maker_fee, taker_fee) = (FeeRate::new(maker).unwrap(), FeeRate::new(taker).unwrap());
        self.handle(&Command::CreateMarket(Listing { market, ticker, question, expiry, tick, maker_fee, taker_fee }));
        self.handle(&Command::ChangeMarket { market, transition: Transition::Open });
        self.market = Some(market);
        market
    }

    fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["market", "tick", tick, "maker", maker, "taker", taker] = words[..] {
            self.list(tick.parse().unwrap(), maker.parse().unwrap(), taker.parse().unwrap());
            return;
        }
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

    fn command(&mut self, words: &[&str]) -> Command {
        let change = |scenario: &mut Self, transition| Command::ChangeMarket { market: scenario.market(), transition };
        match words {
            ["deposit", name, amount] => {
                let (account, amount) = (self.account(name), amount.parse().unwrap());
                Command::Deposit { account, amount, client_id: None }
            }
            ["pause"] => change(self, Transition::Pause),
            ["resume"] => change(self, Transition::Resume),
            ["close"] => change(self, Transition::Close),
            ["void"] => change(self, Transition::Void),
            ["resolve", "yes"] => change(self, Transition::Resolve { yes_value: YesValue::YES }),
            ["resolve", "no"] => change(self, Transition::Resolve { yes_value: YesValue::NO }),
            [name, "cancel", number] => {
                let number: usize = number.trim_start_matches('#').parse().unwrap();
                let order = self.orders.get(number - 1).copied().unwrap_or(OrderId(99));
                Command::CancelOrder { account: self.account(name), order }
            }
            [name, side, contract, terms @ ..] => self.order(name, side, contract, terms),
            other => panic!("no such line: {other:?}"),
        }
    }

    fn order(&mut self, name: &str, side: &str, contract: &str, terms: &[&str]) -> Command {
        let side: Side = side.to_uppercase().parse().unwrap();
        let contract: Contract = contract.to_uppercase().parse().unwrap();
        let limit = |quantity: &str, price: &str, time_in_force| Terms::Limit {
            price: price.parse().unwrap(),
            quantity: quantity_of(quantity),
            time_in_force,
        };
        let worst = if side == Side::Buy { Price::MAX } else { Price::MIN };
        let terms = match terms {
            ["budget", budget] => Terms::Budget { budget: budget.parse().unwrap() },
            [quantity, "@", "market"] => Terms::Market { quantity: quantity_of(quantity), worst_price: worst },
            [quantity, "@", price] => limit(quantity, price, TimeInForce::Gtc),
            [quantity, "@", price, "ioc"] => limit(quantity, price, TimeInForce::Ioc),
            other => panic!("no such terms: {other:?}"),
        };
        let (account, market) = (self.account(name), self.market());
        let fee_rate = FeeRate::new(70_000).unwrap();
        let entry = Entry::of(contract, side);
        Command::PlaceOrder(NewOrder { account, market, entry, terms, fee_rate, client_id: None })
    }

    fn event(&mut self, event: &Event) -> String {
        let mut text = String::new();
        let mut say = |line: String| writeln!(text, "    {line}").unwrap();
        match event {
            Event::OrderPlaced(placed) => {
                self.orders.push(placed.id);
                let (number, filled, quantity) = (self.orders.len(), placed.filled, placed.quantity);
                say(format!("order #{number} {} {filled}/{quantity}", placed.status));
            }
            Event::OrderRejected { code, .. } | Event::Rejected { code } => say(format!("refused: {code}")),
            Event::Traded(t) => {
                let (maker, taker) = (self.name(t.maker.account), self.name(t.taker.account));
                say(format!("trade {} @ {} {} {taker} with {maker}", t.quantity, t.price, t.kind()));
            }
            Event::OrderCancelled { account, quantity, reason, .. } => {
                say(format!("cancelled {quantity} of {}: {reason}", self.name(*account)));
            }
            Event::PairsRedeemed { account, pairs, .. } => {
                say(format!("{} redeems {pairs} pairs", self.name(*account)))
            }
            Event::PaidOut { account, yes, no, credits, .. } => {
                say(format!("{} is paid {credits} for {yes} YES, {no} NO", self.name(*account)));
            }
            Event::MarketChanged { state, .. } => say(format!("market {state}")),
            Event::MarketSettled { .. } => say("market settled".into()),
            // Wallets are in the report; funding is in the holds.
            Event::Settled(_) | Event::OrderFunded { .. } => {}
            other => say(format!("{other:?}")),
        }
        text
    }

    fn report(&self) -> String {
        let mut text = self.said.clone();
        for (id, account) in self.state.accounts() {
            write!(text, "{}: {} + {} held", self.name(id), account.available, account.held).unwrap();
            for (_, market) in self.state.markets() {
                let p = market.position(id);
                for (held, reserved, contract) in [(p.yes, p.yes_reserved, "YES"), (p.no, p.no_reserved, "NO")] {
                    match (held, reserved) {
                        (0, _) => {}
                        (_, 0) => write!(text, ", {held} {contract}").unwrap(),
                        _ => write!(text, ", {held} {contract} ({reserved} reserved)").unwrap(),
                    }
                }
            }
            text.push('\n');
        }
        for (_, market) in self.state.markets() {
            for side in [BookSide::Bid, BookSide::Ask] {
                for (_, account, entry, price, remaining, _) in market.orders(side) {
                    writeln!(text, "{side} {remaining} @ {price} {entry} {}", self.name(account)).unwrap();
                }
            }
            if market.collateral != Credits::ZERO || market.fees != Credits::ZERO {
                writeln!(text, "collateral {}, fees {}", market.collateral, market.fees).unwrap();
            }
        }
        text
    }
}

pub fn quantity_of(text: &str) -> Quantity {
    Quantity::new(text.parse().unwrap()).unwrap()
}
