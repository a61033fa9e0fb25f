//! From a sweep that can run to what its coordinator is asked to do.

use crate::engine;
use crate::machine::WorkerInfo;
use crate::team::Team;
use frostline_coordinator::{Invitation, Job, OwnJob, Relay};
use frostline_protocol::Places;
use frostline_results::Folder;
use frostline_sweep::definition::{Definition, Keep};
use frostline_sweep::reuse::Reuse;
use frostline_view::best::tied;
use std::path::Path;

/// Seconds that workers wait at least for a coordinator whose job comes back: two minutes pass before Slurm looks at it again,
/// and then it waits in the queue.
const QUEUE_GRACE: f64 = 900.0;

/// What the coordinator is asked to do.
pub(crate) struct Asked<'a> {
    pub(crate) results: &'a Path,
    pub(crate) sweep: &'a str,
    pub(crate) definition: &'a Definition,
    pub(crate) places: Places,
    pub(crate) reuse: Reuse,
    pub(crate) team: &'a Team,
    pub(crate) info: &'a WorkerInfo,
    /// For workers of other machines.
    pub(crate) invitation: Option<Invitation>,
    /// The job that this process is.
    pub(crate) own_job: Option<OwnJob>,
}

impl Asked<'_> {
    /// # Errors
    /// There is no worker program, or a folder whose whole path nobody knows.
    pub(crate) fn job(self) -> anyhow::Result<Job> {
        let Asked { results, sweep, definition, places, reuse, team, info, invitation, own_job } = self;
        let grace = definition.workers.reconnect_grace;
        Ok(Job {
            results: std::path::absolute(results)?,
            sweep: sweep.to_owned(),
            reuse,
            cache_bytes: definition.cache.max_bytes,
            places,
            keep: definition.keep,
            ties: Box::new(|reader, sweep| tied(reader, sweep, Keep::TIED as usize).unwrap_or_default()),
            invitation,
            engine: engine::engine(definition, team, info, Folder::new(results))?,
            lease: definition.workers.lease,
            stall: definition.workers.stall,
            reconnect_grace: if own_job.is_some() { grace.max(QUEUE_GRACE) } else { grace },
            relay: own_job.map(|job| Box::new(move || job.farewell()) as Relay),
        })
    }
}
