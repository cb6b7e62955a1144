//! The Redis read models.

pub mod keys;
