//! The home shard's work for an account's other purses: it lends, recalls and instructs.

use super::*;

/// A request that waits on its account's home shard.
#[derive(Clone)]
pub(super) struct Claim {
    parked: Parked,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Just arrived; not recorded as waiting yet.
    Fresh,
    /// Waits for earlier claims.
    Queued,
    /// Other purses have been instructed to return their free credits.
    Recalling,
    /// All of them have returned theirs.
    Recalled,
}

/// An instruction that some shards have not carried out yet.
pub(super) struct Running {
    account: AccountId,
    command: CommandId,
    instruction: PurseInstruction,
    waiting: BTreeSet<Shard>,
}

impl Exchange {
    /// A request claims credits from the account's home shard.
    pub(super) fn claim(&mut self, told: &mut Telling, account: AccountId, request: ParkedRequest) {
        let parked = self.parked(told, account, request);
        let claims = self.claims.entry(account).or_default();
        claims.push_back(Claim { parked, stage: Stage::Fresh });
        if claims.len() > 1 {
            self.wait(told, account, Stage::Queued);
        } else {
            self.decide_claims(told, account);
        }
    }

    /// The account's latest claim waits.
    fn wait(&mut self, told: &mut Telling, account: AccountId, stage: Stage) {
        let claim = self.claims.get_mut(&account).and_then(VecDeque::back_mut).unwrap();
        if claim.stage == Stage::Fresh {
            told.events.push(Event::Parked(Box::new(claim.parked.clone())));
        }
        claim.stage = stage;
    }

    /// Decides an account's claims, oldest first, until one needs credits from other purses.
    fn decide_claims(&mut self, told: &mut Telling, account: AccountId) {
        while let Some(Claim { parked, stage }) = self.claims.get(&account).and_then(VecDeque::front).cloned() {
            let (lacking, others) = (self.lacking(&parked), self.others(&parked));
            match stage {
                Stage::Recalling => return,
                Stage::Fresh | Stage::Queued if lacking > 0 && !others.is_empty() => {
                    if stage == Stage::Fresh {
                        self.wait(told, account, Stage::Queued);
                    }
                    self.claims.get_mut(&account).and_then(VecDeque::front_mut).unwrap().stage = Stage::Recalling;
                    let recall = PurseInstruction::Recall(Need::credits(Credits(lacking)));
                    return self.instruct_shards(told, account, recall, others);
                }
                Stage::Fresh | Stage::Queued | Stage::Recalled => {
                    self.claims.get_mut(&account).and_then(VecDeque::pop_front);
                    if stage != Stage::Fresh {
                        told.resume(account, parked.ticket, parked.command);
                    }
                    self.decide_claim(told, &parked, lacking <= 0);
                }
            }
        }
    }

    /// Returns the amount that the home shard lacks.
    fn lacking(&self, parked: &Parked) -> i64 {
        let home = (parked.account, self.home(parked.account));
        let available = self.purses[&home].available;
        match parked.request {
            ParkedRequest::Fund { shard, .. } if shard == home.1 => {
                self.oldest_needs(home).map_or(0, |need| need.credits.micros())
            }
            ParkedRequest::Fund { need, .. } => need.credits.micros() - available,
            ParkedRequest::Withdraw { amount, .. } => amount.micros() - available,
            ref other => panic!("{other:?} is no claim here"),
        }
    }

    /// Returns the shards that are asked to return credits for it.
    fn others(&self, parked: &Parked) -> Vec<Shard> {
        let mut shards = self.shards_of(parked.account);
        shards.retain(|shard| {
            let claims = matches!(parked.request, ParkedRequest::Fund { shard: claimant, .. } if claimant == *shard);
            *shard != self.home(parked.account) && !claims
        });
        shards
    }

    fn decide_claim(&mut self, told: &mut Telling, parked: &Parked, granted: bool) {
        let (account, home) = (parked.account, told.shard);
        let refused = (!granted).then_some(Rejection::FundsInsufficient);
        match parked.request {
            ParkedRequest::Fund { shard, .. } if shard == home => self.ask_answered(told, account, refused),
            ParkedRequest::Fund { shard, need } => {
                let beyond = self.purses[&(account, home)].available - need.credits.micros();
                // Often less than the real float, so that purses lack something more often.
                let share = if self.random.below(4) == 0 { 2 } else { 200 };
                let (credits, room) = match granted {
                    true => (need.credits + Credits(beyond / share), need.room),
                    false => (Credits::ZERO, Room::ZERO),
                };
                self.send_from_purse(told, account, shard, credits, room);
                self.send(told, shard, Message::Fund { account, credits, room, refused });
            }
            ParkedRequest::Withdraw { amount, client_id, by } if granted => {
                self.purse((account, home)).available -= amount.micros();
                told.events.push(Event::Withdrawn { account, amount, client_id, by });
            }
            _ => told.events.push(Event::Rejected { code: Rejection::FundsInsufficient }),
        }
    }

