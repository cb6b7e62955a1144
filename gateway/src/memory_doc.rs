//! `docs/limits.md` says what a market, a key and an account take in memory: counted here.

#![allow(unsafe_code, reason = "an allocator that counts can be written in no other way")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use schemas::reading::Checkpoint;
use schemas::{AccountId, ApiKey, ApiKeyId, Entry, Event, MarketId, Scopes, Shard, Timestamp};

use crate::shapes::PublicTrade;
use crate::shapes::market::MarketShape;
use crate::store::Store;
use crate::view::keys::{Keys, KeysOfId};
use crate::view::tests::{SHARD, listing, outcome, placed};
use crate::view::touched::Touched;
use crate::view::trades::RECENT_TRADES_MAX;
use crate::view::{LiveView, Moving};

const DOCUMENT: &str = include_str!("../../docs/limits.md");

/// How many of each are counted.
const MANY: u64 = 10_000;

/// Counts what each thread has allocated.
struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.set(LIVE.get() + layout.size().cast_signed());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - layout.size().cast_signed());
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Bytes for each of [`MANY`] that `fill` leaves.
fn each<T>(fill: impl FnOnce() -> T) -> u64 {
    let before = LIVE.get();
    let filled = fill();
    let bytes = u64::try_from(LIVE.get() - before).unwrap();
    drop(filled);
    bytes / MANY
}

fn market(number: u64) -> MarketShape {
    MarketShape::listed(listing(&format!("MARKET-{number}")), SHARD)
}

fn key(number: u64) -> ApiKey {
    ApiKey::with_secret(ApiKeyId(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 1), [7; 32], Scopes::READ_TRADE)
}

fn at(shards: u64) -> Vec<Checkpoint> {
    vec![Checkpoint::default(); usize::try_from(shards).unwrap()]
}

/// A view behind an empty store.
fn stored() -> (tempfile::TempDir, LiveView) {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(folder.path(), "memory", 1).unwrap();
    (folder, LiveView::stored(&at(1), store))
}

/// Ten levels and a hundred trades.
fn moving(number: u64) -> Moving {
    let mut moving = Moving::default();
    for ticks in 1..=10 {
        let order = placed(number, Entry::BuyYes, ticks, 10, 0);
        let changes: Vec<_> = schemas::effects::book_changes(&Event::OrderPlaced(order)).collect();
        moving.book.apply(&changes).unwrap();
    }
    let (price, quantity) = (schemas::Price::MIN, schemas::Quantity::ZERO);
    let (taker_side, kind) = (schemas::BookSide::Bid, schemas::event::TradeKind::Mint);
    for id in 0..RECENT_TRADES_MAX as u64 {
        let trade_id = schemas::TradeId(id);
        moving.trades.push(PublicTrade { trade_id, price, quantity, taker_side, kind, time: Timestamp(id) });
    }
    moving
}

fn touched(shards: u16) -> Touched {
    let mut touched = Touched::default();
    for number in 0..MANY {
        for shard in Shard::all(shards) {
            let mut order = placed(number, Entry::BuyYes, 5_000, 10, 0);
            order.order.account = AccountId(number);
            touched.apply(shard, number + 1, &[Event::OrderPlaced(order)]);
        }
    }
    touched
}

fn counted() -> Vec<(&'static str, u64)> {
    let (folder, mut view) = stored();
    let idle_market = each(|| {
        (0..MANY).for_each(|number| view.list_stored(market(number)));
        (folder, view)
    });
    let (folder, mut view) = stored();
    (0..MANY).for_each(|number| view.list_stored(market(number)));
    let in_use = each(|| {
        for number in 0..MANY {
            view.load(listing(&format!("MARKET-{number}")).market, moving(number), view.generation());
        }
        (folder, view)
    });
    let archived = each(|| {
        let mut view = LiveView::at(&at(1));
        (0..MANY).for_each(|number| view.archive(MarketId(number)));
        view
    });
    let (folder, mut view) = stored();
    let archived_in_store = each(|| {
        for number in 0..MANY {
            view.archive(MarketId(number));
        }
        let batch = view.take_changes().unwrap().unwrap();
        view.stored_changes(&batch);
        drop(batch);
        (folder, view)
    });
    let key_in_use = each(|| {
        let keys = Keys::behind_a_store();
        for number in 0..MANY {
            let key = key(number);
            keys.with_stored(key.id, KeysOfId(vec![(AccountId(number), Arc::new(key))]));
        }
        keys
    });
    let key_in_store = each(|| {
        let mut keys = Keys::behind_a_store();
        for number in 0..MANY {
            let key = key(number);
            keys.add(AccountId(number), key.clone());
            keys.stored(key.id, AccountId(number), false);
        }
        keys
    });
    let key_without = each(|| {
        let mut keys = Keys::default();
        (0..MANY).for_each(|number| keys.add(AccountId(number), key(number)));
        keys
    });
    vec![
        ("live market, not in use", idle_market),
        ("its book of 10 levels and 100 trades, in use", in_use),
        ("archived market, with a store", archived_in_store),
        ("archived market, without", archived),
        ("key in use, with a store", key_in_use),
        ("key not in use, with a store", key_in_store),
        ("key, without a store", key_without),
        ("account that was touched lately, on 1 shard", each(|| touched(1))),
        ("account that was touched lately, on 4 shards", each(|| touched(4))),
    ]
}

#[test]
fn what_things_take_in_memory_is_as_the_document_says() {
    let said = |name: &str| -> Option<u64> {
        let row = DOCUMENT.lines().find_map(|line| line.strip_prefix(&format!("| {name} | ")))?;
        row.split(' ').next()?.replace(',', "").parse().ok()
    };
    // What a text takes depends on its length, and a map has room for more than it holds.
    let is_right = |name, bytes: u64| said(name).is_some_and(|said| bytes.abs_diff(said) <= said / 10 + 8);
    let wrong: Vec<_> = counted().into_iter().filter(|(name, bytes)| !is_right(name, *bytes)).collect();
    assert!(wrong.is_empty(), "the document says otherwise, or nothing, of {wrong:?}");
}

/// The view keeps what it has of a market in the same place: nothing is left of one that was
/// archived.
#[test]
fn a_market_that_is_archived_leaves_the_memory() {
    let (_folder, mut view) = stored();
    view.apply(SHARD, &outcome(1, vec![Event::MarketCreated { listing: listing("FIRST"), by: schemas::AdminId(1) }]))
        .unwrap();
    let before = LIVE.get();
    for number in 0..MANY {
        let listed = market(number);
        let id = listed.listing.market;
        view.list(listed);
        view.archive(id);
        let batch = view.take_changes().unwrap().unwrap();
        view.stored_changes(&batch);
    }
    let left = u64::try_from(LIVE.get() - before).unwrap_or(0);
    assert!(left < 64 * MANY, "{left} bytes");
}
