//! The tables of the store, and the encoding of their rows. Values of the log keep the log's
//! encoding.

use std::sync::Arc;

use redb::{TableDefinition, WriteTransaction};
use schemas::codec::{DecodeError, decode_exact, encode_into};
use schemas::event::TradeKind;
use schemas::market::Resolution;
use schemas::text::Clarification;
use schemas::{AdminId, BookSide, Listing, MarketState, Price, Quantity, Shard, Timestamp, TradeId};

use super::error::StoreError;
use crate::shapes::PublicTrade;
use crate::shapes::market::{Clarified, MarketShape};
use crate::view::book::BookLevels;
use crate::view::dirty::CheckpointBatch;
use crate::view::market_events::MarketEventView;
use crate::view::moving::Moving;
use crate::view::trades::RecentTrades;

/// The format of the tables and rows. A store of another format is rebuilt.
pub const FORMAT: u32 = 1;

/// [`FORMAT`], and the number of shards.
pub const META: TableDefinition<'_, (), (u32, u16)> = TableDefinition::new("meta");
/// The checkpoint position of each shard.
pub const POSITIONS: TableDefinition<'_, u16, &[u8]> = TableDefinition::new("positions");
/// Keys by id and account.
pub const KEYS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("keys");
/// Key ids by account.
pub const KEYS_OF: TableDefinition<'_, (u64, u64), ()> = TableDefinition::new("keys_of");
/// Admins.
pub const ADMINS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("admins");
/// Descriptions and states of live markets.
pub const MARKETS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("markets");
/// Books and last trades of live markets.
pub const MOVING: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("moving");
/// Market events.
pub const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");
/// Archived markets.
pub const ARCHIVED: TableDefinition<'_, u64, ()> = TableDefinition::new("archived");

pub use schemas::codec::decode_exact as decode;

/// Creates all tables.
pub fn create(write: &WriteTransaction) -> Result<(), StoreError> {
    write.open_table(POSITIONS)?;
    write.open_table(KEYS)?;
    write.open_table(KEYS_OF)?;
    write.open_table(ADMINS)?;
    write.open_table(MARKETS)?;
    write.open_table(MOVING)?;
    write.open_table(EVENTS)?;
    write.open_table(ARCHIVED)?;
    Ok(())
}

/// Deletes all tables that [`create`] creates.
pub fn clear(write: &WriteTransaction) -> Result<(), StoreError> {
    write.delete_table(POSITIONS)?;
    write.delete_table(KEYS)?;
    write.delete_table(KEYS_OF)?;
    write.delete_table(ADMINS)?;
    write.delete_table(MARKETS)?;
    write.delete_table(MOVING)?;
    write.delete_table(EVENTS)?;
    write.delete_table(ARCHIVED)?;
    Ok(())
}

/// Writes a batch into the tables.
pub fn put(write: &WriteTransaction, batch: &CheckpointBatch) -> Result<(), StoreError> {
    let mut bytes = Vec::new();
    let mut positions = write.open_table(POSITIONS)?;
    for (shard, position) in (0..).zip(&batch.positions) {
        positions.insert(shard, encoded(&mut bytes, |bytes| encode_into(position, bytes)))?;
    }
    put_keys(write, batch, &mut bytes)?;
    put_markets(write, batch, &mut bytes)?;
    if let Some(all) = &batch.admins {
        let mut admins = write.open_table(ADMINS)?;
        admins.retain(|_, _| false)?;
        for admin in all {
            admins.insert(admin.id.0, encoded(&mut bytes, |bytes| encode_into(admin, bytes)))?;
        }
    }
    let mut events = write.open_table(EVENTS)?;
    for MarketEventView { event, yes, shard } in &batch.events {
        events.insert(event.id.0, encoded(&mut bytes, |bytes| encode_into(&(event, yes, shard), bytes)))?;
    }
    Ok(())
}

