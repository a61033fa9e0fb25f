//! `report`: a sweep in one file to look at.

use crate::args::{self, Common};
use crate::exit::{Exit, wrong_input};
use crate::output;
use crate::record;
use crate::sources;
use anyhow::Context;
use frostline_report::page::{MARK, report};
use frostline_view::page::{self, MOST_ROWS, Wanted};
use frostline_view::show::Shown;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

/// Learning curves in one figure.
const CURVES: usize = 50;

/// Bytes of a file that tell whether it is a report.
const HEAD: u64 = 4 << 10;

pub(crate) fn run(common: &Common, arguments: &args::Report) -> anyhow::Result<Exit> {
    let reader = record::open(common)?;
    let wanted = Wanted { rows: MOST_ROWS, curves: CURVES, trials: arguments.trials, effects_of: u64::MAX };
    let page = page::read(&reader, &arguments.sweep, wanted)?;
    let classes: Vec<Vec<String>> = page.trials.iter().map(|trial| classes(&common.results, trial)).collect();
    let made_by = concat!("Frostline ", env!("CARGO_PKG_VERSION"));
    let report = report(&page, &classes, made_by);
    let file = &arguments.output;
    if is_foreign(file) {
        return Err(wrong_input(format!(
            "{} is there and is no report: name another file with -o, or remove it",
            file.display()
        )));
    }
    frostline_results::replace(file, report.as_bytes())
        .with_context(|| format!("{} could not be written", file.display()))?;
    let size = output::bytes(report.len() as u64);
    writeln!(anstream::stdout().lock(), "{}: `{}`, {size}; open it in a browser", file.display(), arguments.sweep)?;
    Ok(Exit::Done)
}

/// Whether something lies there that no report has made.
fn is_foreign(file: &Path) -> bool {
    let Ok(opened) = File::open(file) else { return false };
    let mut head = Vec::new();
    let read = opened.take(HEAD).read_to_end(&mut head);
    read.is_err() || (!head.is_empty() && !String::from_utf8_lossy(&head).contains(MARK))
}

/// Names of the classes that a trial tells apart.
pub(crate) fn classes(results: &Path, trial: &Shown) -> Vec<String> {
    let count = trial.evaluation.as_ref().map_or(0, |evaluation| evaluation.class_accuracy.len());
    sources::classes(results, &trial.spec.data, count)
}
