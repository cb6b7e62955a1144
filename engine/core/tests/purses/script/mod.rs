//! Scenarios over several shards as text: each line is a command, and one helper knows the API. The
//! result is the text of the shards' logs and the purses at the end.
//!
//! Each command goes to its shard. Messages between shards are delivered after each line, unless
//! they are held back:
//!
//! ```text
//! account a home 0 has 10            an account with 10 credits, its home on shard 0
//! stranger a home 0                  an id without an account
//! market R on 1                      an open market on shard 1 (`maker 10000`: the maker pays 1 %)
//! event E on 0                       an exclusive market event, its home on shard 0; `open event`: not exclusive
//! market R on 1 in E                 a market of this event, with a dispute window of 10 s
//! hold 0 1                           messages from shard 0 to shard 1 are held back
//! deliver 0 1  |  deliver            they and later ones are delivered; those of all shards
//! cut 1  |  mend 1                   shard 1 is down, and up again
//! snapshot 1  |  kill 1              shard 1 takes a snapshot; dies, and another engine continues with its log
//! wait 10s                           time passes (ms, s, min)
//! outboxes 3                         a shard is full for another that keeps 3 messages for it
//! acknowledge                        each shard acknowledges the messages that it received
//! tick                               each shard that is up runs `AdvanceTime` if something is due
//! times 100 LINE  |  quietly LINE    the line, 100 times (`#` is 0, 1 …), or once; the logs of it are left out
//! ```
//!
//! `command.rs` parses the commands, `report.rs` formats the logs.

mod command;
mod report;
mod shards;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use schemas::shard_map::ShardMap;
use schemas::text::{Label, Ticker};
use schemas::{
    About, AccountId, AdminId, ApiKey, ApiKeyId, Command, CommandId, Event, FeeRate, Listing, MarketEvent,
    MarketEventId, MarketId, MarketLimits, OrderId, ParkedRequest, Rejection, Scopes, Shard, Timestamp, Transition,
};
pub use shards::{Said, Shards};

/// The time at which markets close by themselves: long after every scenario.
const EXPIRY: Timestamp = Timestamp(1_000_000_000);

/// Runs a script on so many shards and compares the result.
#[track_caller]
pub fn check(shards: u16, script: &str, expected: expect_test::Expect) {
    let mut scenario = Scenario::new(shards);
    for line in lines(script) {
        scenario.tell(line);
        scenario.shards.check();
    }
    expected.assert_eq(&scenario.report());
}

/// Runs a script whose last line is an order that is refused with this code.
#[track_caller]
pub fn check_refused(shards: u16, script: &str, expected: Rejection) {
    let mut scenario = Scenario::new(shards);
    let mut said = Vec::new();
    for line in lines(script) {
        said = scenario.run(line);
        scenario.shards.check();
    }
    let answers = said.iter().flat_map(|said| &said.events).filter_map(|event| match event {
        Event::OrderPlaced(_) => Some(None),
        Event::OrderRejected { code, .. } => Some(Some(*code)),
        _ => None,
    });
    assert_eq!(answers.collect::<Vec<Option<Rejection>>>(), [Some(expected)]);
}

fn lines(script: &str) -> impl Iterator<Item = &str> {
    script.lines().map(str::trim).filter(|line| !line.is_empty())
}

pub struct Scenario {
    pub shards: Shards,
    accounts: BTreeMap<String, AccountId>,
    markets: BTreeMap<String, MarketId>,
    events: BTreeMap<String, MarketEventId>,
    /// The orders #1, #2 and so on of the script.
    orders: BTreeMap<OrderId, usize>,
    /// The shard that asks, by the home shard and ticket.
    claims: BTreeMap<(Shard, u64), Shard>,
    /// The line of each command.
    lines: Vec<String>,
    said: String,
}

impl Scenario {
    pub fn new(shards: u16) -> Self {
        Self {
            shards: Shards::new(shards),
            accounts: BTreeMap::new(),
            markets: BTreeMap::new(),
            events: BTreeMap::new(),
            orders: BTreeMap::new(),
            claims: BTreeMap::new(),
            lines: Vec::new(),
            said: String::new(),
        }
    }

    fn tell(&mut self, line: &str) {
        let said = self.run(line);
        let first = line.split_whitespace().next();
        if matches!(first, Some("account" | "stranger" | "market" | "event" | "open")) {
            return;
        }
        writeln!(self.said, "> {line}").unwrap();
        if !matches!(first, Some("times" | "quietly")) {
            self.say(&said);
        }
    }

