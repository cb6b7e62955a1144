//! Work that the log has begun and not ended: messages, parked requests, asks, instructions.

use std::collections::{HashMap, HashSet};

use schemas::event::Event;
use schemas::{AccountId, CommandId, Credits, Message, Parked, PurseInstruction, Shard};

use super::Fold;

/// A message between shards: from, to, number.
pub type MessageKey = (Shard, Shard, u64);

/// The identity of waiting work: its shard, its account, and its ticket there.
pub type Ticket = (Shard, AccountId, u64);

/// All work that has begun and not ended.
#[derive(Default, Debug)]
pub struct OpenWork {
    /// Messages of which only one end was seen: their content if it is the sender's, `None` if the
    /// receiver's.
    pub messages: HashMap<MessageKey, Option<MessageCredits>>,
    /// Parked requests, including claims on a home shard, and their commands.
    pub parked: HashMap<Ticket, CommandId>,
    /// Purses that have asked their home shard for credits or room.
    pub asks: HashSet<(AccountId, Shard)>,
    /// Instructions. A recall is open until all shards have carried it out; any other until its
    /// command is answered after that.
    pub instructions: HashMap<Ticket, OpenInstruction>,
    /// The number of all work ever begun.
    pub begun: usize,
}

impl OpenWork {
    /// Returns the number of open items.
    pub fn count(&self) -> usize {
        self.messages.len() + self.parked.len() + self.asks.len() + self.instructions.len()
    }
}

/// An open instruction.
#[derive(PartialEq, Eq, Debug)]
pub struct OpenInstruction {
    /// Shards that have not carried it out yet.
    pub shards: HashSet<Shard>,
    is_recall: bool,
}

/// The credits in a message.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MessageCredits {
    /// The total.
    pub credits: Credits,
    /// The part sent from one purse of an account to another.
    pub purses: Vec<(AccountId, Credits)>,
}

impl MessageCredits {
    fn of(message: &Message) -> Self {
        let purses = match message {
            Message::Fund { account, credits, .. } => vec![(*account, *credits)],
            Message::Return(returned) => returned.iter().map(|purse| (purse.account, purse.credits)).collect(),
            Message::Ask { .. }
            | Message::Instruct { .. }
            | Message::Transfer { .. }
            | Message::TransferEnded { .. }
            | Message::ClaimYes { .. }
            | Message::ReleaseYes { .. }
            | Message::YesAnswered { .. }
            | Message::Groups { .. }
            | Message::GroupFilled { .. } => Vec::new(),
        };
        Self { credits: message.in_flight(), purses }
    }
}

impl Fold {
    /// Applies an event of `shard` that begins or ends some work.
    pub(super) fn waits(&mut self, event: &Event, shard: Shard) {
        match event {
            Event::Sent { to, number, message } => {
                self.waiting.begun += 1;
                self.seen_end((shard, *to, *number), Some(MessageCredits::of(message)));
            }
            Event::Received { from, number } => self.seen_end((*from, shard, *number), None),
            Event::Parked(parked) => self.parked(shard, parked),
            Event::ParkedCancelled { account, ticket, command } => {
                let known = self.waiting.parked.get(&(shard, *account, *ticket)) == Some(command);
                self.faults
                    .check(known, || format!("request {ticket} of account {account} was cancelled, and is not parked"));
            }
            Event::Resumed { account, ticket, command } => self.resumed((shard, *account, *ticket), *command),
            Event::Asked { account, .. } => {
                self.waiting.begun += 1;
                let first = self.waiting.asks.insert((*account, shard));
                self.faults.check(first, || format!("account {account} has two asks under way on shard {shard}"));
            }
            Event::AskAnswered { account, .. } => {
                let asked = self.waiting.asks.remove(&(*account, shard));
                self.faults.check(asked, || format!("an answer without an ask of account {account} on shard {shard}"));
            }
            Event::Instructed { account, ticket, instruction, shards } => {
                let is_recall = matches!(instruction, PurseInstruction::Recall(_));
                let told = OpenInstruction { shards: shards.iter().copied().collect(), is_recall };
                self.instructed((shard, *account, *ticket), told);
            }
            Event::Obeyed { account, ticket, shard: by, .. } => self.obeyed((shard, *account, *ticket), *by),
            _ => {}
        }
    }

    /// Records one end of a message. The message is in flight until the other end is seen; either
    /// end may come first here.
    fn seen_end(&mut self, key: MessageKey, carries: Option<MessageCredits>) {
        let is_start = carries.is_some();
        match self.waiting.messages.remove(&key) {
            None => {
                self.waiting.messages.insert(key, carries);
            }
            Some(other) => {
                let fits = other.is_some() != is_start;
                self.faults.check(fits, || format!("message {key:?} was sent or received twice"));
            }
        }
    }

    fn parked(&mut self, shard: Shard, parked: &Parked) {
        self.waiting.begun += 1;
        let ticket = (shard, parked.account, parked.ticket);
        let again = self.waiting.parked.insert(ticket, parked.command).is_some();
        self.faults.check(!again, || format!("request {ticket:?} was parked twice"));
    }

    /// Ends a parked request, or an instruction whose command is answered late.
    fn resumed(&mut self, ticket: Ticket, command: CommandId) {
        let fits = match self.waiting.parked.remove(&ticket) {
            Some(parked) => parked == command,
            None => self.waiting.instructions.remove(&ticket).is_some_and(|told| told.shards.is_empty()),
        };
        self.faults.check(fits, || format!("{ticket:?} was resumed for command {command}, which does not wait there"));
    }

    fn instructed(&mut self, ticket: Ticket, told: OpenInstruction) {
        self.waiting.begun += 1;
        let again = self.waiting.instructions.insert(ticket, told).is_some();
        self.faults.check(!again, || format!("instruction {ticket:?} was given twice"));
    }

    fn obeyed(&mut self, ticket: Ticket, by: Shard) {
        let Some(told) = self.waiting.instructions.get_mut(&ticket) else {
            self.faults.add(|| format!("shard {by} carried out {ticket:?}, which does not wait"));
            return;
        };
        let was_told = told.shards.remove(&by);
        if told.is_recall && told.shards.is_empty() {
            self.waiting.instructions.remove(&ticket);
        }
        self.faults.check(was_told, || format!("shard {by} carried out {ticket:?} twice, or was not instructed"));
    }
}

#[cfg(test)]
mod tests;
