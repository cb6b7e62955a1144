//! A follower that catches up, or a recovery: from an outcome's bytes to the state, by the rule of
//! reading. What is decoded alone beside it.

use std::time::Instant;

use engine_benches::flow::{Flow, Variant};
use engine_benches::law::{Leader, Script, follower, read};
use engine_benches::report::{median, number};
use engine_core::OwnRecord;

/// Seconds to read all outcomes behind the first, and how many events they have.
fn follow(first: &[Vec<u8>], outcomes: &[Vec<u8>]) -> (f64, usize) {
    let (mut replica, mut offset) = (follower(), 0);
    let mut one = |bytes: &Vec<u8>| {
        offset += 1;
        match replica.read(offset, bytes) {
            Ok(OwnRecord::Followed(outcome)) => outcome.events.len(),
            other => panic!("outcomes follow one another: {other:?}"),
        }
    };
    first.iter().for_each(|bytes| {
        one(bytes);
    });
    let start = Instant::now();
    let events = outcomes.iter().map(one).sum();
    (start.elapsed().as_secs_f64(), events)
}

fn main() {
    let rounds = number("ROUNDS").unwrap_or(5);
    let commands = number("COMMANDS").unwrap_or(1_000_000);
    println!("millions of events a second");
    println!("{:<8}{:>12}{:>12}{:>12}", "flow", "events", "decoded", "followed");
    for books in [1, 1_000] {
        let flow = Flow::start(Variant::A, books, commands);
        let script = Script::new(&flow);
        let mut leader = Leader::default();
        let first = leader.outcomes(&Leader::encode(&[&script.setup[..], &script.prefill].concat()));
        let outcomes = leader.outcomes(&Leader::encode(&script.commands));
        let (mut decoded, mut followed, mut events) = (Vec::new(), Vec::new(), 0);
        for _ in 0..rounds {
            let start = Instant::now();
            assert_eq!(read(&first), first.len());
            let share = start.elapsed().as_secs_f64() / first.len() as f64;
            let (took, count) = follow(&first, &outcomes);
            events = count;
            decoded.push(events as f64 / (share * outcomes.len() as f64) / 1e6);
            followed.push(events as f64 / took / 1e6);
        }
        println!("{:<8}{events:>12}{:>12.2}{:>12.2}", flow.name(), median(&mut decoded), median(&mut followed));
    }
}
