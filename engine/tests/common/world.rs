//! Accounts and markets on every shard, and everything that somebody may ask of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use schemas::market::{Transition, YesValue};
use schemas::shard_map::ShardMap;
use schemas::{
    AccountId, AccountLimits, AdminId, Answer, ApiKey, ApiKeyId, ClientId, Command, Credits, Entry, FeeRate,
    Instructions, Listing, MarketId, MarketLimits, NewOrder, OrderId, OrderRef, PostOnly, Price, Quantity, Request,
    Scopes, SelfTrade, Shard, Terms, TimeInForce, Timestamp,
};

use super::Random;

/// Who trades what.
#[derive(Clone)]
pub struct World {
    pub accounts: Vec<AccountId>,
    pub markets: Vec<MarketId>,
    listings: Vec<Listing>,
    map: ShardMap,
    /// When one market, and orders about then, expire.
    expiry: Timestamp,
    /// Clients' names given to orders so far. Whose order has a name follows from the name.
    names: Arc<AtomicU64>,
}

const FEE: u32 = 10_000;

/// Whoever asks for an answer to be taken needs another one to confirm it.
const ADMINS: [AdminId; 2] = [AdminId(1), AdminId(2)];

/// Orders are cancelled and amended by one of so many last names.
const RECENT: u64 = 200;

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

    /// What must come first. Opening the market that expires is the last of it.
    pub fn opening(&self) -> Vec<Command> {
        let mut commands = Vec::new();
        for &account in &self.accounts {
            let key = ApiKey { id: ApiKeyId(account.0), hash: [7; 32], scopes: Scopes::READ_TRADE };
            commands.push(Command::OpenAccount { account, key });
            commands.push(Command::Deposit { account, amount: Credits::whole(10_000), client_id: None });
        }
        for listing in &self.listings {
            let (market, by, transition) = (listing.market, ADMINS[0], Transition::Open);
            commands.push(Command::CreateMarket(listing.clone()));
            commands.push(Command::ChangeMarket { market, by, transition });
        }
        commands
    }

    /// Anything that somebody may ask.
    pub fn any(&self, random: &mut Random) -> Command {
        let account = *random.pick(&self.accounts);
        match random.below(1_000) {
            0..40 => Command::Deposit { account, amount: amount(random), client_id: None },
            40..60 => Command::Withdraw { account, amount: amount(random), client_id: None },
            60..90 => {
                let to = *random.pick(&self.accounts);
                Command::Transfer { from: account, to, amount: amount(random), client_id: None }
            }
            90..170 => {
                let (account, order) = self.some_order(random);
                Command::CancelOrder { account, order }
            }
            170..260 => {
                let (account, order) = self.some_order(random);
                let (price, quantity) = change(random);
                Command::AmendOrder { account, order, price, quantity }
            }
            260..300 => self.batch(random),
            300..308 => {
                let market = (random.below(2) == 0).then(|| *random.pick(&self.markets));
                Command::MassCancel { account, market }
            }
            308..314 => {
                let timeout_s = (random.below(3) > 0).then(|| 1 + small(random, 3));
                Command::SetDeadManSwitch { account, timeout_s }
            }
            314..340 => self.by_an_admin(account, random),
            _ => Command::PlaceOrder(self.order(random)),
        }
    }

    /// One market is paused and goes on soon; the one that expires is answered.
    fn by_an_admin(&self, account: AccountId, random: &mut Random) -> Command {
        let by = *random.pick(&ADMINS);
        let market = *random.pick(&self.markets);
        let [expiring, paused] = [self.markets.len() - 1, 0].map(|index| self.markets[index]);
        let answer = *random.pick(&[Answer::Value(YesValue::YES), Answer::Void]);
        let change = |market, transition| Command::ChangeMarket { market, by, transition };
        match random.below(13) {
            0 => Command::FreezeAccount { account, by },
            1..4 => Command::UnfreezeAccount { account, by },
            4 => {
                let limits = AccountLimits { live_orders: 40 + small(random, 40), held: Credits::whole(500) };
                Command::LimitAccount { account, limits }
            }
            5 => Command::LimitAccount { account, limits: AccountLimits::NONE },
            6 => {
                let (notional, position) = (Credits::whole(100), 200 + random.below(100));
                let limits = MarketLimits { live_orders: 20 + small(random, 40), notional, position };
                Command::LimitMarket { market, limits }
            }
            7 => Command::LimitMarket { market, limits: MarketLimits::NONE },
            8 => change(paused, Transition::Pause { cancel_only: random.below(2) == 0 }),
            9 | 10 => change(paused, Transition::Resume),
            11 => change(expiring, Transition::Resolve { answer }),
            _ => change(expiring, Transition::Confirm { answer }),
        }
    }

    fn batch(&self, random: &mut Random) -> Command {
        let (account, order) = self.some_order(random);
        let market = *random.pick(&self.markets);
        let request = |n: u64, random: &mut Random| match (n, random.below(4)) {
            (0, 0) => Request::Cancel(order),
            (0, 1) => {
                let (price, quantity) = change(random);
                Request::Amend { order, price, quantity }
            }
            // Markets of one batch are often not on one shard, as is asked for now and then in vain.
            (_, 2) => Request::Place(NewOrder { account, client_id: None, ..self.order(random) }),
            _ => Request::Place(NewOrder { account, market, client_id: None, ..self.order(random) }),
        };
        let requests = (0..1 + random.below(4)).map(|n| request(n, random)).collect();
        Command::Batch { account, all_or_nothing: random.below(2) == 0, requests }
    }

    /// An order that was asked for not long ago and may live, by a name or by an id, and whose it is.
    fn some_order(&self, random: &mut Random) -> (AccountId, OrderRef) {
        if random.below(4) > 0 {
            let next = self.names.load(Ordering::Relaxed);
            let name = next.saturating_sub(random.below(RECENT) + 1);
            return (self.named(name), OrderRef::ClientId(ClientId(name.into())));
        }
        let account = *random.pick(&self.accounts);
        let market_home = self.map.of_market(*random.pick(&self.markets));
        let id = OrderId::compose(market_home, self.map.of_account(account), 1 + random.below(500));
        (account, OrderRef::Id(id))
    }

    fn named(&self, name: u64) -> AccountId {
        *Random(name).pick(&self.accounts)
    }

    fn order(&self, random: &mut Random) -> NewOrder {
        let entry =
            *random.pick(&[Entry::BuyYes, Entry::BuyNo, Entry::BuyYes, Entry::BuyNo, Entry::SellYes, Entry::SellNo]);
        let name = self.names.fetch_add(1, Ordering::Relaxed);
        NewOrder {
            account: self.named(name),
            market: *random.pick(&self.markets),
            entry,
            terms: self.terms(entry, random),
            fee_rate: FeeRate::new(FEE).unwrap(),
            client_id: Some(ClientId(name.into())),
            instructions: Instructions {
                self_trade: *random.pick(SelfTrade::ALL),
                deadline: (random.below(20) == 0).then_some(self.expiry),
                cancel_on_pause: random.below(4) == 0,
            },
        }
    }

    fn terms(&self, entry: Entry, random: &mut Random) -> Terms {
        let price = some_price(random);
        let quantity = Quantity::new(1 + small(random, 5)).unwrap();
        // Before, at and after the expiry of the market that expires.
        let expires = Timestamp((self.expiry.0 + random.below(10_000)).saturating_sub(2_000));
        let time_in_force = match random.below(8) {
            0 => TimeInForce::Ioc,
            1 => TimeInForce::Fok,
            2 | 3 => TimeInForce::Gtd { expires },
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
        question: "Will it happen?".parse().unwrap(),
        ticker,
        expiry,
        tick: 1,
        maker_fee: fee,
        taker_fee: fee,
        dispute_window_ms: 500,
        limits: MarketLimits::NONE,
    }
}

