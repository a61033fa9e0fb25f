//! `show`: everything about one trial.

use crate::args::{self, Common};
use crate::exit::Exit;
use crate::output::{self, print_json};
use crate::sources;
use frostline_view::show::show;
use serde_json::json;

pub(crate) fn run(common: &Common, arguments: &args::Show) -> anyhow::Result<Exit> {
    let trial = show(&frostline_store::open(&common.results)?, &arguments.trial)?;
    let count = trial.evaluation.as_ref().map_or(0, |evaluation| evaluation.class_accuracy.len());
    let classes = sources::classes(&common.results, &trial.spec.data, count);
    if arguments.json.json {
        let mut shown = serde_json::to_value(&trial)?;
        shown["classes"] = json!(classes);
        return print_json(&shown);
    }
    output::trial(&mut anstream::stdout().lock(), &trial, &classes)?;
    Ok(Exit::Done)
}
