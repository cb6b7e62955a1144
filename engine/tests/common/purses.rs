//! Purses according to the logs: credits and live orders on each shard, the room that home shards
//! lend, and frozen accounts. (A purse is an account's balance on one shard; room is its remaining
//! order allowance.)

use std::collections::BTreeMap;

use schemas::effects::purse_change;
use schemas::limits::{PURSE_REST_MS, PURSE_STEP_MS};
use schemas::shard_map::ShardMap;
use schemas::{AccountId, AccountLimits, Credits, Event, Message, Room, Shard, Timestamp};

/// An account on a shard.
pub type Key = (AccountId, Shard);

/// What live orders use of a purse's room, or the room itself: the number of orders, and credits
/// held.
pub type Used = (i64, Credits);

/// An account's credits and room on one shard.
#[derive(Default)]
struct Purse {
    available: Credits,
    held: Credits,
    live_orders: i64,
    /// Not on the home shard: what it has lent, as far as it has arrived here. On the home shard:
    /// what the limits leave.
    room: Room,
    frozen: bool,
    /// When its credits last changed.
    changed: Timestamp,
    /// Credits sent to the account's other purses, and received from them.
    sent: Credits,
    received: Credits,
}

/// What an account's home shard stores for all of its purses.
#[derive(Default)]
struct Home {
    limits: AccountLimits,
    lent: BTreeMap<Shard, Room>,
}

/// All purses.
pub struct Purses {
    map: ShardMap,
    purses: BTreeMap<Key, Purse>,
    homes: BTreeMap<AccountId, Home>,
}

impl Purse {
    fn used(&self) -> Room {
        Room { orders: u32::try_from(self.live_orders).expect("I-4: live orders"), held: self.held }
    }
}

impl Purses {
    pub fn new(map: ShardMap) -> Self {
        Self { map, purses: BTreeMap::new(), homes: BTreeMap::new() }
    }

    pub fn fold(&mut self, at: Shard, event: &Event, now: Timestamp) {
        self.fold_room(at, event);
        self.fold_freezes(at, event);
        let Some(change) = purse_change(event) else { return };
        let key = (change.account, at);
        let purse = self.purses.get_mut(&key).expect("only a receipt creates a purse");
        purse.available += change.available;
        purse.held += change.held;
        purse.live_orders += i64::from(change.live_orders);
        purse.sent += change.sent;
        purse.received += change.received;
        purse.changed = now;
        let positive = purse.available >= Credits::ZERO && purse.held >= Credits::ZERO && purse.live_orders >= 0;
        assert!(positive, "I-4: the purse of {} on {at} after {event:?}", change.account);
        let more = Room { orders: u32::from(change.live_orders > 0), held: change.held };
        self.assert_within(key, more, event);
    }

    fn fold_room(&mut self, at: Shard, event: &Event) {
        match event {
            Event::AccountOpened { account } => {
                self.homes.insert(*account, Home::default());
                self.purses.insert((*account, at), Purse::default());
            }
            Event::AccountLimited { account, limits, .. } => {
                self.homes.get_mut(account).expect("a home shard limits its accounts").limits = *limits;
            }
            // Before the first answer there is no purse.
            Event::Asked { given_back, .. } if given_back.is_zero() => {}
            Event::Asked { account, given_back, .. } | Event::PurseLimited { account, given_back } => {
                let purse = self.purse_mut(*account, at);
                purse.room = purse.room - *given_back;
            }
            Event::PurseSent { account, to, room, .. } => self.sent((*account, at), *to, *room, event),
            Event::PurseReceived { account, from, room, .. } => self.received((*account, at), *from, *room),
            _ => {}
        }
    }

    fn fold_freezes(&mut self, at: Shard, event: &Event) {
        match event {
            Event::AccountFrozen { account, .. } => self.purse_mut(*account, at).frozen = true,
            Event::AccountUnfrozen { account, .. } => self.purse_mut(*account, at).frozen = false,
            Event::PurseFrozen { account, frozen } => self.purse_mut(*account, at).frozen = *frozen,
            Event::OrderPlaced(placed) => {
                let frozen = self.purse_mut(placed.order.account, at).frozen;
                assert!(!frozen, "a frozen purse pays for no order: {placed:?}");
            }
            _ => {}
        }
    }

    fn purse_mut(&mut self, account: AccountId, at: Shard) -> &mut Purse {
        self.purses.get_mut(&(account, at)).unwrap_or_else(|| panic!("{account} has no purse on {at}"))
    }

    fn is_home(&self, account: AccountId, at: Shard) -> bool {
        self.map.of_account(account) == at
    }

    fn sent(&mut self, (account, at): Key, to: Shard, room: Room, event: &Event) {
        if self.is_home(account, at) {
            let lent = self.homes.get_mut(&account).expect("it is its home").lent.entry(to).or_default();
            *lent = *lent + room;
            self.assert_within((account, at), room, event);
        } else {
            let purse = self.purse_mut(account, at);
            purse.room = purse.room - room;
        }
    }

