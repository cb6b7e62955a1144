//! Several shards on in-memory logs, with commands, events, relays, followers and crashes. A test
//! runs one step at a time in any order; all invariants are checked between steps.

#![allow(clippy::cast_possible_truncation, reason = "small test numbers")]

use std::collections::{BTreeMap, BTreeSet};

use engine_core::{HASH_EVERY, Invariant, MarketView, OwnRecord, Purse, Replica, Sums};
use schemas::event::CancelReason;
use schemas::shard_map::ShardMap;
use schemas::{
    AccountId, AccountLimits, Command, CommandId, CommandRecord, Credits, EngineId, Event, Message, Origin, Outcome,
    Room, Shard, Term, Timestamp, TraceContext, answers,
};

/// A shard: its two logs, the writer, and a standby that only reads.
pub struct Node {
    commands: Vec<(Timestamp, Vec<u8>)>,
    events: Vec<Vec<u8>>,
    leader: Replica,
    follower: Replica,
    /// Outcomes that count by the read rule, as the leader read them back.
    pub outcomes: Vec<Outcome>,
    snapshot: Option<Vec<u8>>,
    /// Messages that the relay saw confirmed, by receiver. Every legal order of steps keeps the
    /// order of each receiver.
    relay: BTreeMap<Shard, Vec<(u64, CommandId, Message)>>,
}

pub struct Cluster {
    pub map: ShardMap,
    pub nodes: Vec<Node>,
    clock: u64,
    ids: u128,
    attempts: u64,
    /// Number of outcomes between two published state hashes.
    hash_every: u64,
    /// The room of all purses of each account at the last check.
    lent: BTreeMap<AccountId, Lent>,
}

/// Room of all purses of an account, in numbers that cannot overflow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Lent {
    orders: i128,
    held: i128,
}

impl Lent {
    fn of(room: Room) -> Self {
        Self { orders: room.orders.into(), held: room.held.0.into() }
    }

    fn plus(self, room: Room) -> Self {
        Self { orders: self.orders + i128::from(room.orders), held: self.held + i128::from(room.held.0) }
    }
}

impl Cluster {
    pub fn new(shards: u16) -> Self {
        Self::with_hash_every(shards, HASH_EVERY)
    }

    /// Leaders publish a state hash after every so many outcomes.
    pub fn with_hash_every(shards: u16, hash_every: u64) -> Self {
        let map = ShardMap::new(shards).unwrap();
        let nodes = Shard::all(shards).map(|shard| Node {
            commands: Vec::new(),
            events: Vec::new(),
            leader: Replica::new(shard, map).with_hash_every(hash_every),
            follower: Replica::new(shard, map),
            outcomes: Vec::new(),
            snapshot: None,
            relay: BTreeMap::new(),
        });
        let (nodes, lent) = (nodes.collect(), BTreeMap::new());
        let mut cluster = Self { map, nodes, clock: 1_000, ids: 0, attempts: 0, hash_every, lent };
        for shard in Shard::all(shards) {
            cluster.take_over(shard);
        }
        cluster
    }

    pub fn shards(&self) -> impl Iterator<Item = Shard> + use<> {
        Shard::all(self.map.shards())
    }

    pub fn leader(&self, shard: Shard) -> &Replica {
        &self.nodes[shard.index()].leader
    }

    /// Appends a command to a shard's log, one millisecond after the last one.
    pub fn submit(&mut self, shard: Shard, command: Command) -> CommandId {
        self.ids += 1;
        let id = CommandId(self.ids);
        self.append(shard, id, command);
        id
    }

    fn append(&mut self, shard: Shard, id: CommandId, command: Command) {
        self.clock += 1;
        // Some commands have an origin, which their outcomes record.
        let trace = id.0.is_multiple_of(5).then(|| traced(id)).flatten();
        let origin = trace.is_some().then(|| Box::new(Origin { trace, idempotency_key: None }));
        let bytes = CommandRecord { origin, ..CommandRecord::new(id, command) }.encode();
        self.nodes[shard.index()].commands.push((Timestamp(self.clock), bytes));
    }

    pub fn submit_bytes(&mut self, shard: Shard, bytes: Vec<u8>) {
        self.clock += 1;
        self.nodes[shard.index()].commands.push((Timestamp(self.clock), bytes));
    }

    pub fn wait(&mut self, milliseconds: u64) {
        self.clock += milliseconds;
    }

