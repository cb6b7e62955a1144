//! A few shards without a log: each handles its commands, and receives messages of the others when
//! the script delivers them.

use std::collections::BTreeMap;

use engine_core::{CommandContext, Invariant, ShardState, Sums};
use schemas::shard_map::ShardMap;
use schemas::{
    ADMINS_HOME, AccountId, BatchRequest, Cause, Command, CommandId, Credits, Event, Message, OrderId, OrderRef, Room,
    Shard, Timestamp,
};

/// The maximum rounds of deliveries after a script: far more than its requests, claims and recalls
/// need.
const ROUNDS_MAX: usize = 1_000;

pub struct Cluster {
    map: ShardMap,
    states: Vec<ShardState>,
    time: Timestamp,
    /// The number of commands of all shards so far.
    commands: u64,
    /// Orders accepted so far.
    pub orders: Vec<OrderId>,
    /// All events so far.
    pub events: Vec<Event>,
}

impl Cluster {
    pub fn new(map: ShardMap) -> Self {
        let states = Shard::all(map.shards()).map(|shard| ShardState::new(shard, map)).collect();
        Self { map, states, time: Timestamp(0), commands: 0, orders: Vec::new(), events: Vec::new() }
    }

    pub fn wait(&mut self, milliseconds: u64) {
        self.time = Timestamp(self.time.0 + milliseconds);
    }

    fn shards(&self) -> impl Iterator<Item = Shard> + use<> {
        Shard::all(self.map.shards())
    }

    /// Sends a new command to a shard.
    pub fn ask(&mut self, at: Shard, command: &Command) {
        self.handle(at, CommandId(u128::from(self.commands + 1)), command);
    }

    fn handle(&mut self, at: Shard, id: CommandId, command: &Command) {
        self.commands += 1;
        let place = CommandContext { cause: Cause { offset: self.commands, id }, time: self.time };
        let (from, state) = (self.events.len(), &mut self.states[at.index()]);
        state.handle(place, command, &mut self.events);
        let events = &self.events[from..];
        let may_do_nothing = matches!(command, Command::AdvanceTime | Command::Acknowledge { .. });
        assert!(may_do_nothing || !events.is_empty(), "nothing answers {command:?}");
        self.orders.extend(events.iter().filter_map(|event| match event {
            Event::OrderPlaced(placed) => Some(placed.id),
            _ => None,
        }));
        state.assert_all();
        self.check_credits();
        self.check_room();
        self.check_yes();
    }

    /// Returns messages that were sent and not yet received: sender, receiver, number, the original
    /// command.
    fn in_flight(&self) -> impl Iterator<Item = (Shard, Shard, u64, CommandId, &Message)> {
        self.states.iter().flat_map(move |state| {
            let from = state.shard();
            let kept =
                state.kept_messages().map(move |(to, number, origin, message)| (from, to, number, origin, message));
            kept.filter(move |(_, to, number, ..)| *number > self.states[to.index()].received_from(from))
        })
    }

    /// All other shards receive what is in flight from one. Returns false if there is nothing.
    pub fn deliver(&mut self, from: Shard) -> bool {
        let sent = self.in_flight().filter(|(sender, ..)| *sender == from);
        let sent: Vec<_> =
            sent.map(|(from, to, number, origin, message)| (from, to, number, origin, message.clone())).collect();
        let some = !sent.is_empty();
        for (from, to, number, origin, message) in sent {
            self.handle(to, origin, &Command::Receive { from, number, message });
        }
        some
    }

    /// All other shards acknowledge to one which of its messages they have received.
    pub fn acknowledge(&mut self, from: Shard) {
        for to in self.shards().filter(|to| *to != from) {
            let number = self.states[to.index()].received_from(from);
            if number > 0 {
                self.ask(from, &Command::Acknowledge { to, number });
            }
        }
    }

