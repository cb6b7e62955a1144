//! Subscriptions, and the delivery of each message to its subscribers.
//!
//!   tail ─▶ fan-out ─▶ *hub* ─▶ one bounded queue per client ─▶ session ─▶ socket
//!
//! A message is serialised once and shared. Delivery never waits: a client whose queue is full is
//! evicted, with a reason.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use metrics::{Counter, Gauge, counter, gauge};
use schemas::shard_map::ShardMap;
use schemas::{AccountId, ApiKeyId, Event, MarketId, Outcome, Shard};
use tokio::sync::{mpsc, watch};

use crate::view::ViewChanges;
use crate::ws::changes::{self, OrdersDelta};
use crate::ws::protocol::{self, Delta};

/// The most messages that wait for one client.
pub const QUEUE_MAX: usize = 1_024;

/// The most subscriptions of one client.
pub const SUBSCRIPTIONS_MAX: usize = 256;

/// A subject that clients can subscribe to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Subject {
    /// A market's levels.
    Book(MarketId),
    /// A market's trades.
    Trades(MarketId),
    /// An account's orders.
    Orders(AccountId),
}

/// A message to a client.
#[derive(Clone, Debug)]
pub struct Frame {
    /// What it is about.
    pub subject: Subject,
    /// The outcome's shard.
    pub shard: Shard,
    /// The outcome's sequence.
    pub sequence: u64,
    /// The content, shared by all receivers.
    pub body: DeltaBody,
}

/// The content of a message.
#[derive(Clone, Debug)]
pub enum DeltaBody {
    /// JSON.
    Text(Utf8Bytes),
    /// Order changes, which each session completes with what it knows.
    Orders(Arc<OrdersDelta>),
}

/// Why a client is evicted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Eviction {
    /// Its queue was full.
    TooSlow,
    /// Too many outcomes waited for the fan-out.
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
    pub frames: mpsc::Receiver<Frame>,
    /// Set once, when the client is evicted.
    pub evicted: watch::Receiver<Option<Eviction>>,
}

/// A client's number, unique while this process runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientNumber(u64);

struct Client {
    frames: mpsc::Sender<Frame>,
    evicted: watch::Sender<Option<Eviction>>,
    topics: HashSet<Subject>,
    key: Option<(AccountId, ApiKeyId)>,
}

/// How far each shard was in a client's snapshot, until something later is delivered. The client
/// has everything up to there.
type Start = Vec<(Shard, u64)>;

struct WatchedSubject {
    clients: BTreeMap<ClientNumber, Start>,
    /// The sequence of the last message, for each shard that published on this subject.
    last: HashMap<Shard, u64>,
}

/// All clients and their subscriptions.
pub struct Hub {
    /// Which shard's outcomes count for an account's groups.
    map: ShardMap,
    clients: HashMap<ClientNumber, Client>,
    topics: HashMap<Subject, WatchedSubject>,
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
    /// Creates a hub without clients.
    pub fn new(map: ShardMap) -> Self {
        Self {
            map,
            clients: HashMap::new(),
            topics: HashMap::new(),
            next: 0,
            messages: counter!("gateway_ws_messages_total"),
            connected: gauge!("gateway_ws_clients"),
        }
    }

