//! Runs steps on the core and on the model, and compares after each command.

use std::panic::{AssertUnwindSafe, catch_unwind};

use engine_core::BooksMax;
use schemas::shard_map::ShardMap;
use schemas::{
    AccountId, AdminId, BatchRequest, Command, Credits, Entry, Event, Message, NewOrder, OrderId, PostOnly, ProposalId,
    Rejection, ResolutionAnswer, SelfTrade, Shard, Timestamp, Transition,
};

use super::compare;
use super::coverage::Coverage;
use super::law::{Model, Outcome};
use super::normal;
use super::preview;
use super::random::{ACCOUNTS, MARKETS};
use super::shards::Shards;
use super::steps::{Again, Forgery, Kind, Listed, Route, SeenDeposit, Size, Step, Wait, Wish};

pub struct World<'a> {
    pub(super) map: ShardMap,
    pub core: Shards,
    pub model: Model,
    pub(super) clock: u64,
    /// `AdvanceTime` comes only after the next command.
    late: bool,
    /// The next command's time is this much before the clock.
    back: u64,
    /// Every order that ever existed.
    pub(super) orders: Vec<OrderId>,
    /// Every deposit that was ever proposed: account and amount.
    pub(super) proposals: Vec<(ProposalId, AccountId, Credits)>,
    /// Every command, with its shard and time.
    log: Vec<(Shard, u64, Command)>,
    coverage: &'a mut Coverage,
}

type Done = Result<(), String>;

/// Maximum number of `AdvanceTime`s until nothing may be due any more.
const TIMERS_MAX: usize = 100;

impl<'a> World<'a> {
    /// Returns an empty exchange.
    pub fn new(shards: u16, coverage: &'a mut Coverage) -> Self {
        let map = ShardMap::new(shards).unwrap();
        Self {
            map,
            core: Shards::new(map),
            model: Model::new(map),
            clock: 1_000_000,
            late: false,
            back: 0,
            orders: Vec::new(),
            proposals: Vec::new(),
            log: Vec::new(),
            coverage,
        }
    }

    /// Sets the limits at which a shard's books are full.
    pub fn with_books_max(mut self, most: BooksMax) -> Self {
        self.core.bound_books(most);
        self.model.books_max = most;
        self
    }

    /// Opens accounts with credits and markets, and gives two accounts pairs.
    pub fn furnish(&mut self, listings: &[Listed; MARKETS]) -> Done {
        for who in 1..=ACCOUNTS {
            self.step(&Step::Open { who, key: who, route: Route::Home })?;
            let amount = if who == ACCOUNTS { 5_000_000 } else { 60_000_000 };
            self.step(&Step::Deposit { who, amount, name: None, by: 1, route: Route::Home })?;
        }
        for (market, listing) in listings.iter().enumerate() {
            self.step(&Step::Create { market, listing: *listing, route: Route::Home })?;
            self.step(&Step::Change { market, by: 1, transition: Transition::Open, route: Route::Home })?;
            for (who, entry) in [(1, Entry::BuyYes), (2, Entry::BuyNo)] {
                self.step(&Step::Place(plain(who, market, entry, 5_000, 20), Route::Home))?;
            }
        }
        Ok(())
    }

    /// Makes a deposit that takes two admins.
    pub fn enrich(&mut self, who: u64, amount: i64) -> Done {
        let route = Route::Home;
        self.step(&Step::Deposit { who, amount, name: None, by: 1, route })?;
        self.step(&Step::ConfirmDeposit { back: 0, seen: SeenDeposit::AsProposed, by: 2, route })
    }

