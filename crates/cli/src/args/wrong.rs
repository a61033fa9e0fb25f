//! What is said of a command line that is none: what was probably meant, in the words that work.

use super::Arguments;
use crate::exit::{Exit, wrong_input};
use crate::output;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};
use frostline_sweep::{keys, suggest};
use std::process::ExitCode;

/// What people type, and what does that here.
const COMMANDS: [(&[&str], &str); 18] = [
    (&["run", "train", "start", "fit", "tune", "sweep", "go"], "`frostline launch FILE` runs a sweep"),
    (&["new", "create", "template", "example"], "`frostline init` writes a first sweep"),
    (
        &["dry-run", "preview", "check", "validate", "estimate"],
        "`frostline plan FILE` checks a sweep and says what would run",
    ),
    (&["continue", "restart", "go-on"], "`frostline resume` continues a sweep"),
    (&["ls", "sweeps", "experiments", "studies"], "`frostline list` shows the sweeps"),
    (&["top", "results", "rank", "ranking", "leaderboard"], "`frostline best` ranks the trials of a sweep"),
    (&["progress", "ps", "trials"], "`frostline status` says how far a sweep is"),
    (
        &["plot", "graph", "chart", "dashboard", "ui", "web"],
        "`frostline report` writes a sweep as a file to look at, and `frostline serve` shows all of them in a browser",
    ),
    (&["importance", "importances", "analyze"], "`frostline effects` says which hyperparameter matters"),
    (&["stop", "kill", "abort"], "`frostline cancel` ends a sweep or one trial; Ctrl-C where it runs pauses it"),
    (&["inspect", "describe", "trial", "logs", "log"], "`frostline show TRIAL` says everything about one trial"),
    (&["download", "get", "pull"], "`frostline fetch` gets weights and data"),
    (&["imagenet", "pretrained", "models", "model"], "`frostline fetch` lists the pretrained weights that there are"),
    (&["networks", "backbones", "summary", "blocks"], "`frostline layers NETWORK` lists the layers of a network"),
    (
        &["infer", "inference", "classify", "test", "eval", "evaluate"],
        "`frostline predict TRIAL PICTURE` classifies pictures",
    ),
    (&["save", "onnx", "export_model", "torch"], "`frostline export-model TRIAL -o FOLDER` writes a trained model"),
    (
        &["csv", "dataframe", "tensorboard", "optuna", "dump"],
        "`frostline export --format FORMAT -o FOLDER` writes tables and logs",
    ),
    (&["info", "env", "version", "gpu", "devices", "setup"], "`frostline doctor` says what this machine has"),
];

/// What people call options of single commands, and what they are called here.
const OPTIONS: [(&[&str], &str); 6] = [
    (&["--top", "--count", "--head", "--number"], "`-n 5` says how many rows to show (best)"),
    (&["--filter", "--query", "--select"], "--where frozen_layers=all shows some of the trials (best, effects)"),
    (&["--resume", "--continue"], "`frostline resume` continues a sweep"),
    (
        &["--out", "--outdir", "--out-dir", "--dir"],
        "-o names what to write (export, export-model); --results the results folder",
    ),
    (&["--force", "--overwrite"], "--force-new replaces a sweep's trials (launch)"),
    (&["--watch", "--follow"], "`frostline watch` shows a sweep while it runs"),
];

/// Reads the command line.
///
/// # Errors
/// With what a program should end that has said what is wrong, or has shown its help.
pub(crate) fn read() -> Result<Arguments, ExitCode> {
    Arguments::try_parse().map_err(|mut error| {
        if let Some(message) = explained(&error) {
            output::error(&wrong_input(message));
            return ExitCode::from(Exit::WrongInput as u8);
        }
        // "to pass '--top' as a value, use '-- --top'" is never what was meant.
        if error.kind() == ErrorKind::UnknownArgument {
            error.remove(ContextKind::Suggested);
        }
        // A reader that has gone away needs no words.
        let _ = error.print();
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::WrongInput as u8))
    })
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text),
        _ => None,
    }
}

/// None where clap's own words do.
fn explained(error: &clap::Error) -> Option<String> {
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let of_weights = error.render().to_string().contains("frostline weights");
            text(error, ContextKind::InvalidSubcommand).filter(|_| !of_weights).map(unknown_command)
        }
        ErrorKind::UnknownArgument => {
            let flag = text(error, ContextKind::InvalidArg)?.split(['=', ' ']).next()?;
            unknown_option(flag).filter(|_| flag.starts_with('-'))
        }
        _ => None,
    }
}