    fn received(&mut self, (account, at): Key, from: Shard, room: Room) {
        if self.is_home(account, at) {
            let lent = self.homes.get_mut(&account).expect("it is its home").lent.get_mut(&from);
            let lent = lent.expect("only a purse that was lent something returns it");
            *lent = *lent - room;
        } else {
            let purse = self.purses.entry((account, at)).or_default();
            purse.room = purse.room + room;
        }
    }

    /// I-9: a purse that takes `more` has the room for everything that it then uses. On the home
    /// shard that is the rest of the account's limits.
    fn assert_within(&self, (account, at): Key, more: Room, event: &Event) {
        let purse = &self.purses[&(account, at)];
        let used = plus([0, 0], purse.used());
        let (used, room) = match self.homes.get(&account).filter(|_| self.is_home(account, at)) {
            Some(home) => (home.lent.values().fold(used, |sum, room| plus(sum, *room)), limits(home.limits)),
            None => (used, plus([0, 0], purse.room)),
        };
        let orders = more.orders == 0 || used[0] <= room[0];
        let held = more.held <= Credits::ZERO || used[1] <= room[1];
        assert!(orders && held, "I-9: {account} on {at} has {room:?} and uses or lends {used:?} after {event:?}");
    }

    pub fn credits(&self) -> Credits {
        self.purses.values().map(|purse| purse.available + purse.held).sum()
    }

    /// I-5 and I-8: the held credits and the order counts of purses equal what live orders on their
    /// shards could still cost, and how many there are.
    pub fn assert_used(&self, expected: &BTreeMap<Key, Used>) {
        let found = self.purses.iter().map(|(key, purse)| (*key, (purse.live_orders, purse.held)));
        let found: BTreeMap<Key, Used> = found.filter(|(_, used)| *used != (0, Credits::ZERO)).collect();
        assert!(found == *expected, "I-5, I-8: purses have {found:?}, live orders {expected:?}");
    }

    /// I-9: the room that home shards have lent equals what other purses have plus what is in
    /// flight between them.
    pub fn assert_lent<'a>(&self, in_flight: impl Iterator<Item = (Shard, Shard, &'a Message)>) {
        let mut found: BTreeMap<Key, [i128; 2]> = BTreeMap::new();
        let mut add = |key: Key, room: Room| {
            let sum = found.entry(key).or_default();
            *sum = plus(*sum, room);
        };
        let away = self.purses.iter().filter(|((account, at), _)| !self.is_home(*account, *at));
        away.for_each(|(key, purse)| add(*key, purse.room));
        for (from, to, message) in in_flight {
            match message {
                Message::Fund { account, room, .. } => add((*account, to), *room),
                Message::Ask { account, given_back, .. } => add((*account, from), *given_back),
                Message::Return(all) => all.iter().for_each(|returned| add((returned.account, from), returned.room)),
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
        found.retain(|_, room| *room != [0, 0]);
        let lent = self.homes.iter().flat_map(|(account, home)| {
            home.lent.iter().map(|(shard, room)| ((*account, *shard), plus([0, 0], *room)))
        });
        let lent: BTreeMap<Key, [i128; 2]> = lent.filter(|(_, room)| *room != [0, 0]).collect();
        assert!(found == lent, "I-9: purses and messages have {found:?}, homes have lent {lent:?}");
    }

    /// With nothing in flight: what purses sent was received by others, and each knows whether its
    /// account is frozen.
    pub fn assert_at_rest(&self) {
        let mut moved: BTreeMap<AccountId, Credits> = BTreeMap::new();
        for ((account, at), purse) in &self.purses {
            *moved.entry(*account).or_default() += purse.sent - purse.received;
            let home = &self.purses[&(*account, self.map.of_account(*account))];
            assert_eq!(purse.frozen, home.frozen, "the purse of {account} on {at} has the account's freeze");
        }
        moved.retain(|_, difference| *difference != Credits::ZERO);
        assert!(moved.is_empty(), "sent to other purses and not received: {moved:?}");
    }

    /// Returns true if no purse has been idle long enough until `soon` to return its credits.
    pub fn are_quiet(&self, soon: Timestamp) -> bool {
        let away = self.purses.iter().filter(|((account, at), _)| !self.is_home(*account, *at));
        let resting = away.filter(|(_, purse)| purse.available > Credits::ZERO);
        let begin = |purse: &Purse| purse.changed.as_millis() / PURSE_STEP_MS * PURSE_STEP_MS;
        resting.into_iter().all(|(_, purse)| begin(purse) + PURSE_REST_MS > soon.as_millis())
    }
}

/// Returns an account's limits as room; an unlimited value is more than all purses can use.
fn limits(limits: AccountLimits) -> [i128; 2] {
    let AccountLimits { live_orders, held } = limits;
    let limited = |limited: bool, limit: i128| if limited { limit } else { i128::MAX };
    [
        limited(live_orders != AccountLimits::NONE.live_orders, live_orders.into()),
        limited(held != AccountLimits::NONE.held, held.micros().into()),
    ]
}

/// Room, in numbers that cannot overflow.
fn plus([orders, held]: [i128; 2], room: Room) -> [i128; 2] {
    [orders + i128::from(room.orders), held + i128::from(room.held.micros())]
}
