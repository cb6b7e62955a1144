//! Tests of the loop over a log in memory, with a fault injected at one point. The simulation
//! covers whole clusters.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use engine_core::{Halt, OwnRecord};
use schemas::shard_map::ShardMap;
use schemas::text::{Reason, Ticker};
use schemas::{
    About, AccountId, AdminId, ApiKey, ApiKeyId, Command, CommandId, CommandRecord, EngineId, Event, FeeRate, Listing,
    MarketId, MarketLimits, MarketState, Outcome, Quarantine, Quarantined, Record, Rejection, Scopes, Shard, Term,
    Timestamp, market::Transition,
};
use service::kafka::KafkaFault;
use service::kafka::quarantine::quarantine;
use service::{Liveness, Readiness};

#[path = "../../../schemas/tests/later/mod.rs"]
mod later;

use super::*;
use crate::log::{AppendFault, Extent, LogRecord, SnapshotStoreFault};

const SHARD: Shard = Shard::new(0).unwrap();
const ENGINE: EngineId = EngineId(7);
/// The initial time of the machine's clock.
const NOW: u64 = 1_764_000_000_000;
/// The maximum number of idle steps before what a test waits for has happened.
const STEPS_MAX: usize = 1_000;

/// A shard's two partitions, and the machine's clock.
#[derive(Default)]
struct World {
    events: RefCell<Vec<Vec<u8>>>,
    commands: RefCell<Vec<(u64, Vec<u8>)>>,
    /// The first command that exists.
    commands_from: Cell<u64>,
    /// The first command without an outcome, as committed in the group.
    committed: Cell<u64>,
    /// Milliseconds since the start.
    passed: Cell<u64>,
    /// Reading panics.
    panics: Cell<bool>,
    /// A leader's next read panics.
    leader_panics: Cell<bool>,
}

struct Memory {
    world: Rc<World>,
    event: usize,
    command: Option<usize>,
}

impl ShardLog for Memory {
    fn follow_from(&mut self, events: u64, _: u64) -> Result<(), KafkaFault> {
        (self.event, self.command) = (usize::try_from(events).unwrap(), None);
        Ok(())
    }

    fn consume_from(&mut self, offset: u64) -> Result<(), KafkaFault> {
        self.command = Some(usize::try_from(offset).unwrap());
        Ok(())
    }

    fn stop_consuming(&mut self) -> Result<(), KafkaFault> {
        self.command = None;
        Ok(())
    }

    fn rest(&mut self) -> Result<(), KafkaFault> {
        (self.event, self.command) = (usize::MAX, None);
        Ok(())
    }

    fn extent(&mut self, source: LogPartition) -> Result<Extent, KafkaFault> {
        let (first, end) = match source {
            LogPartition::Events => (0, self.world.events.borrow().len()),
            LogPartition::Commands => (self.world.commands_from.get(), self.world.commands.borrow().len()),
        };
        Ok(Extent { first, end: end as u64 })
    }

    fn committed(&mut self) -> Result<u64, KafkaFault> {
        Ok(self.world.committed.get())
    }

    fn quarantine_of(&mut self, offset: u64) -> Result<Option<Quarantine>, KafkaFault> {
        let events = self.world.events.borrow();
        let is_it = |found: &Quarantine| found.what == Quarantined::Record { offset };
        Ok(events.iter().filter_map(|bytes| quarantine(bytes, SHARD)).find(is_it))
    }

