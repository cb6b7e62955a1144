//! Purses: an account's credits on each shard where it trades, and the transfers between them.
//!
//! The purse on its account's home shard begins with the account, any other with the first credits
//! or room (remaining order allowance) that it receives.

use std::collections::HashMap;

use schemas::event::Event;
use schemas::{AccountId, Credits, SettlementReason, Shard, Timestamp};

use super::sums::{self, AuditedPurse};
use super::{ExpectedAccount, Fold, OutcomeContext};

/// Credits and live orders of one account on one shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExpectedPurse {
    /// Credits available to spend.
    pub available: Credits,
    /// Credits held for live buy orders.
    pub held: Credits,
    /// Number of orders resting on the shard.
    pub live_orders: i64,
    /// Total credits sent to the account's purses on other shards.
    pub sent: Credits,
    /// Total credits received from those purses.
    pub received: Credits,
    /// The last outcome there that changed it.
    pub sequence: u64,
}

/// Credits of one account on all shards together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExpectedWallet {
    /// Credits available to spend.
    pub available: Credits,
    /// Credits held for live buy orders.
    pub held: Credits,
    /// Credits sent from purse to purse and not received yet.
    pub in_transit: Credits,
}

/// Sums over the ledger entries of one kind of one purse.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ledger {
    /// Number of entries.
    pub entries: i64,
    /// The sum of their changes of available credits.
    pub available: Credits,
    /// The sum of their changes of held credits.
    pub held: Credits,
}

/// Returns the kind of ledger entry for an event that changes a purse's credits.
fn ledger_kind(event: &Event) -> &'static str {
    match event {
        Event::Deposited { .. } => "DEPOSIT",
        Event::Withdrawn { .. } => "WITHDRAWAL",
        Event::OrderPlaced(_) | Event::HoldRaised { .. } => "HOLD",
        Event::PurseSent { .. } => "PURSE_SENT",
        Event::PurseReceived { .. } => "PURSE_RECEIVED",
        Event::TransferSent { .. } => "TRANSFER_SENT",
        Event::TransferReceived { .. } => "TRANSFER_RECEIVED",
        Event::TransferReturned { .. } => "TRANSFER_RETURNED",
        Event::Settled(settlement) => match settlement.reason {
            SettlementReason::Trade => "TRADE",
            SettlementReason::Release => "RELEASE",
            SettlementReason::Redemption => "REDEMPTION",
            SettlementReason::Payout => "PAYOUT",
            // This build does not know the reason's name.
            SettlementReason::Unknown(_) => "none",
        },
        _ => "none",
    }
}

impl Fold {
    pub(super) fn purses(&mut self, event: &Event, place: OutcomeContext) {
        match event {
            Event::AccountOpened { account } => self.account_opened(*account, place),
            Event::PurseSent { account, to, credits, .. } => self.moved(*account, (place.shard, *to), *credits),
            Event::PurseReceived { account, from, credits, .. } => {
                self.purses.entry((*account, place.shard)).or_default();
                self.moved(*account, (*from, place.shard), -*credits);
            }
            _ => {}
        }
        if let Some(change) = sums::purse(event) {
            self.purse_changed(change, place);
            self.spendable_changed(change, place.time);
            self.ledger_entry(event, change, place.shard);
        }
    }

    fn account_opened(&mut self, account: AccountId, place: OutcomeContext) {
        let again = self.accounts.insert(account, ExpectedAccount::opened(place.shard)).is_some();
        self.faults.check(!again, || format!("account {account} was opened twice"));
        self.purses
            .insert((account, place.shard), ExpectedPurse { sequence: place.sequence, ..ExpectedPurse::default() });
    }

    /// Records `credits` sent from the first shard to the second; negative: received at the second.
    /// (Nothing, if only room moved.)
    fn moved(&mut self, account: AccountId, (from, to): (Shard, Shard), credits: Credits) {
        if credits == Credits::ZERO {
            return;
        }
        *self.moved.entry((account, from, to)).or_default() += credits;
    }

    fn purse_changed(&mut self, change: AuditedPurse, place: OutcomeContext) {
        let Some(purse) = self.purses.get_mut(&(change.account, place.shard)) else {
            self.faults
                .add(|| format!("account {} has no purse on shard {}, and it changed", change.account, place.shard));
            return;
        };
        purse.available += change.available;
        purse.held += change.held;
        purse.live_orders += change.live_orders;
        purse.sent += change.sent;
        purse.received += change.received;
        purse.sequence = place.sequence;
    }

    fn spendable_changed(&mut self, change: AuditedPurse, time: Timestamp) {
        let spendable = change.available + change.sent - change.received;
        if spendable != Credits::ZERO {
            self.spendable.entry(change.account).or_default().push((time, spendable));
        }
    }

    /// Adds a ledger entry if credits change. Orders that hold no credits, and room alone, make no
    /// entry.
    fn ledger_entry(&mut self, event: &Event, change: AuditedPurse, shard: Shard) {
        if (change.available, change.held) == (Credits::ZERO, Credits::ZERO) {
            return;
        }
        let ledger = self.ledger.entry((change.account, shard, ledger_kind(event))).or_default();
        ledger.entries += 1;
        ledger.available += change.available;
        ledger.held += change.held;
    }

    /// Returns the wallets: the sums of each account's purses.
    pub fn wallets(&self) -> HashMap<AccountId, ExpectedWallet> {
        let mut wallets: HashMap<AccountId, ExpectedWallet> = HashMap::new();
        for ((account, _), purse) in &self.purses {
            let wallet = wallets.entry(*account).or_default();
            wallet.available += purse.available;
            wallet.held += purse.held;
            wallet.in_transit += purse.sent - purse.received;
        }
        wallets
    }
}