    /// Runs a line. Returns the text of the logs, the command's own shard first.
    pub fn run(&mut self, line: &str) -> Vec<Said> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let said = match words[..] {
            ["account", name, "home", home, "has", credits] => self.open(name, shard(home), credits),
            ["stranger", name, "home", home] => {
                self.name_account(name, shard(home));
                Vec::new()
            }
            ["market", name, "on", on] => self.list(name, shard(on), |listing| listing),
            ["market", name, "on", on, "maker", rate] => {
                let maker_fee = FeeRate::new(rate.parse().unwrap()).unwrap();
                self.list(name, shard(on), |listing| Listing { maker_fee, ..listing })
            }
            ["market", name, "on", on, "in", event] => {
                let event = Some(self.events[event]);
                let plain = About::plain("Which?", "YES if it does.", "tests").unwrap();
                let about = Arc::new(About { event, ..plain });
                self.list(name, shard(on), |listing| Listing { about, dispute_window_ms: 10_000, ..listing })
            }
            ["event", name, "on", on] => self.create_event(name, shard(on), true),
            ["open", "event", name, "on", on] => self.create_event(name, shard(on), false),
            ["times", times, ..] => {
                let line = words[2..].join(" ");
                (0..times.parse().unwrap())
                    .flat_map(|time: u32| self.run(&line.replace('#', &time.to_string())))
                    .collect()
            }
            ["quietly", ref words @ ..] => self.run(&words.join(" ")),
            _ => self.run_word(line, &words),
        };
        self.note(&said);
        said
    }

    /// Numbers orders as they come, and claims by their ticket.
    fn note(&mut self, said: &[Said]) {
        for (shard, event) in said.iter().flat_map(|said| said.events.iter().map(|event| (said.shard, event))) {
            match event {
                Event::OrderPlaced(placed) => {
                    let number = self.orders.len() + 1;
                    self.orders.entry(placed.id).or_insert(number);
                }
                Event::Parked(parked) => {
                    if let ParkedRequest::Fund { shard: claimant, .. } = parked.request {
                        self.claims.insert((shard, parked.ticket), claimant);
                    }
                }
                _ => {}
            }
        }
    }

    fn run_word(&mut self, line: &str, words: &[&str]) -> Vec<Said> {
        let nothing = Vec::new();
        match *words {
            ["outboxes", most] => self.shards.bound_outboxes(most.parse().unwrap()),
            ["hold", from, to] => self.shards.hold(shard(from), shard(to)),
            ["deliver", from, to] => return self.shards.release(shard(from), shard(to)),
            ["deliver"] => return self.shards.release_all(),
            ["cut", one] => self.shards.cut(shard(one)),
            ["mend", one] => return self.shards.mend(shard(one)),
            ["snapshot", one] => self.shards.take_snapshot(shard(one)),
            ["kill", one] => return self.shards.kill(shard(one)),
            ["wait", time] => self.shards.wait(milliseconds(time)),
            ["acknowledge"] => {
                let id = self.next_id(line);
                return self.shards.acknowledge(id);
            }
            ["tick"] => {
                let id = self.next_id(line);
                return self.shards.tick(id);
            }
            _ => {
                let commands = self.commands(words);
                return commands.iter().flat_map(|(shard, command)| self.submit(line, *shard, command)).collect();
            }
        }
        nothing
    }

    fn submit(&mut self, line: &str, shard: Shard, command: &Command) -> Vec<Said> {
        let id = self.next_id(line);
        self.shards.submit(shard, id, command)
    }

    fn next_id(&mut self, line: &str) -> CommandId {
        self.lines.push(line.to_owned());
        CommandId(self.lines.len() as u128 - 1)
    }

    /// Returns the line of a command.
    fn line_of(&self, command: CommandId) -> &str {
        let id = command.0;
        &self.lines[usize::try_from(id).unwrap()]
    }

    /// Gives an account an id whose home shard is this.
    fn name_account(&mut self, name: &str, home: Shard) -> AccountId {
        let map: ShardMap = self.shards.map;
        let last = self.accounts.values().max().map_or(0, |account| account.0);
        let account = (last + 1..).map(AccountId).find(|account| map.of_account(*account) == home).unwrap();
        self.accounts.insert(name.to_owned(), account);
        account
    }

    fn open(&mut self, name: &str, home: Shard, credits: &str) -> Vec<Said> {
        let account = self.name_account(name, home);
        let key = ApiKey::with_secret(ApiKeyId(account.0), [0; 32], Scopes::READ_TRADE);
        self.submit("", home, &Command::OpenAccount { account, key });
        if credits == "0" { Vec::new() } else { self.run(&format!("{name} deposit {credits}")) }
    }

    /// Gives a market event a name whose home shard is this.
    fn create_event(&mut self, name: &str, on: Shard, exclusive: bool) -> Vec<Said> {
        let map = self.shards.map;
        let mut labels = (1..).map(|number: u32| format!("event-{number}").parse::<Label>().unwrap());
        let here = |label: &Label| map.of_market_event(MarketEventId::of(label)) == on;
        let label = labels.find(here).unwrap();
        let id = MarketEventId::of(&label);
        self.events.insert(name.to_owned(), id);
        let event = Box::new(MarketEvent { id, name: label, title: "Who?".parse().unwrap(), exclusive });
        self.submit("", on, &Command::CreateMarketEvent { event, by: AdminId(1) })
    }

    /// Gives a market a ticker that puts it on the shard.
    fn list(&mut self, name: &str, on: Shard, with: impl FnOnce(Listing) -> Listing) -> Vec<Said> {
        let map = self.shards.map;
        let mut tickers = (1..).map(|number: u32| format!("{name}{number}").parse::<Ticker>().unwrap());
        let ticker = tickers.find(|ticker| map.of_market(MarketId::of(ticker)) == on).unwrap();
        let market = MarketId::of(&ticker);
        self.markets.insert(name.to_owned(), market);
        let listing = Listing {
            market,
            ticker,
            about: About::plain("Which?", "YES if it does.", "tests").unwrap().into(),
            opens: None,
            expiry: EXPIRY,
            tick: 1,
            maker_fee: FeeRate::ZERO,
            taker_fee: FeeRate::ZERO,
            dispute_window_ms: 0,
            limits: MarketLimits::NONE,
        };
        let listing = with(listing);
        self.submit("", on, &Command::CreateMarket { listing, by: AdminId(1) });
        self.submit("", on, &Command::ChangeMarket { market, by: AdminId(1), transition: Transition::Open })
    }
}

pub fn shard(number: &str) -> Shard {
    Shard::new(number.parse().unwrap()).unwrap()
}

fn milliseconds(text: &str) -> u64 {
    let at = text.find(|c: char| !c.is_ascii_digit()).expect("a time needs a unit");
    let unit = match &text[at..] {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        other => panic!("no such unit: {other}"),
    };
    text[..at].parse::<u64>().unwrap() * unit
}
