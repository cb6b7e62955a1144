//! The subcommands of the engine's command line.

pub mod inspect;
pub mod quarantine;
pub mod run;
pub mod topics;
pub mod verify;
