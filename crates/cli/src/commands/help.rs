//! `help`: a command, or a key of a sweep's file.

use crate::args::{self, Arguments, unknown_command};
use crate::exit::{Exit, wrong_input};
use crate::output::{BOLD, Table, wrapped};
use clap::CommandFactory;
use frostline_sweep::keys::{self, Fallback, Key, SECTIONS};
use std::io::Write;

/// The word for all keys.
const KEYS: &str = "keys";

pub(crate) fn run(arguments: &args::Help) -> anyhow::Result<Exit> {
    let words: Vec<&str> = arguments.about.iter().map(String::as_str).collect();
    let mut out = anstream::stdout().lock();
    match words[..] {
        [KEYS] => return write!(out, "{}", all()).map(|()| Exit::Done).map_err(Into::into),
        [word] if is_key(word) => {
            for key in named(word) {
                write!(out, "{}", about(key))?;
            }
            return Ok(Exit::Done);
        }
        _ => {}
    }
    let mut command = &Arguments::command();
    for word in &words {
        let found = command.find_subcommand(word);
        command = found.ok_or_else(|| wrong_input(unknown_command(word)))?;
    }
    // The same as what `--help` says.
    let asked = ["frostline"].into_iter().chain(words).chain(["--help"]);
    if let Err(help) = Arguments::command().try_get_matches_from(asked) {
        write!(out, "{}", help.render().ansi())?;
    }
    Ok(Exit::Done)
}

/// Sections with keys of their own.
fn sections() -> impl Iterator<Item = &'static str> {
    SECTIONS.iter().map(|section| section.name).filter(|name| keys::of(name).next().is_some())
}

fn named(word: &str) -> impl Iterator<Item = &'static Key> {
    sections().filter_map(move |section| keys::find(section, word))
}

fn is_key(word: &str) -> bool {
    let is_command = Arguments::command().find_subcommand(word).is_some();
    !is_command && named(word).next().is_some()
}

fn default(key: &Key) -> String {
    match key.default {
        Fallback::Required => "required".to_owned(),
        Fallback::Is(value) => value.to_owned(),
        Fallback::Follows(words) => plain(words),
    }
}

/// Without Markdown's marks.
fn plain(text: &str) -> String {
    let mut plain = text.replace('`', "");
    // "[your-own-images.md](your-own-images.md)".
    while let Some((start, rest)) = plain.split_once("](").map(|(start, rest)| (start.to_owned(), rest.to_owned())) {
        let (Some(before), Some((_, after))) = (start.rfind('['), rest.split_once(')')) else { break };
        plain = format!("{}{}{after}", &start[..before], &start[before + 1..]);
    }
    plain
}

fn about(key: &Key) -> String {
    let axis = if key.section == keys::HYPERPARAMETERS { ", or in [grid] with a list of values" } else { "" };
    format!(
        "{BOLD}{}{BOLD:#}, in [{}]{axis}\n  {}\n  value    {}\n  default  {}\n  example  {} = {}\n",
        key.name,
        key.section,
        wrapped(&plain(key.meaning), 80 - 2, 2),
        wrapped(&plain(&key.kind.wanted()), 80 - 11, 11),
        default(key),
        key.name,
        key.example
    )
}

fn all() -> String {
    let mut text = String::new();
    for section in sections() {
        let also = if section == keys::HYPERPARAMETERS { ", with one value each; in [grid] with a list" } else { "" };
        let mut table = Table::new(&["key", "default", "example"]);
        for key in keys::of(section) {
            table.row([key.name.to_owned(), default(key), key.example.to_owned()]);
        }
        text += &format!("{BOLD}[{section}]{BOLD:#}{also}\n{}\n", table.fitted());
    }
    text + "`frostline help KEY` says what a key means and what it may be.\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_explained_without_marks() {
        for key in sections().flat_map(keys::of) {
            let text = anstream::adapter::strip_str(&about(key)).to_string();
            assert!(!text.contains('`') && !text.contains("]("), "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        }
        let meaning = plain("pictures ([your-own-images.md](your-own-images.md)); or `\"shapes\"`");
        assert_eq!(meaning, "pictures (your-own-images.md); or \"shapes\"");
    }
}
