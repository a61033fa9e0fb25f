//! What a worker of another machine is told.

use clap::Args;
use frostline_sweep::device::Device;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Join {
    /// `run/access.json` of the coordinator's results folder: the file itself on a shared disk, or a copy that nobody else
    /// can read; `-` where standard input and output lead to the coordinator
    pub(crate) access: PathBuf,
    /// Where the data set lies on this machine, where that is not where it lies on the coordinator's
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// Where the pretrained weights lie on this machine; once for each network where there are several
    #[arg(long, value_name = "[NETWORK=]FILE")]
    pub(crate) weights: Vec<PathBuf>,
    /// A folder on a fast disk of this machine, for features, and for checkpoints where no disk is shared
    #[arg(long, value_name = "FOLDER")]
    pub(crate) scratch: Option<PathBuf>,
    /// A folder for checkpoints that the machines of all workers see, where the results folder is not one
    #[arg(long, value_name = "FOLDER")]
    pub(crate) checkpoints: Option<PathBuf>,
    /// Minutes until this process will be ended; under Slurm they are known
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) minutes: Option<u32>,
    /// "cpu", "cuda" or "cuda:1"; what the sweep is computed on where it is not said
    #[arg(long)]
    pub(crate) device: Option<Device>,
    /// The place that it was started for
    #[arg(long, hide = true)]
    pub(crate) worker: Option<u32>,
    #[arg(long, hide = true)]
    pub(crate) incarnation: Option<u64>,
}
