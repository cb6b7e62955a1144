//! Accounts: their keys, wallets, limits and dead-man switches.

use schemas::event::FirstOutcome;
use schemas::limits::{ACCOUNT_API_KEYS_MAX, AMOUNT_MAX, DEAD_MAN_MAX_S, SHARD_CREDITS_MAX, WALLET_MAX};
use schemas::{AccountId, AccountLimits, AdminId, ApiKey, ApiKeyId, ClientId, Credits, Event, Rejection, Timestamp};

use super::Turn;
use crate::state::{Account, State};

impl Turn<'_> {
    pub(super) fn open_account(&mut self, account: AccountId, key: &ApiKey) {
        self.step(|state, draft| match check_new(state, account) {
            Ok(()) => {
                draft.events.extend([Event::AccountOpened { account }, Event::ApiKeyAdded { account, key: *key }])
            }
            Err(code) => draft.events.push(Event::Rejected { code }),
        });
    }

    pub(super) fn add_api_key(&mut self, account: AccountId, key: &ApiKey) {
        self.answer(|state| {
            let keys = &known(state, account)?.keys;
            if keys.contains_key(&key.id) {
                return Err(Rejection::ApiKeyExists);
            }
            if keys.len() >= ACCOUNT_API_KEYS_MAX {
                return Err(Rejection::ApiKeyLimit);
            }
            Ok(Event::ApiKeyAdded { account, key: *key })
        });
    }

    pub(super) fn revoke_api_key(&mut self, account: AccountId, key: ApiKeyId) {
        self.answer(|state| match known(state, account)?.keys.contains_key(&key) {
            true => Ok(Event::ApiKeyRevoked { account, key }),
            false => Err(Rejection::ApiKeyUnknown),
        });
    }

    pub(super) fn deposit(&mut self, account: AccountId, amount: Credits, client_id: Option<ClientId>) {
        self.answer(|state| {
            let first = FirstOutcome::Deposit { amount };
            if let Some(repeat) = check_movement(state, account, amount, client_id, first)? {
                return Ok(repeat);
            }
            let wallet = known(state, account)?;
            let (wallet, shard) = (wallet.available + wallet.held + amount, state.facts.deposited + amount);
            if wallet.0 > WALLET_MAX || shard.0 > SHARD_CREDITS_MAX {
                return Err(Rejection::WalletLimit);
            }
            Ok(Event::Deposited { account, amount, client_id })
        });
    }

    pub(super) fn withdraw(&mut self, account: AccountId, amount: Credits, client_id: Option<ClientId>) {
        self.answer(|state| {
            let first = FirstOutcome::Withdrawal { amount };
            if let Some(repeat) = check_movement(state, account, amount, client_id, first)? {
                return Ok(repeat);
            }
            if active(state, account)?.available < amount {
                return Err(Rejection::FundsInsufficient);
            }
            Ok(Event::Withdrawn { account, amount, client_id })
        });
    }

    /// A repeat says so again: who asks wants to be sure.
    pub(super) fn freeze_account(&mut self, account: AccountId, by: AdminId) {
        self.answer(|state| known(state, account).map(|_| Event::AccountFrozen { account, by }));
    }

    pub(super) fn unfreeze_account(&mut self, account: AccountId, by: AdminId) {
        self.answer(|state| known(state, account).map(|_| Event::AccountUnfrozen { account, by }));
    }

    pub(super) fn limit_account(&mut self, account: AccountId, limits: AccountLimits) {
        self.answer(|state| known(state, account).map(|_| Event::AccountLimited { account, limits }));
    }

    pub(super) fn set_dead_man_switch(&mut self, account: AccountId, timeout_s: Option<u32>) {
        self.answer(|state| {
            if timeout_s.is_some_and(|seconds| !(1..=DEAD_MAN_MAX_S).contains(&seconds)) {
                return Err(Rejection::TimeoutOutOfRange);
            }
            known(state, account)?;
            let due = timeout_s.map(|seconds| Timestamp(state.facts.time.0 + u64::from(seconds) * 1_000));
            Ok(Event::DeadManSwitchSet { account, due })
        });
    }
}

/// An account that lives here.
pub(super) fn known(state: &State, account: AccountId) -> Result<&Account, Rejection> {
    state.account(account).ok_or_else(|| match state.map.of_account(account) == state.shard {
        true => Rejection::AccountUnknown,
        false => Rejection::WrongShard,
    })
}

/// An account that lives here and is not frozen.
pub(super) fn active(state: &State, account: AccountId) -> Result<&Account, Rejection> {
    let account = known(state, account)?;
    if account.frozen { Err(Rejection::AccountFrozen) } else { Ok(account) }
}

fn check_new(state: &State, account: AccountId) -> Result<(), Rejection> {
    match known(state, account) {
        Ok(_) => Err(Rejection::AccountExists),
        // Ids fit a signed column.
        Err(Rejection::AccountUnknown) if account.0 == 0 || i64::try_from(account.0).is_err() => {
            Err(Rejection::AccountIdInvalid)
        }
        Err(Rejection::AccountUnknown) => Ok(()),
        Err(code) => Err(code),
    }
}

/// What a deposit, a withdrawal and a transfer have in common. `Some` is the answer to a repeat.
pub(super) fn check_movement(
    state: &State,
    account: AccountId,
    amount: Credits,
    client_id: Option<ClientId>,
    wanted: FirstOutcome,
) -> Result<Option<Event>, Rejection> {
    if !(1..=AMOUNT_MAX).contains(&amount.0) {
        return Err(Rejection::AmountOutOfRange);
    }
    known(state, account)?;
    let Some(client_id) = client_id else { return Ok(None) };
    match state.facts.client_ids.get(account, client_id) {
        None => Ok(None),
        Some((first, _)) if first == wanted => Ok(Some(Event::ClientIdRepeated { account, client_id, first })),
        Some(_) => Err(Rejection::ClientIdReused),
    }
}
