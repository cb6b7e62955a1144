//! Instructions, cache misses and mispredicted branches of a command, under cachegrind (`valgrind` must be installed): figures that
//! a busy machine does not change. The caches are simulated as 32 KiB and 1 MiB, 8 ways each.
//!
//! Each book runs the prefill and then 100,000 and 300,000 commands; the difference, divided by 200,000, is what is printed. The
//! commands are read from a file, so that making them costs the same in both.

use std::error::Error;
use std::process::Command as Process;
use std::{env, fs};

use engine_benches::baseline::Baseline;
use engine_benches::flow::{self, Flow};
use engine_benches::ours::Ours;
use engine_benches::report::FLOWS;
use engine_benches::{Matcher, run};

const SHORT: usize = 100_000;
const LONG: usize = 300_000;
const COLUMNS: [&str; 4] = ["I   refs", "D1  misses", "LLd misses", "Mispredicts"];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("run") => replay(&args[2], &args[3], args[4].parse()?, args[5].parse()?),
        _ => compare(),
    }
}

/// Runs a book on a file's first commands.
fn replay(book: &str, path: &str, books: usize, commands: usize) -> Result<()> {
    let bytes = fs::read(path)?;
    let all: Vec<_> = bytes.chunks_exact(24).map(flow::parse).collect();
    let wanted = &all[..all.len() - LONG + commands];
    let trades = match book {
        "book" => go(Ours::new(books), wanted),
        _ => go(Baseline::new(books), wanted),
    };
    assert!(trades > 0, "a flow trades");
    Ok(())
}

#[inline(never)]
fn go(mut matcher: impl Matcher, commands: &[engine_benches::Command]) -> u64 {
    run(&mut matcher, commands).trades
}

fn compare() -> Result<()> {
    println!("{:<18}{:>14}{:>12}{:>12}{:>14}", "per command", "instructions", "L1 misses", "L2 misses", "mispredicted");
    let folder = env::temp_dir().join(format!("flows-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    for (variant, books) in FLOWS {
        let flow = Flow::make(variant, books);
        let path = folder.join(flow.name());
        let bytes: Vec<u8> = flow.prefill.iter().chain(&flow.commands[..LONG]).flat_map(flow::record).collect();
        fs::write(&path, bytes)?;
        for book in ["baseline", "book"] {
            let run = |commands| simulate(book, &path.to_string_lossy(), books, commands);
            let (short, long) = (run(SHORT)?, run(LONG)?);
            let each = |n: usize| (long[n] - short[n]) as f64 / (LONG - SHORT) as f64;
            let name = format!("{} {book}", flow.name());
            println!("{name:<18}{:>14.0}{:>12.2}{:>12.2}{:>14.2}", each(0), each(1), each(2), each(3));
        }
    }
    Ok(fs::remove_dir_all(&folder)?)
}

/// The counts of [`COLUMNS`] of a whole run.
fn simulate(book: &str, path: &str, books: usize, commands: usize) -> Result<[u64; 4]> {
    let options = ["--tool=cachegrind", "--cache-sim=yes", "--branch-sim=yes", "--cachegrind-out-file=/dev/null"];
    let output = Process::new("valgrind")
        .args(options)
        .args(["--I1=32768,8,64", "--D1=32768,8,64", "--LL=1048576,8,64"])
        .arg(env::current_exe()?)
        .args(["run", book, path, &books.to_string(), &commands.to_string()])
        .output()?;
    let text = String::from_utf8(output.stderr)?;
    if !output.status.success() {
        return Err(text.into());
    }
    let mut counts = [0; 4];
    for (count, column) in counts.iter_mut().zip(COLUMNS) {
        let line = text.lines().find(|line| line.contains(&format!("{column}:")));
        let number = line.and_then(|line| line.split(':').nth(1)).and_then(|rest| rest.split_whitespace().next());
        *count = number.ok_or_else(|| format!("no {column} in: {text}"))?.replace(',', "").parse()?;
    }
    Ok(counts)
}
