//! Facts: accounts with their limits and switches, markets with their states.

use schemas::event::Event;
use schemas::{AccountId, Credits, MarketId};

use super::{ExpectedAccount, ExpectedMarket, Fold, OutcomeContext, rows};

/// Returns the account that the event concerns, if only the account's home shard records such
/// events.
fn account_of(event: &Event) -> Option<AccountId> {
    match event {
        Event::AccountOpened { account }
        | Event::ApiKeyAdded { account, .. }
        | Event::ApiKeyRevoked { account, .. }
        | Event::ApiKeyEnds { account, .. }
        | Event::ApiKeyExpired { account, .. }
        | Event::Deposited { account, .. }
        | Event::Withdrawn { account, .. }
        | Event::DepositProposed { account, .. }
        | Event::DepositDropped { account, .. }
        | Event::MassCancelRequested { account, market: None }
        | Event::DeadManSwitchSet { account, .. }
        | Event::DeadManSwitchFired { account }
        | Event::AccountFrozen { account, .. }
        | Event::AccountUnfrozen { account, .. }
        | Event::AccountLimited { account, .. }
        | Event::Instructed { account, .. }
        | Event::Obeyed { account, .. }
        | Event::InstructionCompleted { account, .. } => Some(*account),
        Event::TransferSent { from, .. }
        | Event::TransferReturned { from, .. }
        | Event::TransferCompleted { from, .. } => Some(*from),
        Event::TransferReceived { to, .. } => Some(*to),
        _ => None,
    }
}

impl Fold {
    pub(super) fn facts(&mut self, event: &Event, place: OutcomeContext) {
        if let Some(account) = account_of(event) {
            self.tellers.insert((account, place.shard));
        }
        match event {
            Event::Deposited { amount, .. } => self.deposits += *amount,
            Event::Withdrawn { amount, .. } => self.withdrawals += *amount,
            _ => {
                self.account_facts(event);
                self.market_facts(event, place);
            }
        }
    }

    fn account_facts(&mut self, event: &Event) {
        match event {
            Event::AccountFrozen { account, .. } => self.account_fact(*account, |account| account.frozen = true),
            Event::AccountUnfrozen { account, .. } => self.account_fact(*account, |account| account.frozen = false),
            Event::AccountLimited { account, limits, .. } => self.account_fact(*account, |account| {
                account.live_orders_max = rows::count_max(limits.live_orders);
                account.held_max = rows::credits_max(limits.held);
            }),
            Event::DeadManSwitchSet { account, due } => {
                self.account_fact(*account, |account| account.dead_man_due = due.map(|due| due.as_millis()));
            }
            Event::DeadManSwitchFired { account } => self.account_fact(*account, |account| account.dead_man_due = None),
            _ => {}
        }
    }

    fn account_fact(&mut self, account: AccountId, change: impl FnOnce(&mut ExpectedAccount)) {
        match self.accounts.get_mut(&account) {
            Some(account) => change(account),
            None => self.faults.add(|| format!("account {account} changed before it was opened")),
        }
    }

    fn market_facts(&mut self, event: &Event, place: OutcomeContext) {
        match event {
            Event::MarketCreated { listing, .. } => {
                let again = self.markets.insert(listing.market, ExpectedMarket::listed(listing, place.shard)).is_some();
                self.faults.check(!again, || format!("market {} was created twice", listing.ticker));
            }
            Event::MarketChanged { market, state, resolution, .. } => self.market_fact(*market, place, |market| {
                market.state = *state;
                market.resolution = resolution.or(market.resolution);
            }),
            Event::MarketLimited { market, limits, .. } => {
                self.market_fact(*market, place, |market| market.limits = *limits);
            }
            Event::MarketSettled { market } => self.market_fact(*market, place, |market| market.settled = true),
            Event::MarketArchived { market, fees, .. } => self.archived(*market, place, *fees),
            _ => {}
        }
    }

    /// Checks that an archived market was settled and that its fees equal those that the log
    /// recorded.
    fn archived(&mut self, market: MarketId, place: OutcomeContext, fees: Credits) {
        let Some(known) = self.market(market, place) else { return };
        known.archived = true;
        let (collected, agrees) = (known.fees, known.settled && known.fees == fees);
        self.faults.check(agrees, || format!("market {market} is archived with fees of {fees}, not {collected}"));
    }

    fn market_fact(&mut self, market: MarketId, place: OutcomeContext, change: impl FnOnce(&mut ExpectedMarket)) {
        if let Some(market) = self.market(market, place) {
            change(market);
        }
    }
}
