//! Converts a batch's changes into operations on the keys that [`keys`] names. Pure.

use schemas::event::Trade;
use schemas::market::Resolution;
use schemas::read_models::redis_keys::{self as keys, RECENT_TRADES_MAX, RedisKeys, SEQUENCE};
use schemas::{ClientId, Credits, MarketId, MarketState, OrderId, Quantity, ResolutionAnswer};

use super::operations::{Hash, Operations};
use crate::fold::{MarketDelta, Number, OrderChange, OrderRow, RowChanges, TradeRow};

/// Adds all operations for `changes`.
pub fn operate(operations: &mut Operations, keys: &RedisKeys, changes: &RowChanges) {
    accounts(operations, keys, changes);
    purses(operations, keys, changes);
    for (id, market) in &changes.markets {
        match market.archived {
            None => put_market(operations, keys, *id, market),
            Some(_) => forget_market(operations, keys, *id),
        }
    }
    books(operations, keys, changes);
    trades(operations, keys, changes);
    positions(operations, keys, changes);
    orders(operations, keys, changes);
}

/// Deletes an archived market's keys, together with this batch's changes to them. No later event
/// mentions the market.
fn forget_market(operations: &mut Operations, keys: &RedisKeys, id: MarketId) {
    [keys.market(id), keys.book(id), keys.trades(id)].into_iter().for_each(|key| operations.forget(key));
    operations.unlist(keys.open_markets(), id.to_string());
}

fn is_archived(changes: &RowChanges, market: MarketId) -> bool {
    changes.markets.get(&market).is_some_and(|market| market.archived.is_some())
}

fn accounts(operations: &mut Operations, keys: &RedisKeys, changes: &RowChanges) {
    use keys::account as field;
    for (account, delta) in &changes.accounts {
        let hash = operations.hash(keys.account(*account));
        hash.set(SEQUENCE, delta.last.sequence);
        let frozen = delta.frozen.or(delta.opened.map(|_| false));
        if let Some(frozen) = frozen {
            hash.set(field::FROZEN, if frozen { "1" } else { "0" });
        }
        if let Some(limits) = delta.limits {
            hash.put(field::LIVE_ORDERS_MAX, (limits.live_orders != u32::MAX).then_some(limits.live_orders));
            hash.put(field::HELD_MAX, credits_max(limits.held));
        }
        if let Some(due) = delta.dead_man_due {
            hash.put(field::DEAD_MAN_DUE, due);
        }
    }
}

fn purses(operations: &mut Operations, keys: &RedisKeys, changes: &RowChanges) {
    use keys::purse as field;
    for (account, purse) in &changes.purses {
        let hash = operations.hash(keys.purse(*account));
        hash.purse(purse.last.sequence);
        hash.add(field::AVAILABLE, purse.available.micros());
        hash.add(field::HELD, purse.held.micros());
        hash.add(field::LIVE_ORDERS, purse.live_orders);
        hash.turn(field::SENT, purse.sent.micros());
        hash.turn(field::RECEIVED, purse.received.micros());
    }
}

fn credits_max(max: Credits) -> Option<i64> {
    (max.micros() != i64::MAX).then(|| max.micros())
}

