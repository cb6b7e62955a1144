//! A small exchange from its first account to its last payout, with nearly every kind of event and
//! few commands.

use std::sync::Arc;

use schemas::limits::{DEPOSIT_ALONE_MAX, DEPOSIT_PROPOSAL_MS, MARKET_KEPT_MS, PURSE_REST_MS, TIME_MAX};
use schemas::market::YesValue;
use schemas::shard_map::ShardMap;
use schemas::{
    About, AccountId, AccountLimits, AdminId, AdminRoles, ApiKey, ApiKeyId, BatchRequest, Build, ClientId, Command,
    Credits, Entry, FeeRate, GroupAct, GroupId, GroupLimits, Instructions, KeyProof, Listing, MarketAddition,
    MarketEdit, MarketEvent, MarketEventId, MarketId, MarketLimits, NewOrder, OrderId, OrderRef, PartId, PartInfo,
    PartKind, PostOnly, Price, ProposalId, Quantity, ResolutionAnswer, Scopes, SelfTrade, Shard, Sources, Tags, Terms,
    TimeInForce, Timestamp, Transition, WantedAdmin,
};

use super::run::Run;

const ADMIN: AdminId = AdminId(8);
const OTHER_ADMIN: AdminId = AdminId(9);

/// Accounts, two on each shard.
const ACCOUNTS: usize = 6;

/// Markets, two on each shard.
const MARKETS: usize = 6;

/// A client id that its account has not used.
type Named = Option<ClientId>;

pub struct Life {
    accounts: Vec<AccountId>,
    markets: Vec<MarketId>,
    random: u64,
    names: u128,
}

impl Life {
    pub fn new(map: ShardMap) -> Self {
        let accounts = each(map, (5_001..).map(AccountId), |account| map.of_account(*account));
        let markets = each(map, (0..).map(|number| listing(number).market), |market| map.of_market(*market));
        Self { accounts, markets, random: 17, names: 100 }
    }

    /// Opens accounts with credits, lists markets, and places orders between them.
    pub fn begin(&mut self, run: &mut Run) {
        let build = Build { major: 0, minor: 0, patch: 1 };
        let part = |id, reads| PartInfo { id: PartId(id), kind: PartKind::Gateway, reads, build };
        for shard in run.cluster.shards() {
            for (id, reads) in [(1, schemas::VOCABULARY), (2, schemas::VOCABULARY), (3, 0)] {
                run.at(shard, Command::Announce(part(id, reads)));
            }
            run.at(shard, Command::Leave { part: PartId(2) });
        }
        for account in self.accounts.clone() {
            let key = |id| ApiKey::with_secret(ApiKeyId(id), [7; 32], Scopes::READ_TRADE);
            run.ask(Command::OpenAccount { account, key: key(account.0) });
            let (by, id) = (Some(ApiKeyId(account.0)), account.0 + 1_000);
            run.ask(Command::AddApiKey { account, key: key(id), by });
            let expires = Some(TIME_MAX);
            let (old, new) = (ApiKeyId(id), Box::new(ApiKey { expires, ..key(id + 1_000) }));
            run.ask(Command::RotateApiKey { account, old, key: new, grace_ms: 1, by });
            run.ask(Command::AddApiKey { account, key: key(id + 2_000), by: None });
            run.ask(Command::RevokeApiKey { account, key: ApiKeyId(id + 2_000), by });
            let client_id = self.name();
            for _ in 0..2 {
                run.ask(Command::Deposit { account, amount: Credits::whole(300), client_id, by: ADMIN });
            }
        }
        for account in [self.accounts[0], self.accounts[2]] {
            let (group, limits) = (GroupId::new(1).unwrap(), GroupLimits::new(25, 60).unwrap());
            run.ask(Command::ActOnGroup { account, group, act: GroupAct::Make(limits) });
        }
        self.admins(run);
        self.proposals(run);
        let (id, name, title) = (event(), EVENT.parse().unwrap(), "Which is read last?".parse().unwrap());
        let event = Box::new(MarketEvent { id, name, title, exclusive: true });
        run.ask(Command::CreateMarketEvent { event, by: ADMIN });
        for number in (0..100).filter(|number| self.markets.contains(&listing(*number).market)) {
            let (listing, by) = (listing(number), ADMIN);
            let market = listing.market;
            run.ask(Command::CreateMarket { listing, by });
            let edit = Box::new(MarketEdit { opens: Some(None), ..MarketEdit::default() });
            run.ask(Command::EditMarket { market, edit, by });
            run.ask(Command::ChangeMarket { market, by, transition: Transition::Open });
            let clarification = Some("Ten years are ten years.".parse().unwrap());
            let addition = Box::new(MarketAddition { clarification, ..MarketAddition::default() });
            run.ask(Command::AddToMarket { market, addition, by });
        }
        self.meets_itself(run);
        self.trade(run, 90);
    }

