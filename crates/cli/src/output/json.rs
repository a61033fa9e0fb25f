//! Answers for programs.

use crate::exit::Exit;
use serde::Serialize;
use std::io::Write;

pub(crate) fn print_json(value: &impl Serialize) -> anyhow::Result<Exit> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    Ok(Exit::Done)
}