    /// Adds a client without subscriptions.
    pub fn connect(&mut self) -> ClientQueue {
        self.next += 1;
        let client = ClientNumber(self.next);
        let (sender, frames) = mpsc::channel(QUEUE_MAX);
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
    /// outcomes up to there may still be published and are not delivered to this client.
    pub fn subscribe(
        &mut self,
        client: ClientNumber,
        topic: Subject,
        start: impl IntoIterator<Item = (Shard, u64)>,
    ) -> Result<(), NotSubscribed> {
        let state = self.clients.get_mut(&client).ok_or(NotSubscribed)?;
        if !state.topics.contains(&topic) && state.topics.len() == SUBSCRIPTIONS_MAX {
            return Err(NotSubscribed);
        }
        state.topics.insert(topic);
        let start: Start = start.into_iter().collect();
        let first = || WatchedSubject { clients: BTreeMap::new(), last: start.iter().copied().collect() };
        self.topics.entry(topic).or_insert_with(first).clients.insert(client, start);
        Ok(())
    }

    /// Unsubscribes a client. Messages in its queue are still sent.
    pub fn unsubscribe(&mut self, client: ClientNumber, topic: Subject) {
        if self.clients.get_mut(&client).is_some_and(|state| state.topics.remove(&topic)) {
            self.leave(client, topic);
        }
    }

    /// Returns true if the client has no subscription.
    pub fn watches_nothing(&self, client: ClientNumber) -> bool {
        self.clients.get(&client).is_none_or(|state| state.topics.is_empty())
    }

    fn leave(&mut self, client: ClientNumber, topic: Subject) {
        if let Some(watched) = self.topics.get_mut(&topic) {
            watched.clients.remove(&client);
            if watched.clients.is_empty() {
                self.topics.remove(&topic);
            }
        }
    }

    /// Delivers an outcome's changes to all subscribers: one message per subject.
    pub fn publish(&mut self, shard: Shard, outcome: &Outcome, changes: &ViewChanges) {
        for (&market, levels) in &changes.books {
            let body = |delta: &Delta| DeltaBody::Text(protocol::book_delta(market, levels, delta).into());
            self.tell(Subject::Book(market), shard, outcome, body);
        }
        for (&market, trades) in &changes.trades {
            let body = |delta: &Delta| DeltaBody::Text(protocol::trades_delta(market, trades, delta).into());
            self.tell(Subject::Trades(market), shard, outcome, body);
        }
        for account in self.watched_accounts(shard, &outcome.events) {
            let at_home = self.map.of_account(account) == shard;
            self.tell(Subject::Orders(account), shard, outcome, |delta| {
                DeltaBody::Orders(Arc::new(changes::orders_delta(account, at_home, outcome, delta)))
            });
        }
    }

    /// Returns the accounts with subscribers whose orders or groups an outcome changed. Other
    /// shards than the account's home repeat changes of groups.
    fn watched_accounts(&self, shard: Shard, events: &[Event]) -> BTreeSet<AccountId> {
        let with_groups = events.iter().filter_map(changes::account_of_group);
        let told_at_home = with_groups.filter(|&account| self.map.of_account(account) == shard);
        let touched = events.iter().flat_map(changes::accounts_of).chain(told_at_home);
        touched.filter(|&account| self.topics.contains_key(&Subject::Orders(account))).collect()
    }

    fn tell(&mut self, topic: Subject, shard: Shard, outcome: &Outcome, body: impl FnOnce(&Delta) -> DeltaBody) {
        let Some(watched) = self.topics.get_mut(&topic) else { return };
        let sequence = outcome.sequence;
        let mut told = Vec::with_capacity(watched.clients.len());
        for (client, start) in &mut watched.clients {
            if start.iter().any(|&(of, at)| of == shard && sequence <= at) {
                continue;
            }
            start.retain(|(of, _)| *of != shard);
            told.push(*client);
        }
        if told.is_empty() {
            return;
        }
        let previous = watched.last.insert(shard, sequence).unwrap_or(0);
        let delta = Delta { shard, sequence, previous, time: outcome.time };
        let frame = Frame { subject: topic, shard, sequence, body: body(&delta) };
        let mut slow = Vec::new();
        for client in &told {
            let handed = self.clients.get(client).map(|state| state.frames.try_send(frame.clone()));
            if matches!(handed, Some(Err(mpsc::error::TrySendError::Full(_)))) {
                slow.push(*client);
            }
        }
        self.messages.increment(told.len() as u64);
        for client in slow {
            self.evict(client, Eviction::TooSlow);
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

    /// Returns true if there is no subscriber at all.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
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
    use crate::view::tests::{SHARD, outcome, placed, trade, view_with_market};
    use crate::ws::changes::Tallies;
    use schemas::{Entry, GroupId, GroupLimits, TriggerCause};

    fn hub() -> Hub {
        Hub::new(ShardMap::new(4).unwrap())
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
            hub.publish(SHARD, &outcome, &changes);
        }
    }

    fn received(inbox: &mut ClientQueue) -> Vec<serde_json::Value> {
        let frames = std::iter::from_fn(|| inbox.frames.try_recv().ok());
        let text = |frame: Frame| match frame.body {
            DeltaBody::Text(text) => serde_json::from_str(text.as_str()).unwrap(),
            DeltaBody::Orders(delta) => serde_json::from_str(&delta.told(&mut Tallies::default())).unwrap(),
        };
        frames.map(text).collect()
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
            hub.publish(shard, &outcome(sequence, events), &ViewChanges::default());
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
            hub.publish(SHARD, &outcome(sequence, Vec::new()), &changes);
            assert_eq!(received(&mut quick).len(), 1);
        }
        assert_eq!(*slow.evicted.borrow(), Some(Eviction::TooSlow));
        assert_eq!(*quick.evicted.borrow(), None);
        assert_eq!(hub.clients.len(), 1);
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
        assert_eq!(hub.subscribe(inbox.client, Subject::Book(MarketId(0)), []), Ok(()));
        hub.unsubscribe(inbox.client, Subject::Book(MarketId(0)));
        hub.disconnect(inbox.client);
        assert!(hub.topics.is_empty() && hub.clients.is_empty());
    }
}
