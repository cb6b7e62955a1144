//! What an account's home would answer a purse that asks, and what the account's other purses would bring: the home's
//! side of a [`preview`](super::preview), in the order of the table in [`claims`]. Nothing is changed.

use schemas::{AccountId, Credits, Need, NewOrder, ParkedRequest, Rejection, Room, Shard};

use super::{claims, groups};
use crate::state::{Account, Purse, ShardState};

/// What an account's home would answer.
#[derive(Clone, Debug)]
pub enum Lending {
    /// It has what is asked for.
    AtOnce,
    /// Other claims of the account wait before this one.
    Waits,
    /// It asks other purses to give back what it lacks.
    Recalls(Box<Recall>),
    /// It refuses.
    Refused(Rejection),
}

/// What a home asks other purses for.
#[derive(Clone, Debug)]
pub struct Recall {
    /// The purse at home, with what the asking purse gives back.
    purse: Purse,
    account: Account,
    /// What the purse at home must have.
    need: Need,
    /// The shards of the purses that are asked.
    pub from: Vec<Shard>,
}

impl ShardState {
    /// What an account's home, which this is, would answer its purse on `from` that lacks `need` and gives `given_back`
    /// back.
    pub fn lending(&self, from: Shard, account: AccountId, need: Need, given_back: Room) -> Lending {
        let (Some(known), Some(purse)) = (self.account(account), self.purse(account)) else {
            return Lending::Refused(Rejection::AccountUnknown);
        };
        if known.frozen {
            return Lending::Refused(Rejection::AccountFrozen);
        }
        let shards = claims::lenders(self, account, &ParkedRequest::Fund { shard: from, need }).collect();
        let mut recall = Recall { purse: *purse, account: known.clone(), need, from: shards };
        if from == self.shard() {
            recall.need = on_top_of(purse, need);
        } else {
            recall.take_back(from, given_back);
        }
        let lacks = claims::lack_of(&recall.purse, recall.need);
        let waiting = self.waiting(account).filter(|waiting| !waiting.claims.is_empty());
        if lacks.is_nothing() && waiting.is_none_or(|waiting| claims::is_late(self, account, waiting)) {
            return Lending::AtOnce;
        }
        if waiting.is_some() {
            return Lending::Waits;
        }
        match recall.from.iter().any(|to| self.is_full(*to)) {
            _ if recall.from.is_empty() => Lending::Refused(claims::code_for(lacks)),
            true => Lending::Refused(Rejection::ShardUnavailable),
            false => Lending::Recalls(Box::new(recall)),
        }
    }
}

impl ShardState {
    /// What an order's group refuses on a shard where its account gets a purse for it: its home, which this is, knows.
    pub fn check_group(&self, order: &NewOrder) -> Result<(), Rejection> {
        groups::check_among(self, order, |_| 0)
    }
}

impl Recall {
    /// Whether these purses have what the home lacks, each with its shard. If not: why the request would be refused.
    pub fn brings(&self, purses: impl IntoIterator<Item = (Shard, Purse)>) -> Result<(), Rejection> {
        let mut after = self.clone();
        let wants = claims::lack_of(&self.purse, self.need);
        for (shard, purse) in purses {
            let (free, sealed) = (purse.free_room(), purse.sealed_room());
            let orders = if wants.room.orders > 0 { free.orders } else { sealed.orders };
            let held = if wants.room.held > Credits::ZERO { free.held } else { sealed.held };
            after.take_back(shard, Room { orders, held });
            if wants.credits > Credits::ZERO {
                after.purse.available += purse.available;
            }
        }
        let lacks = claims::lack_of(&after.purse, self.need);
        if lacks.is_nothing() { Ok(()) } else { Err(claims::code_for(lacks)) }
    }

    /// At home the purse has all the room that is not lent.
    fn take_back(&mut self, from: Shard, room: Room) {
        let lent = self.account.lent.get_or_default(from);
        lent.room = lent.room.saturating_sub(room);
        self.purse.room = self.account.unlent();
    }
}

/// What a purse must have so that it has what it lacks.
fn on_top_of(purse: &Purse, lacks: Need) -> Need {
    let free = purse.free_room();
    let credits = if lacks.credits > Credits::ZERO { purse.available + lacks.credits } else { Credits::ZERO };
    let orders = if lacks.room.orders > 0 { free.orders.saturating_add(lacks.room.orders) } else { 0 };
    let held = match lacks.room.held.0 {
        0 => Credits::ZERO,
        held => Credits(free.held.0.saturating_add(held)),
    };
    Need { credits, room: Room { orders, held } }
}
