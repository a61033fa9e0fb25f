//! `fetch`: the catalogue.

use crate::args::Fetch;
use crate::output::{self, Table};
use crate::{Exit, wrong_input};
use anyhow::Context;
use frostline_assets::catalogue::{self, Entry};
use frostline_assets::fetch;
use frostline_sweep::suggest;
use std::io::Write;
use std::path::PathBuf;

pub(crate) fn run(arguments: &Fetch) -> anyhow::Result<Exit> {
    let mut out = anstream::stdout().lock();
    let Some(name) = &arguments.name else {
        let mut table = Table::new(&["name", "size", "licence", "here"]);
        for entry in catalogue::entries() {
            let size = if entry.bytes == 0 { "?".to_owned() } else { output::bytes(entry.bytes) };
            let here = if entry.is_present() { entry.path().display().to_string() } else { "no".to_owned() };
            table.row([entry.name.to_owned(), size, entry.licence.to_owned(), here]);
        }
        write!(out, "{table}")?;
        return Ok(Exit::Done);
    };
    let entry = catalogue::find(name).ok_or_else(|| {
        let hint = suggest::hint(name, catalogue::entries().map(|entry| entry.name)).replace('?', "");
        wrong_input(format!("the catalogue has no `{name}`{hint}; `frostline fetch` lists what it has"))
    })?;
    let path = download(entry)?;
    writeln!(out, "{}", path.display())?;
    Ok(Exit::Done)
}

/// Gets an entry of the catalogue, and says how far it is where it is not there yet.
pub(crate) fn download(entry: &Entry) -> anyhow::Result<PathBuf> {
    let mut said = output::Download::new(entry.name, entry.bytes);
    let path = fetch::fetch(entry, &mut |event| said.say(event))
        .with_context(|| format!("`{}` could not be fetched", entry.name))?;
    said.finished();
    Ok(path)
}
