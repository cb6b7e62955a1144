//! What waits: parked requests, claims on credits that other purses have, instructions to other shards.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bincode::{Decode, Encode};
use schemas::{
    AccountId, CommandId, Credits, Need, Parked, ParkedRequest, PurseInstruction, Rejection, Room, Shard, Timestamp,
};

/// What waits for one account. Not kept when there is nothing.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct AccountQueue {
    /// Market's shard: requests that wait for what the purse here lacks, oldest first.
    pub requests: VecDeque<Parked>,
    /// Market's shard: parked requests that something else has ended, and why. They are answered with the next that is decided.
    pub ended: BTreeMap<u64, Rejection>,
    /// Market's shard: what the home is asked for.
    pub asked: Option<OpenAsk>,
    /// Home: claims that wait for what other purses give back, oldest first.
    pub claims: VecDeque<Parked>,
    /// Home: the recall under way for the oldest claim.
    pub recall: Option<u64>,
}

/// An ask under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct OpenAsk {
    /// The request that lacks something.
    pub ticket: u64,
    /// What it claims: what it lacked then, and what it has given back since.
    pub need: Need,
}

impl AccountQueue {
    /// True if it need not be kept.
    pub fn is_over(&self) -> bool {
        self.requests.is_empty() && self.claims.is_empty() && self.asked.is_none() && self.recall.is_none()
    }

    /// How many requests are parked, each of a batch counted.
    pub fn weight(&self) -> usize {
        self.requests.iter().map(|parked| weight(&parked.request)).sum()
    }

    /// How many withdrawals and transfers wait.
    pub fn movements(&self) -> usize {
        self.claims.iter().filter(|claim| !matches!(claim.request, ParkedRequest::Fund { .. })).count()
    }

    /// A purse that waits for its claim has given something back: it lacks that, too, where it lacked something before. So a claim brings
    /// what its request needs when its turn comes, and two of them cannot take the same credits from each other for ever.
    pub fn claims_more(&mut self, from: Shard, credits: Credits, room: Room) {
        for claim in &mut self.claims {
            let ParkedRequest::Fund { shard, need } = &mut claim.request else { continue };
            if *shard == from {
                lacks_more(need, credits, room);
            }
        }
    }

    /// The same where the purse is. It may have given back more than it had when it asked, so what it claims may be more than it lacks.
    pub fn asks_more(&mut self, credits: Credits, room: Room) {
        if let Some(asked) = &mut self.asked {
            lacks_more(&mut asked.need, credits, room);
        }
    }

    /// Everything that waits.
    pub fn all(&self) -> impl Iterator<Item = &Parked> {
        self.requests.iter().chain(&self.claims)
    }

    /// Takes out what was decided.
    pub fn remove(&mut self, ticket: u64) -> Option<Parked> {
        self.ended.remove(&ticket);
        if let Some(at) = self.requests.iter().position(|parked| parked.ticket == ticket) {
            return self.requests.remove(at);
        }
        let at = self.claims.iter().position(|claim| claim.ticket == ticket)?;
        if at == 0 {
            // A recall serves the oldest claim alone.
            self.recall = None;
        }
        self.claims.remove(at)
    }
}

fn lacks_more(need: &mut Need, credits: Credits, room: Room) {
    if need.credits.0 > 0 {
        need.credits += credits;
    }
    if need.room.orders > 0 {
        need.room.orders = need.room.orders.saturating_add(room.orders);
    }
    if need.room.held.0 > 0 {
        need.room.held = Credits(need.room.held.0.saturating_add(room.held.0));
    }
}

/// How many requests one that is parked counts for.
pub fn weight(request: &ParkedRequest) -> usize {
    match request {
        ParkedRequest::Batch(requests) => requests.len(),
        _ => 1,
    }
}

/// An instruction that some shards have not carried out yet.
#[derive(Clone, Debug, Encode, Decode)]
pub struct PendingInstruction {
    /// The command that is answered when all have.
    pub command: CommandId,
    pub instruction: PurseInstruction,
    pub shards: BTreeSet<Shard>,
    /// When it was given.
    pub since: Timestamp,
    /// A recalled purse still has something free.
    pub more: bool,
}

/// Instructions under way, by account and ticket.
pub type PendingInstructions = BTreeMap<(AccountId, u64), PendingInstruction>;
