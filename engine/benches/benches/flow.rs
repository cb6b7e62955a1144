//! Makes all reference flows and checks them against their specification.

use engine_benches::flow::{Flow, Variant};

fn main() {
    for (variant, books) in [(Variant::A, 1), (Variant::A, 1_000), (Variant::B, 1), (Variant::B, 1_000)] {
        let flow = Flow::make(variant, books);
        println!("{variant:?} with {books} books: {:?}", flow.expected);
    }
}