    /// Runs all acts of accounts and on orders, then ends each market.
    pub fn go_on(&mut self, run: &mut Run) {
        self.trade(run, 45);
        self.movements(run);
        self.groups(run);
        self.limits(run);
        self.cancels(run);
        for (index, market) in self.markets.clone().into_iter().enumerate() {
            settle(run, market, index);
        }
        run.settle_messages();
        run.wait(DEPOSIT_PROPOSAL_MS + PURSE_REST_MS);
        // Paid-out markets are archived.
        run.wait(MARKET_KEPT_MS);
        run.settle_messages();
    }

    /// Proposes a deposit that is confirmed, one that is dropped, and one that expires.
    fn proposals(&mut self, run: &mut Run) {
        let (account, amount) = (self.accounts[0], Credits(DEPOSIT_ALONE_MAX + 1));
        let shard = run.cluster.map.of_account(account);
        for _ in 0..3 {
            let client_id = self.name();
            run.ask(Command::Deposit { account, amount, client_id, by: ADMIN });
        }
        let proposal = |number| ProposalId::compose(shard, number);
        run.ask(Command::ConfirmDeposit { proposal: proposal(1), account, amount, by: ADMIN });
        run.ask(Command::ConfirmDeposit { proposal: proposal(1), account, amount, by: OTHER_ADMIN });
        run.ask(Command::DropDeposit { proposal: proposal(2), by: ADMIN });
    }

    fn trade(&mut self, run: &mut Run, commands: usize) {
        for _ in 0..commands {
            run.wait(self.below(40));
            match self.below(20) {
                0..=12 => {
                    let market = self.market();
                    let order = self.order(market);
                    run.ask(Command::PlaceOrder(order));
                }
                13 | 14 => self.own(run, |account, order| Command::CancelOrder { account, order: OrderRef::Id(order) }),
                15 | 16 => {
                    let (price, quantity) = (Some(self.price()), Some(self.quantity()));
                    let price = price.filter(|_| self.below(2) == 0);
                    self.own(run, |account, order| Command::AmendOrder {
                        account,
                        order: OrderRef::Id(order),
                        price,
                        quantity,
                    });
                }
                17 => self.batch(run),
                _ => {
                    let from = self.pick(3);
                    run.deliver(Shard::new(u16::try_from(from).unwrap()).unwrap());
                }
            }
        }
    }

    /// A request about an order that was placed recently.
    fn own(&mut self, run: &mut Run, what: impl FnOnce(AccountId, OrderId) -> Command) {
        let back = self.pick(8);
        if let Some((account, order)) = run.placed.iter().rev().nth(back).copied() {
            run.ask(what(account, order));
        }
    }

    fn batch(&mut self, run: &mut Run) {
        let (market, all_or_nothing) = (self.market(), self.below(2) == 0);
        let first = self.order(market);
        let second = NewOrder { account: first.account, ..self.order(market) };
        let mut requests = vec![BatchRequest::Place(first), BatchRequest::Place(second)];
        if let Some(client_id) = first.client_id {
            let order = OrderRef::ClientId { market, client_id };
            requests.push(BatchRequest::Amend { order, price: Some(self.price()), quantity: None });
            requests.push(BatchRequest::Cancel(order));
        }
        run.ask(Command::Batch { account: first.account, all_or_nothing, requests });
    }

    /// An account's orders reduce each other by the same quantity.
    fn meets_itself(&mut self, run: &mut Run) {
        let market = self.markets[1];
        let order = NewOrder { account: self.accounts[0], ..self.order(market) };
        for (contracts, entry, ticks) in [(9, Entry::BuyYes, 5_300), (4, Entry::BuyNo, 4_700)] {
            let terms = limit(Price::new(ticks).unwrap(), Quantity::new(contracts).unwrap());
            let instructions = Instructions { self_trade: SelfTrade::Decrement, ..order.instructions };
            let client_id = self.name();
            run.ask(Command::PlaceOrder(NewOrder { entry, terms, instructions, client_id, ..order }));
            run.settle_messages();
        }
    }

