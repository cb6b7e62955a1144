//! Two builds of the product at the same time: one that knows the first vocabulary, and one that
//! knows the next.
//!
//! Both run the same code. The older build differs only in what it can know of the log:
//! vocabularies, and the frames that need them. (`ops/upgrade` runs two real builds.)

use schemas::frame::FIRST_VOCABULARY;
use schemas::{Build, Program};

/// The vocabulary that only the newer build knows. The oracles read all vocabularies.
pub const NEXT: u16 = FIRST_VOCABULARY + 1;

pub const OLDER: Program = Program { reads: FIRST_VOCABULARY, build: Build { major: 1, minor: 0, patch: 0 } };
pub const NEWER: Program = Program { reads: NEXT, build: Build { major: 1, minor: 1, patch: 0 } };
