//! Everything at its documented limit: full wallets on full shards, the largest orders at the
//! lowest and highest prices, the largest budgets and transfers, the highest fees and none. After
//! every step all invariants hold and no sum overflows; at the end no micro-credit is missing. The
//! bounds are listed in docs/sums.md.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number of accounts")]

#[allow(dead_code, reason = "shared test code; this test crashes no shard")]
mod cluster;

use std::sync::Arc;

use cluster::Cluster;
use engine_core::Sums;
use proptest::prelude::*;
use schemas::limits::{
    AMOUNT_MAX, DEPOSIT_ALONE_MAX, DISPUTE_WINDOW_MAX_MS, FEE_RATE_MAX, LABEL_BYTES_MAX, MARKET_SOURCES_MAX,
    MARKET_TAGS_MAX, PARKED_MAX_MS, QUANTITY_MAX, QUESTION_BYTES_MAX, RULES_BYTES_MAX, SHARD_CREDITS_MAX,
    SOURCE_BYTES_MAX, TIME_MAX, WALLET_MAX,
};
use schemas::market::YesValue;
use schemas::{
    About, AccountId, AccountLimits, AdminId, ApiKey, ApiKeyId, Command, Credits, Entry, Event, FeeRate, Instructions,
    Listing, MarketEventId, MarketId, MarketLimits, NewOrder, PostOnly, Price, ProposalId, Quantity, Rejection,
    ResolutionAnswer, Scopes, SelfTrade, Shard, Sources, Tags, Terms, TimeInForce, Transition, answers,
};

const SHARDS: u16 = 2;
const ADMIN: AdminId = AdminId(1);
const OTHER_ADMIN: AdminId = AdminId(2);

/// This many accounts with full wallets fill a shard.
const ACCOUNTS: usize = (SHARD_CREDITS_MAX / WALLET_MAX) as usize;

/// This many deposits of the largest amount fill a wallet.
const DEPOSITS: i64 = WALLET_MAX / AMOUNT_MAX;

/// Fees of each shard: the highest, none, and the highest for one side.
const FEES: [(u32, u32); 3] = [(FEE_RATE_MAX, FEE_RATE_MAX), (0, 0), (0, FEE_RATE_MAX)];

struct Extremes {
    cluster: Cluster,
    /// By shard.
    accounts: Vec<Vec<AccountId>>,
    markets: Vec<MarketId>,
}

impl Extremes {
    /// Every shard is as full as it may be.
    fn new() -> Self {
        let cluster = Cluster::new(SHARDS);
        let (map, mut accounts) = (cluster.map, vec![Vec::new(); usize::from(SHARDS)]);
        for id in (1..).map(AccountId) {
            let home = &mut accounts[map.of_account(id).index()];
            if home.len() < ACCOUNTS {
                home.push(id);
            }
            if accounts.iter().all(|home| home.len() == ACCOUNTS) {
                break;
            }
        }
        let mut extremes = Self { cluster, accounts, markets: Vec::new() };
        extremes.fill();
        extremes.list();
        extremes
    }

    fn fill(&mut self) {
        for (index, home) in self.accounts.clone().into_iter().enumerate() {
            let shard = Shard::new(u16::try_from(index).unwrap()).unwrap();
            let mut proposals = 0;
            for account in home {
                let key = ApiKey::with_secret(ApiKeyId(account.0), [0; 32], Scopes::READ_TRADE);
                self.ask(shard, Command::OpenAccount { account, key });
                for _ in 0..DEPOSITS {
                    proposals += 1;
                    self.deposit(account, proposals);
                }
                // The wallet is full; after all accounts, so is the shard.
                let amount = Credits(1);
                let events = self.ask(shard, Command::Deposit { account, amount, client_id: None, by: ADMIN });
                assert_eq!(events, [Event::Rejected { code: Rejection::WalletLimit }]);
            }
            assert_eq!(self.cluster.leader(shard).sums(|_| 0).deposited, Credits(SHARD_CREDITS_MAX));
        }
    }

    /// An event with texts of the largest size.
    fn about() -> Arc<About> {
        let numbered = |number: usize, most: usize| format!("{number:0most$}");
        let sources = (0..MARKET_SOURCES_MAX).map(|n| numbered(n, SOURCE_BYTES_MAX).parse().unwrap()).collect();
        let tags = (0..MARKET_TAGS_MAX).map(|n| numbered(n, LABEL_BYTES_MAX).parse().unwrap()).collect();
        let (question, rules) = ("?".repeat(QUESTION_BYTES_MAX), "!".repeat(RULES_BYTES_MAX));
        Arc::new(About {
            sources: Sources::new(sources).unwrap(),
            tags: Tags::new(tags).unwrap(),
            event: Some(MarketEventId(u64::MAX)),
            ..About::plain(&question, &rules, &"c".repeat(LABEL_BYTES_MAX)).unwrap()
        })
    }

