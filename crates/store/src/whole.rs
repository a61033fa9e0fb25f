//! A whole sweep, trial by trial: for who carries all of it elsewhere. One trial is in memory at a time.

use crate::error::Fault;
use crate::lookup::sweep_id;
use crate::ranked::{group_ranks, ranks};
use crate::reader::stored_sweep;
use crate::rows::{
    ATTEMPT_TO_SHOW, AttemptRow, Cells, METRICS, Sweep, TrialRow, attempt_row, metrics, select_members, trial_row,
};
use crate::{Reader, StoreError};
use frostline_sweep::outcome::EpochMetrics;
use frostline_sweep::trial::TrialSpec;
use rusqlite::Transaction;
use std::path::Path;

/// A sweep as it stands at one moment, however long it is read and whatever is written meanwhile.
#[derive(Debug)]
pub struct Whole<'reader> {
    transaction: Transaction<'reader>,
    sweep: i64,
    path: &'reader Path,
}

/// A trial with what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    pub row: TrialRow,
    /// Place among the complete trials of the sweep, from 1; trials that nothing tells apart share the lower number. None
    /// for a trial that is not complete.
    pub rank: Option<u32>,
    /// The same of its configuration, by the mean over its complete trials.
    pub group_rank: Option<u32>,
    /// The accepted attempt, or the newest one.
    pub attempt: Option<AttemptRow>,
    /// Those of `attempt`, in their order.
    pub epochs: Vec<EpochMetrics>,
}

impl Reader {
    /// It has the reader for itself while it is read.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn whole(&mut self, sweep: &str) -> Result<Whole<'_>, StoreError> {
        let (path, connection) = (&self.path, &mut self.connection);
        let transaction = connection.transaction().map_err(|source| StoreError::sqlite(path, source))?;
        // The moment is that of the first query.
        let sweep = sweep_id(&transaction, sweep).map_err(|fault: Fault| fault.at(path))?;
        Ok(Whole { transaction, sweep, path })
    }
}

impl Whole<'_> {
    /// # Errors
    /// Failures of the database.
    pub fn sweep(&self) -> Result<Sweep, StoreError> {
        self.at_path(stored_sweep(&self.transaction, self.sweep))
    }

    /// Hands over what each trial is, in the order of their positions.
    ///
    /// # Errors
    /// Failures of the database, and those of `each`, which end it.
    pub fn specs<E: From<StoreError>>(&self, mut each: impl FnMut(TrialSpec) -> Result<(), E>) -> Result<(), E> {
        let sql = "SELECT spec FROM member JOIN trial ON trial.id = member.trial
            WHERE member.sweep = ?1 ORDER BY member.position";
        let mut statement = self.at_path(self.transaction.prepare_cached(sql))?;
        let mut rows = self.at_path(statement.query([self.sweep]))?;
        while let Some(row) = self.at_path(rows.next())? {
            each(self.at_path(Cells::of(row).json())?)?;
        }
        Ok(())
    }

    /// Hands over each trial, in the order of their positions.
    ///
    /// # Errors
    /// Failures of the database, and those of `each`, which end it.
    pub fn trials<E: From<StoreError>>(&self, mut each: impl FnMut(Recorded) -> Result<(), E>) -> Result<(), E> {
        let ranks = self.at_path(ranks(&self.transaction, self.sweep))?;
        let group_ranks = self.at_path(group_ranks(&self.transaction, self.sweep))?;
        let join = "JOIN member ON member.trial = trial.id";
        let sql = select_members(join, "member.sweep = ?1 ORDER BY member.position");
        let mut statement = self.at_path(self.transaction.prepare_cached(&sql))?;
        let mut rows = self.at_path(statement.query([self.sweep]))?;
        while let Some(row) = self.at_path(rows.next())? {
            let row = self.at_path(trial_row(row))?;
            let rank = ranks.get(&row.trial).copied();
            let group_rank = rank.and_then(|_| group_ranks.get(&row.group).copied());
            let attempt = self.at_path(self.attempt(&row))?;
            let epochs = attempt.as_ref().map_or(Ok(Vec::new()), |attempt| self.epochs(attempt));
            each(Recorded { row, rank, group_rank, attempt, epochs: self.at_path(epochs)? })?;
        }
        Ok(())
    }

    fn attempt(&self, row: &TrialRow) -> rusqlite::Result<Option<AttemptRow>> {
        if row.attempts == 0 {
            return Ok(None);
        }
        self.transaction.prepare_cached(ATTEMPT_TO_SHOW)?.query_row([row.trial.0], attempt_row).map(Some)
    }

    fn epochs(&self, attempt: &AttemptRow) -> rusqlite::Result<Vec<EpochMetrics>> {
        let sql = format!("SELECT {METRICS} FROM epoch WHERE attempt = ?1 ORDER BY epoch");
        let mut statement = self.transaction.prepare_cached(&sql)?;
        let rows = statement.query_map([attempt.attempt.0], |row| metrics(&mut Cells::of(row)))?;
        rows.collect()
    }

    fn at_path<T>(&self, result: rusqlite::Result<T>) -> Result<T, StoreError> {
        result.map_err(|source| StoreError::sqlite(self.path, source))
    }
}
