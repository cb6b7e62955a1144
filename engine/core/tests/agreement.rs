//! Checks terms and the vocabulary exhaustively. Two or three engines of an older and a newer build
//! run on one shard; the search visits every order of their steps up to a given length, breadth
//! first, each state once. The replicas are production code. Of the shard loop around them, only
//! the take-over rule is modelled here.
//!
//! | step     | what                                                                       |
//! |----------|----------------------------------------------------------------------------|
//! | read     | an engine reads the next record                                            |
//! | take     | a follower appends its `Term`                                              |
//! | decide   | a leader decides the next command and appends its outcome; it may be stale |
//! | announce | an engine announces itself                                                 |
//! | raise    | an admin asks for the newer vocabulary                                     |
//! | restart  | an engine dies, or leaves in good order, and restarts as the other build   |
//! | wait     | time passes until no announcement counts                                   |

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use engine_core::{Halt, OwnRecord, Replica};
use schemas::frame::FIRST_VOCABULARY;
use schemas::limits::PART_COUNTS_MS;
use schemas::reading::{BrokenLog, RecordFault, WrittenBy};
use schemas::shard_map::ShardMap;
use schemas::{
    AdminId, Build, Command, CommandId, CommandRecord, EngineId, Event, Outcome, PartId, PartKind, Program, Shard,
    Term, Timestamp,
};

const SHARD: Shard = Shard::new(0).unwrap();
const NEXT: u16 = FIRST_VOCABULARY + 1;
const OLDER: Program = Program { reads: FIRST_VOCABULARY, build: Build { major: 1, minor: 0, patch: 0 } };
const NEWER: Program = Program { reads: NEXT, build: Build { major: 1, minor: 1, patch: 0 } };

/// Limits on the explored orders besides their length.
const RAISES_MAX: u8 = 2;
const RESTARTS_MAX: u8 = 2;
const TERMS_MAX: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Following,
    TakingOver,
    Leading,
    Halted,
}

/// One run of an engine.
#[derive(Clone, Debug)]
struct Engine {
    id: u128,
    is_newer: bool,
    role: Role,
    /// The next record to read.
    next: usize,
    /// The log position of its last term, if it appended one.
    term: Option<usize>,
    announced: bool,
}

#[derive(Clone, Debug)]
struct World {
    events: Vec<Rc<[u8]>>,
    /// Records with the broker's time.
    commands: Vec<(u64, Rc<[u8]>)>,
    engines: Vec<Engine>,
    raises: u8,
    restarts: u8,
    terms: usize,
    waited: bool,
}

impl Engine {
    fn new(id: u128, is_newer: bool) -> Self {
        Self { id, is_newer, role: Role::Following, next: 0, term: None, announced: false }
    }

    fn program(&self) -> Program {
        if self.is_newer { NEWER } else { OLDER }
    }
}

impl World {
    fn new(engines: u128) -> Self {
        let engines = (0..engines).map(|id| Engine::new(id, id % 2 == 1)).collect();
        let (events, commands) = (Vec::new(), Vec::new());
        Self { events, commands, engines, raises: 0, restarts: 0, terms: 0, waited: false }
    }

    /// Starts with a newer engine as leader, so that the states after a take-over are reached in
    /// fewer steps.
    fn led(engines: u128) -> Self {
        let mut world = Self::new(engines);
        let last = world.engines.len() - 1;
        world.engines[last].is_newer = true;
        world.take(last).and_then(|world| world.read(last)).unwrap()
    }

    /// Identifies a world by a BLAKE3 hash, so that the set of visited worlds needs little memory.
    fn fingerprint(&self) -> [u8; 32] {
        let Self { events, commands, engines, raises, restarts, terms, waited } = self;
        let mut hasher = blake3::Hasher::new();
        for bytes in events.iter().chain(commands.iter().map(|(_, bytes)| bytes)) {
            hasher.update(&bytes.len().to_le_bytes()).update(bytes);
        }
        let times: Vec<u64> = commands.iter().map(|(time, _)| *time).collect();
        hasher.update(format!("{times:?} {engines:?} {raises} {restarts} {terms} {waited}").as_bytes());
        *hasher.finalize().as_bytes()
    }

    fn ask(&mut self, command: Command) {
        let time = 1_000 + if self.waited { PART_COUNTS_MS + 1 } else { 0 };
        let id = CommandId(self.commands.len() as u128 + 1);
        self.commands.push((time, CommandRecord::new(id, command).encode().into()));
    }

