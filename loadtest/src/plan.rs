//! The workload: all requests with their senders and due times, fixed before the first request.
//! Pure, and the same for the same seed.
//!
//!   *plan* ─▶ drive ─▶ gateway
//!
//! - Markets are chosen by Zipf (s = 1): a few are busy, most are quiet. Accounts are chosen
//!   uniformly.
//! - Each market has a reference price on a slow random walk. Makers quote at a distance from it,
//!   takers cross it.
//! - An account prefers YES in half of the markets and NO in the others, so most accounts keep what
//!   they buy; the rest sometimes buy the other contract, and their pairs are redeemed.
//! - Choices that depend on results stay open: a cancel contains a random number that selects a
//!   live order; a sell sells contracts that some account bought, or becomes the given buy if none
//!   has any.
//!
//! | of 100 orders | |
//! |---|---|
//! | 50 | rest near the reference price |
//! | 17 | limit orders that cross it, and rest with the remainder |
//! | 10 | the same, immediate or cancel |
//! | 5 | market orders by quantity |
//! | 3 | market orders by budget |
//! | 15 | sells of bought contracts, half of them crossing |
//!
//! In addition, [`CANCELS_PER_ORDER`] cancels per order.

use std::fmt::Write as _;
use std::time::Duration;

use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use schemas::{Contract, Credits, Price, TimeInForce};

/// Number of cancels sent per order.
pub const CANCELS_PER_ORDER: f64 = 0.2;

/// The first part of a plan, which only fills the books, so that takers can match.
const OPENING_SHARE: f64 = 0.02;

/// The parameters of a workload.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Shape {
    /// Orders per second; cancels are additional.
    pub rate: f64,
    /// The duration of the load.
    pub length: Duration,
    /// The number of markets.
    pub markets: usize,
    /// The number of accounts.
    pub accounts: usize,
    /// The seed: the same seed gives the same plan.
    pub seed: u64,
}

/// One request and its due time.
#[derive(Clone, PartialEq, Debug)]
pub struct Intent {
    /// When the request is due, after the start.
    pub due: Duration,
    /// Index of the account that sends it.
    pub account: usize,
    /// Index of the request's market.
    pub market: usize,
    /// The request.
    pub action: Action,
}

/// The content of a request.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Action {
    /// An order to buy.
    Buy(Buy),
    /// An order to sell contracts that some account bought; `otherwise` if none has any.
    Sell {
        /// Whether the price crosses the reference price.
        crossing: bool,
        /// The reference price in ticks of YES.
        reference: u16,
        /// The maximum number of contracts.
        quantity: u32,
        /// The kind of order that sells.
        way: Way,
        /// The buy order to send instead.
        otherwise: Buy,
    },
    /// A cancel of one of the live orders, selected by this number.
    Cancel(u64),
}

/// The kind of order that sells contracts.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Way {
    /// A plain sell of contracts that the account has.
    Plainly,
    /// A reduce-only sell: at most the contracts that the account has.
    Reducing,
    /// A reduce-only buy of the other contract.
    ByTheOther,
}

/// An order to buy.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Buy {
    /// The contract to buy.
    pub contract: Contract,
    /// The price and amount.
    pub terms: BuyTerms,
}

/// Price and amount, in the contract's own ticks.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum BuyTerms {
    /// A limit order.
    Limit(Price, u32, TimeInForce),
    /// A market order for a number of contracts.
    Market(Price, u32),
    /// A market order for a budget in credits.
    Budget(Credits),
}

/// Returns the tick of a market: every third market has the finest, the others trade in hundredths
/// of a credit.
pub fn tick(market: usize) -> u16 {
    if market % 3 == 2 { 1 } else { 100 }
}

/// Returns the contract that an account prefers in a market.
pub fn leaning(account: usize, market: usize) -> Contract {
    if (account + market).is_multiple_of(2) { Contract::Yes } else { Contract::No }
}

/// Returns the workload of `shape`, sorted by due time.
pub fn plan(shape: &Shape) -> Vec<Intent> {
    let per_second = shape.rate * (1.0 + CANCELS_PER_ORDER);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of requests, positive and small"
    )]
    let count = (per_second * shape.length.as_secs_f64()).round() as usize;
    let mut planner = Planner::new(shape);
    crate::pace::evenly(per_second, count)
        .enumerate()
        .map(|(index, due)| planner.next(due, (index as f64) < count as f64 * OPENING_SHARE))
        .collect()
}

