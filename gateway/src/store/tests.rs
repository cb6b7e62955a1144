use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use schemas::event::OrderPlaced;
use schemas::reading::Checkpoint;
use schemas::shard_map::ShardMap;
use schemas::{
    Admin, AdminId, AdminRoles, Credits, Entry, Event, KeyProof, MarketEvent, MarketEventId, Outcome, Scopes, Timestamp,
};
use tempfile::{TempDir, tempdir};

use super::checkpoints::checkpoint;
use super::*;
use crate::live::Live;
use crate::view::LiveView;
use crate::view::keys::PresentedKey;
use crate::view::tests::{SHARD, listing, outcome, placed, trade};
use crate::ws::hub::Hub;

const PREFIX: &str = "test";

fn live(view: LiveView, store: Option<Arc<Store>>) -> Live {
    Live::start(view, store, Hub::new(ShardMap::new(1).unwrap(), usize::MAX)).unwrap()
}

fn position(sequence: u64) -> Checkpoint {
    Checkpoint { sequence, offset: sequence + 1, ..Checkpoint::default() }
}

fn apply(live: &Live, sequence: u64, events: Vec<Event>) {
    let outcome: Arc<Outcome> = Arc::new(outcome(sequence, events));
    live.apply(SHARD, &outcome, 1, position(sequence)).unwrap();
}

/// A store that has an empty view, and the view in front of it.
fn begun(folder: &TempDir) -> (Arc<Store>, Live) {
    let (store, view) = Store::open(folder.path(), PREFIX, 1).unwrap();
    assert!(view.is_none());
    let mut view = LiveView::for_a_store(&[Checkpoint::default()], Arc::clone(&store));
    store.write(&view.take_changes().unwrap().unwrap()).unwrap();
    let view = store.view(1).unwrap().unwrap();
    (Arc::clone(&store), live(view, Some(store)))
}

/// As after a restart.
fn again(folder: &TempDir) -> (Arc<Store>, Live) {
    let (store, view) = Store::open(folder.path(), PREFIX, 1).unwrap();
    (Arc::clone(&store), live(view.expect("a view"), Some(store)))
}

fn key(presented: &PresentedKey) -> ApiKey {
    ApiKey::with_secret(presented.id, presented.hash(), Scopes::READ_TRADE)
}

fn created(ticker: &str) -> Event {
    Event::MarketCreated { listing: listing(ticker), by: AdminId(1) }
}

fn archived(ticker: &str) -> Event {
    Event::MarketArchived {
        market: listing(ticker).market,
        state: schemas::MarketState::Voided,
        resolution: None,
        settled: Timestamp(1),
        fees: Credits::ZERO,
    }
}

fn resting(id: u64, ticker: &str, entry: Entry, ticks: u16, quantity: u32) -> OrderPlaced {
    let mut placed = placed(id, entry, ticks, quantity, 0);
    placed.order.market = listing(ticker).market;
    placed
}

fn moving(live: &Live, ticker: &str) -> Option<Moving> {
    live.market(ticker, |_, _, moving| moving.clone()).unwrap()
}

#[test]
fn a_view_comes_back_as_it_was_at_its_last_checkpoint() {
    let (folder, presented) = (tempdir().unwrap(), PresentedKey::random());
    let (store, live) = begun(&folder);
    let name: schemas::text::Label = "cup".parse().unwrap();
    let event = MarketEvent { id: MarketEventId::of(&name), name, title: "Who?".parse().unwrap(), exclusive: true };
    let admin =
        Admin { id: AdminId(7), proof: KeyProof::Secret([7; 32]), roles: AdminRoles::MONEY, expires: None, name: None };
    let (maker, taker) = (resting(1, "RAIN", Entry::BuyYes, 5_000, 10), placed(2, Entry::SellYes, 5_000, 4, 4));
    let events = vec![
        created("RAIN"),
        created("SNOW"),
        Event::MarketEventCreated { event: Box::new(event.clone()), by: AdminId(1) },
        Event::YesHeld { event: event.id, market: Some(listing("RAIN").market) },
        Event::AdminSet { admin: Box::new(admin), by: AdminId(1) },
        Event::ApiKeyAdded { account: AccountId(9), key: key(&presented), by: None },
        archived("SNOW"),
    ];
    apply(&live, 1, events);
    apply(&live, 2, vec![Event::OrderPlaced(maker)]);
    apply(&live, 3, vec![Event::OrderPlaced(taker), trade(1, &maker, &taker, 4, 6)]);
    checkpoint(&live, &store).unwrap();
    let was = moving(&live, "RAIN").unwrap();
    // Of no checkpoint, so it is read of the log again.
    apply(&live, 4, vec![Event::OrderPlaced(resting(3, "RAIN", Entry::BuyYes, 4_000, 1))]);
    drop((live, store));

    let (_store, live) = again(&folder);
    assert_eq!(live.view().read_from(), [position(3)]);
    assert_eq!(moving(&live, "RAIN"), Some(was));
    assert_eq!(live.view().market_named("RAIN").unwrap().market.listing, listing("RAIN"));
    assert!(live.view().market_named("SNOW").is_none() && live.view().is_archived(listing("SNOW").market));
    assert!(!live.view().is_archived(listing("RAIN").market));
    let known = live.view().market_events().named("cup").cloned().unwrap();
    assert_eq!((known.event, known.yes), (event, Some(listing("RAIN").market)));
    assert_eq!(live.view().admins().iter().map(|admin| admin.id).collect::<Vec<_>>(), [AdminId(7)]);
    let holder = live.keys(presented.id).unwrap().holder(&presented, Timestamp(0)).unwrap();
    assert_eq!(holder.account, AccountId(9));
    assert_eq!(live.keys_of(AccountId(9)).unwrap().0, [Arc::new(key(&presented))]);
    assert_eq!(live.view().changed(), 0, "nothing of it is written again");
}

