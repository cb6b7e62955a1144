//! Accounts, and credits that are deposited, withdrawn and transferred.

use schemas::event::FirstOutcome;
use schemas::limits::{AMOUNT_MAX, DEAD_MAN_MAX_S, WALLET_MAX};
use schemas::{AccountId, AccountLimits, AdminId, ClientId, Credits, Event, PurseInstruction, Rejection, Timestamp};

use super::deposits::Proposal;
use super::{Answer, FORGOTTEN, Journey, Model, NamedMovement, Standing};

impl Model {
    pub(super) fn freeze(&mut self, account: AccountId, by: AdminId) {
        let answer = self.account_here(account).map(|_| Event::AccountFrozen { account, by });
        if self.answer(answer) {
            self.account_mut(account).frozen = true;
            self.completed.push((account, PurseInstruction::Freeze { by }));
        }
    }

    pub(super) fn unfreeze(&mut self, account: AccountId, by: AdminId) {
        let answer = self.account_here(account).map(|_| Event::AccountUnfrozen { account, by });
        if self.answer(answer) {
            self.account_mut(account).frozen = false;
            self.completed.push((account, PurseInstruction::Unfreeze { by }));
        }
    }

    pub(super) fn limit_account(&mut self, account: AccountId, limits: AccountLimits, by: AdminId) {
        let answer = self.account_here(account).map(|_| Event::AccountLimited { account, limits, by });
        if self.answer(answer) {
            self.account_mut(account).limits = limits;
            self.completed.push((account, PurseInstruction::Limit { limits, by }));
        }
    }

    pub(super) fn set_dead_man(&mut self, account: AccountId, timeout_s: Option<u32>) {
        let due = timeout_s.map(|seconds| Timestamp(self.now.0 + u64::from(seconds) * 1_000));
        let answer = match timeout_s {
            Some(seconds) if seconds == 0 || seconds > DEAD_MAN_MAX_S => Err(Rejection::TimeoutOutOfRange),
            _ => self.account_here(account).map(|_| Event::DeadManSwitchSet { account, due }),
        };
        if self.answer(answer) {
            self.account_mut(account).dead_man = due;
        }
    }

    pub(super) fn withdraw(&mut self, account: AccountId, amount: Credits, name: Option<ClientId>, by: AdminId) {
        let first = FirstOutcome::Withdrawal { amount };
        let checked = self.check_amount(account, amount).and_then(|_| {
            if let Some(seen) = self.seen(account, name, first) {
                return seen;
            }
            if self.active(account)?.available < amount {
                return Err(Rejection::FundsInsufficient);
            }
            Ok(Event::Withdrawn { account, amount, client_id: name, by })
        });
        if self.moves(checked) {
            self.account_mut(account).available -= amount;
            *self.deposited.entry(self.at).or_default() -= amount;
            self.remember(account, name, first, first);
        }
    }

    /// Credits leave the sender, and either arrive or return: at once on one shard, otherwise when
    /// messages arrive.
    pub(super) fn transfer(&mut self, journey: Journey) {
        let Journey { from, to, amount, name } = journey;
        let checked = if from == to { Err(Rejection::TransferToSelf) } else { self.check_amount(from, amount) };
        let checked = checked.and_then(|_| {
            if let Some(seen) = self.seen(from, name, FirstOutcome::Transfer { to, amount }) {
                return seen;
            }
            if self.active(from)?.available < amount {
                return Err(Rejection::FundsInsufficient);
            }
            Ok(Event::TransferSent { from, to, amount, client_id: name })
        });
        if !self.moves(checked) {
            return;
        }
        self.account_mut(from).available -= amount;
        if self.home(to) == self.at { self.arrive(journey) } else { self.journeys.push(journey) }
    }

