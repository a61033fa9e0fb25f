//! Sweeps in memory: read when they are asked for the first time, and after that only what has changed of them.

use crate::question::Question;
use frostline_store::Reader;
use frostline_view::ViewError;
use frostline_view::table::{Standing, Table};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Sweeps that are held at most, and rankings of each under conditions.
const MOST_SWEEPS: usize = 4;
const MOST_STANDINGS: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<Vec<(String, Arc<Mutex<Slot>>)>>);

/// One sweep.
#[derive(Debug, Default)]
struct Slot {
    /// Of what there was to see when it was read.
    version: u64,
    table: Option<Arc<Table>>,
    /// By their conditions as they were written.
    standings: HashMap<String, Arc<Standing>>,
}

/// A sweep, and how those of its trials stand that were asked for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) table: Arc<Table>,
    pub(crate) standing: Arc<Standing>,
}

impl Held {
    /// As it stands at `version` of what there is to see, or later.
    ///
    /// # Errors
    /// There is no such sweep, or a failure of the database.
    pub(crate) fn asked(
        &self,
        reader: &Reader,
        version: u64,
        sweep: &str,
        question: &Question,
    ) -> Result<Asked, ViewError> {
        let slot = self.slot(sweep);
        // Whoever asks for the same sweep meanwhile waits, and finds it read.
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let table = slot.table(reader, version, sweep)?;
        let key = question.conditions.join("\n");
        if let Some(standing) = slot.standings.get(&key) {
            return Ok(Asked { table, standing: standing.clone() });
        }
        let standing = Arc::new(table.standing(reader, &question.filters)?);
        if slot.standings.len() >= MOST_STANDINGS {
            slot.standings.clear();
        }
        slot.standings.insert(key, standing.clone());
        Ok(Asked { table, standing })
    }

    /// That of a sweep; the one that was asked for longest ago makes room.
    fn slot(&self, sweep: &str) -> Arc<Mutex<Slot>> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = slots.iter().position(|(name, _)| name == sweep);
        let slot = place.map_or_else(|| (sweep.to_owned(), Arc::default()), |place| slots.remove(place));
        slots.push(slot.clone());
        if slots.len() > MOST_SWEEPS {
            slots.remove(0);
        }
        slot.1
    }
}

impl Slot {
    fn table(&mut self, reader: &Reader, version: u64, sweep: &str) -> Result<Arc<Table>, ViewError> {
        // Taken out, so that a failure leaves nothing behind.
        let known = self.table.take();
        let table = match known {
            // Before the first look nobody knows when it is outdated.
            Some(table) if self.version >= version && version > 0 => table,
            Some(mut table) => {
                self.standings.clear();
                Arc::make_mut(&mut table).refresh(reader)?;
                table
            }
            None => {
                self.standings.clear();
                Arc::new(Table::read(reader, sweep)?)
            }
        };
        self.version = version;
        self.table = Some(table.clone());
        Ok(table)
    }
}
