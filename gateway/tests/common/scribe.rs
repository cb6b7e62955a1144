//! A scribe replaces the engine in tests without one: it reads commands, and writes the outcomes
//! that the test gives.

use std::collections::HashMap;

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::util::Timeout;
use rdkafka::{Offset, TopicPartitionList};
use schemas::event::OrderPlaced;
use schemas::record::Chain;
use schemas::text::Ticker;
use schemas::{
    About, AccountId, AdminId, ApiKey, ApiKeyId, Cause, Command, CommandId, CommandRecord, EngineId, Entry, Event,
    FeeRate, Instructions, Listing, MarketId, MarketLimits, MarketState, NewOrder, OrderId, Outcome, PostOnly, Price,
    Quantity, Record, Scopes, Shard, Status, Term, Terms, TimeInForce, Timestamp,
};
use service::kafka::{ConsumerProfile, consumer_config, producer_config};
use sha2::{Digest, Sha256};

use super::{PATIENCE, Platform, later};

pub struct Scribe {
    producer: FutureProducer,
    events: String,
    commands: String,
    shards: HashMap<Shard, (u64, u64, Chain)>,
    readers: HashMap<Shard, BaseConsumer>,
}

/// Returns a market without fees, limits and a dispute window.
pub fn listing(ticker: &str, tick: u16) -> Listing {
    let ticker: Ticker = ticker.parse().unwrap();
    Listing {
        market: MarketId::of(&ticker),
        ticker,
        about: About::plain("Will it happen?", "YES if it does.", "tests").unwrap().into(),
        opens: None,
        expiry: Timestamp(4_000_000_000_000),
        tick,
        maker_fee: FeeRate::ZERO,
        taker_fee: FeeRate::ZERO,
        dispute_window_ms: 0,
        limits: MarketLimits::NONE,
    }
}

/// Returns the text of a key whose secret is this byte, and the log's data of that key.
pub fn key(id: u64, secret: u8, scopes: Scopes) -> (String, ApiKey) {
    let bytes = [secret; 32];
    let text = format!("lfg_{id:016x}_{}", format!("{secret:02x}").repeat(32));
    (text, ApiKey::with_secret(ApiKeyId(id), Sha256::digest(bytes).into(), scopes))
}

/// Returns a bid for 10 at 0.30, the first order of its shard.
pub fn bid(account: AccountId, market: MarketId, shard: Shard) -> Event {
    let (price, quantity) = (Price::new(3_000).unwrap(), Quantity::new(10).unwrap());
    let (time_in_force, post_only) = (TimeInForce::Gtc, PostOnly::Off);
    let terms = Terms::Limit { price, quantity, time_in_force, post_only };
    let (entry, fee_rate, client_id) = (Entry::BuyYes, FeeRate::ZERO, None);
    let instructions = Instructions::default();
    let order = NewOrder { account, market, entry, terms, fee_rate, client_id, instructions };
    let (id, filled, cancel_reason) = (OrderId::compose(shard, 1), Quantity::ZERO, None);
    Event::OrderPlaced(OrderPlaced { id, order, price, quantity, filled, status: Status::Active, cancel_reason })
}

fn is_of_a_part(record: &CommandRecord) -> bool {
    matches!(record.command, Command::Announce(_) | Command::Leave { .. })
}

impl Scribe {
    pub fn new(platform: &Platform) -> Self {
        let producer = producer_config(&platform.log.kafka, PATIENCE).create().unwrap();
        let topics = platform.log.topics();
        let (shards, mut readers) = (HashMap::new(), HashMap::new());
        for shard in Shard::all(super::SHARDS) {
            let config = consumer_config(&platform.log.kafka, "scribe", ConsumerProfile::Live);
            let reader: BaseConsumer = config.create().unwrap();
            let mut from = TopicPartitionList::new();
            from.add_partition_offset(&topics.commands, shard.partition(), Offset::Beginning).unwrap();
            reader.assign(&from).unwrap();
            readers.insert(shard, reader);
        }
        Self { producer, events: topics.events, commands: topics.commands, shards, readers }
    }

    pub async fn append(&self, shard: Shard, bytes: &[u8]) -> u64 {
        let record = FutureRecord::<(), _>::to(&self.events).partition(shard.partition()).payload(bytes);
        let delivery = self.producer.send(record, Timeout::Never).await.expect("an append");
        u64::try_from(delivery.offset).unwrap()
    }

