//! Compares the whole core with a naive model over random commands. See `model`.
//!
//! An account has a purse on each shard where it trades; the model gives it one balance of credits
//! and one set of limits. All messages are delivered between commands, so both must agree;
//! sometimes the messages of a transfer wait for some uses of its client id. Differences that
//! several shards make:
//!
//! | what                                  | on one shard                           | on several                                        |
//! |---------------------------------------|----------------------------------------|---------------------------------------------------|
//! | transfer                              | ends at once                           | is under way until its messages arrive            |
//! | batch                                 | any markets                            | markets of one shard only                         |
//! | order of a frozen account             | refused before its market is looked at | same where it has a purse, elsewhere after        |
//! | all deposits together                 | limited for all accounts               | limited for each shard                            |
//! | timers due at the same time           | markets, switches, orders, sweeps      | same on each shard, one shard after another       |
//! | command that belongs on another shard | cannot be                              | refused; an order's client id is remembered there |
//!
//! Which requests of a batch wait for credits depends on the purses. The model takes the order of
//! the decisions from the core. Only requests that release credits or orders may pass waiting ones.
//!
//! Not covered: other commands while messages are in flight, crashes and lost records
//! (`random.rs`); payouts in slices, because their order is not specified; more dead-man switches
//! at once than one command fires; client ids so old that they are dropped; an account near its
//! limit of credits whose gains are not at home yet.
//!
//! `PROPTEST_CASES` sets more cases than the default and different ones in each run.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kinds;
mod model;

use std::cell::RefCell;

use engine_core::BooksMax;
use model::corners;
use model::coverage::Coverage;
use model::random::{MARKETS, listed, step};
use model::steps::{Listed, Step};
use model::world::World;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

const CASES: u32 = 400;
const STEPS: usize = 500;

#[test]
fn the_core_agrees_with_the_model_and_every_event_occurs() {
    let coverage = RefCell::new(Coverage::default());
    corners::all(&mut coverage.borrow_mut()).unwrap_or_else(|difference| panic!("{difference}"));
    let listings = [listed(), listed(), listed(), listed()];
    let runs = (1_u16..=3, books_max(), listings, prop::collection::vec(step(), 1..STEPS));
    let failed = runner().run(&runs, |(shards, books_max, listings, steps)| {
        run((shards, books_max), &listings, &steps, &mut coverage.borrow_mut()).map_err(TestCaseError::fail)
    });
    if let Err(failure) = failed {
        panic!("{failure}");
    }
    let coverage = coverage.into_inner();
    println!("{coverage:?}");
    assert!(coverage.missing().is_empty(), "never seen: {:?}", coverage.missing());
}

/// Usually more books than a run creates.
fn books_max() -> impl Strategy<Value = BooksMax> {
    let few = (2_usize..40, 1..=MARKETS).prop_map(|(orders, markets)| BooksMax { orders, markets });
    prop_oneof![9 => Just(BooksMax::default()), 1 => few]
}

fn run(
    (shards, books_max): (u16, BooksMax),
    listings: &[Listed; MARKETS],
    steps: &[Step],
    coverage: &mut Coverage,
) -> Result<(), String> {
    let mut world = World::new(shards, coverage).with_books_max(books_max);
    world.furnish(listings)?;
    steps.iter().try_for_each(|step| world.step(step))
}

/// The same cases in every run, unless `PROPTEST_CASES` is set.
fn runner() -> TestRunner {
    // Finds as much here in a tenth of the time.
    let rng_algorithm = RngAlgorithm::XorShift;
    let config = Config { failure_persistence: None, max_shrink_iters: 20_000, rng_algorithm, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() {
        return TestRunner::new(config);
    }
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    TestRunner::new_with_rng(Config { cases: CASES, ..config }, rng)
}
