//! Acts of accounts other than orders.

use super::*;

impl Exchange {
    pub(super) fn open_account(&mut self) -> Vec<Told> {
        let account = AccountId((self.random.next() >> 1).max(1));
        self.accounts.push(account);
        let home = self.home(account);
        self.purses.insert((account, home), Purse::default());
        let mut told = Telling::new(self.command(), home);
        let key = self.new_key(account);
        told.events.extend([Event::AccountOpened { account }, Event::ApiKeyAdded { account, key, by: None }]);
        self.tell(told)
    }

    fn new_key(&mut self, account: AccountId) -> ApiKey {
        let id = ApiKeyId(self.random.next() >> 1);
        self.keys.push((account, id));
        let plain = ApiKey::with_secret(id, [self.random.below(256) as u8; 32], Scopes::READ_TRADE);
        if self.random.below(2) == 0 {
            return plain;
        }
        let markets = KeyMarkets::new((0..1 + self.random.below(3)).map(MarketId).collect());
        let name = "quoter".parse().ok();
        let terms = KeyTerms { name, markets, notional: Some(Credits(1 + self.random.below(9).cast_signed())) };
        let (proof, expires) = (KeyProof::Ed25519(*plain.proof.bytes()), Some(Timestamp(1_700_000_000_000)));
        ApiKey { proof, expires, terms: Some(Box::new(terms)), ..plain }
    }

    pub(super) fn change_keys(&mut self) -> Vec<Told> {
        let (account, event) = if self.random.below(2) == 0 && !self.keys.is_empty() {
            let nth = self.random.index(self.keys.len());
            let (account, key) = self.keys.swap_remove(nth);
            match self.random.below(3) {
                0 => (account, Event::ApiKeyExpired { account, key }),
                1 => {
                    self.keys.push((account, key));
                    let expires = Timestamp(1_800_000_000_000 + self.random.below(9));
                    (account, Event::ApiKeyEnds { account, key, expires })
                }
                _ => (account, Event::ApiKeyRevoked { account, key, by: Some(key) }),
            }
        } else {
            let account = self.any_account();
            let key = self.new_key(account);
            (account, Event::ApiKeyAdded { account, key, by: None })
        };
        let mut told = Telling::new(self.command(), self.home(account));
        told.events.push(event);
        self.tell(told)
    }

    pub(super) fn deposit(&mut self, account: AccountId, amount: i64) -> Vec<Told> {
        let (home, client_id) = (self.home(account), Some(ClientId(u128::from(self.random.next()))));
        let mut told = Telling::new(self.command(), home);
        self.purse((account, home)).available += amount;
        told.freed(account);
        told.events.push(Event::Deposited {
            account,
            amount: Credits(amount),
            client_id,
            by: AdminId(1),
            seconded: None,
        });
        self.tell(told)
    }

    /// Proposes a deposit that needs a second admin, or ends one.
    pub(super) fn deposit_by_two(&mut self) -> Vec<Told> {
        let (first, second) = (AdminId(1), AdminId(2));
        if self.proposals.is_empty() || self.random.below(5) < 2 {
            let account = self.any_account();
            let home = self.home(account);
            self.counter += 1;
            let (proposal, amount) = (ProposalId::compose(home, self.counter), Credits::whole(2_000_000));
            let client_id = Some(ClientId(u128::from(self.random.next())));
            self.proposals.push((proposal, account, amount, client_id));
            let mut told = Telling::new(self.command(), home);
            let expires = Timestamp(1_800_000_000_000);
            told.events.push(Event::DepositProposed { proposal, account, amount, client_id, by: first, expires });
            return self.tell(told);
        }
        let nth = self.random.index(self.proposals.len());
        let (proposal, account, amount, client_id) = self.proposals.swap_remove(nth);
        let home = self.home(account);
        let mut told = Telling::new(self.command(), home);
        let dropped = |by| Event::DepositDropped { proposal, account, by };
        match self.random.below(3) {
            0 => told.events.push(dropped(None)),
            1 => told.events.push(dropped(Some(second))),
            _ => {
                self.purse((account, home)).available += amount.micros();
                told.freed(account);
                let seconded = Some(Seconded { proposal, by: second });
                told.events.push(Event::Deposited { account, amount, client_id, by: first, seconded });
            }
        }
        self.tell(told)
    }

    /// Withdraws; sometimes more than the home shard has.
    pub(super) fn withdraw(&mut self) -> Vec<Told> {
        let account = self.any_account();
        let mut told = Telling::new(self.command(), self.home(account));
        let available = self.purses[&(account, told.shard)].available;
        let amount = match self.random.below(4) {
            0 => Credits(available) + Credits::whole(1),
            _ => Credits(available / 10 + 1),
        };
        self.claim(&mut told, account, ParkedRequest::Withdraw { amount, client_id: None, by: AdminId(1) });
        self.tell(told)
    }

