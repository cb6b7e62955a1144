//! The law on the reference flow: decide, apply, holds, fees and events, with 10,000 funded
//! accounts; then the same with encoded, chained outcomes. Beside the baseline, in turn, in one
//! run.

use std::time::Instant;

use engine_benches::Tape;
use engine_benches::baseline::Baseline;
use engine_benches::flow::{Flow, Variant};
use engine_benches::law::{Leader, Run, Script};
use engine_benches::report::{median, number, timed};

/// Millions of commands a second through `ShardState::handle`, and what traded.
fn handle(script: &Script) -> (f64, Tape) {
    let mut run = Run::default();
    run.all(&script.setup);
    run.all(&script.prefill);
    let start = Instant::now();
    run.all(&script.commands);
    (script.commands.len() as f64 / start.elapsed().as_secs_f64() / 1e6, run.tape)
}

/// Millions of commands a second from command bytes to outcome bytes, chained.
fn replica(script: &Script) -> f64 {
    let mut leader = Leader::default();
    for commands in [&script.setup, &script.prefill] {
        leader.all(&Leader::encode(commands));
    }
    let commands = Leader::encode(&script.commands[..script.commands.len() / 4]);
    let start = Instant::now();
    assert!(leader.all(&commands) > 0);
    commands.len() as f64 / start.elapsed().as_secs_f64() / 1e6
}

/// Millions of outcomes a second from bytes to events, by the rule of reading.
fn read(script: &Script) -> f64 {
    let mut leader = Leader::default();
    let outcomes = leader.outcomes(&Leader::encode(&[&script.setup[..], &script.prefill].concat()));
    let start = Instant::now();
    assert_eq!(engine_benches::law::read(&outcomes), outcomes.len());
    outcomes.len() as f64 / start.elapsed().as_secs_f64() / 1e6
}

/// `PART=handle|encoded|read BOOKS=n COMMANDS=n` runs one part once, for a profiler.
fn profile(part: &str) {
    let books = number("BOOKS").unwrap_or(1);
    let flow = match number("COMMANDS") {
        Some(commands) => Flow::start(Variant::A, books, commands),
        None => Flow::make(Variant::A, books),
    };
    let script = Script::new(&flow);
    let speed = match part {
        "handle" => handle(&script).0,
        "read" => read(&script),
        _ => replica(&script),
    };
    println!("A×{books} {part} {speed:.2}");
}

fn main() {
    if let Ok(part) = std::env::var("PART") {
        return profile(&part);
    }
    let rounds = number("ROUNDS").unwrap_or(5);
    println!("{:<10}{:>10}{:>10}{:>8}{:>10}{:>8}", "flow", "baseline", "handle", "ratio", "encoded", "ratio");
    for (variant, books) in [(Variant::A, 1), (Variant::A, 1_000)] {
        let flow = Flow::make(variant, books);
        let script = Script::new(&flow);
        let mut rows: [Vec<f64>; 5] = Default::default();
        for _ in 0..rounds {
            let (base, (plain, tape), encoded) =
                (timed(&flow, Baseline::new(books)), handle(&script), replica(&script));
            assert_eq!(tape, flow.expected, "the law does not match as the flow demands");
            for (row, value) in rows.iter_mut().zip([base, plain, plain / base, encoded, encoded / base]) {
                row.push(value);
            }
        }
        let [base, plain, ratio, encoded, encoded_ratio] = rows.each_mut().map(|row| median(row));
        let name = format!("{variant:?}×{books}");
        println!("{name:<10}{base:>10.2}{plain:>10.2}{ratio:>8.2}{encoded:>10.2}{encoded_ratio:>8.2}");
    }
}
