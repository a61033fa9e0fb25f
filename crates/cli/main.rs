//! `frostline`: the command line. It starts in milliseconds because libtorch is linked by the workers alone.

mod args;
mod commands;
mod costs;
mod machine;
mod output;
mod prepare;
mod space;
mod trained;

use args::{Arguments, Command};
use clap::Parser;
use commands::{
    best, cancel, completions, doctor, export, features, fetch, launch, layers, list, plan, predict, schema, show,
    verify, weights,
};
use std::process::ExitCode;

/// What a command has come to, as an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    Done = 0,
    Error = 1,
    WrongInput = 2,
    SomeFailed = 3,
    Interrupted = 130,
}

/// An error that is the input's fault, not the program's.
#[derive(Debug)]
struct WrongInput(String);

impl std::fmt::Display for WrongInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongInput {}

fn wrong_input(message: impl ToString) -> anyhow::Error {
    anyhow::Error::new(WrongInput(message.to_string()))
}

fn main() -> ExitCode {
    let Arguments { common, command } = Arguments::parse();
    let result = match command {
        Command::Plan(arguments) => plan::run(&common, &arguments),
        Command::Launch(arguments) => launch::launch(&common, &arguments),
        Command::Resume(arguments) => launch::resume(&common, &arguments),
        Command::Best(arguments) => best::run(&common, &arguments),
        Command::List(json) => list::list(&common, json),
        Command::Status(arguments) => list::status(&common, &arguments),
        Command::Show(arguments) => show::run(&common, &arguments),
        Command::Cancel(arguments) => cancel::cancel(&common, &arguments),
        Command::Retry(arguments) => cancel::retry(&common, &arguments),
        Command::Verify(arguments) => verify::verify(&common, &arguments),
        Command::Backup(arguments) => verify::backup(&common, &arguments),
        Command::Fetch(arguments) => fetch::run(&arguments),
        Command::Weights(arguments) => weights::run(&arguments),
        Command::Layers(arguments) => layers::run(&arguments),
        Command::Features(arguments) => features::run(&arguments),
        Command::ExportModel(arguments) => export::run(&common, &arguments),
        Command::Predict(arguments) => predict::run(&common, &arguments),
        Command::Doctor(json) => doctor::run(&common, json),
        Command::Schema => schema::run(),
        Command::Completions { shell } => completions::run(shell),
    };
    let exit = result.unwrap_or_else(|error| {
        if is_closed_pipe(&error) {
            return Exit::Done;
        }
        output::error(&error);
        exit_code(&error)
    });
    ExitCode::from(exit as u8)
}

fn exit_code(error: &anyhow::Error) -> Exit {
    use frostline_store::StoreError::{AmbiguousTrial, Missing, UnknownSweep, UnknownTrial};
    let unknown = error.downcast_ref().is_some_and(|error| {
        matches!(error, UnknownSweep { .. } | UnknownTrial { .. } | AmbiguousTrial { .. } | Missing { .. })
    });
    if unknown || error.is::<WrongInput>() { Exit::WrongInput } else { Exit::Error }
}

/// Whoever read our output has seen enough, as `head` does.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    kind == Some(std::io::ErrorKind::BrokenPipe)
}
