//! What is written and read, and how a database row becomes it.

use crate::error::Fault;
use frostline_ranking::Replicates;
use frostline_sweep::bits::Bits;
use frostline_sweep::features::FeatureKey;
use frostline_sweep::outcome::{
    AttemptId, AttemptOutcome, ClassMetrics, EpochMetrics, Evaluation, Failure, FailureKind, Right, TrialState,
};
use frostline_sweep::record::Build;
use frostline_sweep::reuse::Estimate;
use frostline_sweep::trial::{GroupId, TrialId, TrialSpec};
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, Type, ValueRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A sweep as it was launched last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    pub name: String,
    /// Name of a metric in [`frostline_sweep::metric`].
    pub objective: String,
    /// The effective definition in TOML, which `resume` reads.
    pub definition: String,
    /// Where the definition was launched from.
    pub file: String,
    pub provenance: Provenance,
    /// Threads a worker, chosen once because results depend on their number.
    pub threads: Option<u32>,
}

/// What launched a sweep, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// Version of Frostline.
    pub program: String,
    pub git_commit: Option<String>,
    pub libtorch: Option<String>,
    pub device: Option<String>,
    pub host: String,
}

/// What [`crate::Writer::put_sweep`] did to a sweep's members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Put {
    /// Members now that were none before, whether or not their trial was stored already.
    pub added: u64,
    /// Members before and now.
    pub kept: u64,
    /// Members before that are none now.
    pub dropped: u64,
}

/// How many of a sweep's trials are in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub waiting: u64,
    pub running: u64,
    pub complete: u64,
    pub pruned: u64,
    pub failed: u64,
    pub cancelled: u64,
}

impl Counts {
    pub fn counting(states: impl Iterator<Item = TrialState>) -> Counts {
        let mut counts = Counts::default();
        states.for_each(|state| *counts.of_mut(state) += 1);
        counts
    }

    pub fn of(&self, state: TrialState) -> u64 {
        let mut counts = *self;
        *counts.of_mut(state)
    }

    pub fn total(&self) -> u64 {
        TrialState::ALL.iter().map(|&state| self.of(state)).sum()
    }

    pub(crate) fn of_mut(&mut self, state: TrialState) -> &mut u64 {
        match state {
            TrialState::Waiting => &mut self.waiting,
            TrialState::Running => &mut self.running,
            TrialState::Complete => &mut self.complete,
            TrialState::Pruned => &mut self.pruned,
            TrialState::Failed => &mut self.failed,
            TrialState::Cancelled => &mut self.cancelled,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct SweepSummary {
    pub name: String,
    pub objective: String,
    /// Seconds since 1970.
    pub created_at: f64,
    /// Seconds since 1970: the last launch, retry or change of one of its trials.
    pub updated_at: f64,
    pub counts: Counts,
    /// What somebody has noted of it.
    pub note: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TrialRow {
    pub trial: TrialId,
    pub group: GroupId,
    pub spec: TrialSpec,
    /// Order of the sweep's definition; members that the definition no longer has come last.
    pub position: u32,
    /// In the sweep that was asked about.
    pub state: TrialState,
    /// How many attempts were made.
    pub attempts: u32,
    /// Last epoch of the accepted attempt, or of the newest one.
    pub last: Option<EpochMetrics>,
    pub evaluation: Option<Evaluation>,
    /// Of the last attempt that failed, whatever came after it.
    pub failure: Option<(FailureKind, String)>,
}

/// A configuration: trials that differ in their seed only.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupRow {
    pub group: GroupId,
    /// From 1; groups that nothing tells apart share the lower number.
    pub rank: u32,
    /// How many trials of it the sweep has.
    pub seeds: u32,
    /// Of the objective, over the complete trials.
    pub replicates: Replicates,
    /// The complete ones, best first; never empty.
    pub trials: Vec<TrialRow>,
}

impl GroupRow {
    /// Whether all seeds have a result. A group without some of them (they wait, run, failed or were cancelled) ranks by
    /// the mean of what it has, which luck moves further than that of others.
    pub fn is_whole(&self) -> bool {
        self.replicates.count == self.seeds
    }
}

/// What the scheduler has to know of a trial.
#[derive(Debug, Clone, PartialEq)]
pub struct RestoreRow {
    pub trial: TrialId,
    pub spec: TrialSpec,
    /// In the sweep that was asked about.
    pub state: TrialState,
    /// Since the last retry, oldest first.
    pub failures: Vec<FailureKind>,
    /// Also where the state is final: the attempt is one for another sweep then.
    pub running: Option<RunningRow>,
}

/// An attempt that had not ended when its coordinator did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunningRow {
    pub attempt: AttemptId,
    pub worker: u32,
    /// How many were recorded.
    pub epochs: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TrialDetail {
    /// Its state is the trial's own; where it waits and no sweep wants it any more, that of a sweep that has it.
    /// Its position is the one in the first of `sweeps`, 0 where no sweep has the trial any more.
    pub row: TrialRow,
    /// Names of the sweeps that it is a member of, oldest first.
    pub sweeps: Vec<String>,
    /// Oldest first.
    pub attempts: Vec<AttemptRow>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRow {
    pub attempt: AttemptId,
    pub worker: u32,
    pub build: Build,
    /// Seconds since 1970.
    pub started_at: f64,
    /// Seconds since 1970; none while it runs.
    pub ended_at: Option<f64>,
    pub outcome: AttemptOutcome,
    pub failure: Option<Failure>,
    /// How many were recorded.
    pub epochs: u32,
    /// Images at a time, where memory had run out before.
    pub micro_batch: Option<u32>,
    /// The segments of the network whose kept output it started from, 0 where it started from the images; none where that
    /// was not recorded.
    pub cut: Option<u32>,
    /// Of the trial, made when the attempt began.
    pub estimate: Option<Estimate>,
}

/// An attempt at a trial that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedRow {
    pub trial: TrialId,
    pub outcome: AttemptOutcome,
    pub seconds: f64,
    /// The sweep's objective, of the attempt whose result counts.
    pub value: Option<f64>,
    /// Why it failed; empty where it did not.
    pub message: String,
}

/// What an attempt has taken that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct SpentRow {
    /// Seconds since 1970.
    pub started_at: f64,
    pub ended_at: f64,
    pub on: Spent,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Spent {
    Trial {
        spec: Box<TrialSpec>,
        /// How many were recorded, and their seconds together.
        epochs: u32,
        seconds: f64,
        is_complete: bool,
    },
    /// Seconds are those of a fill that was computed to its end.
    Fill { key: FeatureKey, seconds: Option<f64> },
}

/// Reads a row's values in the order in which they were selected: names are slow to find in a hundred thousand rows.
pub(crate) struct Cells<'row> {
    row: &'row Row<'row>,
    next: usize,
}

impl<'row> Cells<'row> {
    pub(crate) fn of(row: &'row Row<'row>) -> Cells<'row> {
        Cells { row, next: 0 }
    }

    pub(crate) fn take<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        self.next += 1;
        self.row.get(self.next - 1)
    }