/// The shard where a command enters.
pub fn entry_shard(map: ShardMap, command: &Command) -> Shard {
    match command {
        Command::OpenAccount { account, .. }
        | Command::AddApiKey { account, .. }
        | Command::RevokeApiKey { account, .. }
        | Command::Deposit { account, .. }
        | Command::Withdraw { account, .. }
        | Command::Transfer { from: account, .. }
        | Command::PlaceOrder(NewOrder { account, .. })
        | Command::CancelOrder { account, order: OrderRef::ClientId(_) }
        | Command::AmendOrder { account, .. }
        | Command::MassCancel { account, .. }
        | Command::SetDeadManSwitch { account, .. }
        | Command::Batch { account, .. }
        | Command::FreezeAccount { account, .. }
        | Command::UnfreezeAccount { account, .. }
        | Command::LimitAccount { account, .. } => map.of_account(*account),
        Command::CreateMarket(Listing { market, .. })
        | Command::ChangeMarket { market, .. }
        | Command::LimitMarket { market, .. } => map.of_market(*market),
        Command::CancelOrder { order: OrderRef::Id(order), .. } => order.market_shard(),
        Command::Receive { .. } | Command::Acknowledge { .. } | Command::AdvanceTime => {
            unreachable!("engines write these")
        }
    }
}
