//! `effects`: which hyperparameter matters, and by how much.

use crate::args::{self, Common};
use crate::commands::best::filters;
use crate::exit::{Exit, wrong_input};
use crate::output::{self, print_json};
use crate::record;
use frostline_view::ViewError;
use frostline_view::effects::effects;
use frostline_view::table::Table;
use std::io::Write;

pub(crate) fn run(common: &Common, arguments: &args::Effects) -> anyhow::Result<Exit> {
    let filters = filters(&arguments.conditions)?;
    let reader = record::open(common)?;
    let effects = effects(&Table::read(&reader, &arguments.sweep)?, &filters).map_err(|error| match error {
        ViewError::ByResult { .. } => wrong_input(error.to_string()),
        error => error.into(),
    })?;
    if arguments.json.json {
        return print_json(&effects);
    }
    write!(anstream::stdout().lock(), "{}", output::effects(&effects))?;
    Ok(Exit::Done)
}