    /// A transfer ends, and its client id then refers to the result.
    pub(super) fn arrive(&mut self, journey: Journey) {
        let Journey { from, to, amount, name } = journey;
        let (giver, receiver) = (self.home(from), self.home(to));
        let arrived = FirstOutcome::Transfer { to, amount };
        match self.can_receive(to, amount) {
            Ok(()) => {
                self.account_mut(to).available += amount;
                let received = Event::TransferReceived { from, to, amount, client_id: name };
                self.on(receiver, |model| model.tell(received));
                if let Some(client_id) = name.filter(|_| giver != receiver) {
                    let completed = Event::TransferCompleted { from, to, amount, client_id };
                    self.on(giver, |model| model.tell(completed));
                }
                self.remember(from, name, arrived, arrived);
            }
            Err(code) => {
                self.account_mut(from).available += amount;
                let returned = Event::TransferReturned { from, to, amount, client_id: name, code };
                self.on(giver, |model| model.tell(returned));
                self.remember(from, name, arrived, FirstOutcome::TransferRefused { to, amount, code });
            }
        }
    }

    fn can_receive(&self, to: AccountId, amount: Credits) -> Answer<()> {
        self.known(to)?;
        if self.is_too_much(to, amount) { Err(Rejection::WalletLimit) } else { Ok(()) }
    }

    pub(super) fn is_too_much(&self, account: AccountId, more: Credits) -> bool {
        (self.account(account).available + self.held(account) + more).0 > WALLET_MAX
    }

    pub(super) fn check_amount(&self, account: AccountId, amount: Credits) -> Answer<()> {
        if amount.0 < 1 || amount.0 > AMOUNT_MAX {
            return Err(Rejection::AmountOutOfRange);
        }
        self.account_here(account).map(drop)
    }

    /// Returns the answer to a client id that was used before.
    pub(super) fn seen(&mut self, account: AccountId, name: Option<ClientId>, wanted: FirstOutcome) -> Option<Answer> {
        let client_id = name?;
        let waits = self.proposals.iter().find(|waits| waits.open && (waits.account, waits.name) == (account, name));
        if let Some(&Proposal { id: proposal, amount, .. }) = waits {
            let first = FirstOutcome::DepositProposed { proposal, amount };
            let repeat = Event::ClientIdRepeated { account, client_id, first };
            let same = wanted == FirstOutcome::Deposit { amount };
            return Some(if same { Ok(repeat) } else { Err(Rejection::ClientIdReused) });
        }
        let travels = self.journeys.iter().find(|journey| journey.from == account && journey.name == name);
        let (standing, asked, first) = match travels {
            Some(Journey { to, amount, .. }) => {
                // The model has no command ids.
                let parked = FirstOutcome::Parked { command: schemas::CommandId(0) };
                (Standing::UnderWay, FirstOutcome::Transfer { to: *to, amount: *amount }, parked)
            }
            None => {
                let NamedMovement { asked, came_to, hour } = *self.movements_named.get(&(account, client_id))?;
                if hour + FORGOTTEN <= self.hour() {
                    return None;
                }
                (if asked == came_to { Standing::Made } else { Standing::Refused }, asked, came_to)
            }
        };
        self.repeats.push((standing, asked == wanted));
        let repeat = Event::ClientIdRepeated { account, client_id, first };
        Some(if asked == wanted { Ok(repeat) } else { Err(Rejection::ClientIdReused) })
    }

    pub(super) fn remember(
        &mut self,
        account: AccountId,
        name: Option<ClientId>,
        asked: FirstOutcome,
        came_to: FirstOutcome,
    ) {
        if let Some(name) = name {
            let hour = self.hour();
            self.movements_named.insert((account, name), NamedMovement { asked, came_to, hour });
        }
    }

    /// Records the answer. Returns true unless the request was refused or repeated.
    fn moves(&mut self, answer: Answer) -> bool {
        let moves = !matches!(answer, Err(_) | Ok(Event::ClientIdRepeated { .. }));
        self.answer(answer);
        moves
    }
}
