//! Memory for client ids: 1,000,000 in an hour, and what a steady rate comes to once a day has
//! passed. Every id is a deposit's, of many accounts; what the state has besides does not grow with
//! them.
//!
//! What is counted does not depend on the build: `cargo build --bench client_ids` is quick.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use engine_benches::law::shard;
use engine_core::{CommandContext, ShardState};
use schemas::{
    AccountId, AdminId, ApiKey, ApiKeyId, Cause, ClientId, Command, CommandId, Credits, Event, Scopes, Timestamp,
};

const ACCOUNTS: u64 = 1_000;
const HOUR_MS: u64 = 60 * 60 * 1_000;

struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn count(more: usize) {
    let bytes = BYTES.fetch_add(more, Relaxed) + more;
    PEAK.fetch_max(bytes, Relaxed);
}

// SAFETY: hands every call on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        BYTES.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Run {
    state: ShardState,
    events: Vec<Event>,
    commands: u64,
}

impl Run {
    fn new() -> Self {
        let mut run =
            Self { state: ShardState::new(shard().0, shard().1), events: Vec::with_capacity(100), commands: 0 };
        for account in (1..=ACCOUNTS).map(AccountId) {
            let key = ApiKey::with_secret(ApiKeyId(account.0), [0; 32], Scopes::READ_TRADE);
            run.handle(Timestamp(0), &Command::OpenAccount { account, key });
        }
        run
    }

    fn handle(&mut self, time: Timestamp, command: &Command) {
        self.commands += 1;
        let cause = Cause { offset: self.commands, id: CommandId(u128::from(self.commands)) };
        self.state.handle(CommandContext { cause, time }, command, &mut self.events);
        self.events.clear();
    }

    fn named(&mut self, time: Timestamp) {
        let account = AccountId(1 + self.commands % ACCOUNTS);
        // As random as clients' ids are.
        let client_id = Some(ClientId(u128::from(self.commands.wrapping_mul(0x9E37_79B9_7F4A_7C15)) << 64));
        self.handle(time, &Command::Deposit { account, amount: Credits(1), client_id, by: AdminId(1) });
    }
}

/// `an_hour` ids in each of so many hours; of the last 25 hours all are kept.
fn measure(hours: u64, an_hour: u64) {
    let mut run = Run::new();
    let before = BYTES.load(Relaxed);
    PEAK.store(before, Relaxed);
    for hour in 1..=hours {
        for at in 0..an_hour {
            run.named(Timestamp(hour * HOUR_MS + at * HOUR_MS / an_hour));
        }
    }
    let (bytes, peak) = (BYTES.load(Relaxed) - before, PEAK.load(Relaxed) - before);
    let kept = (hours.min(25) * an_hour) as f64;
    let snapshot = run.state.to_bytes().len() as f64;
    println!(
        "{hours:>6}{an_hour:>12}{bytes:>14}{:>12.1}{:>12.1}{:>12.1}",
        bytes as f64 / kept,
        peak as f64 / kept,
        snapshot / kept
    );
}

fn main() {
    println!("{:>6}{:>12}{:>14}{:>12}{:>12}{:>12}", "hours", "ids an hour", "bytes", "an id", "at peak", "in snapshot");
    measure(1, 1_000_000);
    measure(50, 40_000);
}
