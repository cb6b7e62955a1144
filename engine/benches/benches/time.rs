//! The book and the law on the flow's first 100,000 commands, with criterion: for telling one
//! commit from the next, single and concurrent. How they stand to the baseline and to others, on
//! the whole flow, is measured by the benches `book`, `handle` and `scaling`.

use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use engine_benches::flow::{Flow, Variant};
use engine_benches::law::{Leader, Run, Script};
use engine_benches::ours::{Ahead, Ours};
use engine_benches::report::FLOWS;
use engine_benches::{Command, Matcher, run};

const COMMANDS: usize = 100_000;

fn prefilled<M: Matcher>(mut matcher: M, prefill: &[Command]) -> M {
    run(&mut matcher, prefill);
    matcher
}

fn books(c: &mut Criterion) {
    let mut group = c.benchmark_group("book");
    group.throughput(Throughput::Elements(COMMANDS as u64)).sample_size(20);
    for (variant, books) in FLOWS {
        let flow = Flow::start(variant, books, COMMANDS);
        let ours = prefilled(Ours::new(books), &flow.prefill);
        group.bench_function(flow.name(), |b| {
            b.iter_batched_ref(
                || ours.clone(),
                |ours| {
                    assert_eq!(run(ours, &flow.commands), flow.expected, "the book does not match as the flow demands")
                },
                BatchSize::LargeInput,
            );
        });
        group.bench_function(format!("{} looking ahead", flow.name()), |b| {
            b.iter_batched_ref(
                || Ahead(ours.clone()),
                |ours| {
                    assert_eq!(run(ours, &flow.commands), flow.expected, "the book does not match as the flow demands")
                },
                BatchSize::LargeInput,
            );
        });
    }
}

fn law(c: &mut Criterion) {
    let mut group = c.benchmark_group("law");
    group.throughput(Throughput::Elements(COMMANDS as u64)).sample_size(20).measurement_time(Duration::from_secs(10));
    for books in [1, 1_000] {
        let flow = Flow::start(Variant::A, books, COMMANDS);
        let script = Script::new(&flow);
        let mut before = Run::default();
        before.all(&script.setup);
        before.all(&script.prefill);
        let handle = |run: &mut Run| {
            run.all(&script.commands);
            assert_eq!(run.tape, flow.expected, "the law does not match as the flow demands");
        };
        group.bench_function(format!("{} handle", flow.name()), |b| {
            b.iter_batched_ref(|| before.clone(), handle, BatchSize::LargeInput);
        });
        group.bench_function(format!("{} handle, two shards at once", flow.name()), |b| {
            b.iter_batched_ref(
                || [before.clone(), before.clone()],
                |[one, other]| {
                    std::thread::scope(|scope| {
                        scope.spawn(|| handle(one));
                        handle(other);
                    });
                },
                BatchSize::LargeInput,
            );
        });
        let commands = Leader::encode(&script.commands);
        let mut leader = Leader::default();
        for commands in [&script.setup, &script.prefill] {
            leader.all(&Leader::encode(commands));
        }
        group.bench_function(format!("{} encoded", flow.name()), |b| {
            b.iter_batched_ref(|| leader.again(), |leader| leader.all(&commands), BatchSize::LargeInput);
        });
    }
}

criterion_group!(benches, books, law);
criterion_main!(benches);
