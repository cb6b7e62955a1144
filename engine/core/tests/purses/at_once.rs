//! Credits that an answer frees pay for the very next order, in the next outcome on that shard,
//! without an ask. Each kind of answer runs 1,000 times, with different amounts and with all
//! combinations of home shards and market shards among three shards.

use schemas::{Credits, Event, FeeRate, Price, Quantity};

use crate::script::{Scenario, shard};

const ROUNDS: u32 = 1_000;
const SHARDS: u32 = 3;
const CREDIT: i64 = 1_000_000;

/// A way in which credits become free.
struct Freeing {
    /// The account's credits at the start, in micro-credits.
    has: i64,
    /// Lines after which the purse has exactly the freed credits.
    lines: Vec<String>,
    /// In micro-credits.
    freed: i64,
}

/// The amounts of one round. Account `b` has enough credits for the other side.
struct Amounts {
    /// Contracts, at least two.
    quantity: u32,
    /// Fewer contracts, at least one.
    part: u32,
    /// A price in ticks, at least 100.
    price: u16,
    /// A lower price.
    lower: u16,
}

impl Amounts {
    fn of(round: u32) -> Self {
        let quantity = 2 + round * 37 % 991;
        let price = u16::try_from(100 + round * 7_919 % 9_800).unwrap();
        let (part, lower) = (1 + round * 13 % (quantity - 1), 1 + u16::try_from(round % 97).unwrap());
        Self { quantity, part, price, lower }
    }

    /// Returns what all contracts cost at the price.
    fn cost(&self) -> i64 {
        cost(self.quantity, self.price)
    }

    /// Returns the order that holds this amount.
    fn buy(&self) -> String {
        format!("a buy R yes {} @ {}", self.quantity, text(self.price))
    }

    /// Returns the line of an account that takes the other side of a buy of YES at this price.
    fn against(&self, quantity: u32, price: u16) -> String {
        format!("b buy R no {quantity} @ {}", text(10_000 - price))
    }

    /// Returns lines after which `a` has all contracts and no credits.
    fn bought(&self) -> Vec<String> {
        vec![self.against(self.quantity, self.price), self.buy()]
    }
}

fn cost(quantity: u32, ticks: u16) -> i64 {
    i64::from(quantity) * i64::from(ticks) * 100
}

fn text(ticks: u16) -> String {
    format!("0.{ticks:04}")
}

fn micros(amount: i64) -> String {
    Credits(amount).to_string()
}

fn check_rounds(freeing: impl Fn(&Amounts) -> Freeing) {
    let late: Vec<u32> =
        (0..ROUNDS).filter(|round| !is_accepted_at_once(*round, &freeing(&Amounts::of(*round)))).collect();
    assert!(late.is_empty(), "{} of {ROUNDS} were not accepted at once: {late:?}", late.len());
}

/// The home shards of both accounts and the market's shard go through all combinations of three
/// shards.
fn is_accepted_at_once(round: u32, freeing: &Freeing) -> bool {
    let (home, market, other_home) = (round % SHARDS, round / SHARDS % SHARDS, round / SHARDS / SHARDS % SHARDS);
    let mut scenario = Scenario::new(3);
    scenario.run(&format!("account a home {home} has {}", micros(freeing.has)));
    scenario.run(&format!("account b home {other_home} has 1000000"));
    scenario.run(&format!("market R on {market}"));
    scenario.run(&format!("market S on {market}"));
    scenario.run(&format!("market F on {market} maker 10000"));
    freeing.lines.iter().for_each(|line| drop(scenario.run(line)));
    let (account, shard) = (scenario.account("a"), shard(&market.to_string()));
    let free = scenario.shards.state(shard).purse(account).map(|purse| purse.available);
    assert_eq!(free, Some(Credits(freeing.freed)), "free credits in round {round} after {:#?}", freeing.lines);
    let said = scenario.run(&next_order(round, freeing.freed));
    scenario.shards.check();
    let parked = said.iter().flat_map(|said| &said.events).any(|event| matches!(event, Event::Parked(_)));
    let mine = |event: &Event| match event {
        Event::OrderPlaced(placed) => placed.order.account == account && placed.order.hold().0 == freeing.freed,
        _ => false,
    };
    said[0].shard == shard && said[0].events.iter().any(mine) && !parked
}

