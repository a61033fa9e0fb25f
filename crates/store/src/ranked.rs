//! The ranking, kept as rows: who is best is read from an index, so its time does not grow with the sweep.
//!
//! A complete member has a score (larger is better) and a second one that decides between equals. Both are written with
//! the outcome, in the same transaction. NULL stands for not-a-number, and comes last. The order is that of
//! `frostline_ranking::order`, which a test holds it to.

use crate::error::Fault;
use crate::lookup::sweep_id;
use crate::rows::{TrialRow, select_members, trial_row};
use crate::{Reader, StoreError};
use frostline_sweep::metric::{self, Direction};
use frostline_sweep::trial::{GroupId, TrialId};
use rusqlite::Transaction;

const BEST_FIRST: &str = "score DESC, tie DESC, member.position";

impl Reader {
    /// The `most` best complete trials of a sweep, best first.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn best(&self, sweep: &str, most: usize) -> Result<Vec<TrialRow>, StoreError> {
        self.snapshot(|connection| {
            let join = "JOIN member INDEXED BY member_rank ON member.trial = trial.id";
            let condition = format!("member.sweep = ?1 AND ranked ORDER BY {BEST_FIRST} LIMIT ?2");
            let sql = select_members(join, &condition);
            let mut statement = connection.prepare_cached(&sql)?;
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            let rows = statement.query_map((sweep_id(connection, sweep)?, most), trial_row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// How many complete trials a sweep has.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn finished(&self, sweep: &str) -> Result<u64, StoreError> {
        self.snapshot(|connection| {
            let sql = "SELECT count(*) FROM member INDEXED BY member_rank WHERE sweep = ?1 AND ranked";
            let sweep = sweep_id(connection, sweep)?;
            Ok(connection.prepare_cached(sql)?.query_row([sweep], |row| row.get(0))?)
        })
    }

    /// The complete trials of a sweep.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn complete(&self, sweep: &str) -> Result<Vec<TrialId>, StoreError> {
        self.snapshot(|connection| {
            let sql = "SELECT trial FROM member WHERE sweep = ?1 AND ranked";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([sweep_id(connection, sweep)?], |row| Ok(TrialId(row.get(0)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// How many complete trials of a sweep have an objective that is `objective` or better.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn finished_from(&self, sweep: &str, objective: f64) -> Result<u64, StoreError> {
        self.snapshot(|connection| {
            let id = sweep_id(connection, sweep)?;
            let name = "SELECT objective FROM sweep WHERE id = ?1";
            let name: String = connection.prepare_cached(name)?.query_row([id], |row| row.get(0))?;
            let score = match metric::find(&name).map(|metric| metric.direction) {
                Some(Direction::Minimise) => -objective,
                Some(Direction::Maximise) | None => objective,
            };
            let sql =
                "SELECT count(*) FROM member INDEXED BY member_rank WHERE sweep = ?1 AND ranked AND score >= ?2";
            Ok(connection.prepare_cached(sql)?.query_row((id, score), |row| row.get(0))?)
        })
    }

    /// The complete trials of one configuration, in the order of their positions.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn replicates(&self, sweep: &str, group: GroupId) -> Result<Vec<TrialRow>, StoreError> {
        self.snapshot(|connection| {
            // In this order: the trials of a group are few, the complete members many.
            let join = "CROSS JOIN member ON member.trial = trial.id";
            let condition = "group_id = ?2 AND member.sweep = ?1 AND ranked ORDER BY member.position";
            let sql = select_members(join, condition);
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map((sweep_id(connection, sweep)?, group.0), trial_row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

/// Gives a trial that is complete now its place in every sweep that it is a member of.
pub(crate) fn rank_trial(transaction: &Transaction, trial: TrialId) -> Result<(), Fault> {
    let sql = format!("{} WHERE member.trial = ?1", set_rank());
    transaction.prepare_cached(&sql)?.execute([trial.0])?;
    Ok(())
}

/// Gives every complete member of a sweep its place.
pub(crate) fn rank_sweep(transaction: &Transaction, sweep: i64) -> Result<(), Fault> {
    let is_complete = "(SELECT state FROM trial WHERE trial.id = member.trial) = 'complete'";
    let sql = format!("{} WHERE member.sweep = ?1 AND {is_complete}", set_rank());
    transaction.prepare_cached(&sql)?.execute([sweep])?;
    Ok(())
}

/// The metrics are columns of `trial`, under their names.
fn set_rank() -> String {
    let score = |name: &str| {
        let sign = match metric::find(name).map(|metric| metric.direction) {
            Some(Direction::Minimise) => "-",
            Some(Direction::Maximise) | None => "",
        };
        format!("WHEN '{name}' THEN {sign}trial.{name}")
    };
    let scores: Vec<String> = metric::names().map(score).collect();
    format!(
        "UPDATE member SET ranked = 1, (score, tie) = (
            SELECT CASE objective {} END, -trial.val_loss
            FROM trial, sweep WHERE trial.id = member.trial AND sweep.id = member.sweep)",
        scores.join(" ")
    )
}
