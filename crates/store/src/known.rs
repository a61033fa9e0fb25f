//! What is known of trials that a sweep asks for, before it has them.

use crate::lookup::sweep_id;
use crate::rows::{Cells, MEMBER_STATE, WANTED, state};
use crate::{Reader, StoreError};
use frostline_sweep::outcome::TrialState;
use frostline_sweep::record::Build;
use frostline_sweep::trial::TrialId;
use rusqlite::Rows;
use std::collections::{BTreeMap, BTreeSet};

impl Reader {
    /// How those of `trials` stand that the database knows: in `sweep` where they are its members, else as they would once
    /// they became so. The others are not in the answer.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn known(
        &self,
        sweep: &str,
        trials: impl Iterator<Item = TrialId>,
    ) -> Result<BTreeMap<TrialId, TrialState>, StoreError> {
        self.snapshot(|connection| {
            let is_empty = "SELECT NOT EXISTS (SELECT 1 FROM trial)";
            if connection.query_row(is_empty, [], |row| row.get(0))? {
                return Ok(BTreeMap::new());
            }
            let sql = format!(
                "SELECT {MEMBER_STATE} FROM (
                    SELECT state, coalesce(wish, '{WANTED}') AS wish FROM trial
                    LEFT JOIN member ON member.trial = trial.id
                        AND member.sweep = (SELECT id FROM sweep WHERE name = ?2)
                    WHERE trial.id = ?1)"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let mut known = BTreeMap::new();
            for trial in trials {
                let mut rows = statement.query((trial.0, sweep))?;
                if let Some(row) = rows.next()? {
                    known.insert(trial, state(&mut Cells::of(row))?);
                }
            }
            Ok(known)
        })
    }

    /// What the results of those of `trials` that are complete were computed on, in each device's own words, such as "cpu"
    /// or "cuda:0 (NVIDIA H100)". Whichever sweep had them first.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn devices(&self, trials: &BTreeSet<TrialId>) -> Result<BTreeSet<String>, StoreError> {
        self.snapshot(|connection| {
            let sql = "SELECT json_extract(build, '$.device') FROM attempt WHERE trial = ?1 AND outcome = 'complete'";
            let mut statement = connection.prepare_cached(sql)?;
            let mut devices = BTreeSet::new();
            for trial in trials {
                let mut rows = statement.query([trial.0])?;
                if let Some(row) = rows.next()? {
                    devices.insert(row.get(0)?);
                }
            }
            Ok(devices)
        })
    }

    /// The workers that there ever were, each once.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn builds(&self) -> Result<Vec<Build>, StoreError> {
        self.snapshot(|connection| Ok(builds(connection.prepare_cached("SELECT json FROM build")?.query([])?)?))
    }

    /// The same of a sweep's complete trials, whichever sweep had them first, all of which are looked at.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn builds_of(&self, sweep: &str) -> Result<Vec<Build>, StoreError> {
        self.snapshot(|connection| {
            let sql = "SELECT DISTINCT build FROM member INDEXED BY member_rank
                CROSS JOIN attempt ON attempt.trial = member.trial AND attempt.outcome = 'complete'
                WHERE member.sweep = ?1 AND member.ranked";
            Ok(builds(connection.prepare_cached(sql)?.query([sweep_id(connection, sweep)?])?)?)
        })
    }
}

fn builds(mut rows: Rows<'_>) -> rusqlite::Result<Vec<Build>> {
    let mut builds = Vec::new();
    while let Some(row) = rows.next()? {
        builds.push(Cells::of(row).json()?);
    }
    Ok(builds)
}