/// What to say of a word that is no command.
pub(crate) fn unknown_command(word: &str) -> String {
    let plain = word.to_lowercase();
    let meant = COMMANDS.iter().find(|(words, _)| words.contains(&plain.as_str()));
    if let Some((_, advice)) = meant {
        return format!("there is no command `{word}`: {advice}");
    }
    // A name of many libraries, such as `lr`, or a key of a sweep's file.
    if let Some(key) = key_of(&plain, &keys::SECTIONS) {
        let name = key.name;
        return format!("there is no command `{word}`: `frostline help {name}` explains that key of a sweep's file");
    }
    let command = Arguments::command();
    let near = suggest::near(word, command.get_subcommands().map(clap::Command::get_name));
    format!("there is no command `{word}`{near}; `frostline help` lists them all")
}

/// The key that a word means, by its own name or by that of many libraries.
fn key_of<'a>(word: &str, sections: impl IntoIterator<Item = &'a keys::Section>) -> Option<&'static keys::Key> {
    sections.into_iter().find_map(|section| {
        let names = || keys::of(section.keys).map(|key| key.name);
        let name = names().find(|name| *name == word).or_else(|| suggest::synonym(word, names()))?;
        keys::find(section.keys, name)
    })
}

fn unknown_option(flag: &str) -> Option<String> {
    if let Some((_, advice)) = OPTIONS.iter().find(|(flags, _)| flags.contains(&flag)) {
        return Some(format!("there is no option `{flag}` here: {advice}"));
    }
    // A key of the definition, as another program's command line would take it.
    let word = flag.trim_start_matches('-').replace('-', "_");
    let key = key_of(&word, keys::SECTIONS.iter().filter(|section| !["grid", "exclude"].contains(&section.name)))?;
    let value = key.example.replace('"', "");
    Some(format!(
        "there is no option `{flag}`: a sweep's file says it as `{}` in [{}], and `plan` and `launch` take another value with  \
         --set {1}.{0}={value}",
        key.name, key.section
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_other_programs_lead_to_the_command() {
        assert_eq!(unknown_command("run"), "there is no command `run`: `frostline launch FILE` runs a sweep");
        assert_eq!(unknown_command("LS"), "there is no command `LS`: `frostline list` shows the sweeps");
        assert_eq!(
            unknown_command("lunch"),
            "there is no command `lunch`, did you mean `launch`; `frostline help` lists them all"
        );
        for (word, key) in [("lr", "learning_rate"), ("image_size", "image_size")] {
            let expected =
                format!("there is no command `{word}`: `frostline help {key}` explains that key of a sweep's file");
            assert_eq!(unknown_command(word), expected);
        }
        assert_eq!(unknown_command("qqq"), "there is no command `qqq`; `frostline help` lists them all");
    }

    #[test]
    fn the_words_are_no_commands_and_their_advice_names_some() {
        let command = Arguments::command();
        let is_command = |word: &str| command.get_subcommands().any(|known| known.get_name() == word);
        let mut seen = std::collections::BTreeSet::new();
        for (words, advice) in COMMANDS {
            for word in words {
                assert!(!is_command(word), "`{word}` is a command");
                assert!(seen.insert(*word), "`{word}` is there twice");
            }
            let named: Vec<&str> =
                advice.split("`frostline ").skip(1).filter_map(|rest| rest.split([' ', '`']).next()).collect();
            assert!(!named.is_empty() && named.iter().all(|name| is_command(name)), "{advice}");
        }
    }

    #[test]
    fn a_key_of_the_file_is_no_option_and_says_how_to_set_it() {
        assert_eq!(
            unknown_option("--epochs").unwrap(),
            "there is no option `--epochs`: a sweep's file says it as `epochs` in [train], and `plan` and `launch` take another \
             value with  --set train.epochs=3"
        );
        assert!(unknown_option("--lr").unwrap().ends_with("--set train.learning_rate=3e-4"));
        assert!(unknown_option("--batch-size").unwrap().ends_with("--set train.batch_size=50"));
        assert!(unknown_option("--top").unwrap().contains("`-n 5`"));
        assert_eq!(unknown_option("--wehre"), None);
    }
}
