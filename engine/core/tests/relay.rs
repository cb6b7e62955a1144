//! Checks messages between two shards exhaustively: every order of the steps of relays and the wire
//! with a few messages, breadth first, each state once, until no state is left. The states are
//! production code. Of the relay (`engine/src/shard/relay.rs`) only the rules are modelled here: it
//! copies each sent message, acknowledges each received or repeated message at some time, and sends
//! kept messages again. A restart forgets pending acknowledgements and sends all kept messages.
//!
//! | step        | what                                                                        |
//! |-------------|-----------------------------------------------------------------------------|
//! | send        | a client's transfer leaves for the other shard: the next message            |
//! | deliver     | any packet on the wire arrives, in any order                                |
//! | repeat      | the same, and it stays on the wire                                          |
//! | lose        | a packet is lost                                                            |
//! | acknowledge | a relay acknowledges the other's messages up to a number                    |
//! | restart     | a shard continues from its state; the same as a relay that sends again      |

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use engine_core::{CommandContext, ShardState, Sums};
use schemas::shard_map::ShardMap;
use schemas::{
    AccountId, AdminId, ApiKey, ApiKeyId, Cause, Command, CommandId, Credits, Event, Scopes, Shard, Timestamp,
};

const NOW: Timestamp = Timestamp(1_000);

/// Packets in flight to a shard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Packet {
    Message(u64),
    Acknowledgement(u64),
}

/// One end, and the wire to it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    state: Rc<[u8]>,
    /// Transfers that its client still requests.
    transfers: u64,
    /// The number up to which the other's messages must be acknowledged.
    pending: Option<u64>,
    wire: BTreeSet<Packet>,
}

type World = [End; 2];

fn map() -> ShardMap {
    ShardMap::new(2).unwrap()
}

fn shard(side: usize) -> Shard {
    Shard::new(u16::try_from(side).unwrap()).unwrap()
}

fn account(side: usize) -> AccountId {
    (1..).map(AccountId).find(|id| map().of_account(*id) == shard(side)).unwrap()
}

fn state(world: &World, side: usize) -> ShardState {
    ShardState::from_bytes(shard(side), map(), &world[side].state).unwrap()
}

/// Gives each command of a shard the same id and time, so that states differ only through messages.
fn handle(state: &mut ShardState, command: &Command) -> Vec<Event> {
    let mut events = Vec::new();
    state.handle(CommandContext { cause: Cause { offset: 0, id: CommandId(1) }, time: NOW }, command, &mut events);
    state.assert_all();
    events
}

fn begin(transfers: [u64; 2]) -> World {
    [0, 1].map(|side| {
        let (mut state, account) = (ShardState::new(shard(side), map()), account(side));
        let key = ApiKey::with_secret(ApiKeyId(account.0), [0; 32], Scopes::READ_TRADE);
        handle(&mut state, &Command::OpenAccount { account, key });
        let amount = Credits::whole(100);
        handle(&mut state, &Command::Deposit { account, amount, client_id: None, by: AdminId(1) });
        let (state, pending, wire) = (state.to_bytes().into(), None, BTreeSet::new());
        End { state, transfers: transfers[side], pending, wire }
    })
}

/// Runs a command at one end. Its relay copies the messages that it sent, and notes those that it
/// received.
fn ask(world: &mut World, side: usize, command: &Command) {
    let mut state = state(world, side);
    let had = state.received_from(shard(1 - side));
    for event in handle(&mut state, command) {
        let had_before = match event {
            Event::Sent { number, .. } => {
                world[1 - side].wire.insert(Packet::Message(number));
                continue;
            }
            Event::Received { number, .. } => {
                assert_eq!(number, had + 1, "received out of order, or twice");
                number
            }
            Event::MessageSkipped { number, expected, .. } if number < expected => expected - 1,
            Event::Rejected { code } => panic!("refused: {code:?}"),
            _ => continue,
        };
        let pending = &mut world[side].pending;
        *pending = (*pending).max(Some(had_before));
    }
    world[side].state = state.to_bytes().into();
}

fn deliver(world: &mut World, side: usize, packet: Packet) {
    let other = 1 - side;
    let command = match packet {
        Packet::Acknowledgement(number) => Command::Acknowledge { to: shard(other), number },
        Packet::Message(number) => {
            // A copy of a message that its sender no longer keeps has only its number.
            let sender = state(world, other);
            let kept = sender.kept_messages().find(|(_, kept, ..)| *kept == number);
            let any = || transfer(other, number);
            let message = kept.map_or_else(any, |(.., message)| message.clone());
            Command::Receive { from: shard(other), number, message }
        }
    };
    ask(world, side, &command);
}

