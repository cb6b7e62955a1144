//! Builds the view from one snapshot of Postgres, with the positions that it is as of.
//!
//! An empty database is valid as well: the view then folds the log from its beginning.

use std::pin::pin;
use std::sync::Arc;

use deadpool_postgres::Transaction;
use futures_util::TryStreamExt;
use schemas::effects::BookChange;
use schemas::market::{Confirmation, Resolution, YesValue};
use schemas::reading::Checkpoint;
use schemas::record::Chain;
use schemas::{
    About, AccountId, Admin, AdminId, AdminRoles, ApiKey, ApiKeyId, BookSide, Contract, Credits, Entry, KeyMarkets,
    KeyProof, KeyTerms, Listing, MarketEvent, MarketEventId, MarketId, MarketLimits, ResolutionAnswer, Scopes, Side,
    Sources, Tags, TradeId,
};
use time::OffsetDateTime;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::{Database, DbError, PROJECTION, Timed, rows, shard_index, snapshot};
use crate::shapes::PublicTrade;
use crate::shapes::market::{Clarified, MarketShape};
use crate::store::checkpoints::CHANGED_MAX;
use crate::store::{Store, StoreError};
use crate::view::market_events::MarketEventView;
use crate::view::trades::RECENT_TRADES_MAX;
use crate::view::{FoldError, LiveView};

/// Why the view cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// Postgres failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The rows contradict each other: the projection is broken. Rebuild it.
    #[error("Postgres's rows do not fit each other: {0}")]
    Inconsistent(#[from] FoldError),
    /// The store failed, which gets what Postgres has.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BootError {
    /// See [`DbError::may_wait`].
    pub fn may_wait(&self) -> bool {
        matches!(self, Self::Db(error) if error.may_wait())
    }
}

impl From<tokio_postgres::Error> for BootError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Db(error.into())
    }
}

impl Database {
    /// Builds the view as of the projection's positions, one for each shard. A store gets all of it
    /// but the last part, which has the positions and is in the view's changes.
    pub async fn boot(&self, shards: u16, store: Option<&Arc<Store>>) -> Result<LiveView, BootError> {
        let _timed = Timed::start(&self.times.boot);
        let booted = self.boot_to_its_end(shards, store).await;
        if booted.is_ok() {
            self.note(&Ok(()));
        }
        booted
    }

    async fn boot_to_its_end(&self, shards: u16, store: Option<&Arc<Store>>) -> Result<LiveView, BootError> {
        let mut connection = self.connection().await?;
        let transaction = snapshot(&mut connection).await?;
        // Reads much, once, and no client waits.
        transaction.batch_execute("SET LOCAL statement_timeout = '15min'").await?;
        let mut positions = vec![Checkpoint::default(); usize::from(shards)];
        for row in transaction.query(POSITIONS, &[&PROJECTION]).await? {
            let shard = rows::shard(row.get("shard"))?;
            positions[shard_index(shard, shards)?] = position(&row)?;
        }
        let mut built = Boot::begin(&positions, store)?;
        for row in transaction.query(ADMINS, &[]).await? {
            built.view.admins_mut().set(admin(&row)?);
        }
        let add_key = |built: &mut Boot<'_>, row: &Row| {
            let (account, key) = key(row)?;
            built.view.add_key(account, key);
            Ok(())
        };
        built.each(&transaction, KEYS, add_key).await?;
        let archive = |built: &mut Boot<'_>, row: &Row| {
            built.view.archive(MarketId(rows::unsigned(row.get("id"), "market id")?));
            Ok(())
        };
        built.each(&transaction, ARCHIVED, archive).await?;
        let markets = format!("SELECT {MARKET_COLUMNS} FROM markets WHERE archived_at IS NULL");
        let list = |built: &mut Boot<'_>, row: &Row| {
            built.view.list(market(row)?);
            Ok(())
        };
        built.each(&transaction, &markets, list).await?;
        let add_event = |built: &mut Boot<'_>, row: &Row| {
            built.view.add_market_event(market_event(row)?);
            Ok(())
        };
        built.each(&transaction, EVENTS, add_event).await?;
        let restore_level = |built: &mut Boot<'_>, row: &Row| {
            let level = level(row)?;
            built.load(level.market)?;
            Ok(built.view.restore_level(level)?)
        };
        built.each(&transaction, LEVELS, restore_level).await?;
        let trades = TRADES.replace("$1", &RECENT_TRADES_MAX.to_string());
        let restore_trade = |built: &mut Boot<'_>, row: &Row| {
            let (market, trade) = trade(row)?;
            built.load(market)?;
            Ok(built.view.restore_trade(market, trade)?)
        };
        built.each(&transaction, &trades, restore_trade).await?;
        transaction.commit().await?;
        Ok(built.view)
    }
}

