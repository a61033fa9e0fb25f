//! The server over real sockets: what it says, and to whom it says nothing.

// clippy.toml allows it in tests, which does not cover the functions that they share.
#![allow(clippy::unwrap_used)]

mod browser;
mod made;
mod pages;
mod refusals;
