//! New migrations are new files, which the compiler does not see by itself.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
