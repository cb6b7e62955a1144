//! What a batch's changes do to the keys that [`keys`] names. Pure.

use schemas::event::Trade;
use schemas::market::Resolution;
use schemas::{Answer, ClientId, Credits, MarketId, MarketState, OrderId};

use super::keys::{self, Keys, RECENT_TRADES_MAX, SEQUENCE};
use super::operations::Operations;
use crate::fold::{Changes, MarketDelta, OrderRow, TradeRow};

/// Adds all operations of `changes`.
pub fn operate(operations: &mut Operations, keys: &Keys, changes: &Changes) {
    accounts(operations, keys, changes);
    purses(operations, keys, changes);
    // Before the set of open markets, which takes expiries from here.
    for (id, market) in &changes.markets {
        put_market(operations, keys, *id, market);
    }
    books(operations, keys, changes);
    trades(operations, keys, changes);
    positions(operations, keys, changes);
    orders(operations, keys, changes);
    archived(operations, keys, changes);
}

/// Nothing is said of an archived market any more: last, since a batch may begin before that.
fn archived(operations: &mut Operations, keys: &Keys, changes: &Changes) {
    for (id, _) in changes.markets.iter().filter(|(_, market)| market.archived.is_some()) {
        [keys.market(*id), keys.book(*id), keys.trades(*id)].into_iter().for_each(|key| operations.forget(key));
    }
}

fn sequence(sequence: u64) -> (String, String) {
    (SEQUENCE.to_owned(), sequence.to_string())
}

fn accounts(operations: &mut Operations, keys: &Keys, changes: &Changes) {
    use keys::account as field;
    for (account, delta) in &changes.accounts {
        let key = keys.account(*account);
        let frozen = delta.frozen.or(delta.opened.map(|_| false));
        if let Some(frozen) = frozen {
            operations.set(key.clone(), [(field::FROZEN, if frozen { "1" } else { "0" })]);
        }
        if let Some(limits) = delta.limits {
            let live_orders = (limits.live_orders != u32::MAX).then(|| limits.live_orders.to_string());
            put(operations, &key, field::LIVE_ORDERS_MAX, live_orders);
            put(operations, &key, field::HELD_MAX, credits_max(limits.held));
        }
        if let Some(due) = delta.dead_man_due {
            put(operations, &key, field::DEAD_MAN_DUE, due.map(|due| due.to_string()));
        }
        operations.set(key, [sequence(delta.last.sequence)]);
    }
}

fn purses(operations: &mut Operations, keys: &Keys, changes: &Changes) {
    use keys::purse as field;
    for (account, purse) in &changes.purses {
        let key = keys.purse(*account);
        let sums = [
            (field::AVAILABLE, purse.available.micros()),
            (field::HELD, purse.held.micros()),
            (field::LIVE_ORDERS, purse.live_orders),
        ];
        let turns = [(field::SENT, purse.sent.micros()), (field::RECEIVED, purse.received.micros())];
        // Its first change, which the log does not tell, makes all fields.
        let fields = [field::AVAILABLE, field::HELD, field::LIVE_ORDERS, field::SENT, field::RECEIVED];
        operations.begin(key.clone(), fields);
        for (field, difference) in sums {
            operations.add(key.clone(), field, difference);
        }
        for (field, difference) in turns {
            operations.turn(key.clone(), field, difference);
        }
        operations.set(key, [sequence(purse.last.sequence)]);
    }
}

/// A field that is missing when there is nothing.
fn put(operations: &mut Operations, key: &str, field: &str, value: Option<String>) {
    match value {
        Some(value) => operations.set(key.to_owned(), [(field, value)]),
        None => operations.drop_fields(key.to_owned(), vec![field.to_owned()]),
    }
}

fn credits_max(max: Credits) -> Option<String> {
    (max.micros() != i64::MAX).then(|| max.micros().to_string())
}

