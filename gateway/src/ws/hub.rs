//! Subscriptions, and the delivery of each message to its subscribers.
//!
//!   tail ─▶ fan-out ─▶ *hub* ─▶ one bounded queue per client ─▶ session ─▶ socket
//!
//! An outcome is first queued for each subject that it changes, at a cost that does not depend on
//! who watches. Then subjects take turns, see [`crate::ws::subjects`]: a message is serialised once
//! and shared. Delivery never waits: a client whose queue is full is evicted, with a reason.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use metrics::{Counter, Gauge, counter, gauge};
use schemas::shard_map::ShardMap;
use schemas::{AccountId, ApiKeyId, Event, Outcome, Shard};
use tokio::sync::watch;

use crate::view::{ViewChanges, accounts};
use crate::ws::changes;
use crate::ws::protocol::Delta;
use crate::ws::queue::{AllBytes, FrameQueue, QueueSender, queue};
use crate::ws::subject::{ClientNumber, Subject};
use crate::ws::subjects::{Start, SubjectChange, WatchedSubject};

/// Clients that are given messages before others get the lock.
const SLICE: usize = 1_024;

/// The most subscriptions of one client.
pub const SUBSCRIPTIONS_MAX: usize = 256;

/// Why a client is evicted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Eviction {
    /// Its queue was full.
    TooSlow,
    /// Too many outcomes waited for the fan-out, of all subjects or of one that the client watches.
    FanOutBehind,
    /// The key that it authenticated with was revoked.
    KeyRevoked,
    /// The shard that would show the key's revocation has halted.
    HomeHalted,
}

/// The receiving end of a client's queue.
pub struct ClientQueue {
    /// The client.
    pub client: ClientNumber,
    /// Its messages.
    pub frames: FrameQueue,
    /// Set once, when the client is evicted.
    pub evicted: watch::Receiver<Option<Eviction>>,
}

struct Client {
    frames: QueueSender,
    evicted: watch::Sender<Option<Eviction>>,
    topics: HashSet<Subject>,
    key: Option<(AccountId, ApiKeyId)>,
}

/// All clients and their subscriptions.
pub struct Hub {
    /// Which shard's outcomes count for an account's groups.
    map: ShardMap,
    clients: HashMap<ClientNumber, Client>,
    topics: HashMap<Subject, WatchedSubject>,
    /// The subjects of which something is to be told, by the time of their next turn.
    schedule: BTreeSet<(Instant, Subject)>,
    /// The bytes of the messages that wait for clients.
    bytes: AllBytes,
    bytes_max: usize,
    next: u64,
    /// Messages delivered to clients.
    messages: Counter,
    /// Connected clients.
    connected: Gauge,
}

/// The client has reached its limit of subscriptions, or was evicted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotSubscribed;

impl Hub {
    /// Creates a hub without clients, in which messages of so many bytes may wait for all of them.
    pub fn new(map: ShardMap, bytes_max: usize) -> Self {
        Self {
            map,
            clients: HashMap::new(),
            topics: HashMap::new(),
            schedule: BTreeSet::new(),
            bytes: AllBytes::default(),
            bytes_max,
            next: 0,
            messages: counter!("gateway_ws_messages_total"),
            connected: gauge!("gateway_ws_clients"),
        }
    }

    /// Adds a client without subscriptions.
    pub fn connect(&mut self) -> ClientQueue {
        self.next += 1;
        let client = ClientNumber(self.next);
        let (sender, frames) = queue();
        let (evict, evicted) = watch::channel(None);
        let state = Client { frames: sender, evicted: evict, topics: HashSet::new(), key: None };
        self.clients.insert(client, state);
        self.gauge();
        ClientQueue { client, frames, evicted }
    }

    /// Removes a client.
    pub fn disconnect(&mut self, client: ClientNumber) {
        if let Some(state) = self.clients.remove(&client) {
            for topic in state.topics {
                self.leave(client, topic);
            }
        }
        self.gauge();
    }