fn transfer(side: usize, number: u64) -> schemas::Message {
    let (from, to) = (account(side), account(1 - side));
    schemas::Message::Transfer { from, to, amount: amount(number), client_id: None }
}

/// Makes each transfer different, so that a mix-up is detected.
fn amount(number: u64) -> Credits {
    Credits(1 << (2 * number))
}

fn restart(world: &mut World, side: usize) {
    world[side].pending = None;
    let sender = state(world, side);
    let kept: Vec<_> = sender.kept_messages().map(|(_, number, ..)| Packet::Message(number)).collect();
    world[1 - side].wire.extend(kept);
}

fn acknowledge(world: &mut World, side: usize) {
    if let Some(number) = world[side].pending.take() {
        world[1 - side].wire.insert(Packet::Acknowledgement(number));
    }
}

/// Returns all possible next steps.
fn steps(world: &World) -> Vec<World> {
    let mut all = Vec::new();
    let mut step = |change: &mut dyn FnMut(&mut World)| {
        let mut next = world.clone();
        change(&mut next);
        all.push(next);
    };
    for side in [0, 1] {
        if world[side].transfers > 0 {
            step(&mut |next| send(next, side));
        }
        for packet in world[side].wire.clone() {
            step(&mut |next| {
                next[side].wire.remove(&packet);
            });
            step(&mut |next| deliver(next, side, packet));
            step(&mut |next| {
                next[side].wire.remove(&packet);
                deliver(next, side, packet);
            });
        }
        step(&mut |next| acknowledge(next, side));
        step(&mut |next| restart(next, side));
    }
    all
}

fn send(world: &mut World, side: usize) {
    let (from, to) = (account(side), account(1 - side));
    let sent = state(world, side).kept_messages().last().map_or(0, |(_, number, ..)| number);
    let number = sent.max(state(world, 1 - side).received_from(shard(side))) + 1;
    world[side].transfers -= 1;
    ask(world, side, &Command::Transfer { from, to, amount: amount(number), client_id: None });
}

fn check(world: &World) {
    let states = [0, 1].map(|side| state(world, side));
    let sums = [0, 1].map(|side| states[side].sums(|to| states[to.index()].received_from(shard(side))));
    let sums = sums.into_iter().fold(Sums::default(), |all, one| all + one);
    assert_eq!(sums.balance(), Credits::ZERO, "{sums:?}");
}

/// Asserts that, once the wire loses no packets, each message has arrived once and no message is
/// kept.
fn becomes_idle(mut world: World, transfers: [u64; 2]) {
    for side in [0, 1] {
        while world[side].transfers > 0 {
            send(&mut world, side);
        }
    }
    for _ in 0..2 {
        [0, 1].into_iter().for_each(|side| restart(&mut world, side));
        for side in [0, 1, 0, 1] {
            for packet in std::mem::take(&mut world[side].wire) {
                deliver(&mut world, side, packet);
            }
            acknowledge(&mut world, side);
        }
    }
    for side in [0, 1] {
        let state = state(&world, side);
        assert_eq!(state.kept_messages().count(), 0, "shard {side} still keeps messages");
        let moved = |side: usize| (1..=transfers[side]).map(amount).sum::<Credits>();
        let has = state.purse(account(side)).unwrap().available;
        assert_eq!(has, Credits::whole(100) - moved(side) + moved(1 - side));
    }
}

/// Explores all states and returns their number.
fn explore(transfers: [u64; 2]) -> usize {
    let first = begin(transfers);
    let (mut known, mut queue) = (BTreeSet::from([first.clone()]), VecDeque::from([first]));
    while let Some(world) = queue.pop_front() {
        for next in steps(&world) {
            if known.insert(next.clone()) {
                check(&next);
                becomes_idle(next.clone(), transfers);
                queue.push_back(next);
            }
        }
    }
    known.len()
}

#[test]
fn each_message_is_received_once_whatever_the_wire_does() {
    // Some 28,000 states are all that exist.
    let states = [[4, 0], [2, 2]].map(explore);
    assert!(states.iter().all(|states| *states > 5_000), "{states:?}");
}
