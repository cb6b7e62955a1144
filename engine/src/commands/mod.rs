//! What an operator can ask for.

pub mod inspect;
pub mod quarantine;
pub mod run;
pub mod topics;
pub mod verify;
