//! Encodes and decodes snapshots of a shard's state.
//!
//! File layout: magic (8 bytes), BLAKE3 of all that follows (32), and the body. The magic
//! identifies the layout of the body; magic and hash never change their place. The current body:
//! shard (u16), number of shards (u16), position, length of the state (u64), state.
//!
//! | magic      | released with | reader        |
//! |------------|---------------|---------------|
//! | `LFGsnapE` | not yet       | [`read_body`] |

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use schemas::reading::Checkpoint;
use schemas::shard_map::ShardMap;
use schemas::{AccountId, Build, OrderId, Shard, codec};

use crate::apply::PRICES;
use crate::book::BookKey;
use crate::state::{Groups, MarketPlaces, ShardState, StateFacts, TableObserver};

/// Increase it whenever the layout of the state changes: a snapshot of another layout is refused,
/// and an engine recovers from the log. `tests/fuzz_corpus.rs` has a snapshot that cannot be
/// restored any more when somebody forgot that.
const MAGIC: &[u8; MAGIC_BYTES] = b"LFGsnapE";
const MAGIC_BYTES: usize = 8;

/// Decodes a body to a state and its position.
type BodyReader = fn(Shard, ShardMap, &[u8]) -> Result<(ShardState, Checkpoint), SnapshotError>;

/// The reader of each layout. The layout of a release stays here, with its reader in `snapshot/`,
/// for as long as a release may be followed by this one (docs/upgrades.md).
const READERS: &[(&[u8; MAGIC_BYTES], BodyReader)] = &[(MAGIC, read_body)];

/// Approximate bytes of a purse, a position, an order or a client id.
const BYTES_A_THING: usize = 80;

/// Number of orders between the one that is added to its account's list and the one whose purse is
/// prefetched.
const AHEAD: usize = 8;

/// Maximum memory, in bytes, that decoding a snapshot may claim: far above any machine's, so that
/// only an impossible length is refused.
const DECODE_BYTES_MAX: usize = 1 << 40;
const HASH_BYTES: usize = 32;

/// Why a snapshot cannot be used. Try an older one, or the whole log.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The bytes are not a snapshot, or one of another version.
    #[error("not a snapshot of this version")]
    Foreign,
    /// The snapshot is of a shard whose log this build cannot read.
    #[error("the shard writes vocabulary {vocabulary}, and this build reads {reads}: install build {install} or later")]
    Newer {
        /// The vocabulary that the shard's log needs.
        vocabulary: u16,
        /// The vocabulary that this build reads.
        reads: u16,
        /// The oldest build known to read the needed vocabulary.
        install: Build,
    },
    /// Bytes were lost or changed.
    #[error("the snapshot's bytes do not match its hash")]
    Damaged,
    /// The snapshot is of another shard, or of a log with another number of shards.
    #[error("a snapshot of shard {shard} of {shards}")]
    OtherShard {
        /// The shard in the snapshot.
        shard: u16,
        /// The number of shards in the snapshot.
        shards: u16,
    },
    /// The hash is right and the content is not: written by a program that does not agree with this
    /// one.
    #[error("malformed state: {0}")]
    Malformed(String),
}

