//! `completions`.

use crate::args::Arguments;
use crate::exit::Exit;
use clap::CommandFactory;
use clap_complete::{Shell, generate};

pub(crate) fn run(shell: Shell) -> anyhow::Result<Exit> {
    generate(shell, &mut Arguments::command(), "frostline", &mut std::io::stdout().lock());
    Ok(Exit::Done)
}