fn put_market(operations: &mut Operations, keys: &Keys, id: MarketId, market: &MarketDelta) {
    use keys::market as field;
    let key = keys.market(id);
    let mut fields: Vec<(String, String)> = vec![sequence(market.last.sequence)];
    let mut set = |field: &str, value: String| fields.push((field.to_owned(), value));
    if let Some(birth) = &market.born {
        let listing = &birth.listing;
        set(field::TICKER, listing.ticker.to_string());
        set(field::TICK, listing.tick.to_string());
        set(field::MAKER_FEE, listing.maker_fee.millionths().to_string());
        set(field::TAKER_FEE, listing.taker_fee.millionths().to_string());
        set(field::CREATED_AT, birth.at.time.to_string());
        set(field::DISPUTE_WINDOW_MS, listing.dispute_window_ms.to_string());
        for zero in [
            field::SETTLED,
            field::VOLUME,
            field::COLLATERAL,
            field::FEES,
            field::YES_OUTSTANDING,
            field::NO_OUTSTANDING,
        ] {
            set(zero, "0".to_owned());
        }
    }
    if let Some(about) = &market.about {
        let edit = &about.edit;
        edit.question.iter().for_each(|question| set(field::QUESTION, question.to_string()));
        edit.category.iter().for_each(|category| set(field::CATEGORY, category.to_string()));
        edit.expiry.iter().for_each(|expiry| set(field::EXPIRY, expiry.to_string()));
    }
    if let Some(state) = market.state {
        set(field::STATE, state.name().to_owned());
    }
    if let Some(resolution) = market.resolution {
        set(field::ANSWER, if resolution.answer == Answer::Void { "VOID" } else { "VALUE" }.to_owned());
        set(field::YES_VALUE, resolution.answer.yes_value().ticks().to_string());
        set(field::PROPOSED_BY, resolution.proposed_by.to_string());
    }
    if market.settled {
        set(field::SETTLED, "1".to_owned());
    }
    if let Some((price, time)) = market.last_trade {
        set(field::LAST_PRICE, price.ticks().to_string());
        set(field::LAST_TIME, time.to_string());
    }
    operations.set(key.clone(), fields);
    put_life(operations, &key, market);
    operations.add(key.clone(), field::VOLUME, market.volume.cast_signed());
    operations.add(key.clone(), field::COLLATERAL, market.collateral.micros());
    operations.add(key.clone(), field::FEES, market.fees.micros());
    operations.add(key.clone(), field::YES_OUTSTANDING, market.yes);
    operations.add(key.clone(), field::NO_OUTSTANDING, market.no);
    match market.state {
        Some(MarketState::Open) => operations.list(keys.open_markets(), key, id.to_string()),
        Some(_) => operations.unlist(keys.open_markets(), id.to_string()),
        // Only what is open is in the set; whether this market is, was told before.
        None if market.about.as_ref().is_some_and(|about| about.edit.expiry.is_some()) => {
            operations.rescore(keys.open_markets(), key, id.to_string());
        }
        None => {}
    }
}

/// What may be taken away again: an answer's confirmation, limits, an opening time, the event.
fn put_life(operations: &mut Operations, key: &str, market: &MarketDelta) {
    use keys::market as field;
    if let Some(event) = market.about.as_ref().and_then(|about| about.edit.event) {
        put(operations, key, field::EVENT, event.map(|event| event.to_string()));
    }
    if let Some(opens) = market.about.as_ref().and_then(|about| about.edit.opens) {
        put(operations, key, field::OPENS, opens.map(|opens| opens.to_string()));
    }
    if let Some(Resolution { confirmed, .. }) = market.resolution {
        put(operations, key, field::CONFIRMED_BY, confirmed.map(|confirmed| confirmed.by.to_string()));
        put(operations, key, field::PAYOUT_AT, confirmed.map(|confirmed| confirmed.payout.to_string()));
    }
    if let Some(limits) = market.limits {
        let live_orders = (limits.live_orders != u32::MAX).then(|| limits.live_orders.to_string());
        put(operations, key, field::LIVE_ORDERS_MAX, live_orders);
        put(operations, key, field::NOTIONAL_MAX, credits_max(limits.notional));
        put(operations, key, field::POSITION_MAX, (limits.position != u64::MAX).then(|| limits.position.to_string()));
    }
}

