//! Instructions, cache misses and mispredicted branches, under callgrind: figures that a busy
//! machine does not change. Needs `valgrind` and `cargo install gungraun-runner --version 0.20.0
//! --locked`.
//!
//! Each part runs the prefill and 100,000 commands that are not counted, and then 100,000 that are.
//! The caches are simulated as 32 KiB and 512 KiB, 8 ways each.

use std::hint::black_box;

use engine_benches::baseline::Baseline;
use engine_benches::flow::{Flow, Variant};
use engine_benches::law::{Leader, Run, Script};
use engine_benches::ours::{Ahead, Ours};
use engine_benches::{Command, Matcher, Tape, run};
use gungraun::Callgrind;
use gungraun::prelude::*;

const COUNTED: usize = 100_000;

fn flow(variant: Variant, books: usize) -> Flow {
    Flow::start(variant, books, 2 * COUNTED)
}

fn matcher<M: Matcher>(variant: Variant, books: usize, mut matcher: M) -> (M, Vec<Command>) {
    let flow = flow(variant, books);
    let (before, counted) = flow.commands.split_at(COUNTED);
    run(&mut matcher, &flow.prefill);
    run(&mut matcher, before);
    (matcher, counted.to_vec())
}

fn baseline(variant: Variant, books: usize) -> (Baseline, Vec<Command>) {
    matcher(variant, books, Baseline::new(books))
}

fn ours(variant: Variant, books: usize) -> (Ours, Vec<Command>) {
    matcher(variant, books, Ours::new(books))
}

fn ahead(variant: Variant, books: usize) -> (Ahead, Vec<Command>) {
    matcher(variant, books, Ahead(Ours::new(books)))
}

fn state(books: usize) -> (Run, Vec<schemas::Command>) {
    let script = Script::new(&flow(Variant::A, books));
    let mut run = Run::default();
    let (before, counted) = script.commands.split_at(COUNTED);
    [&script.setup, &script.prefill, before].into_iter().for_each(|commands| run.all(commands));
    (run, counted.to_vec())
}

fn leader(books: usize) -> (Leader, Vec<Vec<u8>>) {
    let script = Script::new(&flow(Variant::A, books));
    let mut leader = Leader::default();
    let (before, counted) = script.commands.split_at(COUNTED);
    for commands in [&script.setup, &script.prefill, before] {
        leader.all(&Leader::encode(commands));
    }
    (leader, Leader::encode(counted))
}

#[library_benchmark]
#[bench::a_1(args = (Variant::A, 1), setup = baseline)]
#[bench::a_1000(args = (Variant::A, 1_000), setup = baseline)]
#[bench::b_1(args = (Variant::B, 1), setup = baseline)]
#[bench::b_1000(args = (Variant::B, 1_000), setup = baseline)]
fn baseline_book((mut book, commands): (Baseline, Vec<Command>)) -> (Tape, Baseline) {
    (run(&mut book, black_box(&commands)), book)
}

#[library_benchmark]
#[bench::a_1(args = (Variant::A, 1), setup = ours)]
#[bench::a_1000(args = (Variant::A, 1_000), setup = ours)]
#[bench::b_1(args = (Variant::B, 1), setup = ours)]
#[bench::b_1000(args = (Variant::B, 1_000), setup = ours)]
fn our_book((mut book, commands): (Ours, Vec<Command>)) -> (Tape, Ours) {
    (run(&mut book, black_box(&commands)), book)
}

#[library_benchmark]
#[bench::a_1(args = (Variant::A, 1), setup = ahead)]
#[bench::a_1000(args = (Variant::A, 1_000), setup = ahead)]
#[bench::b_1(args = (Variant::B, 1), setup = ahead)]
#[bench::b_1000(args = (Variant::B, 1_000), setup = ahead)]
fn our_book_looking_ahead((mut book, commands): (Ahead, Vec<Command>)) -> (Tape, Ahead) {
    (run(&mut book, black_box(&commands)), book)
}

#[library_benchmark]
#[bench::a_1(args = (1), setup = state)]
#[bench::a_1000(args = (1_000), setup = state)]
fn handle((mut run, commands): (Run, Vec<schemas::Command>)) -> Run {
    run.all(black_box(&commands));
    run
}

#[library_benchmark]
#[bench::a_1(args = (1), setup = leader)]
#[bench::a_1000(args = (1_000), setup = leader)]
fn encoded((mut leader, commands): (Leader, Vec<Vec<u8>>)) -> Leader {
    leader.all(black_box(&commands));
    leader
}

library_benchmark_group!(
    name = per_100_000_commands,
    benchmarks = [baseline_book, our_book, our_book_looking_ahead, handle, encoded]
);

main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args([
        "--cache-sim=yes",
        "--branch-sim=yes",
        "--I1=32768,8,64",
        "--D1=32768,8,64",
        "--LL=524288,8,64"
    ])),
    library_benchmark_groups = per_100_000_commands
);