    /// Freezes or limits an account, or sets a dead-man switch.
    pub(super) fn change_account(&mut self) -> Vec<Told> {
        let (account, by) = (self.any_account(), AdminId(2));
        let mut told = Telling::new(self.command(), self.home(account));
        match self.random.below(6) {
            0 => {
                self.frozen.insert(account);
                told.events.push(Event::AccountFrozen { account, by });
                self.instruct(&mut told, account, PurseInstruction::Freeze { by });
            }
            1 | 2 => {
                self.frozen.remove(&account);
                told.events.push(Event::AccountUnfrozen { account, by });
                self.instruct(&mut told, account, PurseInstruction::Unfreeze { by });
            }
            3 => {
                let some = AccountLimits { live_orders: 7, held: Credits(1 + self.random.below(9).cast_signed()) };
                let limits = if self.random.below(2) == 0 { AccountLimits::NONE } else { some };
                told.events.push(Event::AccountLimited { account, limits, by: AdminId(1) });
                self.instruct(&mut told, account, PurseInstruction::Limit { limits, by: AdminId(1) });
            }
            4 => {
                let due = Timestamp(1_800_000_000_000 + self.random.below(9));
                told.events.push(Event::DeadManSwitchSet { account, due: Some(due) });
            }
            _ if self.random.below(2) == 0 => {
                told.events.push(Event::DeadManSwitchFired { account });
                self.end_all(&mut told, account, None, CancelReason::DeadManSwitch);
                self.instruct(&mut told, account, PurseInstruction::MassCancel(CancelReason::DeadManSwitch));
            }
            _ => told.events.push(Event::DeadManSwitchSet { account, due: None }),
        }
        self.tell(told)
    }

    /// Transfers to another account, which sometimes cannot receive it.
    pub(super) fn transfer(&mut self) -> Vec<Told> {
        let (from, to) = (self.any_account(), self.any_account());
        let mut told = Telling::new(self.command(), self.home(from));
        let amount = Credits(self.purses[&(from, told.shard)].available / 20);
        if from == to || amount == Credits::ZERO {
            told.events.push(Event::Rejected { code: Rejection::TransferToSelf });
            return self.tell(told);
        }
        let (there, client_id) = (self.home(to), Some(ClientId(u128::from(self.random.next()))));
        self.purse((from, told.shard)).available -= amount.micros();
        told.events.push(Event::TransferSent { from, to, amount, client_id });
        if there == told.shard {
            self.transfer_received(&mut told, from, to, amount, client_id);
        } else {
            self.send(&mut told, there, Message::Transfer { from, to, amount, client_id });
        }
        self.tell(told)
    }

    pub(super) fn transfer_arrives(
        &mut self,
        told: &mut Telling,
        (from, to): (AccountId, AccountId),
        amount: Credits,
        client_id: Option<ClientId>,
    ) {
        let refused = (self.random.below(4) == 0).then_some(Rejection::WalletLimit);
        if refused.is_none() {
            self.transfer_received(told, from, to, amount, client_id);
        }
        self.send(told, self.home(from), Message::TransferEnded { from, to, amount, client_id, refused });
    }

    fn transfer_received(
        &mut self,
        told: &mut Telling,
        from: AccountId,
        to: AccountId,
        amount: Credits,
        client_id: Option<ClientId>,
    ) {
        self.purse((to, told.shard)).available += amount.micros();
        told.freed(to);
        told.events.push(Event::TransferReceived { from, to, amount, client_id });
    }

    /// The sender's home shard receives the result of a transfer.
    pub(super) fn transfer_ended(
        &mut self,
        told: &mut Telling,
        (from, to): (AccountId, AccountId),
        amount: Credits,
        client_id: Option<ClientId>,
        refused: Option<Rejection>,
    ) {
        let Some(code) = refused else {
            let client_id = client_id.expect("each of them has a name");
            return told.events.push(Event::TransferCompleted { from, to, amount, client_id });
        };
        self.purse((from, told.shard)).available += amount.micros();
        told.freed(from);
        told.events.push(Event::TransferReturned { from, to, amount, client_id, code });
    }

    /// Cancels all orders of an account, in one market or in all.
    pub(super) fn mass_cancel(&mut self) -> Vec<Told> {
        let (account, market) = (self.any_account(), self.any_market());
        let (market, shard) = match self.random.below(3) {
            0 => (None, self.home(account)),
            _ => (Some(market), self.market_home(market)),
        };
        let mut told = Telling::new(self.command(), shard);
        told.events.push(Event::MassCancelRequested { account, market });
        if market.is_none() {
            self.instruct(&mut told, account, PurseInstruction::MassCancel(CancelReason::MassCancel));
        }
        self.end_all(&mut told, account, market, CancelReason::MassCancel);
        self.tell(told)
    }

    /// Ends an account's orders on a shard, in one market or in all; waiting orders last.
    pub(super) fn end_all(
        &mut self,
        told: &mut Telling,
        account: AccountId,
        market: Option<MarketId>,
        reason: CancelReason,
    ) {
        let meant = |order: &NewOrder| order.account == account && market.is_none_or(|market| market == order.market);
        self.end_resting(told, reason, meant);
        self.end_waiting(told, account, market);
    }

    /// Ends orders that rest on a shard.
    pub(super) fn end_resting(&mut self, told: &mut Telling, reason: CancelReason, meant: impl Fn(&NewOrder) -> bool) {
        let (map, shard) = (self.map, told.shard);
        let mut ended = Vec::new();
        for (_, book) in self.markets.iter_mut().filter(|(id, _)| map.of_market(**id) == shard) {
            for side in [&mut book.bids, &mut book.asks] {
                ended.extend(side.values().filter(|resting| meant(&resting.order)).copied());
                side.retain(|_, resting| !meant(&resting.order));
            }
        }
        for resting in ended {
            self.end(told, resting, reason);
        }
        self.settle(told);
    }
}
