//! The commands of the command line: one file or folder for each, with its arguments and its report.

pub mod demo;
pub mod floor;
pub mod hostile;
pub mod rate_search;
pub mod seed;
pub mod verify;
