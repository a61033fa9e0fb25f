//! Arguments of what runs trials.

use super::{DefinitionFile, Measuring, complete};
use crate::output::Voice;
use clap::{ArgAction, Args};
use frostline_store::{StoreError, Writer};
use std::path::Path;

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
    /// Hand the coordinator to Slurm, too, as a job that comes back until the sweep is finished (docs/cluster.md)
    #[arg(long, conflicts_with = "serve")]
    pub(crate) as_job: bool,
    /// This process is the job of this sweep's coordinator
    #[arg(long, hide = true, value_name = "SWEEP", conflicts_with = "as_job")]
    pub(crate) job_of: Option<String>,
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

impl Launch {
    /// The database, to be written.
    ///
    /// # Errors
    /// As [`Writer::open`].
    pub(crate) fn opened(&self, results: &Path) -> Result<Writer, StoreError> {
        match self.shared_disk {
            true => Writer::open_shared(results),
            false => Writer::open(results),
        }
    }
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

    /// The same for another process, which nobody watches.
    pub(crate) fn again(&self) -> Vec<String> {
        let flags = [("--json", self.json), ("--ascii", self.ascii)];
        let quiet = std::iter::repeat_n("-q", usize::from(self.quiet));
        let flags = flags.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag);
        flags.chain(quiet).chain(["--no-progress"]).map(str::to_owned).collect()
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
