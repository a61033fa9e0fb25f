//! `extend`: further seeds for the best configurations of a sweep.

use crate::args::{self, Common};
use crate::exit::{Exit, wrong_input};
use crate::output::{self, count};
use frostline_store::Writer;
use frostline_sweep::expand::Trial;
use frostline_sweep::trial::TrialSpec;

pub(crate) fn run(common: &Common, arguments: &args::Extend) -> anyhow::Result<Exit> {
    let sweep = &arguments.sweep;
    // Of a sweep that runs somebody else holds the folder.
    let mut writer = Writer::open(&common.results)?;
    let best = writer.reader().best_groups(sweep, arguments.top)?;
    if best.is_empty() {
        return Err(wrong_input(format!(
            "`{sweep}` has no finished trial, so nobody knows its best configurations yet"
        )));
    }
    let of_seeds = |spec: &TrialSpec| {
        let trial = |&seed: &u64| {
            let spec = TrialSpec { seed, ..spec.clone() };
            Trial { id: spec.id(), group: spec.group(), spec }
        };
        arguments.seeds.iter().map(trial).collect::<Vec<_>>()
    };
    let trials: Vec<Trial> =
        best.iter().filter_map(|group| group.trials.first()).flat_map(|first| of_seeds(&first.spec)).collect();
    let added = writer.extend(sweep, &trials)?;
    let waiting = writer.reader().counts(sweep)?.waiting;
    let configurations = count(best.len() as u64, "configuration");
    output::note(&match (added, waiting) {
        (0, _) => format!("`{sweep}` has these seeds of its best {configurations} already"),
        (added, 0) => {
            format!("{} added to `{sweep}`, which another sweep has run already", count(added, "trial"))
        }
        (added, _) => format!(
            "{} added to `{sweep}`, of its best {configurations}: `frostline resume {sweep}{}` runs what is missing",
            count(added, "trial"),
            common.results_argument()
        ),
    });
    Ok(Exit::Done)
}
