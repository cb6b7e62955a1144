//! A follower that takes records in ahead of their turn is, after each one that it has read, just where one is that reads them one by one.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use engine_core::{Halt, LOOKAHEAD, Read, Replica};
use proptest::prelude::*;
use schemas::shard_map::ShardMap;
use schemas::{
    About, AccountId, AdminId, ApiKey, ApiKeyId, Command, CommandId, CommandRecord, Credits, EngineId, Entry, FeeRate,
    Instructions, Listing, MarketId, MarketLimits, NewOrder, OrderId, OrderRef, PostOnly, Price, Quantity, Scopes,
    Shard, Term, Terms, TimeInForce, Timestamp, Transition,
};

const ACCOUNTS: u64 = 5;

fn shard() -> (Shard, ShardMap) {
    (Shard::new(0).unwrap(), ShardMap::new(1).unwrap())
}

fn replica() -> Replica {
    let (shard, map) = shard();
    Replica::new(shard, map).with_hash_every(7)
}

fn listing(number: u64) -> Listing {
    let ticker: schemas::text::Ticker = format!("MARKET-{number}").parse().unwrap();
    Listing {
        market: MarketId::of(&ticker),
        ticker,
        about: About::plain("Rain?", "YES if it does.", "tests").unwrap().into(),
        opens: None,
        expiry: Timestamp(1 << 40),
        tick: 1,
        maker_fee: FeeRate::ZERO,
        taker_fee: FeeRate::ZERO,
        dispute_window_ms: 0,
        limits: MarketLimits::NONE,
    }
}

fn setup() -> Vec<Command> {
    let mut commands = Vec::new();
    for account in (1..=ACCOUNTS).map(AccountId) {
        let key = ApiKey { id: ApiKeyId(account.0), hash: [0; 32], scopes: Scopes::READ_TRADE };
        commands.push(Command::OpenAccount { account, key });
        let amount = Credits::whole(100_000);
        commands.push(Command::Deposit { account, amount, client_id: None, by: AdminId(1) });
    }
    for listing in (0..3).map(listing) {
        let market = listing.market;
        commands.push(Command::CreateMarket { listing, by: AdminId(1) });
        commands.push(Command::ChangeMarket { market, by: AdminId(1), transition: Transition::Open });
    }
    commands
}

/// Orders that rest and trade, cancels and amendments of some that are there and some that are not.
fn command() -> impl Strategy<Value = Command> {
    let order = (1..=ACCOUNTS, 0_u64..3, any::<bool>(), 4_990_u16..5_010, 1_u32..9);
    let placed = order.prop_map(|(account, market, yes, ticks, quantity)| {
        let (entry, price) = if yes { (Entry::BuyYes, ticks) } else { (Entry::BuyNo, 10_000 - ticks) };
        Command::PlaceOrder(NewOrder {
            account: AccountId(account),
            market: listing(market).market,
            entry,
            terms: Terms::Limit {
                price: Price::new(price).unwrap(),
                quantity: Quantity::new(quantity).unwrap(),
                time_in_force: TimeInForce::Gtc,
                post_only: PostOnly::Off,
            },
            fee_rate: FeeRate::ZERO,
            client_id: None,
            instructions: Instructions::default(),
        })
    });
    let id = |n| OrderRef::Id(OrderId::compose(shard().0, n));
    let cancelled = (1..=ACCOUNTS, 1_u64..60)
        .prop_map(move |(account, order)| Command::CancelOrder { account: AccountId(account), order: id(order) });
    prop_oneof![4 => placed, 1 => cancelled]
}

/// The records of a log: its term, and an outcome for each command.
fn log(commands: &[Command]) -> Vec<Vec<u8>> {
    let mut leader = replica();
    let mut records = vec![Term::new(shard().0, 1, EngineId(1), 1).encode()];
    leader.read(0, &records[0]).unwrap();
    leader.lead();
    for (at, command) in (0..).zip(commands) {
        let record = CommandRecord::new(CommandId(u128::from(at) + 1), command.clone()).encode();
        records.push(leader.handle(at, Timestamp(at), &record).unwrap());
    }
    records
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_ahead_comes_to_the_same(
        commands in prop::collection::vec(command(), 0..80),
        keeps in prop::collection::vec(0..=LOOKAHEAD + 2, 1..40),
    ) {
        let records = log(&[setup(), commands].concat());
        let (mut plain, mut ahead) = (replica(), replica());
        let mut next = 0;
        let mut compare = |ahead: &mut Replica| -> Result<(), TestCaseError> {
            let read = plain.read(next as u64, &records[next]).unwrap();
            prop_assert_eq!(ahead.read_next().unwrap(), Some(read));
            next += 1;
            prop_assert_eq!(ahead.position(), plain.position());
            prop_assert_eq!((ahead.sequence(), ahead.next_command()), (plain.sequence(), plain.next_command()));
            prop_assert_eq!(ahead.state_hash(), plain.state_hash());
            Ok(())
        };
        for (offset, record) in records.iter().enumerate() {
            ahead.take_in(offset as u64, record).unwrap();
            while ahead.behind() > keeps[offset % keeps.len()] {
                compare(&mut ahead)?;
            }
            prop_assert_eq!(ahead.next_offset(), offset as u64 + 1);
        }
        while ahead.behind() > 0 {
            compare(&mut ahead)?;
        }
        prop_assert_eq!(ahead.read_next().unwrap(), None);
        prop_assert_eq!(ahead.snapshot(), plain.snapshot());
    }
}

/// A snapshot that is made while records wait is of what was read, and goes on from there.
#[test]
fn a_snapshot_knows_nothing_of_what_waits() {
    let records = log(&setup());
    let mut ahead = replica();
    for (offset, record) in (0..).zip(&records) {
        ahead.take_in(offset, record).unwrap();
        if ahead.behind() > 4 {
            ahead.read_next().unwrap();
        }
    }
    let (shard, map) = shard();
    let mut restored = Replica::restore(shard, map, &ahead.snapshot().unwrap()).unwrap();
    assert_eq!(restored.position(), ahead.position());
    while let Some(read) = ahead.read_next().unwrap() {
        let offset = restored.next_offset();
        let again = (offset..).zip(&records[usize::try_from(offset).unwrap()..]);
        // The last record that it has is read again, to see that the log is the same.
        let mut again = again.map(|(offset, record)| restored.read(offset, record).unwrap());
        assert_eq!(again.find(|read| *read != Read::Ignored), Some(read));
    }
    assert_eq!(restored.state_hash(), ahead.state_hash());
}

/// A record that breaks the log's rules is met when it is taken in; those before it are read all the same.
#[test]
fn what_comes_before_a_broken_record_is_read() {
    let mut records = log(&setup());
    let broken = records.len() - 2;
    records[broken][40] ^= 1;
    let mut ahead = replica();
    for (offset, record) in (0..).zip(&records[..broken]) {
        ahead.take_in(offset, record).unwrap();
    }
    let halt = ahead.take_in(broken as u64, &records[broken]).unwrap_err();
    assert!(matches!(&halt, Halt::Broken(at) if at.offset == broken as u64), "{halt}");
    while ahead.read_next().unwrap().is_some() {}
    assert_eq!(ahead.sequence(), broken as u64 - 1);
}
