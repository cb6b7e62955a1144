//! Shards in memory, and the messages between them: delivered, held back, or waiting for a shard
//! that is down.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use engine_core::{Account, CommandContext, Invariant, ShardState, Sums};
use schemas::shard_map::ShardMap;
use schemas::{
    AccountId, Cause, Command, CommandId, Credits, Event, Message, PurseInstruction, Room, Shard, Timestamp,
};

/// Messages that may be delivered after one line before the test fails because the shards do not
/// become idle.
const DELIVERIES_MAX: usize = 10_000;

/// Events of one shard's log for one command.
pub struct Said {
    pub shard: Shard,
    pub events: Vec<Event>,
}

pub struct Shards {
    pub map: ShardMap,
    nodes: Vec<Node>,
    clock: u64,
    /// Senders and receivers of messages that are held back.
    held_back: BTreeSet<(Shard, Shard)>,
    down: BTreeSet<Shard>,
    /// Number of messages kept for a shard from which on it is full.
    outbox_max: usize,
    /// The room of each account's purses, and its use, at the last check.
    lent: BTreeMap<AccountId, (Rooms, Rooms)>,
}

struct Node {
    state: ShardState,
    /// Restored from the state's bytes after the line before. It must make the same decisions.
    twin: ShardState,
    log: Vec<(CommandContext, Vec<Event>)>,
    /// Number of records of the log that it has read, and its bytes.
    snapshot: Option<(usize, Vec<u8>)>,
    /// Messages in flight, by receiver: number, the command that caused it, effect.
    on_their_way: BTreeMap<Shard, VecDeque<(u64, CommandId, Message)>>,
}

impl Shards {
    pub fn new(shards: u16) -> Self {
        let map = ShardMap::new(shards).unwrap();
        let nodes = Shard::all(shards).map(|shard| Node {
            state: ShardState::new(shard, map),
            twin: ShardState::new(shard, map),
            log: Vec::new(),
            snapshot: None,
            on_their_way: BTreeMap::new(),
        });
        let (held_back, down, lent) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        let outbox_max = schemas::limits::OUTBOX_MAX;
        Self { map, nodes: nodes.collect(), clock: 0, held_back, down, outbox_max, lent }
    }

    /// Sets the number of messages at which a shard is full.
    pub fn bound_outboxes(&mut self, outbox_max: usize) {
        self.outbox_max = outbox_max;
        for node in &mut self.nodes {
            node.state = node.state.clone().with_outbox_max(outbox_max);
            node.twin = node.twin.clone().with_outbox_max(outbox_max);
        }
    }

    pub fn states(&self) -> impl Iterator<Item = &ShardState> {
        self.nodes.iter().map(|node| &node.state)
    }

    pub fn state(&self, shard: Shard) -> &ShardState {
        &self.nodes[shard.index()].state
    }

    pub fn now(&self) -> Timestamp {
        Timestamp(self.clock)
    }

    pub fn wait(&mut self, milliseconds: u64) {
        self.clock += milliseconds;
    }

    /// Submits a command and delivers all messages that follow from it.
    pub fn submit(&mut self, shard: Shard, id: CommandId, command: &Command) -> Vec<Said> {
        assert!(!self.down.contains(&shard), "shard {shard} is down");
        let mut said = vec![self.handle(shard, id, command)];
        said.extend(self.deliver());
        said
    }

    /// Appends `AdvanceTime` wherever something is due.
    pub fn tick(&mut self, id: CommandId) -> Vec<Said> {
        let now = self.now();
        let is_due = |node: &&Node| node.state.next_due().is_some_and(|due| due <= now);
        let due: Vec<Shard> = self.nodes.iter().filter(is_due).map(|node| node.state.shard()).collect();
        let up: Vec<Shard> = due.into_iter().filter(|shard| !self.down.contains(shard)).collect();
        up.into_iter().flat_map(|shard| self.submit(shard, id, &Command::AdvanceTime)).collect()
    }

    pub fn hold(&mut self, from: Shard, to: Shard) {
        self.held_back.insert((from, to));
    }

    pub fn release(&mut self, from: Shard, to: Shard) -> Vec<Said> {
        self.held_back.remove(&(from, to));
        self.deliver()
    }

    pub fn release_all(&mut self) -> Vec<Said> {
        self.held_back.clear();
        self.deliver()
    }

