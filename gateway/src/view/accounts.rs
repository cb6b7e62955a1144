//! The accounts that an event concerns.

use schemas::{AccountId, Event};

/// Returns the account whose group an event creates, changes, triggers or deletes.
pub fn account_of_group(event: &Event) -> Option<AccountId> {
    match event {
        Event::GroupSet { account, .. }
        | Event::GroupTriggered { account, .. }
        | Event::GroupDeleted { account, .. } => Some(*account),
        _ => None,
    }
}

/// Returns the accounts whose orders an event changes: none, one, or a trade's two.
pub fn accounts_of(event: &Event) -> impl Iterator<Item = AccountId> {
    let accounts = match event {
        Event::OrderPlaced(placed) => [Some(placed.order.account), None],
        Event::OrderRejected { order, .. } => [Some(order.account), None],
        Event::OrderCancelled { account, .. } | Event::OrderReduced { account, .. } => [Some(*account), None],
        Event::OrderAmended(amended) => [Some(amended.account), None],
        Event::Traded(trade) => [Some(trade.maker.account), Some(trade.taker.account)],
        _ => [None, None],
    };
    accounts.into_iter().flatten()
}