struct Planner {
    random: PlanRandom,
    accounts: usize,
    zipf: Vec<f64>,
    /// The markets' reference prices in ticks of YES.
    references: Vec<u16>,
}

impl Planner {
    fn new(shape: &Shape) -> Self {
        let mut random = PlanRandom(SplitMix64::seed_from_u64(shape.seed));
        let references = (0..shape.markets).map(|_| 3_000 + random.below_u16(4_000) / 100 * 100).collect();
        Self { random, accounts: shape.accounts, zipf: zipf(shape.markets), references }
    }

    fn next(&mut self, due: Duration, opening: bool) -> Intent {
        let share = self.random.unit() * self.zipf.last().copied().unwrap_or(1.0);
        let market = self.zipf.partition_point(|&below| below <= share).min(self.references.len() - 1);
        let account = self.random.below_usize(self.accounts);
        self.drift(market);
        let kind = self.random.unit() * (1.0 + CANCELS_PER_ORDER);
        let action = if opening {
            Action::Buy(self.make(account, market))
        } else if kind < 1.0 {
            self.order(kind, account, market)
        } else {
            Action::Cancel(self.random.next())
        };
        Intent { due, account, market, action }
    }

    fn order(&mut self, kind: f64, account: usize, market: usize) -> Action {
        let buy = match kind {
            k if k < 0.50 => self.make(account, market),
            k if k < 0.67 => self.take(account, market, TimeInForce::Gtc),
            k if k < 0.77 => self.take(account, market, TimeInForce::Ioc),
            k if k < 0.82 => {
                let Buy { contract, .. } = self.take(account, market, TimeInForce::Ioc);
                Buy { contract, terms: BuyTerms::Market(Price::MAX, self.quantity(20)) }
            }
            k if k < 0.85 => {
                let budget = Credits::whole(1 + i64::from(self.quantity(10)));
                Buy { contract: self.contract(account, market), terms: BuyTerms::Budget(budget) }
            }
            _ => return self.sell(account, market),
        };
        Action::Buy(buy)
    }

    /// Returns an order that rests: a bid below or an ask above the reference price.
    fn make(&mut self, account: usize, market: usize) -> Buy {
        let contract = self.contract(account, market);
        // Prefer distances near the reference price.
        let distance = 1 + self.random.below_u16(12).min(self.random.below_u16(12));
        let (price, quantity) = (self.price(market, contract, -i32::from(distance)), self.quantity(20));
        Buy { contract, terms: BuyTerms::Limit(price, quantity, TimeInForce::Gtc) }
    }

    /// Returns an order that crosses: it pays up to a few ticks more than the reference price.
    fn take(&mut self, account: usize, market: usize, time_in_force: TimeInForce) -> Buy {
        let contract = self.contract(account, market);
        let reach = i32::from(1 + self.random.below_u16(4));
        let (price, quantity) = (self.price(market, contract, reach), self.quantity(30));
        Buy { contract, terms: BuyTerms::Limit(price, quantity, time_in_force) }
    }

    fn sell(&mut self, account: usize, market: usize) -> Action {
        Action::Sell {
            crossing: self.random.unit() < 0.5,
            reference: self.references[market],
            quantity: self.quantity(20),
            way: [Way::Plainly, Way::Plainly, Way::Reducing, Way::ByTheOther][self.random.below_usize(4)],
            otherwise: self.make(account, market),
        }
    }

    /// Returns the contract that the account prefers, or sometimes the other.
    fn contract(&mut self, account: usize, market: usize) -> Contract {
        match (leaning(account, market), self.random.unit() < 0.95) {
            (leaning, true) => leaning,
            (Contract::Yes, false) => Contract::No,
            (Contract::No, false) => Contract::Yes,
        }
    }

    /// Returns the price `steps` price steps from the reference price, from the contract's point of
    /// view: positive is more expensive.
    fn price(&self, market: usize, contract: Contract, steps: i32) -> Price {
        own_price(self.references[market], contract, steps, step(market))
    }