    /// Deposits the largest amount, with two admins.
    fn deposit(&mut self, account: AccountId, number: u64) {
        let (shard, amount) = (self.cluster.map.of_account(account), Credits(AMOUNT_MAX));
        self.ask(shard, Command::Deposit { account, amount, client_id: None, by: ADMIN });
        let proposal = ProposalId::compose(shard, number);
        let confirmed = self.ask(shard, Command::ConfirmDeposit { proposal, account, amount, by: OTHER_ADMIN });
        assert!(matches!(confirmed[..], [Event::Deposited { .. }]), "{confirmed:?}");
    }

    fn list(&mut self) {
        let mut wanted = vec![FEES.to_vec(); usize::from(SHARDS)];
        for number in 0.. {
            let (ticker, about) = (format!("EXTREME-{number}").parse().unwrap(), Self::about());
            let market = MarketId::of(&ticker);
            let shard = self.cluster.map.of_market(market);
            if wanted.iter().all(Vec::is_empty) {
                break;
            }
            let Some((maker, taker)) = wanted[shard.index()].pop() else { continue };
            let listing = Listing {
                market,
                ticker,
                about,
                opens: None,
                expiry: TIME_MAX,
                tick: 1,
                maker_fee: FeeRate::new(maker).unwrap(),
                taker_fee: FeeRate::new(taker).unwrap(),
                dispute_window_ms: DISPUTE_WINDOW_MAX_MS,
                limits: MarketLimits::NONE,
            };
            self.ask(shard, Command::CreateMarket { listing, by: ADMIN });
            self.ask(shard, Command::ChangeMarket { market, by: ADMIN, transition: Transition::Open });
            self.markets.push(market);
        }
    }

    /// Returns the events of one command, without its origin.
    fn ask(&mut self, shard: Shard, command: Command) -> Vec<Event> {
        self.cluster.submit(shard, command);
        self.cluster.handle(shard);
        self.cluster.read_back(shard);
        self.cluster.check();
        let outcome = self.cluster.nodes[shard.index()].outcomes.last().unwrap();
        answers::parts(outcome).next().unwrap().events.to_vec()
    }

    fn account(&self, pick: usize) -> AccountId {
        let all: Vec<_> = self.accounts.concat();
        all[pick % all.len()]
    }

    fn market(&self, pick: usize) -> MarketId {
        self.markets[pick % self.markets.len()]
    }

    fn step(&mut self, step: &Step) {
        let map = self.cluster.map;
        match *step {
            Step::Place { account, market, entry, terms, times } => {
                let (account, market) = (self.account(account), self.market(market));
                let instructions = Instructions { self_trade: SelfTrade::Allow, ..Instructions::default() };
                let fee_rate = FeeRate::new(FEE_RATE_MAX).unwrap();
                for _ in 0..times {
                    let order = NewOrder { account, market, entry, terms, fee_rate, client_id: None, instructions };
                    self.ask(map.of_market(market), Command::PlaceOrder(order));
                }
            }
            Step::Transfer { from, to, micros } => {
                let (from, to) = (self.account(from), self.account(to));
                let amount = Credits(micros);
                self.ask(map.of_account(from), Command::Transfer { from, to, amount, client_id: None });
            }
            Step::Withdraw { account, micros } => {
                let account = self.account(account);
                let command = Command::Withdraw { account, amount: Credits(micros), client_id: None, by: ADMIN };
                self.ask(map.of_account(account), command);
            }
            Step::LimitAccount { account, limits } => {
                let account = self.account(account);
                self.ask(map.of_account(account), Command::LimitAccount { account, limits, by: ADMIN });
            }
            Step::LimitMarket { market, limits } => {
                let market = self.market(market);
                self.ask(map.of_market(market), Command::LimitMarket { market, limits, by: ADMIN });
            }
            Step::MassCancel { account } => {
                let account = self.account(account);
                self.ask(map.of_account(account), Command::MassCancel { account, market: None });
            }
            Step::Deliver => self.rest(),
            Step::Wait => {
                self.cluster.wait(PARKED_MAX_MS + 1);
                self.rest();
            }
        }
    }

    fn rest(&mut self) {
        self.cluster.drain();
        self.cluster.check();
    }