    pub fn cut(&mut self, shard: Shard) {
        self.down.insert(shard);
    }

    pub fn mend(&mut self, shard: Shard) -> Vec<Said> {
        self.down.remove(&shard);
        self.deliver()
    }

    pub fn take_snapshot(&mut self, shard: Shard) {
        let node = &mut self.nodes[shard.index()];
        node.snapshot = Some((node.log.len(), node.state.to_bytes()));
    }

    /// The shard's engine dies. Another restores its snapshot, follows the log from there, and
    /// sends the kept messages again.
    pub fn kill(&mut self, shard: Shard) -> Vec<Said> {
        let map = self.map;
        let node = &mut self.nodes[shard.index()];
        let (seen, mut state) = match &node.snapshot {
            Some((seen, bytes)) => (*seen, ShardState::from_bytes(shard, map, bytes).unwrap()),
            None => (0, ShardState::new(shard, map)),
        };
        for (place, events) in &node.log[seen..] {
            state.follow(*place, events);
        }
        assert_eq!(state.digest(), node.state.digest(), "recovery of shard {shard} differs");
        node.twin = ShardState::from_bytes(shard, map, &state.to_bytes()).unwrap();
        node.twin = node.twin.clone().with_outbox_max(self.outbox_max);
        node.state = state.with_outbox_max(self.outbox_max);
        node.on_their_way.clear();
        for (to, number, origin, message) in node.state.kept_messages() {
            node.on_their_way.entry(to).or_default().push_back((number, origin, message.clone()));
        }
        self.deliver()
    }

    /// Messages in flight, each with sender and receiver.
    pub fn in_flight(&self) -> impl Iterator<Item = (Shard, Shard, &Message)> {
        self.nodes.iter().flat_map(|node| {
            let from = node.state.shard();
            let all = node.on_their_way.iter().flat_map(|(to, queue)| queue.iter().map(|message| (*to, message)));
            all.map(move |(to, (.., message))| (from, to, message))
        })
    }

    fn handle(&mut self, shard: Shard, id: CommandId, command: &Command) -> Said {
        self.clock += 1;
        let time = self.now();
        let node = &mut self.nodes[shard.index()];
        let place = CommandContext { cause: Cause { offset: node.log.len() as u64, id }, time };
        let (mut events, mut restored) = (Vec::new(), Vec::new());
        node.state.handle(place, command, &mut events);
        node.twin.handle(place, command, &mut restored);
        assert_eq!(restored, events, "shard {shard}, restored from its bytes, decides {command:?} differently");
        for event in &events {
            if let Event::Sent { to, number, message } = event {
                node.on_their_way.entry(*to).or_default().push_back((*number, id, message.clone()));
            }
        }
        node.log.push((place, events.clone()));
        Said { shard, events }
    }

    /// Delivers messages until none can be delivered, those of each pair of shards in order.
    fn deliver(&mut self) -> Vec<Said> {
        let mut said = Vec::new();
        while let Some((to, id, command)) = self.next_message() {
            said.push(self.handle(to, id, &command));
            assert!(said.len() < DELIVERIES_MAX, "the shards do not become idle");
        }
        said
    }

    fn next_message(&mut self) -> Option<(Shard, CommandId, Command)> {
        let (held_back, down) = (&self.held_back, &self.down);
        self.nodes.iter_mut().find_map(|node| {
            let from = node.state.shard();
            let goes = |to: &Shard| !down.contains(&from) && !down.contains(to) && !held_back.contains(&(from, *to));
            let mut queues = node.on_their_way.iter_mut().filter(|(to, queue)| !queue.is_empty() && goes(to));
            let (to, queue) = queues.next()?;
            let (number, origin, message) = queue.pop_front()?;
            Some((*to, origin, Command::Receive { from, number, message }))
        })
    }

    /// Each shard acknowledges the messages that it received.
    pub fn acknowledge(&mut self, id: CommandId) -> Vec<Said> {
        let all: Vec<Shard> = Shard::all(self.map.shards()).collect();
        let pairs = all.iter().flat_map(|from| all.iter().map(move |to| (*from, *to)));
        let taken_in: Vec<_> = pairs.map(|(from, to)| (from, to, self.state(to).received_from(from))).collect();
        let mut said = Vec::new();
        for (from, to, number) in taken_in.into_iter().filter(|(.., number)| *number > 0) {
            said.push(self.handle(from, id, &Command::Acknowledge { to, number }));
        }
        said.extend(self.deliver());
        said
    }