    fn movements(&mut self, run: &mut Run) {
        let (from, amount) = (self.accounts[1], Credits::whole(7));
        for to in [self.accounts[2], self.accounts[3], self.accounts[4], AccountId(4_999)] {
            for client_id in [None, self.name()] {
                run.ask(Command::Transfer { from, to, amount, client_id });
            }
        }
        run.settle_messages();
        for amount in [Credits::whole(5), Credits::whole(100_000_000)] {
            let client_id = self.name();
            run.ask(Command::Withdraw { account: from, amount, client_id, by: ADMIN });
        }
        run.settle_messages();
    }

    fn admins(&mut self, run: &mut Run) {
        let admin = |id, roles, expires| {
            let (proof, name) = (KeyProof::Secret([id; 32]), "night shift".parse().ok());
            Box::new(WantedAdmin { id: AdminId(id.into()), proof: Some(proof), roles, expires, name })
        };
        let lasts = Some(TIME_MAX);
        for (id, roles, expires) in
            [(8, AdminRoles::ALL, None), (2, AdminRoles::MONEY, lasts), (3, AdminRoles::AUDITOR, None)]
        {
            run.ask(Command::SetAdmin { admin: admin(id, roles, expires), by: ADMIN });
        }
        run.ask(Command::RevokeAdmin { admin: AdminId(3), by: ADMIN });
        run.ask(Command::RevokeAdmin { admin: ADMIN, by: ADMIN });
    }

    /// A group that fills, is reset, changed, triggered and deleted.
    fn groups(&mut self, run: &mut Run) {
        let (account, group) = (self.accounts[0], GroupId::new(1).unwrap());
        let limits = GroupLimits::new(5, 30).unwrap();
        for act in [GroupAct::Reset, GroupAct::Change(limits), GroupAct::Trigger, GroupAct::Reset, GroupAct::Delete] {
            run.ask(Command::ActOnGroup { account, group, act });
            self.trade(run, 12);
            run.settle_messages();
        }
        run.ask(Command::ActOnGroup { account, group, act: GroupAct::Make(limits) });
        run.settle_messages();
    }

    fn limits(&mut self, run: &mut Run) {
        let (account, by) = (self.accounts[2], ADMIN);
        let limits = AccountLimits { live_orders: 3, held: Credits::whole(20) };
        run.ask(Command::LimitAccount { account, limits, by });
        run.settle_messages();
        let market = self.markets[0];
        let limits = MarketLimits { live_orders: 9, notional: Credits::whole(90), position: 500 };
        run.ask(Command::LimitMarket { market, limits, by });
        self.trade(run, 20);
        run.ask(Command::FreezeAccount { account, by });
        run.settle_messages();
        self.trade(run, 15);
        run.ask(Command::UnfreezeAccount { account, by });
        run.ask(Command::LimitAccount { account, limits: AccountLimits::NONE, by });
        run.settle_messages();
    }

    fn cancels(&mut self, run: &mut Run) {
        // Cancels each kind of parked request while it waits for credits, in a market without
        // limits.
        let market = self.markets[1];
        for account in self.accounts.clone() {
            let (client_id, quantity) = (self.name(), Quantity::new(400).unwrap());
            let order = NewOrder { account, client_id, ..self.order(market) };
            let terms = limit(Price::new(9_000).unwrap(), quantity);
            let instructions = Instructions { group: None, reduce_only: false, ..order.instructions };
            run.ask(Command::PlaceOrder(NewOrder { entry: Entry::BuyYes, terms, instructions, ..order }));
            let order = OrderRef::ClientId { market, client_id: client_id.unwrap() };
            run.ask(Command::CancelOrder { account, order });
        }
        run.settle_messages();
        run.ask(Command::MassCancel { account: self.accounts[0], market: Some(market) });
        run.ask(Command::MassCancel { account: self.accounts[1], market: None });
        run.ask(Command::SetDeadManSwitch { account: self.accounts[3], timeout_s: Some(2) });
        run.ask(Command::SetDeadManSwitch { account: self.accounts[4], timeout_s: Some(60) });
        run.wait(3_000);
        run.settle_messages();
    }