    /// Notes whose key a client authenticated with; its revocation ends the connection.
    pub fn authenticated(&mut self, client: ClientNumber, account: AccountId, key: ApiKeyId) {
        if let Some(state) = self.clients.get_mut(&client) {
            state.key = Some((account, key));
        }
    }

    /// Subscribes a client to a subject. `start` is how far each shard is in the client's snapshot:
    /// outcomes up to there may still be published and are not delivered to this client. Returns
    /// true if the client did not watch the subject already.
    pub fn subscribe(
        &mut self,
        client: ClientNumber,
        topic: Subject,
        start: impl IntoIterator<Item = (Shard, u64)>,
    ) -> Result<bool, NotSubscribed> {
        let state = self.clients.get_mut(&client).ok_or(NotSubscribed)?;
        if !state.topics.contains(&topic) && state.topics.len() == SUBSCRIPTIONS_MAX {
            return Err(NotSubscribed);
        }
        let is_more = state.topics.insert(topic);
        let start: Start = start.into_iter().collect();
        let first = || WatchedSubject::new(&start, Instant::now());
        self.topics.entry(topic).or_insert_with(first).clients.insert(client, start);
        Ok(is_more)
    }

    /// Unsubscribes a client. Messages in its queue are still sent. Returns true if it was
    /// subscribed.
    pub fn unsubscribe(&mut self, client: ClientNumber, topic: Subject) -> bool {
        let was_subscribed = self.clients.get_mut(&client).is_some_and(|state| state.topics.remove(&topic));
        if was_subscribed {
            self.leave(client, topic);
        }
        was_subscribed
    }

    /// Returns true if the client has no subscription.
    pub fn watches_nothing(&self, client: ClientNumber) -> bool {
        self.clients.get(&client).is_none_or(|state| state.topics.is_empty())
    }

    fn leave(&mut self, client: ClientNumber, topic: Subject) {
        if let Some(watched) = self.topics.get_mut(&topic) {
            watched.clients.remove(&client);
            if watched.clients.is_empty() {
                if let Some(due) = watched.due {
                    self.schedule.remove(&(due, topic));
                }
                self.topics.remove(&topic);
            }
        }
    }

    /// Queues an outcome's changes for the subjects that are watched.
    pub fn publish(&mut self, shard: Shard, outcome: &Outcome, changes: &ViewChanges, now: Instant) {
        for (&market, levels) in &changes.books {
            self.queue(Subject::Book(market), shard, outcome, now, |_| SubjectChange::Book(market, levels.clone()));
        }
        for (&market, trades) in &changes.trades {
            self.queue(Subject::Trades(market), shard, outcome, now, |delta| {
                SubjectChange::Trades(market, trades.iter().map(|trade| (delta.sequence, *trade)).collect())
            });
        }
        for account in self.watched_accounts(shard, &outcome.events) {
            let at_home = self.map.of_account(account) == shard;
            self.queue(Subject::Orders(account), shard, outcome, now, |delta| {
                SubjectChange::Orders(account, Arc::new(changes::orders_delta(account, at_home, outcome, delta)))
            });
        }
    }

    /// Returns the accounts with subscribers whose orders or groups an outcome changed. Other
    /// shards than the account's home repeat changes of groups.
    fn watched_accounts(&self, shard: Shard, events: &[Event]) -> BTreeSet<AccountId> {
        let with_groups = events.iter().filter_map(accounts::account_of_group);
        let told_at_home = with_groups.filter(|&account| self.map.of_account(account) == shard);
        let touched = events.iter().flat_map(accounts::accounts_of).chain(told_at_home);
        touched.filter(|&account| self.topics.contains_key(&Subject::Orders(account))).collect()
    }

