//! Questions to the database; each is answered from one moment of it.

use crate::connect::{is_being_written, open_alone, open_read_only};
use crate::error::{Fault, MIN_PREFIX};
use crate::lock::Lock;
use crate::lookup::sweep_id;
use crate::place::{self, Place, place};
use crate::rows::{
    ATTEMPTS_OF_TRIAL, Cells, Counts, EndedRow, MEMBER_STATE, METRICS, Provenance, RestoreRow, RunningRow, Spent,
    SpentRow, Sweep, SweepSummary, TrialDetail, TrialRow, attempt_row, failure_kind, metrics, outcome, right,
    select_members, select_trials, state, trial_row,
};
use crate::snapshot::Snapshot;
use crate::{StoreError, schema};
use frostline_results::{Folder, Holder};
use frostline_sweep::features::FeatureKey;
use frostline_sweep::metric;
use frostline_sweep::outcome::{AttemptId, AttemptOutcome, EpochMetrics, Right};
use frostline_sweep::trial::TrialId;
use rusqlite::{Connection, OptionalExtension, Row};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// How many matches of an ambiguous prefix are worth showing.
const SHOWN: usize = 8;

/// Reads the results while a writer writes them.
#[derive(Debug)]
pub struct Reader {
    pub(crate) connection: Connection,
    /// The database's file, for messages.
    pub(crate) path: PathBuf,
    /// Where it reads one, and not the database itself.
    snapshot: Option<Snapshot>,
    /// Where nobody else may open the database meanwhile.
    _lock: Option<Lock>,
}

impl Reader {
    /// # Errors
    /// [`StoreError::Missing`] where nothing was launched into `results`, and what is wrong with the file otherwise.
    pub fn open(results: &Path) -> Result<Reader, StoreError> {
        let folder = Folder::new(results);
        if place(results, place::file_system)? == Place::Shared {
            let snapshot = Snapshot::of(&folder)?;
            let reader = Reader::connect(&folder.snapshot(), results, true)?;
            return Ok(Reader { snapshot: Some(snapshot), ..reader });
        }
        let path = folder.database();
        let exists = path.try_exists().map_err(|source| StoreError::reading("look for", &path, source))?;
        if !exists {
            return Err(StoreError::Missing { results: results.to_owned() });
        }
        // Asked, not opened: closing a second descriptor of a database takes this process' locks off it.
        let readable = rustix::fs::access(&path, rustix::fs::Access::READ_OK);
        readable.map_err(|error| StoreError::reading("open", &path, error.into()))?;
        match Reader::connect(&path, results, false) {
            // SQLite wants to write beside the database, which a copy for reading does not allow. Where nobody has left a
            // log there, nobody writes, and the file alone is all that there is.
            Err(StoreError::ReadOnly { .. } | StoreError::Sqlite { .. }) if !is_being_written(&path) => {
                Reader::connect(&path, results, true)
            }
            opened => opened,
        }
    }

    fn connect(path: &Path, results: &Path, immutable: bool) -> Result<Reader, StoreError> {
        let connection = open_read_only(path, immutable).map_err(|fault| fault.at(path))?;
        schema::check(&connection, path, results)?;
        Ok(Reader::on(connection, path.to_owned()))
    }

