//! `schema`.

use crate::exit::Exit;
use std::io::Write;

pub(crate) fn run() -> anyhow::Result<Exit> {
    let schema = frostline_sweep::keys::schema();
    writeln!(std::io::stdout().lock(), "{}", serde_json::to_string_pretty(&schema)?)?;
    Ok(Exit::Done)
}
