//! Answers for programs.

use crate::exit::Exit;
use serde::Serialize;
use std::io::{BufWriter, Write};

pub(crate) fn print_json(value: &impl Serialize) -> anyhow::Result<Exit> {
    // Standard output alone passes on each line by itself, which takes longer than everything else.
    let mut out = BufWriter::new(std::io::stdout().lock());
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    out.flush()?;
    Ok(Exit::Done)
}
