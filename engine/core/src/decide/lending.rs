//! What an account's home would answer to an ask, and what the account's other purses would return:
//! the home's side of a [`preview`](super::preview), in the order of the table in [`claims`].
//! Nothing is changed.

use schemas::{AccountId, Credits, Need, NewOrder, ParkedRequest, Rejection, Room, Shard};

use super::{claims, groups};
use crate::state::{Account, Purse, ShardState};

/// The answer of an account's home.
#[derive(Clone, Debug)]
pub enum Lending {
    /// The home has what is asked for.
    AtOnce,
    /// Other claims of the account wait before this one.
    Waits,
    /// The home asks other purses to return what it lacks.
    Recalls(Box<Recall>),
    /// The home refuses.
    Refused(Rejection),
}

/// A recall: what a home asks other purses for.
#[derive(Clone, Debug)]
pub struct Recall {
    /// The purse at home, including what the asking purse gives back.
    purse: Purse,
    account: Account,
    /// What the purse at home must have.
    need: Need,
    /// The shards of the purses that are asked.
    pub from: Vec<Shard>,
}

impl ShardState {
    /// Returns what this shard, as the account's home, would answer its purse on `from` that lacks
    /// `need` and gives `given_back` back.
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
    /// Checks an order against its group on a shard where its account gets a purse for it: only
    /// this shard, its home, knows the group.
    pub fn check_group(&self, order: &NewOrder) -> Result<(), Rejection> {
        groups::check_among(self, order, |_| 0)
    }
}

impl Recall {
    /// Checks whether these purses, each with its shard, have what the home lacks. If not, returns
    /// why the request would be refused.
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

/// Returns what a purse must have so that it has what it lacks.
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
