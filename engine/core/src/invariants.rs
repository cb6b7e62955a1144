//! The invariants, with the ids of `docs/invariants.md`. Cheap ones are asserted in every build.

use schemas::limits::{
    ACCOUNT_GROUPS_MAX, ADMINS_MAX, DEPOSIT_PROPOSALS_MAX, DEPOSITING_ADMINS_MAX, DEPOSITS_ALONE_A_DAY_MAX,
    GROUP_ORDERS_MAX, REDUCE_ONLY_MAX,
};
use schemas::{ADMINS_HOME, AccountId, Admin, BookSide, Contract, Credits, MarketId, Message, OrderId, Room, Shard};

use crate::state::{MarketOrder, Reducing, ShardState, YesClaim};

/// An invariant of the state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Invariant {
    /// I-1: purses + collateral + messages in flight + fees = deposits − withdrawals.
    CreditsAreConserved,
    /// I-2: a market's collateral in credits = its YES outstanding = its NO outstanding; once its
    /// answer is known, what it still has to pay.
    CollateralCoversPairs,
    /// I-3: the book is never crossed after a command.
    BookIsNotCrossed,
    /// I-4: no part of a purse, no position or reservation is negative.
    NothingIsNegative,
    /// I-5: a purse's held credits = what the account's live buy orders on its shard could still
    /// cost.
    HoldsMatchOrders,
    /// I-6: per price level, total = sum of its orders.
    LevelsAddUp,
    /// I-7: outcomes, messages and trades are numbered densely.
    MessagesAreDense,
    /// I-8: a purse's live orders = those that rest on its shard.
    LiveOrdersAreCounted,
    /// I-9: the room of an account's purses, and what is in flight between them, is what its home
    /// has lent, and within its limits.
    RoomIsCounted,
    /// I-10: a deposit above what an admin may make alone has a second admin; before that it is no
    /// credit.
    DepositsHaveTheirAdmins,
    /// I-11: while a market may trade, an account's resting buys that only reduce want no more
    /// contracts than it has of the other kind, those apart that its sells reserve.
    ReducedIsHeld,
    /// I-12: at most one market of an exclusive market event is paid out YES, and it holds the
    /// event's YES.
    EventsHaveOneYes,
    /// I-13: on each shard a group's orders fill no more than its limit in a window; no order rests
    /// whose group is triggered, or is not there.
    GroupsHold,
    /// I-15: as soon as there is an admin on the log, there is one that may always say who is an
    /// admin.
    AdminsAreKept,
}

impl std::fmt::Display for Invariant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = match self {
            Self::CreditsAreConserved => "I-1",
            Self::CollateralCoversPairs => "I-2",
            Self::BookIsNotCrossed => "I-3",
            Self::NothingIsNegative => "I-4",
            Self::HoldsMatchOrders => "I-5",
            Self::LevelsAddUp => "I-6",
            Self::MessagesAreDense => "I-7",
            Self::LiveOrdersAreCounted => "I-8",
            Self::RoomIsCounted => "I-9",
            Self::DepositsHaveTheirAdmins => "I-10",
            Self::ReducedIsHeld => "I-11",
            Self::EventsHaveOneYes => "I-12",
            Self::GroupsHold => "I-13",
            Self::AdminsAreKept => "I-15",
        };
        write!(f, "{id} {self:?}")
    }
}

/// A shard's part of I-1. Added up over all shards at a cut of the logs, [`Sums::balance`] is zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sums {
    /// Deposits minus withdrawals.
    pub deposited: Credits,
    /// Credits in purses that can be spent.
    pub available: Credits,
    /// Credits in purses that buy orders hold.
    pub held: Credits,
    /// Credits that back pairs.
    pub collateral: Credits,
    /// Fees collected, including archived markets.
    pub fees: Credits,
    /// Credits in messages that this shard sent and that were not received yet.
    pub in_flight: Credits,
}

impl Sums {
    /// Returns the balance that I-1 requires to be zero.
    pub fn balance(&self) -> Credits {
        self.available + self.held + self.collateral + self.fees + self.in_flight - self.deposited
    }
}

impl std::ops::Add for Sums {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            deposited: self.deposited + other.deposited,
            available: self.available + other.available,
            held: self.held + other.held,
            collateral: self.collateral + other.collateral,
            fees: self.fees + other.fees,
            in_flight: self.in_flight + other.in_flight,
        }
    }
}

impl ShardState {
    /// Returns this shard's part of I-1. `taken_in(to)` returns how many of its messages each other
    /// shard has received.
    pub fn sums(&self, taken_in: impl Fn(Shard) -> u64) -> Sums {
        let in_flight = self.kept_messages().filter(|(to, number, ..)| *number > taken_in(*to));
        Sums {
            deposited: self.facts.deposited,
            available: self.facts.purses.values().map(|purse| purse.available).sum(),
            held: self.facts.purses.values().map(|purse| purse.held).sum(),
            collateral: self.facts.markets.values().map(|m| m.collateral).sum(),
            fees: self.facts.markets.values().map(|m| m.fees).sum::<Credits>() + self.facts.archive.fees(),
            in_flight: in_flight.map(|(.., message)| Message::in_flight(message)).sum(),
        }
    }

