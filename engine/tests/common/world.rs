//! Accounts and markets on every shard, and all kinds of requests to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use schemas::market::{Transition, YesValue};
use schemas::shard_map::ShardMap;
use schemas::{
    ADMINS_HOME, About, AccountId, AccountLimits, AdminId, ApiKey, ApiKeyId, BatchRequest, ClientId, Command, Credits,
    Entry, FeeRate, GroupAct, GroupId, GroupLimits, Instructions, Listing, MarketId, MarketLimits, NewOrder, OrderId,
    OrderRef, PostOnly, Price, Quantity, ResolutionAnswer, Scopes, SelfTrade, Shard, Terms, TimeInForce, Timestamp,
};

use super::Random;

/// The accounts and markets of a test.
#[derive(Clone)]
pub struct World {
    pub accounts: Vec<AccountId>,
    pub markets: Vec<MarketId>,
    listings: Vec<Listing>,
    map: ShardMap,
    /// When one market expires, and some orders around that time.
    expiry: Timestamp,
    /// The number of client ids given to orders so far. The whole order follows from its client id.
    names: Arc<AtomicU64>,
}

const FEE: u32 = 10_000;

/// The first deposit of each account: worth a few orders, so that purses ask for more all the time,
/// and recall it.
const DEPOSIT: Credits = Credits::whole(25);

/// Two admins, since a second one must confirm an answer.
const ADMINS: [AdminId; 2] = [AdminId(1), AdminId(2)];

/// The number of recent orders among which cancels, amendments and repeats choose.
const RECENT: u64 = 200;

/// The number of client ids of deposits, withdrawals and transfers.
const MOVEMENTS: u64 = 400;

impl World {
    /// Four accounts and two markets on every shard, and one market that expires at `expiry`.
    pub fn new(map: ShardMap, expiry: Timestamp) -> Self {
        let all = |per_shard: usize| {
            move |shards: &mut Vec<usize>, shard: Shard| {
                shards[shard.index()] += 1;
                shards[shard.index()] <= per_shard
            }
        };
        let (mut seen, few) = (vec![0; usize::from(map.shards())], all(4));
        let ids = (1..10_000).map(AccountId);
        let accounts = ids.filter(|&id| few(&mut seen, map.of_account(id))).collect();
        let (mut seen, few) = (vec![0; usize::from(map.shards())], all(2));
        let never = Timestamp(u64::from(u32::MAX) * 1_000);
        let mut listings: Vec<Listing> = (0..1_000)
            .map(|n| listing(&format!("MARKET-{n}"), never))
            .filter(|listing| few(&mut seen, map.of_market(listing.market)))
            .collect();
        listings.push(listing("EXPIRING", expiry));
        let markets = listings.iter().map(|listing| listing.market).collect();
        Self { accounts, markets, listings, map, expiry, names: Arc::default() }
    }

    /// Returns the commands that must come first. The last one opens the market that expires.
    pub fn opening(&self) -> Vec<Command> {
        let mut commands = Vec::new();
        for &account in &self.accounts {
            let key = ApiKey::with_secret(ApiKeyId(account.0), [7; 32], Scopes::READ_TRADE);
            commands.push(Command::OpenAccount { account, key });
            commands.push(Command::Deposit { account, amount: DEPOSIT, client_id: None, by: AdminId(1) });
            let limits = GroupLimits::new(40, 2).expect("within their ranges");
            commands.push(Command::ActOnGroup { account, group: group(), act: GroupAct::Make(limits) });
        }
        for listing in &self.listings {
            let (market, by, transition) = (listing.market, ADMINS[0], Transition::Open);
            commands.push(Command::CreateMarket { listing: listing.clone(), by: AdminId(1) });
            commands.push(Command::ChangeMarket { market, by, transition });
        }
        commands
    }

    /// Returns any request that somebody may make.
    pub fn any(&self, random: &mut Random) -> Command {
        let account = *random.pick(&self.accounts);
        match random.below(1_000) {
            0..130 => self.movement(random),
            130..210 => {
                let (account, order) = self.some_order(random);
                Command::CancelOrder { account, order }
            }
            210..300 => {
                let (account, order) = self.some_order(random);
                let (price, quantity) = change(random);
                Command::AmendOrder { account, order, price, quantity }
            }
            300..340 => self.batch(random),
            340..345 => {
                let market = (random.below(2) == 0).then(|| *random.pick(&self.markets));
                Command::MassCancel { account, market }
            }
            345..348 => {
                let timeout_s = (random.below(3) > 0).then(|| 1 + small(random, 3));
                Command::SetDeadManSwitch { account, timeout_s }
            }
            348..380 => self.by_an_admin(account, random),
            380..385 => Command::ActOnGroup { account, group: group(), act: GroupAct::Reset },
            385..395 => Command::PlaceOrder(self.order_called(self.recent(random))),
            _ => Command::PlaceOrder(self.order_called(self.names.fetch_add(1, Ordering::Relaxed))),
        }
    }