    /// Answers and pays out every market. All credits are then in wallets.
    fn end(mut self, answers: &[ResolutionAnswer]) {
        for (market, answer) in self.markets.clone().into_iter().zip(answers.iter().cycle()) {
            let (shard, answer) = (self.cluster.map.of_market(market), *answer);
            self.ask(shard, Command::ChangeMarket { market, by: ADMIN, transition: Transition::Close });
            self.ask(shard, Command::ChangeMarket { market, by: ADMIN, transition: Transition::Resolve { answer } });
            // The event's home shard answers the claim.
            self.rest();
            let confirm = Transition::Confirm { answer };
            self.ask(shard, Command::ChangeMarket { market, by: OTHER_ADMIN, transition: confirm });
        }
        self.cluster.wait(DISPUTE_WINDOW_MAX_MS + 1);
        self.rest();
        self.cluster.check_nothing_waits();
        let settled = self.cluster.events().filter(|event| matches!(event, Event::MarketSettled { .. })).count();
        assert_eq!(settled, self.markets.len());
        let sums = self.cluster.shards().map(|shard| self.cluster.leader(shard).sums(|_| u64::MAX));
        let sums = sums.fold(Sums::default(), |all, one| all + one);
        assert_eq!(sums.available + sums.fees, sums.deposited);
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Place { account: usize, market: usize, entry: Entry, terms: Terms, times: usize },
    Transfer { from: usize, to: usize, micros: i64 },
    Withdraw { account: usize, micros: i64 },
    LimitAccount { account: usize, limits: AccountLimits },
    LimitMarket { market: usize, limits: MarketLimits },
    MassCancel { account: usize },
    Deliver,
    Wait,
}

fn price() -> impl Strategy<Value = Price> {
    // The lowest price, the highest, the one with the highest fee, and the levels beside them.
    let ticks = prop_oneof![Just(1), Just(9_999), Just(5_000), 1_u16..=20, 9_980_u16..=9_999];
    ticks.prop_map(|ticks| Price::new(ticks).unwrap())
}

fn terms() -> impl Strategy<Value = Terms> {
    let quantity = prop_oneof![8 => Just(QUANTITY_MAX), 1 => Just(QUANTITY_MAX - 1), 1 => Just(1)];
    let quantity = quantity.prop_map(|contracts| Quantity::new(contracts).unwrap());
    let (time_in_force, post_only) = (TimeInForce::Gtc, PostOnly::Off);
    prop_oneof![
        8 => (price(), quantity.clone())
            .prop_map(move |(price, quantity)| Terms::Limit { price, quantity, time_in_force, post_only }),
        1 => (price(), quantity).prop_map(|(worst_price, quantity)| Terms::Market { quantity, worst_price }),
        2 => Just(Terms::Budget { budget: Credits(AMOUNT_MAX) }),
    ]
}

fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![8 => Just(AMOUNT_MAX), 1 => Just(DEPOSIT_ALONE_MAX), 1 => Just(1)]
}

fn account_limits() -> impl Strategy<Value = AccountLimits> {
    let held = prop_oneof![Just(i64::MAX), Just(i64::MAX - 1), Just(0), Just(AMOUNT_MAX)].prop_map(Credits);
    let live_orders = prop_oneof![Just(u32::MAX), Just(u32::MAX - 1), Just(0), Just(1_000)];
    (live_orders, held).prop_map(|(live_orders, held)| AccountLimits { live_orders, held })
}

fn market_limits() -> impl Strategy<Value = MarketLimits> {
    let notional = prop_oneof![Just(i64::MAX), Just(i64::MAX - 1), Just(0)].prop_map(Credits);
    let position = prop_oneof![Just(u64::MAX), Just(u64::MAX - 1), Just(0), Just(u64::MAX >> 1)];
    let live_orders = prop_oneof![Just(u32::MAX), Just(u32::MAX - 1), Just(1_000)];
    (live_orders, notional, position).prop_map(|(live_orders, notional, position)| MarketLimits {
        live_orders,
        notional,
        position,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let (any, times) = (any::<usize>, prop_oneof![4 => Just(1_usize), 1 => Just(25)]);
    prop_oneof![
        // Sometimes enough levels for a budget to take many of them.
        12 => (any(), any(), prop::sample::select(Entry::ALL), terms(), times)
            .prop_map(|(account, market, entry, terms, times)| Step::Place { account, market, entry, terms, times }),
        2 => (any(), any(), amount()).prop_map(|(from, to, micros)| Step::Transfer { from, to, micros }),
        1 => (any(), amount()).prop_map(|(account, micros)| Step::Withdraw { account, micros }),
        1 => (any(), account_limits()).prop_map(|(account, limits)| Step::LimitAccount { account, limits }),
        1 => (any(), market_limits()).prop_map(|(market, limits)| Step::LimitMarket { market, limits }),
        1 => any().prop_map(|account| Step::MassCancel { account }),
        4 => Just(Step::Deliver),
        1 => Just(Step::Wait),
    ]
}

fn answer() -> impl Strategy<Value = ResolutionAnswer> {
    let value = prop_oneof![Just(0), Just(10_000), Just(1), Just(9_999), Just(3_333)];
    prop_oneof![
        4 => value.prop_map(|ticks| ResolutionAnswer::Value(YesValue::new(ticks).unwrap())),
        1 => Just(ResolutionAnswer::Void),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_overflows_at_the_limits(
        steps in prop::collection::vec(step(), 40..120), answers in prop::collection::vec(answer(), 6),
    ) {
        let mut extremes = Extremes::new();
        steps.iter().for_each(|step| extremes.step(step));
        extremes.end(&answers);
    }
}
