//! What changes at an account's home: accounts, keys, wallets, the ledger.

use schemas::effects::WalletChange;
use schemas::message::SettlementReason;
use schemas::{AccountId, ApiKey, ApiKeyId, ClientId, Credits, Event, MarketId, OrderId};

use super::{Changes, Stamp};

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
    /// The client's own name for a deposit or withdrawal.
    pub client_id: Option<ClientId>,
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
    /// A buy order holds credits.
    Hold,
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
            Self::Settlement(reason) => reason.name(),
        }
    }
}

impl Changes {
    pub(super) fn account_opened(&mut self, at: Stamp, account: AccountId) {
        self.accounts.insert(account, at);
        self.wallet(account, at);
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
        let (kind, order, market, client_id) = reason(event);
        self.ledger.push(LedgerEntry { change, index, kind, order, market, client_id, at });
    }

    fn wallet(&mut self, account: AccountId, at: Stamp) -> &mut WalletDelta {
        let unchanged = WalletDelta { available: Credits::ZERO, held: Credits::ZERO, last: at };
        let wallet = self.wallets.entry(account).or_insert(unchanged);
        wallet.last = at;
        wallet
    }
}

/// Why `event` changes a wallet, and what else it concerns.
fn reason(event: &Event) -> (LedgerKind, Option<OrderId>, Option<MarketId>, Option<ClientId>) {
    match event {
        Event::Withdrawn { client_id, .. } => (LedgerKind::Withdrawal, None, None, *client_id),
        Event::OrderFunded { id, order, .. } => (LedgerKind::Hold, Some(*id), Some(order.market), None),
        Event::Settled(s) => (LedgerKind::Settlement(s.reason), s.order, Some(s.market), None),
        Event::Deposited { client_id, .. } => (LedgerKind::Deposit, None, None, *client_id),
        other => unreachable!("`effects` says that only the events above change a wallet, not {other:?}"),
    }
}
