//! Each name has one meaning: the name of a public type is defined once in the whole project.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders with production code. The excluded workspaces of benches and fuzzing targets have their
/// own names.
const SOURCES: &[&str] = &[
    "engine/core/src",
    "engine/simulation/src",
    "engine/snapshots/src",
    "engine/src",
    "gateway/src",
    "loadtest/src",
    "ops/service/src",
    "projections/src",
    "schemas/src",
];

/// Finds types at the top level of a file, and public ones in a macro's call. Returns the name, and
/// whether other files can use it.
fn defined(line: &str) -> Option<(&str, bool)> {
    let line = if line.trim_start().starts_with("pub ") { line.trim_start() } else { line };
    let (is_public, rest) = match line.strip_prefix("pub") {
        Some(rest) => (true, rest.strip_prefix(" ").or_else(|| rest.split_once(") ").map(|(_, rest)| rest))?),
        None => (false, line),
    };
    let name = ["struct ", "enum ", "trait ", "type ", "union "].iter().find_map(|kind| rest.strip_prefix(kind))?;
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
    // A macro's own definition has a parameter in place of a name.
    (end > 0).then_some((&name[..end], is_public))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
        match path.extension() {
            _ if is_test => {}
            Some(extension) if extension == "rs" => found.push(path),
            _ if path.is_dir() => files(&path, found),
            _ => {}
        }
    }
}

#[test]
fn a_public_types_name_is_defined_once() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut paths = Vec::new();
    SOURCES.iter().for_each(|folder| files(&root.join(folder), &mut paths));
    let mut definitions: BTreeMap<String, Vec<(String, bool)>> = BTreeMap::new();
    for path in &paths {
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
        let file = path.strip_prefix(&root).unwrap().display().to_string();
        for (name, is_public) in code.lines().filter_map(defined) {
            definitions.entry(name.to_owned()).or_default().push((file.clone(), is_public));
        }
    }
    assert!(
        definitions.len() > 500,
        "only {} types were found: does the test look in the right folders?",
        definitions.len()
    );
    let twice = definitions.iter().filter(|(_, all)| all.len() > 1 && all.iter().any(|(_, is_public)| *is_public));
    let faults: Vec<String> = twice
        .map(|(name, all)| {
            let files: Vec<&str> = all.iter().map(|(file, _)| file.as_str()).collect();
            format!("{name}: {}", files.join(", "))
        })
        .collect();
    assert!(faults.is_empty(), "give each of these types its own name:\n{}", faults.join("\n"));
}

#[test]
fn definitions_are_found() {
    assert_eq!(defined("pub struct Book<T> {"), Some(("Book", true)));
    assert_eq!(defined("pub(crate) enum Side {"), Some(("Side", true)));
    assert_eq!(defined("type Key = u64;"), Some(("Key", false)));
    assert_eq!(defined("    pub struct OfAMacro {"), Some(("OfAMacro", true)));
    assert_eq!(defined("    struct Nested;"), None);
    assert_eq!(defined("    pub struct $name {"), None);
    assert_eq!(defined("pub fn structure() {"), None);
}
