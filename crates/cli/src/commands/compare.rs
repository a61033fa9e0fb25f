//! `compare`: two trials side by side.

use crate::args::{self, Common};
use crate::exit::Exit;
use crate::output::{self, print_json};
use crate::record;
use crate::sources;
use frostline_view::compare::compare;
use frostline_view::show::show;
use serde_json::json;
use std::io::Write;

pub(crate) fn run(common: &Common, arguments: &args::Compare) -> anyhow::Result<Exit> {
    let reader = record::open(common)?;
    let (first, second) = (show(&reader, &arguments.first)?, show(&reader, &arguments.second)?);
    let compared = compare(&reader, &first, &second)?;
    let count = first.evaluation.as_ref().map_or(0, |evaluation| evaluation.class_accuracy.len());
    let classes = sources::classes(&common.results, &first.spec.data, count);
    if arguments.json.json {
        let mut printed = serde_json::to_value(&compared)?;
        printed["classes"] = json!(classes);
        return print_json(&printed);
    }
    write!(anstream::stdout().lock(), "{}", output::comparison(&compared, &classes))?;
    Ok(Exit::Done)
}
