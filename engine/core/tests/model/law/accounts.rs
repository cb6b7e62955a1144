//! Accounts, their keys, and credits that come, go and move from one to another.

use schemas::event::FirstOutcome;
use schemas::limits::{ACCOUNT_API_KEYS_MAX, AMOUNT_MAX, DEAD_MAN_MAX_S, SHARD_CREDITS_MAX, WALLET_MAX};
use schemas::{AccountId, ApiKey, ApiKeyId, ClientId, Credits, Event, Rejection, Shard, Timestamp};

use super::{Account, Answer, Errand, Model, Named};

impl Model {
    /// Tells the answer of a command that is no order. True unless it was refused.
    pub(super) fn answer(&mut self, answer: Answer) -> bool {
        let accepted = answer.is_ok();
        self.tell(answer.unwrap_or_else(|code| Event::Rejected { code }));
        accepted
    }

    pub(super) fn open_account(&mut self, at: Shard, account: AccountId, key: &ApiKey) {
        let answer = match self.account_at(at, account) {
            Err(Rejection::AccountUnknown) if account.0 == 0 || account.0 >> 63 == 1 => {
                Err(Rejection::AccountIdInvalid)
            }
            Err(Rejection::AccountUnknown) => Ok(Event::AccountOpened { account }),
            Err(code) => Err(code),
            Ok(_) => Err(Rejection::AccountExists),
        };
        if self.answer(answer) {
            self.accounts.insert(account, Account { keys: [(key.id, *key)].into(), ..Account::default() });
            self.tell(Event::ApiKeyAdded { account, key: *key });
        }
    }

    pub(super) fn add_key(&mut self, at: Shard, account: AccountId, key: &ApiKey) {
        let answer = self.account_at(at, account).and_then(|found| match () {
            () if found.keys.contains_key(&key.id) => Err(Rejection::ApiKeyExists),
            () if found.keys.len() == ACCOUNT_API_KEYS_MAX => Err(Rejection::ApiKeyLimit),
            () => Ok(Event::ApiKeyAdded { account, key: *key }),
        });
        if self.answer(answer) {
            self.account_mut(account).keys.insert(key.id, *key);
        }
    }

    pub(super) fn revoke_key(&mut self, at: Shard, account: AccountId, key: ApiKeyId) {
        let answer = self.account_at(at, account).and_then(|found| match found.keys.contains_key(&key) {
            true => Ok(Event::ApiKeyRevoked { account, key }),
            false => Err(Rejection::ApiKeyUnknown),
        });
        if self.answer(answer) {
            self.account_mut(account).keys.remove(&key);
        }
    }

    /// A setting that any account may be given.
    pub(super) fn set(&mut self, at: Shard, account: AccountId, event: Event) {
        let answer = self.account_at(at, account).map(|_| event.clone());
        if !self.answer(answer) {
            return;
        }
        let found = self.account_mut(account);
        match event {
            Event::AccountFrozen { .. } => found.frozen = true,
            Event::AccountUnfrozen { .. } => found.frozen = false,
            Event::AccountLimited { limits, .. } => found.limits = limits,
            other => unreachable!("{other:?} is no setting"),
        }
    }

    pub(super) fn set_dead_man(&mut self, at: Shard, account: AccountId, timeout_s: Option<u32>) {
        let due = timeout_s.map(|seconds| Timestamp(self.now.0 + u64::from(seconds) * 1_000));
        let answer = match timeout_s {
            Some(seconds) if seconds == 0 || seconds > DEAD_MAN_MAX_S => Err(Rejection::TimeoutOutOfRange),
            _ => self.account_at(at, account).map(|_| Event::DeadManSwitchSet { account, due }),
        };
        if self.answer(answer) {
            self.account_mut(account).dead_man = due;
        }
    }

    pub(super) fn deposit(&mut self, at: Shard, account: AccountId, amount: Credits, name: Option<ClientId>) {
        let first = FirstOutcome::Deposit { amount };
        let in_shard = self.deposited.get(&at).copied().unwrap_or_default();
        let checked = self.check_amount(at, account, amount).and_then(|wallet| {
            if let Some(seen) = self.seen(at, account, name, first) {
                return seen;
            }
            let full = (wallet.available + wallet.held + amount).0 > WALLET_MAX;
            if full || (in_shard + amount).0 > SHARD_CREDITS_MAX {
                return Err(Rejection::WalletLimit);
            }
            Ok(Event::Deposited { account, amount, client_id: name })
        });
        if self.answer(checked) && matches!(self.told.last(), Some(Event::Deposited { .. })) {
            self.account_mut(account).available += amount;
            *self.deposited.entry(at).or_default() += amount;
            self.remember(at, account, name, Named { first, order: None });
        }
    }