    /// Credits in, out, or to another account. Half of the time with a client id, which is
    /// sometimes repeated.
    fn movement(&self, random: &mut Random) -> Command {
        let name = random.below(MOVEMENTS);
        let client_id = (random.below(2) == 0).then_some(ClientId(name.into()));
        let mut random = if client_id.is_some() { Random(name) } else { Random(random.next()) };
        let account = *random.pick(&self.accounts);
        let amount = amount(&mut random);
        match random.below(12) {
            0..6 => Command::Deposit { account, amount, client_id, by: AdminId(1) },
            // More than the home shard has, most of the time.
            6 | 7 => Command::Withdraw { account, amount: Credits::whole(5) + amount, client_id, by: AdminId(1) },
            8 | 9 => Command::Withdraw { account, amount, client_id, by: AdminId(1) },
            _ => Command::Transfer { from: account, to: *random.pick(&self.accounts), amount, client_id },
        }
    }

    /// One market is paused and soon resumed; the one that expires is answered.
    fn by_an_admin(&self, account: AccountId, random: &mut Random) -> Command {
        let by = *random.pick(&ADMINS);
        let market = *random.pick(&self.markets);
        let [expiring, paused] = [self.markets.len() - 1, 0].map(|index| self.markets[index]);
        let answer = *random.pick(&[ResolutionAnswer::Value(YesValue::YES), ResolutionAnswer::Void]);
        let change = |market, transition| Command::ChangeMarket { market, by, transition };
        match random.below(20) {
            0 => Command::FreezeAccount { account, by },
            1..11 => Command::UnfreezeAccount { account, by },
            11 => {
                let held = Credits::whole(5) + amount(random);
                let limits = AccountLimits { live_orders: 10 + small(random, 30), held };
                Command::LimitAccount { account, limits, by: AdminId(1) }
            }
            12 => Command::LimitAccount { account, limits: AccountLimits::NONE, by: AdminId(1) },
            13 => {
                let (notional, position) = (Credits::whole(100), 200 + random.below(100));
                let limits = MarketLimits { live_orders: 20 + small(random, 40), notional, position };
                Command::LimitMarket { market, limits, by: AdminId(1) }
            }
            14 => Command::LimitMarket { market, limits: MarketLimits::NONE, by: AdminId(1) },
            15 => change(paused, Transition::Pause { cancel_only: random.below(2) == 0 }),
            16 | 17 => change(paused, Transition::Resume),
            18 => change(expiring, Transition::Resolve { answer }),
            _ => change(expiring, Transition::Confirm { answer }),
        }
    }

    /// Requests in markets of one shard; sometimes one in a market of another, which is refused.
    fn batch(&self, random: &mut Random) -> Command {
        let (account, order) = self.some_order(random);
        let here = order.shard(self.map);
        let here: Vec<_> = self.markets.iter().copied().filter(|market| self.map.of_market(*market) == here).collect();
        let request = |n: u64, random: &mut Random| match (n, random.below(8)) {
            (0, 0 | 1) => BatchRequest::Cancel(order),
            (0, 2 | 3) => {
                let (price, quantity) = change(random);
                BatchRequest::Amend { order, price, quantity }
            }
            (1.., 0) => BatchRequest::Place(self.order(account, *random.pick(&self.markets), random)),
            _ => BatchRequest::Place(self.order(account, *random.pick(&here), random)),
        };
        let requests = (0..1 + random.below(4)).map(|n| request(n, random)).collect();
        Command::Batch { account, all_or_nothing: random.below(2) == 0, requests }
    }

    /// Returns the client id of a recent order.
    fn recent(&self, random: &mut Random) -> u64 {
        self.names.load(Ordering::Relaxed).saturating_sub(random.below(RECENT) + 1)
    }

    /// Returns a recent order that may be live or parked, by client id or id, and its account.
    fn some_order(&self, random: &mut Random) -> (AccountId, OrderRef) {
        if random.below(4) > 0 {
            let NewOrder { account, market, client_id, .. } = self.order_called(self.recent(random));
            return (account, OrderRef::ClientId { market, client_id: client_id.expect("it has a client id") });
        }
        let shard = self.map.of_market(*random.pick(&self.markets));
        (*random.pick(&self.accounts), OrderRef::Id(OrderId::compose(shard, 1 + random.below(500))))
    }

    /// Returns the order with this client id: always the same.
    fn order_called(&self, name: u64) -> NewOrder {
        let mut random = Random(name);
        let (account, market) = (*random.pick(&self.accounts), *random.pick(&self.markets));
        NewOrder { client_id: Some(ClientId(name.into())), ..self.order(account, market, &mut random) }
    }

