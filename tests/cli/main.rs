//! The command line, driven as people and scripts drive it: the real programs, each test in a folder of its own.
//!
//! Most sweeps here run with workers that are real processes and report made-up metrics at once; [`real`] trains.

// clippy.toml allows it in tests, which does not cover the functions that they share.
#![allow(clippy::unwrap_used)]

#[macro_use]
mod place;

mod before;
mod cancelling;
mod checkpoints;
mod commands;
mod confused;
mod disturbed;
mod elsewhere;
mod exports;
mod gpus;
mod networks;
mod pictures;
mod queued;
mod ranking;
mod real;
mod remedies;
mod reports;
mod shared_disk;
mod slurm;
mod ssh;
mod startup;
mod surroundings;
mod sweeps;
mod terminal;
mod trouble;
mod wrong_definitions;
mod wrong_files;
mod wrong_grids;
mod wrong_questions;