/// The number of changes that are written as a part. More than a checkpoint has, because nobody waits
/// for the view's lock.
const PART: usize = 4 * CHANGED_MAX;

/// A view that is being built, and the store that gets it in parts.
struct Boot<'a> {
    view: LiveView,
    store: Option<&'a Arc<Store>>,
}

impl<'a> Boot<'a> {
    fn begin(positions: &[Checkpoint], store: Option<&'a Arc<Store>>) -> Result<Self, StoreError> {
        let Some(to) = store else { return Ok(Self { view: LiveView::at(positions), store }) };
        // An attempt that ended before may have left a part.
        to.clear()?;
        Ok(Self { view: LiveView::for_a_store(positions, Arc::clone(to)), store })
    }

    /// Processes rows as they arrive: together they may need more memory than the view.
    async fn each(
        &mut self,
        transaction: &Transaction<'_>,
        sql: &str,
        mut take: impl FnMut(&mut Self, &Row) -> Result<(), BootError>,
    ) -> Result<(), BootError> {
        let none: [&(dyn ToSql + Sync); 0] = [];
        let mut rows = pin!(transaction.query_raw(sql, none).await?);
        while let Some(row) = rows.try_next().await? {
            take(self, &row)?;
            self.store_part()?;
        }
        Ok(())
    }

    /// Writes what was added, if it is much, so that memory need not hold it.
    fn store_part(&mut self) -> Result<(), StoreError> {
        let Some(store) = self.store.filter(|_| self.view.changed() >= PART) else { return Ok(()) };
        if let Some(part) = self.view.take_part()? {
            store.write(&part)?;
            self.view.stored_changes(&part);
        }
        Ok(())
    }

    /// Loads a market's book and trades, if they have left the memory.
    fn load(&mut self, id: MarketId) -> Result<(), StoreError> {
        let is_stored = self.view.market(id).is_some_and(|live| live.moving().is_none());
        if let Some(store) = self.store.filter(|_| is_stored) {
            self.view.load(id, store.moving(id)?, self.view.generation());
        }
        Ok(())
    }
}

const POSITIONS: &str =
    "SELECT shard, events_offset, term, sequence, chain, anchor, next_command FROM progress WHERE projection = $1";

fn position(row: &Row) -> Result<Checkpoint, DbError> {
    let term = row.get::<_, Option<i64>>("term").map(|term| rows::unsigned(term, "term")).transpose()?;
    let chain = row.get::<_, &[u8]>("chain").try_into().map_err(|_| DbError::Impossible("chain"))?;
    Ok(Checkpoint {
        offset: rows::unsigned(row.get("events_offset"), "offset")?,
        term,
        sequence: rows::unsigned(row.get("sequence"), "sequence")?,
        chain: Chain(chain),
        anchor: anchor(row)?,
        next_command: rows::unsigned(row.get("next_command"), "next command")?,
    })
}

/// NULL was written by an older build: the log of the position is unknown.
fn anchor(row: &Row) -> Result<u64, DbError> {
    rows::unsigned(row.get::<_, Option<i64>>("anchor").ok_or(DbError::Impossible("anchor"))?, "anchor")
}

// In the order of the store, so that a part changes few of its pages.
const KEYS: &str = "SELECT id, account_id, hash, scopes, ed25519, expires_at, name, markets, notional FROM api_keys \
    WHERE revoked_at IS NULL ORDER BY id";

fn key(row: &Row) -> Result<(AccountId, ApiKey), DbError> {
    let scopes = u8::try_from(row.get::<_, i16>("scopes")).map_err(|_| DbError::Impossible("scopes"))?;
    let name = row.get::<_, Option<&str>>("name").map(|name| rows::name(name, "key's name")).transpose()?;
    let markets = row.get::<_, Option<Vec<i64>>>("markets").map(|ids| {
        let ids = ids.into_iter().map(|id| MarketId(id.cast_unsigned())).collect();
        KeyMarkets::new(ids).ok_or(DbError::Impossible("markets of a key"))
    });
    let (markets, notional) = (markets.transpose()?, row.get::<_, Option<i64>>("notional").map(Credits));
    let terms = KeyTerms { name, markets, notional };
    let key = ApiKey {
        id: ApiKeyId(rows::unsigned(row.get("id"), "key id")?),
        proof: proof(row)?,
        scopes: Scopes::from_bits(scopes),
        expires: row.get::<_, Option<OffsetDateTime>>("expires_at").map(rows::timestamp).transpose()?,
        terms: (terms != KeyTerms::default()).then(|| Box::new(terms)),
    };
    Ok((AccountId(rows::unsigned(row.get("account_id"), "account id")?), key))
}

