//! `retry`: what should run again.

use crate::args::{self, Common};
use crate::commands::launch::{DIVERGED, failures};
use crate::exit::Exit;
use crate::output::{self, count};
use crate::record;
use frostline_store::Writer;
use frostline_sweep::outcome::{FailureKind, TrialState};

pub(crate) fn run(common: &Common, arguments: &args::Retry) -> anyhow::Result<Exit> {
    record::open(common)?.sweep(&arguments.sweep)?;
    let mut writer = Writer::open(&common.results)?;
    let has_diverged = arguments.state == TrialState::Failed
        && arguments.kind.is_none_or(|kind| kind == FailureKind::Diverged)
        && failures(writer.reader(), &arguments.sweep)?.contains(&FailureKind::Diverged);
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
    if has_diverged {
        output::warn(DIVERGED);
    }
    Ok(Exit::Done)
}