    fn order(&self, account: AccountId, market: MarketId, random: &mut Random) -> NewOrder {
        // A sell has contracts to sell only sometimes.
        let buy = random.below(4) > 0;
        let entry = *random.pick(if buy { &[Entry::BuyYes, Entry::BuyNo] } else { &[Entry::SellYes, Entry::SellNo] });
        NewOrder {
            account,
            market,
            entry,
            terms: self.terms(entry, random),
            fee_rate: FeeRate::new(FEE).unwrap(),
            client_id: None,
            instructions: Instructions {
                self_trade: *random.pick(SelfTrade::ALL),
                deadline: (random.below(20) == 0).then_some(self.expiry),
                cancel_on_pause: random.below(4) == 0,
                reduce_only: random.below(4) == 0,
                group: (random.below(6) == 0).then(group),
            },
        }
    }

    fn terms(&self, entry: Entry, random: &mut Random) -> Terms {
        let price = some_price(random);
        let quantity = Quantity::new(1 + small(random, 5)).unwrap();
        // Before, at and after the expiry of the market that expires.
        let expires = Timestamp((self.expiry.0 + random.below(10_000)).saturating_sub(2_000));
        let time_in_force = match random.below(12) {
            0 => TimeInForce::Ioc,
            1 => TimeInForce::Fok,
            2 => TimeInForce::Gtd { expires },
            _ => TimeInForce::Gtc,
        };
        let rests = time_in_force.rests() && random.below(4) == 0;
        let post_only = if rests { *random.pick(&[PostOnly::Reject, PostOnly::Reprice]) } else { PostOnly::Off };
        match random.below(20) {
            0 => Terms::Market { quantity, worst_price: price },
            1 if entry.side() == schemas::Side::Buy => Terms::Budget { budget: amount(random) },
            _ => Terms::Limit { price, quantity, time_in_force, post_only },
        }
    }
}

/// Less than five credits.
fn amount(random: &mut Random) -> Credits {
    Credits(1 + random.below(5_000_000).cast_signed())
}

fn small(random: &mut Random, below: u32) -> u32 {
    u32::try_from(random.below(below.into())).unwrap()
}

fn some_price(random: &mut Random) -> Price {
    Price::new(u16::try_from(4_000 + random.below(2_000)).unwrap()).unwrap()
}

fn change(random: &mut Random) -> (Option<Price>, Option<Quantity>) {
    let price = (random.below(2) == 0).then(|| some_price(random));
    (price, (random.below(2) == 0).then(|| Quantity::new(1 + small(random, 8)).unwrap()))
}

fn listing(ticker: &str, expiry: Timestamp) -> Listing {
    let ticker: schemas::text::Ticker = ticker.parse().unwrap();
    let fee = FeeRate::new(FEE).unwrap();
    Listing {
        market: MarketId::of(&ticker),
        about: About::plain("Will it happen?", "YES if it does.", "tests").unwrap().into(),
        opens: None,
        ticker,
        expiry,
        tick: 1,
        maker_fee: fee,
        taker_fee: fee,
        dispute_window_ms: 500,
        limits: MarketLimits::NONE,
    }
}

/// The group that some orders of each account belong to.
fn group() -> GroupId {
    GroupId::new(1).expect("it is not 0")
}

/// The shard that decides a command.
pub fn home_of(map: ShardMap, command: &Command) -> Shard {
    match command {
        Command::OpenAccount { account, .. }
        | Command::AddApiKey { account, .. }
        | Command::RevokeApiKey { account, .. }
        | Command::RotateApiKey { account, .. }
        | Command::Deposit { account, .. }
        | Command::Withdraw { account, .. }
        | Command::Transfer { from: account, .. }
        | Command::MassCancel { account, market: None }
        | Command::SetDeadManSwitch { account, .. }
        | Command::ActOnGroup { account, .. }
        | Command::FreezeAccount { account, .. }
        | Command::UnfreezeAccount { account, .. }
        | Command::LimitAccount { account, .. } => map.of_account(*account),
        Command::ConfirmDeposit { proposal, .. } | Command::DropDeposit { proposal, .. } => proposal.shard(),
        Command::SetAdmin { .. } | Command::RevokeAdmin { .. } => ADMINS_HOME,
        Command::CreateMarketEvent { event, .. } => map.of_market_event(event.id),
        Command::CreateMarket { listing: Listing { market, .. }, .. }
        | Command::ChangeMarket { market, .. }
        | Command::LimitMarket { market, .. }
        | Command::EditMarket { market, .. }
        | Command::AddToMarket { market, .. }
        | Command::MassCancel { market: Some(market), .. }
        | Command::PlaceOrder(NewOrder { market, .. }) => map.of_market(*market),
        Command::CancelOrder { order, .. } | Command::AmendOrder { order, .. } => order.shard(map),
        Command::Batch { requests, .. } => match requests.first().expect("a batch has requests") {
            BatchRequest::Place(order) => map.of_market(order.market),
            BatchRequest::Cancel(order) | BatchRequest::Amend { order, .. } => order.shard(map),
        },
        Command::Receive { .. } | Command::Acknowledge { .. } | Command::AdvanceTime => {
            unreachable!("engines write these")
        }
        Command::Announce(_) | Command::Leave { .. } | Command::RaiseVocabulary { .. } => {
            unreachable!("no client writes these")
        }
    }
}