    /// Asserts the cheap invariants of one market: I-2 and I-3.
    pub(crate) fn assert_market(&self, id: MarketId) {
        let Some(market) = self.market(id) else { return };
        let covered = match market.yes_value() {
            None => market.yes == market.no && market.collateral == Credits::of_pairs(market.yes),
            // During the payout, holders of one contract may be paid before those of the other.
            Some(value) => market.collateral == value.payout(market.yes, market.no),
        };
        assert!(covered, "{}: market {id}", Invariant::CollateralCoversPairs);
        if let (Some(bid), Some(ask)) = (market.best(BookSide::Bid), market.best(BookSide::Ask)) {
            // A crossed book makes every further trade wrong: stopping the shard is the smaller
            // loss.
            assert!(bid < ask, "{}: market {id} bid {bid} ask {ask}", Invariant::BookIsNotCrossed);
        }
    }

    /// Asserts every invariant that one shard alone can check, however long it takes: for tests and
    /// auditors.
    pub fn assert_all(&self) {
        for (id, market) in self.markets() {
            self.assert_market(id);
            let (mut yes, mut no) = (0, 0);
            for (_, position) in market.positions() {
                yes += position.yes;
                no += position.no;
            }
            assert_eq!((yes, no), (market.yes, market.no), "{}: market {id}", Invariant::CollateralCoversPairs);
            self.assert_levels(id);
            self.assert_reducing(id);
            assert_eq!(self.market_of(market.book).listing.market, id, "book of market {id}");
            assert!(!self.archive().contains(id), "market {id} is archived");
            self.assert_yes(id);
        }
        self.assert_purses();
        self.assert_deposits();
        self.assert_groups();
        self.assert_admins();
    }

    /// Asserts I-15.
    fn assert_admins(&self) {
        let (all, invariant) = (&self.facts.admins, Invariant::AdminsAreKept);
        assert!(all.is_empty() || self.shard == ADMINS_HOME, "{invariant}: {all:?} on shard {}", self.shard);
        assert!(all.is_empty() || all.values().any(Admin::keeps_admins), "{invariant}: {all:?}");
        assert!(all.len() <= ADMINS_MAX, "{invariant}: {} of them", all.len());
    }

    /// Asserts I-12, as far as the market's shard can check it.
    fn assert_yes(&self, id: MarketId) {
        let Some(market) = self.market(id).filter(|market| market.listing.event.is_some()) else { return };
        let answered = market.resolution.filter(|resolution| resolution.confirmed.is_some());
        if answered.is_some_and(|resolution| resolution.answer.is_yes()) {
            let granted = market.yes_claim == Some(YesClaim::Granted);
            assert!(granted, "{}: market {id} has {:?}", Invariant::EventsHaveOneYes, market.yes_claim);
        }
    }

    /// Asserts I-13, as far as a state can check it.
    fn assert_groups(&self) {
        let invariant = Invariant::GroupsHold;
        let mut resting: std::collections::BTreeMap<_, std::collections::BTreeSet<_>> =
            std::collections::BTreeMap::new();
        for order in self.markets().flat_map(|(_, market)| market.all_orders()) {
            if let Some(group) = order.group() {
                resting.entry(group).or_default().insert(order.id);
            }
        }
        for ((account, group), orders) in &resting {
            let known = self.group(*account, *group);
            let open = known.is_some_and(|known| !known.triggered);
            assert!(open, "{invariant}: orders of {account} rest in group {group}, which is {known:?}");
            assert!(orders.len() <= GROUP_ORDERS_MAX, "{invariant}: {} of {account} in {group}", orders.len());
        }
        assert_eq!(self.lookup.group_orders, resting, "{invariant}: look-up");
        let mut unreported = std::collections::BTreeSet::new();
        for (account, groups) in self.facts.groups.iter() {
            assert!(groups.len() <= ACCOUNT_GROUPS_MAX, "{invariant}: {account} has {}", groups.len());
            for (id, group) in groups.iter() {
                let open = group.triggered || group.left(self.facts.time) > 0;
                assert!(open, "{invariant}: group {id} of {account} is {group:?}");
                assert!(group.generation <= groups.generations, "{invariant}: group {id} of {account} is {group:?}");
                if group.is_unreported() {
                    unreported.insert((self.map.of_account(account), account, id));
                }
            }
        }
        assert_eq!(self.lookup.unreported, unreported, "{invariant}: look-up");
    }

