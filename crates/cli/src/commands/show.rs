//! `show`: everything about one trial.

use crate::args::{self, Common};
use crate::exit::Exit;
use crate::output::{self, print_json};
use crate::record;
use crate::sources;
use crate::trained::remedy;
use frostline_results::Folder;
use frostline_sweep::outcome::TrialState;
use frostline_view::show::show;
use serde_json::json;

pub(crate) fn run(common: &Common, arguments: &args::Show) -> anyhow::Result<Exit> {
    let trial = show(&record::open(common)?, &arguments.trial)?;
    let count = trial.evaluation.as_ref().map_or(0, |evaluation| evaluation.class_accuracy.len());
    let classes = sources::classes(&common.results, &trial.spec.data, count);
    let model = Folder::new(&common.results).model(trial.trial);
    let is_kept = model.is_file();
    if arguments.json.json {
        let mut shown = serde_json::to_value(&trial)?;
        shown["classes"] = json!(classes);
        shown["model"] = json!(is_kept.then_some(&model));
        return print_json(&shown);
    }
    let model = (trial.state == TrialState::Complete).then(|| match is_kept {
        true => model.display().to_string(),
        false => format!("not kept; {}", remedy(common, trial.trial)),
    });
    output::trial(&mut anstream::stdout().lock(), &trial, &classes, model.as_deref())?;
    Ok(Exit::Done)
}