    /// Returns the replica of an engine: the records that it read and, if it leads, its own
    /// decisions.
    fn replica(&self, engine: &Engine) -> Replica {
        let mut replica = fresh(engine.program());
        for (offset, bytes) in self.events.iter().enumerate().take(engine.next) {
            let read = replica.read(offset as u64, bytes).unwrap();
            if engine.role == Role::Leading && engine.term == Some(offset) {
                assert!(matches!(read, OwnRecord::Term(_)));
                replica.lead();
                // Writes the decision to the log, whether it counts or not.
                for (_, outcome) in self.outcomes_of(offset) {
                    let command = usize::try_from(outcome.cause.offset).unwrap();
                    self.decide(&mut replica, command);
                }
            }
        }
        replica
    }

    fn decide(&self, replica: &mut Replica, command: usize) -> Option<Vec<u8>> {
        let (time, bytes) = self.commands.get(command)?;
        replica.handle(command as u64, Timestamp(*time), bytes)
    }

    /// Returns all outcomes that were written under a term.
    fn outcomes_of(&self, term: usize) -> impl Iterator<Item = (usize, Outcome)> {
        let decoded =
            self.events.iter().enumerate().filter_map(|(offset, bytes)| outcome(bytes).map(|one| (offset, one)));
        decoded.filter(move |(_, outcome)| outcome.term == term as u64)
    }

    /// Returns all worlds that are one step away.
    fn steps(&self) -> Vec<Self> {
        let mut all = Vec::new();
        for at in 0..self.engines.len() {
            all.extend([self.read(at), self.take(at), self.decide_next(at), self.announce(at)].into_iter().flatten());
            for leaves in [true, false] {
                all.extend(self.restart(at, leaves));
            }
        }
        if self.raises < RAISES_MAX {
            let mut next = self.clone();
            next.raises += 1;
            next.ask(Command::RaiseVocabulary { to: NEXT, by: AdminId(1) });
            all.push(next);
        }
        if !self.waited && !self.commands.is_empty() {
            all.push(Self { waited: true, ..self.clone() });
        }
        all
    }

    fn read(&self, at: usize) -> Option<Self> {
        let engine = &self.engines[at];
        let bytes = self.events.get(engine.next)?;
        if engine.role == Role::Halted {
            return None;
        }
        let mut world = self.clone();
        let mut replica = self.replica(engine);
        let read = replica.read(engine.next as u64, bytes);
        let this = &mut world.engines[at];
        match read {
            Ok(OwnRecord::Term(term)) if this.role == Role::TakingOver && this.term == Some(this.next) => {
                // The rule of `ShardLoop`: an engine does not lead a term that a raise has
                // overtaken.
                let stands = term.vocabulary == replica.state().vocabulary();
                this.role = if stands { Role::Leading } else { Role::Following };
            }
            // The engine recovers and follows.
            Ok(OwnRecord::Deposed(_)) => this.role = Role::Following,
            Ok(_) => {}
            Err(Halt::Broken(BrokenLog { fault, .. })) => {
                let named =
                    RecordFault::Newer { needs: NEXT, reads: FIRST_VOCABULARY, writer: WrittenBy::Build(NEWER.build) };
                assert!(!this.is_newer && fault == named, "{fault}");
                this.role = Role::Halted;
                return Some(world);
            }
            Err(halt) => panic!("{halt}"),
        }
        this.next += 1;
        Some(world)
    }

    fn take(&self, at: usize) -> Option<Self> {
        let engine = &self.engines[at];
        if engine.role != Role::Following || self.terms == TERMS_MAX {
            return None;
        }
        let (vocabulary, build) = (self.replica(engine).state().vocabulary(), engine.program().build);
        let mut world = self.clone();
        let attempt = self.events.len() as u64;
        world
            .events
            .push(Term { vocabulary, build, ..Term::new(SHARD, 1, EngineId(engine.id), attempt) }.encode().into());
        world.terms += 1;
        let this = &mut world.engines[at];
        (this.role, this.term) = (Role::TakingOver, Some(self.events.len()));
        Some(world)
    }

    fn decide_next(&self, at: usize) -> Option<Self> {
        let engine = &self.engines[at];
        if engine.role != Role::Leading {
            return None;
        }
        let mut replica = self.replica(engine);
        let command = usize::try_from(replica.next_command()).unwrap();
        let bytes = self.decide(&mut replica, command)?;
        let mut world = self.clone();
        world.events.push(bytes.into());
        Some(world)
    }

    fn announce(&self, at: usize) -> Option<Self> {
        let engine = &self.engines[at];
        if engine.announced {
            return None;
        }
        let mut world = self.clone();
        world.ask(Command::Announce(engine.program().part(PartId(engine.id), PartKind::Engine)));
        world.engines[at].announced = true;
        Some(world)
    }

    fn restart(&self, at: usize, leaves: bool) -> Option<Self> {
        let engine = &self.engines[at];
        if self.restarts == RESTARTS_MAX || (leaves && !engine.announced) {
            return None;
        }
        let mut world = self.clone();
        if leaves {
            world.ask(Command::Leave { part: PartId(engine.id) });
        }
        world.restarts += 1;
        world.engines[at] = Engine::new(100 + u128::from(world.restarts), !engine.is_newer);
        Some(world)
    }