#[test]
fn a_view_is_written_in_parts_and_counts_once_it_has_its_last_one() {
    let folder = tempdir().unwrap();
    let (presented, revoked) = (PresentedKey::random(), PresentedKey::random());
    let open = || Store::open(folder.path(), PREFIX, 1).unwrap();
    let put_part = |view: &mut LiveView, store: &Store| {
        let part = view.take_part().unwrap().unwrap();
        store.write(&part).unwrap();
        view.stored_changes(&part);
    };
    // A start that ends before its last part.
    let (store, _) = open();
    let mut view = LiveView::for_a_store(&[position(3)], Arc::clone(&store));
    view.add_key(AccountId(9), key(&revoked));
    put_part(&mut view, &store);
    drop((store, view));

    let (store, unfinished) = open();
    assert!(unfinished.is_none());
    store.clear().unwrap();
    let mut view = LiveView::for_a_store(&[position(4)], Arc::clone(&store));
    view.add_key(AccountId(9), key(&presented));
    view.list(crate::shapes::market::MarketShape::listed(listing("RAIN"), SHARD));
    put_part(&mut view, &store);
    assert_eq!((view.changed(), view.keys().len()), (0, 0), "memory does not hold it");
    view.list(crate::shapes::market::MarketShape::listed(listing("SNOW"), SHARD));
    put_part(&mut view, &store);
    let last = view.take_changes().unwrap().expect("the positions");
    store.write(&last).unwrap();
    view.stored_changes(&last);
    drop((store, view));

    let (_store, live) = again(&folder);
    assert_eq!(live.view().read_from(), [position(4)]);
    assert!(["RAIN", "SNOW"].iter().all(|ticker| moving(&live, ticker).is_some()));
    assert_eq!(live.keys(presented.id).unwrap().0.len(), 1);
    assert_eq!(live.keys(revoked.id).unwrap().0, [], "of the start that did not end");
}

#[test]
fn whatever_is_folded_a_view_with_a_store_answers_as_one_without() {
    for seed in 0..20_u64 {
        let folder = tempdir().unwrap();
        let (mut store, mut with) = begun(&folder);
        let without = live(LiveView::at(&[Checkpoint::default()]), None);
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut draw = move |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let ticker = |number: u64| format!("M-{number}");
        let (mut listed, mut gone) = ([false; 12], [false; 12]);
        let mut sequence = 0;
        for _ in 0..300 {
            let number = draw(12);
            let nth = usize::try_from(number).unwrap();
            let (market, account, id) = (ticker(number), AccountId(draw(5)), ApiKeyId(draw(20)));
            let is_there = listed[nth] && !gone[nth];
            let has = without.keys(id).unwrap().of(account).is_some();
            let event = match draw(9) {
                0 if !listed[nth] => {
                    listed[nth] = true;
                    created(&market)
                }
                1 if is_there && draw(4) == 0 => {
                    gone[nth] = true;
                    archived(&market)
                }
                2..=4 if is_there => {
                    let ticks = u16::try_from(1 + draw(40)).unwrap();
                    Event::OrderPlaced(resting(sequence, &market, Entry::BuyYes, ticks, 3))
                }
                5 if has => Event::ApiKeyRevoked { account, key: id, by: None },
                6 if has => Event::ApiKeyEnds { account, key: id, expires: Timestamp(draw(9)) },
                7 if !has => {
                    let key = ApiKey::with_secret(id, [u8::try_from(draw(200)).unwrap(); 32], Scopes::READ);
                    Event::ApiKeyAdded { account, key, by: None }
                }
                _ => continue,
            };
            sequence += 1;
            apply(&with, sequence, vec![event.clone()]);
            apply(&without, sequence, vec![event]);
            match draw(12) {
                0 => checkpoint(&with, &store).unwrap(),
                1 => {
                    checkpoint(&with, &store).unwrap();
                    drop((with, store));
                    (store, with) = again(&folder);
                }
                2 => {
                    // A write that failed.
                    let batch = with.change(LiveView::take_changes).unwrap();
                    batch.inspect(|batch| with.change(|view| view.keep_changes(batch)));
                }
                _ => {}
            }
            let is_archived = |live: &Live| live.view().is_archived(listing(&market).market);
            assert_eq!(moving(&with, &market), moving(&without, &market), "seed {seed} at {sequence}");
            assert_eq!(is_archived(&with), is_archived(&without), "seed {seed} at {sequence}");
            let keys = |live: &Live| {
                let mut keys = live.keys(id).unwrap().0;
                keys.sort_by_key(|(account, _)| *account);
                (keys, live.keys_of(account).unwrap().0)
            };
            assert_eq!(keys(&with), keys(&without), "seed {seed} at {sequence}");
        }
        assert!(sequence > 50);
    }
}