    /// Delivers all messages, and does what is due. Then checks that nothing waits any more, and
    /// that each state equals the one restored from its bytes.
    pub fn come_to_rest(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let mut busy = false;
            for shard in self.shards() {
                busy |= self.deliver(shard);
                let due = self.states[shard.index()].next_due().is_some_and(|due| due <= self.time);
                if due {
                    self.ask(shard, &Command::AdvanceTime);
                }
                busy |= due;
            }
            if !busy {
                return self.states.iter().for_each(check_rest);
            }
        }
        panic!("the shards do not come to rest");
    }

    fn check_credits(&self) {
        let sums =
            self.states.iter().map(|state| state.sums(|to| self.states[to.index()].received_from(state.shard())));
        let sums = sums.fold(Sums::default(), |a, b| a + b);
        assert_eq!(sums.balance(), Credits::ZERO, "{}: {sums:?}", Invariant::CreditsAreConserved);
    }

    /// There is one market event, and it is exclusive.
    fn check_yes(&self) {
        let markets = self.states.iter().flat_map(|state| state.markets());
        let markets = markets.filter(|(_, market)| market.listing.event.is_some());
        let confirmed =
            markets.filter_map(|(id, market)| Some((id, market.resolution.filter(|r| r.confirmed.is_some())?)));
        let yes: Vec<_> = confirmed.filter(|(_, resolution)| resolution.answer.is_yes()).map(|(id, _)| id).collect();
        assert!(yes.len() <= 1, "{}: {yes:?}", Invariant::EventsHaveOneYes);
    }

    /// What each home shard has lent equals what its account's other purses have plus what is in
    /// flight between them.
    fn check_room(&self) {
        let mut lent: BTreeMap<(AccountId, Shard), [i128; 2]> = BTreeMap::new();
        let mut add = |account, shard, room: Room, sign: i128| {
            let [orders, held] = lent.entry((account, shard)).or_default();
            *orders += sign * i128::from(room.orders);
            *held += sign * i128::from(room.held.micros());
        };
        for state in &self.states {
            for (account, known) in state.accounts() {
                known.lent.iter().for_each(|(shard, lent)| add(account, *shard, lent.room, 1));
            }
            let away = state.purses().filter(|(account, _)| self.map.of_account(*account) != state.shard());
            away.for_each(|(account, purse)| add(account, state.shard(), purse.room, -1));
        }
        for (from, to, .., message) in self.in_flight() {
            match message {
                Message::Fund { account, room, .. } => add(*account, to, *room, -1),
                Message::Ask { account, given_back, .. } => add(*account, from, *given_back, -1),
                Message::Return(all) => all.iter().for_each(|back| add(back.account, from, back.room, -1)),
                Message::Instruct { .. }
                | Message::Transfer { .. }
                | Message::TransferEnded { .. }
                | Message::ClaimYes { .. }
                | Message::ReleaseYes { .. }
                | Message::YesAnswered { .. }
                | Message::Groups { .. }
                | Message::GroupFilled { .. } => {}
            }
        }
        lent.retain(|_, room| *room != [0, 0]);
        assert!(lent.is_empty(), "{}: {lent:?}", Invariant::RoomIsCounted);
    }
}

fn check_rest(state: &ShardState) {
    assert_eq!(state.parked().next(), None, "still parked on shard {}", state.shard());
    let shards = ShardMap::new(super::SHARDS).expect("a few shards");
    let restored = ShardState::from_bytes(state.shard(), shards, &state.to_bytes()).expect("a state's own bytes");
    assert_eq!(restored.to_bytes(), state.to_bytes());
    assert_eq!(restored.next_due(), state.next_due());
}

/// Returns the shard that decides a command. Commands that no client sends may go to any shard:
/// they go to the first.
pub fn home(map: ShardMap, command: &Command) -> Shard {
    match command {
        Command::OpenAccount { account, .. }
        | Command::AddApiKey { account, .. }
        | Command::RevokeApiKey { account, .. }
        | Command::RotateApiKey { account, .. }
        | Command::Deposit { account, .. }
        | Command::Withdraw { account, .. }
        | Command::Transfer { from: account, .. }
        | Command::MassCancel { account, market: None }
        | Command::SetDeadManSwitch { account, .. }
        | Command::ActOnGroup { account, .. }
        | Command::FreezeAccount { account, .. }
        | Command::UnfreezeAccount { account, .. }
        | Command::LimitAccount { account, .. } => map.of_account(*account),
        Command::ConfirmDeposit { proposal, .. } | Command::DropDeposit { proposal, .. } => proposal.shard(),
        Command::SetAdmin { .. } | Command::RevokeAdmin { .. } => ADMINS_HOME,
        Command::CreateMarket { listing, .. } => map.of_market(listing.market),
        Command::CreateMarketEvent { event, .. } => map.of_market_event(event.id),
        Command::ChangeMarket { market, .. }
        | Command::LimitMarket { market, .. }
        | Command::EditMarket { market, .. }
        | Command::AddToMarket { market, .. }
        | Command::MassCancel { market: Some(market), .. } => map.of_market(*market),
        Command::PlaceOrder(order) => map.of_market(order.market),
        Command::CancelOrder { order, .. } | Command::AmendOrder { order, .. } => order.shard(map),
        Command::Batch { requests, .. } => requests.first().map_or(FIRST, |request| of_request(map, request)),
        Command::Receive { .. }
        | Command::Acknowledge { .. }
        | Command::AdvanceTime
        | Command::Announce(_)
        | Command::Leave { .. }
        | Command::RaiseVocabulary { .. } => FIRST,
    }
}

fn of_request(map: ShardMap, request: &BatchRequest) -> Shard {
    match request {
        BatchRequest::Place(order) => map.of_market(order.market),
        BatchRequest::Cancel(order) | BatchRequest::Amend { order, .. } => OrderRef::shard(*order, map),
    }
}

const FIRST: Shard = match Shard::new(0) {
    Some(shard) => shard,
    None => unreachable!(),
};
