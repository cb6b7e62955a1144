//! Files use each other in one direction: no new circles between the files of a crate.
//!
//! A file uses another one if it names what that file defines: in a `use`, by a path, or by a name
//! that it re-exports and uses itself. Declaring a child and re-exporting from it is no use. Code of
//! tests does not count. Calls of methods are not seen.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod source_tree;

use std::collections::BTreeMap;
use std::path::Path;

use source_tree::SourceTree;

/// The sources of each crate.
const CRATES: &[&str] = &[
    "schemas/src",
    "ops/service/src",
    "engine/core/src",
    "engine/snapshots/src",
    "engine/src",
    "engine/simulation/src",
    "projections/src",
    "gateway/src",
    "loadtest/src",
];

/// A circle that is allowed: where its files are, and how many they are at most.
struct AllowedCircle {
    sources: &'static str,
    folders: &'static [&'static str],
    files: usize,
    /// Why the files belong together.
    #[allow(dead_code, reason = "for people")]
    reason: &'static str,
}

const ALLOWED: &[AllowedCircle] = &[
    AllowedCircle {
        sources: "engine/core/src",
        folders: &["decide/"],
        files: 20,
        reason: "Matching is recursive: an order that lacks credits is parked, and what was parked is placed, amended or \
                 sent as a batch again; a fill ends other orders, which may resume parked ones.",
    },
    AllowedCircle {
        sources: "engine/core/src",
        folders: &["state/", "hash/"],
        files: 17,
        reason: "The state keeps the hash of its tables up to date with each change, and the hash is over the state's \
                 types.",
    },
    AllowedCircle {
        sources: "projections/src",
        folders: &["fold/"],
        files: 6,
        reason: "`RowChanges` has the rows of all topics, and each topic's file has its rows and how they are folded.",
    },
    AllowedCircle {
        sources: "loadtest/src",
        folders: &["fold/"],
        files: 7,
        reason: "`Fold` has the rows of all topics, and each topic's file has its rows and how they are folded.",
    },
];

#[test]
fn files_use_each_other_in_one_direction() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut faults = Vec::new();
    for sources in CRATES {
        let tree = SourceTree::read(&root.join(sources));
        let uses = tree.uses();
        for circle in circles(&uses) {
            let is_in = |allowed: &&AllowedCircle| {
                let inside = |file: &&usize| allowed.folders.iter().any(|f| tree.path(**file).starts_with(f));
                allowed.sources == *sources && circle.iter().all(|file| inside(&file))
            };
            if ALLOWED.iter().find(is_in).is_none_or(|allowed| circle.len() > allowed.files) {
                let edge = |from: &usize, to: &usize| {
                    let what = uses[from].get(to)?;
                    Some(format!("  {} uses {} of {}", tree.path(*from), what, tree.path(*to)))
                };
                let edges = circle.iter().flat_map(|from| circle.iter().filter_map(move |to| edge(from, to)));
                faults.push(format!(
                    "{sources}: a circle of {} files:\n{}",
                    circle.len(),
                    edges.collect::<Vec<_>>().join("\n")
                ));
            }
        }
    }
    let advice = "move what both sides use into a file of its own";
    assert!(faults.is_empty(), "{advice}\n{}", faults.join("\n"));
}

/// Which file uses which, with an example.
type Uses = BTreeMap<usize, BTreeMap<usize, String>>;

/// Returns the groups of files each of which reaches all others of its group.
fn circles(uses: &Uses) -> Vec<Vec<usize>> {
    let reached = |from: usize| {
        let (mut open, mut found) = (vec![from], std::collections::BTreeSet::new());
        while let Some(file) = open.pop() {
            open.extend(uses[&file].keys().filter(|to| found.insert(**to)));
        }
        found
    };
    let reached: BTreeMap<usize, _> = uses.keys().map(|file| (*file, reached(*file))).collect();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for file in uses.keys().filter(|file| reached[file].contains(file)) {
        match groups.iter_mut().find(|group| reached[&group[0]].contains(file) && reached[file].contains(&group[0])) {
            Some(group) => group.push(*file),
            None => groups.push(vec![*file]),
        }
    }
    groups
}

#[test]
fn a_circle_is_found() {
    let files = [
        ("lib.rs", "mod a;\nmod b;\nmod c;\npub use a::One;"),
        ("a.rs", "use crate::b::{Two, Three as Other};\npub struct One;"),
        (
            "b.rs",
            "pub struct Two;\n#[cfg(test)]\nmod tests {\n    use crate::c::Four;\n}\nfn f() -> crate::One { todo() }",
        ),
        ("c.rs", "// use crate::a::One;\nuse crate::b::Two;\npub struct Four; // crate::a::One"),
    ];
    let tree = SourceTree::of(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
    let names =
        circles(&tree.uses()).into_iter().map(|circle| circle.iter().map(|f| tree.path(*f)).collect::<Vec<_>>());
    assert_eq!(names.collect::<Vec<_>>(), [["a.rs", "b.rs"]]);
}

#[test]
fn a_parent_that_re_exports_is_in_a_circle_only_if_it_uses_what_it_re_exports() {
    let circles_with = |lib: &str| {
        let files = [("lib.rs", lib), ("a.rs", "use crate::Own;\npub struct One;")];
        let tree = SourceTree::of(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
        circles(&tree.uses()).len()
    };
    assert_eq!(circles_with("mod a;\npub use a::One;\npub struct Own;"), 0);
    assert_eq!(circles_with("mod a;\npub use a::One;\npub struct Own(One);"), 1);
    assert_eq!(circles_with("mod a;\npub struct Own;\nfn f() { a::One; }"), 1);
}