    /// Instructs every other purse of an account.
    pub(super) fn instruct(&mut self, told: &mut Telling, account: AccountId, instruction: PurseInstruction) {
        let mut shards = self.shards_of(account);
        shards.retain(|shard| *shard != told.shard);
        if shards.is_empty() {
            told.events.push(Event::InstructionCompleted { account, instruction });
        } else {
            self.instruct_shards(told, account, instruction, shards);
        }
    }

    fn instruct_shards(
        &mut self,
        told: &mut Telling,
        account: AccountId,
        instruction: PurseInstruction,
        shards: Vec<Shard>,
    ) {
        let (ticket, command) = (self.ticket(), told.answers);
        let waiting = shards.iter().copied().collect();
        told.events.push(Event::Instructed { account, ticket, instruction, shards: shards.clone() });
        for shard in shards {
            self.send(told, shard, Message::Instruct { account, ticket, instruction });
        }
        self.instructions.insert(ticket, Running { account, command, instruction, waiting });
    }

    /// A purse carries out its home shard's instruction.
    pub(super) fn obey(&mut self, told: &mut Telling, account: AccountId, ticket: u64, instruction: PurseInstruction) {
        let mut credits = Credits::ZERO;
        match instruction {
            PurseInstruction::Recall(need) => {
                let available = self.purses[&(account, told.shard)].available;
                credits = Credits(need.credits.micros().max(available - available / 2).min(available));
                self.send_from_purse(told, account, self.home(account), credits, Room::ZERO);
            }
            PurseInstruction::Freeze { .. } => told.events.push(Event::PurseFrozen { account, frozen: true }),
            PurseInstruction::Unfreeze { .. } => told.events.push(Event::PurseFrozen { account, frozen: false }),
            PurseInstruction::Limit { .. } => told.events.push(Event::PurseLimited { account, given_back: Room::ZERO }),
            PurseInstruction::MassCancel(reason) => self.end_all(told, account, None, reason),
            PurseInstruction::Group { group, now } => self.obey_group(told, account, group, now),
        }
        let more = self.purses[&(account, told.shard)].available > 0;
        let returned = Returned { account, credits, room: Room::ZERO, ticket: Some(ticket), more };
        self.send(told, self.home(account), Message::Return(vec![returned]));
    }

    /// Records that a shard has carried an instruction out.
    pub(super) fn obeyed(&mut self, told: &mut Telling, account: AccountId, ticket: u64, shard: Shard, more: bool) {
        told.events.push(Event::Obeyed { account, ticket, shard, more });
        let running = self.instructions.get_mut(&ticket).unwrap();
        running.waiting.remove(&shard);
        if !running.waiting.is_empty() {
            return;
        }
        let Running { account, command, instruction, .. } = self.instructions.remove(&ticket).unwrap();
        if matches!(instruction, PurseInstruction::Recall(_)) {
            self.claims.get_mut(&account).and_then(VecDeque::front_mut).unwrap().stage = Stage::Recalled;
            self.decide_claims(told, account);
        } else {
            told.resume(account, ticket, command);
            told.events.push(Event::InstructionCompleted { account, instruction });
        }
    }

    /// Returns the free credits of some unused purses to the home shard, together.
    pub(super) fn rest_purses(&mut self) -> Vec<Told> {
        let (account, command) = (self.any_account(), self.command());
        let shards = self.shards_of(account);
        let (shard, home) = (shards[self.random.index(shards.len())], self.home(account));
        if shard == home {
            return Vec::new();
        }
        let mut told = Telling::new(command, shard);
        let mut returned = Vec::new();
        for account in self.at_rest(shard, home).into_iter().take(3) {
            let credits = Credits(self.purses[&(account, shard)].available);
            self.send_from_purse(&mut told, account, home, credits, Room::ZERO);
            returned.push(Returned { account, credits, room: Room::ZERO, ticket: None, more: false });
        }
        self.send(&mut told, home, Message::Return(returned));
        self.tell(told)
    }

    /// Returns accounts of a home shard whose purses on another shard nothing waits for.
    fn at_rest(&self, shard: Shard, home: Shard) -> Vec<AccountId> {
        let places = self.purses.keys().filter(|place| place.1 == shard && self.waiting(**place) == 0);
        places.map(|(account, _)| *account).filter(|account| self.home(*account) == home).collect()
    }
}