    fn poll<R>(
        &mut self,
        hungry: bool,
        _: Duration,
        visit: impl FnOnce(LogRecord<'_>) -> R,
    ) -> Result<Option<R>, KafkaFault> {
        let world = Rc::clone(&self.world);
        if let Some(bytes) = world.events.borrow().get(self.event) {
            self.event += 1;
            let (offset, time) = (self.event as u64 - 1, Timestamp(NOW));
            return Ok(Some(visit(LogRecord { source: LogPartition::Events, offset, time, bytes })));
        }
        let panics = world.panics.get() || (world.leader_panics.get() && self.command.is_some());
        assert!(!panics, "a broken invariant");
        if let (true, Some(next)) = (hungry, self.command)
            && let Some((time, bytes)) = world.commands.borrow().get(next)
        {
            self.command = Some(next + 1);
            let (offset, time) = (next as u64, Timestamp(*time));
            return Ok(Some(visit(LogRecord { source: LogPartition::Commands, offset, time, bytes })));
        }
        Ok(None)
    }

    fn append_event(&mut self, bytes: &[u8]) -> Result<(), AppendFault> {
        self.world.events.borrow_mut().push(bytes.to_vec());
        Ok(())
    }

    fn append_command(&mut self, _: Shard, bytes: &[u8]) -> Result<(), AppendFault> {
        self.world.commands.borrow_mut().push((NOW + self.world.passed.get(), bytes.to_vec()));
        Ok(())
    }

    fn writer_is_lost(&self) -> bool {
        false
    }

    fn renew_writer(&mut self) -> Result<(), KafkaFault> {
        Ok(())
    }
}

struct OwnClock(Rc<World>);

impl Clock for OwnClock {
    fn wall(&self) -> Timestamp {
        Timestamp(NOW + self.0.passed.get())
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.passed.get())
    }

    fn command_id(&mut self) -> CommandId {
        CommandId(1_000)
    }

    fn sleep(&mut self, _: Duration) {}
}

/// No snapshots; listing them takes longer than a thread may be silent.
struct SlowStore {
    liveness: Liveness,
    complaints: Rc<RefCell<Vec<String>>>,
}

impl SnapshotStore for SlowStore {
    fn list(&mut self) -> Result<Vec<u64>, SnapshotStoreFault> {
        std::thread::sleep(3 * SILENT_MAX);
        self.complaints.borrow_mut().extend(self.liveness.complaints());
        Ok(Vec::new())
    }

    fn get(&mut self, _: u64) -> Result<Vec<u8>, SnapshotStoreFault> {
        unreachable!("there is no snapshot")
    }

    fn put(&mut self, _: u64, _: Vec<u8>) {}

    fn is_busy(&self) -> bool {
        false
    }

    fn finish(&mut self) {}
}

const SILENT_MAX: Duration = Duration::from_millis(10);

struct Stage {
    world: Rc<World>,
    liveness: Liveness,
    readiness: Readiness,
    control: Control,
    shard_loop: ShardLoop<Memory, OwnClock, SlowStore>,
    complaints: Rc<RefCell<Vec<String>>>,
}

impl Stage {
    fn set() -> Self {
        Self::on(Rc::default())
    }

    fn on(world: Rc<World>) -> Self {
        let (liveness, readiness) = (Liveness::new(), Readiness::new());
        let control = Control::new(readiness.share("shard 0"), liveness.watch("shard 0", SILENT_MAX), true);
        // Another shard of the same process.
        readiness.share("shard 1").set(true);
        let log = Memory { world: Rc::clone(&world), event: 0, command: None };
        let complaints = Rc::<RefCell<Vec<String>>>::default();
        let store = SlowStore { liveness: liveness.clone(), complaints: Rc::clone(&complaints) };
        let outside = (log, OwnClock(Rc::clone(&world)), store);
        let map = ShardMap::new(1).unwrap();
        let shard_loop = ShardLoop::new((SHARD, map), ENGINE, outside, control.clone());
        Self { world, liveness, readiness, control, shard_loop, complaints }
    }

    /// Returns a loop that leads.
    fn leading() -> Self {
        let mut stage = Self::set();
        stage.shard_loop.start().unwrap();
        stage.control.want_lead(true);
        stage.until(|stage| stage.control.role() == ShardRole::Leading);
        stage
    }

    fn until(&mut self, done: impl Fn(&Self) -> bool) {
        for _ in 0..STEPS_MAX {
            if done(self) {
                return;
            }
            self.shard_loop.step().unwrap();
        }
        panic!("not within {STEPS_MAX} steps, {}", self.control.role());
    }

    /// Runs the loop until it is idle.
    fn settle(&mut self) {
        for _ in 0..STEPS_MAX {
            self.shard_loop.step().unwrap();
        }
    }

    /// A command that the broker appends at `NOW + ahead` milliseconds by its own clock.
    fn command(&self, ahead: u64, command: Command) {
        let mut commands = self.world.commands.borrow_mut();
        let id = CommandId(commands.len() as u128);
        commands.push((NOW + ahead, CommandRecord::new(id, command).encode()));
    }

