//! Commands as gateways would write them: accounts and markets on every shard, deposits, orders on both homes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use schemas::market::Transition;
use schemas::shard_map::ShardMap;
use schemas::{
    AccountId, ApiKey, ApiKeyId, Command, CommandId, CommandRecord, Credits, Entry, FeeRate, Listing, MarketId,
    NewOrder, Price, Quantity, Scopes, Shard, Side, Terms, TimeInForce, Timestamp,
};
use service::kafka::producer_config;

use super::{Random, TestLog};

/// Who trades what.
#[derive(Clone)]
pub struct World {
    pub accounts: Vec<AccountId>,
    pub markets: Vec<MarketId>,
    listings: Vec<Listing>,
}

const FEE: u32 = 10_000;

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
        Self { accounts, markets, listings }
    }

    /// What must come first.
    pub fn opening(&self) -> Vec<Command> {
        let mut commands = Vec::new();
        for &account in &self.accounts {
            let key = ApiKey { id: ApiKeyId(account.0), hash: [7; 32], scopes: Scopes::READ_TRADE };
            commands.push(Command::OpenAccount { account, key });
            commands.push(Command::Deposit { account, amount: Credits::whole(10_000), client_id: None });
        }
        for listing in &self.listings {
            commands.push(Command::CreateMarket(listing.clone()));
            commands.push(Command::ChangeMarket { market: listing.market, transition: Transition::Open });
        }
        commands
    }

    /// Anything that somebody may ask.
    pub fn any(&self, random: &mut Random) -> Command {
        let account = *random.pick(&self.accounts);
        match random.below(100) {
            0..5 => Command::Deposit {
                account,
                amount: Credits(1 + random.below(5_000_000).cast_signed()),
                client_id: None,
            },
            5..8 => Command::Withdraw {
                account,
                amount: Credits(1 + random.below(5_000_000).cast_signed()),
                client_id: None,
            },
            _ => Command::PlaceOrder(self.order(account, random)),
        }
    }

    fn order(&self, account: AccountId, random: &mut Random) -> NewOrder {
        let entry =
            *random.pick(&[Entry::BuyYes, Entry::BuyNo, Entry::BuyYes, Entry::BuyNo, Entry::SellYes, Entry::SellNo]);
        let ticks = u16::try_from(4_000 + random.below(2_000)).unwrap();
        let terms = Terms::Limit {
            price: Price::new(ticks).unwrap(),
            quantity: Quantity::new(1 + u32::try_from(random.below(5)).unwrap()).unwrap(),
            time_in_force: if random.below(4) == 0 { TimeInForce::Ioc } else { TimeInForce::Gtc },
        };
        let market = *random.pick(&self.markets);
        NewOrder { account, market, entry, terms, fee_rate: FeeRate::new(FEE).unwrap(), client_id: None }
    }
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
    }
}

/// The shard where a command enters.
pub fn entry_shard(map: ShardMap, command: &Command) -> Shard {
    match command {
        Command::OpenAccount { account, .. }
        | Command::AddApiKey { account, .. }
        | Command::RevokeApiKey { account, .. }
        | Command::Deposit { account, .. }
        | Command::Withdraw { account, .. } => map.of_account(*account),
        Command::CreateMarket(listing) => map.of_market(listing.market),
        Command::ChangeMarket { market, .. } => map.of_market(*market),
        Command::PlaceOrder(order) if order.entry.side() == Side::Buy => map.of_account(order.account),
        Command::PlaceOrder(order) => map.of_market(order.market),
        Command::CancelOrder { order, .. } => order.market_shard(),
        Command::Receive { .. } | Command::Acknowledge { .. } | Command::AdvanceTime => {
            unreachable!("engines write these")
        }
    }
}

/// Writes records to the log, as any client could.
pub struct Client {
    producer: BaseProducer,
    map: ShardMap,
    topics: schemas::topics::Topics,
}

impl Client {
    pub fn open(log: &TestLog) -> Self {
        let config = producer_config(&log.args.kafka, Duration::from_secs(30));
        Self { producer: config.create().unwrap(), map: log.args.shard_map(), topics: log.topics.clone() }
    }

    /// Asks; returns the id.
    pub fn ask(&self, command: Command) -> CommandId {
        let id = CommandId(uuid::Uuid::now_v7().as_u128());
        let shard = entry_shard(self.map, &command);
        self.write_command(shard, &CommandRecord { id, command }.encode());
        id
    }

    pub fn write_command(&self, shard: Shard, bytes: &[u8]) {
        self.write(&self.topics.commands, shard, bytes);
    }

    pub fn write_event(&self, shard: Shard, bytes: &[u8]) {
        self.write(&self.topics.events, shard, bytes);
    }

    fn write(&self, topic: &str, shard: Shard, bytes: &[u8]) {
        let record = BaseRecord::<(), [u8]>::to(topic).partition(shard.partition()).payload(bytes);
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
        self.producer.poll(Duration::ZERO);
    }

    /// Waits until everything is in the log.
    pub fn flush(&self) {
        self.producer.flush(Duration::from_secs(30)).unwrap();
        assert_eq!(self.producer.in_flight_count(), 0);
    }
}

/// Load that goes on, whatever happens to engines, until told to end.
pub struct Load {
    end: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<Vec<CommandId>>,
}

impl Load {
    /// `rate` commands a second, after the world's opening.
    pub fn start(log: &TestLog, world: World, seed: u64, rate: u32) -> Self {
        let (client, end, count) = (Client::open(log), Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (ended, counter) = (end.clone(), count.clone());
        let thread = std::thread::spawn(move || {
            let mut random = Random(seed);
            let mut ids: Vec<CommandId> = world.opening().into_iter().map(|command| client.ask(command)).collect();
            let start = Instant::now();
            let mut n = 0;
            while !ended.load(Ordering::Relaxed) {
                ids.push(client.ask(world.any(&mut random)));
                n += 1;
                counter.store(u64::from(n), Ordering::Relaxed);
                std::thread::sleep(
                    (start + Duration::from_secs(1) * n / rate).saturating_duration_since(Instant::now()),
                );
            }
            client.flush();
            ids
        });
        Self { end, count, thread }
    }

    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Ends the load; the ids of all that was asked, and is in the log.
    pub fn end(self) -> Vec<CommandId> {
        self.end.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