    /// Asserts I-10, as far as a state can check it.
    fn assert_deposits(&self) {
        let (deposits, id) = (self.deposits(), Invariant::DepositsHaveTheirAdmins);
        let within = deposits.alone.values().all(|sum| (1..=DEPOSITS_ALONE_A_DAY_MAX).contains(&sum.0));
        assert!(within && deposits.alone.len() <= DEPOSITING_ADMINS_MAX, "{id}: {:?}", deposits.alone);
        assert!(deposits.open.len() <= DEPOSIT_PROPOSALS_MAX, "{id}: {} wait", deposits.open.len());
        let last = deposits.open.last_key_value().map_or(0, |(id, _)| id.counter());
        assert!(last <= deposits.proposed, "{id}: {last} of {}", deposits.proposed);
    }

    /// Asserts I-5 and I-8: the books and the purses agree.
    fn assert_purses(&self) {
        let mut used: std::collections::BTreeMap<AccountId, Room> = std::collections::BTreeMap::new();
        for order in self.markets().flat_map(|(_, market)| market.all_orders()) {
            let used = used.entry(order.owner.account).or_default();
            *used = *used + Room { orders: 1, held: order.held() };
        }
        for (account, purse) in self.purses() {
            let used = used.remove(&account).unwrap_or_default();
            assert_eq!(purse.held, used.held, "{}: {account}", Invariant::HoldsMatchOrders);
            assert_eq!(purse.live_orders, used.orders, "{}: {account}", Invariant::LiveOrdersAreCounted);
            // At home the purse has what is not lent; after limits are lowered that may be less
            // than it uses.
            let fits = match self.account(account) {
                Some(known) => purse.room == known.unlent(),
                None => used.orders <= purse.room.orders && used.held <= purse.room.held,
            };
            assert!(fits, "{}: {account} uses {used:?} of {purse:?}", Invariant::RoomIsCounted);
        }
        assert!(used.is_empty(), "{}: orders without a purse: {used:?}", Invariant::LiveOrdersAreCounted);
        self.assert_own_orders();
    }

    /// Asserts I-8 for the own-order lists: each account's live orders are found market by market,
    /// oldest first.
    fn assert_own_orders(&self) {
        let mut all: std::collections::BTreeMap<AccountId, Vec<(MarketId, OrderId)>> =
            std::collections::BTreeMap::new();
        let mut markets: Vec<_> = self.markets().collect();
        markets.sort_unstable_by_key(|(_, market)| market.book);
        for (id, market) in markets {
            let mut orders: Vec<_> = market.all_orders().map(|order| (order.id, order.owner.account)).collect();
            orders.sort_unstable();
            for (order, account) in orders {
                all.entry(account).or_default().push((id, order));
            }
        }
        for (account, _) in self.purses() {
            let own: Vec<_> = self.own_orders(account, None, OrderId(u64::MAX)).collect();
            let expected = all.remove(&account).unwrap_or_default();
            assert_eq!(own, expected, "{}: orders of {account}", Invariant::LiveOrdersAreCounted);
        }
    }

    /// Asserts I-11.
    fn assert_reducing(&self, id: MarketId) {
        let Some(market) = self.market(id) else { return };
        let mut all: std::collections::BTreeMap<(AccountId, Contract), Reducing> = std::collections::BTreeMap::new();
        for order in market.all_orders().filter(MarketOrder::shrinks) {
            let reducing = all.entry((order.owner.account, order.owner.entry.contract())).or_default();
            reducing.contracts += u64::from(order.remaining);
            reducing.orders.insert(order.id);
        }
        for ((account, bought), reducing) in &all {
            let (free, invariant) = (market.position(*account).free(bought.other()), Invariant::ReducedIsHeld);
            let held = reducing.contracts <= free || !market.state.trades_later();
            assert!(held, "{invariant}: {account} reduces {free} by {reducing:?} in {id}");
            assert!(reducing.orders.len() <= REDUCE_ONLY_MAX, "{invariant}: {account} has {reducing:?} in {id}");
        }
        let known = self.lookup.reducing.iter().filter(|((market, ..), _)| *market == id);
        let known = known.map(|((_, account, bought), reducing)| ((*account, *bought), reducing.clone())).collect();
        assert_eq!(all, known, "{}: {id}", Invariant::ReducedIsHeld);
    }

    fn assert_levels(&self, id: MarketId) {
        let Some(market) = self.market(id) else { return };
        for side in [BookSide::Bid, BookSide::Ask] {
            let mut totals = std::collections::BTreeMap::new();
            for (.., price, remaining, _) in market.orders(side) {
                *totals.entry(price).or_insert(0) += u64::from(remaining.contracts());
            }
            for (price, total) in totals {
                assert_eq!(market.depth(side, price), total, "{}: {id} at {price}", Invariant::LevelsAddUp);
            }
        }
    }
}
