//! `note`: a sentence about a sweep.

use crate::args::{self, Common};
use crate::exit::{Exit, wrong_input};
use crate::output;
use crate::record;
use anyhow::bail;
use frostline_coordinator::request;
use frostline_protocol::{Command, Response};
use frostline_store::Writer;
use std::io::Write;

/// Lists and pages show it in a line.
const MOST: usize = 500;

pub(crate) fn run(common: &Common, arguments: &args::Note) -> anyhow::Result<Exit> {
    let sweep = &arguments.sweep;
    let Some(text) = &arguments.text else {
        let note = record::open(common)?.note(sweep)?;
        let note = note.unwrap_or_else(|| format!("nothing is noted of `{sweep}`"));
        writeln!(anstream::stdout().lock(), "{note}")?;
        return Ok(Exit::Done);
    };
    // One line, whatever was typed: control characters would move the cursor of whoever lists it.
    let text = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let text = text.collect::<Vec<_>>().join(" ");
    let length = text.chars().count();
    if length > MOST {
        return Err(wrong_input(format!("the note has {length} characters, and room for {MOST}: shorten it")));
    }
    record::open(common)?.note(sweep)?;
    match request(&common.results, Command::Note { sweep: sweep.clone(), text: text.clone() })? {
        Some(Response::Done(_)) => {}
        Some(Response::Refused(reason)) => bail!("nothing was noted: {reason}"),
        // Where no coordinator runs, its database is free to be written.
        None => Writer::open(&common.results)?.note(sweep, &text)?,
    }
    output::note(&match text.is_empty() {
        true => format!("nothing is noted of `{sweep}` any more"),
        false => format!("noted of `{sweep}`: {text}"),
    });
    Ok(Exit::Done)
}
