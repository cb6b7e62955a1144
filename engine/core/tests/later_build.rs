//! A later build writes the log and this build reads it; also commands that this build cannot read.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../schemas/tests/later/mod.rs"]
mod later;

use engine_core::{Divergence, Halt, OwnRecord, Replica};
use schemas::reading::{BrokenLog, RecordFault, WrittenBy};
use schemas::record::Chain;
use schemas::shard_map::ShardMap;
use schemas::text::Ticker;
use schemas::{
    About, AccountId, AdminId, ApiKey, ApiKeyId, Build, Cause, ClientId, Command, CommandId, CommandRecord, Credits,
    EngineId, Entry, Event, FeeRate, Instructions, Listing, MarketId, MarketLimits, Message, NewOrder, OrderRef,
    Outcome, PostOnly, Price, Quantity, Record, Rejection, Scopes, Shard, StateHash, Term, Terms, TimeInForce,
    Timestamp, Transition,
};

const SHARD: Shard = Shard::new(0).unwrap();
const ACCOUNT: AccountId = AccountId(1);

fn map() -> ShardMap {
    ShardMap::new(1).unwrap()
}

fn listing() -> Listing {
    let ticker: Ticker = "RAIN".parse().unwrap();
    Listing {
        market: MarketId::of(&ticker),
        ticker,
        about: About::plain("Will it?", "YES if it does.", "tests").unwrap().into(),
        opens: None,
        expiry: Timestamp(1_000_000),
        tick: 1,
        maker_fee: FeeRate::ZERO,
        taker_fee: FeeRate::ZERO,
        dispute_window_ms: 0,
        limits: MarketLimits::NONE,
    }
}

fn order(name: u128, quantity: u32) -> Command {
    let (price, quantity) = (Price::new(5_000).unwrap(), Quantity::new(quantity).unwrap());
    Command::PlaceOrder(NewOrder {
        account: ACCOUNT,
        market: listing().market,
        entry: Entry::BuyYes,
        terms: Terms::Limit { price, quantity, time_in_force: TimeInForce::Gtc, post_only: PostOnly::Off },
        fee_rate: FeeRate::ZERO,
        client_id: Some(ClientId(name)),
        instructions: Instructions::default(),
    })
}

/// Returns commands that open an account, list a market, place an order that rests, and place one
/// that is refused.
fn commands() -> Vec<Command> {
    let key = ApiKey::with_secret(ApiKeyId(1), [7; 32], Scopes::READ_TRADE);
    let (market, by) = (listing().market, AdminId(1));
    vec![
        Command::OpenAccount { account: ACCOUNT, key },
        Command::Deposit { account: ACCOUNT, amount: Credits::whole(100), client_id: None, by: AdminId(1) },
        Command::CreateMarket { listing: listing(), by: AdminId(1) },
        Command::ChangeMarket { market, by, transition: Transition::Open },
        order(1, 10),
        order(2, 1_000),
        Command::CancelOrder { account: ACCOUNT, order: OrderRef::ClientId { market, client_id: ClientId(9) } },
    ]
}

fn term() -> Term {
    Term::new(SHARD, 1, EngineId(1), 1)
}

fn leader(log: &[Vec<u8>]) -> Replica {
    let mut replica = Replica::new(SHARD, map());
    for (offset, bytes) in (0..).zip(log) {
        replica.read(offset, bytes).unwrap();
    }
    replica.lead();
    replica
}

/// Returns the outcomes of the commands in the current build.
fn outcomes() -> Vec<Outcome> {
    let mut leader = leader(&[term().encode()]);
    let handle = |(offset, command)| {
        let bytes = CommandRecord::new(CommandId(u128::from(offset) + 1), command).encode();
        let record = leader.handle(offset, Timestamp(offset), &bytes).unwrap();
        let Ok(Record::Outcome(outcome, _)) = Record::decode(&record) else { panic!("no outcome") };
        outcome
    };
    (0..).zip(commands()).map(handle).collect()
}

/// Returns the log of a later build with the same outcomes and with additions that this build may
/// skip. `change` changes the events.
fn written(change: impl Fn(&Event) -> Vec<u8>) -> Vec<Vec<u8>> {
    let (mut log, mut chain) = (vec![term().encode()], Chain::default());
    for outcome in outcomes() {
        let mut events: Vec<_> = outcome.events.iter().map(&change).collect();
        events.insert(0, later::unknown(0));
        events.push(later::unknown(0));
        let (record, next) = later::outcome(&outcome, &events, &[1, 2, 3], chain);
        chain = next;
        log.extend([later::record(0), record]);
    }
    log
}

fn with_more(event: &Event) -> Vec<u8> {
    match event {
        Event::OrderPlaced(_) | Event::OrderRejected { .. } | Event::ApiKeyAdded { .. } => later::grown(event, 8),
        Event::MarketCreated { .. } => later::grown(event, 0),
        _ => later::event(event, 0, &[9; 7]),
    }
}

fn follow(log: &[Vec<u8>]) -> (Replica, Vec<OwnRecord>) {
    let mut replica = Replica::new(SHARD, map());
    let read = (0..).zip(log).map(|(offset, bytes)| replica.read(offset, bytes).unwrap()).collect();
    (replica, read)
}

/// Returns a log of one outcome that contains this hash.
fn hashed(hash: StateHash) -> Vec<Vec<u8>> {
    let term = Term::new(SHARD, map().shards(), EngineId(1), 1);
    let cause = Cause { offset: 0, id: CommandId(1) };
    let events = vec![Event::AccountOpened { account: ACCOUNT }, Event::StateHashed { hash }];
    let outcome = Outcome { term: 0, sequence: 1, time: Timestamp(1), cause, events };
    vec![term.encode(), outcome.encode(Chain::default()).0]
}

