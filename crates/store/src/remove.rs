//! Removing a sweep, and the trials that no other sweep has.

use crate::lookup::sweep_id;
use crate::{Reader, StoreError, Writer};
use frostline_sweep::trial::TrialId;
use rusqlite::Connection;

const ALONE: &str = "SELECT trial FROM member WHERE sweep = ?1
    AND NOT EXISTS (SELECT 1 FROM member AS other WHERE other.trial = member.trial AND other.sweep != ?1)
    ORDER BY position";

fn alone(connection: &Connection, sweep: i64) -> rusqlite::Result<Vec<TrialId>> {
    let mut statement = connection.prepare_cached(ALONE)?;
    let trials = statement.query_map([sweep], |row| Ok(TrialId(row.get(0)?)))?;
    trials.collect()
}

impl Reader {
    /// The trials of a sweep that no other sweep has: those that would go with it.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn alone(&self, sweep: &str) -> Result<Vec<TrialId>, StoreError> {
        self.snapshot(|connection| Ok(alone(connection, sweep_id(connection, sweep)?)?))
    }
}

impl Writer {
    /// Removes a sweep, and those of its trials that no other sweep has, with their attempts and epochs. Returns these
    /// trials. Numbers of attempts are not used again.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn remove_sweep(&mut self, sweep: &str) -> Result<Vec<TrialId>, StoreError> {
        self.write(|transaction| {
            let sweep = sweep_id(transaction, sweep)?;
            let trials = alone(transaction, sweep)?;
            transaction.execute("DELETE FROM group_rank WHERE sweep = ?1", [sweep])?;
            transaction.execute("DELETE FROM member WHERE sweep = ?1", [sweep])?;
            let mut epochs = transaction
                .prepare("DELETE FROM epoch WHERE attempt IN (SELECT id FROM attempt WHERE trial = ?1)")?;
            let mut attempts = transaction.prepare("DELETE FROM attempt WHERE trial = ?1")?;
            let mut right = transaction.prepare("DELETE FROM right_images WHERE trial = ?1")?;
            let mut own = transaction.prepare("DELETE FROM trial WHERE id = ?1")?;
            for trial in &trials {
                epochs.execute([trial.0])?;
                attempts.execute([trial.0])?;
                right.execute([trial.0])?;
                own.execute([trial.0])?;
            }
            transaction.execute("DELETE FROM sweep WHERE id = ?1", [sweep])?;
            Ok(trials)
        })
    }
}