    pub(super) fn withdraw(&mut self, at: Shard, account: AccountId, amount: Credits, name: Option<ClientId>) {
        let first = FirstOutcome::Withdrawal { amount };
        let checked = self.check_amount(at, account, amount).and_then(|_| {
            if let Some(seen) = self.seen(at, account, name, first) {
                return seen;
            }
            if self.active_at(at, account)?.available < amount {
                return Err(Rejection::FundsInsufficient);
            }
            Ok(Event::Withdrawn { account, amount, client_id: name })
        });
        if self.answer(checked) && matches!(self.told.last(), Some(Event::Withdrawn { .. })) {
            self.account_mut(account).available -= amount;
            *self.deposited.entry(at).or_default() -= amount;
            self.remember(at, account, name, Named { first, order: None });
        }
    }

    /// Credits that travel to another shard may come back; on one shard the transfer is refused instead.
    pub(super) fn transfer(
        &mut self,
        at: Shard,
        from: AccountId,
        to: AccountId,
        amount: Credits,
        name: Option<ClientId>,
    ) {
        let first = FirstOutcome::Transfer { to, amount };
        let checked = if from == to { Err(Rejection::TransferToSelf) } else { self.check_amount(at, from, amount) };
        let checked = checked.and_then(|_| {
            if let Some(seen) = self.seen(at, from, name, first) {
                return seen;
            }
            if self.active_at(at, from)?.available < amount {
                return Err(Rejection::FundsInsufficient);
            }
            if self.home(to) == at {
                self.can_receive(to, amount)?;
            }
            Ok(Event::TransferSent { from, to, amount, client_id: name })
        });
        if !self.answer(checked) || !matches!(self.told.last(), Some(Event::TransferSent { .. })) {
            return;
        }
        self.account_mut(from).available -= amount;
        self.remember(at, from, name, Named { first, order: None });
        if self.home(to) == at {
            self.receive_transfer(from, to, amount);
        } else {
            self.wait_for(self.home(to), Errand::Transfer(from, to, amount));
        }
    }

    pub(super) fn receive_transfer(&mut self, from: AccountId, to: AccountId, amount: Credits) {
        match self.can_receive(to, amount) {
            Ok(()) => {
                self.account_mut(to).available += amount;
                self.tell(Event::TransferReceived { from, to, amount });
            }
            Err(code) => {
                self.account_mut(from).available += amount;
                self.tell(Event::TransferReturned { from, to, amount, code });
            }
        }
    }

    fn can_receive(&self, to: AccountId, amount: Credits) -> Answer<()> {
        let wallet = self.accounts.get(&to).ok_or(Rejection::AccountUnknown)?;
        let full = (wallet.available + wallet.held + amount).0 > WALLET_MAX;
        if full { Err(Rejection::WalletLimit) } else { Ok(()) }
    }

    fn check_amount(&self, at: Shard, account: AccountId, amount: Credits) -> Answer<&Account> {
        if amount.0 < 1 || amount.0 > AMOUNT_MAX {
            return Err(Rejection::AmountOutOfRange);
        }
        self.account_at(at, account)
    }

    /// The answer to a name that was used before, if it was.
    fn seen(&self, at: Shard, account: AccountId, name: Option<ClientId>, wanted: FirstOutcome) -> Option<Answer> {
        let client_id = name?;
        let first = self.names.get(&(at, account, client_id))?.first;
        let same = first == wanted;
        Some(if same {
            Ok(Event::ClientIdRepeated { account, client_id, first })
        } else {
            Err(Rejection::ClientIdReused)
        })
    }

    pub(super) fn remember(&mut self, at: Shard, account: AccountId, name: Option<ClientId>, named: Named) {
        if let Some(name) = name {
            self.names.entry((at, account, name)).or_insert(named);
        }
    }
}