    fn queue(
        &mut self,
        topic: Subject,
        shard: Shard,
        outcome: &Outcome,
        now: Instant,
        change: impl FnOnce(&Delta) -> SubjectChange,
    ) {
        let Some(watched) = self.topics.get_mut(&topic) else { return };
        let delta = Delta { shard, sequence: outcome.sequence, previous: 0, time: outcome.time };
        let pushed = watched.push(delta, change);
        if pushed.is_err() {
            let clients: Vec<_> = watched.clients.keys().copied().collect();
            for client in clients {
                self.evict(client, Eviction::FanOutBehind);
            }
        } else if watched.due.is_none() {
            self.schedule(topic, now);
        }
    }

    /// Gives the subjects that are due their turns, until it is somebody else's turn to have the hub.
    /// Returns when to go on, if anything is still to be told.
    pub fn deliver(&mut self, now: Instant) -> Option<Instant> {
        let mut told = 0;
        while let Some(&(due, topic)) = self.schedule.first() {
            if due > now || told >= SLICE {
                return Some(due);
            }
            self.schedule.pop_first();
            told += self.turn(topic, now, SLICE - told);
        }
        None
    }

    /// Tells a subject to some of its clients. Returns to how many.
    fn turn(&mut self, topic: Subject, now: Instant, most: usize) -> usize {
        let Some(watched) = self.topics.get_mut(&topic) else { return 0 };
        let (mut slow, mut messages) = (Vec::new(), 0);
        let told = watched.tell(now, most, &self.bytes, |client, batch| {
            messages += batch.len() as u64;
            let handed = self.clients.get(&client).map(|state| state.frames.hand(batch));
            if matches!(handed, Some(Err(_))) {
                slow.push(client);
            }
        });
        self.messages.increment(messages);
        self.schedule(topic, now);
        for client in slow {
            self.evict(client, Eviction::TooSlow);
        }
        self.make_room();
        told
    }

    /// Evicts the client for which the most waits, if too much waits for all. Its session gives it
    /// back soon; what is told meanwhile evicts another.
    fn make_room(&mut self) {
        if self.bytes.count() <= self.bytes_max {
            return;
        }
        // One without messages gives nothing back: those evicted before have them, for a moment.
        let waiting = self.clients.iter().filter(|(_, state)| state.frames.bytes() > 0);
        let slowest = waiting.max_by_key(|(_, state)| state.frames.bytes()).map(|(client, _)| *client);
        if let Some(client) = slowest {
            self.evict(client, Eviction::TooSlow);
        }
    }

    fn schedule(&mut self, topic: Subject, now: Instant) {
        if let Some(watched) = self.topics.get_mut(&topic) {
            watched.due = watched.next_turn(now);
            self.schedule.extend(watched.due.map(|due| (due, topic)));
        }
    }

    /// Evicts clients that authenticated with one of these keys.
    pub fn revoke(&mut self, keys: &[(AccountId, ApiKeyId)]) {
        self.evict_if(|with| keys.contains(&with), Eviction::KeyRevoked);
    }

    /// Evicts all clients: they start again from snapshots.
    pub fn evict_all(&mut self, why: Eviction) {
        let all: Vec<_> = self.clients.keys().copied().collect();
        for client in all {
            self.evict(client, why);
        }
    }

    /// Evicts all clients that authenticated with a key of such an account.
    pub fn evict_accounts(&mut self, is_one: impl Fn(AccountId) -> bool) {
        self.evict_if(|(account, _)| is_one(account), Eviction::HomeHalted);
    }

    fn evict_if(&mut self, came_with: impl Fn((AccountId, ApiKeyId)) -> bool, why: Eviction) {
        let is_one = |state: &Client| state.key.is_some_and(&came_with);
        let clients: Vec<_> = self.clients.iter().filter(|(_, state)| is_one(state)).map(|(c, _)| *c).collect();
        for client in clients {
            self.evict(client, why);
        }
    }

    fn evict(&mut self, client: ClientNumber, why: Eviction) {
        if let Some(state) = self.clients.get(&client) {
            state.evicted.send_replace(Some(why));
            counter!("gateway_ws_evicted_total", "reason" => why.name()).increment(1);
        }
        self.disconnect(client);
    }