    /// The leader handles its next command. False if there is none.
    pub fn handle(&mut self, shard: Shard) -> bool {
        let node = &mut self.nodes[shard.index()];
        let offset = node.leader.next_command();
        let Some((time, bytes)) = node.commands.get(offset as usize) else { return false };
        let record = node.leader.handle(offset, *time, bytes).expect("the next command has no outcome yet");
        node.events.push(record);
        true
    }

    /// The leader reads its partition back; what is confirmed goes to the relay.
    pub fn read_back(&mut self, shard: Shard) {
        let node = &mut self.nodes[shard.index()];
        while let Some(bytes) = node.events.get(node.leader.next_offset() as usize).cloned() {
            let offset = node.leader.next_offset();
            match node.leader.read(offset, &bytes).unwrap() {
                OwnRecord::Confirmed(outcome) => {
                    nothing_due_answers(&outcome.events);
                    node.confirmed(outcome);
                }
                OwnRecord::Ignored => {}
                other => panic!("a leader read {other:?}"),
            }
        }
        assert_eq!(node.leader.unconfirmed(), 0);
    }

    /// The relay copies the oldest message for `to`, and keeps it if it is to be repeated.
    pub fn relay(&mut self, from: Shard, to: Shard, repeat: bool) -> bool {
        let Some(queue) = self.nodes[from.index()].relay.get_mut(&to) else { return false };
        let Some((number, origin, message)) = queue.first().cloned() else { return false };
        if !repeat {
            queue.remove(0);
        }
        self.append(to, origin, Command::Receive { from, number, message });
        true
    }

    /// The relay sends all kept messages again, as after a take-over.
    pub fn relay_again(&mut self, from: Shard) {
        let node = &mut self.nodes[from.index()];
        assert_eq!(node.leader.unconfirmed(), 0);
        node.relay.clear();
        for (to, number, origin, message) in node.leader.kept_messages() {
            node.relay.entry(to).or_default().push((number, origin, message.clone()));
        }
    }

    /// `to` acknowledges to `from` the messages that it has received.
    pub fn acknowledge(&mut self, from: Shard, to: Shard) {
        let number = self.confirmed_receipts(to, from);
        if number > 0 {
            self.ids += 1;
            let id = CommandId(self.ids);
            self.append(from, id, Command::Acknowledge { to, number });
        }
    }

    fn confirmed_receipts(&self, at: Shard, from: Shard) -> u64 {
        let events = self.nodes[at.index()].outcomes.iter().flat_map(|outcome| &outcome.events);
        let receipts = events.filter_map(|event| match event {
            Event::Received { from: sender, number } if *sender == from => Some(*number),
            _ => None,
        });
        receipts.max().unwrap_or(0)
    }

    /// Appends an `AdvanceTime` if something is due.
    pub fn tick(&mut self, shard: Shard) -> bool {
        let due = self.leader(shard).next_due().is_some_and(|due| due.0 <= self.clock);
        if due {
            self.submit(shard, Command::AdvanceTime);
        }
        due
    }

    /// The follower reads to the end. At the same sequence its state must equal the leader's.
    pub fn follow(&mut self, shard: Shard) {
        let node = &mut self.nodes[shard.index()];
        while let Some(bytes) = node.events.get(node.follower.position().offset as usize).cloned() {
            let offset = node.follower.position().offset;
            node.follower.read(offset, &bytes).unwrap();
        }
        if node.leader.sequence() == node.follower.sequence() {
            assert_eq!(node.leader.state().digest(), node.follower.state().digest(), "the follower of {shard} differs");
        }
    }

    pub fn take_snapshot(&mut self, shard: Shard) {
        self.read_back(shard);
        let node = &mut self.nodes[shard.index()];
        node.snapshot = node.leader.snapshot();
    }

    /// The leader dies. Its last writes may never reach the log. Another engine takes over, from
    /// the snapshot if there is one.
    pub fn crash(&mut self, shard: Shard, lost: usize) {
        // The lost outcomes may have returned room.
        self.lent.clear();
        let node = &mut self.nodes[shard.index()];
        // A record that anyone has read back stays in the log.
        let unread = node.events.len() - node.follower.position().offset as usize;
        let lost = lost.min(node.leader.unconfirmed()).min(unread);
        node.events.truncate(node.events.len() - lost);
        let fresh = match &node.snapshot {
            Some(bytes) => Replica::restore(shard, self.map, bytes).unwrap(),
            None => Replica::new(shard, self.map),
        };
        let dead = std::mem::replace(&mut node.leader, fresh.with_hash_every(self.hash_every));
        self.take_over(shard);
        let node = &mut self.nodes[shard.index()];
        if node.leader.sequence() == dead.sequence() {
            assert_eq!(node.leader.state().digest(), dead.state().digest(), "recovery of {shard} differs");
            assert_eq!(node.leader.state_hash(), dead.state().clone().hash(), "hash of {shard} differs");
        }
        self.follow(shard);
        self.relay_again(shard);
    }

