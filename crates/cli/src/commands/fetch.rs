//! `fetch`: the catalogue.

use crate::args::Fetch;
use crate::exit::{Exit, wrong_input};
use crate::output::{self, Table};
use crate::sources::download;
use frostline_assets::catalogue;
use frostline_sweep::suggest;
use std::io::Write;

pub(crate) fn run(arguments: &Fetch) -> anyhow::Result<Exit> {
    let mut out = anstream::stdout().lock();
    let Some(name) = &arguments.name else {
        let mut table = Table::new(&["name", "size", "here", "licence"]).sparing(&["licence"]);
        for entry in catalogue::entries() {
            let size = if entry.bytes == 0 { "?".to_owned() } else { output::bytes(entry.bytes) };
            let here = if entry.is_present() { "yes" } else { "no" };
            table.row([entry.name.to_owned(), size, here.to_owned(), entry.licence.to_owned()]);
        }
        write!(out, "{}", table.fitted())?;
        return Ok(Exit::Done);
    };
    let entry = catalogue::find(name).ok_or_else(|| {
        let near = suggest::nearest(name, catalogue::entries().map(|entry| entry.name));
        let near = near.map_or(String::new(), |near| format!(", did you mean `{near}`"));
        wrong_input(format!("the catalogue has no `{name}`{near}; `frostline fetch` lists what it has"))
    })?;
    let path = match download(entry) {
        Ok(path) => path,
        Err(error) if arguments.optional => {
            let reason = error.root_cause().to_string();
            // What else could be done comes behind it, and is not wanted here.
            let reason = reason.split(';').next().unwrap_or_default();
            output::note(&format!("`{name}` cannot be downloaded here ({reason})"));
            return Ok(Exit::Error);
        }
        Err(error) => return Err(error),
    };
    writeln!(out, "{}", path.display())?;
    Ok(Exit::Done)
}
