//! The longest that one command keeps a leader busy while its state grows to a million resting
//! orders, and then: decided, applied, encoded, hashed where a hash is due, and read back.
//! Snapshots are made elsewhere (ADR 23), so this is all that holds up the next command.
//!
//! `cargo bench --bench pauses`; wall time, so on a quiet machine.

use std::time::{Duration, Instant};

use engine_core::Replica;
use schemas::shard_map::ShardMap;
use schemas::{
    About, AccountId, AdminId, ApiKey, ApiKeyId, Command, CommandId, CommandRecord, Credits, EngineId, Entry, FeeRate,
    Instructions, Listing, MarketId, MarketLimits, NewOrder, OrderId, OrderRef, PostOnly, Price, Quantity, Scopes,
    Shard, Term, Terms, TimeInForce, Timestamp, Transition,
};

const ORDERS: u64 = 1_000_000;
/// Places and cancels in turn, once so many rest.
const FLOW: u64 = 400_000;
const ACCOUNTS: u64 = 10_000;
const ADMIN: AdminId = AdminId(1);

struct Leader {
    replica: Replica,
    records: u64,
    commands: u64,
    /// The longest first: how long, and after how many commands.
    longest: Vec<(Duration, u64)>,
    total: Duration,
}

impl Leader {
    fn new(map: ShardMap, shard: Shard) -> Self {
        let mut replica = Replica::new(shard, map);
        replica.read(0, &Term::new(shard, map.shards(), EngineId(1), 1).encode()).expect("a term");
        replica.lead();
        Self { replica, records: 1, commands: 0, longest: Vec::new(), total: Duration::ZERO }
    }

    fn handle(&mut self, command: Command) {
        let record = CommandRecord::new(CommandId(u128::from(self.commands + 1)), command).encode();
        let start = Instant::now();
        let outcome = self.replica.handle(self.commands, Timestamp(self.commands / 100), &record).expect("the next");
        self.replica.read(self.records, &outcome).expect("its own outcome");
        let took = start.elapsed();
        (self.records, self.commands, self.total) = (self.records + 1, self.commands + 1, self.total + took);
        if self.longest.len() < 5 || self.longest.last().is_some_and(|(least, _)| took > *least) {
            self.longest.push((took, self.commands));
            self.longest.sort_unstable_by(|a, b| b.cmp(a));
            self.longest.truncate(5);
        }
    }

    fn tell(&mut self, what: &str, commands: u64) {
        let each = self.total / u32::try_from(commands).expect("few");
        println!(
            "{what}: {} orders rest, {each:?} a command; the longest: {:?}",
            self.replica.state().orders(),
            self.longest
        );
        (self.longest, self.total) = (Vec::new(), Duration::ZERO);
    }
}

fn market(number: u64) -> Listing {
    let ticker: schemas::text::Ticker = format!("MARKET-{number}").parse().expect("a ticker");
    Listing {
        market: MarketId::of(&ticker),
        ticker,
        about: About::plain("Will it rain?", "YES if it does.", "tests").expect("legal texts").into(),
        opens: None,
        expiry: schemas::limits::TIME_MAX,
        tick: 1,
        maker_fee: FeeRate::ZERO,
        taker_fee: FeeRate::ZERO,
        dispute_window_ms: 0,
        limits: MarketLimits::NONE,
    }
}

/// A bid that never trades: YES and NO together cost less than a credit.
fn order(number: u64, markets: &[MarketId]) -> Command {
    let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let price = Price::new(1 + u16::try_from(spread >> 32 & 0xFFF).expect("twelve bits")).expect("a price");
    let terms = Terms::Limit {
        price,
        quantity: Quantity::new(1 + u32::try_from(spread >> 50).expect("few bits") % 100).expect("a quantity"),
        time_in_force: TimeInForce::Gtc,
        post_only: PostOnly::Off,
    };
    Command::PlaceOrder(NewOrder {
        account: AccountId(1 + number % ACCOUNTS),
        market: markets[usize::try_from(spread >> 20).expect("a word") % markets.len()],
        entry: if number.is_multiple_of(2) { Entry::BuyYes } else { Entry::BuyNo },
        terms,
        fee_rate: FeeRate::ZERO,
        client_id: None,
        instructions: Instructions::default(),
    })
}

fn run(books: u64) {
    let map = ShardMap::new(1).expect("one shard");
    let shard = Shard::new(0).expect("the first");
    let mut leader = Leader::new(map, shard);
    for account in (1..=ACCOUNTS).map(AccountId) {
        let key = ApiKey::with_secret(ApiKeyId(account.0), [7; 32], Scopes::READ_TRADE);
        leader.handle(Command::OpenAccount { account, key });
        leader.handle(Command::Deposit { account, amount: Credits::whole(100_000), client_id: None, by: ADMIN });
    }
    let listings: Vec<_> = (0..books).map(market).collect();
    let markets: Vec<_> = listings.iter().map(|listing| listing.market).collect();
    for listing in listings {
        let market = listing.market;
        leader.handle(Command::CreateMarket { listing, by: ADMIN });
        leader.handle(Command::ChangeMarket { market, by: ADMIN, transition: Transition::Open });
    }
    leader.tell(&format!("{books} books, set up"), 2 * (ACCOUNTS + books));
    (0..ORDERS).for_each(|number| leader.handle(order(number, &markets)));
    assert_eq!(leader.replica.state().orders() as u64, ORDERS, "all rest");
    leader.tell("growing", ORDERS);
    for number in 0..FLOW / 2 {
        let account = AccountId(1 + number % ACCOUNTS);
        let oldest = OrderRef::Id(OrderId::compose(shard, number + 1));
        leader.handle(Command::CancelOrder { account, order: oldest });
        leader.handle(order(ORDERS + number, &markets));
    }
    leader.tell("cancelling and placing", FLOW);
}

fn main() {
    [1, 1_000].into_iter().for_each(run);
}