    /// A new writer appends its term, reads up to it, and leads.
    fn take_over(&mut self, shard: Shard) {
        self.attempts += 1;
        let (shards, attempt) = (self.map.shards(), self.attempts);
        let node = &mut self.nodes[shard.index()];
        let term = Term::new(shard, shards, EngineId(7), attempt);
        node.events.push(term.encode());
        loop {
            let offset = node.leader.next_offset();
            let bytes = node.events[offset as usize].clone();
            match node.leader.read(offset, &bytes).unwrap() {
                OwnRecord::Term(found) if found == term => break node.leader.lead(),
                OwnRecord::Followed(outcome) if outcome.sequence > node.outcomes.len() as u64 => {
                    node.outcomes.push(outcome)
                }
                OwnRecord::Followed(_) | OwnRecord::Ignored | OwnRecord::Term(_) => {}
                other => panic!("a follower read {other:?}"),
            }
        }
    }

    /// Runs until no shard has anything left to do.
    pub fn drain(&mut self) {
        for _ in 0..100_000 {
            let mut busy = false;
            for shard in self.shards() {
                while self.handle(shard) {
                    busy = true;
                }
                self.read_back(shard);
                self.follow(shard);
                for to in self.shards() {
                    while self.relay(shard, to, false) {
                        busy = true;
                    }
                }
                busy |= self.tick(shard);
            }
            if !busy {
                return;
            }
        }
        panic!("the cluster does not become idle");
    }

    /// Checks everything that must hold at every cut of the logs.
    pub fn check(&mut self) {
        self.check_credits();
        for node in &self.nodes {
            node.leader.state().assert_all();
        }
        self.check_room();
        self.check_transfers();
    }

    fn check_credits(&self) {
        let taken_in = |from: Shard| move |to: Shard| self.leader(to).state().received_from(from);
        let sums = self.nodes.iter().map(|n| n.leader.sums(taken_in(n.leader.state().shard())));
        let sums = sums.fold(Sums::default(), |a, b| a + b);
        assert_eq!(sums.balance(), Credits::ZERO, "{}: {sums:?}", Invariant::CreditsAreConserved);
    }

    /// Messages that were sent and not yet received.
    fn in_flight(&self) -> impl Iterator<Item = (Shard, Shard, &Message)> {
        self.nodes.iter().flat_map(move |node| {
            let from = node.leader.state().shard();
            let kept = node.leader.kept_messages();
            let flying = kept.filter(move |(to, number, ..)| *number > self.leader(*to).state().received_from(from));
            flying.map(move |(to, _, _, message)| (from, to, message))
        })
    }

    /// I-9: the room that a home shard has lent equals the room of the account's other purses and
    /// of the messages in flight. The total is within the account's limits; if these were lowered
    /// below it, it does not grow.
    fn check_room(&mut self) {
        let mut found: BTreeMap<(AccountId, Shard), Lent> = BTreeMap::new();
        for node in &self.nodes {
            let state = node.leader.state();
            let away = state.purses().filter(|(id, _)| self.map.of_account(*id) != state.shard());
            found.extend(away.map(|(id, purse)| ((id, state.shard()), Lent::of(purse.room))));
        }
        let mut add = |account, shard, room| {
            let lent = found.entry((account, shard)).or_insert(Lent::of(Room::ZERO));
            *lent = lent.plus(room);
        };
        for (from, to, message) in self.in_flight() {
            match message {
                Message::Fund { account, room, .. } => add(*account, to, *room),
                Message::Ask { account, given_back, .. } => add(*account, from, *given_back),
                Message::Return(all) => all.iter().for_each(|returned| add(returned.account, from, returned.room)),
                _ => {}
            }
        }
        let mut all = Vec::new();
        for state in self.nodes.iter().map(|node| node.leader.state()) {
            for (id, account) in state.accounts() {
                let here = state.purse(id).expect("an account has a purse on its home shard");
                let mut total = Lent::of(here.room);
                for (shard, lent) in &account.lent {
                    let there = found.remove(&(id, *shard)).unwrap_or(Lent::of(Room::ZERO));
                    assert_eq!(there, Lent::of(lent.room), "{}: {id} on {shard}", Invariant::RoomIsCounted);
                    total = total.plus(lent.room);
                }
                all.push((id, account.limits, total));
            }
        }
        found.retain(|_, room| *room != Lent::of(Room::ZERO));
        assert!(found.is_empty(), "{}: room of an unknown account: {found:?}", Invariant::RoomIsCounted);
        for (id, limits, total) in all {
            self.check_limits(id, limits, total);
        }
    }

