//! Checks I-9 at a cut of the logs: the room that a home shard has lent equals what its other
//! purses have plus what is in flight between them; the total is within its account's limits.

use std::collections::BTreeMap;

use engine_core::{Invariant, Replica};
use schemas::shard_map::ShardMap;
use schemas::{AccountId, AccountLimits, Event, Message, Outcome, Room, Shard};

/// Room in numbers that cannot overflow: an account without limits has unlimited room on each
/// shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Sum {
    orders: i128,
    held: i128,
}

impl std::ops::AddAssign<Room> for Sum {
    fn add_assign(&mut self, room: Room) {
        self.orders += i128::from(room.orders);
        self.held += i128::from(room.held.0);
    }
}

pub struct Rooms {
    map: ShardMap,
    /// The room of all purses of each account at the last check.
    before: BTreeMap<AccountId, Sum>,
}

impl Rooms {
    pub fn new(map: ShardMap) -> Self {
        Self { map, before: BTreeMap::new() }
    }

    /// Panics unless each home shard has lent what there is. Checks after every outcome that moves
    /// room. Where limits were lowered below what is lent, the room may only decrease.
    pub fn check(&mut self, outcome: &Outcome, replicas: &[Replica]) {
        if !outcome.events.iter().any(moves_room) {
            return;
        }
        let mut away = Away::default();
        replicas.iter().for_each(|replica| away.add_purses(replica, self.map));
        replicas.iter().for_each(|replica| away.add_messages(replica, replicas));
        for state in replicas.iter().map(Replica::state) {
            for (id, account) in state.accounts() {
                let mut all = Sum::default();
                all += state.purse(id).unwrap_or_else(|| panic!("account {id} has no purse at home")).room;
                for (shard, lent) in &account.lent {
                    let (mut known, there) = (Sum::default(), away.0.remove(&(id, *shard)).unwrap_or_default());
                    known += lent.room;
                    assert!(there == known, "{}: {id} on {shard}: {there:?}, not {known:?}", Invariant::RoomIsCounted);
                    all += lent.room;
                }
                self.check_limits(id, account.limits, all);
            }
        }
        let nobodys = away.0.iter().find(|(_, room)| **room != Sum::default());
        assert!(nobodys.is_none(), "{}: room of nobody {nobodys:?}", Invariant::RoomIsCounted);
    }

    fn check_limits(&mut self, id: AccountId, limits: AccountLimits, all: Sum) {
        let before = self.before.insert(id, all).unwrap_or(all);
        let orders = limits.live_orders == u32::MAX || all.orders <= before.orders.max(limits.live_orders.into());
        let held = limits.held.0 == i64::MAX || all.held <= before.held.max(limits.held.0.into());
        assert!(orders && held, "{}: {id} has {all:?} of {limits:?}", Invariant::RoomIsCounted);
    }
}

fn moves_room(event: &Event) -> bool {
    matches!(
        event,
        Event::AccountOpened { .. }
            | Event::AccountLimited { .. }
            | Event::PurseLimited { .. }
            | Event::PurseSent { .. }
            | Event::PurseReceived { .. }
            | Event::Asked { .. }
            | Event::Received { .. }
    )
}

/// The room of purses on other shards than the home, and of messages to or from them.
#[derive(Default)]
struct Away(BTreeMap<(AccountId, Shard), Sum>);

impl Away {
    fn add(&mut self, account: AccountId, shard: Shard, room: Room) {
        *self.0.entry((account, shard)).or_default() += room;
    }

    fn add_purses(&mut self, replica: &Replica, map: ShardMap) {
        let state = replica.state();
        for (id, purse) in state.purses().filter(|(id, _)| map.of_account(*id) != state.shard()) {
            self.add(id, state.shard(), purse.room);
        }
    }

    /// Adds messages that were sent and not yet received.
    fn add_messages(&mut self, sender: &Replica, replicas: &[Replica]) {
        let from = sender.state().shard();
        for (to, number, _, message) in sender.kept_messages() {
            if number <= replicas[to.index()].state().received_from(from) {
                continue;
            }
            match message {
                Message::Fund { account, room, .. } => self.add(*account, to, *room),
                Message::Ask { account, given_back, .. } => self.add(*account, from, *given_back),
                Message::Return(all) => all.iter().for_each(|one| self.add(one.account, from, one.room)),
                Message::Instruct { .. }
                | Message::Transfer { .. }
                | Message::TransferEnded { .. }
                | Message::ClaimYes { .. }
                | Message::ReleaseYes { .. }
                | Message::YesAnswered { .. }
                | Message::Groups { .. }
                | Message::GroupFilled { .. } => {}
            }
        }
    }
}
