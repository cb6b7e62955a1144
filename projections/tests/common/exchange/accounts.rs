//! What happens to accounts besides their orders.

use super::*;

impl Exchange {
    /// Frozen, limited, a dead-man switch.
    pub(super) fn change_account(&mut self) -> Vec<Told> {
        let (account, by, command) = (self.any_account(), AdminId(2), self.command());
        let event = match self.random.below(6) {
            0 => {
                self.frozen.insert(account);
                Event::AccountFrozen { account, by }
            }
            1 | 2 => {
                self.frozen.remove(&account);
                Event::AccountUnfrozen { account, by }
            }
            3 if self.random.below(2) == 0 => Event::AccountLimited { account, limits: AccountLimits::NONE },
            3 => {
                let limits = AccountLimits { live_orders: 7, held: Credits(1 + self.random.below(9).cast_signed()) };
                Event::AccountLimited { account, limits }
            }
            4 => Event::DeadManSwitchSet { account, due: Some(Timestamp(1_800_000_000_000 + self.random.below(9))) },
            _ if self.random.below(2) == 0 => Event::DeadManSwitchFired { account },
            _ => Event::DeadManSwitchSet { account, due: None },
        };
        vec![Told { shard: self.home(account), command, events: vec![event] }]
    }

    /// To another account, which now and then cannot receive it.
    pub(super) fn transfer(&mut self) -> Vec<Told> {
        let (from, to, command) = (self.any_account(), self.any_account(), self.command());
        let (home, there) = (self.home(from), self.home(to));
        let amount = self.wallets[&from].available / 20;
        if from == to || amount == 0 {
            let code = Rejection::TransferToSelf;
            return vec![Told { shard: home, command, events: vec![Event::Rejected { code }] }];
        }
        let (credits, client_id) = (Credits(amount), Some(ClientId(u128::from(self.random.next()))));
        let mut events = vec![Event::TransferSent { from, to, amount: credits, client_id }];
        self.wallets.get_mut(&from).unwrap().available -= amount;
        if home == there {
            self.wallets.get_mut(&to).unwrap().available += amount;
            events.push(Event::TransferReceived { from, to, amount: credits });
            return vec![Told { shard: home, command, events }];
        }
        let message = Message::Transfer { from, to, amount: credits };
        events.push(Event::Sent { to: there, number: self.number(home, there), message });
        let mut told = vec![Told { shard: home, command, events }];
        let mut events = vec![Event::Received { from: home, number: self.sent[&(home.number(), there.number())] }];
        if self.random.below(4) > 0 {
            self.wallets.get_mut(&to).unwrap().available += amount;
            events.push(Event::TransferReceived { from, to, amount: credits });
            told.push(Told { shard: there, command, events });
            return told;
        }
        self.wallets.get_mut(&from).unwrap().available += amount;
        let code = Rejection::WalletLimit;
        let (number, message) = (self.number(there, home), Message::ReturnTransfer { from, to, amount: credits, code });
        events.push(Event::Sent { to: home, number, message });
        told.push(Told { shard: there, command, events });
        let returned = Event::TransferReturned { from, to, amount: credits, code };
        told.push(Told { shard: home, command, events: vec![Event::Received { from: there, number }, returned] });
        told
    }

    /// All orders of an account in one market.
    pub(super) fn mass_cancel(&mut self) -> Vec<Told> {
        let (account, market) = (self.any_account(), self.any_market());
        let mut told = Telling::new(self.command(), self.map.of_market(market));
        let book = self.markets.get_mut(&market).unwrap();
        let mut ended = Vec::new();
        for side in [&mut book.bids, &mut book.asks] {
            ended.extend(side.values().filter(|resting| resting.order.account == account).copied());
            side.retain(|_, resting| resting.order.account != account);
        }
        for resting in ended {
            self.end(&mut told, resting, CancelReason::MassCancel);
        }
        self.tell(told)
    }
}
