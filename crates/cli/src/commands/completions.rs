//! `completions`.

use crate::Exit;
use crate::args::Arguments;
use clap::CommandFactory;
use clap_complete::{Shell, generate};

pub(crate) fn run(shell: Shell) -> anyhow::Result<Exit> {
    generate(shell, &mut Arguments::command(), "frostline", &mut std::io::stdout().lock());
    Ok(Exit::Done)
}
