//! Accounts at home: withdrawals, dead-man switches, and the rules common to all movements of
//! credits.

use schemas::event::FirstOutcome;
use schemas::limits::{AMOUNT_MAX, DEAD_MAN_MAX_S};
use schemas::{AccountId, AdminId, ClientId, CommandId, Credits, Event, ParkedRequest, Rejection, Timestamp};

use super::CommandRun;
use super::instruct::check_mass_cancel;
use crate::state::{Account, Meaning, OpenTransfer, RequestName, ShardState};

impl CommandRun<'_> {
    pub(super) fn withdraw(&mut self, account: AccountId, amount: Credits, client_id: Option<ClientId>, by: AdminId) {
        let first = FirstOutcome::Withdrawal { amount };
        let admitted = admit(self.state, account, amount, client_id, first);
        self.move_out(account, admitted, ParkedRequest::Withdraw { amount, client_id, by });
    }

    /// Claims the credits of a movement that is admitted; answers a repeat and a refusal.
    pub(super) fn move_out(
        &mut self,
        account: AccountId,
        admitted: Result<Option<Event>, Rejection>,
        request: ParkedRequest,
    ) {
        match admitted {
            Ok(None) => self.claim(account, request),
            Ok(Some(repeat)) => self.step(|_, context| context.events.push(repeat)),
            Err(code) => self.step(|_, context| context.events.push(Event::Rejected { code })),
        }
    }

    pub(super) fn set_dead_man_switch(&mut self, account: AccountId, timeout_s: Option<u32>) {
        self.answer(|state| {
            if timeout_s.is_some_and(|seconds| !(1..=DEAD_MAN_MAX_S).contains(&seconds)) {
                return Err(Rejection::TimeoutOutOfRange);
            }
            known(state, account)?;
            if timeout_s.is_some() {
                // There is nobody to refuse when it fires, so check now.
                check_mass_cancel(state, account)?;
            }
            let due = timeout_s.map(|seconds| Timestamp(state.facts.time.0 + u64::from(seconds) * 1_000));
            Ok(Event::DeadManSwitchSet { account, due })
        });
    }
}

/// Returns an account whose home is here.
pub(super) fn known(state: &ShardState, account: AccountId) -> Result<&Account, Rejection> {
    state.account(account).ok_or_else(|| match state.map.of_account(account) == state.shard {
        true => Rejection::AccountUnknown,
        false => Rejection::WrongShard,
    })
}

/// Returns an account whose home is here and that is not frozen.
pub(super) fn active(state: &ShardState, account: AccountId) -> Result<&Account, Rejection> {
    let account = known(state, account)?;
    if account.frozen { Err(Rejection::AccountFrozen) } else { Ok(account) }
}

/// Checks what the home can refuse in a withdrawal or a transfer, except for its credits. `Some` is
/// the answer to a repeat, which a frozen account may get, too.
pub(super) fn admit(
    state: &ShardState,
    account: AccountId,
    amount: Credits,
    client_id: Option<ClientId>,
    wanted: FirstOutcome,
) -> Result<Option<Event>, Rejection> {
    let repeat = check_movement(state, account, amount, client_id, wanted)?;
    if repeat.is_none() {
        active(state, account)?;
    }
    Ok(repeat)
}

/// Checks what a deposit, a withdrawal and a transfer have in common. `Some` is the answer to a
/// repeat.
///
/// | the client id belongs to                 | the same movement         | another movement |
/// |------------------------------------------|---------------------------|------------------|
/// | a movement that waits or is open         | has the first's answer    | is refused       |
/// | a deposit that waits for a second admin  | gets the proposal         | is refused       |
/// | a movement that was made                 | gets the first result     | is refused       |
/// | a transfer that was sent and came back   | gets the reason           | is refused       |
/// | nothing, or what was refused here        | is the first              | is the first     |
pub(super) fn check_movement(
    state: &ShardState,
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
    let repeated = |first| Ok(Some(Event::ClientIdRepeated { account, client_id, first }));
    let unfinished = under_way(state, account, client_id).or_else(|| waiting_movement(state, account, client_id));
    if let Some((command, first)) = unfinished {
        return if first == wanted {
            repeated(FirstOutcome::Parked { command })
        } else {
            Err(Rejection::ClientIdReused)
        };
    }
    if let Some((proposal, proposed)) = state.facts.deposits.named(account, client_id) {
        let amount = proposed.amount;
        return match wanted == (FirstOutcome::Deposit { amount }) {
            true => repeated(FirstOutcome::DepositProposed { proposal, amount }),
            false => Err(Rejection::ClientIdReused),
        };
    }
    let ids = &state.facts.client_ids;
    match ids.get_first(RequestName { account, market: None, client_id }, || movement_fingerprint(&wanted)) {
        None if ids.are_used_up(account) => Err(Rejection::ClientIdLimit),
        None => Ok(None),
        Some((meaning, true)) => repeated(what_became(meaning, wanted)),
        Some((_, false)) => Err(Rejection::ClientIdReused),
    }
}

/// Returns the result of a movement under this name. The repeat itself states which movement it
/// was.
fn what_became(meaning: Meaning, movement: FirstOutcome) -> FirstOutcome {
    match (meaning, movement) {
        (Meaning::RefusedMovement(code), FirstOutcome::Transfer { to, amount }) => {
            FirstOutcome::TransferRefused { to, amount, code }
        }
        _ => movement,
    }
}

/// Returns the fingerprint of a movement: it distinguishes a repeat from another request under the
/// same name.
pub(crate) fn movement_fingerprint(movement: &FirstOutcome) -> u128 {
    super::order::fingerprint_of(movement)
}

/// Returns the open transfer under this name, and its result if it is received.
fn under_way(state: &ShardState, account: AccountId, client_id: ClientId) -> Option<(CommandId, FirstOutcome)> {
    let &OpenTransfer { command, to, amount } = state.facts.transfers.get((account, client_id))?;
    Some((command, FirstOutcome::Transfer { to, amount }))
}

/// Returns the waiting withdrawal or transfer under this name, and its result.
fn waiting_movement(state: &ShardState, account: AccountId, client_id: ClientId) -> Option<(CommandId, FirstOutcome)> {
    state.waiting(account)?.claims.iter().find_map(|claim| match claim.request {
        ParkedRequest::Withdraw { amount, client_id: Some(name), .. } if name == client_id => {
            Some((claim.command, FirstOutcome::Withdrawal { amount }))
        }
        ParkedRequest::Transfer { to, amount, client_id: Some(name) } if name == client_id => {
            Some((claim.command, FirstOutcome::Transfer { to, amount }))
        }
        _ => None,
    })
}