    fn order(&mut self, market: MarketId) -> NewOrder {
        let at = self.pick(ACCOUNTS);
        let (account, quantity) = (self.accounts[at], self.quantity());
        let terms = match self.below(12) {
            0 => Terms::Market { quantity, worst_price: Price::new(9_000).unwrap() },
            1 => Terms::Budget { budget: Credits::whole(4) },
            kind => {
                let time_in_force = match kind {
                    2 => TimeInForce::Ioc,
                    3 => TimeInForce::Fok,
                    4 => TimeInForce::Gtd { expires: Timestamp(60_000) },
                    _ => TimeInForce::Gtc,
                };
                let post_only = if kind == 5 { PostOnly::Reprice } else { PostOnly::Off };
                Terms::Limit { price: self.price(), quantity, time_in_force, post_only }
            }
        };
        let buys = [Entry::BuyYes, Entry::BuyNo];
        let entry = if self.below(3) > 0 { buys[self.pick(2)] } else { Entry::ALL[self.pick(4)] };
        let instructions = Instructions {
            self_trade: SelfTrade::ALL[self.pick(5)],
            deadline: None,
            cancel_on_pause: self.below(3) == 0,
            reduce_only: self.below(4) == 0,
            group: GroupId::new(1).filter(|_| self.below(4) == 0),
        };
        let client_id = self.name().filter(|_| self.below(3) > 0);
        NewOrder { account, market, entry, terms, fee_rate: FeeRate::new(70_000).unwrap(), client_id, instructions }
    }

    fn market(&mut self) -> MarketId {
        let at = self.pick(MARKETS);
        self.markets[at]
    }

    fn price(&mut self) -> Price {
        Price::new([4_800, 4_900, 5_000, 5_100, 5_200][self.pick(5)]).unwrap()
    }

    fn quantity(&mut self) -> Quantity {
        Quantity::new(1 + u32::try_from(self.below(30)).unwrap()).unwrap()
    }

    fn name(&mut self) -> Named {
        self.names += 1;
        Some(ClientId(self.names))
    }

    fn pick(&mut self, count: usize) -> usize {
        usize::try_from(self.below(count as u64)).unwrap()
    }

    /// Knuth's MMIX generator: the same run on every machine.
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }
}

fn limit(price: Price, quantity: Quantity) -> Terms {
    Terms::Limit { price, quantity, time_in_force: TimeInForce::Gtc, post_only: PostOnly::Off }
}

/// Gives every kind of answer, with and without a pause.
fn settle(run: &mut Run, market: MarketId, index: usize) {
    let quarter = ResolutionAnswer::Value(YesValue::new(2_500).unwrap());
    let answer = [ResolutionAnswer::Value(YesValue::YES), ResolutionAnswer::Void, quarter][index % 3];
    let mut change = |by, transition| run.ask(Command::ChangeMarket { market, by, transition });
    change(ADMIN, Transition::Pause { cancel_only: index.is_multiple_of(2) });
    if index > 2 {
        change(ADMIN, Transition::Resume);
    }
    change(ADMIN, Transition::Close);
    change(ADMIN, Transition::Resolve { answer });
    // The event's home shard answers; of two markets that claim YES it lets one have it.
    run.settle_messages();
    let mut change = |by, transition| run.ask(Command::ChangeMarket { market, by, transition });
    change(OTHER_ADMIN, Transition::Confirm { answer });
    if index == 0 {
        change(ADMIN, Transition::Resolve { answer: ResolutionAnswer::Void });
        change(OTHER_ADMIN, Transition::Confirm { answer: ResolutionAnswer::Void });
    }
    run.wait(4_000);
    run.settle_messages();
}

/// The first two on each shard.
fn each<T>(map: ShardMap, all: impl Iterator<Item = T>, home: impl Fn(&T) -> Shard) -> Vec<T> {
    let mut wanted = vec![2; usize::from(map.shards())];
    let mut left = 2 * wanted.len();
    let mut found = Vec::new();
    for one in all {
        if left == 0 {
            break;
        }
        let wanted = &mut wanted[home(&one).index()];
        if *wanted > 0 {
            (*wanted, left) = (*wanted - 1, left - 1);
            found.push(one);
        }
    }
    found
}

const EVENT: &str = "read-last";

fn event() -> MarketEventId {
    MarketEventId::of(&EVENT.parse().unwrap())
}

fn listing(number: u32) -> Listing {
    let ticker: schemas::text::Ticker = format!("GOLD-{number}").parse().unwrap();
    Listing {
        market: MarketId::of(&ticker),
        ticker,
        about: Arc::new(About {
            sources: Sources::new(vec!["https://releases.example".parse().unwrap()]).unwrap(),
            tags: Tags::new(vec!["gold".parse().unwrap(), "ten-years".parse().unwrap()]).unwrap(),
            event: Some(event()),
            ..About::plain("Will it be read in ten years?", "YES if it is.\nElse NO.", "tests").unwrap()
        }),
        opens: Some(Timestamp(3_000_000)),
        expiry: Timestamp(4_000_000),
        tick: 100,
        maker_fee: FeeRate::new(10_000).unwrap(),
        taker_fee: FeeRate::new(70_000).unwrap(),
        dispute_window_ms: 3_000,
        limits: MarketLimits::NONE,
    }
}
