//! Tests the architecture: which names and crates the core must not use, and why.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};

/// A forbidden word in the core's source, and its replacement.
const FORBIDDEN: &[(&str, &str)] = &[
    ("SystemTime", "time arrives with the command: CommandContext::time"),
    ("Instant", "time arrives with the command: CommandContext::time"),
    ("HashMap", "BTreeMap, or state::Table for look-ups by id"),
    ("HashSet", "BTreeSet"),
    ("f32", "integers: ticks, contracts, micro-credits"),
    ("f64", "integers: ticks, contracts, micro-credits"),
    ("std::fs", "bytes that the process reads and writes"),
    ("std::net", "records that the process reads and writes"),
    ("std::env", "a parameter"),
    ("std::thread", "one thread per shard, started by the process"),
    ("rand::", "random values arrive with the command"),
    ("tracing::", "events: the log records everything"),
    ("println!", "events: the log records everything"),
    ("unsafe", "safe code"),
];

/// The allowed dependencies of the core, in builds that run.
const DEPENDENCIES: &[&str] = &["blake3", "bincode", "prefetch-index", "schemas", "thiserror", "twox-hash"];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_core_uses_no_clock_no_randomness_and_no_io() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut faults = Vec::new();
    for path in sources(&root.join("src")) {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
        for (number, line) in code {
            for (word, instead) in FORBIDDEN {
                let whole = line.match_indices(word).any(|(at, _)| is_whole(line, at, word.len()));
                if whole {
                    faults.push(format!("{}:{}: {word}; use {instead}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn is_whole(line: &str, at: usize, length: usize) -> bool {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    !word(line[..at].chars().next_back()) && !word(line[at + length..].chars().next())
}

#[test]
fn the_core_depends_only_on_the_allowed_crates() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let section = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let found: Vec<_> =
        section.lines().filter_map(|line| line.split(['.', ' ', '=']).next().filter(|w| !w.is_empty())).collect();
    assert_eq!(found, DEPENDENCIES);
}

/// The project's own crates that each crate may use, in builds that run: see ARCHITECTURE.md.
const OWN: &[(&str, &[&str])] = &[
    ("schemas", &[]),
    ("ops/service", &["schemas"]),
    ("engine/core", &["schemas"]),
    ("engine/snapshots", &["engine-core", "schemas"]),
    ("engine", &["engine-core", "schemas", "service", "snapshots"]),
    ("engine/simulation", &["engine", "engine-core", "schemas", "service"]),
    ("projections", &["schemas", "service"]),
    // Only the pure core, never the engine's shell: this crate follows the log and decides nothing
    // that is written.
    ("gateway", &["engine-core", "schemas", "service", "snapshots"]),
    ("loadtest", &["schemas", "service"]),
];

/// Returns the lines of a section of a manifest, each up to its first `=` or `.`.
fn section(manifest: &str, name: &str) -> Vec<String> {
    let Some((_, rest)) = manifest.split_once(&format!("\n[{name}]\n")) else { return Vec::new() };
    let lines = rest.split("\n[").next().unwrap().lines();
    let first = |line: &str| line.split(['.', ' ', '=']).next().filter(|word| !word.is_empty()).map(str::to_owned);
    lines.filter_map(first).collect()
}

#[test]
fn dependencies_run_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let manifest = |folder: &str| fs::read_to_string(root.join(folder).join("Cargo.toml")).unwrap();
    let name = |folder: &str| {
        let text = manifest(folder);
        let line = text.lines().find(|line| line.starts_with("name = ")).unwrap().to_owned();
        line.split('"').nth(1).unwrap().to_owned()
    };
    let own: Vec<String> = OWN.iter().map(|(folder, _)| name(folder)).collect();
    for (folder, allowed) in OWN {
        let used = section(&manifest(folder), "dependencies");
        let found: Vec<&String> = used.iter().filter(|dependency| own.contains(dependency)).collect();
        assert_eq!(found, allowed.iter().collect::<Vec<_>>(), "the project's crates that {folder} uses");
    }
    let workspace = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let (_, members) = workspace.split_once("\nmembers = [").unwrap();
    let (members, _) = members.split_once(']').unwrap();
    let mut members: Vec<&str> = members.split('"').skip(1).step_by(2).collect();
    let mut listed: Vec<&str> = OWN.iter().map(|(folder, _)| *folder).collect();
    members.sort_unstable();
    listed.sort_unstable();
    assert_eq!(members, listed, "each crate has a row in OWN");
}

/// The load tester audits what the engine and the projections compute with `schemas::effects`.
#[test]
fn the_load_tester_audits_with_arithmetic_of_its_own() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../loadtest/src");
    for path in sources(&root).into_iter().filter(|path| !path.ends_with("tests.rs")) {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let found = code
            .into_iter()
            .find(|line| line.match_indices("effects").any(|(at, word)| is_whole(line, at, word.len())));
        assert_eq!(found, None, "{} uses `schemas::effects`: use `fold::sums`", path.display());
    }
}

#[test]
fn only_apply_changes_a_state() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/decide");
    let changing = [" = ", "+= ", ".insert(", ".remove(", ".entry(", ".push_back(", ".pop_", ".get_mut(", ".clear("];
    let changes = |line: &&str| {
        let state = [".facts.", ".lookup."].iter().find_map(|part| line.split_once(part));
        let changed = state.is_some_and(|(_, rest)| changing.iter().any(|change| rest.contains(change)));
        changed && !line.contains("let ")
    };
    for path in sources(&root) {
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().find(changes), None, "{} changes the state: only apply.rs may", path.display());
    }
}
