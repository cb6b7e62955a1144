//! The commands of a script:
//!
//! ```text
//! deposit alice 10                       market tick 100 maker 0 taker 70000  |  market dispute 5000   (before anything else)
//! alice buy yes 10 @ 0.6 OPTION…         alice sell no 5 @ market     alice buy no budget 5
//!     OPTION: ioc, fok, gtd TIME, post, reprice, stp MODE, deadline TIME, pausable, reducing, group NUMBER, as NAME
//! alice cancel #1  |  cancel all  |  cancel as NAME       alice amend #1 price 0.5 quantity 3
//! alice switch SECONDS  |  switch off    transfer alice bob 5        freeze alice  |  unfreeze alice
//! alice group 1 make 10 in 5  |  change 10 in 5  |  trigger  |  reset  |  delete            (contracts, seconds)
//! limit alice orders 2 held 5            limit market orders 2 notional 5 position 10
//! market opens 1000                  (not open yet; before anything else)
//!  edit FIELD VALUE  |  add FIELD VALUE   (question, rules, tags, opens, expiry; clarification, tags, source)
//! open  |  close  |  resume  |  pause  |  cancel_only
//! resolve ANSWER by 1  |  confirm ANSWER by 2             ANSWER: yes, no, void, or what a YES pays
//! wait MILLISECONDS  |  tick
//! alice batch REQUEST ; REQUEST …        alice all REQUEST ; REQUEST …     (one by one; all or nothing)
//! ```

use crate::words::group_act;
use schemas::market::YesValue;
use schemas::{
    AccountId, AccountLimits, AdminId, BatchRequest, ClientId, Command, Contract, Entry, FeeRate, Instructions,
    MarketAddition, MarketEdit, MarketLimits, NewOrder, OrderId, OrderRef, PostOnly, Price, ResolutionAnswer,
    SelfTrade, Side, Sources, Tags, Terms, TimeInForce, Timestamp, Transition,
};

use super::{Scenario, quantity_of};

impl Scenario {
    pub fn command(&mut self, words: &[&str]) -> Command {
        match *words {
            ["deposit", name, amount] => Command::Deposit {
                account: self.account(name),
                amount: amount.parse().unwrap(),
                client_id: None,
                by: AdminId(1),
            },
            ["transfer", from, to, amount] => {
                let (from, to) = (self.account(from), self.account(to));
                Command::Transfer { from, to, amount: amount.parse().unwrap(), client_id: None }
            }
            ["tick"] => Command::AdvanceTime,
            ["freeze", name] => Command::FreezeAccount { account: self.account(name), by: AdminId(1) },
            ["unfreeze", name] => Command::UnfreezeAccount { account: self.account(name), by: AdminId(1) },
            ["limit", "market", "orders", orders, "notional", notional, "position", position] => {
                let limits = MarketLimits {
                    live_orders: orders.parse().unwrap(),
                    notional: notional.parse().unwrap(),
                    position: position.parse().unwrap(),
                };
                Command::LimitMarket { market: self.market(), limits, by: AdminId(1) }
            }
            ["limit", name, "orders", orders, "held", held] => {
                let limits = AccountLimits { live_orders: orders.parse().unwrap(), held: held.parse().unwrap() };
                Command::LimitAccount { account: self.account(name), limits, by: AdminId(1) }
            }
            ["edit", field, ref rest @ ..] => {
                let edit = Box::new(self.edit(field, &rest.join(" ")));
                Command::EditMarket { market: self.market(), edit, by: AdminId(1) }
            }
            ["add", field, ref rest @ ..] => {
                let addition = Box::new(addition(field, &rest.join(" ")));
                Command::AddToMarket { market: self.market(), addition, by: AdminId(1) }
            }
            ["open"] => self.change(1, Transition::Open),
            ["pause"] => self.change(1, Transition::Pause { cancel_only: false }),
            ["cancel_only"] => self.change(1, Transition::Pause { cancel_only: true }),
            ["resume"] => self.change(1, Transition::Resume),
            ["close"] => self.change(1, Transition::Close),
            ["resolve", answer, "by", admin] => {
                self.change(admin.parse().unwrap(), Transition::Resolve { answer: answer_of(answer) })
            }
            ["confirm", answer, "by", admin] => {
                self.change(admin.parse().unwrap(), Transition::Confirm { answer: answer_of(answer) })
            }
            [name, ref rest @ ..] => {
                let account = self.account(name);
                self.of_account(account, rest)
            }
            [] => panic!("an empty line"),
        }
    }

    fn edit(&self, field: &str, value: &str) -> MarketEdit {
        let time = |text: &str| Timestamp(text.parse().unwrap());
        let mut edit = MarketEdit::default();
        match field {
            "nothing" => {}
            "question" => edit.question = Some(value.parse().unwrap()),
            "rules" => edit.rules = Some(value.parse().unwrap()),
            "opens" => edit.opens = Some((value != "never").then(|| time(value))),
            "expiry" => edit.expiry = Some(time(value)),
            "tags" => edit.tags = Some(tags(value)),
            other => panic!("no such field: {other}"),
        }
        edit
    }

    fn change(&mut self, admin: u64, transition: Transition) -> Command {
        Command::ChangeMarket { market: self.market(), by: AdminId(admin), transition }
    }