    fn gauge(&self) {
        // Counts of open connections stay far below 2^52.
        #[allow(clippy::cast_precision_loss, reason = "a count of connections")]
        self.connected.set(self.clients.len() as f64);
    }
}

impl Eviction {
    /// For metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooSlow => "too-slow",
            Self::FanOutBehind => "fan-out-behind",
            Self::KeyRevoked => "key-revoked",
            Self::HomeHalted => "home-halted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::MarketId;

    use crate::shapes::PublicTrade;
    use crate::view::book::Level;
    use crate::view::tests::{SHARD, outcome, placed, trade, view_with_market};
    use crate::ws::changes::Tallies;
    use crate::ws::queue::{DeltaBody, Frame, QUEUE_MAX};
    use futures_util::FutureExt;
    use schemas::{BookSide, Entry, GroupId, GroupLimits, Price, TriggerCause};
    use std::time::Duration;

    fn hub() -> Hub {
        Hub::new(ShardMap::new(4).unwrap(), usize::MAX)
    }

    fn market() -> MarketId {
        crate::view::tests::listing("RAIN").market
    }

    /// The deltas of one bid, placed and then filled by another account.
    fn run(hub: &mut Hub) {
        let mut view = view_with_market();
        let maker = placed(1, Entry::BuyYes, 5_000, 10, 0);
        let taker = placed(2, Entry::BuyNo, 5_000, 4, 4);
        let first = outcome(5, vec![Event::OrderPlaced(maker)]);
        let second = outcome(7, vec![Event::OrderPlaced(taker), trade(1, &maker, &taker, 4, 6)]);
        for outcome in [first, second] {
            let changes = view.apply(SHARD, &outcome).unwrap();
            hub.publish(SHARD, &outcome, &changes, Instant::now());
            deliver(hub);
        }
    }

    /// Everything that is due, and what comes due soon.
    fn deliver(hub: &mut Hub) {
        while hub.deliver(Instant::now()).is_some() {}
    }

    fn received(inbox: &mut ClientQueue) -> Vec<serde_json::Value> {
        let frames: Vec<_> = std::iter::from_fn(|| inbox.frames.take().now_or_never()).flatten().collect();
        inbox.frames.written(frames.len(), frames.iter().map(Frame::bytes).sum());
        let text = |frame: Frame| match frame.body {
            DeltaBody::Text(text) => serde_json::from_str(text.as_str()).unwrap(),
            DeltaBody::Orders(delta) => serde_json::from_str(&delta.told(&mut Tallies::default())).unwrap(),
        };
        frames.into_iter().map(text).collect()
    }

    #[test]
    fn each_client_gets_its_topics_with_an_unbroken_chain_of_sequences() {
        let mut hub = hub();
        let (mut all, mut alice) = (hub.connect(), hub.connect());
        hub.subscribe(all.client, Subject::Book(market()), [(SHARD, 3)]).unwrap();
        hub.subscribe(alice.client, Subject::Orders(AccountId(1)), [(SHARD, 3)]).unwrap();
        run(&mut hub);
        let links = |messages: &[serde_json::Value]| -> Vec<(u64, u64)> {
            messages.iter().map(|m| (m["previous"].as_u64().unwrap(), m["sequence"].as_u64().unwrap())).collect()
        };
        let (all, alice) = (received(&mut all), received(&mut alice));
        assert_eq!(links(&all), [(3, 5), (5, 7)]);
        assert_eq!(links(&alice), [(3, 5), (5, 7)]);
        assert_eq!(all[1]["levels"], serde_json::json!([["BID", "0.5000", 6]]));
        assert_eq!(alice[1]["changes"].as_array().unwrap().len(), 1);
        assert_eq!(alice[1]["changes"][0]["fill"]["role"], "MAKER");
    }

