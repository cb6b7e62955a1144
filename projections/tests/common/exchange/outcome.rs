//! One outcome under construction, and messages between shards.

use super::*;

/// The events that one command causes on its shard.
pub(super) struct Telling {
    pub shard: Shard,
    /// The command that caused it.
    cause: CommandId,
    /// The command that the next events answer.
    pub answers: CommandId,
    pub events: Vec<Event>,
    /// Settlements, recorded after the trades that they settle.
    settlements: Vec<Settlement>,
    /// Accounts whose purse here has gained.
    freed: BTreeSet<AccountId>,
}

impl Telling {
    pub fn new(cause: CommandId, shard: Shard) -> Self {
        let (events, settlements) = (Vec::new(), Vec::new());
        Self { shard, cause, answers: cause, events, settlements, freed: BTreeSet::new() }
    }

    pub fn settle(&mut self, settlement: Settlement) {
        self.settlements.push(settlement);
    }

    /// Marks an account whose waiting requests may be decidable now.
    pub fn freed(&mut self, account: AccountId) {
        self.freed.insert(account);
    }

    /// Later events answer a command that waited.
    pub fn resume(&mut self, account: AccountId, ticket: u64, command: CommandId) {
        self.answers = command;
        self.events.push(Event::Resumed { account, ticket, command });
    }
}

/// A message in transit.
pub(super) struct Letter {
    from: Shard,
    to: Shard,
    number: u64,
    command: CommandId,
    message: Message,
}

impl Exchange {
    /// Completes the outcome, including the requests that it makes decidable.
    pub(super) fn tell(&mut self, mut told: Telling) -> Vec<Told> {
        self.settle(&mut told);
        while let Some(account) = told.freed.pop_first() {
            self.resume_parked(&mut told, account);
        }
        vec![Told { shard: told.shard, command: told.cause, events: told.events }]
    }

    /// Applies the settlements so far.
    pub(super) fn settle(&mut self, told: &mut Telling) {
        for settlement in std::mem::take(&mut told.settlements) {
            let purse = self.purse((settlement.account, told.shard));
            purse.available += (settlement.released + settlement.received).micros();
            purse.held -= (settlement.spent + settlement.released).micros();
            told.freed(settlement.account);
            told.events.push(Event::Settled(settlement));
        }
    }

    /// Sends credits and room (remaining order allowance) to the account's purse on another shard.
    pub(super) fn send_from_purse(
        &mut self,
        told: &mut Telling,
        account: AccountId,
        to: Shard,
        credits: Credits,
        room: Room,
    ) {
        if (credits, room) == (Credits::ZERO, Room::ZERO) {
            return;
        }
        let purse = self.purse((account, told.shard));
        purse.available -= credits.micros();
        purse.sent += credits.micros();
        told.events.push(Event::PurseSent { account, to, credits, room });
    }

    /// Receives them. The first receipt creates the purse.
    fn receive_into_purse(
        &mut self,
        told: &mut Telling,
        account: AccountId,
        from: Shard,
        credits: Credits,
        room: Room,
    ) {
        if (credits, room) == (Credits::ZERO, Room::ZERO) {
            return;
        }
        let purse = self.purses.entry((account, told.shard)).or_default();
        purse.available += credits.micros();
        purse.received += credits.micros();
        told.freed(account);
        told.events.push(Event::PurseReceived { account, from, credits, room });
    }

    pub(super) fn send(&mut self, told: &mut Telling, to: Shard, message: Message) {
        let number = self.sent.entry((told.shard, to)).or_default();
        *number += 1;
        told.events.push(Event::Sent { to, number: *number, message: message.clone() });
        let (from, number, command) = (told.shard, *number, told.cause);
        self.mail.push_back(Letter { from, to, number, command, message });
    }

    /// Returns an account's credits in transit between its purses.
    pub fn in_transit(&self, account: AccountId) -> i64 {
        let of = |letter: &Letter| match &letter.message {
            Message::Fund { account: whose, credits, .. } if *whose == account => credits.micros(),
            Message::Return(returned) => {
                returned.iter().filter(|returned| returned.account == account).map(|back| back.credits.micros()).sum()
            }
            _ => 0,
        };
        self.mail.iter().map(of).sum()
    }

    /// Sometimes delivers a message; all arrive in order, and the number in transit is bounded.
    pub(super) fn deliver_some(&mut self) -> Vec<Told> {
        let mut told = Vec::new();
        while self.mail.len() > 20 || self.random.below(6) == 0 {
            let Some(letter) = self.mail.pop_front() else { break };
            told.extend(self.deliver(letter));
        }
        told
    }

    fn deliver(&mut self, letter: Letter) -> Vec<Told> {
        let Letter { from, to, number, command, message } = letter;
        let mut told = Telling::new(command, to);
        told.events.push(Event::Received { from, number });
        match message {
            Message::Ask { account, need, .. } => {
                self.claim(&mut told, account, ParkedRequest::Fund { shard: from, need });
            }
            Message::Fund { account, credits, room, refused } => {
                self.receive_into_purse(&mut told, account, from, credits, room);
                self.ask_answered(&mut told, account, refused);
            }
            Message::Instruct { account, ticket, instruction } => self.obey(&mut told, account, ticket, instruction),
            Message::Return(returned) => {
                for returned in returned {
                    let Returned { account, credits, room, ticket, more } = returned;
                    self.receive_into_purse(&mut told, account, from, credits, room);
                    if let Some(ticket) = ticket {
                        self.obeyed(&mut told, account, ticket, from, more);
                    }
                }
            }
            Message::Transfer { from: giver, to: receiver, amount, client_id } => {
                self.transfer_arrives(&mut told, (giver, receiver), amount, client_id);
            }
            Message::TransferEnded { from: giver, to: receiver, amount, client_id, refused } => {
                self.transfer_ended(&mut told, (giver, receiver), amount, client_id, refused);
            }
            Message::ClaimYes { .. } | Message::ReleaseYes { .. } | Message::YesAnswered { .. } => {
                unreachable!("here a market is YES by its event's home shard, without a claim")
            }
            Message::Groups { .. } | Message::GroupFilled { .. } => {
                unreachable!("here shards receive groups' instructions only, and report nothing")
            }
        }
        self.tell(told)
    }
}