    fn of_account(&mut self, account: AccountId, words: &[&str]) -> Command {
        match *words {
            ["cancel", "all"] => Command::MassCancel { account, market: None },
            ["group", number, ref act @ ..] => {
                Command::ActOnGroup { account, group: number.parse().unwrap(), act: group_act(act) }
            }
            ["switch", "off"] => Command::SetDeadManSwitch { account, timeout_s: None },
            ["switch", seconds] => Command::SetDeadManSwitch { account, timeout_s: Some(seconds.parse().unwrap()) },
            [mode @ ("batch" | "all"), ref rest @ ..] => {
                let requests = rest.split(|word| *word == ";").map(|request| self.request(account, request)).collect();
                Command::Batch { account, all_or_nothing: mode == "all", requests }
            }
            _ => match self.request(account, words) {
                BatchRequest::Place(order) => Command::PlaceOrder(order),
                BatchRequest::Cancel(order) => Command::CancelOrder { account, order },
                BatchRequest::Amend { order, price, quantity } => {
                    Command::AmendOrder { account, order, price, quantity }
                }
            },
        }
    }

    fn request(&mut self, account: AccountId, words: &[&str]) -> BatchRequest {
        match *words {
            ["cancel", "as", name] => {
                BatchRequest::Cancel(OrderRef::ClientId { market: self.market(), client_id: client_id(name) })
            }
            ["cancel", number] => BatchRequest::Cancel(self.order(number)),
            ["amend", number, ref change @ ..] => {
                let find = |word| change.iter().position(|known| *known == word).map(|at| change[at + 1]);
                let price = find("price").map(|price| price.parse().unwrap());
                BatchRequest::Amend { order: self.order(number), price, quantity: find("quantity").map(quantity_of) }
            }
            [side, contract, ref terms @ ..] => {
                let (side, contract) = (side.to_uppercase().parse().unwrap(), contract.to_uppercase().parse().unwrap());
                BatchRequest::Place(self.new_order(account, side, contract, terms))
            }
            ref other => panic!("no such line: {other:?}"),
        }
    }

    fn order(&self, number: &str) -> OrderRef {
        let number: usize = number.trim_start_matches('#').parse().unwrap();
        OrderRef::Id(self.orders.get(number - 1).copied().unwrap_or(OrderId(99)))
    }

    fn new_order(&mut self, account: AccountId, side: Side, contract: Contract, words: &[&str]) -> NewOrder {
        let worst = if side == Side::Buy { Price::MAX } else { Price::MIN };
        let (terms, options) = match *words {
            ["budget", budget, ref options @ ..] => (Terms::Budget { budget: budget.parse().unwrap() }, options),
            [quantity, "@", "market", ref options @ ..] => {
                (Terms::Market { quantity: quantity_of(quantity), worst_price: worst }, options)
            }
            [quantity, "@", price, ref options @ ..] => {
                let (price, quantity) = (price.parse().unwrap(), quantity_of(quantity));
                (Terms::Limit { price, quantity, time_in_force: TimeInForce::Gtc, post_only: PostOnly::Off }, options)
            }
            ref other => panic!("no such terms: {other:?}"),
        };
        let (market, fee_rate) = (self.market(), FeeRate::new(70_000).unwrap());
        let entry = Entry::of(contract, side);
        let instructions = Instructions::default();
        let mut order = NewOrder { account, market, entry, terms, fee_rate, client_id: None, instructions };
        let mut options = options.iter();
        while let Some(option) = options.next() {
            set(&mut order, option, &mut || options.next().expect("an option needs a value"));
        }
        order
    }
}

fn set<'a>(order: &mut NewOrder, option: &str, value: &mut dyn FnMut() -> &'a &'a str) {
    let (mut other_time, mut other_post) = (TimeInForce::Gtc, PostOnly::Off);
    let (time_in_force, post_only) = match &mut order.terms {
        Terms::Limit { time_in_force, post_only, .. } => (time_in_force, post_only),
        Terms::Market { .. } | Terms::Budget { .. } => (&mut other_time, &mut other_post),
    };
    match option {
        "ioc" => *time_in_force = TimeInForce::Ioc,
        "fok" => *time_in_force = TimeInForce::Fok,
        "gtd" => *time_in_force = TimeInForce::Gtd { expires: Timestamp(value().parse().unwrap()) },
        "post" => *post_only = PostOnly::Reject,
        "reprice" => *post_only = PostOnly::Reprice,
        "stp" => order.instructions.self_trade = value().to_uppercase().parse::<SelfTrade>().unwrap(),
        "deadline" => order.instructions.deadline = Some(Timestamp(value().parse().unwrap())),
        "reducing" => order.instructions.reduce_only = true,
        "group" => order.instructions.group = Some(value().parse().unwrap()),
        "pausable" => order.instructions.cancel_on_pause = true,
        "as" => order.client_id = Some(client_id(value())),
        other => panic!("no such option: {other}"),
    }
}

/// Returns a client id, from its number in the script.
fn client_id(name: &str) -> ClientId {
    ClientId(name.bytes().fold(0, |number, byte| number << 8 | u128::from(byte)))
}

fn addition(field: &str, value: &str) -> MarketAddition {
    let mut addition = MarketAddition::default();
    match field {
        "nothing" => {}
        "clarification" => addition.clarification = Some(value.parse().unwrap()),
        "tags" => addition.tags = tags(value),
        "source" => addition.sources = Sources::new(vec![value.parse().unwrap()]).unwrap(),
        other => panic!("no such field: {other}"),
    }
    addition
}

fn tags(words: &str) -> Tags {
    Tags::new(words.split_whitespace().map(|word| word.parse().unwrap()).collect()).unwrap()
}

fn answer_of(word: &str) -> ResolutionAnswer {
    match word {
        "yes" => ResolutionAnswer::Value(YesValue::YES),
        "no" => ResolutionAnswer::Value(YesValue::NO),
        "void" => ResolutionAnswer::Void,
        ticks => ResolutionAnswer::Value(YesValue::new(ticks.parse().unwrap()).unwrap()),
    }
}