    /// Returns the outcomes on the log.
    fn outcomes(&self) -> Vec<Outcome> {
        let mut replica = Replica::new(SHARD, ShardMap::new(1).unwrap());
        let events = self.world.events.borrow();
        let read = events.iter().zip(0..).map(|(bytes, offset)| replica.read(offset, bytes).unwrap());
        read.filter_map(|read| if let OwnRecord::Followed(outcome) = read { Some(outcome) } else { None }).collect()
    }

    /// Returns the times of the outcomes.
    fn times(&self) -> Vec<u64> {
        self.outcomes().iter().map(|outcome| outcome.time.as_millis() - NOW).collect()
    }

    fn has_closed_a_market(&self) -> bool {
        let closed = |event: &Event| matches!(event, Event::MarketChanged { state: MarketState::Closed, .. });
        self.outcomes().iter().any(|outcome| outcome.events.iter().any(closed))
    }

    fn pass(&self, millis: u64) {
        self.world.passed.set(self.world.passed.get() + millis);
    }
}

fn open(account: u64) -> Command {
    let key = ApiKey::with_secret(ApiKeyId(account), [0; 32], Scopes::READ_TRADE);
    Command::OpenAccount { account: AccountId(account), key }
}

/// A market that closes one minute after the start.
fn market() -> [Command; 2] {
    let ticker: Ticker = "SOON".parse().unwrap();
    let listing = Listing {
        market: MarketId::of(&ticker),
        ticker,
        about: About::plain("Will it?", "YES if it does.", "tests").unwrap().into(),
        opens: None,
        expiry: Timestamp(NOW + 60_000),
        tick: 1,
        maker_fee: FeeRate::ZERO,
        taker_fee: FeeRate::ZERO,
        dispute_window_ms: 0,
        limits: MarketLimits::NONE,
    };
    let (market, by, transition) = (listing.market, AdminId(1), Transition::Open);
    [Command::CreateMarket { listing, by: AdminId(1) }, Command::ChangeMarket { market, by, transition }]
}

#[test]
fn a_time_that_is_ahead_of_the_own_clock_is_set_back() {
    let mut stage = Stage::leading();
    stage.command(1_500, open(1));
    stage.command(20_000, open(2));
    stage.until(|stage| stage.times().len() == 2);
    assert_eq!(stage.times(), [1_500, 2_000]);
    stage.pass(10_000);
    stage.command(40_000, open(3));
    stage.until(|stage| stage.times().len() == 3);
    assert_eq!(stage.times(), [1_500, 2_000, 12_000]);
    assert_eq!(stage.control.role(), ShardRole::Leading);
}

#[test]
fn a_broker_whose_clock_is_far_ahead_closes_no_market_and_loses_the_leader_until_the_clocks_are_near() {
    let mut stage = Stage::leading();
    market().into_iter().for_each(|command| stage.command(0, command));
    // By the broker's clock the market has closed.
    stage.command(90_000, open(1));
    stage.until(|stage| stage.control.role() == ShardRole::Following);
    stage.settle();
    assert_eq!(stage.control.role(), ShardRole::Following);
    assert_eq!((stage.times(), stage.readiness.missing()), (vec![0, 0], vec!["shard 0".to_owned()]));
    stage.pass(59_999);
    stage.settle();
    assert_eq!(stage.control.role(), ShardRole::Following);
    assert!(!stage.has_closed_a_market());
    // Near enough: it leads again, and the command gets a time near this machine's clock.
    stage.pass(1);
    stage.until(|stage| stage.times().len() >= 3);
    assert_eq!((stage.control.role(), stage.times()[2]), (ShardRole::Leading, 62_000));
    stage.until(Stage::has_closed_a_market);
    assert!(stage.readiness.is_ready());
}

#[test]
fn a_panic_halts_this_shard_alone_and_names_the_offset() {
    let mut stage = Stage::set();
    stage.control.want_lead(true);
    stage.command(0, open(1));
    stage.world.panics.set(true);
    let halted = stage.shard_loop.run().unwrap_err();
    assert!(matches!(&halted.fatal, HaltCause::Panicked(why) if why == "a broken invariant"), "{halted}");
    assert!(halted.to_string().contains("at events offset 0: panicked: a broken invariant; hint: "), "{halted}");
    assert_halted_alone(&stage, "a broken invariant");
    // A later request of the group changes nothing.
    stage.control.want_lead(false);
    assert!(!stage.control.is_halted_and_wanted());
    stage.control.want_lead(true);
    assert!(stage.control.is_halted_and_wanted());
    assert_halted_alone(&stage, "a broken invariant");
}

