//! The database as a core's journal: waits for another program that holds it, and gives up on everything else at once.

use crate::core::Journal;
use crate::error::CoordinatorError;
use crate::folder::Watched;
use crate::hub::Hub;
use crate::signals::Interrupts;
use frostline_store::{StoreError, Writer};
use frostline_sweep::record::Record;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Somebody who looks into the database holds it for seconds; this long, and nobody will let it go.
const PATIENCE: Duration = Duration::from_secs(600);
/// Between two tries; SQLite waits itself within each.
const PAUSE: Duration = Duration::from_millis(200);

pub(crate) struct Ledger {
    pub(crate) writer: Writer,
    /// Whose records they are.
    pub(crate) sweep: String,
    pub(crate) hub: Arc<Hub>,
    pub(crate) interrupts: Interrupts,
    pub(crate) folder: Arc<Watched>,
}

impl Journal for Ledger {
    type Error = CoordinatorError;

    fn commit(&mut self, records: &[Record]) -> Result<(), CoordinatorError> {
        // What fails because the folder is gone is no fault of a trial's, and is not recorded as one.
        self.folder.check(&self.sweep)?;
        let start = Instant::now();
        let mut is_told = false;
        loop {
            match self.writer.apply(&self.sweep, records) {
                Err(error @ StoreError::Held { .. }) => {
                    let since = start.elapsed();
                    // Interrupted twice, nobody wants to wait.
                    if since >= PATIENCE || self.interrupts.count() > 1 {
                        return Err(error.into());
                    }
                    if !is_told {
                        tracing::warn!("{error}");
                        is_told = true;
                    }
                    self.hub.held(Some(since));
                    sleep(PAUSE);
                }
                result => {
                    if is_told {
                        self.hub.held(None);
                        tracing::info!("the database was held for {:.1} s", start.elapsed().as_secs_f64());
                    }
                    return Ok(result?);
                }
            }
        }
    }
}
