//! A follower that catches up, or a recovery: from an outcome's bytes to the state, by the rule of reading. Record by record, and with those
//! behind each in sight, in turn; what is decoded alone beside it.

use std::time::Instant;

use engine_benches::flow::{Flow, Variant};
use engine_benches::law::{Leader, Script, follower, read};
use engine_benches::report::{median, number};
use engine_core::{LOOKAHEAD, Read, Replica};

/// Seconds to read all outcomes, and the replica that has.
fn follow(first: &[Vec<u8>], outcomes: &[Vec<u8>], ahead: bool) -> (f64, Replica) {
    let (mut replica, mut offset) = (follower(), 0);
    let mut one = |replica: &mut Replica, bytes: &Vec<u8>| {
        offset += 1;
        if !ahead {
            replica.read(offset, bytes).expect("outcomes follow one another");
            return;
        }
        replica.take_in(offset, bytes).expect("outcomes follow one another");
        if replica.behind() > LOOKAHEAD {
            replica.read_next().expect("the state is the writer's");
        }
    };
    first.iter().for_each(|bytes| one(&mut replica, bytes));
    let start = Instant::now();
    outcomes.iter().for_each(|bytes| one(&mut replica, bytes));
    while replica.read_next().expect("the state is the writer's").is_some() {}
    (start.elapsed().as_secs_f64(), replica)
}

/// How many events the outcomes have that follow others.
fn events_of(first: &[Vec<u8>], outcomes: &[Vec<u8>]) -> usize {
    let mut replica = follower();
    let mut events = |offset: usize, bytes: &Vec<u8>| match replica.read(offset as u64 + 1, bytes) {
        Ok(Read::Followed(outcome)) => outcome.events.len(),
        other => panic!("outcomes follow one another: {other:?}"),
    };
    let all: Vec<usize> = first.iter().chain(outcomes).enumerate().map(|(at, bytes)| events(at, bytes)).collect();
    all[first.len()..].iter().sum()
}

fn main() {
    let rounds = number("ROUNDS").unwrap_or(5);
    let commands = number("COMMANDS").unwrap_or(1_000_000);
    println!(
        "{:<8}{:>12}{:>12}{:>12}{:>12}{:>8}",
        "flow", "events", "decoded", "one by one", "in sight", "ratio"
    );
    for books in [1, 1_000] {
        let flow = Flow::start(Variant::A, books, commands);
        let script = Script::new(&flow);
        let mut leader = Leader::default();
        let first = leader.outcomes(&Leader::encode(&[&script.setup[..], &script.prefill].concat()));
        let outcomes = leader.outcomes(&Leader::encode(&script.commands));
        let events = events_of(&first, &outcomes);
        let mut rows: [Vec<f64>; 4] = Default::default();
        for _ in 0..rounds {
            let start = Instant::now();
            assert_eq!(read(&first) + read(&outcomes[..0]), first.len());
            let share = start.elapsed().as_secs_f64() / first.len() as f64;
            let ((plain, mut one), (ahead, mut other)) =
                (follow(&first, &outcomes, false), follow(&first, &outcomes, true));
            assert_eq!(one.state_hash(), other.state_hash(), "looking ahead changes nothing");
            let millions = |seconds: f64| events as f64 / seconds / 1e6;
            let decoded = millions(share * outcomes.len() as f64);
            for (row, value) in rows.iter_mut().zip([decoded, millions(plain), millions(ahead), plain / ahead]) {
                row.push(value);
            }
        }
        let [decoded, plain, ahead, ratio] = rows.each_mut().map(|row| median(row));
        println!("{:<8}{events:>12}{decoded:>12.2}{plain:>12.2}{ahead:>12.2}{ratio:>8.2}", flow.name());
    }
}