    /// The database itself also where others read snapshots, as long as nobody holds it: what a writer that was killed had
    /// committed is seen.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open_itself(results: &Path) -> Result<Reader, StoreError> {
        let reader = Reader::open(results)?;
        if reader.snapshot.is_none() {
            return Ok(reader);
        }
        let lock = match Lock::take(results).and_then(|lock| lock.unless_another_machine_is_at_work(results)) {
            Ok(lock) => lock,
            Err(StoreError::Locked { .. } | StoreError::ReadOnly { .. }) => return Ok(reader),
            Err(error) => return Err(error),
        };
        let path = Folder::new(results).database();
        let opened = open_alone(&path).map_err(|fault| fault.at(&path));
        let opened = opened.and_then(|connection| schema::check(&connection, &path, results).map(|()| connection));
        match opened {
            Ok(connection) => Ok(Reader { _lock: Some(lock), ..Reader::on(connection, path) }),
            Err(StoreError::Held { .. }) => {
                lock.give_back();
                Ok(reader)
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn on(connection: Connection, path: PathBuf) -> Reader {
        Reader { connection, path, snapshot: None, _lock: None }
    }

    /// Where it reads a snapshot that lacks what came later: when that was made, in seconds since 1970, and who holds the
    /// database, or held it when he was killed.
    pub fn as_of(&self) -> Option<(f64, Option<Holder>)> {
        let snapshot = self.snapshot.as_ref()?;
        Some((snapshot.as_of?, Holder::of(snapshot.folder.path())))
    }

    /// The sweeps, oldest first.
    ///
    /// # Errors
    /// Failures of the database, here and in every other query.
    pub fn sweeps(&self) -> Result<Vec<SweepSummary>, StoreError> {
        self.snapshot(|connection| {
            let sql = "SELECT id, name, objective, created_at, updated_at, note FROM sweep ORDER BY id";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([])?;
            let mut sweeps = Vec::new();
            while let Some(row) = rows.next()? {
                let cells = &mut Cells::of(row);
                let counts = counts(connection, cells.take()?)?;
                let (name, objective) = (cells.take()?, cells.take()?);
                let (created_at, updated_at) = (cells.take()?, cells.take()?);
                sweeps.push(SweepSummary { name, objective, created_at, updated_at, counts, note: cells.take()? });
            }
            Ok(sweeps)
        })
    }

    /// # Errors
    /// [`StoreError::UnknownSweep`] with names that are near.
    pub fn sweep(&self, name: &str) -> Result<Sweep, StoreError> {
        self.snapshot(|connection| Ok(stored_sweep(connection, sweep_id(connection, name)?)?))
    }

    /// What somebody has noted of a sweep.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn note(&self, sweep: &str) -> Result<Option<String>, StoreError> {
        self.snapshot(|connection| {
            let sql = "SELECT note FROM sweep WHERE id = ?1";
            Ok(connection.prepare_cached(sql)?.query_row([sweep_id(connection, sweep)?], |row| row.get(0))?)
        })
    }

    /// When each sweep was changed last, in seconds since 1970: launched, noted, retried, or one of its trials.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn updated(&self) -> Result<Vec<(String, f64)>, StoreError> {
        self.snapshot(|connection| {
            let mut statement = connection.prepare_cached("SELECT name, updated_at FROM sweep ORDER BY id")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// How many of a sweep's trials are in each state.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn counts(&self, sweep: &str) -> Result<Counts, StoreError> {
        self.snapshot(|connection| Ok(counts(connection, sweep_id(connection, sweep)?)?))
    }

    /// A sweep's trials in the order of their positions, from their own rows: no epoch is read.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn trials(&self, sweep: &str) -> Result<Vec<TrialRow>, StoreError> {
        self.snapshot(|connection| {
            let join = "JOIN member ON member.trial = trial.id";
            let sql = select_members(join, "member.sweep = ?1 ORDER BY member.position");
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map([sweep_id(connection, sweep)?], trial_row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Which trials a sweep has, in the order of their positions.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn members(&self, sweep: &str) -> Result<Vec<TrialId>, StoreError> {
        self.snapshot(|connection| {
            let sql = "SELECT trial FROM member WHERE sweep = ?1 ORDER BY position";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([sweep_id(connection, sweep)?], |row| Ok(TrialId(row.get(0)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// What the scheduler is rebuilt from, in the order of the positions.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn restore(&self, sweep: &str) -> Result<Vec<RestoreRow>, StoreError> {
        self.snapshot(|connection| {
            let sweep = sweep_id(connection, sweep)?;
            let sql = format!(
                "SELECT trial.id, spec, {MEMBER_STATE} FROM member JOIN trial ON trial.id = member.trial
                WHERE member.sweep = ?1 ORDER BY member.position"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let members = statement.query_map([sweep], |row| {
                let cells = &mut Cells::of(row);
                let (trial, spec, state) = (TrialId(cells.take()?), cells.json()?, state(cells)?);
                Ok(RestoreRow { trial, spec, state, failures: Vec::new(), running: None })
            })?;
            let mut members: Vec<RestoreRow> = members.collect::<Result<_, _>>()?;
            let places: HashMap<TrialId, usize> =
                members.iter().enumerate().map(|(place, member)| (member.trial, place)).collect();

            // Few trials fail or run. Each row of these two queries belongs to a member, by its join.
            let sql = "SELECT attempt.trial, failure_kind
                FROM member JOIN trial ON trial.id = member.trial
                JOIN attempt ON attempt.trial = trial.id AND outcome = 'failed' AND attempt.id > forgiven
                WHERE member.sweep = ?1 ORDER BY attempt.id";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([sweep])?;
            while let Some(row) = rows.next()? {
                let cells = &mut Cells::of(row);
                let place = places[&TrialId(cells.take()?)];
                members[place].failures.push(failure_kind(cells)?);
            }
            let sql = "SELECT attempt.trial, attempt.id, worker,
                    (SELECT count(*) FROM epoch WHERE epoch.attempt = attempt.id)
                FROM attempt JOIN member ON member.trial = attempt.trial
                WHERE outcome = 'running' AND member.sweep = ?1";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([sweep])?;
            while let Some(row) = rows.next()? {
                let cells = &mut Cells::of(row);
                let place = places[&TrialId(cells.take()?)];
                let attempt = AttemptId(cells.take()?);
                let (worker, epochs) = (cells.take()?, cells.take()?);
                members[place].running = Some(RunningRow { attempt, worker, epochs });
            }
            Ok(members)
        })
    }

    /// The trial whose id begins with these hexadecimal digits, with all that was tried.
    ///
    /// # Errors
    /// [`StoreError::UnknownTrial`] where there is none or `prefix` is no such beginning,
    /// [`StoreError::AmbiguousTrial`] where there are several.
    pub fn find_trial(&self, prefix: &str) -> Result<TrialDetail, StoreError> {
        let unknown = || StoreError::UnknownTrial { prefix: prefix.to_owned() };
        let is_hexadecimal = prefix.bytes().all(|digit| digit.is_ascii_hexdigit());
        if prefix.len() < MIN_PREFIX || !is_hexadecimal {
            return Err(unknown());
        }
        let end = |digit: &str| {
            let digits = prefix.to_owned() + &digit.repeat(32usize.saturating_sub(prefix.len()));
            digits.parse::<TrialId>().map_err(|_| unknown())
        };
        let (first, last) = (end("0")?, end("f")?);
        self.snapshot(|connection| {
            let sql = "SELECT id FROM trial WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3";
            let mut statement = connection.prepare_cached(sql)?;
            let matches = statement.query_map((first.0, last.0, SHOWN), |row| Ok(TrialId(row.get(0)?)))?;
            let trial = match matches.collect::<Result<Vec<_>, _>>()?[..] {
                [] => return Err(unknown().into()),
                [trial] => trial,
                ref matches => {
                    let matches = matches.iter().map(TrialId::to_string).collect();
                    return Err(StoreError::AmbiguousTrial { prefix: prefix.to_owned(), matches }.into());
                }
            };
            detail(connection, trial)
        })
    }

    /// The recorded epochs of an attempt, in their order; empty for an attempt that has none or does not exist.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn epochs(&self, attempt: AttemptId) -> Result<Vec<EpochMetrics>, StoreError> {
        self.snapshot(|connection| {
            let sql = format!("SELECT {METRICS} FROM epoch WHERE attempt = ?1 ORDER BY epoch");
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map([attempt.0], |row| metrics(&mut Cells::of(row)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Which images each of these trials got right, in their order; none where it is not complete, or nobody said.
    ///
    /// # Errors
    /// Failures of the database, and bits that do not fit their images.
    pub fn right(&self, trials: &[TrialId]) -> Result<Vec<Option<Right>>, StoreError> {
        self.snapshot(|connection| {
            let sql = "SELECT validation_images, validation, test_images, test FROM right_images WHERE trial = ?1";
            let mut statement = connection.prepare_cached(sql)?;
            let read = |trial: &TrialId| statement.query_row([trial.0], right).optional();
            Ok(trials.iter().map(read).collect::<Result<_, _>>()?)
        })
    }

    /// The attempts at trials of a sweep that have ended last, the newest first.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn ended(&self, sweep: &str, most: usize) -> Result<Vec<EndedRow>, StoreError> {
        self.snapshot(|connection| {
            let sweep = sweep_id(connection, sweep)?;
            let objective = stored_sweep(connection, sweep)?.objective;
            // The metrics are columns of `trial`, under their names.
            let value = metric::find(&objective).map_or("NULL".to_owned(), |metric| format!("trial.{}", metric.name));
            let sql = format!(
                "SELECT attempt.trial, outcome, ended_at - started_at,
                    iif(outcome = 'complete', {value}, NULL), coalesce(failure_message, '')
                FROM attempt CROSS JOIN trial ON trial.id = attempt.trial
                WHERE ended_at IS NOT NULL
                    AND EXISTS (SELECT 1 FROM member WHERE member.trial = attempt.trial AND member.sweep = ?1)
                ORDER BY attempt.id DESC LIMIT ?2"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map((sweep, i64::try_from(most).unwrap_or(i64::MAX)), |row| {
                let cells = &mut Cells::of(row);
                Ok(EndedRow {
                    trial: TrialId(cells.take()?),
                    outcome: outcome(cells)?,
                    seconds: cells.take()?,
                    value: cells.take()?,
                    message: cells.take()?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// A number that changes whenever another connection has changed the database. A snapshot that was replaced is left for
    /// the new one.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn version(&mut self) -> Result<i64, StoreError> {
        if let Some(known) = &self.snapshot {
            let newest = Snapshot::of(&known.folder)?;
            if newest.version() != known.version() {
                *self = Reader::open(newest.folder.path())?;
            }
            return Ok(self.snapshot.as_ref().map_or(0, Snapshot::version));
        }
        let version = self.connection.pragma_query_value(None, "data_version", |row| row.get(0));
        version.map_err(|source| StoreError::sqlite(&self.path, source))
    }

    /// Hands over what each attempt from `first` on has taken that has ended, but for those that had to make do with little
    /// memory.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn spent(&self, first: AttemptId, mut each: impl FnMut(SpentRow)) -> Result<(), StoreError> {
        self.snapshot(|connection| {
            let sql =
                "SELECT started_at, ended_at, features, iif(feature_computed, feature_seconds, NULL), outcome, spec,
                    (SELECT count(*) FROM epoch WHERE epoch.attempt = attempt.id),
                    (SELECT total(seconds) FROM epoch WHERE epoch.attempt = attempt.id)
                FROM attempt LEFT JOIN trial ON trial.id = attempt.trial
                WHERE attempt.id >= ?1 AND ended_at IS NOT NULL AND micro_batch IS NULL ORDER BY attempt.id";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([first.0])?;
            while let Some(row) = rows.next()? {
                let cells = &mut Cells::of(row);
                let (started_at, ended_at) = (cells.take()?, cells.take()?);
                let key: Option<String> = cells.take()?;
                let filled = cells.take()?;
                let is_complete = outcome(cells)? == AttemptOutcome::Complete;
                let on = match key {
                    Some(key) => Spent::Fill { key: FeatureKey(key), seconds: filled },
                    None => {
                        let spec = Box::new(cells.json()?);
                        Spent::Trial { spec, epochs: cells.take()?, seconds: cells.take()?, is_complete }
                    }
                };
                each(SpentRow { started_at, ended_at, on });
            }
            Ok(())
        })
    }

    /// Copies the database as it is at one moment to the new file `target`, while a writer may go on.
    ///
    /// # Errors
    /// [`StoreError::File`] where `target` is there already, and failures of the two databases.
    pub fn backup(&self, target: &Path) -> Result<(), StoreError> {
        let exists = target.try_exists().map_err(|source| StoreError::file("look for", target, source))?;
        if exists {
            let source = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
            return Err(StoreError::file("write a backup over", target, source));
        }
        // In one statement, so in one read transaction: the copy is one moment, and has no log beside it.
        let name = target.to_str().ok_or_else(|| {
            let source = std::io::Error::new(std::io::ErrorKind::InvalidInput, "its name is not UTF-8");
            StoreError::file("write", target, source)
        })?;
        let copied = self.connection.execute("VACUUM INTO ?1", [name]);
        copied.map(drop).map_err(|source| StoreError::sqlite(target, source))
    }

    /// Runs queries that have to agree with each other.
    pub(crate) fn snapshot<T>(&self, query: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, StoreError> {
        let answer = || {
            let transaction = self.connection.unchecked_transaction()?;
            query(&transaction)
        };
        answer().map_err(|fault: Fault| fault.at(&self.path))
    }
}

pub(crate) fn stored_sweep(connection: &Connection, id: i64) -> rusqlite::Result<Sweep> {
    let sql = "SELECT name, objective, definition, file, program, git_commit, libtorch, device, host, threads
        FROM sweep WHERE id = ?1";
    connection.prepare_cached(sql)?.query_row([id], |row| {
        let cells = &mut Cells::of(row);
        Ok(Sweep {
            name: cells.take()?,
            objective: cells.take()?,
            definition: cells.take()?,
            file: cells.take()?,
            provenance: Provenance {
                program: cells.take()?,
                git_commit: cells.take()?,
                libtorch: cells.take()?,
                device: cells.take()?,
                host: cells.take()?,
            },
            threads: cells.take()?,
        })
    })
}

fn counts(connection: &Connection, sweep: i64) -> rusqlite::Result<Counts> {
    // Whether a member is complete is in its own row: of a large sweep, the trials' rows take long to find.
    let complete = "SELECT count(*) FROM member INDEXED BY member_rank WHERE sweep = ?1 AND ranked";
    let complete = connection.prepare_cached(complete)?.query_row([sweep], |row| row.get(0))?;
    let sql = format!(
        "SELECT {MEMBER_STATE}, count(*) FROM member JOIN trial ON trial.id = member.trial
        WHERE member.sweep = ?1 AND NOT ranked GROUP BY 1"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([sweep])?;
    let mut counts = Counts { complete, ..Counts::default() };
    while let Some(row) = rows.next()? {
        let cells = &mut Cells::of(row);
        let state = state(cells)?;
        *counts.of_mut(state) += cells.take::<u64>()?;
    }
    Ok(counts)
}

fn detail(connection: &Connection, trial: TrialId) -> Result<TrialDetail, Fault> {
    let position = "coalesce((SELECT position FROM member WHERE member.trial = trial.id ORDER BY sweep LIMIT 1), 0)";
    // Not waiting where all of its sweeps have given it up.
    let state = "iif(state = 'waiting', (SELECT iif(min(wish != 'wanted'), wish, state)
        FROM member WHERE member.trial = trial.id), state)";
    let sql = select_trials(position, state, "", "trial.id = ?1");
    let row = connection.prepare_cached(&sql)?.query_row([trial.0], trial_row)?;
    let sql = "SELECT name FROM member JOIN sweep ON sweep.id = member.sweep
        WHERE member.trial = ?1 ORDER BY sweep.id";
    let name = |row: &Row| row.get(0);
    let sweeps = connection.prepare_cached(sql)?.query_map([trial.0], name)?.collect::<Result<_, _>>()?;
    let mut statement = connection.prepare_cached(ATTEMPTS_OF_TRIAL)?;
    let attempts = statement.query_map([trial.0], attempt_row)?.collect::<Result<_, _>>()?;
    Ok(TrialDetail { row, sweeps, attempts })
}
