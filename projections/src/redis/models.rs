//! What a batch's changes do to the keys that [`keys`] names. Pure.

use schemas::event::Trade;
use schemas::{ClientId, MarketId, MarketState, OrderId};

use super::keys::{self, Keys, RECENT_TRADES_MAX, SEQUENCE};
use super::operations::Operations;
use crate::fold::{Changes, MarketDelta, OrderRow, TradeRow};

/// Adds all operations of `changes`.
pub fn operate(operations: &mut Operations, keys: &Keys, changes: &Changes) {
    wallets(operations, keys, changes);
    // Before the set of open markets, which takes expiries from here.
    for (id, market) in &changes.markets {
        put_market(operations, keys, *id, market);
    }
    books(operations, keys, changes);
    trades(operations, keys, changes);
    positions(operations, keys, changes);
    orders(operations, keys, changes);
}

fn sequence(sequence: u64) -> (String, String) {
    (SEQUENCE.to_owned(), sequence.to_string())
}

fn wallets(operations: &mut Operations, keys: &Keys, changes: &Changes) {
    for (account, wallet) in &changes.wallets {
        let key = keys.wallet(*account);
        if changes.accounts.contains_key(account) {
            operations.set(key.clone(), [(keys::wallet::AVAILABLE, "0"), (keys::wallet::HELD, "0")]);
        }
        operations.add(key.clone(), keys::wallet::AVAILABLE, wallet.available.micros());
        operations.add(key.clone(), keys::wallet::HELD, wallet.held.micros());
        operations.set(key, [sequence(wallet.last.sequence)]);
    }
}

fn put_market(operations: &mut Operations, keys: &Keys, id: MarketId, market: &MarketDelta) {
    use keys::market as field;
    let key = keys.market(id);
    let mut fields: Vec<(String, String)> = vec![sequence(market.last.sequence)];
    let mut set = |field: &str, value: String| fields.push((field.to_owned(), value));
    if let Some(birth) = &market.born {
        let listing = &birth.listing;
        set(field::TICKER, listing.ticker.to_string());
        set(field::QUESTION, listing.question.to_string());
        set(field::EXPIRY, listing.expiry.to_string());
        set(field::TICK, listing.tick.to_string());
        set(field::MAKER_FEE, listing.maker_fee.millionths().to_string());
        set(field::TAKER_FEE, listing.taker_fee.millionths().to_string());
        set(field::CREATED_AT, birth.at.time.to_string());
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
    if let Some(state) = market.state {
        set(field::STATE, state.name().to_owned());
    }
    if let Some(value) = market.yes_value {
        set(field::YES_VALUE, value.ticks().to_string());
    }
    if market.settled {
        set(field::SETTLED, "1".to_owned());
    }
    if let Some((price, time)) = market.last_trade {
        set(field::LAST_PRICE, price.ticks().to_string());
        set(field::LAST_TIME, time.to_string());
    }
    operations.set(key.clone(), fields);
    operations.add(key.clone(), field::VOLUME, market.volume.cast_signed());
    operations.add(key.clone(), field::COLLATERAL, market.collateral.micros());
    operations.add(key.clone(), field::FEES, market.fees.micros());
    operations.add(key.clone(), field::YES_OUTSTANDING, market.yes);
    operations.add(key.clone(), field::NO_OUTSTANDING, market.no);
    match market.state {
        Some(MarketState::Open) => operations.list(keys.open_markets(), key, id.to_string()),
        Some(_) => operations.unlist(keys.open_markets(), id.to_string()),
        None => {}
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
            (part("remaining"), (row.quantity - row.filled).to_string()),
            (part("notional"), row.notional.micros().to_string()),
            (part("fees"), row.fees.micros().to_string()),
        ];
        operations.set(keys.orders(row.order.account), fields);
    }
    for (id, change) in &changes.orders.changed {
        let (key, part) = (keys.orders(change.account), |part: &str| keys::order_part(*id, part));
        if change.status.is_live() {
            operations.set(key.clone(), [(part("remaining"), change.remaining.to_string())]);
            operations.add(key.clone(), part("notional"), change.notional.micros());
            operations.add(key, part("fees"), change.fees.micros());
        } else {
            operations.drop_fields(key, vec![keys::order(*id), part("remaining"), part("notional"), part("fees")]);
        }
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
    format!(
        r#"{{"order_id":"{id}","command_id":"{}","market_id":"{}","contract":"{}","side":"{}","price":"{}","quantity":{},"fee_rate":{},"client_id":{},"time":{}}}"#,
        row.command,
        order.market,
        order.entry.contract(),
        order.entry.side(),
        order.terms.limit(),
        row.quantity,
        order.fee_rate.millionths(),
        client_json(order.client_id),
        row.born.time,
    )
}

fn client_json(id: Option<ClientId>) -> String {
    id.map_or_else(|| "null".to_owned(), |id| format!(r#""{id}""#))
}