    fn quantity(&mut self, most: u16) -> u32 {
        1 + u32::from(self.random.below_u16(most))
    }

    fn drift(&mut self, market: usize) {
        let reference = self.references[market];
        self.references[market] = match self.random.below_u16(200) {
            0 => (reference + 100).min(9_000),
            1 => (reference - 100).max(1_000),
            _ => reference,
        };
    }
}

/// Returns the distance between quotes. In a market with fine ticks it is still a tenth of a
/// hundredth; otherwise orders would rarely match.
fn step(market: usize) -> i32 {
    i32::from(tick(market).max(10))
}

/// Returns the price of `contract` that is `steps` more expensive than the reference price (in
/// YES), within the allowed range.
pub fn own_price(reference: u16, contract: Contract, steps: i32, step: i32) -> Price {
    let own = match contract {
        Contract::Yes => i32::from(reference),
        Contract::No => 10_000 - i32::from(reference),
    };
    let ticks = (own + steps * step).clamp(step, 10_000 - step);
    u16::try_from(ticks).ok().and_then(Price::new).expect("clamped to the allowed range")
}

/// Returns the price at which to sell `contract`: crossing below the reference price, or resting
/// above it.
pub fn sell_price(reference: u16, contract: Contract, crossing: bool, market: usize) -> Price {
    own_price(reference, contract, if crossing { -3 } else { 3 }, step(market))
}

/// Cumulative weights 1, 1 + 1/2, 1 + 1/2 + 1/3, …
fn zipf(markets: usize) -> Vec<f64> {
    let mut sum = 0.0;
    (1..=markets)
        .map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        })
        .collect()
}