fn put_market(operations: &mut Operations, keys: &RedisKeys, id: MarketId, market: &MarketDelta) {
    use keys::market as field;
    let hash = operations.hash(keys.market(id));
    hash.set(SEQUENCE, market.last.sequence);
    if let Some(birth) = &market.born {
        let listing = &birth.listing;
        hash.set(field::TICKER, &listing.ticker);
        hash.set(field::TICK, listing.tick);
        hash.set(field::MAKER_FEE, listing.maker_fee.millionths());
        hash.set(field::TAKER_FEE, listing.taker_fee.millionths());
        hash.set(field::CREATED_AT, birth.at.time);
        hash.set(field::DISPUTE_WINDOW_MS, listing.dispute_window_ms);
    }
    if let Some(about) = &market.about {
        let edit = &about.edit;
        edit.question.iter().for_each(|question| hash.set(field::QUESTION, question));
        edit.category.iter().for_each(|category| hash.set(field::CATEGORY, category));
        edit.expiry.iter().for_each(|expiry| hash.set(field::EXPIRY, expiry));
    }
    if let Some(state) = market.state {
        hash.set(field::STATE, state.name());
    }
    if let Some(resolution) = market.resolution {
        hash.set(field::ANSWER, if resolution.answer == ResolutionAnswer::Void { "VOID" } else { "VALUE" });
        hash.set(field::YES_VALUE, resolution.answer.yes_value().ticks());
        hash.set(field::PROPOSED_BY, resolution.proposed_by);
    }
    if market.settled || market.born.is_some() {
        hash.set(field::SETTLED, u8::from(market.settled));
    }
    if let Some((price, time)) = market.last_trade {
        hash.set(field::LAST_PRICE, price.ticks());
        hash.set(field::LAST_TIME, time);
    }
    put_life(hash, market);
    put_sums(hash, market);
    match market.state {
        Some(MarketState::Open) => operations.list(keys.open_markets(), keys.market(id), id.to_string()),
        Some(_) => operations.unlist(keys.open_markets(), id.to_string()),
        // The set contains only open markets. An earlier operation recorded whether this market is
        // open.
        None if market.about.as_ref().is_some_and(|about| about.edit.expiry.is_some()) => {
            operations.rescore(keys.open_markets(), keys.market(id), id.to_string());
        }
        None => {}
    }
}

/// Writes the fields that may be removed again: an answer's confirmation, limits, an opening time,
/// the event.
fn put_life(hash: &mut Hash, market: &MarketDelta) {
    use keys::market as field;
    if let Some(event) = market.about.as_ref().and_then(|about| about.edit.event) {
        hash.put(field::EVENT, event);
    }
    if let Some(opens) = market.about.as_ref().and_then(|about| about.edit.opens) {
        hash.put(field::OPENS, opens);
    }
    if let Some(Resolution { confirmed, .. }) = market.resolution {
        hash.put(field::CONFIRMED_BY, confirmed.map(|confirmed| confirmed.by));
        hash.put(field::PAYOUT_AT, confirmed.map(|confirmed| confirmed.payout));
    }
    if let Some(limits) = market.limits {
        hash.put(field::LIVE_ORDERS_MAX, (limits.live_orders != u32::MAX).then_some(limits.live_orders));
        hash.put(field::NOTIONAL_MAX, credits_max(limits.notional));
        hash.put(field::POSITION_MAX, (limits.position != u64::MAX).then_some(limits.position));
    }
}

fn put_sums(hash: &mut Hash, market: &MarketDelta) {
    use keys::market as field;
    let sums = [
        (field::VOLUME, market.volume.cast_signed()),
        (field::COLLATERAL, market.collateral.micros()),
        (field::FEES, market.fees.micros()),
        (field::YES_OUTSTANDING, market.yes),
        (field::NO_OUTSTANDING, market.no),
    ];
    for (field, difference) in sums {
        if market.born.is_some() {
            hash.set(field, difference);
        } else {
            hash.add(field, difference);
        }
    }
}

fn books(operations: &mut Operations, keys: &RedisKeys, changes: &RowChanges) {
    let levels: Vec<_> = changes.levels.iter().collect();
    for levels in levels.chunk_by(|((a, ..), _), ((b, ..), _)| a == b) {
        let ((market, ..), _) = levels[0];
        if !is_archived(changes, *market) {
            let hash = operations.hash(keys.book(*market));
            levels.iter().for_each(|((_, side, price), quantity)| hash.sum(keys::level(*side, *price), **quantity));
        }
    }
}

fn trades(operations: &mut Operations, keys: &RedisKeys, changes: &RowChanges) {
    let mut rows: Vec<&TradeRow> = changes.trades.iter().collect();
    // A stable sort: trades of one market stay in matching order.
    rows.sort_by_key(|row| row.trade.market);
    for rows in rows.chunk_by(|a, b| a.trade.market == b.trade.market) {
        let market = rows[0].trade.market;
        if !is_archived(changes, market) {
            let recent = &rows[rows.len().saturating_sub(RECENT_TRADES_MAX)..];
            let items: Vec<String> = recent.iter().map(|row| trade_json(row)).collect();
            operations.push(keys.trades(market), &items, RECENT_TRADES_MAX);
        }
    }
}