    /// Checks everything that must hold after a line.
    pub fn check(&mut self) {
        for node in &mut self.nodes {
            node.state.assert_all();
            node.twin = twin(&node.state, self.map, self.outbox_max);
        }
        let sums = self.states().map(|state| state.sums(|to| self.state(to).received_from(state.shard())));
        let sums = sums.fold(Sums::default(), |all, one| all + one);
        assert_eq!(sums.balance(), Credits::ZERO, "{}: {sums:?}", Invariant::CreditsAreConserved);
        let accounts: Vec<_> =
            self.states().flat_map(ShardState::accounts).map(|(id, known)| (id, known.clone())).collect();
        for (id, known) in accounts {
            self.check_limits(id, &known);
        }
    }

    /// The account's room and its use are within its limits; where these were lowered below the
    /// use, it does not grow.
    fn check_limits(&mut self, id: AccountId, known: &Account) {
        let (lent, used) = self.room_of(id, known);
        let limit = Room { orders: known.limits.live_orders, held: known.limits.held };
        let (lent_before, used_before) = self.lent.insert(id, (lent, used)).unwrap_or_default();
        let within = lent.is_within_or_has_not_grown(limit, lent_before);
        assert!(within, "{}: account {id} has {lent:?} of {limit:?}", Invariant::RoomIsCounted);
        let told = |message: &Message| match message {
            Message::Instruct { account, instruction: PurseInstruction::Limit { .. }, .. } => *account != id,
            _ => true,
        };
        let knows = self.in_flight().all(|(.., message)| told(message));
        let within = !knows || used.is_within_or_has_not_grown(limit, used_before);
        assert!(within, "{}: account {id} uses {used:?} of {limit:?}", Invariant::RoomIsCounted);
    }

    /// Returns the room that an account's home shard has lent, and the use of all purses together.
    /// No purse has more than it was lent, and none uses more than it has.
    fn room_of(&self, id: AccountId, known: &Account) -> (Rooms, Rooms) {
        let home = self.map.of_account(id);
        let (mut lent, mut used) = (Rooms::default(), Rooms::default());
        lent.add(self.state(home).purse(id).expect("a purse on the home shard").room);
        known.lent.values().for_each(|there| lent.add(there.room));
        for state in self.states() {
            let Some(purse) = state.purse(id) else { continue };
            let has = if state.shard() == home { purse.room } else { known.lent[&state.shard()].room };
            let within = |part: Room, whole: Room| part.saturating_sub(whole).is_zero();
            let counted = within(purse.used(), purse.room) && within(purse.room, has);
            assert!(counted, "{}: account {id} has {purse:?} of {has:?}", Invariant::RoomIsCounted);
            used.add(purse.used());
        }
        (lent, used)
    }
}

/// The state restored from its bytes: it has the same timers, and makes the same decisions from
/// here on.
fn twin(state: &ShardState, map: ShardMap, outbox_max: usize) -> ShardState {
    let restored = ShardState::from_bytes(state.shard(), map, &state.to_bytes()).unwrap().with_outbox_max(outbox_max);
    assert_eq!(restored.to_bytes(), state.to_bytes(), "a restored state differs");
    assert_eq!(restored.next_due(), state.next_due(), "a restored state has another due time");
    restored
}

/// Room of several purses, in numbers that cannot overflow.
#[derive(Clone, Copy, Debug, Default)]
struct Rooms {
    orders: i128,
    held: i128,
}

impl Rooms {
    fn add(&mut self, room: Room) {
        self.orders += i128::from(room.orders);
        self.held += i128::from(room.held.0);
    }

    /// Compares each part. Without a limit the room on each shard is unlimited.
    fn is_within_or_has_not_grown(self, limit: Room, before: Self) -> bool {
        let part = |now: i128, before: i128, limit: i128, all: i128| limit == all || now <= limit.max(before);
        part(self.orders, before.orders, limit.orders.into(), Room::ALL.orders.into())
            && part(self.held, before.held, limit.held.0.into(), Room::ALL.held.0.into())
    }
}
