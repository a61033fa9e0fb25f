//! What a coordinator is asked to run.

use crate::farewell::Farewell;
use crate::launch::Engine;
use crate::net::Invitation;
use frostline_protocol::Places;
use frostline_store::Reader;
use frostline_sweep::definition::Keep;
use frostline_sweep::reuse::Reuse;
use frostline_sweep::trial::TrialId;
use std::path::PathBuf;

/// Trials of a sweep of this name.
pub type Ties = Box<dyn Fn(&Reader, &str) -> Vec<TrialId>>;

/// Asked the first time that somebody wants the end.
pub type Relay = Box<dyn Fn() -> Farewell>;

/// One sweep to be run.
pub struct Job {
    pub results: PathBuf,
    /// Its name; its trials are in the database.
    pub sweep: String,
    pub reuse: Reuse,
    /// Space for features, those of other sweeps included.
    pub cache_bytes: u64,
    pub places: Places,
    /// Which models stay in `places.models`.
    pub keep: Keep,
    /// Says which trials of the sweep nothing tells from the best: where the best are kept, these are, too.
    pub ties: Ties,
    /// Where its workers come from.
    pub engine: Box<dyn Engine>,
    /// Where workers of other machines may join; none where nobody is let in.
    pub invitation: Option<Invitation>,
    /// Seconds of silence after which a worker is given up.
    pub lease: f64,
    /// Seconds without a step after which a worker that lives is given up.
    pub stall: f64,
    /// Seconds that a worker without its coordinator tries to come back.
    pub reconnect_grace: f64,
    /// None where nobody goes on by himself.
    pub relay: Option<Relay>,
}
