//! `completions`.

use crate::args::Arguments;
use crate::exit::Exit;
use clap::CommandFactory;
use clap_complete::{Shell, generate};
use std::io::Write;

pub(crate) fn run(shell: Shell) -> anyhow::Result<Exit> {
    // Put together first: `generate` panics where it cannot write.
    let mut script = Vec::new();
    generate(shell, &mut Arguments::command(), "frostline", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(Exit::Done)
}