fn put_keys(write: &WriteTransaction, batch: &CheckpointBatch, bytes: &mut Vec<u8>) -> Result<(), StoreError> {
    let (mut keys, mut keys_of) = (write.open_table(KEYS)?, write.open_table(KEYS_OF)?);
    for (&(id, account), key) in &batch.keys {
        match key {
            Some(key) => {
                keys.insert((id.0, account.0), encoded(bytes, |bytes| encode_into(&**key, bytes)))?;
                keys_of.insert((account.0, id.0), ())?;
            }
            None => {
                keys.remove((id.0, account.0))?;
                keys_of.remove((account.0, id.0))?;
            }
        }
    }
    Ok(())
}

fn put_markets(write: &WriteTransaction, batch: &CheckpointBatch, bytes: &mut Vec<u8>) -> Result<(), StoreError> {
    let (mut markets, mut all_moving) = (write.open_table(MARKETS)?, write.open_table(MOVING)?);
    for (id, market) in &batch.markets {
        match market {
            Some(market) => drop(markets.insert(id.0, encoded(bytes, |bytes| encode_market(market, bytes)))?),
            None => drop(markets.remove(id.0)?),
        }
    }
    for (id, moving) in &batch.moving {
        match moving {
            Some(moving) => drop(all_moving.insert(id.0, encoded(bytes, |bytes| encode_moving(moving, bytes)))?),
            None => drop(all_moving.remove(id.0)?),
        }
    }
    let mut archived = write.open_table(ARCHIVED)?;
    for id in &batch.archived {
        archived.insert(id.0, ())?;
    }
    Ok(())
}

fn encoded(bytes: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
    bytes.clear();
    encode(bytes);
    bytes
}

type ClarifiedRow = (Clarification, AdminId, Timestamp);

fn encode_market(market: &MarketShape, bytes: &mut Vec<u8>) {
    let MarketShape { listing, state, resolution, shard, clarifications } = market;
    encode_into(&(listing, state, resolution, shard), bytes);
    let row = |one: &Clarified| (one.text.clone(), one.by, one.time);
    encode_into(&clarifications.iter().map(row).collect::<Vec<ClarifiedRow>>(), bytes);
}

/// A row of [`MARKETS`].
pub fn market(bytes: &[u8]) -> Result<MarketShape, DecodeError> {
    type Row = (Listing, MarketState, Option<Resolution>, Shard, Vec<ClarifiedRow>);
    let (listing, state, resolution, shard, clarified) = decode_exact::<Row>(bytes)?;
    let clarified = clarified.into_iter().map(|(text, by, time)| Clarified { text, by, time });
    Ok(MarketShape { listing, state, resolution, shard, clarifications: Arc::new(clarified.collect()) })
}

type Levels = Vec<(Price, i64)>;
type StoredTrade = (TradeId, Price, Quantity, BookSide, TradeKind, Timestamp);

fn encode_moving(moving: &Moving, bytes: &mut Vec<u8>) {
    let levels = |side| moving.book.levels(side).collect::<Levels>();
    encode_into(&(moving.book.changed(), levels(BookSide::Bid), levels(BookSide::Ask)), bytes);
    let row = |trade: &PublicTrade| {
        let PublicTrade { trade_id, price, quantity, taker_side, kind, time } = *trade;
        (trade_id, price, quantity, taker_side, kind, time)
    };
    encode_into(&moving.trades.newest_first().rev().map(row).collect::<Vec<StoredTrade>>(), bytes);
}

/// A row of [`MOVING`].
pub fn moving(bytes: &[u8]) -> Result<Moving, DecodeError> {
    type Row = (u64, Levels, Levels, Vec<StoredTrade>);
    let (changed, bids, asks, rows) = decode_exact::<Row>(bytes)?;
    let mut trades = RecentTrades::default();
    for (trade_id, price, quantity, taker_side, kind, time) in rows {
        trades.push(PublicTrade { trade_id, price, quantity, taker_side, kind, time });
    }
    Ok(Moving { book: BookLevels::of(changed, bids, asks), trades })
}