#[test]
fn a_record_that_cannot_be_read_halts_this_shard_alone_and_names_the_offset() {
    let mut stage = Stage::set();
    stage.world.events.borrow_mut().push(b"no record".to_vec());
    let halted = stage.shard_loop.run().unwrap_err();
    assert!(halted.to_string().starts_with("at events offset 0: events log of shard 0 is broken"), "{halted}");
    assert_halted_alone(&stage, "broken at offset 0");
}

fn quarantine_record(what: Quarantined, seconded: u64) -> Vec<u8> {
    let (by, seconded, reason) = (AdminId(1), AdminId(seconded), Reason::of("a test"));
    Quarantine { shard: SHARD, what, by, seconded, reason }.encode()
}

#[test]
fn a_record_that_two_admins_quarantined_is_skipped() {
    // Returns how the loop ends after some steps, and how many outcomes it has written.
    let run = |seconded: u64| {
        let mut stage = Stage::set();
        stage.world.events.borrow_mut().push(b"no record".to_vec());
        stage.world.events.borrow_mut().push(quarantine_record(Quarantined::Record { offset: 0 }, seconded));
        stage.command(0, open(1));
        stage.shard_loop.start().unwrap();
        stage.control.want_lead(true);
        let fatal = (0..STEPS_MAX).find_map(|_| stage.shard_loop.step().err());
        (fatal, stage.shard_loop.replica().position().sequence)
    };
    assert!(matches!(run(2), (None, 1)));
    // One admin alone is not enough.
    assert!(matches!(run(1), (Some(HaltCause::Halt(Halt::Broken(_))), 0)));
}

#[test]
fn a_quarantined_command_is_refused_and_the_next_is_decided() {
    let mut stage = Stage::set();
    stage.world.events.borrow_mut().push(quarantine_record(Quarantined::Command { offset: 0 }, 2));
    stage.command(0, open(1));
    stage.command(0, open(2));
    stage.shard_loop.start().unwrap();
    stage.control.want_lead(true);
    stage.until(|stage| stage.times().len() == 2);
    let outcomes = stage.outcomes();
    let [refused, decided] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!(refused.events, [Event::Rejected { code: Rejection::Quarantined }]);
    assert!(matches!(decided.events[..], [Event::AccountOpened { account: AccountId(2) }, ..]), "{decided:?}");
}

#[test]
fn a_leader_that_halts_records_it_on_the_log() {
    let mut stage = Stage::set();
    stage.control.want_lead(true);
    stage.world.leader_panics.set(true);
    let halted = stage.shard_loop.run().unwrap_err();
    let last = stage.world.events.borrow().last().cloned().unwrap();
    let Ok(Record::Halted(told)) = Record::decode(&last) else { panic!("the log has no halt record") };
    // Its term is the only preceding record.
    assert_eq!((told.shard, told.term, told.engine), (SHARD, 0, ENGINE));
    assert_eq!(told.reason.as_str(), halted.to_string());
}

#[test]
fn additions_of_a_later_build_are_skipped_and_its_command_is_refused_under_its_id() {
    let mut stage = Stage::set();
    stage.world.events.borrow_mut().push(later::record(0));
    stage.shard_loop.start().unwrap();
    stage.control.want_lead(true);
    stage.until(|stage| stage.control.role() == ShardRole::Leading);
    let id = CommandId(77);
    stage.world.commands.borrow_mut().push((NOW, later::command(id, later::NEXT)));
    stage.command(0, open(1));
    stage.world.events.borrow_mut().push(later::record(0));
    stage.until(|stage| stage.times().len() == 2);
    let outcomes = stage.outcomes();
    let refused = [Event::Rejected { code: schemas::Rejection::Undecodable }];
    assert_eq!((outcomes[0].cause.id, outcomes[0].events.as_slice()), (id, refused.as_slice()));
    assert!(matches!(outcomes[1].events[..], [Event::AccountOpened { .. }, Event::ApiKeyAdded { .. }, ..]));
}

