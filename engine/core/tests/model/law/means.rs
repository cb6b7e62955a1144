//! An account's total credits, and its room for live orders and for held credits. The model keeps
//! one sum that each market can use.

use schemas::{AccountId, Credits, OrderId, Rejection};

use super::{Account, Answer, Model, Order};

/// The credits and room that a request needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Wants {
    /// Credits to hold.
    pub(super) needs: Credits,
    /// Credits that the request releases first.
    pub(super) frees: Credits,
    /// Orders that may come to rest.
    pub(super) rests: usize,
    /// Orders that the request ends first.
    pub(super) ends: usize,
}

impl Model {
    /// Returns an account's resting orders on all shards.
    pub fn orders_of(&self, account: AccountId) -> impl Iterator<Item = &Order> {
        self.markets.iter().flat_map(move |market| market.of_account(account))
    }

    pub fn live_orders(&self, account: AccountId) -> Vec<OrderId> {
        self.orders_of(account).map(|order| order.id).collect()
    }

    /// Returns the credits that an account's live buys hold.
    pub fn held(&self, account: AccountId) -> Credits {
        self.orders_of(account).map(Order::hold).sum()
    }

    /// A request that needs no more than before is never refused.
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