/// Returns an order that needs all freed credits: by budget, or as a resting order if the amount is
/// a multiple of a tick.
fn next_order(round: u32, freed: i64) -> String {
    let contracts = freed / 100;
    let rests = round.is_multiple_of(2) && freed % 100 == 0 && contracts <= i64::from(schemas::limits::QUANTITY_MAX);
    if rests { format!("a buy S yes {contracts} @ 0.0001") } else { format!("a buy S yes budget {}", micros(freed)) }
}

#[test]
fn after_a_cancel() {
    check_rounds(|a| {
        let lines = vec![a.buy(), "a cancel #1".into()];
        Freeing { has: a.cost(), lines, freed: a.cost() }
    });
}

#[test]
fn after_an_amendment_to_fewer_contracts() {
    check_rounds(|a| {
        let lines = vec![a.buy(), format!("a amend #1 quantity {}", a.part)];
        Freeing { has: a.cost(), lines, freed: cost(a.quantity - a.part, a.price) }
    });
}

#[test]
fn after_an_amendment_to_a_lower_price() {
    check_rounds(|a| {
        let lines = vec![a.buy(), format!("a amend #1 price {}", text(a.lower))];
        Freeing { has: a.cost(), lines, freed: cost(a.quantity, a.price - a.lower) }
    });
}

#[test]
fn after_the_end_of_an_order_that_could_not_rest() {
    check_rounds(|a| {
        let lines = vec![a.against(a.part, a.price), format!("{} ioc", a.buy())];
        Freeing { has: a.cost(), lines, freed: cost(a.quantity - a.part, a.price) }
    });
}

#[test]
fn after_the_end_of_an_order_that_could_not_be_filled_whole() {
    check_rounds(|a| {
        let lines = vec![a.against(a.part, a.price), format!("{} fok", a.buy())];
        Freeing { has: a.cost(), lines, freed: a.cost() }
    });
}

#[test]
fn after_a_fill_at_a_better_price() {
    check_rounds(|a| {
        let lines = vec![a.against(a.quantity, a.lower), a.buy()];
        Freeing { has: a.cost(), lines, freed: cost(a.quantity, a.price - a.lower) }
    });
}

/// In market F the maker pays 1 % of p × (1 − p). It held 7 %.
#[test]
fn after_a_makers_fill_for_a_lower_fee() {
    check_rounds(|a| {
        let (limit, quantity) = (Price::new(a.price).unwrap(), Quantity::new(a.quantity).unwrap());
        let (most, paid) = (FeeRate::new(70_000).unwrap(), FeeRate::new(10_000).unwrap());
        let has = most.hold(limit, quantity).0;
        let lines = [a.buy(), a.against(a.quantity, a.price)].map(|line| line.replace(" R ", " F ") + " fee 70000");
        Freeing { has, lines: lines.into(), freed: has - a.cost() - paid.fee(limit, quantity).0 }
    });
}

#[test]
fn after_a_sale() {
    check_rounds(|a| {
        let mut lines = a.bought();
        lines.push(format!("b buy R yes {} @ {}", a.part, text(a.lower)));
        lines.push(format!("a sell R yes {} @ {}", a.part, text(a.lower)));
        Freeing { has: a.cost(), lines, freed: cost(a.part, a.lower) }
    });
}

