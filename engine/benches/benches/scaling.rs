//! Two shards on two cores: each has a thread and a state of its own, and nothing between them.
//! Beside one shard alone, in turn.

use std::sync::Barrier;
use std::time::Instant;

use engine_benches::flow::{Flow, Variant};
use engine_benches::law::{Run, Script};
use engine_benches::report::median;

/// Millions of commands a second, all shards together.
fn together(shards: usize, flow: &Flow, script: &Script) -> f64 {
    let barrier = Barrier::new(shards);
    let seconds: Vec<f64> = std::thread::scope(|scope| {
        let shard = || {
            let mut run = Run::default();
            run.all(&script.setup);
            run.all(&script.prefill);
            barrier.wait();
            let start = Instant::now();
            run.all(&script.commands);
            assert_eq!(run.tape, flow.expected, "the law does not match as the flow demands");
            start.elapsed().as_secs_f64()
        };
        let threads: Vec<_> = (0..shards).map(|_| scope.spawn(shard)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a shard does not panic")).collect()
    });
    let longest = seconds.into_iter().fold(0.0, f64::max);
    (shards * script.commands.len()) as f64 / longest / 1e6
}

fn main() {
    println!("{:<8}{:>10}{:>12}{:>8}", "flow", "1 shard", "2 shards", "ratio");
    for books in [1, 1_000] {
        let flow = Flow::make(Variant::A, books);
        let script = Script::new(&flow);
        let mut rows: [Vec<f64>; 3] = Default::default();
        for _ in 0..5 {
            let (one, two) = (together(1, &flow, &script), together(2, &flow, &script));
            for (row, value) in rows.iter_mut().zip([one, two, two / one]) {
                row.push(value);
            }
        }
        let [one, two, ratio] = rows.each_mut().map(|row| median(row));
        println!("{:<8}{one:>10.2}{two:>12.2}{ratio:>8.2}", flow.name());
    }
}
