//! What an account has in all: credits, room for live orders and for credits that they hold.
//! Wherever it is, each market can use it.

use schemas::{AccountId, Credits, OrderId, Rejection};

use super::{Account, Answer, Model, Order};

/// What a request asks of its account's means.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Wants {
    /// Credits to hold.
    pub(super) needs: Credits,
    /// Credits that it lets go before.
    pub(super) frees: Credits,
    /// Orders that may come to rest.
    pub(super) rests: usize,
    /// Orders that it ends before.
    pub(super) ends: usize,
}

impl Model {
    /// An account's resting orders, everywhere.
    pub fn orders_of(&self, account: AccountId) -> impl Iterator<Item = &Order> {
        self.markets.iter().flat_map(move |market| market.of_account(account))
    }

    pub fn live_orders(&self, account: AccountId) -> Vec<OrderId> {
        self.orders_of(account).map(|order| order.id).collect()
    }

    /// What an account's live buys hold.
    pub fn held(&self, account: AccountId) -> Credits {
        self.orders_of(account).map(Order::hold).sum()
    }

    /// What asks for no more than there was is never refused.
    pub(super) fn check_means(&self, account: AccountId, wants: &Wants) -> Answer<()> {
        let Wants { needs, frees, rests, ends } = *wants;
        if needs <= frees && rests <= ends {
            return Ok(());
        }
        let Account { available, limits, .. } = self.active(account)?;
        if *available + frees < needs {
            return Err(Rejection::FundsInsufficient);
        }
        if rests > ends && self.orders_of(account).count() - ends + rests > limits.live_orders as usize {
            return Err(Rejection::LiveOrderLimit);
        }
        if needs > frees && self.held(account) - frees + needs > limits.held {
            return Err(Rejection::NotionalLimit);
        }
        Ok(())
    }
}