/// Returns the JSON of an order to buy.
pub fn buy_body(market: &str, buy: &Buy, client_id: uuid::Uuid) -> String {
    let mut body = opening(market, "BUY", buy.contract);
    let rest = match buy.terms {
        BuyTerms::Limit(price, quantity, time_in_force) => {
            write!(
                body,
                r#""type":"LIMIT","price":"{price}","quantity":{quantity},"time_in_force":"{}""#,
                time_in_force.name()
            )
        }
        BuyTerms::Market(worst, quantity) => {
            write!(body, r#""type":"MARKET","worst_price":"{worst}","quantity":{quantity}"#)
        }
        BuyTerms::Budget(budget) => write!(body, r#""type":"MARKET","budget":"{budget}""#),
    };
    rest.and_then(|()| write!(body, r#","client_id":"{client_id}"}}"#)).expect("writing to memory cannot fail");
    body
}

/// Returns the JSON of a limit order that sells, or that buys the other contract instead. A
/// reduce-only order requests twice as many contracts; the core cuts off the excess.
pub fn sell_body(
    market: &str,
    contract: Contract,
    price: Price,
    quantity: u32,
    way: Way,
    client_id: uuid::Uuid,
) -> String {
    let (side, contract, price) = match way {
        Way::Plainly | Way::Reducing => ("SELL", contract, price),
        Way::ByTheOther => ("BUY", contract.other(), price.complement()),
    };
    let (reduce_only, quantity) = if way == Way::Plainly { (false, quantity) } else { (true, 2 * quantity) };
    let mut body = opening(market, side, contract);
    write!(body, r#""type":"LIMIT","price":"{price}","quantity":{quantity},"reduce_only":{reduce_only},"#)
        .and_then(|()| write!(body, r#""client_id":"{client_id}"}}"#))
        .expect("writing to memory cannot fail");
    body
}

fn opening(market: &str, side: &str, contract: Contract) -> String {
    let mut body = String::with_capacity(256);
    write!(body, r#"{{"market_id":"{market}","contract":"{contract}","side":"{side}","#)
        .expect("writing to memory cannot fail");
    body
}

/// The random numbers determined by the workload's seed.
struct PlanRandom(SplitMix64);

impl PlanRandom {
    fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn below(&mut self, limit: u64) -> u64 {
        #[allow(clippy::cast_possible_truncation, reason = "the high half of the product is below the limit")]
        let below = ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64;
        below
    }

    fn below_u16(&mut self, limit: u16) -> u16 {
        u16::try_from(self.below(u64::from(limit))).unwrap_or(0)
    }

    fn below_usize(&mut self, limit: usize) -> usize {
        usize::try_from(self.below(limit as u64)).unwrap_or(0)
    }

    /// Returns a number in 0..1, excluding 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { rate: 1_000.0, length: Duration::from_secs(20), markets: 20, accounts: 200, seed: 7 };

    #[test]
    fn the_same_seed_is_the_same_plan() {
        assert_eq!(plan(&SHAPE), plan(&SHAPE));
        assert_ne!(plan(&SHAPE), plan(&Shape { seed: 8, ..SHAPE }));
    }

    #[test]
    fn orders_come_at_the_rate_and_cancels_on_top() {
        let plan = plan(&SHAPE);
        assert_eq!(plan.len(), 24_000);
        let cancels = plan.iter().filter(|intent| matches!(intent.action, Action::Cancel(_))).count();
        assert!((3_600..=4_200).contains(&cancels), "{cancels}");
        assert!(plan.is_sorted_by_key(|intent| intent.due));
        assert!(plan.last().unwrap().due < SHAPE.length);
    }

    #[test]
    fn markets_are_chosen_by_zipf_and_accounts_evenly() {
        let plan = plan(&SHAPE);
        let of_market = |market| plan.iter().filter(|intent| intent.market == market).count() as f64;
        let ratio = of_market(0) / of_market(9);
        assert!((8.0..12.5).contains(&ratio), "the first market is ten times as busy as the tenth: {ratio}");
        assert!((0..200).all(|account| plan.iter().any(|intent| intent.account == account)));
    }

    #[test]
    fn every_limit_price_is_on_its_market_s_tick() {
        for intent in plan(&SHAPE) {
            let (Action::Buy(buy) | Action::Sell { otherwise: buy, .. }) = intent.action else { continue };
            if let BuyTerms::Limit(price, ..) = buy.terms {
                assert_eq!(price.ticks() % tick(intent.market), 0);
            }
        }
        for reference in (1_000..=9_000).step_by(100) {
            for (contract, crossing) in [(Contract::Yes, true), (Contract::No, false)] {
                assert_eq!(sell_price(reference, contract, crossing, 0).ticks() % 100, 0);
            }
        }
    }

    #[test]
    fn makers_do_not_cross_each_other_and_takers_cross_them() {
        // A bid of YES and a bid of NO match when their prices add up to one credit.
        let (yes, no) = (own_price(5_000, Contract::Yes, -1, 100), own_price(5_000, Contract::No, -1, 100));
        assert!(yes.ticks() + no.ticks() < 10_000);
        assert!(own_price(5_000, Contract::Yes, 1, 100).ticks() + no.ticks() >= 10_000);
    }

    #[test]
    fn bodies_are_the_api_s_json() {
        let id = uuid::Uuid::nil();
        let terms = BuyTerms::Limit(Price::new(5_500).unwrap(), 10, TimeInForce::Ioc);
        let body: serde_json::Value =
            serde_json::from_str(&buy_body("12", &Buy { contract: Contract::No, terms }, id)).unwrap();
        let expected = serde_json::json!({"market_id": "12", "contract": "NO", "side": "BUY", "type": "LIMIT",
            "price": "0.5500", "quantity": 10, "time_in_force": "IOC", "client_id": id.to_string()});
        assert_eq!(body, expected);
        for terms in [BuyTerms::Market(Price::MAX, 3), BuyTerms::Budget(Credits::whole(2))] {
            let body = buy_body("12", &Buy { contract: Contract::Yes, terms }, id);
            assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok(), "{body}");
        }
        let sold = |way| {
            let body = sell_body("12", Contract::Yes, Price::MIN, 2, way, id);
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            ["side", "contract", "price", "quantity", "reduce_only"].map(|field| body[field].to_string())
        };
        assert_eq!(sold(Way::Plainly), [r#""SELL""#, r#""YES""#, r#""0.0001""#, "2", "false"]);
        assert_eq!(sold(Way::Reducing), [r#""SELL""#, r#""YES""#, r#""0.0001""#, "4", "true"]);
        assert_eq!(sold(Way::ByTheOther), [r#""BUY""#, r#""NO""#, r#""0.9999""#, "4", "true"]);
    }
}