fn books(operations: &mut Operations, keys: &Keys, changes: &Changes) {
    for ((market, side, price), quantity) in &changes.levels {
        operations.sum(keys.book(*market), keys::level(*side, *price), *quantity);
    }
    for (market, last) in &changes.books {
        operations.set(keys.book(*market), [sequence(*last)]);
    }
}

fn trades(operations: &mut Operations, keys: &Keys, changes: &Changes) {
    let mut rows: Vec<&TradeRow> = changes.trades.iter().collect();
    // Stable: within a market in order of matching.
    rows.sort_by_key(|row| row.trade.market);
    for rows in rows.chunk_by(|a, b| a.trade.market == b.trade.market) {
        let recent = &rows[rows.len().saturating_sub(RECENT_TRADES_MAX)..];
        let items: Vec<String> = recent.iter().map(|row| trade_json(row)).collect();
        operations.push(keys.trades(rows[0].trade.market), &items, RECENT_TRADES_MAX);
    }
}

fn positions(operations: &mut Operations, keys: &Keys, changes: &Changes) {
    for ((market, account), delta) in &changes.positions {
        let key = keys.positions(*account);
        let parts = [
            ("yes", delta.yes),
            ("no", delta.no),
            ("yes_reserved", delta.yes_reserved),
            ("no_reserved", delta.no_reserved),
        ];
        for (part, difference) in parts {
            operations.sum(key.clone(), keys::position(*market, part), difference);
        }
    }
    // An account's positions share a key: its sequence is that of the last of them.
    let mut last = std::collections::BTreeMap::new();
    for ((_, account), delta) in &changes.positions {
        let latest = last.entry(*account).or_insert(0);
        *latest = delta.last.sequence.max(*latest);
    }
    for (account, last) in last {
        operations.set(keys.positions(account), [sequence(last)]);
    }
}

fn orders(operations: &mut Operations, keys: &Keys, changes: &Changes) {
    for (id, row) in changes.orders.born.iter().filter(|(_, row)| row.status.is_live()) {
        let part = |part: &str| keys::order_part(*id, part);
        let fields = [
            (keys::order(*id), order_json(*id, row)),
            (part("price"), row.price.ticks().to_string()),
            (part("quantity"), row.quantity.to_string()),
            (part("filled"), row.filled.to_string()),
            (part("notional"), row.notional.micros().to_string()),
            (part("fees"), row.fees.micros().to_string()),
        ];
        operations.set(keys.orders(row.order.account), fields);
    }
    for (id, change) in &changes.orders.changed {
        let (key, part) = (keys.orders(change.account), |part: &str| keys::order_part(*id, part));
        if change.status.is_some_and(|status| !status.is_live()) {
            let parts = ["price", "quantity", "filled", "notional", "fees"].map(part);
            operations.drop_fields(key, std::iter::once(keys::order(*id)).chain(parts).collect());
            continue;
        }
        if let Some(price) = change.price {
            operations.set(key.clone(), [(part("price"), price.ticks().to_string())]);
        }
        for (field, number) in [("quantity", change.quantity), ("filled", change.filled)] {
            if let Some(told) = number.told {
                operations.set(key.clone(), [(part(field), told.to_string())]);
            }
            operations.add(key.clone(), part(field), i64::from(number.by));
        }
        operations.add(key.clone(), part("notional"), change.notional.micros());
        operations.add(key, part("fees"), change.fees.micros());
    }
    for (account, last) in &changes.orders.live {
        operations.set(keys.orders(*account), [sequence(*last)]);
    }
}

// Names, numbers and UUIDs only: nothing here needs escaping.

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
