//! The commands of a script:
//!
//! ```text
//! a buy R yes 10 @ 0.6 OPTION…       a sell R no 5 @ 0.3       a buy R no budget 5
//!     OPTION: ioc, fok, post, gtd TIME, deadline TIME, stp MODE, fee MILLIONTHS, group NUMBER, as NAME
//! a cancel #1  |  cancel R as NAME  |  cancel all  |  cancel all in R
//! a amend #1 price 0.5 quantity 3
//! a batch REQUEST ; REQUEST …        a all REQUEST ; REQUEST …        (one by one; all or nothing)
//! a deposit 5 [as NAME]              a withdraw 5 [as NAME]           a transfer b 5 [as NAME]
//! a freeze  |  unfreeze  |  limit orders 2 held 5                     (`any`: as many as it wants)
//! a switch 5  |  switch off          (seconds)
//! a group 1 make 10 in 5  |  change 10 in 5  |  trigger  |  reset  |  delete     (contracts, seconds)
//! close R  |  resolve R yes          (proposed by one admin, confirmed by another)
//! propose R yes by 1  |  confirm R yes by 2                           (yes, no or void)
//! ```
//!
//! `NAME` is the number of a client id. Times count from the line.

use crate::words::group_act;
use schemas::market::YesValue;
use schemas::{
    AccountId, AccountLimits, AdminId, BatchRequest, ClientId, Command, Credits, Entry, FeeRate, Instructions,
    MarketId, NewOrder, OrderRef, PostOnly, Price, Quantity, ResolutionAnswer, SelfTrade, Shard, Terms, TimeInForce,
    Timestamp, Transition,
};

use super::{Scenario, milliseconds};

impl Scenario {
    /// The commands of a line, each with its shard.
    pub fn commands(&self, words: &[&str]) -> Vec<(Shard, Command)> {
        match *words {
            ["close", market] => vec![self.change(market, 1, Transition::Close)],
            ["resolve", market, answer] => {
                let answer = answer_of(answer);
                let (propose, confirm) = (Transition::Resolve { answer }, Transition::Confirm { answer });
                vec![self.change(market, 1, propose), self.change(market, 2, confirm)]
            }
            ["propose", market, answer, "by", by] => {
                vec![self.change(market, by.parse().unwrap(), Transition::Resolve { answer: answer_of(answer) })]
            }
            ["confirm", market, answer, "by", by] => {
                vec![self.change(market, by.parse().unwrap(), Transition::Confirm { answer: answer_of(answer) })]
            }
            [name, ref rest @ ..] => vec![self.of_account(self.account(name), rest)],
            [] => panic!("an empty line"),
        }
    }

    fn change(&self, market: &str, admin: u64, transition: Transition) -> (Shard, Command) {
        let market = self.market(market);
        (self.shards.map.of_market(market), Command::ChangeMarket { market, by: AdminId(admin), transition })
    }

    pub fn account(&self, name: &str) -> AccountId {
        *self.accounts.get(name).unwrap_or_else(|| panic!("no account {name}"))
    }

    fn market(&self, name: &str) -> MarketId {
        *self.markets.get(name).unwrap_or_else(|| panic!("no market {name}"))
    }

    fn of_account(&self, account: AccountId, words: &[&str]) -> (Shard, Command) {
        match self.at_home(account, words) {
            Some(command) => (self.shards.map.of_account(account), command),
            None => self.at_market(account, words),
        }
    }

    /// A command to the account's home shard.
    fn at_home(&self, account: AccountId, words: &[&str]) -> Option<Command> {
        let by = AdminId(1);
        Some(match *words {
            ["deposit", amount, ref rest @ ..] => {
                Command::Deposit { account, amount: credits(amount), client_id: name(rest), by: AdminId(1) }
            }
            ["withdraw", amount, ref rest @ ..] => {
                Command::Withdraw { account, amount: credits(amount), client_id: name(rest), by: AdminId(1) }
            }
            ["transfer", to, amount, ref rest @ ..] => {
                let (from, to) = (account, self.account(to));
                Command::Transfer { from, to, amount: credits(amount), client_id: name(rest) }
            }
            ["freeze"] => Command::FreezeAccount { account, by },
            ["unfreeze"] => Command::UnfreezeAccount { account, by },
            ["limit", "orders", orders, "held", held] => {
                let live_orders = if orders == "any" { u32::MAX } else { orders.parse().unwrap() };
                let held = if held == "any" { Credits(i64::MAX) } else { credits(held) };
                Command::LimitAccount { account, limits: AccountLimits { live_orders, held }, by: AdminId(1) }
            }
            ["switch", "off"] => Command::SetDeadManSwitch { account, timeout_s: None },
            ["switch", seconds] => Command::SetDeadManSwitch { account, timeout_s: Some(seconds.parse().unwrap()) },
            ["cancel", "all"] => Command::MassCancel { account, market: None },
            ["group", number, ref act @ ..] => {
                Command::ActOnGroup { account, group: number.parse().unwrap(), act: group_act(act) }
            }
            _ => return None,
        })
    }

