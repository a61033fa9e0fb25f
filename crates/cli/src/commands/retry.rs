//! `retry`: what should run again.

use crate::args::{self, Common};
use crate::exit::Exit;
use crate::output::{self, count};
use frostline_store::Writer;

pub(crate) fn run(common: &Common, arguments: &args::Retry) -> anyhow::Result<Exit> {
    frostline_store::open(&common.results)?.sweep(&arguments.sweep)?;
    let mut writer = Writer::open(&common.results)?;
    let retried = writer.retry(&arguments.sweep, &[arguments.state], arguments.kind)?;
    let (sweep, results) = (&arguments.sweep, common.results_argument());
    let kind = arguments.kind.map_or(String::new(), |kind| format!(" ({kind})"));
    output::note(&match retried {
        0 => format!("`{sweep}` has no {}{kind} trial: nothing will be tried again", arguments.state),
        _ => format!(
            "{} of `{sweep}` will be tried again by `frostline resume {sweep}{results}`",
            count(retried, "trial")
        ),
    });
    Ok(Exit::Done)
}
