//! When workers were at work: what a timeline shows.

use crate::error::StoreError;
use crate::lookup::sweep_id;
use crate::reader::Reader;
use crate::rows::{Cells, outcome};
use frostline_sweep::outcome::AttemptOutcome;
use frostline_sweep::trial::TrialId;

/// One attempt, as its worker spent it.
#[derive(Debug, Clone, PartialEq)]
pub struct BusyRow {
    pub worker: u32,
    pub host: String,
    /// None for features.
    pub trial: Option<TrialId>,
    /// Seconds since 1970.
    pub started_at: f64,
    /// None where it still runs.
    pub ended_at: Option<f64>,
    pub outcome: AttemptOutcome,
}

impl Reader {
    /// The newest attempts at trials of a sweep, so many at most, and the fills between them and right before them, in
    /// the order of their starts. One coordinator at a time runs in a results folder, so those fills are the sweep's.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn busy(&self, sweep: &str, most: usize) -> Result<Vec<BusyRow>, StoreError> {
        self.snapshot(|connection| {
            let sweep = sweep_id(connection, sweep)?;
            let sql = "WITH own AS (
                    SELECT id FROM attempt
                    WHERE trial IS NOT NULL
                        AND EXISTS (SELECT 1 FROM member WHERE member.trial = attempt.trial AND member.sweep = ?1)
                    ORDER BY id DESC LIMIT ?2
                ), bounds AS (
                    SELECT coalesce((SELECT max(id) FROM attempt
                        WHERE trial IS NOT NULL AND id < (SELECT min(id) FROM own)), 0) AS low, max(id) AS high FROM own
                )
                SELECT worker, coalesce(json_extract(build, '$.host'), ''), trial, started_at, ended_at, outcome
                FROM attempt, bounds
                WHERE attempt.id IN own OR trial IS NULL AND attempt.id BETWEEN low AND high
                ORDER BY attempt.id";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map((sweep, i64::try_from(most).unwrap_or(i64::MAX)), |row| {
                let cells = &mut Cells::of(row);
                Ok(BusyRow {
                    worker: cells.take()?,
                    host: cells.take()?,
                    trial: cells.take::<Option<[u8; 16]>>()?.map(TrialId),
                    started_at: cells.take()?,
                    ended_at: cells.take()?,
                    outcome: outcome(cells)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}