    /// Writes the next outcome of a shard; starts a term if there is none. Returns its sequence.
    pub async fn tell(&mut self, shard: Shard, events: Vec<Event>) -> u64 {
        if !self.shards.contains_key(&shard) {
            let term = Term::new(shard, super::SHARDS, EngineId(1), 1);
            let offset = self.append(shard, &term.encode()).await;
            self.shards.insert(shard, (offset, 0, Chain::default()));
        }
        let (bytes, sequence) = self.next(shard, None, events);
        self.append(shard, &bytes).await;
        sequence
    }

    /// Writes the next outcome of a shard, caused by this command. Returns its position.
    pub async fn answer(&mut self, shard: Shard, command: CommandId, events: Vec<Event>) -> String {
        let (bytes, sequence) = self.next(shard, Some(command), events);
        self.append(shard, &bytes).await;
        format!("{shard}:{sequence}")
    }

    /// The same, with these events in a later build's encoding.
    pub async fn answer_later(&mut self, shard: Shard, command: CommandId, events: &[Vec<u8>]) -> String {
        let before = self.shards[&shard].2;
        let (bytes, sequence) = self.next(shard, Some(command), Vec::new());
        let Ok(Record::Outcome(outcome, _)) = Record::decode(&bytes) else { panic!("no outcome") };
        let (bytes, chain) = later::outcome(&outcome, events, &[], before);
        self.shards.insert(shard, (outcome.term, sequence, chain));
        self.append(shard, &bytes).await;
        format!("{shard}:{sequence}")
    }

    /// Writes an account with a key that has every scope.
    pub async fn open_account(&mut self, home: Shard, account: AccountId, key: ApiKey) {
        self.tell(home, vec![Event::AccountOpened { account }, Event::ApiKeyAdded { account, key, by: None }]).await;
    }

    /// Writes an open market.
    pub async fn open_market(&mut self, shard: Shard, listing: Listing) {
        let (market, state, by) = (listing.market, MarketState::Open, Some(AdminId(1)));
        let opened = Event::MarketChanged { market, state, resolution: None, by };
        self.tell(shard, vec![Event::MarketCreated { listing, by: AdminId(1) }, opened]).await;
    }

    /// Returns the scribe's term.
    pub fn term(&self, shard: Shard) -> u64 {
        self.shards[&shard].0
    }

    /// Returns the next command of a shard.
    pub fn command(&self, shard: Shard) -> CommandRecord {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            assert!(!left.is_zero(), "no command for shard {shard}");
            // Repeats until the time-out, because the broker may not be there yet.
            if let Some(Ok(message)) = self.readers[&shard].poll(left) {
                let record = CommandRecord::decode(message.payload().unwrap()).unwrap();
                // The gateway's announcements may come at any time.
                if !is_of_a_part(&record) {
                    return record;
                }
            }
        }
    }

    /// Writes many outcomes of a shard, in order, without waiting for each.
    pub async fn tell_all(&mut self, shard: Shard, outcomes: impl IntoIterator<Item = Vec<Event>>) {
        let mut deliveries = Vec::new();
        for events in outcomes {
            let (bytes, _) = self.next(shard, None, events);
            let record = FutureRecord::<(), _>::to(&self.events).partition(shard.partition()).payload(&bytes);
            deliveries.push(self.producer.send_result(record).map_err(|(error, _)| error).expect("an append"));
        }
        for delivery in deliveries {
            delivery.await.unwrap().expect("an append");
        }
    }

    fn next(&mut self, shard: Shard, command: Option<CommandId>, events: Vec<Event>) -> (Vec<u8>, u64) {
        let (term, sequence, chain) = self.shards[&shard];
        let sequence = sequence + 1;
        let cause = Cause { offset: sequence - 1, id: command.unwrap_or(CommandId(u128::from(sequence))) };
        let outcome = Outcome { term, sequence, time: Timestamp(1_764_000_000_000 + sequence), cause, events };
        let (bytes, chain) = outcome.encode(chain);
        self.shards.insert(shard, (term, sequence, chain));
        (bytes, sequence)
    }

    /// Returns the number of commands that the scribe has not read, without the gateway's
    /// announcements.
    pub fn commands(&self) -> usize {
        let count = |shard: Shard| {
            let client = self.producer.client();
            let end = client.fetch_watermarks(&self.commands, shard.partition(), PATIENCE).expect("watermarks").1;
            let (mut next, mut found) = (0, 0);
            while next < end {
                let message = self.readers[&shard].poll(PATIENCE).expect("a record").expect("no fault");
                let record = CommandRecord::decode(message.payload().unwrap()).unwrap();
                found += usize::from(!is_of_a_part(&record));
                next = message.offset() + 1;
            }
            found
        };
        Shard::all(super::SHARDS).map(count).sum()
    }
}