    pub fn step(&mut self, step: &Step) -> Done {
        match *step {
            Step::Wait { milliseconds, late } => {
                self.clock += milliseconds;
                self.late = late;
                if late { Ok(()) } else { self.timers() }
            }
            // Several shards have no common time that could step back.
            Step::Back { milliseconds } => {
                self.back = if self.map.shards() == 1 { milliseconds } else { 0 };
                Ok(())
            }
            Step::Forged { shard, forgery } => self.forged(self.shard(shard), forgery),
            Step::Copy { who, back } => match self.log.iter().rev().filter_map(|(.., c)| named(c)).nth(back) {
                Some(order) => {
                    let (account, requests) = (AccountId(who), vec![BatchRequest::Place(order)]);
                    let home = self.map.of_market(order.market);
                    self.submit(home, Command::Batch { account, all_or_nothing: true, requests })
                }
                None => Ok(()),
            },
            Step::Appeal { market, answer, milliseconds } => {
                self.step(&Step::Finish { market, answer, seen: answer, by: 2 })?;
                self.step(&Step::Wait { milliseconds, late: true })?;
                let transition = Transition::Resolve { answer: ResolutionAnswer::Void };
                self.step(&Step::Change { market, by: 1, transition, route: Route::Home })
            }
            Step::Finish { market, answer, seen, by } => [
                (1, Transition::Close),
                (1, Transition::Resolve { answer }),
                (by, Transition::Confirm { answer: seen }),
            ]
            .into_iter()
            .try_for_each(|(by, transition)| self.step(&Step::Change { market, by, transition, route: Route::Home })),
            Step::Named { who, to, amount, name, ref before, ref after } => {
                let first = Step::Transfer { who, to, amount, name: Some(name), route: Route::Home };
                let (at, first) = self.command(&first).expect("the command is one");
                self.named(at, &first, before, after)
            }
            Step::Again { back } => match self.log.iter().rev().filter(|(.., c)| may_repeat(c)).nth(back).cloned() {
                Some((at, _, command)) => self.submit(at, command),
                None => Ok(()),
            },
            _ => {
                let (at, command) = self.command(step).expect("all other steps are commands");
                self.submit(at, command)
            }
        }
    }

    /// Runs one command, with the `AdvanceTime`s that are due before or after it.
    pub fn submit(&mut self, at: Shard, command: Command) -> Done {
        if !self.late {
            self.timers()?;
        }
        let time = self.clock - std::mem::take(&mut self.back);
        self.run(at, time, command)?;
        if std::mem::take(&mut self.late) {
            self.timers()?;
        }
        self.clock += 1;
        Ok(())
    }

    /// Meanwhile only messages of this client id are sent to other shards.
    fn named(&mut self, at: Shard, first: &Command, before: &[Again], after: &[Again]) -> Done {
        self.timers()?;
        (self.core.closed, self.model.closed) = (true, true);
        self.run(at, self.clock, first.clone())?;
        before.iter().try_for_each(|again| self.run(at, self.clock, under_name_of(first, *again)))?;
        let time = Timestamp(self.clock);
        let (core, model) = (&mut self.core, &mut self.model);
        let both = || (model.open(time), core.open(time));
        let (expected, events) = catch_unwind(AssertUnwindSafe(both)).map_err(|panic| self.explain(&said(&*panic)))?;
        self.check(&events, &expected)?;
        after.iter().try_for_each(|again| self.submit(at, under_name_of(first, *again)))
    }

    fn timers(&mut self) -> Done {
        for _ in 0..TIMERS_MAX {
            let due = |at: &Shard| self.core.states[at.index()].next_due().is_some_and(|due| due.0 <= self.clock);
            let Some(at) = Shard::all(self.map.shards()).find(due) else { return Ok(()) };
            self.run(at, self.clock, Command::AdvanceTime)?;
        }
        Err(format!("something is still due after {TIMERS_MAX} times"))
    }

    fn run(&mut self, at: Shard, time: u64, command: Command) -> Done {
        self.log.push((at, time, command.clone()));
        let (core, model, time, map) = (&mut self.core, &mut self.model, Timestamp(time), self.map);
        let both = || {
            let previewed = match &command {
                Command::PlaceOrder(order) => Some((order, preview::before(core, at, time, order))),
                _ => None,
            };
            let events = core.handle(at, time, &command);
            let decided = normal::decided(&normal::normal(map, &events), at);
            (model.handle(at, time, &command, &decided), events, previewed)
        };
        let ran = catch_unwind(AssertUnwindSafe(both)).map_err(|panic| self.explain(&said(&*panic)))?;
        let (expected, events, previewed) = ran;
        if let Some((order, said)) = previewed {
            let (home, seen) = (&self.core.states[at.index()], &mut self.coverage.previews);
            let agrees = preview::after(&said, order, (home, &events), seen);
            agrees.map_err(|difference| self.explain(&difference))?;
        }
        self.check(&events, &expected)
    }