#[test]
fn a_hash_of_a_later_version_is_counted_and_any_other_is_checked() {
    let right = {
        let (replica, _) = follow(&hashed(StateHash { way: u16::MAX, sum: 7 }));
        assert_eq!(replica.unchecked_hashes(), 1);
        replica.state().clone().hash()
    };
    let (replica, _) = follow(&hashed(right));
    assert_eq!((replica.unchecked_hashes(), replica.sequence()), (0, 1));

    let log = hashed(StateHash { sum: right.sum ^ 1, ..right });
    let mut replica = Replica::new(SHARD, map());
    replica.read(0, &log[0]).unwrap();
    let differs = Divergence::StateHash { shard: SHARD, sequence: 1 };
    assert_eq!(replica.read(1, &log[1]), Err(Halt::Diverged(differs)));
}

#[test]
fn additions_that_may_be_skipped_do_not_change_the_state() {
    let plain = written(|event| later::event(event, 0, &[]));
    let (today, _) = follow(&plain);
    assert_eq!((today.state().orders(), today.sequence()), (1, commands().len() as u64));
    let log = written(with_more);
    let (replica, read) = follow(&log);
    assert_eq!(replica.state().digest(), today.state().digest());
    let passed_over = read.iter().map(|read| match read {
        OwnRecord::Unknown => 1,
        OwnRecord::Followed(outcome) => outcome.unknown(),
        _ => 0,
    });
    assert_eq!(passed_over.sum::<u64>(), 3 * commands().len() as u64);

    // A follower may also take over, and may start from a snapshot.
    let snapshot = replica.snapshot().unwrap();
    let mut restored = Replica::restore(SHARD, map(), &snapshot).unwrap();
    let next = restored.position().offset;
    for offset in restored.next_offset()..next {
        assert_eq!(restored.read(offset, &log[usize::try_from(offset).unwrap()]), Ok(OwnRecord::Ignored));
    }
    restored.read(next, &Term { engine: EngineId(2), ..term() }.encode()).unwrap();
    restored.lead();
    let bytes = CommandRecord::new(CommandId(9), order(3, 5)).encode();
    let record = restored.handle(restored.next_command(), Timestamp(99), &bytes).unwrap();
    assert!(matches!(restored.read(next + 1, &record), Ok(OwnRecord::Confirmed(_))));
    assert_eq!(restored.state().orders(), 2);
}

#[test]
fn an_unknown_rejection_code_is_kept() {
    let strange = Rejection::Unknown(9_999);
    let log = written(|event| match event {
        Event::OrderRejected { id, order, .. } => {
            later::event(&Event::OrderRejected { id: *id, order: *order, code: strange }, 0, &[])
        }
        other => later::event(other, 0, &[]),
    });
    let mut replica = leader(&log);
    // The client id of the refused order still refers to its refusal.
    let bytes = CommandRecord::new(CommandId(9), order(2, 1_000)).encode();
    let record = replica.handle(replica.next_command(), Timestamp(99), &bytes).unwrap();
    let Ok(Record::Outcome(outcome, _)) = Record::decode(&record) else { panic!("no outcome") };
    let told = format!("{:?}", outcome.events);
    assert!(told.contains("ClientIdRepeated") && told.contains("Unknown(9999)"), "{told}");
}

#[test]
fn a_record_that_needs_a_later_build_halts_and_names_it() {
    let outcome = Outcome { events: Vec::new(), ..outcomes().remove(0) };
    let (event, _) = later::outcome(&outcome, &[later::unknown(later::NEXT)], &[], Chain::default());
    let by =
        |build| RecordFault::Newer { needs: later::NEXT, reads: schemas::VOCABULARY, writer: WrittenBy::Build(build) };
    for (record, fault) in [
        (event, by(Build::THIS)),
        (later::record(later::NEXT), by(Build::THIS)),
        (later::term(term()), by(later::BUILD)),
    ] {
        let (mut replica, _) = follow(&[term().encode()]);
        let halt = Halt::Broken(BrokenLog { shard: SHARD, offset: 1, fault });
        assert!(halt.to_string().starts_with("events log of shard 0 is newer than this build at offset 1"), "{halt}");
        assert_eq!(replica.read(1, &record), Err(halt));
    }
}

/// Returns the event that answers a command of these bytes, and its id.
fn answer(bytes: &[u8]) -> (CommandId, Vec<Event>) {
    let mut leader = leader(&[term().encode()]);
    let record = leader.handle(0, Timestamp(1), bytes).unwrap();
    let Ok(Record::Outcome(outcome, _)) = Record::decode(&record) else { panic!("no outcome") };
    (outcome.cause.id, outcome.events)
}

#[test]
fn a_command_that_cannot_be_read_is_refused_under_its_own_id() {
    let id = CommandId(77);
    let refused = vec![Event::Rejected { code: Rejection::Undecodable }];
    let known = CommandRecord::new(id, order(1, 10)).encode();
    for bytes in [later::command(id, 0), later::command(id, later::NEXT), known[..known.len() - 1].to_vec()] {
        assert_eq!(answer(&bytes), (id, refused.clone()));
    }
    // The sender is unknown, or the answer belongs to another shard.
    let message = Command::Receive { from: SHARD, number: 1, message: Message::Return(Vec::new()) };
    let message = CommandRecord::new(id, message).encode();
    for bytes in [b"\xff nonsense".to_vec(), [message.as_slice(), b"more"].concat(), message[..30].to_vec()] {
        assert_eq!(answer(&bytes), (CommandId(0), refused.clone()));
    }
}
