//! Every command with every flag, invoked to success, and what it then says. [`every_flag_is_tried`] holds this module to
//! what the program's own help lists.

mod first;
mod models;
mod questions;
mod runs;

use crate::place::Place;
use std::collections::BTreeSet;

const SOURCES: [&str; 4] =
    [include_str!("first.rs"), include_str!("models.rs"), include_str!("questions.rs"), include_str!("runs.rs")];

/// The first words of the lines of one section of a help text, such as `launch` or `--json`.
fn entries(help: &str, section: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != section).skip(1);
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with(' '));
    lines.filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

/// Commands below this one.
fn subcommands(place: &Place, command: &str) -> Vec<String> {
    let help = place.succeed(&format!("{command} --help")).stdout;
    let name = |line: String| {
        let indented = line.strip_prefix("  ").is_some_and(|rest| !rest.starts_with(' '));
        indented.then(|| line.split_whitespace().next().unwrap().to_owned())
    };
    let names = entries(&help, "Commands:").into_iter().filter_map(name);
    names.map(|name| format!("{command} {name}").trim().to_owned()).collect()
}

/// The spellings of each flag of a command: `["-o", "--output"]`.
fn flags(place: &Place, command: &str) -> Vec<Vec<String>> {
    let help = place.succeed(&format!("{command} --help")).stdout;
    let spellings = |line: String| {
        let words = line.trim().split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned);
        let words: Vec<String> = words.take_while(|word| word.starts_with('-') && word != "-").collect();
        (!words.is_empty()).then(|| words.iter().map(|word| word.trim_end_matches('.').to_owned()).collect())
    };
    entries(&help, "Options:").into_iter().filter_map(spellings).collect()
}

/// What the tests of this module write between quotes, as words.
fn invocations() -> Vec<Vec<&'static str>> {
    let quoted = SOURCES.iter().flat_map(|source| source.lines()).flat_map(|line| line.split('"').skip(1).step_by(2));
    quoted.map(|text| text.split_whitespace().collect()).collect()
}

/// Global flags are tried with some command, the others with theirs.
#[test]
fn every_flag_is_tried() {
    let place = Place::new();
    let (global, said) = (["--results", "--verbose", "--color", "--help", "--version"], invocations());
    let mut missing = BTreeSet::new();
    let mut commands = subcommands(&place, "");
    commands.extend(subcommands(&place, "weights"));
    assert!(commands.len() > 20 && commands.contains(&"weights convert".to_owned()), "{commands:?}");
    for command in commands.iter().filter(|command| *command != "weights") {
        let words: Vec<&str> = command.split(' ').collect();
        let of_it: Vec<_> = said.iter().filter(|said| said.starts_with(&words)).collect();
        if of_it.is_empty() {
            missing.insert(command.clone());
        }
        let flags = flags(&place, command);
        assert!(flags.iter().any(|spellings| spellings.contains(&"--results".to_owned())), "{command}: {flags:?}");
        for spellings in flags {
            let is_tried = of_it.iter().any(|said| said.iter().any(|word| spellings.iter().any(|it| it == word)));
            if !is_tried && !spellings.iter().any(|it| global.contains(&it.as_str())) {
                missing.insert(format!("{command} {}", spellings.join("|")));
            }
        }
    }
    for global in ["--results", "-v", "-vv", "--color", "--version"] {
        if !said.iter().any(|said| said.contains(&global)) {
            missing.insert(global.to_owned());
        }
    }
    assert!(missing.is_empty(), "no test in tests/cli/commands has any of these succeed: {missing:#?}");
}
