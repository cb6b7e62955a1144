//! Memory for a million of each thing that a shard keeps: accounts, their keys, what they have
//! lent, live orders, markets, archived markets. (`client_ids.rs` has client ids.) Bytes that are
//! allocated after, less those before; what grows by doubling stands where it stands at a million.
//!
//! What is counted does not depend on the build: `cargo build --bench things` is quick.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use engine_core::{CommandContext, ShardState};
use schemas::shard_map::ShardMap;
use schemas::{
    About, AccountId, AdminId, ApiKey, ApiKeyId, Cause, Command, CommandId, Credits, Entry, Event, FeeRate,
    Instructions, Listing, MarketId, MarketLimits, Message, Need, NewOrder, PostOnly, Price, Quantity,
    ResolutionAnswer, Room, Scopes, Shard, Terms, TimeInForce, Timestamp, Transition,
};

const MANY: usize = 1_000_000;
/// Markets: nearly as many as may be.
const MANY_MARKETS: usize = 130_000;
const NEVER: Timestamp = schemas::limits::TIME_MAX;
/// Far above how long a market is kept after its payout.
const LATER: u64 = 100 * 24 * 60 * 60 * 1_000;

struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands every call on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        BYTES.fetch_add(size, Relaxed);
        BYTES.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Run {
    map: ShardMap,
    state: ShardState,
    events: Vec<Event>,
    commands: u64,
    time: Timestamp,
}

impl Run {
    /// The first of two shards.
    fn new() -> Self {
        let map = ShardMap::new(2).expect("two shards");
        let state = ShardState::new(Shard::new(0).expect("the first"), map);
        Self { map, state, events: Vec::with_capacity(10_000), commands: 0, time: Timestamp(1) }
    }

    fn handle(&mut self, command: &Command) {
        self.commands += 1;
        let cause = Cause { offset: self.commands, id: CommandId(u128::from(self.commands)) };
        self.state.handle(CommandContext { cause, time: self.time }, command, &mut self.events);
        assert!(!self.events.iter().any(|event| matches!(event, Event::Rejected { .. })), "{command:?} is refused");
        self.events.clear();
    }

    /// What each of a million takes, done by some commands.
    fn measure<T>(&mut self, what: &str, each: impl Iterator<Item = T>, make: impl FnMut(&mut Self, T)) {
        self.measure_of(MANY, what, each, make);
    }

    /// What each of so many takes.
    fn measure_of<T>(
        &mut self,
        many: usize,
        what: &str,
        each: impl Iterator<Item = T>,
        mut make: impl FnMut(&mut Self, T),
    ) {
        let (before, bytes) = (BYTES.load(Relaxed), self.state.to_bytes().len());
        each.for_each(|one| make(self, one));
        let after = BYTES.load(Relaxed);
        let snapshot = self.state.to_bytes().len().cast_signed() - bytes.cast_signed();
        let each = |bytes: isize| bytes as f64 / many as f64;
        println!("{what:<44}{:>10.1}{:>10.1}", each(after.cast_signed() - before.cast_signed()), each(snapshot));
    }
}

fn key(id: u64) -> ApiKey {
    ApiKey::with_secret(ApiKeyId(id), [7; 32], Scopes::READ_TRADE)
}

fn accounts(map: ShardMap, home: u16) -> Vec<AccountId> {
    let home = Shard::new(home).expect("one of two");
    (1..).map(AccountId).filter(|account| map.of_account(*account) == home).take(MANY).collect()
}

fn listings(map: ShardMap) -> impl Iterator<Item = Listing> {
    let home = Shard::new(0).expect("the first");
    let all = (0_u64..).map(|number| {
        let ticker: schemas::text::Ticker = format!("MARKET-{number}").parse().expect("a ticker");
        Listing {
            market: MarketId::of(&ticker),
            ticker,
            about: About::plain("Will it rain in the capital on the first of May?", "YES if it does.", "tests")
                .expect("legal texts")
                .into(),
            opens: None,
            expiry: NEVER,
            tick: 1,
            maker_fee: FeeRate::ZERO,
            taker_fee: FeeRate::ZERO,
            dispute_window_ms: 0,
            limits: MarketLimits::NONE,
        }
    });
    all.filter(move |listing| map.of_market(listing.market) == home)
}

