//! `retry`: what should run again.

use crate::args::{self, Common};
use crate::exit::Exit;
use crate::output::{self, count};
use frostline_store::Writer;
use frostline_sweep::outcome::TrialState;

pub(crate) fn run(common: &Common, arguments: &args::Retry) -> anyhow::Result<Exit> {
    frostline_store::open(&common.results)?.sweep(&arguments.sweep)?;
    let mut writer = Writer::open(&common.results)?;
    let retried = writer.retry(&arguments.sweep, &[arguments.state], arguments.kind)?;
    let (sweep, results) = (&arguments.sweep, common.results_argument());
    let kind = arguments.kind.map_or(String::new(), |kind| format!(" ({kind})"));
    output::note(&match retried {
        0 => {
            let counts = writer.reader().counts(sweep)?;
            let others = [TrialState::Failed, TrialState::Cancelled].into_iter();
            let others = others.filter(|state| *state != arguments.state && counts.of(*state) > 0);
            let others: String = others
                .map(|state| {
                    format!("; {} {state}: `frostline retry {sweep} --state {state}{results}`", counts.of(state))
                })
                .collect();
            format!("`{sweep}` has no {}{kind} trial: nothing will be tried again{others}", arguments.state)
        }
        _ => format!(
            "{} of `{sweep}` will be tried again by `frostline resume {sweep}{results}`",
            count(retried, "trial")
        ),
    });
    Ok(Exit::Done)
}