    /// A number that is NULL where it is not one.
    pub(crate) fn real(&mut self) -> rusqlite::Result<f64> {
        Ok(self.take::<Option<f64>>()?.unwrap_or(f64::NAN))
    }

    pub(crate) fn json<T: DeserializeOwned>(&mut self) -> rusqlite::Result<T> {
        let column = self.next;
        self.next += 1;
        let text = self.row.get_ref(column)?.as_str()?;
        serde_json::from_str(text)
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
    }

    pub(crate) fn skip(&mut self, columns: usize) {
        self.next += columns;
    }
}

/// A word of the shared vocabulary.
struct Word<T>(T);

macro_rules! words {
    ($($read:ident: $name:ident,)+) => {
        $(
            impl FromSql for Word<$name> {
                fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                    $name::parse(value.as_str()?).map(Word).ok_or(FromSqlError::InvalidType)
                }
            }

            pub(crate) fn $read(cells: &mut Cells) -> rusqlite::Result<$name> {
                cells.take::<Word<$name>>().map(|word| word.0)
            }
        )+
    };
}

words! {
    state: TrialState,
    outcome: AttemptOutcome,
    failure_kind: FailureKind,
}

/// What [`Cells::json`] reads.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)).into())
}

/// The columns that [`metrics`] reads, of the table `epoch` or `trial`.
pub(crate) const METRICS: &str = "epoch, train_loss, train_accuracy, val_loss, val_accuracy, learning_rate, seconds, \
                                  images_per_second, peak_memory, val_balanced_accuracy, val_macro_f1, val_top5_accuracy";
const METRICS_COUNT: usize = 12;

pub(crate) fn metrics(cells: &mut Cells) -> rusqlite::Result<EpochMetrics> {
    Ok(EpochMetrics {
        epoch: cells.take()?,
        train_loss: cells.real()?,
        train_accuracy: cells.real()?,
        val_loss: cells.real()?,
        val_accuracy: cells.real()?,
        learning_rate: cells.real()?,
        seconds: cells.real()?,
        images_per_second: cells.real()?,
        peak_memory: cells.take()?,
        by_class: by_class(cells)?,
    })
}

fn by_class(cells: &mut Cells) -> rusqlite::Result<Option<ClassMetrics>> {
    optional(cells, 3, |cells| {
        Ok(ClassMetrics { balanced_accuracy: cells.take()?, macro_f1: cells.take()?, top5_accuracy: cells.take()? })
    })
}

/// The columns that [`evaluation`] reads; the first one tells whether there is an evaluation.
const EVALUATION: &str = "trained_parameters, test_loss, test_accuracy, class_accuracy, confusion, attempt_seconds, \
                          validation_images, test_balanced_accuracy, test_macro_f1, test_top5_accuracy";
const EVALUATION_COUNT: usize = 10;

