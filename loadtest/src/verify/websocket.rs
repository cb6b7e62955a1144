//! Verifies the state that WebSocket clients rebuilt against the fold.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use schemas::{AccountId, MarketId, OrderId, Status};

use super::{Check, Faults, exactly};
use crate::fold::Fold;
use crate::listen::feed::HeardMessages;
use crate::listen::{Listeners, locked};

/// How long the last messages may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for the last messages, then compares books, trades and orders.
pub async fn check(listeners: &Listeners, fold: &Fold, markets: &[MarketId]) -> Vec<Check> {
    let started = Instant::now();
    loop {
        let checks = compare(listeners, fold, markets);
        if checks.iter().all(|check| check.faults.is_empty()) || started.elapsed() > PATIENCE {
            return checks;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn compare(listeners: &Listeners, fold: &Fold, markets: &[MarketId]) -> Vec<Check> {
    let mut faults = Faults::default();
    for feed in listeners.feeds() {
        locked(feed, |feed| {
            let told = feed.faults.told().to_vec();
            for index in 0..feed.faults.count() {
                faults
                    .add(|| usize::try_from(index).ok().and_then(|index| told.get(index)).cloned().unwrap_or_default());
            }
        });
    }
    let messages = usize::try_from(listeners.messages()).unwrap_or(usize::MAX);
    vec![
        Check::of("WebSocket: no gap, no early end, nothing unknown", messages, faults),
        books(listeners, fold, markets),
        trades(listeners, fold, markets),
        orders(listeners, fold),
    ]
}

/// Collects entries from all market listeners.
fn gather<K: std::hash::Hash + Eq, T>(
    listeners: &Listeners,
    mut from: impl FnMut(&HeardMessages) -> Vec<(K, T)>,
) -> HashMap<K, T> {
    listeners.markets.iter().flat_map(|feed| locked(feed, |feed| from(feed))).collect()
}

fn books(listeners: &Listeners, fold: &Fold, markets: &[MarketId]) -> Check {
    let expected = markets.iter().flat_map(|&market| {
        fold.levels(market).into_iter().map(move |(side, price, quantity)| ((market, side, price), quantity))
    });
    let found = gather(listeners, |feed| {
        let levels = |(market, levels): (&MarketId, &crate::listen::feed::HeardLevels)| {
            levels.iter().map(|(&(side, price), &n)| ((*market, side, price), n)).collect::<Vec<_>>()
        };
        feed.books.iter().flat_map(levels).collect()
    });
    exactly("WebSocket: every level of the rebuilt books", &expected.collect(), &found)
}

fn trades(listeners: &Listeners, fold: &Fold, markets: &[MarketId]) -> Check {
    let expected = markets.iter().filter_map(|market| Some((*market, fold.markets.get(market)?.trades.clone())));
    let expected: HashMap<_, _> = expected.collect();
    let found = gather(listeners, |feed| feed.trades.iter().map(|(market, ids)| (*market, ids.clone())).collect());
    let mut check = Check::new("WebSocket: every trade once, in order", expected.values().map(Vec::len).sum());
    for (market, ids) in &expected {
        let heard = found.get(market).map_or(&[][..], |ids| ids);
        let differs = heard.iter().zip(ids).position(|(a, b)| a != b).unwrap_or(heard.len().min(ids.len()));
        check.faults.check(heard == ids, || {
            format!(
                "market {market}: {} trades, {} received, they differ from number {} on",
                ids.len(),
                heard.len(),
                differs + 1
            )
        });
    }
    check
}

fn orders(listeners: &Listeners, fold: &Fold) -> Check {
    let mut found: HashMap<(AccountId, OrderId), (Status, u32, u32)> = HashMap::new();
    for (account, feed) in &listeners.accounts {
        locked(feed, |feed| found.extend(feed.orders.iter().map(|(id, order)| ((*account, *id), *order))));
    }
    let listens = |account: &AccountId| listeners.accounts.iter().any(|(listener, _)| listener == account);
    let expected = fold.orders.iter().filter(|(_, order)| listens(&order.account));
    let expected = expected.map(|(id, order)| ((order.account, *id), (order.status, order.remaining(), order.filled)));
    exactly("WebSocket: the orders of subscribed accounts", &expected.collect(), &found)
}