    #[test]
    fn what_a_snapshot_has_is_not_told_again_when_the_fan_out_is_behind_it() {
        let mut hub = hub();
        let (mut before, mut after) = (hub.connect(), hub.connect());
        hub.subscribe(before.client, Subject::Book(market()), [(SHARD, 3)]).unwrap();
        // Its snapshot contains the first outcome, which is not published yet.
        hub.subscribe(after.client, Subject::Book(market()), [(SHARD, 5)]).unwrap();
        run(&mut hub);
        let links = |inbox: &mut ClientQueue| -> Vec<(u64, u64)> {
            received(inbox).iter().map(|m| (m["previous"].as_u64().unwrap(), m["sequence"].as_u64().unwrap())).collect()
        };
        assert_eq!(links(&mut before), [(3, 5), (5, 7)]);
        assert_eq!(links(&mut after), [(5, 7)]);
    }

    #[test]
    fn an_account_hears_nothing_of_others() {
        let mut hub = hub();
        let mut carol = hub.connect();
        hub.subscribe(carol.client, Subject::Orders(AccountId(3)), [(SHARD, 3)]).unwrap();
        run(&mut hub);
        assert!(received(&mut carol).is_empty());
    }

    #[test]
    fn an_account_hears_of_its_groups_from_its_home_alone() {
        let (mut hub, group) = (hub(), GroupId::new(7).unwrap());
        let limits = GroupLimits::new(10, 60).unwrap();
        let account = (1..).map(AccountId).find(|account| hub.map.of_account(*account) == SHARD).unwrap();
        let mut inbox = hub.connect();
        hub.subscribe(inbox.client, Subject::Orders(account), []).unwrap();
        let elsewhere = Shard::all(4).find(|shard| *shard != SHARD).unwrap();
        for (sequence, shard) in [(2, elsewhere), (3, SHARD)] {
            let cause = TriggerCause::Elsewhere;
            let events = vec![
                Event::GroupSet { account, group, limits, generation: 4, anew: true },
                Event::GroupFilled { account, group, contracts: 1, filled: 1, reported_by: None },
                Event::GroupTriggered { account, group, cause },
                Event::GroupDeleted { account, group },
            ];
            hub.publish(shard, &outcome(sequence, events), &ViewChanges::default(), Instant::now());
            deliver(&mut hub);
        }
        let told = received(&mut inbox);
        assert_eq!((told.len(), &told[0]["shard"]), (1, &serde_json::json!(SHARD.number())));
        assert_eq!(
            told[0]["changes"],
            serde_json::json!([
                {"kind": "GROUP_SET", "group": 7, "contracts": 10, "window_s": 60, "generation": 4, "anew": true},
                {"kind": "GROUP_TRIGGERED", "group": 7, "cause": "ELSEWHERE"},
                {"kind": "GROUP_DELETED", "group": 7},
            ])
        );
    }

    #[test]
    fn a_slow_client_is_let_go_and_the_others_go_on() {
        let mut hub = hub();
        let (slow, mut quick) = (hub.connect(), hub.connect());
        for inbox in [&slow, &quick] {
            hub.subscribe(inbox.client, Subject::Book(market()), [(SHARD, 1)]).unwrap();
        }
        for sequence in 2..(QUEUE_MAX as u64 + 10) {
            let changes = ViewChanges { books: [(market(), Vec::new())].into(), ..ViewChanges::default() };
            hub.publish(SHARD, &outcome(sequence, Vec::new()), &changes, Instant::now());
            deliver(&mut hub);
            assert_eq!(received(&mut quick).len(), 1);
        }
        assert_eq!(*slow.evicted.borrow(), Some(Eviction::TooSlow));
        assert_eq!(*quick.evicted.borrow(), None);
        assert_eq!(hub.clients.len(), 1);
    }

    /// An outcome that sets one of 100 levels of a book.
    fn publish_level(hub: &mut Hub, market: MarketId, sequence: u64, now: Instant) {
        let price = Price::new(1 + u16::try_from(sequence % 100).unwrap()).unwrap();
        let level = Level { side: BookSide::Bid, price, quantity: i64::try_from(sequence).unwrap() };
        let changes = ViewChanges { books: [(market, vec![level])].into(), ..ViewChanges::default() };
        hub.publish(SHARD, &outcome(sequence, Vec::new()), &changes, now);
    }

