//! Purses: an account's credits on each shard where it trades, and what moves between them.
//!
//! A purse at its account's home begins with the account, any other with the first credits or room that it receives.

use std::collections::HashMap;

use schemas::effects::{self, PurseChange};
use schemas::event::Event;
use schemas::{AccountId, Credits, SettlementReason, Shard, Timestamp};

use super::{ExpectedAccount, Fold, OutcomeContext};

/// Credits and live orders of one account on one shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExpectedPurse {
    /// Can be spent.
    pub available: Credits,
    /// Kept for live buys.
    pub held: Credits,
    /// Orders that rest on the shard.
    pub live_orders: i64,
    /// Credits that left for the account's purses on other shards, in all.
    pub sent: Credits,
    /// Credits that came from them, in all.
    pub received: Credits,
    /// The last outcome there that changed it.
    pub sequence: u64,
}

/// Credits of one account on all shards together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExpectedWallet {
    /// Can be spent.
    pub available: Credits,
    /// Kept for live buys.
    pub held: Credits,
    /// Sent from purse to purse and not received yet.
    pub in_transit: Credits,
}

/// Sums over the ledger entries of one kind of one purse.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ledger {
    /// How many.
    pub entries: i64,
    /// Their changes of available credits.
    pub available: Credits,
    /// Their changes of held credits.
    pub held: Credits,
}

/// The kind of ledger entry that an event which changes a purse's credits is.
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
            // What it is called is not this build's to say.
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
        if let Some(change) = effects::purse_change(event) {
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

    /// `credits` left the first shard for the second; negative: they came in at the second. (None: it was room alone.)
    fn moved(&mut self, account: AccountId, (from, to): (Shard, Shard), credits: Credits) {
        if credits == Credits::ZERO {
            return;
        }
        *self.moved.entry((account, from, to)).or_default() += credits;
    }

    fn purse_changed(&mut self, change: PurseChange, place: OutcomeContext) {
        let Some(purse) = self.purses.get_mut(&(change.account, place.shard)) else {
            self.faults
                .add(|| format!("account {} has no purse on shard {}, and it changed", change.account, place.shard));
            return;
        };
        purse.available += change.available;
        purse.held += change.held;
        purse.live_orders += i64::from(change.live_orders);
        purse.sent += change.sent;
        purse.received += change.received;
        purse.sequence = place.sequence;
    }

    fn spendable_changed(&mut self, change: PurseChange, time: Timestamp) {
        let spendable = change.available + change.sent - change.received;
        if spendable != Credits::ZERO {
            self.spendable.entry(change.account).or_default().push((time, spendable));
        }
    }

    /// No change of credits, no entry: what holds nothing comes and goes without one, and so does mere room.
    fn ledger_entry(&mut self, event: &Event, change: PurseChange, shard: Shard) {
        if (change.available, change.held) == (Credits::ZERO, Credits::ZERO) {
            return;
        }
        let ledger = self.ledger.entry((change.account, shard, ledger_kind(event))).or_default();
        ledger.entries += 1;
        ledger.available += change.available;
        ledger.held += change.held;
    }

    /// Wallets: the sums of each account's purses.
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