    fn at_market(&self, account: AccountId, words: &[&str]) -> (Shard, Command) {
        match *words {
            ["cancel", "all", "in", market] => {
                let market = self.market(market);
                (self.shards.map.of_market(market), Command::MassCancel { account, market: Some(market) })
            }
            [mode @ ("batch" | "all"), ref rest @ ..] => {
                let requests: Vec<BatchRequest> =
                    rest.split(|word| *word == ";").map(|words| self.request(account, words)).collect();
                let shard = self.shard_of(&requests[0]);
                (shard, Command::Batch { account, all_or_nothing: mode == "all", requests })
            }
            _ => {
                let request = self.request(account, words);
                let command = match request {
                    BatchRequest::Place(order) => Command::PlaceOrder(order),
                    BatchRequest::Cancel(order) => Command::CancelOrder { account, order },
                    BatchRequest::Amend { order, price, quantity } => {
                        Command::AmendOrder { account, order, price, quantity }
                    }
                };
                (self.shard_of(&request), command)
            }
        }
    }

    fn shard_of(&self, request: &BatchRequest) -> Shard {
        match request {
            BatchRequest::Place(order) => self.shards.map.of_market(order.market),
            BatchRequest::Cancel(order) | BatchRequest::Amend { order, .. } => order.shard(self.shards.map),
        }
    }

    fn request(&self, account: AccountId, words: &[&str]) -> BatchRequest {
        match *words {
            ["cancel", market, "as", name] => {
                let (market, client_id) = (self.market(market), client_id(name));
                BatchRequest::Cancel(OrderRef::ClientId { market, client_id })
            }
            ["cancel", number] => BatchRequest::Cancel(self.order(number)),
            ["amend", number, ref change @ ..] => {
                let value = |of: &str| change.chunks(2).find(|pair| pair[0] == of).map(|pair| pair[1]);
                let (price, quantity) = (value("price").map(price), value("quantity").map(quantity));
                BatchRequest::Amend { order: self.order(number), price, quantity }
            }
            [side, market, contract, ref terms @ ..] => {
                let (side, contract) = (side.to_uppercase().parse().unwrap(), contract.to_uppercase().parse().unwrap());
                let order = self.new_order(account, self.market(market), Entry::of(contract, side), terms);
                BatchRequest::Place(order)
            }
            ref other => panic!("no such line: {other:?}"),
        }
    }

    fn order(&self, number: &str) -> OrderRef {
        let number: usize = number.trim_start_matches('#').parse().unwrap();
        let id = self.orders.iter().find(|(_, known)| **known == number).map(|(id, _)| *id);
        OrderRef::Id(id.unwrap_or_else(|| panic!("no order #{number}")))
    }

    fn new_order(&self, account: AccountId, market: MarketId, entry: Entry, words: &[&str]) -> NewOrder {
        let (terms, options) = match *words {
            ["budget", budget, ref options @ ..] => (Terms::Budget { budget: credits(budget) }, options),
            [contracts, "@", limit, ref options @ ..] => {
                let (quantity, price) = (quantity(contracts), price(limit));
                (Terms::Limit { price, quantity, time_in_force: TimeInForce::Gtc, post_only: PostOnly::Off }, options)
            }
            ref other => panic!("no such terms: {other:?}"),
        };
        let (fee_rate, instructions) = (FeeRate::ZERO, Instructions::default());
        let mut order = NewOrder { account, market, entry, terms, fee_rate, client_id: None, instructions };
        let mut options = options.iter().copied();
        while let Some(option) = options.next() {
            self.set(&mut order, option, &mut || options.next().expect("an option needs a value"));
        }
        order
    }

    fn set<'a>(&self, order: &mut NewOrder, option: &str, value: &mut dyn FnMut() -> &'a str) {
        let later = |time: &str| Timestamp(self.shards.now().0 + milliseconds(time));
        match option {
            "stp" => order.instructions.self_trade = value().to_uppercase().parse::<SelfTrade>().unwrap(),
            "deadline" => order.instructions.deadline = Some(later(value())),
            "fee" => order.fee_rate = FeeRate::new(value().parse().unwrap()).unwrap(),
            "as" => order.client_id = Some(client_id(value())),
            "group" => order.instructions.group = Some(value().parse().unwrap()),
            _ => {
                let Terms::Limit { time_in_force, post_only, .. } = &mut order.terms else {
                    panic!("only a limit order can be {option}")
                };
                match option {
                    "ioc" => *time_in_force = TimeInForce::Ioc,
                    "fok" => *time_in_force = TimeInForce::Fok,
                    "gtd" => *time_in_force = TimeInForce::Gtd { expires: later(value()) },
                    "post" => *post_only = PostOnly::Reject,
                    other => panic!("no such option: {other}"),
                }
            }
        }
    }
}

fn answer_of(word: &str) -> ResolutionAnswer {
    match word {
        "yes" => ResolutionAnswer::Value(YesValue::YES),
        "no" => ResolutionAnswer::Value(YesValue::NO),
        "void" => ResolutionAnswer::Void,
        other => panic!("no such answer: {other}"),
    }
}

fn credits(text: &str) -> Credits {
    text.parse().unwrap()
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn quantity(text: &str) -> Quantity {
    Quantity::new(text.parse().unwrap()).unwrap()
}

fn client_id(name: &str) -> ClientId {
    ClientId(name.parse().unwrap())
}

fn name(words: &[&str]) -> Option<ClientId> {
    match words {
        [] => None,
        ["as", name] => Some(client_id(name)),
        other => panic!("no such words: {other:?}"),
    }
}
