//! The ranking, kept as rows: who is best is read from an index, so its time does not grow with the sweep.
//!
//! A complete member has a score (larger is better) and a second one that decides between equals. Both are written with
//! the outcome, in the same transaction. NULL stands for not-a-number, and comes last. The order is that of
//! `frostline_ranking::order`, which a test holds it to. A configuration (group) has the means of both, in the order of
//! `frostline_ranking::groups`: with one seed that is the order of the trials.

use crate::error::Fault;
use crate::lookup::sweep_id;
use crate::rows::{Cells, GroupRow, TrialRow, select_members, trial_row};
use crate::{Reader, StoreError};
use frostline_ranking::summarise;
use frostline_sweep::metric::{self, Direction, Metric};
use frostline_sweep::trial::{GroupId, TrialId};
use rusqlite::{Connection, OptionalExtension, Transaction};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::LazyLock;

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

    /// Whether a sweep has more than `most` complete trials, without counting them all.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn has_more_finished(&self, sweep: &str, most: usize) -> Result<bool, StoreError> {
        self.snapshot(|connection| {
            let sql = "SELECT 1 FROM member INDEXED BY member_rank WHERE sweep = ?1 AND ranked LIMIT 1 OFFSET ?2";
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            Ok(connection.prepare_cached(sql)?.exists((sweep_id(connection, sweep)?, most))?)
        })
    }

    /// The `most` best configurations of a sweep, best first.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn best_groups(&self, sweep: &str, most: usize) -> Result<Vec<GroupRow>, StoreError> {
        self.snapshot(|connection| {
            let sweep = sweep_id(connection, sweep)?;
            let objective = objective(connection, sweep)?;
            let mut best = connection.prepare_cached(
                "SELECT group_id, score, tie FROM group_rank INDEXED BY best_group WHERE sweep = ?1
                ORDER BY score DESC, tie DESC, position LIMIT ?2",
            )?;
            let mut seeds = connection.prepare_cached(
                "SELECT count(*) FROM trial CROSS JOIN member ON member.trial = trial.id
                WHERE group_id = ?2 AND member.sweep = ?1",
            )?;
            let join = "CROSS JOIN member ON member.trial = trial.id";
            let condition = format!("group_id = ?2 AND member.sweep = ?1 AND ranked ORDER BY {BEST_FIRST}");
            let mut trials = connection.prepare_cached(&select_members(join, &condition))?;
            let mut groups: Vec<GroupRow> = Vec::new();
            let mut before: Option<[Option<f64>; 2]> = None;
            let mut rows = best.query((sweep, i64::try_from(most).unwrap_or(i64::MAX)))?;
            while let Some(row) = rows.next()? {
                let cells = &mut Cells::of(row);
                let (group, key) = (GroupId(cells.take()?), [cells.take()?, cells.take()?]);
                let rank = match groups.last() {
                    Some(last) if before == Some(key) => last.rank,
                    _ => groups.len() as u32 + 1,
                };
                before = Some(key);
                let seeds = seeds.query_row((sweep, group.0), |row| row.get(0))?;
                let trials: Vec<TrialRow> =
                    trials.query_map((sweep, group.0), trial_row)?.collect::<Result<_, _>>()?;
                let values: Vec<f64> = trials.iter().map(|row| value(objective, row)).collect();
                groups.push(GroupRow { group, rank, seeds, replicates: summarise(&values), trials });
            }
            Ok(groups)
        })
    }

    /// How many configurations of a sweep have a complete trial.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn finished_groups(&self, sweep: &str) -> Result<u64, StoreError> {
        self.snapshot(|connection| {
            let sql = "SELECT count(*) FROM group_rank INDEXED BY best_group WHERE sweep = ?1";
            let sweep = sweep_id(connection, sweep)?;
            Ok(connection.prepare_cached(sql)?.query_row([sweep], |row| row.get(0))?)
        })
    }

    /// Those of `trials` that are complete members of a sweep, best first: the trials of the better configuration before
    /// those of the other, and among the trials of one the better first.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn best_first(&self, sweep: &str, trials: &[TrialId]) -> Result<Vec<TrialId>, StoreError> {
        self.snapshot(|connection| {
            let sweep = sweep_id(connection, sweep)?;
            let mut statement = connection.prepare_cached(
                "SELECT group_rank.score, group_rank.tie, group_rank.position, member.score, member.tie, member.position
                FROM member JOIN trial ON trial.id = member.trial
                JOIN group_rank ON group_rank.sweep = member.sweep AND group_rank.group_id = trial.group_id
                WHERE member.trial = ?1 AND member.sweep = ?2 AND ranked",
            )?;
            let mut places: Vec<(Place, Place, TrialId)> = Vec::with_capacity(trials.len());
            for &trial in trials {
                let found = statement.query_row((trial.0, sweep), |row| {
                    let cells = &mut Cells::of(row);
                    Ok((Place::read(cells)?, Place::read(cells)?, trial))
                });
                places.extend(found.optional()?);
            }
            places.sort_by(|(group, trial, _), (other_group, other, _)| {
                group.better_first(other_group).then_with(|| trial.better_first(other))
            });
            Ok(places.into_iter().map(|(_, _, trial)| trial).collect())
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

/// What decides the order of trials, or of groups: the larger score, then the larger tie, then the lower position.
struct Place {
    score: Option<f64>,
    tie: Option<f64>,
    position: u32,
}

impl Place {
    fn read(cells: &mut Cells) -> rusqlite::Result<Place> {
        Ok(Place { score: cells.take()?, tie: cells.take()?, position: cells.take()? })
    }

    fn better_first(&self, other: &Place) -> Ordering {
        // None is less than every number, so it comes last.
        let larger = |one: Option<f64>, other: Option<f64>| other.partial_cmp(&one).unwrap_or(Ordering::Equal);
        let by_score = larger(self.score, other.score).then_with(|| larger(self.tie, other.tie));
        by_score.then_with(|| self.position.cmp(&other.position))
    }
}

/// The ranks of a sweep's complete trials.
pub(crate) fn ranks(connection: &Connection, sweep: i64) -> rusqlite::Result<HashMap<TrialId, u32>> {
    let sql = "SELECT trial, rank() OVER (ORDER BY score DESC, tie DESC)
        FROM member INDEXED BY member_rank WHERE sweep = ?1 AND ranked";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([sweep], |row| Ok((TrialId(row.get(0)?), row.get(1)?)))?;
    rows.collect()
}

/// The ranks of a sweep's configurations that have a complete trial.
pub(crate) fn group_ranks(connection: &Connection, sweep: i64) -> rusqlite::Result<HashMap<GroupId, u32>> {
    let sql = "SELECT group_id, rank() OVER (ORDER BY score DESC, tie DESC)
        FROM group_rank INDEXED BY best_group WHERE sweep = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([sweep], |row| Ok((GroupId(row.get(0)?), row.get(1)?)))?;
    rows.collect()
}

/// What a sweep is ranked by; none where a later version named it.
fn objective(connection: &Connection, sweep: i64) -> Result<Option<&'static Metric>, Fault> {
    let sql = "SELECT objective FROM sweep WHERE id = ?1";
    let name: String = connection.prepare_cached(sql)?.query_row([sweep], |row| row.get(0))?;
    Ok(metric::find(&name))
}

/// A finished trial's objective.
fn value(objective: Option<&Metric>, row: &TrialRow) -> f64 {
    match (objective, &row.last, &row.evaluation) {
        (Some(metric), Some(last), Some(evaluation)) => metric.value(last, evaluation),
        _ => f64::NAN,
    }
}

/// Gives a trial that is complete now, and its group, their places in every sweep that has them.
pub(crate) fn rank_trial(transaction: &Transaction, trial: TrialId) -> Result<(), Fault> {
    static RANK: LazyLock<String> = LazyLock::new(|| format!("{} WHERE member.trial = ?1", set_rank()));
    static RANK_GROUP: LazyLock<String> = LazyLock::new(|| {
        set_group_ranks(
            "trial CROSS JOIN member ON member.trial = trial.id
            WHERE group_id = (SELECT group_id FROM trial WHERE id = ?1)",
        )
    });
    for sql in [&RANK, &RANK_GROUP] {
        transaction.prepare_cached(sql)?.execute([trial.0])?;
    }
    Ok(())
}

/// Gives every complete member of a sweep, and every group that has one, their places.
pub(crate) fn rank_sweep(transaction: &Transaction, sweep: i64) -> Result<(), Fault> {
    let is_complete = "(SELECT state FROM trial WHERE trial.id = member.trial) = 'complete'";
    let sql = format!("{} WHERE member.sweep = ?1 AND {is_complete}", set_rank());
    transaction.prepare_cached(&sql)?.execute([sweep])?;
    transaction.execute("DELETE FROM group_rank WHERE sweep = ?1", [sweep])?;
    let of_sweep = "member JOIN trial ON trial.id = member.trial WHERE member.sweep = ?1";
    transaction.prepare_cached(&set_group_ranks(of_sweep))?.execute([sweep])?;
    Ok(())
}

/// From the ranked ones of these members.
fn set_group_ranks(members: &str) -> String {
    format!(
        "INSERT INTO group_rank (sweep, group_id, position, score, tie)
        SELECT member.sweep, group_id, min(member.position),
            iif(count(score) = count(*), avg(score), NULL), iif(count(tie) = count(*), avg(tie), NULL)
        FROM {members} AND ranked GROUP BY member.sweep, group_id
        ON CONFLICT (sweep, group_id) DO UPDATE SET
            position = excluded.position, score = excluded.score, tie = excluded.tie"
    )
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
