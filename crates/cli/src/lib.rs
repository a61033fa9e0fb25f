//! Asking: the commands of `frostline` and what they print.
//!
//! It owns arguments, words, tables and exit codes; only the modules of this crate print. It must not know libtorch, which
//! the workers alone link, so that it starts in milliseconds, nor any SQL; what it prints comes from the crates below.

mod args;
mod asked;
mod choice;
mod commands;
mod costs;
mod engine;
mod exit;
mod gallery;
mod gpus;
mod hosts;
mod learning;
mod log;
mod machine;
mod measure;
mod memory;
mod output;
mod prepare;
mod record;
mod refusal;
mod setting;
mod sources;
mod space;
mod team;
mod trained;
mod watch;

use args::{Arguments, Command, Common};
use commands::{
    backup, best, cancel, compare, completions, doctor, effects, export, export_model, extend, features, fetch, help,
    init, join, launch, layers, list, note, overview, plan, predict, report, retrain, retry, rm, schema, serve, show,
    status, verify, weights,
};
use exit::{Exit, is_closed_pipe};
use std::process::ExitCode;

/// A file that would become larger than this process may write (`ulimit -f`) is an error to whoever writes it, and not the
/// end of the process. Workers inherit that.
fn survive_large_files() {
    // SAFETY: no handler is installed, and no other thread runs yet.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// The program: reads the arguments, runs the command, says what went wrong.
pub fn main() -> ExitCode {
    survive_large_files();
    args::answer_shell();
    let Arguments { common, command } = match args::read() {
        Ok(arguments) => arguments,
        Err(exit) => return exit,
    };
    common.color.choose();
    let exit = answer(&common, command).unwrap_or_else(|error| {
        if is_closed_pipe(&error) {
            return Exit::Done;
        }
        output::error(&error);
        Exit::of(&error)
    });
    ExitCode::from(exit as u8)
}

fn answer(common: &Common, command: Option<Command>) -> anyhow::Result<Exit> {
    let Some(mut command) = command else { return overview::run(common) };
    choice::resolve(common, &mut command)?;
    match command {
        Command::Init(arguments) => init::run(common, &arguments),
        Command::Plan(arguments) => plan::run(common, &arguments),
        Command::Launch(arguments) => launch::launch(common, &arguments),
        Command::Resume(arguments) => launch::resume(common, &arguments),
        Command::Join(arguments) => join::run(&arguments),
        Command::Best(arguments) => best::run(common, &arguments),
        Command::Compare(arguments) => compare::run(common, &arguments),
        Command::Effects(arguments) => effects::run(common, &arguments),
        Command::List(json) => list::run(common, json),
        Command::Status(arguments) => status::run(common, &arguments),
        Command::Watch(arguments) => commands::watch::run(common, &arguments),
        Command::Show(arguments) => show::run(common, &arguments),
        Command::Cancel(arguments) => cancel::run(common, &arguments),
        Command::Extend(arguments) => extend::run(common, &arguments),
        Command::Retrain(arguments) => retrain::run(common, &arguments),
        Command::Retry(arguments) => retry::run(common, &arguments),
        Command::Rm(arguments) => rm::run(common, &arguments),
        Command::Note(arguments) => note::run(common, &arguments),
        Command::Verify(arguments) => verify::run(common, &arguments),
        Command::Backup(arguments) => backup::run(common, &arguments),
        Command::Report(arguments) => report::run(common, &arguments),
        Command::Serve(arguments) => serve::run(common, &arguments),
        Command::Export(arguments) => export::run(common, &arguments),
        Command::Fetch(arguments) => fetch::run(&arguments),
        Command::Weights(arguments) => weights::run(&arguments),
        Command::Layers(arguments) => layers::run(&arguments),
        Command::Features(arguments) => features::run(&arguments),
        Command::ExportModel(arguments) => export_model::run(common, &arguments),
        Command::Predict(arguments) => predict::run(common, &arguments),
        Command::Doctor(json) => doctor::run(common, json),
        Command::Schema => schema::run(),
        Command::Help(arguments) => help::run(&arguments),
        Command::Completions { shell } => completions::run(shell),
    }
}