    #[test]
    fn a_crowded_book_keeps_its_own_watchers_waiting_alone() {
        const CROWD: usize = 2_000;
        const OUTCOMES: u64 = 3_000;
        let (mut hub, quiet) = (hub(), MarketId(9));
        let mut crowd: Vec<_> = (0..CROWD).map(|_| hub.connect()).collect();
        for inbox in &crowd {
            hub.subscribe(inbox.client, Subject::Book(market()), [(SHARD, 1)]).unwrap();
        }
        let mut alone = hub.connect();
        hub.subscribe(alone.client, Subject::Book(quiet), [(SHARD, 1)]).unwrap();
        let (mut now, mut heard, mut last) = (Instant::now(), 0, 1);
        let mut levels = std::collections::HashMap::new();
        for sequence in 2..OUTCOMES {
            // 1,000 outcomes a second.
            now += Duration::from_millis(1);
            publish_level(&mut hub, market(), sequence, now);
            if sequence % 100 == 0 {
                publish_level(&mut hub, quiet, sequence, now);
            }
            hub.deliver(now);
            let quiet = received(&mut alone);
            assert_eq!(quiet.len(), usize::from(sequence % 100 == 0), "at once, whatever others watch");
            if sequence % 500 == 0 {
                for inbox in &mut crowd[1..] {
                    drop(received(inbox));
                }
            }
            for message in received(&mut crowd[0]) {
                heard += 1;
                assert_eq!(message["previous"], last);
                last = message["sequence"].as_u64().unwrap();
                for level in message["levels"].as_array().unwrap() {
                    levels.insert(level[1].to_string(), level[2].as_u64().unwrap());
                }
            }
        }
        // Two a second: 4,000 for all of the crowd.
        assert!((5..=10).contains(&heard), "{heard} messages of {OUTCOMES} outcomes");
        assert!(crowd.iter().all(|inbox| inbox.evicted.borrow().is_none()));
        let oldest = levels.values().min().copied().unwrap();
        assert!(levels.len() == 100 && last - oldest < 100, "every level as of the last message");
    }

    /// An outcome with one trade, whose id is its sequence.
    fn publish_trade(hub: &mut Hub, sequence: u64) {
        let (maker, taker) = (placed(1, Entry::BuyYes, 5_000, 10, 0), placed(2, Entry::BuyNo, 5_000, 1, 1));
        let Event::Traded(trade) = trade(sequence, &maker, &taker, 1, 9) else { panic!("a trade") };
        let shown = PublicTrade::of(&trade, outcome(sequence, Vec::new()).time);
        let changes = ViewChanges { trades: [(market(), vec![shown])].into(), ..ViewChanges::default() };
        hub.publish(SHARD, &outcome(sequence, Vec::new()), &changes, Instant::now());
    }

    #[test]
    fn who_comes_while_trades_wait_is_told_none_of_its_snapshot_again() {
        let (mut hub, outcomes) = (hub(), 2 * QUEUE_MAX as u64);
        let (mut before, mut after) = (hub.connect(), hub.connect());
        hub.subscribe(before.client, Subject::Trades(market()), [(SHARD, 0)]).unwrap();
        for sequence in 1..=outcomes {
            publish_trade(&mut hub, sequence);
            if sequence == 700 {
                hub.subscribe(after.client, Subject::Trades(market()), [(SHARD, sequence)]).unwrap();
            }
        }
        deliver(&mut hub);
        for (inbox, first) in [(&mut before, 1), (&mut after, 701)] {
            let messages = received(inbox);
            let trades = messages.iter().flat_map(|message| message["trades"].as_array().unwrap().clone());
            let ids: Vec<u64> = trades.map(|trade| trade["trade_id"].as_str().unwrap().parse().unwrap()).collect();
            assert_eq!(ids, (first..=outcomes).collect::<Vec<_>>());
        }
    }