    /// A transfer with a client id is under way while its credits, or the message of its end, are
    /// in flight.
    fn check_transfers(&self) {
        let states = self.nodes.iter().map(|node| node.leader.state());
        let mut under_way: Vec<_> = states.flat_map(|state| state.transfers_under_way()).collect();
        let named = self.in_flight().filter_map(|(.., message)| match message {
            Message::Transfer { from, client_id, .. } | Message::TransferEnded { from, client_id, .. } => {
                client_id.map(|name| (*from, name))
            }
            _ => None,
        });
        let mut in_flight: Vec<_> = named.collect();
        under_way.sort_unstable();
        in_flight.sort_unstable();
        assert_eq!(under_way, in_flight, "transfers under way without messages, or the reverse");
    }

    fn check_limits(&mut self, id: AccountId, limits: AccountLimits, total: Lent) {
        let before = self.lent.insert(id, total).unwrap_or(total);
        let within = |total: i128, limit: i128, unlimited: i128, before: i128| {
            limit == unlimited || total <= limit || total <= before
        };
        let orders = within(total.orders, limits.live_orders.into(), u32::MAX.into(), before.orders);
        let held = within(total.held, limits.held.0.into(), i64::MAX.into(), before.held);
        assert!(orders && held, "{}: {id} has {total:?} of {limits:?}", Invariant::RoomIsCounted);
    }

    /// No request waits once all messages have arrived. Every shard with a purse of an account then
    /// agrees with the home shard on the account's groups: a group that has filled its limit
    /// anywhere is triggered everywhere.
    pub fn check_groups(&self) {
        for node in &self.nodes {
            let state = node.leader.state();
            let (at, away) = (state.shard(), |account| self.map.of_account(account) != state.shard());
            for (account, _) in state.purses().filter(|(account, _)| away(*account)) {
                let home = self.leader(self.map.of_account(account)).state();
                let known = |state: &engine_core::ShardState| -> Vec<_> {
                    let groups = state.groups(account).into_iter().flat_map(|groups| groups.iter());
                    groups.map(|(id, group)| (id, group.limits, group.generation, group.triggered)).collect()
                };
                assert_eq!(known(state), known(home), "groups of {account} on {at} and on the home shard differ");
            }
        }
    }

    pub fn check_nothing_waits(&self) {
        for node in &self.nodes {
            let parked: Vec<_> = node.leader.state().parked().collect();
            assert!(parked.is_empty(), "still parked on {}: {parked:?}", node.leader.state().shard());
        }
    }

    /// Every command of every log has exactly one outcome that counts, in order. Every order is
    /// accepted exactly once.
    pub fn check_exactly_once(&self) {
        let mut born = BTreeSet::new();
        for node in &self.nodes {
            let causes: Vec<_> = node.outcomes.iter().map(|outcome| outcome.cause.offset).collect();
            let all: Vec<_> = (0..node.commands.len() as u64).collect();
            assert_eq!(causes, all, "outcomes of shard {}", node.leader.state().shard());
            for event in node.outcomes.iter().flat_map(|outcome| &outcome.events) {
                if let Event::OrderPlaced(schemas::event::OrderPlaced { id, .. }) | Event::OrderRejected { id, .. } =
                    event
                {
                    assert!(born.insert(*id), "order {id} was accepted twice");
                }
            }
            node.check_answered_once();
        }
    }