    fn check(&mut self, events: &[(Shard, Event)], expected: &Outcome) -> Done {
        self.coverage.commands += 1;
        self.coverage.see(events);
        self.coverage.see_repeats(self.map.shards(), std::mem::take(&mut self.model.repeats));
        self.orders.extend(events.iter().filter_map(|(_, event)| match event {
            Event::OrderPlaced(placed) => Some(placed.id),
            _ => None,
        }));
        self.proposals.extend(events.iter().filter_map(|(_, event)| match event {
            Event::DepositProposed { proposal, account, amount, .. } => Some((*proposal, *account, *amount)),
            _ => None,
        }));
        let (core, model, map) = (&self.core, &self.model, self.map);
        let both = || compare::events(map, events, expected).and_then(|()| compare::states(core, model));
        let compared = catch_unwind(AssertUnwindSafe(both)).unwrap_or_else(|panic| Err(said(&*panic)));
        compared.map_err(|difference| self.explain(&difference))
    }

    /// Returns the difference, and the commands that lead to it.
    fn explain(&self, difference: &str) -> String {
        let line = |(at, time, command): &(Shard, u64, Command)| format!("  shard {at} at {time}: {command:?}");
        let commands: Vec<_> = self.log.iter().map(line).collect();
        format!("{difference}\nof {} shards after:\n{}", self.map.shards(), commands.join("\n"))
    }

    /// Commands that no client and no shard sends: they are refused or skipped, and change nothing.
    fn forged(&mut self, at: Shard, forgery: Forgery) -> Done {
        let (number, message) = (1_000_000_000, Message::Return(Vec::new()));
        let (time, other) = (Timestamp(self.clock), self.shard(at.index() + 1));
        let code = if matches!(forgery, Forgery::Bytes) { Rejection::Undecodable } else { Rejection::MessageInvalid };
        let events = match forgery {
            Forgery::FromItself => self.core.handle(at, time, &Command::Receive { from: at, number, message }),
            Forgery::TooEarly => self.core.handle(at, time, &Command::Receive { from: other, number, message }),
            Forgery::Acknowledgement => self.core.handle(at, time, &Command::Acknowledge { to: other, number }),
            Forgery::Bytes => self.core.refuse(at, time, code),
        };
        self.model.now = self.model.now.max(time);
        let skipped = matches!(forgery, Forgery::TooEarly) && other != at;
        let expected = if skipped { Vec::new() } else { vec![(at, Event::Rejected { code })] };
        self.check(&events, &Outcome { events: expected, completed: Vec::new(), wallets: [].into() })
    }
}

/// Returns an order without special options.
pub fn plain(who: u64, market: usize, entry: Entry, price: u16, quantity: u32) -> Wish {
    Wish {
        who,
        market,
        entry,
        kind: Kind::Limit,
        price,
        quantity: Size::Exactly(quantity),
        wait: Wait::Gtc,
        post_only: PostOnly::Off,
        self_trade: SelfTrade::CancelNewest,
        deadline: None,
        cancel_on_pause: false,
        reduce_only: false,
        group: None,
        rate: 70_000,
        name: None,
    }
}

/// Returns an order with a client id.
fn named(command: &Command) -> Option<NewOrder> {
    match command {
        Command::PlaceOrder(order) => order.client_id.map(|_| *order),
        _ => None,
    }
}

/// Returns a movement under the client id of a transfer.
fn under_name_of(first: &Command, again: Again) -> Command {
    let &Command::Transfer { from, to, amount, client_id } = first else { panic!("{first:?} is no transfer") };
    match again {
        Again::Same => first.clone(),
        Again::MoreCredits => {
            let amount = Credits(amount.micros().saturating_add(1));
            Command::Transfer { from, to, amount, client_id }
        }
        Again::OtherReceiver => Command::Transfer { from, to: AccountId(1 + to.0 % ACCOUNTS), amount, client_id },
        Again::Withdrawal => Command::Withdraw { account: from, amount, client_id, by: AdminId(1) },
        Again::Deposit => Command::Deposit { account: from, amount, client_id, by: AdminId(1) },
    }
}

fn may_repeat(command: &Command) -> bool {
    !matches!(command, Command::AdvanceTime)
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without words"))
}