    #[test]
    fn where_too_much_waits_for_all_the_slowest_is_let_go() {
        const WATCHERS: usize = 50;
        let mut hub = Hub::new(ShardMap::new(4).unwrap(), 100_000);
        let mut watchers: Vec<_> = (0..WATCHERS).map(|_| hub.connect()).collect();
        for (inbox, market) in watchers.iter().zip(0..) {
            hub.subscribe(inbox.client, Subject::Book(MarketId(market)), []).unwrap();
        }
        let prices = (1..=100).map(|ticks| Price::new(ticks).unwrap());
        let levels: Vec<_> = prices.map(|price| Level { side: BookSide::Bid, price, quantity: 1 }).collect();
        for sequence in 1..=20 {
            for market in 0..WATCHERS as u64 {
                let changes =
                    ViewChanges { books: [(MarketId(market), levels.clone())].into(), ..ViewChanges::default() };
                hub.publish(SHARD, &outcome(sequence, Vec::new()), &changes, Instant::now());
                deliver(&mut hub);
                // The sessions of those who are let go end; the first reads.
                watchers.retain(|inbox| inbox.evicted.borrow().is_none());
                drop(received(&mut watchers[0]));
                assert!(hub.bytes.count() < 110_000, "{}", hub.bytes.count());
            }
        }
        let left = watchers.len();
        assert!(hub.topics.contains_key(&Subject::Book(MarketId(0))), "who reads stays");
        assert!((2..10).contains(&left), "{left}");
    }

    #[test]
    fn what_cannot_be_merged_ends_its_own_watchers_alone() {
        let mut hub = hub();
        let (behind, other) = (hub.connect(), hub.connect());
        hub.subscribe(behind.client, Subject::Orders(AccountId(1)), []).unwrap();
        hub.subscribe(other.client, Subject::Book(market()), []).unwrap();
        for sequence in 1..=QUEUE_MAX as u64 + 1 {
            let order = placed(1, Entry::BuyYes, 5_000, 10, 0);
            publish_level(&mut hub, market(), 2 * sequence, Instant::now());
            let outcome = outcome(2 * sequence + 1, vec![Event::OrderPlaced(order)]);
            hub.publish(SHARD, &outcome, &ViewChanges::default(), Instant::now());
        }
        assert_eq!(*behind.evicted.borrow(), Some(Eviction::FanOutBehind));
        assert_eq!(*other.evicted.borrow(), None);
        deliver(&mut hub);
        assert!(hub.schedule.is_empty() && hub.topics.len() == 1);
    }

    #[test]
    fn a_revoked_key_ends_its_connections() {
        let mut hub = hub();
        let (revoked, other) = (hub.connect(), hub.connect());
        hub.authenticated(revoked.client, AccountId(1), ApiKeyId(7));
        hub.authenticated(other.client, AccountId(1), ApiKeyId(8));
        hub.revoke(&[(AccountId(1), ApiKeyId(7))]);
        assert_eq!(*revoked.evicted.borrow(), Some(Eviction::KeyRevoked));
        assert_eq!(*other.evicted.borrow(), None);
    }

    #[test]
    fn subscriptions_are_bounded_and_leave_nothing_behind() {
        let mut hub = hub();
        let inbox = hub.connect();
        for id in 0..SUBSCRIPTIONS_MAX as u64 {
            hub.subscribe(inbox.client, Subject::Book(MarketId(id)), []).unwrap();
        }
        assert_eq!(hub.subscribe(inbox.client, Subject::Trades(MarketId(0)), []), Err(NotSubscribed));
        assert_eq!(hub.subscribe(inbox.client, Subject::Book(MarketId(0)), []), Ok(false));
        assert!(hub.unsubscribe(inbox.client, Subject::Book(MarketId(0))));
        assert!(!hub.unsubscribe(inbox.client, Subject::Book(MarketId(0))));
        hub.disconnect(inbox.client);
        assert!(hub.topics.is_empty() && hub.clients.is_empty() && hub.schedule.is_empty());
    }
}
