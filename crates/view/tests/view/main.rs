//! Answers to questions about results folders.

// clippy.toml allows it in tests, which does not cover the functions that they share.
#![allow(clippy::unwrap_used)]

mod best;
mod compare;
mod fixture;
mod page;
mod table;
mod wrong;
