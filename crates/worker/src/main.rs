//! `frostline-worker`: the process that links libtorch. Commands of `frostline` start it; people rarely do.
//!
//! It puts `link` and `training` together and owns nothing but the process: its log, its device, its signals, its allocator.

mod connect;
mod info;
mod join;
mod slurm;
mod tools;
mod trainer;

use clap::{Parser, Subcommand};
use frostline_protocol::tools::in_words;
use std::io::Write;
use std::process::ExitCode;

/// Runs trials for a Frostline coordinator
#[derive(Parser)]
#[command(name = "frostline-worker", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a coordinator until it has no more work
    Connect(connect::Arguments),
    /// Work for a coordinator on another machine until it has no more to do, or this process' time is over
    #[command(after_help = join::EXAMPLES)]
    Join(join::Arguments),
    /// Say what libtorch finds on this machine
    Info(info::Arguments),
    /// Write a trained model for other libraries
    #[command(hide = true)]
    Export,
    /// Say what is on pictures
    #[command(hide = true)]
    Classify,
    /// Write the output of a layer
    #[command(hide = true)]
    Features,
    /// Say what computing takes on this machine
    #[command(hide = true)]
    Measure,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Connect(arguments) => connect::run(arguments),
        Command::Join(arguments) => join::run(arguments),
        Command::Info(arguments) => info::run(&arguments),
        Command::Export => tools::export(),
        Command::Classify => tools::classify(),
        Command::Features => tools::features(),
        Command::Measure => tools::measure(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not the log: it may not be set up yet, and standard error goes to the same file.
            let _ = writeln!(std::io::stderr(), "error: {}", in_words(error.chain()));
            ExitCode::FAILURE
        }
    }
}
