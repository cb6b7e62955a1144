//! The law on the reference flow: decide, apply, holds, fees and events, with 10,000 funded accounts; then the same with encoded,
//! chained outcomes. Beside the baseline, in turn, in one run.

use std::time::Instant;

use engine_benches::Tape;
use engine_benches::baseline::Baseline;
use engine_benches::flow::{Flow, Variant};
use engine_benches::law::{Run, Script, shard};
use engine_benches::report::{median, timed};
use engine_core::Replica;
use schemas::{Command, CommandId, CommandRecord, EngineId, Term, Timestamp};

/// Millions of commands a second through `State::handle`, and what traded.
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
    let (shard, map) = shard();
    let mut replica = Replica::new(shard, map);
    let term = Term { shard, shards: 1, engine: EngineId(1), attempt: 1 };
    replica.read(0, &term.encode()).unwrap();
    replica.lead();
    let encode = |commands: &[Command]| -> Vec<Vec<u8>> {
        commands.iter().map(|c| CommandRecord { id: CommandId(1), command: c.clone() }.encode()).collect()
    };
    let before = encode(&[script.setup.as_slice(), &script.prefill].concat());
    let commands = encode(&script.commands[..script.commands.len() / 4]);
    let mut offset = 0;
    let mut bytes_out = 0;
    let mut all = |commands: &[Vec<u8>]| {
        let start = Instant::now();
        for bytes in commands {
            let outcome = replica.handle(offset, Timestamp(offset / 1_000), bytes).unwrap();
            bytes_out += outcome.len();
            offset += 1;
        }
        commands.len() as f64 / start.elapsed().as_secs_f64() / 1e6
    };
    all(&before);
    let speed = all(&commands);
    assert!(bytes_out > 0);
    speed
}

/// `PART=handle|encoded BOOKS=n COMMANDS=n` runs one part once, for a profiler.
fn profile(part: &str) {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse().ok());
    let books = number("BOOKS").unwrap_or(1);
    let flow = Flow::make(Variant::A, books);
    let mut script = Script::new(&flow);
    script.commands.truncate(number("COMMANDS").unwrap_or(usize::MAX));
    let speed = if part == "handle" { handle(&script).0 } else { replica(&script) };
    println!("A×{books} {part} {speed:.2}");
}

fn main() {
    if let Ok(part) = std::env::var("PART") {
        return profile(&part);
    }
    let rounds = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
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