    /// An all-or-nothing batch was refused whole or carried out whole.
    pub fn check_all_or_nothing(&self) {
        for node in &self.nodes {
            let whole = |command: &Command| matches!(command, Command::Batch { all_or_nothing: true, .. });
            let whole: BTreeSet<_> = node.asked().filter(|(_, asked)| whole(asked)).map(|(id, _)| id).collect();
            for part in node.outcomes.iter().flat_map(answers::parts).filter(|part| whole.contains(&part.command)) {
                let count = |is: fn(&Event) -> bool| part.events.iter().filter(|event| is(event)).count();
                let requests = count(|event| matches!(event, Event::BatchItem { .. }));
                let repeated = count(|event| matches!(event, Event::ClientIdRepeated { .. }));
                if requests == 0 || repeated > 0 {
                    continue;
                }
                let refused = count(is_refusal);
                assert!(refused == 0 || refused == requests, "{refused} of {requests} refused: {:?}", part.events);
            }
        }
    }

    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.nodes.iter().flat_map(|node| &node.outcomes).flat_map(|outcome| &outcome.events)
    }
}

impl Node {
    /// All records of the events partition.
    #[allow(dead_code, reason = "shared test code; some tests drop the logs that it writes")]
    pub fn log(&self) -> &[Vec<u8>] {
        &self.events
    }

    /// Returns the last snapshot of [`Cluster::take_snapshot`].
    #[allow(dead_code, reason = "shared test code; some tests drop the logs that it writes")]
    pub fn snapshot(&self) -> Option<&[u8]> {
        self.snapshot.as_deref()
    }

    pub fn markets(&self) -> impl Iterator<Item = MarketView<'_>> {
        self.leader.state().markets().map(|(_, market)| market)
    }

    pub fn purses(&self) -> impl Iterator<Item = &Purse> {
        self.leader.state().purses().map(|(_, purse)| purse)
    }

    /// Returns all commands of the logs, by id.
    fn asked(&self) -> impl Iterator<Item = (CommandId, Command)> {
        let records = self.commands.iter().filter_map(|(_, bytes)| CommandRecord::decode(bytes).ok());
        records.map(|record| (record.id, record.command))
    }

    /// Each request has exactly one answer, however long it was parked.
    fn check_answered_once(&self) {
        let mut answers: BTreeMap<CommandId, usize> = BTreeMap::new();
        for part in self.outcomes.iter().flat_map(answers::parts) {
            *answers.entry(part.command).or_default() += part.events.iter().filter(|event| is_answer(event)).count();
        }
        for (id, command) in self.asked() {
            let single = matches!(
                command,
                Command::PlaceOrder(_)
                    | Command::CancelOrder { .. }
                    | Command::AmendOrder { .. }
                    | Command::Withdraw { .. }
            );
            if single {
                assert_eq!(answers.get(&id), Some(&1), "answers to {command:?}");
            }
        }
    }

    fn confirmed(&mut self, outcome: Outcome) {
        for part in answers::parts(&outcome) {
            for event in part.events {
                if let Event::Sent { to, number, message } = event {
                    self.relay.entry(*to).or_default().push((*number, part.command, message.clone()));
                }
            }
        }
        self.outcomes.push(outcome);
    }
}

fn is_refusal(event: &Event) -> bool {
    matches!(
        event,
        Event::Rejected { .. }
            | Event::OrderRejected { .. }
            | Event::CancelRejected { .. }
            | Event::AmendRejected { .. }
    )
}

fn is_answer(event: &Event) -> bool {
    is_refusal(event)
        || matches!(
            event,
            Event::OrderPlaced(_)
                | Event::OrderAmended(_)
                | Event::OrderCancelled { reason: CancelReason::Requested, .. }
                | Event::ParkedCancelled { .. }
                | Event::Withdrawn { .. }
                | Event::ClientIdRepeated { .. }
        )
}

/// A trace id that is unique to this command.
fn traced(id: CommandId) -> Option<TraceContext> {
    let mut bytes = [1; 25];
    bytes[..16].copy_from_slice(&{ id.0 }.to_le_bytes());
    TraceContext::new(bytes)
}

/// Events after a `Resumed` belong to the command that it names; timed events of the outcome come
/// before it.
fn nothing_due_answers(events: &[Event]) {
    let resumed = events.iter().position(|event| matches!(event, Event::Resumed { .. })).unwrap_or(events.len());
    let by_itself = |event: &&Event| match event {
        Event::DeadManSwitchFired { .. } | Event::MarketSettled { .. } | Event::MarketArchived { .. } => true,
        Event::OrderCancelled { reason, .. } => {
            matches!(reason, CancelReason::DeadManSwitch | CancelReason::MassCancel)
        }
        _ => false,
    };
    let found = events[resumed..].iter().find(by_itself);
    assert!(found.is_none(), "{found:?} follows a `Resumed` but answers no command: {events:?}");
}
