//! Changes of a shard's purses, and the ledger of these changes. A purse is an account's balance on
//! one shard.

use std::borrow::Cow;

use schemas::effects::PurseChange;
use schemas::{AccountId, ClientId, Credits, Event, MarketId, OrderId, SettlementReason};

use super::RowChanges;
use super::last_change::LastChange;

/// The sum of one purse's changes. The log records no creation of a purse, except on its account's
/// home shard: a purse exists from its first change on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PurseDelta {
    /// Change of the credits available to spend.
    pub available: Credits,
    /// Change of the credits held by live buy orders.
    pub held: Credits,
    /// Change of the number of live orders.
    pub live_orders: i64,
    /// Credits sent to the account's purses on other shards, modulo 2^64. The total ever sent may
    /// overflow 64 bits; only its difference to `received` has a meaning.
    pub sent: Credits,
    /// Credits received from those purses, modulo 2^64.
    pub received: Credits,
    /// The last change, or the account's opening.
    pub last: LastChange,
}

/// One change of one purse's credits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LedgerEntry {
    /// The purse and the change.
    pub change: PurseChange,
    /// The event's index in its outcome.
    pub index: usize,
    /// The reason.
    pub kind: LedgerKind,
    /// The order that it concerns.
    pub order: Option<OrderId>,
    /// The market that it concerns.
    pub market: Option<MarketId>,
    /// The client id of a deposit, withdrawal or transfer.
    pub client_id: Option<ClientId>,
    /// The other account of a transfer.
    pub other: Option<AccountId>,
    /// The outcome that contains the event.
    pub at: LastChange,
}

/// Why a purse changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LedgerKind {
    /// Credits entered the exchange.
    Deposit,
    /// Credits left the exchange.
    Withdrawal,
    /// Credits held by a buy order or its amendment.
    Hold,
    /// Credits sent to the account's purse on another shard.
    PurseSent,
    /// Credits received from the account's purse on another shard.
    PurseReceived,
    /// Credits sent to another account.
    TransferSent,
    /// Credits received from another account.
    TransferReceived,
    /// Credits returned because the other account could not receive them.
    TransferReturned,
    /// A settlement by a market.
    Settlement(SettlementReason),
}

impl LedgerKind {
    /// Returns the name used in SQL.
    pub fn name(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Deposit => "DEPOSIT",
            Self::Withdrawal => "WITHDRAWAL",
            Self::Hold => "HOLD",
            Self::PurseSent => "PURSE_SENT",
            Self::PurseReceived => "PURSE_RECEIVED",
            Self::TransferSent => "TRANSFER_SENT",
            Self::TransferReceived => "TRANSFER_RECEIVED",
            Self::TransferReturned => "TRANSFER_RETURNED",
            Self::Settlement(reason) => return reason.name(),
        })
    }
}

impl RowChanges {
    pub(super) fn purse_changed(&mut self, at: LastChange, index: usize, event: &Event, change: PurseChange) {
        let purse = self.purse(change.account, at);
        purse.available += change.available;
        purse.held += change.held;
        purse.live_orders += i64::from(change.live_orders);
        purse.sent = Credits(purse.sent.0.wrapping_add(change.sent.0));
        purse.received = Credits(purse.received.0.wrapping_add(change.received.0));
        // An order that holds no credits makes no ledger entry, and neither does room (remaining
        // order allowance) alone.
        if (change.available, change.held) != (Credits::ZERO, Credits::ZERO) {
            self.ledger.push(entry(event, change, index, at));
        }
    }

    pub(super) fn purse(&mut self, account: AccountId, at: LastChange) -> &mut PurseDelta {
        let zero = Credits::ZERO;
        let unchanged =
            PurseDelta { available: zero, held: zero, live_orders: 0, sent: zero, received: zero, last: at };
        let purse = self.purses.entry(account).or_insert(unchanged);
        purse.last = at;
        purse
    }
}

/// Returns the ledger entry for `event`, which changes a purse's credits.
fn entry(event: &Event, change: PurseChange, index: usize, at: LastChange) -> LedgerEntry {
    let of = |kind| LedgerEntry { change, index, kind, order: None, market: None, client_id: None, other: None, at };
    match event {
        Event::Deposited { client_id, .. } => LedgerEntry { client_id: *client_id, ..of(LedgerKind::Deposit) },
        Event::Withdrawn { client_id, .. } => LedgerEntry { client_id: *client_id, ..of(LedgerKind::Withdrawal) },
        Event::OrderPlaced(placed) => {
            LedgerEntry { order: Some(placed.id), market: Some(placed.order.market), ..of(LedgerKind::Hold) }
        }
        Event::HoldRaised { order, .. } => LedgerEntry { order: Some(*order), ..of(LedgerKind::Hold) },
        Event::Settled(s) => {
            LedgerEntry { order: s.order, market: Some(s.market), ..of(LedgerKind::Settlement(s.reason)) }
        }
        Event::PurseSent { .. } => of(LedgerKind::PurseSent),
        Event::PurseReceived { .. } => of(LedgerKind::PurseReceived),
        Event::TransferSent { to, client_id, .. } => {
            LedgerEntry { other: Some(*to), client_id: *client_id, ..of(LedgerKind::TransferSent) }
        }
        Event::TransferReceived { from, .. } => LedgerEntry { other: Some(*from), ..of(LedgerKind::TransferReceived) },
        Event::TransferReturned { to, .. } => LedgerEntry { other: Some(*to), ..of(LedgerKind::TransferReturned) },
        other => unreachable!("`effects` says that only the events above change a purse's credits, not {other:?}"),
    }
}