/// The seller was the maker.
#[test]
fn after_a_makers_sale() {
    check_rounds(|a| {
        let mut lines = a.bought();
        lines.push(format!("a sell R yes {} @ {}", a.part, text(a.lower)));
        lines.push(format!("b buy R yes {} @ {}", a.part, text(a.lower)));
        Freeing { has: a.cost(), lines, freed: cost(a.part, a.lower) }
    });
}

#[test]
fn after_pairs_are_redeemed() {
    check_rounds(|a| {
        let mut lines = a.bought();
        lines.push(format!("b sell R no {} @ {}", a.part, text(a.lower)));
        lines.push(format!("a deposit {}", micros(cost(a.part, a.lower))));
        lines.push(format!("a buy R no {} @ {}", a.part, text(a.lower)));
        Freeing { has: a.cost(), lines, freed: i64::from(a.part) * CREDIT }
    });
}

/// A live order keeps the payout on the shard.
#[test]
fn after_a_payout() {
    check_rounds(|a| {
        let mut lines = a.bought();
        lines.extend(["a deposit 0.01", "a buy S yes 1 @ 0.01", "close R", "resolve R yes"].map(String::from));
        Freeing { has: a.cost(), lines, freed: i64::from(a.quantity) * CREDIT }
    });
}

/// The order would have needed exactly what the next order needs.
#[test]
fn after_a_refusal() {
    check_rounds(|a| {
        let lines = vec![a.buy(), "a cancel #1".into(), a.against(1, a.price), format!("{} post", a.buy())];
        Freeing { has: a.cost(), lines, freed: a.cost() }
    });
}

/// The order needed one micro-credit more than there is. It was parked, unless the market is on the
/// account's home shard, and then refused.
#[test]
fn after_a_refusal_for_lack_of_credits() {
    check_rounds(|a| {
        let more = format!("a buy R yes budget {}", micros(a.cost() + 1));
        Freeing { has: a.cost(), lines: vec![a.buy(), "a cancel #1".into(), more], freed: a.cost() }
    });
}

#[test]
fn after_an_order_expires() {
    check_rounds(|a| {
        let lines = vec![format!("{} gtd 5s", a.buy()), "wait 6s".into(), "tick".into()];
        Freeing { has: a.cost(), lines, freed: a.cost() }
    });
}

/// Returns lines with two orders and the line that ends both.
fn two_orders_end(a: &Amounts, last: &[&str]) -> Freeing {
    let mut lines = vec![a.buy(), format!("a buy R yes {} @ {}", a.part, text(a.lower))];
    lines.extend(last.iter().copied().map(String::from));
    let all = a.cost() + cost(a.part, a.lower);
    Freeing { has: all, lines, freed: all }
}

#[test]
fn after_a_mass_cancel_in_a_market() {
    check_rounds(|a| two_orders_end(a, &["a cancel all in R"]));
}

#[test]
fn after_a_mass_cancel_everywhere() {
    check_rounds(|a| two_orders_end(a, &["a cancel all"]));
}

#[test]
fn after_a_dead_mans_switch() {
    check_rounds(|a| two_orders_end(a, &["a switch 1", "wait 2s", "tick"]));
}

#[test]
fn after_a_market_closes() {
    check_rounds(|a| two_orders_end(a, &["close R"]));
}

#[test]
fn after_a_batch_of_cancels() {
    check_rounds(|a| two_orders_end(a, &["a batch cancel #1 ; cancel #2"]));
}

#[test]
fn after_a_batch_of_cancels_all_or_nothing() {
    check_rounds(|a| two_orders_end(a, &["a all cancel #1 ; cancel #2"]));
}

/// An order meets one of its own account, and both end.
#[test]
fn after_two_orders_of_the_account_meet() {
    check_rounds(|a| {
        let lines = vec![a.buy(), format!("a buy R no {} @ {} stp cancel_both", a.part, text(10_000 - a.price))];
        let all = a.cost() + cost(a.part, 10_000 - a.price);
        Freeing { has: all, lines, freed: all }
    });
}
