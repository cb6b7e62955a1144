//! What waits or is due: parked requests, pending instructions, switches, markets' times, long mass
//! cancels.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{AccountId, Event, MarketId, MarketState, PurseInstruction, Shard, Timestamp};

/// Everything that is due or pending.
#[derive(Default)]
pub struct Waiting {
    /// When parked requests are refused, by shard and ticket.
    parked: BTreeMap<(Shard, u64), Timestamp>,
    /// Instructions, and the shards that have not carried them out, by shard and ticket.
    instructions: BTreeMap<(Shard, u64), (PurseInstruction, BTreeSet<Shard>)>,
    switches: BTreeMap<AccountId, Timestamp>,
    /// When markets close or begin to pay out.
    markets: BTreeMap<MarketId, Timestamp>,
    mass_cancels: BTreeSet<(Shard, AccountId, Option<MarketId>)>,
    /// Recalls: instructions to return what other claims need.
    pub recalls: u64,
}

impl Waiting {
    pub fn fold(&mut self, at: Shard, event: &Event) {
        match event {
            Event::Parked(parked) => {
                let before = self.parked.insert((at, parked.ticket), parked.deadline);
                assert_eq!(before, None, "a ticket of {at} names one thing");
            }
            Event::Resumed { ticket, .. } => self.resumed(at, *ticket),
            Event::Instructed { ticket, instruction, shards, .. } => {
                self.recalls += u64::from(matches!(instruction, PurseInstruction::Recall(_)));
                let shards = shards.iter().copied().collect();
                let before = self.instructions.insert((at, *ticket), (*instruction, shards));
                assert_eq!(before, None, "a ticket of {at} names one thing");
            }
            Event::Obeyed { ticket, shard, .. } => self.obeyed(at, *ticket, *shard),
            _ => self.due(at, event),
        }
    }

    fn resumed(&mut self, at: Shard, ticket: u64) {
        if self.parked.remove(&(at, ticket)).is_none() {
            let (instruction, shards) = self.instructions.remove(&(at, ticket)).expect("a resumed request has waited");
            assert!(shards.is_empty(), "{instruction:?} is answered before {shards:?} have carried it out");
        }
    }

    /// A recall ends with its last answer, every other instruction with `Resumed`.
    fn obeyed(&mut self, at: Shard, ticket: u64, shard: Shard) {
        let (instruction, shards) =
            self.instructions.get_mut(&(at, ticket)).expect("a carried-out instruction was under way");
        assert!(shards.remove(&shard), "{shard} carries {instruction:?} out once");
        if shards.is_empty() && matches!(instruction, PurseInstruction::Recall(_)) {
            self.instructions.remove(&(at, ticket));
        }
    }

    fn due(&mut self, at: Shard, event: &Event) {
        match event {
            Event::DeadManSwitchSet { account, due: Some(due) } => drop(self.switches.insert(*account, *due)),
            Event::DeadManSwitchSet { account, due: None } | Event::DeadManSwitchFired { account } => {
                self.switches.remove(account);
            }
            Event::MassCancelOpened { account, market, .. } => {
                self.mass_cancels.insert((at, *account, *market));
            }
            Event::MassCancelClosed { account, market } => {
                self.mass_cancels.remove(&(at, *account, *market));
            }
            Event::MarketCreated { listing, .. } => drop(self.markets.insert(listing.market, listing.expiry)),
            Event::MarketChanged { market, state, resolution, .. } => {
                if !state.trades_later() {
                    self.markets.remove(market);
                }
                let confirmed = resolution.and_then(|resolution| resolution.confirmed);
                if let (MarketState::Resolving, Some(confirmed)) = (state, confirmed) {
                    self.markets.insert(*market, confirmed.payout);
                }
            }
            _ => {}
        }
    }

    /// Returns true if nothing waits, and nothing is due until `soon`.
    pub fn is_quiet(&self, soon: Timestamp) -> bool {
        let none = self.parked.is_empty() && self.instructions.is_empty() && self.mass_cancels.is_empty();
        none && self.switches.values().chain(self.markets.values()).all(|due| *due > soon)
    }

    pub fn assert_nothing_waits(&self) {
        assert!(self.parked.is_empty(), "still parked: {:?}", self.parked);
        assert!(self.instructions.is_empty(), "not carried out: {:?}", self.instructions);
    }
}