fn of_accounts() {
    let mut run = Run::new();
    let (accounts, strangers) = (accounts(run.map, 0), accounts(run.map, 1));
    run.measure("account with a key", accounts.iter(), |run, account| {
        run.handle(&Command::OpenAccount { account: *account, key: key(account.0) });
    });
    run.measure("second key", accounts.iter(), |run, account| {
        run.handle(&Command::AddApiKey { account: *account, key: key(account.0 | 1 << 40), by: None });
    });
    run.measure("second key, revoked", accounts.iter(), |run, account| {
        run.handle(&Command::RevokeApiKey { account: *account, key: ApiKeyId(account.0 | 1 << 40), by: None });
    });
    let other = Shard::new(1).expect("the second");
    run.measure("what it has lent to a purse elsewhere", accounts.iter().zip(1..), |run, (account, number)| {
        let need = Need { credits: Credits::ZERO, room: Room { orders: 1, held: Credits(1) } };
        let message = Message::Ask { account: *account, need, given_back: Room::ZERO };
        run.handle(&Command::Receive { from: other, number, message });
        run.handle(&Command::Acknowledge { to: other, number });
    });
    let first = 1 + MANY as u64;
    run.measure("purse away from home, with credits", strangers.iter().zip(first..), |run, (account, number)| {
        let room = Room { orders: 1, held: Credits(1) };
        let message = Message::Fund { account: *account, credits: Credits(1), room, refused: None };
        run.handle(&Command::Receive { from: other, number, message });
    });
}

fn of_orders() {
    let mut run = Run::new();
    let accounts: Vec<AccountId> = accounts(run.map, 0).into_iter().take(1_000).collect();
    for account in &accounts {
        run.handle(&Command::OpenAccount { account: *account, key: key(account.0) });
        let (amount, client_id) = (Credits::whole(500_000), None);
        run.handle(&Command::Deposit { account: *account, amount, client_id, by: AdminId(1) });
    }
    let listing = listings(run.map).next().expect("there are more");
    let market = listing.market;
    run.handle(&Command::CreateMarket { listing, by: AdminId(1) });
    run.handle(&Command::ChangeMarket { market, by: AdminId(1), transition: Transition::Open });
    run.measure("live order", 0..MANY, |run, at| {
        let ticks = 1 + u16::try_from(at % 4_000).expect("a price");
        let terms = Terms::Limit {
            price: Price::new(ticks).expect("a price"),
            quantity: Quantity::new(3).expect("a quantity"),
            time_in_force: TimeInForce::Gtc,
            post_only: PostOnly::Off,
        };
        run.handle(&Command::PlaceOrder(NewOrder {
            account: accounts[at % accounts.len()],
            market,
            entry: Entry::BuyYes,
            terms,
            fee_rate: FeeRate::ZERO,
            client_id: None,
            instructions: Instructions::default(),
        }));
    });
}

fn of_markets() {
    let mut run = Run::new();
    let all: Vec<Listing> = listings(run.map).take(MANY_MARKETS).collect();
    run.measure_of(MANY_MARKETS, "market", all.iter(), |run, listing| {
        run.handle(&Command::CreateMarket { listing: listing.clone(), by: AdminId(1) });
        let (market, transition) = (listing.market, Transition::Open);
        run.handle(&Command::ChangeMarket { market, by: AdminId(1), transition });
    });
    let by = |by| AdminId(by);
    run.measure_of(MANY_MARKETS, "market, paid out (besides)", all.iter(), |run, listing| {
        let (market, answer) = (listing.market, ResolutionAnswer::Void);
        let steps = [(1, Transition::Close), (1, Transition::Resolve { answer }), (2, Transition::Confirm { answer })];
        for (admin, transition) in steps {
            run.handle(&Command::ChangeMarket { market, by: by(admin), transition });
        }
    });
    run.measure_of(MANY_MARKETS, "market, a hundred days later (besides)", std::iter::once(()), |run, ()| {
        run.time = Timestamp(run.time.0 + LATER);
        while run.state.next_due().is_some_and(|due| due <= run.time) {
            run.handle(&Command::AdvanceTime);
        }
    });
    println!("markets that are left: {}", run.state.markets().count());
    let again: Vec<Listing> = listings(run.map).skip(MANY_MARKETS).take(MANY_MARKETS).collect();
    run.measure_of(MANY_MARKETS, "as many markets again (besides)", again.iter(), |run, listing| {
        run.handle(&Command::CreateMarket { listing: listing.clone(), by: AdminId(1) });
        let (market, transition) = (listing.market, Transition::Open);
        run.handle(&Command::ChangeMarket { market, by: AdminId(1), transition });
    });
}

fn main() {
    println!("{:<44}{:>10}{:>10}", "bytes for each of many", "memory", "snapshot");
    of_accounts();
    of_orders();
    of_markets();
}