    /// Asserts the invariants of every world.
    fn check(&self, seen: &mut Seen) {
        let raised = self.check_log();
        seen.raised += u64::from(raised.is_some());
        let mut states = BTreeMap::new();
        for engine in &self.engines {
            if engine.role == Role::Halted {
                seen.halted += 1;
                // An engine may halt only if its announcement did not count when the vocabulary was
                // raised.
                let counting = raised.as_ref().unwrap();
                assert!(!counting.contains(&engine.id), "engine {} halts although its announcement counted", engine.id);
                continue;
            }
            let replica = self.replica(engine);
            let vocabulary = replica.state().vocabulary();
            assert!(vocabulary <= engine.program().reads, "an engine continues in a vocabulary that it cannot read");
            if replica.unconfirmed() == 0 && replica.position().sequence > 0 {
                let digest = replica.state().digest();
                let same = states.entry(replica.position().sequence).or_insert(digest);
                assert_eq!(*same, digest, "two engines have different states");
            }
        }
    }

    /// Reads the whole log as the newer build does. Returns the components that counted when the
    /// vocabulary was raised, if it was raised.
    fn check_log(&self) -> Option<BTreeSet<u128>> {
        let mut reader = fresh(NEWER);
        let (mut speaks, mut is_first, mut vocabulary) = (FIRST_VOCABULARY, false, FIRST_VOCABULARY);
        let mut parts: BTreeMap<u128, (u16, u64)> = BTreeMap::new();
        let mut counted = None;
        for (offset, bytes) in self.events.iter().enumerate() {
            match reader.read(offset as u64, bytes).unwrap() {
                OwnRecord::Term(term) => (speaks, is_first) = (term.vocabulary, true),
                OwnRecord::Followed(outcome) => {
                    assert!(
                        !is_first || speaks == vocabulary,
                        "a leader's term does not name the vocabulary that it writes"
                    );
                    is_first = false;
                    let now = outcome.time.0;
                    let counts = |at: u64| now - at <= PART_COUNTS_MS;
                    match outcome.events[0] {
                        Event::PartAnnounced { part, .. } => drop(parts.insert(part.id.0, (part.reads, now))),
                        Event::PartLeft { part } => drop(parts.remove(&{ part.0 })),
                        Event::VocabularyRaised { to, by: Some(_), .. } => {
                            let all: BTreeMap<_, _> = parts.iter().filter(|(_, (_, at))| counts(*at)).collect();
                            assert!(!all.is_empty() && all.values().all(|(reads, _)| *reads >= to), "raised unread");
                            assert!(counted.is_none(), "raised twice");
                            counted = Some(all.keys().map(|id| **id).collect());
                            vocabulary = to;
                        }
                        _ => {}
                    }
                    assert_eq!(reader.state().vocabulary(), vocabulary);
                }
                _ => {}
            }
        }
        counted
    }
}

/// Number of worlds with each property. Shows that the search reached them.
#[derive(Default)]
struct Seen {
    raised: u64,
    halted: u64,
}

fn fresh(program: Program) -> Replica {
    Replica::new(SHARD, ShardMap::new(1).unwrap()).knowing(program.reads)
}

fn outcome(bytes: &[u8]) -> Option<Outcome> {
    match schemas::Record::decode_knowing(NEXT, bytes) {
        Ok(schemas::Record::Outcome(outcome, _)) => Some(outcome),
        _ => None,
    }
}

/// Visits all worlds within this many steps of the start. Returns how many there are.
fn explore(first: World, steps: usize) -> Seen {
    let engines = first.engines.len();
    let mut known = BTreeSet::from([first.fingerprint()]);
    let (mut edge, mut seen) = (vec![first], Seen::default());
    for _ in 0..steps {
        let mut next = Vec::new();
        for world in edge.iter().flat_map(World::steps) {
            if known.insert(world.fingerprint()) {
                world.check(&mut seen);
                next.push(world);
            }
        }
        edge = next;
    }
    let (states, Seen { raised, halted }) = (known.len(), &seen);
    println!("{engines} engines, {steps} steps: {states} states, {raised} of them raised, {halted} engines halt");
    seen
}

#[test]
fn engines_agree_in_every_order_of_steps_on_a_fresh_log() {
    let seen = explore(World::new(2), 7);
    assert!(seen.raised > 0);
    explore(World::new(3), 5);
}

#[test]
fn engines_agree_in_every_order_of_steps_where_one_leads() {
    let seen = explore(World::led(2), 8);
    assert!(seen.raised > 0 && seen.halted > 0, "the search reached no world with a raise");
    let seen = explore(World::led(3), 6);
    assert!(seen.raised > 0);
}
