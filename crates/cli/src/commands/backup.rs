//! `backup`: a copy of the database.

use crate::args::{self, Common};
use crate::exit::{Exit, wrong_input};
use crate::output;
use crate::record;

pub(crate) fn run(common: &Common, arguments: &args::Backup) -> anyhow::Result<Exit> {
    let reader = record::open(common)?;
    let file = arguments.file.display();
    if arguments.file.exists() {
        return Err(wrong_input(format!("`{file}` already exists: name a new file, or remove it first")));
    }
    let folder = arguments.file.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(wrong_input(format!("`{file}` cannot be made: there is no folder `{}`", folder.display())));
    }
    reader.backup(&arguments.file)?;
    let size = std::fs::metadata(&arguments.file)?.len();
    output::note(&format!("{file} ({})", output::bytes(size)));
    Ok(Exit::Done)
}
