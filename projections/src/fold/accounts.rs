//! What changes at an account's home: accounts, keys, wallets, the ledger.

use schemas::effects::WalletChange;
use schemas::message::SettlementReason;
use schemas::{AccountId, AccountLimits, ApiKey, ApiKeyId, ClientId, Credits, Event, MarketId, OrderId, Timestamp};

use super::{Changes, Stamp};

/// What became of an account, except its wallet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountDelta {
    /// When it was opened, if that was in this batch.
    pub opened: Option<Stamp>,
    /// Whether it can only cancel and reduce, if that changed.
    pub frozen: Option<bool>,
    /// What it may have in all markets together, if that changed.
    pub limits: Option<AccountLimits>,
    /// When its dead-man switch fires or that it is off, if that changed.
    pub dead_man_due: Option<Option<Timestamp>>,
    /// The last change.
    pub last: Stamp,
}

/// What became of an API key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyChange {
    /// The key and when it was added, if that was in this batch.
    pub added: Option<(ApiKey, Stamp)>,
    /// When it was revoked, if that was in this batch.
    pub revoked: Option<Stamp>,
    /// The last change.
    pub last: Stamp,
}

/// The sum of a wallet's changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalletDelta {
    /// Change of what can be spent.
    pub available: Credits,
    /// Change of what live buy orders hold.
    pub held: Credits,
    /// Change of the number of live orders, those on their way to their market included.
    pub live_orders: i64,
    /// The last change, or the opening.
    pub last: Stamp,
}

/// One change of one wallet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LedgerEntry {
    /// Whose wallet, and by how much.
    pub change: WalletChange,
    /// The event's place in its outcome.
    pub index: usize,
    /// Why.
    pub kind: LedgerKind,
    /// The order that it concerns.
    pub order: Option<OrderId>,
    /// The market that it concerns.
    pub market: Option<MarketId>,
    /// The client's own name for a deposit, withdrawal or transfer.
    pub client_id: Option<ClientId>,
    /// The other account of a transfer.
    pub other: Option<AccountId>,
    /// The outcome.
    pub at: Stamp,
}

/// Why a wallet changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LedgerKind {
    /// Credits came into the exchange.
    Deposit,
    /// Credits left the exchange.
    Withdrawal,
    /// A buy order, or its amendment, holds credits.
    Hold,
    /// Credits left for another account.
    TransferSent,
    /// They came in.
    TransferReceived,
    /// They came back, since they could not be received.
    TransferReturned,
    /// A market's home settled something.
    Settlement(SettlementReason),
}

impl LedgerKind {
    /// The name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deposit => "DEPOSIT",
            Self::Withdrawal => "WITHDRAWAL",
            Self::Hold => "HOLD",
            Self::TransferSent => "TRANSFER_SENT",
            Self::TransferReceived => "TRANSFER_RECEIVED",
            Self::TransferReturned => "TRANSFER_RETURNED",
            Self::Settlement(reason) => reason.name(),
        }
    }
}

impl Changes {
    pub(super) fn account_opened(&mut self, at: Stamp, account: AccountId) {
        self.account(account, at).opened = Some(at);
        self.wallet(account, at);
    }

    pub(super) fn account(&mut self, account: AccountId, at: Stamp) -> &mut AccountDelta {
        let unchanged = AccountDelta { opened: None, frozen: None, limits: None, dead_man_due: None, last: at };
        let delta = self.accounts.entry(account).or_insert(unchanged);
        delta.last = at;
        delta
    }

    pub(super) fn api_key_added(&mut self, at: Stamp, account: AccountId, key: &ApiKey) {
        self.api_key(at, key.id, account).added = Some((*key, at));
    }

    pub(super) fn api_key_revoked(&mut self, at: Stamp, account: AccountId, key: ApiKeyId) {
        self.api_key(at, key, account).revoked = Some(at);
    }

    fn api_key(&mut self, at: Stamp, key: ApiKeyId, account: AccountId) -> &mut KeyChange {
        let unchanged = KeyChange { added: None, revoked: None, last: at };
        let change = self.api_keys.entry((key, account)).or_insert(unchanged);
        change.last = at;
        change
    }

    pub(super) fn wallet_changed(&mut self, at: Stamp, index: usize, event: &Event, change: WalletChange) {
        let wallet = self.wallet(change.account, at);
        wallet.available += change.available;
        wallet.held += change.held;
        wallet.live_orders += i64::from(change.live_orders);
        // An order that holds nothing enters and ends without a change of its account's credits.
        if (change.available, change.held) != (Credits::ZERO, Credits::ZERO) {
            self.ledger.push(entry(event, change, index, at));
        }
    }

    pub(super) fn wallet(&mut self, account: AccountId, at: Stamp) -> &mut WalletDelta {
        let unchanged = WalletDelta { available: Credits::ZERO, held: Credits::ZERO, live_orders: 0, last: at };
        let wallet = self.wallets.entry(account).or_insert(unchanged);
        wallet.last = at;
        wallet
    }
}

/// What `event`, which changes a wallet, is in the ledger.
fn entry(event: &Event, change: WalletChange, index: usize, at: Stamp) -> LedgerEntry {
    let of = |kind| LedgerEntry { change, index, kind, order: None, market: None, client_id: None, other: None, at };
    match event {
        Event::Deposited { client_id, .. } => LedgerEntry { client_id: *client_id, ..of(LedgerKind::Deposit) },
        Event::Withdrawn { client_id, .. } => LedgerEntry { client_id: *client_id, ..of(LedgerKind::Withdrawal) },
        Event::OrderEntered { id, market, .. } => {
            LedgerEntry { order: Some(*id), market: Some(*market), ..of(LedgerKind::Hold) }
        }
        Event::HoldRaised { order, .. } => LedgerEntry { order: Some(*order), ..of(LedgerKind::Hold) },
        Event::Settled(s) => {
            LedgerEntry { order: s.order, market: Some(s.market), ..of(LedgerKind::Settlement(s.reason)) }
        }
        Event::TransferSent { to, client_id, .. } => {
            LedgerEntry { other: Some(*to), client_id: *client_id, ..of(LedgerKind::TransferSent) }
        }
        Event::TransferReceived { from, .. } => LedgerEntry { other: Some(*from), ..of(LedgerKind::TransferReceived) },
        Event::TransferReturned { to, .. } => LedgerEntry { other: Some(*to), ..of(LedgerKind::TransferReturned) },
        other => unreachable!("`effects` says that only the events above change a wallet, not {other:?}"),
    }
}