const ADMINS: &str = "SELECT id, hash, ed25519, roles, expires_at, name FROM admins WHERE revoked_at IS NULL";

fn admin(row: &Row) -> Result<Admin, DbError> {
    let roles = u8::try_from(row.get::<_, i16>("roles")).map_err(|_| DbError::Impossible("roles"))?;
    Ok(Admin {
        id: AdminId(rows::unsigned(row.get("id"), "admin's id")?),
        proof: proof(row)?,
        roles: AdminRoles::from_bits(roles),
        expires: row.get::<_, Option<OffsetDateTime>>("expires_at").map(rows::timestamp).transpose()?,
        name: row.get::<_, Option<&str>>("name").map(|name| rows::name(name, "admin's name")).transpose()?,
    })
}

/// Reads how a key proves itself.
fn proof(row: &Row) -> Result<KeyProof, DbError> {
    let proof = row.get::<_, &[u8]>("hash").try_into().map_err(|_| DbError::Impossible("hash"))?;
    Ok(if row.get("ed25519") { KeyProof::Ed25519(proof) } else { KeyProof::Secret(proof) })
}

/// The columns that [`market`] reads.
pub(super) const MARKET_COLUMNS: &str = "id, ticker, question, state, expiry, tick, maker_fee, taker_fee, answer, yes_value, \
     proposed_by, confirmed_by, payout_at, dispute_window_ms, live_orders_max, notional_max, position_max, shard, rules, sources, \
     category, tags, event_id, opens_at, \
     (SELECT array_agg(c.text ORDER BY c.sequence) FROM market_clarifications c WHERE c.market_id = markets.id) AS clarified, \
     (SELECT array_agg(c.admin ORDER BY c.sequence) FROM market_clarifications c WHERE c.market_id = markets.id) AS clarified_by, \
     (SELECT array_agg(c.created_at ORDER BY c.sequence) FROM market_clarifications c WHERE c.market_id = markets.id) AS clarified_at";

const ARCHIVED: &str = "SELECT id FROM markets WHERE archived_at IS NOT NULL";

const EVENTS: &str = "SELECT id, name, title, exclusive, yes_market_id, shard FROM market_events";

fn market_event(row: &Row) -> Result<MarketEventView, DbError> {
    let event = MarketEvent {
        id: MarketEventId(rows::unsigned(row.get("id"), "market event id")?),
        name: rows::name(row.get("name"), "market event")?,
        title: rows::name(row.get("title"), "title")?,
        exclusive: row.get("exclusive"),
    };
    let yes = row.get::<_, Option<i64>>("yes_market_id").map(|id| rows::unsigned(id, "market id").map(MarketId));
    Ok(MarketEventView { event, yes: yes.transpose()?, shard: rows::shard(row.get("shard"))? })
}

fn about(row: &Row) -> Result<About, DbError> {
    let sources: Result<Vec<_>, _> =
        row.get::<_, Vec<&str>>("sources").iter().map(|t| rows::name(t, "source")).collect();
    let tags: Result<Vec<_>, _> = row.get::<_, Vec<&str>>("tags").iter().map(|t| rows::name(t, "tag")).collect();
    let event = row.get::<_, Option<i64>>("event_id").map(|id| rows::unsigned(id, "event id").map(MarketEventId));
    Ok(About {
        question: rows::name(row.get("question"), "question")?,
        rules: rows::name(row.get("rules"), "rules")?,
        sources: Sources::new(sources?).ok_or(DbError::Impossible("sources"))?,
        category: rows::name(row.get("category"), "category")?,
        tags: Tags::new(tags?).ok_or(DbError::Impossible("tags"))?,
        event: event.transpose()?,
    })
}

/// Oldest first. NULL if there is none.
fn clarifications(row: &Row) -> Result<Vec<Clarified>, DbError> {
    let texts = row.get::<_, Option<Vec<&str>>>("clarified").unwrap_or_default();
    let admins = row.get::<_, Option<Vec<i64>>>("clarified_by").unwrap_or_default();
    let times = row.get::<_, Option<Vec<time::OffsetDateTime>>>("clarified_at").unwrap_or_default();
    let all = texts.into_iter().zip(admins).zip(times).map(|((text, admin), time)| {
        let (text, by) = (rows::name(text, "clarification")?, AdminId(rows::unsigned(admin, "admin id")?));
        Ok(Clarified { text, by, time: rows::timestamp(time)? })
    });
    all.collect()
}

