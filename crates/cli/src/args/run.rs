//! Arguments of what runs trials.

use super::{DefinitionFile, Measuring, complete};
use crate::output::Voice;
use clap::{ArgAction, Args};

#[derive(Args)]
pub(crate) struct Launch {
    #[command(flatten)]
    pub(crate) definition: DefinitionFile,
    #[command(flatten)]
    pub(crate) measuring: Measuring,
    /// Replace the sweep of this name although its finished trials were run with other values
    #[arg(long)]
    pub(crate) force_new: bool,
    /// Keep the results on a disk that several machines share (NFS, Lustre, GPFS): one process alone opens the database
    /// there, and other commands read a snapshot, which is made every minute at least. Once is enough: the folder says so
    /// from then on
    #[arg(long)]
    pub(crate) shared_disk: bool,
    #[command(flatten)]
    pub(crate) telling: Telling,
}

#[derive(Args)]
pub(crate) struct Resume {
    /// Name of the sweep, or its file; without it, the only one
    #[arg(default_value = "", hide_default_value = true, add = complete::sweeps())]
    pub(crate) sweep: String,
    #[command(flatten)]
    pub(crate) measuring: Measuring,
    #[command(flatten)]
    pub(crate) telling: Telling,
}

/// How a run is told of.
#[derive(Args, Debug, Clone, Copy)]
pub(crate) struct Telling {
    /// Print what happens as lines of JSON, for programs, and no ranking
    #[arg(long)]
    pub(crate) json: bool,
    /// Show the sweep in a browser while it runs; prints a link that works on this machine alone
    #[arg(long)]
    pub(crate) serve: bool,
    /// Say only what went wrong, and the ranking; twice: nothing, the exit code says it
    #[arg(short, long, action = ArgAction::Count)]
    quiet: u8,
    /// Lines alone, also on a terminal; so does FROSTLINE_PROGRESS=never
    #[arg(long)]
    no_progress: bool,
    /// Draw with ASCII only
    #[arg(long)]
    ascii: bool,
}

impl Telling {
    /// From here on.
    pub(crate) fn begin(&self) {
        Voice { quiet: self.quiet, still: self.no_progress, ascii: self.ascii }.choose();
    }

    /// Whether the ranking is shown at the end.
    pub(crate) fn ranks(&self) -> bool {
        !self.json && self.quiet < 2
    }
}

#[derive(Args)]
pub(crate) struct Retrain {
    /// The first digits of the trial's id
    #[arg(add = complete::trials())]
    pub(crate) trial: String,
}

#[derive(Args)]
pub(crate) struct Extend {
    /// Name of the sweep, or its file; without it, the only one
    #[arg(default_value = "", hide_default_value = true, add = complete::sweeps())]
    pub(crate) sweep: String,
    /// Further seeds, separated by commas
    #[arg(long, value_delimiter = ',', required = true, value_name = "SEEDS")]
    pub(crate) seeds: Vec<u64>,
    /// Of how many configurations, the best first
    #[arg(long, default_value_t = 4, value_name = "COUNT")]
    pub(crate) top: usize,
}
