//! A shard's snapshot: 100,000 resting orders, 10,000 accounts. Its bytes, its hash, and the state
//! from the bytes again.

use std::time::Instant;

use engine_benches::flow::{Flow, Variant};
use engine_benches::law::{Run, Script, shard};
use engine_benches::report::median;
use engine_core::ShardState;

/// Commands between two hashes.
const CHANGES: usize = 400;
const ROUNDS: usize = 9;

fn main() {
    println!(
        "{:<8}{:>10}{:>10}{:>12}{:>12}{:>12}{:>10}",
        "flow", "orders", "MB", "bytes ms", "hash ms", "restore ms", "GB/s"
    );
    for books in [1, 1_000] {
        let flow = Flow::make(Variant::A, books);
        let mut script = Script::new(&flow);
        // What rests of the prefill, twice: other ids, other sides of the same prices.
        script.commands.retain(
            |command| matches!(command, schemas::Command::PlaceOrder(order) if order.terms.time_in_force().rests()),
        );
        let mut run = Run::default();
        run.all(&script.setup);
        run.all(&script.prefill);
        let mut commands = script.commands.iter();
        for command in &mut commands {
            run.one(command);
            if resting(&run.state) >= 100_000 {
                break;
            }
        }
        let (mut bytes_ms, mut hash_ms, mut restore_ms) = (Vec::new(), Vec::new(), Vec::new());
        let mut size = 0;
        for _ in 0..ROUNDS {
            // About as many events as may be unhashed at most.
            for command in commands.by_ref().take(CHANGES) {
                run.one(command);
            }
            let start = Instant::now();
            let bytes = run.state.to_bytes();
            bytes_ms.push(start.elapsed().as_secs_f64() * 1e3);
            let start = Instant::now();
            let hash = run.state.hash();
            hash_ms.push(start.elapsed().as_secs_f64() * 1e3);
            let start = Instant::now();
            let mut restored = ShardState::from_bytes(shard().0, shard().1, &bytes).expect("a state's own bytes");
            restore_ms.push(start.elapsed().as_secs_f64() * 1e3);
            assert_eq!(restored.hash(), hash, "another state came back");
            size = bytes.len();
        }
        let (bytes, hash, restore) = (median(&mut bytes_ms), median(&mut hash_ms), median(&mut restore_ms));
        let speed = size as f64 / 1e6 / bytes;
        let (name, orders, megabytes) = (flow.name(), resting(&run.state), size as f64 / 1e6);
        println!("{name:<8}{orders:>10}{megabytes:>10.2}{bytes:>12.2}{hash:>12.2}{restore:>12.2}{speed:>10.2}");
    }
}

fn resting(state: &ShardState) -> usize {
    state.orders()
}