pub(super) fn market(row: &Row) -> Result<MarketShape, DbError> {
    let opens = row.get::<_, Option<time::OffsetDateTime>>("opens_at").map(rows::timestamp);
    let listing = Listing {
        market: MarketId(rows::unsigned(row.get("id"), "market id")?),
        ticker: rows::name(row.get("ticker"), "ticker")?,
        about: Arc::new(about(row)?),
        opens: opens.transpose()?,
        expiry: rows::timestamp(row.get("expiry"))?,
        tick: u16::try_from(row.get::<_, i32>("tick")).map_err(|_| DbError::Impossible("tick"))?,
        maker_fee: rows::fee_rate(row.get("maker_fee"))?,
        taker_fee: rows::fee_rate(row.get("taker_fee"))?,
        dispute_window_ms: rows::unsigned(row.get("dispute_window_ms"), "dispute window")?,
        limits: limits(row)?,
    };
    Ok(MarketShape {
        listing,
        state: rows::name(row.get("state"), "state")?,
        resolution: resolution(row)?,
        shard: rows::shard(row.get("shard"))?,
        clarifications: Arc::new(clarifications(row)?),
    })
}

/// NULL is no limit.
fn limits(row: &Row) -> Result<MarketLimits, DbError> {
    let limit = |column| row.get::<_, Option<i64>>(column).map(|max| rows::unsigned(max, "limit")).transpose();
    let live_orders = limit("live_orders_max")?.map(u32::try_from).transpose();
    Ok(MarketLimits {
        live_orders: live_orders.map_err(|_| DbError::Impossible("limit"))?.unwrap_or(MarketLimits::NONE.live_orders),
        notional: row.get::<_, Option<i64>>("notional_max").map_or(MarketLimits::NONE.notional, Credits),
        position: limit("position_max")?.unwrap_or(MarketLimits::NONE.position),
    })
}

fn resolution(row: &Row) -> Result<Option<Resolution>, DbError> {
    let Some(answer) = row.get::<_, Option<&str>>("answer") else { return Ok(None) };
    let answer = match answer {
        "VOID" => ResolutionAnswer::Void,
        "VALUE" => ResolutionAnswer::Value(yes_value(row.get("yes_value"))?),
        _ => return Err(DbError::Impossible("answer")),
    };
    let admin = |id: i64| rows::unsigned(id, "admin id").map(AdminId);
    let by = row.get::<_, Option<i64>>("confirmed_by").map(admin).transpose()?;
    let payout = row.get::<_, Option<time::OffsetDateTime>>("payout_at").map(rows::timestamp).transpose()?;
    let confirmed = by.zip(payout).map(|(by, payout)| Confirmation { by, payout });
    Ok(Some(Resolution { answer, proposed_by: admin(row.get("proposed_by"))?, confirmed }))
}

fn yes_value(ticks: i32) -> Result<YesValue, DbError> {
    u16::try_from(ticks).ok().and_then(YesValue::new).ok_or(DbError::Impossible("yes value"))
}

// One market after the other, so that a store gets each book once.
const LEVELS: &str = "SELECT market_id, contract, side, limit_price, sum(quantity - filled)::bigint AS quantity \
     FROM orders_live GROUP BY market_id, contract, side, limit_price ORDER BY market_id";

/// Reads a level of orders of one kind; two kinds (BUY YES and SELL NO) can share a level of the
/// book.
fn level(row: &Row) -> Result<BookChange, DbError> {
    let contract: Contract = rows::name(row.get("contract"), "contract")?;
    let side: Side = rows::name(row.get("side"), "side")?;
    let entry = Entry::of(contract, side);
    let limit = row.get::<_, Option<i32>>("limit_price").ok_or(DbError::Impossible("live order without a price"))?;
    Ok(BookChange {
        market: MarketId(rows::unsigned(row.get("market_id"), "market id")?),
        side: entry.book_side(),
        price: entry.book_price(rows::price(limit)?),
        quantity: row.get("quantity"),
    })
}

const TRADES: &str = "SELECT t.* FROM markets m CROSS JOIN LATERAL (\
     SELECT id, market_id, price, quantity, kind, taker_entry, created_at FROM trades WHERE market_id = m.id \
     ORDER BY created_at DESC, id DESC LIMIT $1) t WHERE m.archived_at IS NULL ORDER BY t.market_id, t.created_at, t.id";

pub(super) fn trade(row: &Row) -> Result<(MarketId, PublicTrade), DbError> {
    let taker: Entry = rows::name(row.get("taker_entry"), "entry")?;
    let taker_side: BookSide = taker.book_side();
    let trade = PublicTrade {
        trade_id: TradeId(rows::unsigned(row.get("id"), "trade id")?),
        price: rows::price(row.get("price"))?,
        quantity: rows::quantity(row.get("quantity"))?,
        taker_side,
        kind: rows::name(row.get("kind"), "kind")?,
        time: rows::timestamp(row.get("created_at"))?,
    };
    Ok((MarketId(rows::unsigned(row.get("market_id"), "market id")?), trade))
}
