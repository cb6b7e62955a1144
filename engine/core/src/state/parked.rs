//! Waiting work: parked requests, claims on credits that other purses have, instructions to other
//! shards.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bincode::{Decode, Encode};
use schemas::{
    AccountId, CommandId, Credits, Need, Parked, ParkedRequest, PurseInstruction, Rejection, Room, Shard, Timestamp,
};

/// An account's waiting work. Not stored when empty.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct AccountQueue {
    /// Market's shard: requests that wait for what the purse here lacks, oldest first.
    pub requests: VecDeque<Parked>,
    /// Market's shard: parked requests that something else has ended, with the reason. They are
    /// answered with the next decided request.
    pub ended: BTreeMap<u64, Rejection>,
    /// Market's shard: the open ask to the home.
    pub asked: Option<OpenAsk>,
    /// Home: claims that wait for what other purses return, oldest first.
    pub claims: VecDeque<Parked>,
    /// Home: the open recall for the oldest claim.
    pub recall: Option<u64>,
}

/// An open ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct OpenAsk {
    /// The request that lacks something.
    pub ticket: u64,
    /// What it claims: what it lacked when it asked, plus what the purse has returned since.
    pub need: Need,
}

impl AccountQueue {
    /// Returns true if nothing waits.
    pub fn is_over(&self) -> bool {
        self.requests.is_empty() && self.claims.is_empty() && self.asked.is_none() && self.recall.is_none()
    }

    /// Returns the number of parked requests; each request of a batch counts.
    pub fn weight(&self) -> usize {
        self.requests.iter().map(|parked| weight(&parked.request)).sum()
    }

    /// Returns the number of withdrawals and transfers that wait.
    pub fn movements(&self) -> usize {
        self.claims.iter().filter(|claim| !matches!(claim.request, ParkedRequest::Fund { .. })).count()
    }

    /// Raises the claims of a purse that has returned something: where such a claim lacked
    /// something before, it lacks the returned amount, too. So a claim brings what its request
    /// needs when its turn comes, and two claims cannot take the same credits from each other
    /// endlessly.
    pub fn claims_more(&mut self, from: Shard, credits: Credits, room: Room) {
        for claim in &mut self.claims {
            let ParkedRequest::Fund { shard, need } = &mut claim.request else { continue };
            if *shard == from {
                lacks_more(need, credits, room);
            }
        }
    }

    /// As [`Self::claims_more`], on the purse's shard. The purse may have returned more than it had
    /// when it asked, so it may claim more than it lacks.
    pub fn asks_more(&mut self, credits: Credits, room: Room) {
        if let Some(asked) = &mut self.asked {
            lacks_more(&mut asked.need, credits, room);
        }
    }

    /// Returns everything that waits.
    pub fn all(&self) -> impl Iterator<Item = &Parked> {
        self.requests.iter().chain(&self.claims)
    }

    /// Removes what was decided.
    pub fn remove(&mut self, ticket: u64) -> Option<Parked> {
        self.ended.remove(&ticket);
        if let Some(at) = self.requests.iter().position(|parked| parked.ticket == ticket) {
            return self.requests.remove(at);
        }
        let at = self.claims.iter().position(|claim| claim.ticket == ticket)?;
        if at == 0 {
            // A recall serves only the oldest claim.
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

/// Returns how many requests a parked one counts for.
pub fn weight(request: &ParkedRequest) -> usize {
    match request {
        ParkedRequest::Batch(requests) => requests.len(),
        _ => 1,
    }
}

/// An instruction that some shards have not carried out yet.
#[derive(Clone, Debug, Encode, Decode)]
pub struct PendingInstruction {
    /// The command that is answered when all shards have.
    pub command: CommandId,
    pub instruction: PurseInstruction,
    pub shards: BTreeSet<Shard>,
    /// When the instruction was given.
    pub since: Timestamp,
    /// A recalled purse still has something free.
    pub more: bool,
}

/// Open instructions, by account and ticket.
pub type PendingInstructions = BTreeMap<(AccountId, u64), PendingInstruction>;