fn evaluation(cells: &mut Cells) -> rusqlite::Result<Evaluation> {
    let trained_parameters = cells.take()?;
    let (test_loss, test_accuracy) = (cells.real()?, cells.real()?);
    // JSON has no not-a-number either: the accuracy of a class without images is null.
    let class_accuracy: Vec<Option<f64>> = cells.json()?;
    Ok(Evaluation {
        test_loss,
        test_accuracy,
        class_accuracy: class_accuracy.into_iter().map(|share| share.unwrap_or(f64::NAN)).collect(),
        confusion: cells.json()?,
        trained_parameters,
        seconds: cells.real()?,
        validation_images: cells.take()?,
        by_class: by_class(cells)?,
        right: None,
    })
}

/// The number of images and the packed bits of both splits.
pub(crate) fn right(row: &Row) -> rusqlite::Result<Right> {
    let cells = &mut Cells::of(row);
    Ok(Right { validation: bits(cells)?, test: bits(cells)? })
}

fn bits(cells: &mut Cells) -> rusqlite::Result<Bits> {
    let images = cells.take()?;
    let column = cells.next;
    let packed: Vec<u8> = cells.take()?;
    Bits::from_bytes(&packed, images)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error)))
}

/// `value`, unless the next column is NULL: then the columns it would read are passed over.
fn optional<T>(
    cells: &mut Cells,
    columns: usize,
    value: impl FnOnce(&mut Cells) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    if cells.row.get_ref(cells.next)? == ValueRef::Null {
        cells.skip(columns);
        return Ok(None);
    }
    value(cells).map(Some)
}

/// What a sweep wants of a member that nobody has cancelled.
pub(crate) const WANTED: &str = "wanted";

/// How the trial of a member stands in its sweep, where `member` and `trial` are joined.
pub(crate) const MEMBER_STATE: &str =
    "CASE WHEN wish = 'wanted' OR state IN ('complete', 'failed') THEN state ELSE wish END";

/// Selects what [`trial_row`] reads, of the members that `join` joins to the table `trial`.
pub(crate) fn select_members(join: &str, condition: &str) -> String {
    select_trials("member.position", MEMBER_STATE, join, condition)
}

/// Selects what [`trial_row`] reads, of the table `trial`, with these expressions for its position and state.
pub(crate) fn select_trials(position: &str, state: &str, join: &str, condition: &str) -> String {
    format!(
        "SELECT {position}, trial.id, group_id, spec, {state}, {METRICS}, {EVALUATION},
            (SELECT count(*) FROM attempt WHERE attempt.trial = trial.id),
            failed.failure_kind, failed.failure_message
        FROM trial {join}
        LEFT JOIN attempt AS failed ON failed.id =
            (SELECT max(id) FROM attempt WHERE attempt.trial = trial.id AND attempt.outcome = 'failed')
        WHERE {condition}"
    )
}

pub(crate) fn trial_row(row: &Row) -> rusqlite::Result<TrialRow> {
    let cells = &mut Cells::of(row);
    Ok(TrialRow {
        position: cells.take()?,
        trial: TrialId(cells.take()?),
        group: GroupId(cells.take()?),
        spec: cells.json()?,
        state: state(cells)?,
        last: optional(cells, METRICS_COUNT, metrics)?,
        evaluation: optional(cells, EVALUATION_COUNT, evaluation)?,
        attempts: cells.take()?,
        failure: optional(cells, 2, |cells| Ok((failure_kind(cells)?, cells.take()?)))?,
    })
}

/// Selects what [`attempt_row`] reads.
macro_rules! attempts_of_trial {
    ($order:literal) => {
        concat!(
            "SELECT id, worker, build, started_at, ended_at, outcome,
                (SELECT count(*) FROM epoch WHERE epoch.attempt = attempt.id), micro_batch,
                cut, estimate, estimate_without, failure_kind, failure_message, failure_log
            FROM attempt WHERE trial = ?1 ORDER BY ",
            $order
        )
    };
}

pub(crate) const ATTEMPTS_OF_TRIAL: &str = attempts_of_trial!("id");

/// The accepted one, or the newest.
pub(crate) const ATTEMPT_TO_SHOW: &str = attempts_of_trial!("outcome = 'complete' DESC, id DESC LIMIT 1");

pub(crate) fn attempt_row(row: &Row) -> rusqlite::Result<AttemptRow> {
    let cells = &mut Cells::of(row);
    Ok(AttemptRow {
        attempt: AttemptId(cells.take()?),
        worker: cells.take()?,
        build: cells.json()?,
        started_at: cells.take()?,
        ended_at: cells.take()?,
        outcome: outcome(cells)?,
        epochs: cells.take()?,
        micro_batch: cells.take()?,
        cut: cells.take()?,
        estimate: optional(cells, 2, |cells| Ok(Estimate { seconds: cells.take()?, without: cells.take()? }))?,
        failure: optional(cells, 3, |cells| {
            Ok(Failure { kind: failure_kind(cells)?, message: cells.take()?, log: cells.json()? })
        })?,
    })
}
