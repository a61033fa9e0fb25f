//! `completions`.

use crate::args::completion_script;
use crate::exit::Exit;
use clap_complete::Shell;
use std::io::Write;

pub(crate) fn run(shell: Shell) -> anyhow::Result<Exit> {
    std::io::stdout().lock().write_all(&completion_script(shell)?)?;
    Ok(Exit::Done)
}