impl ShardState {
    /// Encodes the state: equal states have equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Reserve enough, so that the buffer need not be copied while it grows.
        let room = usize::try_from(self.things()).map_or(0, |things| things.saturating_mul(BYTES_A_THING));
        let mut bytes = Vec::with_capacity(room);
        codec::encode_into(&self.facts, &mut bytes);
        bytes
    }

    /// Returns BLAKE3 of [`ShardState::to_bytes`]: distinguishes states of one build. Different
    /// builds compare [`ShardState::hash`].
    pub fn digest(&self) -> [u8; HASH_BYTES] {
        *blake3::hash(&self.to_bytes()).as_bytes()
    }

    /// Decodes a state.
    pub fn from_bytes(shard: Shard, map: ShardMap, bytes: &[u8]) -> Result<Self, SnapshotError> {
        // Unlike a record, a snapshot has no size limit, and its hash was checked.
        const CONFIG: Configuration<LittleEndian, Fixint, Limit<DECODE_BYTES_MAX>> =
            bincode::config::legacy().with_limit::<DECODE_BYTES_MAX>();
        let (facts, used): (StateFacts, usize) =
            bincode::decode_from_slice(bytes, CONFIG).map_err(|error| SnapshotError::Malformed(error.to_string()))?;
        if used != bytes.len() {
            return Err(SnapshotError::Malformed(format!("{} bytes too many", bytes.len() - used)));
        }
        let mut state = Self { facts, ..Self::new(shard, map) };
        state.rebuild_lookup()?;
        state.hash_changed();
        Ok(state)
    }

    fn rebuild_lookup(&mut self) -> Result<(), SnapshotError> {
        let places = MarketPlaces::of(&self.facts.markets, self.facts.books.keys());
        self.lookup.market_places =
            places.ok_or_else(|| SnapshotError::Malformed("a market without its book".into()))?;
        let switches = self.facts.accounts.iter().filter_map(|(id, account)| Some((account.dead_man_due?, id)));
        self.lookup.dead_man_switches = switches.collect();
        let keys = self.facts.accounts.iter().flat_map(|(id, account)| account.keys.values().map(move |key| (id, key)));
        self.lookup.key_expiries = keys.filter_map(|(id, key)| Some((key.expires?, id, key.id))).collect();
        let homes = |(account, groups): (AccountId, &Groups)| {
            let (home, ids) = (self.map.of_account(account), groups.iter().filter(|(_, group)| group.is_unreported()));
            ids.map(|(id, _)| (home, account, id)).collect::<Vec<_>>()
        };
        self.lookup.unreported = self.facts.groups.iter().flat_map(homes).collect();
        let parked = self.parked().map(|parked| (parked.deadline, parked.account, parked.ticket));
        self.lookup.parked = parked.collect();
        let away = self.purses().filter(|(id, _)| !self.is_home(*id));
        self.lookup.resting_purses = away.filter_map(|(id, purse)| Some((purse.rests_at()?, id))).collect();
        let markets: Vec<_> = self.markets().map(|(id, _)| id).collect();
        let mut owned = Vec::with_capacity(self.orders());
        for id in markets {
            let market = self.facts.markets.get(id).expect("its id was just read");
            let (book, before) = (market.book, owned.len());
            if self.facts.books.prices(book) != PRICES {
                return Err(SnapshotError::Malformed(format!("the book of market {id} has other prices")));
            }
            for slot in self.facts.books.slots(book) {
                let order = self.facts.books.order(slot);
                self.lookup.order_rests(id, &order);
                self.lookup.order_hashes.comes(slot);
                owned.push(Owned { id: order.id, account: order.owner.account, book, slot });
            }
            owned[before..].sort_unstable_by_key(|order| order.id);
            self.limit_exposures(id);
            self.lookup_market(id);
            self.schedule(id);
        }
        self.rebuild_own_orders(&owned)
    }

    /// Rebuilds the own-order lists, from all orders, those of each market oldest first.
    fn rebuild_own_orders(&mut self, owned: &[Owned]) -> Result<(), SnapshotError> {
        for (at, Owned { account, book, slot, .. }) in owned.iter().enumerate() {
            // The purse of an order is unpredictable for the processor, but known here long before
            // it is needed.
            let behind = |n: usize| owned.get(at + n).map(|order| order.account);
            behind(2 * AHEAD).into_iter().for_each(|account| self.facts.purses.prefetch_key(account));
            behind(AHEAD).into_iter().for_each(|account| self.facts.purses.prefetch(account));
            let Some(place) = self.facts.purses.place(*account) else {
                return Err(SnapshotError::Malformed(format!("orders of {account} without a purse")));
            };
            self.lookup.own_orders.append(place, *book, *slot);
        }
        Ok(())
    }
}

/// A live order, with what its account's list needs.
struct Owned {
    id: OrderId,
    account: AccountId,
    book: BookKey,
    slot: u32,
}

/// Encodes a snapshot.
pub fn write(state: &ShardState, state_bytes: &[u8], position: &Checkpoint) -> Vec<u8> {
    let mut body = Vec::with_capacity(state_bytes.len() + 128);
    codec::encode_into(&(state.shard.number(), state.map.shards()), &mut body);
    codec::encode_into(position, &mut body);
    codec::encode_into(&(state_bytes.len() as u64), &mut body);
    let mut hasher = blake3::Hasher::new();
    let hash = hasher.update(&body).update(state_bytes).finalize();
    [MAGIC, hash.as_bytes().as_slice(), &body, state_bytes].concat()
}

/// Decodes a snapshot to its state and position.
pub fn read(shard: Shard, map: ShardMap, bytes: &[u8]) -> Result<(ShardState, Checkpoint), SnapshotError> {
    let (magic, rest) = bytes.split_first_chunk().ok_or(SnapshotError::Foreign)?;
    let reader = READERS.iter().find(|(known, _)| *known == magic);
    let (_, read_body) = reader.ok_or(SnapshotError::Foreign)?;
    let (hash, body) = rest.split_at_checked(HASH_BYTES).ok_or(SnapshotError::Damaged)?;
    if blake3::hash(body).as_bytes() != hash {
        return Err(SnapshotError::Damaged);
    }
    read_body(shard, map, body)
}

/// Reads the current layout.
fn read_body(shard: Shard, map: ShardMap, body: &[u8]) -> Result<(ShardState, Checkpoint), SnapshotError> {
    let config = bincode::config::legacy();
    let malformed = |error: bincode::error::DecodeError| SnapshotError::Malformed(error.to_string());
    let (((found, shards), position, length), used): (((u16, u16), Checkpoint, u64), usize) =
        bincode::decode_from_slice(body, config).map_err(malformed)?;
    if (found, shards) != (shard.number(), map.shards()) {
        return Err(SnapshotError::OtherShard { shard: found, shards });
    }
    let state = &body[used..];
    if state.len() as u64 != length {
        return Err(SnapshotError::Malformed("the state's length differs".into()));
    }
    Ok((ShardState::from_bytes(shard, map, state)?, position))
}