#[test]
fn a_later_builds_term_halts_this_shard_alone_and_names_the_build_to_install() {
    let mut stage = Stage::set();
    stage.world.events.borrow_mut().push(later::term(Term::new(SHARD, 1, EngineId(8), 1)));
    let halted = stage.shard_loop.run().unwrap_err().to_string();
    let says = "install build 9.8.7 or a later one; hint: install that build in place of this process's";
    assert!(halted.contains("is newer than this build at offset 0") && halted.contains(says), "{halted}");
    assert_halted_alone(&stage, says);
}

/// Returns a log whose first leader decided one command.
fn decided() -> Rc<World> {
    let mut stage = Stage::leading();
    stage.command(0, open(1));
    stage.until(|stage| stage.times().len() == 1);
    stage.world
}

/// Returns why the next loop over such a log halts. `records` is the number of records that it
/// appended: if it led, its term and its halt record.
fn halts_on(world: Rc<World>, records: usize) -> HaltCause {
    let mut stage = Stage::on(world);
    let before = stage.world.events.borrow().len();
    stage.control.want_lead(true);
    let halted = stage.shard_loop.run().unwrap_err();
    assert_eq!(stage.world.events.borrow().len(), before + records, "{halted}");
    assert_halted_alone(&stage, &halted.to_string());
    halted.fatal
}

#[test]
fn a_log_with_fewer_outcomes_than_were_committed_is_not_led() {
    let world = decided();
    world.committed.set(2);
    let fatal = halts_on(world, 0);
    assert!(matches!(fatal, HaltCause::OutcomesGone { next: 1, committed: 2, head: 2 }), "{fatal}");
}

#[test]
fn commands_that_lack_the_next_or_its_offset_are_not_read() {
    let world = decided();
    world.commands_from.set(2);
    let fatal = halts_on(world, 0);
    assert!(matches!(fatal, HaltCause::CommandsCut { next: 1, .. }), "{fatal}");
    let world = decided();
    world.commands.borrow_mut().clear();
    let fatal = halts_on(world, 0);
    assert!(matches!(fatal, HaltCause::CommandsCut { next: 1, commands: Extent { first: 0, end: 0 } }), "{fatal}");
}

#[test]
fn the_commands_of_another_log_are_not_decided() {
    let world = decided();
    let another = |id| (NOW, CommandRecord::new(CommandId(id), open(1)).encode());
    world.commands.replace(vec![another(98), another(99)]);
    let fatal = halts_on(world, 2);
    assert!(matches!(fatal, HaltCause::OtherCommands { offset: 0 }), "{fatal}");
}

fn assert_halted_alone(stage: &Stage, why: &str) {
    assert_eq!(stage.control.role(), ShardRole::Halted);
    assert!(stage.readiness.halted()["shard 0"].contains(why), "{:?}", stage.readiness.halted());
    assert!(stage.readiness.is_ready(), "the other shard halted, too");
    std::thread::sleep(3 * SILENT_MAX);
    assert!(stage.liveness.complaints().is_empty(), "{:?}", stage.liveness.complaints());
}

#[test]
fn a_long_restore_is_no_silence() {
    let mut stage = Stage::set();
    stage.shard_loop.start().unwrap();
    assert!(stage.complaints.borrow().is_empty(), "{:?}", stage.complaints.borrow());
    std::thread::sleep(3 * SILENT_MAX);
    assert_eq!(stage.liveness.complaints().len(), 1, "once the restore is over, silence counts again");
}

#[test]
fn a_shard_assigned_to_another_engine_is_led_until_that_one_takes_over() {
    let mut stage = Stage::leading();
    stage.control.want_successor();
    stage.command(0, open(1));
    stage.until(|stage| stage.times().len() == 1);
    stage.settle();
    assert_eq!(stage.control.role(), ShardRole::Leading);
    let other = Term::new(SHARD, 1, EngineId(8), 1);
    stage.world.events.borrow_mut().push(other.encode());
    stage.until(|stage| stage.control.role() == ShardRole::Following);
    stage.pass(600_000);
    stage.settle();
    assert_eq!(stage.control.role(), ShardRole::Following);
    assert!(stage.readiness.is_ready());
}
