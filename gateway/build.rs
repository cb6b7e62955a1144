//! The version of the tables that this build reads: that of the last migration in the tree.

use std::path::Path;

fn main() {
    let folder = Path::new("../migrations");
    println!("cargo:rerun-if-changed={}", folder.display());
    let names = std::fs::read_dir(folder).expect("the migrations").map(|file| file.expect("a migration").file_name());
    // `V006__name.sql`
    let version = |name: &str| name.strip_prefix('V')?.split_once("__")?.0.parse::<i32>().ok();
    let last = names.filter_map(|name| version(name.to_str()?)).max().expect("at least one migration");
    println!("cargo:rustc-env=LFG_TABLES_VERSION={last}");
}