fn positions(operations: &mut Operations, keys: &RedisKeys, changes: &RowChanges) {
    for ((market, account), delta) in &changes.positions {
        let hash = operations.hash(keys.positions(*account));
        let parts = [
            ("yes", delta.yes),
            ("no", delta.no),
            ("yes_reserved", delta.yes_reserved),
            ("no_reserved", delta.no_reserved),
        ];
        for (part, difference) in parts.into_iter().filter(|(_, difference)| *difference != 0) {
            hash.sum(keys::position(*market, part), difference);
        }
    }
}

fn orders(operations: &mut Operations, keys: &RedisKeys, changes: &RowChanges) {
    for (id, row) in changes.orders.born.iter().filter(|(_, row)| row.status.is_live()) {
        operations.hash(keys.orders(row.order.account)).set(keys::order(*id), order_text(*id, row));
    }
    for (id, change) in &changes.orders.changed {
        let hash = operations.hash(keys.orders(change.account));
        if change.status.is_some_and(|status| !status.is_live()) {
            hash.drop(keys::order(*id));
        } else {
            hash.patch(keys::order(*id), &order_changes(change));
        }
    }
}

/// Returns the arguments of [`Hash::patch`].
fn order_changes(change: &OrderChange) -> [String; 5] {
    let by = |difference: i64| if difference == 0 { String::new() } else { difference.to_string() };
    let number = |number: Number| match number.told {
        Some(_) => format!("={}", number.of(Quantity::ZERO)),
        None => by(number.by.into()),
    };
    [
        change.price.map(|price| format!("={}", price.ticks())).unwrap_or_default(),
        number(change.quantity),
        number(change.filled),
        by(change.notional.micros()),
        by(change.fees.micros()),
    ]
}

// Only names, numbers and UUIDs: nothing needs escaping.

fn trade_json(row: &TradeRow) -> String {
    let Trade { id, price, quantity, .. } = &row.trade;
    format!(
        r#"{{"trade_id":"{id}","price":"{price}","quantity":{quantity},"taker_side":"{}","kind":"{}","time":{},"sequence":{}}}"#,
        row.trade.taker_side(),
        row.trade.kind(),
        row.at.time,
        row.at.sequence,
    )
}

/// Returns the text of a live order: first the fields that change, then those that do not.
fn order_text(id: OrderId, row: &OrderRow) -> String {
    let (price, notional, fees) = (row.price.ticks(), row.notional.micros(), row.fees.micros());
    format!("{price}:{}:{}:{notional}:{fees}:{}", row.quantity, row.filled, order_json(id, row))
}

fn order_json(id: OrderId, row: &OrderRow) -> String {
    let order = &row.order;
    let time_in_force = order.terms.time_in_force();
    let expires = time_in_force.expires().map_or_else(|| "null".to_owned(), |expires| expires.to_string());
    let group = order.instructions.group.map_or_else(|| "null".to_owned(), |group| group.to_string());
    format!(
        r#"{{"order_id":"{id}","command_id":"{}","market_id":"{}","contract":"{}","side":"{}","time_in_force":"{}","expires":{expires},"post_only":"{}","self_trade":"{}","cancel_on_pause":{},"reduce_only":{},"group":{group},"fee_rate":{},"client_id":{},"time":{}}}"#,
        row.command,
        order.market,
        order.entry.contract(),
        order.entry.side(),
        time_in_force.name(),
        order.terms.post_only(),
        order.instructions.self_trade,
        order.instructions.cancel_on_pause,
        order.instructions.reduce_only,
        order.fee_rate.millionths(),
        client_json(order.client_id),
        row.born.time,
    )
}

fn client_json(id: Option<ClientId>) -> String {
    id.map_or_else(|| "null".to_owned(), |id| format!(r#""{id}""#))
}