#[test]
fn a_key_opens_nothing_once_its_revocation_was_folded_whatever_is_stored_meanwhile() {
    let folder = tempdir().unwrap();
    let (store, live) = begun(&folder);
    let (revoked, checkpoints, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let account = AccountId(1);
    std::thread::scope(|scope| {
        let checkpointer = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                checkpoint(&live, &store).unwrap();
                checkpoints.fetch_add(1, Ordering::AcqRel);
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    let upto = revoked.load(Ordering::Acquire);
                    for id in upto.saturating_sub(100)..upto {
                        assert_eq!(live.keys(ApiKeyId(id)).unwrap().0, [], "{id}");
                    }
                    assert!(live.keys_of(account).unwrap().0.iter().all(|key| key.id.0 >= upto), "before {upto}");
                }
            });
        }
        let mut id = 0;
        // A key lives for a while, so that checkpoints come between.
        while checkpoints.load(Ordering::Acquire) < 60 && !checkpointer.is_finished() {
            let key = ApiKey::with_secret(ApiKeyId(id), [1; 32], Scopes::READ);
            apply(&live, 2 * id + 1, vec![Event::ApiKeyAdded { account, key, by: None }]);
            let seen = checkpoints.load(Ordering::Acquire);
            while id % 4 == 0 && checkpoints.load(Ordering::Acquire) < seen + 2 && !checkpointer.is_finished() {
                std::thread::yield_now();
            }
            assert_eq!(live.keys(ApiKeyId(id)).unwrap().0.len(), 1, "{id}");
            apply(&live, 2 * id + 2, vec![Event::ApiKeyRevoked { account, key: ApiKeyId(id), by: None }]);
            id += 1;
            revoked.store(id, Ordering::Release);
        }
        done.store(true, Ordering::Release);
    });
}

#[test]
fn a_store_belongs_to_one_process() {
    let folder = tempdir().unwrap();
    let (store, _live) = begun(&folder);
    let mode = fs::metadata(store.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "others do not read it");
    assert!(matches!(Store::open(folder.path(), PREFIX, 1), Err(StoreError::InUse(_))));
    assert!(Store::open(folder.path(), "another", 1).is_ok());
}

#[test]
fn what_is_no_store_of_this_gateway_is_set_aside_and_made_anew() {
    let folder = tempdir().unwrap();
    let (path, aside) = (folder.path().join("test.redb"), folder.path().join("test.redb.aside"));
    let is_new = |shards| {
        let (store, view) = Store::open(folder.path(), PREFIX, shards).unwrap();
        let is_new = view.is_none();
        let mut view = LiveView::for_a_store(&vec![Checkpoint::default(); usize::from(shards)], Arc::clone(&store));
        store.write(&view.take_changes().unwrap().unwrap()).unwrap();
        is_new
    };
    assert!(is_new(1) && !is_new(1) && !aside.exists());
    assert!(is_new(2), "another number of shards");
    assert!(aside.exists() && !is_new(2));
    fs::write(&path, b"no database at all, and longer than a head of one would be").unwrap();
    assert!(is_new(2) && !is_new(2));
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let length = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(512)).unwrap();
    file.write_all(&vec![0xA5; usize::try_from(length - 512).unwrap()]).unwrap();
    drop(file);
    assert!(is_new(2) && !is_new(2));
}

#[test]
fn after_a_fold_that_failed_no_checkpoint_is_taken() {
    let folder = tempdir().unwrap();
    let (store, live) = begun(&folder);
    apply(&live, 1, vec![created("RAIN")]);
    checkpoint(&live, &store).unwrap();
    let orphan = Event::OrderPlaced(resting(1, "SNOW", Entry::BuyYes, 1, 1));
    let bad = Arc::new(outcome(2, vec![created("HAIL"), orphan]));
    assert!(live.apply(SHARD, &bad, 1, position(2)).is_err());
    assert!(matches!(checkpoint(&live, &store), Err(StoreError::HalfFolded)));
    drop((live, store));
    let (_store, live) = again(&folder);
    assert!(live.view().market_named("RAIN").is_some() && live.view().market_named("HAIL").is_none());
    assert_eq!(live.view().read_from(), [position(1)]);
}
