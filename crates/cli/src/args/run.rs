//! Arguments of what runs trials.

use super::{DefinitionFile, Measuring, complete};
use clap::Args;

#[derive(Args)]
pub(crate) struct Launch {
    #[command(flatten)]
    pub(crate) definition: DefinitionFile,
    #[command(flatten)]
    pub(crate) measuring: Measuring,
    /// Replace the sweep of this name although its finished trials were run with other values
    #[arg(long)]
    pub(crate) force_new: bool,
    /// Print what happens as lines of JSON, for programs, and no ranking
    #[arg(long)]
    pub(crate) json: bool,
    /// Show the sweep in a browser while it runs; prints a link that works on this machine alone
    #[arg(long)]
    pub(crate) serve: bool,
}

#[derive(Args)]
pub(crate) struct Resume {
    /// Name of the sweep, or its file; without it, the only one
    #[arg(default_value = "", hide_default_value = true, add = complete::sweeps())]
    pub(crate) sweep: String,
    #[command(flatten)]
    pub(crate) measuring: Measuring,
    /// Print what happens as lines of JSON, for programs, and no ranking
    #[arg(long)]
    pub(crate) json: bool,
    /// Show the sweep in a browser while it runs; prints a link that works on this machine alone
    #[arg(long)]
    pub(crate) serve: bool,
}

/// How a run is told of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said {
    pub(crate) as_json: bool,
    pub(crate) on_a_page: bool,
}

impl Launch {
    pub(crate) fn said(&self) -> Said {
        Said { as_json: self.json, on_a_page: self.serve }
    }
}

impl Resume {
    pub(crate) fn said(&self) -> Said {
        Said { as_json: self.json, on_a_page: self.serve }
    }
}
