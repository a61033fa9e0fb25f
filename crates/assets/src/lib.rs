//! What comes from outside: weights files, data sets, and the catalogue that they are fetched from.
//!
//! It owns reading what others wrote, without running any of it, and every wait for a server. It must not know libtorch, so
//! that the command line can check all of it before a sweep begins, nor what a file is wanted for.

pub mod cache;
pub mod catalogue;
pub mod data;
pub mod division;
pub mod fetch;
pub mod judged;
pub mod kept;
pub mod layout;
pub mod picture;
pub mod safetensors;
pub mod subset;
pub mod views;
pub mod weights;

#[cfg(test)]
#[path = "../tests/support/checkpoint.rs"]
mod checkpoint;
