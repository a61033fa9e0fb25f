//! The one writer of a results folder.

use crate::connect::{open_alone, open_with_others};
use crate::error::Fault;
use crate::lock::Lock;
use crate::lookup::sweep_id;
use crate::place::{self, Place, place};
use crate::ranked::rank_sweep;
use crate::rows::{Cells, MEMBER_STATE, Put, Sweep, WANTED, json, state};
use crate::snapshot::Snapshots;
use crate::{Reader, StoreError, records, schema};
use frostline_results::Folder;
use frostline_sweep::expand::Trial;
use frostline_sweep::outcome::{AttemptId, FailureKind, TrialState};
use frostline_sweep::record::Record;
use frostline_sweep::trial::TrialId;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes the results. The folder's lock is held as long as it lives.
#[derive(Debug)]
pub struct Writer {
    // In this order: the database is closed before its file, and before the next writer may open it.
    reader: Reader,
    /// Where this is the only process that may open the database.
    snapshots: Option<Snapshots>,
    _lock: Lock,
}

/// What is in SQLite's log goes into the database, so that the one file is the whole of it: people copy it.
impl Drop for Writer {
    fn drop(&mut self) {
        let connection = &self.reader.connection;
        let _ = match &mut self.snapshots {
            // Where it cannot be written, the one before says that it is older than the database.
            Some(snapshots) => snapshots.end(connection).is_ok(),
            // A reader that is still at work keeps the log from being emptied, and nothing is lost with that.
            None => connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).is_ok(),
        };
    }
}

impl Writer {
    /// Opens the database in `results`. Makes the folder, for this user alone, and the database where they are
    /// missing, and brings an older database up to date.
    ///
    /// Fills that ran when the last writer ended are recorded as interrupted: they belong to no trial, so nothing
    /// that is rebuilt from the rows would ever end them.
    ///
    /// # Errors
    /// [`StoreError::Locked`] where another writer lives, [`StoreError::Network`] where other machines would see the
    /// folder and it was not made for that, and what is wrong with the folder or the file otherwise.
    pub fn open(results: &Path) -> Result<Writer, StoreError> {
        Writer::open_in(results, place(results, place::file_system)?)
    }

    /// The same, in a folder that is on a disk that several machines share from now on: no other process opens the
    /// database any more, and readers read snapshots of it.
    ///
    /// # Errors
    /// As [`Writer::open`].
    pub fn open_shared(results: &Path) -> Result<Writer, StoreError> {
        let writer = Writer::open_in(results, Place::Shared)?;
        place::mark(results)?;
        Ok(writer)
    }

    fn open_in(results: &Path, place: Place) -> Result<Writer, StoreError> {
        let mut folder = DirBuilder::new();
        folder.recursive(true).mode(0o700);
        folder.create(results).map_err(|source| StoreError::file("create the folder", results, source))?;
        let lock = match place {
            Place::Local => Lock::take(results)?,
            Place::Shared => Lock::take(results)?.unless_another_machine_is_at_work(results)?,
        };
        let path = Folder::new(results).database();
        let open = || -> Result<Connection, Fault> {
            let mut connection = match place {
                Place::Local => open_with_others(&path)?,
                Place::Shared => open_alone(&path)?,
            };
            // A table is made anew by dropping the one before, to which others refer
            // (<https://www.sqlite.org/lang_altertable.html#otheralter>).
            connection.pragma_update(None, "foreign_keys", false)?;
            // Before anything else is changed, so that a file of somebody else stays as it is.
            schema::migrate(&mut connection, &path)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            // A commit is on the disk when it returns, power cut or not.
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            connection.set_prepared_statement_cache_capacity(64);
            let sql = "UPDATE attempt SET outcome = 'interrupted', ended_at = ?1
                WHERE outcome = 'running' AND trial IS NULL";
            connection.execute(sql, [now()])?;
            Ok(connection)
        };
        let connection = match open().map_err(|fault| fault.at(&path)) {
            // Not everybody who has the database holds the lock where this machine sees it.
            Err(StoreError::Held { .. }) if place == Place::Shared => {
                return Err(StoreError::Locked { path: results.to_owned(), holder: lock.give_back() });
            }
            opened => opened?,
        };
        let snapshots = match place {
            Place::Local => None,
            Place::Shared => Some(Snapshots::new(Folder::new(results))?),
        };
        Ok(Writer { reader: Reader::on(connection, path), snapshots, _lock: lock })
    }

    /// Has others see what was written until now, within a while, where they read snapshots. It is asked for again and again,
    /// and waits for nothing.
    ///
    /// # Errors
    /// A snapshot cannot be written. What was written is not touched by that.
    pub fn show(&mut self) -> Result<(), StoreError> {
        match &mut self.snapshots {
            Some(snapshots) => snapshots.keep(&self.reader.connection),
            None => Ok(()),
        }
    }

    /// The queries, on this writer's own connection.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Stores the sweep called `sweep.name` and makes `trials` its members, in this order.
    ///
    /// A trial that another sweep has asked for already is shared with its results. A member that this sweep has
    /// cancelled stays so, what only others have cancelled is wanted here. Members that are not in
    /// `trials` leave the sweep, except complete ones where `replace` is false: those come last. The rows of trials
    /// that leave stay.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`] where a trial is given twice; nothing is written then.
    pub fn put_sweep(&mut self, sweep: &Sweep, trials: &[Trial], replace: bool) -> Result<Put, StoreError> {
        self.write(|transaction| {
            let id = put_sweep_row(transaction, sweep)?;
            let mut statement = transaction.prepare(
                "SELECT member.trial, state, wish FROM member JOIN trial ON trial.id = member.trial
                WHERE member.sweep = ?1 ORDER BY member.position",
            )?;
            let mut rows = statement.query([id])?;
            let mut before: Vec<(TrialId, TrialState)> = Vec::new();
            let mut unwanted: HashMap<TrialId, String> = HashMap::new();
            while let Some(row) = rows.next()? {
                let cells = &mut Cells::of(row);
                let (trial, state, wish) = (TrialId(cells.take()?), state(cells)?, cells.take()?);
                before.push((trial, state));
                if wish != WANTED {
                    unwanted.insert(trial, wish);
                }
            }

            let mut wanted = HashSet::with_capacity(trials.len());
            let mut add = transaction
                .prepare("INSERT INTO trial (id, group_id, spec) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO NOTHING")?;
            for Trial { id, group, spec } in trials {
                if !wanted.insert(*id) {
                    return Err(Fault::inconsistent(format!("trial {id} is in sweep `{}` twice", sweep.name)));
                }
                add.execute((id.0, group.0, json(spec)?))?;
            }
            let stays = |&&(trial, state): &&(TrialId, TrialState)| {
                !replace && state == TrialState::Complete && !wanted.contains(&trial)
            };
            let staying = before.iter().filter(stays).map(|(trial, _)| *trial);
            let members: Vec<TrialId> = trials.iter().map(|trial| trial.id).chain(staying).collect();

            transaction.execute("DELETE FROM member WHERE sweep = ?1", [id])?;
            let mut join =
                transaction.prepare("INSERT INTO member (sweep, position, trial, wish) VALUES (?1, ?2, ?3, ?4)")?;
            for (position, trial) in members.iter().enumerate() {
                let wish = unwanted.get(trial).map_or(WANTED, String::as_str);
                join.execute((id, position, trial.0, wish))?;
            }
            rank_sweep(transaction, id)?;
            let before: HashSet<TrialId> = before.into_iter().map(|(trial, _)| trial).collect();
            let kept = members.iter().filter(|member| before.contains(member)).count() as u64;
            Ok(Put { added: members.len() as u64 - kept, kept, dropped: before.len() as u64 - kept })
        })
    }

    /// Writes what happened in the run of a sweep, all of it or nothing, and returns when it is on the disk. Where a record
    /// says that a trial is cancelled, it is so for this sweep, and waits for the others that have it.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`], [`StoreError::Held`] where another program holds the database (the same call may
    /// succeed later), and [`StoreError::Inconsistent`] where a record contradicts what is stored: an attempt that does not run, an epoch
    /// out of its order, a state that this change cannot lead to.
    pub fn apply(&mut self, sweep: &str, records: &[Record]) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        self.write(|transaction| {
            let (sweep, now) = (sweep_id(transaction, sweep)?, now());
            let mut touched = BTreeSet::new();
            let newest = records::newest_epochs(records);
            for record in records {
                touched.extend(records::write(transaction, sweep, record, &newest, now)?);
            }
            let mut touch = transaction.prepare_cached(
                "UPDATE sweep SET updated_at = ?2 WHERE id IN (SELECT sweep FROM member WHERE trial = ?1)",
            )?;
            for trial in touched {
                touch.execute((trial.0, now))?;
            }
            Ok(())
        })
    }

    /// Lets trials of a sweep that are in one of `states` wait again, with `kind` only those whose last failure is of
    /// it. Their failures so far no longer count. Returns how many there are.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`], and [`StoreError::Inconsistent`] where `states` has one that needs no retry.
    pub fn retry(
        &mut self,
        sweep: &str,
        states: &[TrialState],
        kind: Option<FailureKind>,
    ) -> Result<u64, StoreError> {
        self.write(|transaction| {
            let sweep = sweep_id(transaction, sweep)?;
            let mut members = transaction.prepare(&format!(
                "SELECT trial.id, (SELECT failure_kind FROM attempt
                    WHERE attempt.trial = trial.id AND outcome = 'failed' ORDER BY attempt.id DESC LIMIT 1)
                FROM member JOIN trial ON trial.id = member.trial
                WHERE member.sweep = ?1 AND {MEMBER_STATE} = ?2"
            ))?;
            // One that is cancelled here may run for another sweep.
            let mut wait = transaction.prepare(
                "UPDATE trial SET state = iif(state = 'failed', 'waiting', state),
                    forgiven = (SELECT coalesce(max(id), 0) FROM attempt)
                WHERE id = ?1",
            )?;
            let mut want = transaction.prepare("UPDATE member SET wish = ?3 WHERE trial = ?1 AND sweep = ?2")?;
            let mut retried = 0;
            for &state in states {
                if !state.is_final() || state == TrialState::Complete {
                    return Err(Fault::inconsistent(format!("trials that are {state} cannot be retried")));
                }
                let mut chosen = Vec::new();
                let mut rows = members.query((sweep, state.as_str()))?;
                while let Some(row) = rows.next()? {
                    let trial = TrialId(row.get(0)?);
                    let last: Option<String> = row.get(1)?;
                    if kind.is_none_or(|kind| last.as_deref() == Some(kind.as_str())) {
                        chosen.push(trial);
                    }
                }
                for trial in chosen {
                    want.execute((trial.0, sweep, WANTED))?;
                    retried += wait.execute([trial.0])? as u64;
                }
            }
            if retried > 0 {
                transaction.execute("UPDATE sweep SET updated_at = ?2 WHERE id = ?1", (sweep, now()))?;
            }
            Ok(retried)
        })
    }

    /// Adds trials to a sweep behind those that it has, and says how many it did not have yet. They stay when it is resumed;
    /// launching its definition again keeps those that are complete.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn extend(&mut self, sweep: &str, trials: &[Trial]) -> Result<u64, StoreError> {
        self.write(|transaction| {
            let sweep = sweep_id(transaction, sweep)?;
            let mut add = transaction
                .prepare("INSERT INTO trial (id, group_id, spec) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO NOTHING")?;
            let mut join = transaction.prepare(
                "INSERT INTO member (sweep, position, trial)
                SELECT ?1, coalesce(max(position), -1) + 1, ?2 FROM member WHERE sweep = ?1
                ON CONFLICT (trial, sweep) DO NOTHING",
            )?;
            let mut added = 0;
            for Trial { id, group, spec } in trials {
                add.execute((id.0, group.0, json(spec)?))?;
                added += join.execute((sweep, id.0))? as u64;
            }
            // Another sweep may have run them already.
            rank_sweep(transaction, sweep)?;
            transaction.execute("UPDATE sweep SET updated_at = ?2 WHERE id = ?1", (sweep, now()))?;
            Ok(added)
        })
    }

    /// Notes something of a sweep, in place of what was noted before; nothing where that is empty.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn note(&mut self, sweep: &str, text: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            sweep_id(transaction, sweep)?;
            Ok(records::note(transaction, sweep, text, now())?)
        })
    }

    /// The number of the next attempt: above every one there was, fills included.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn next_attempt(&self) -> Result<AttemptId, StoreError> {
        // SQLite remembers the largest number that there ever was, which may have gone with its sweep.
        let sql = "SELECT max(coalesce((SELECT max(id) FROM attempt), 0),
            coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'attempt'), 0)) + 1";
        let next = self.reader.connection.query_row(sql, [], |row| row.get(0));
        next.map(AttemptId).map_err(|source| StoreError::sqlite(&self.reader.path, source))
    }

    /// Runs `change` as one transaction, which is undone where it fails.
    pub(crate) fn write<T>(
        &mut self,
        change: impl FnOnce(&Transaction) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let Reader { connection, path, .. } = &mut self.reader;
        let run = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = change(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        run().map_err(|fault: Fault| fault.at(path))
    }
}

fn put_sweep_row(transaction: &Transaction, sweep: &Sweep) -> Result<i64, Fault> {
    let Sweep { name, objective, definition, file, provenance, threads } = sweep;
    let sql = "
        INSERT INTO sweep (name, objective, definition, file, program, git_commit, libtorch, device, host, threads,
            created_at, updated_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11)
        ON CONFLICT (name) DO UPDATE SET objective = ?2, definition = ?3, file = ?4, program = ?5, git_commit = ?6,
            libtorch = ?7, device = ?8, host = ?9, threads = ?10, updated_at = ?11
        RETURNING id";
    let values = params![
        name,
        objective,
        definition,
        file,
        provenance.program,
        provenance.git_commit,
        provenance.libtorch,
        provenance.device,
        provenance.host,
        threads,
        now()
    ];
    Ok(transaction.query_row(sql, values, |row| row.get(0))?)
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Provenance;

    fn sweep(definition: String) -> Sweep {
        let provenance =
            Provenance { program: "0.1.0".into(), git_commit: None, libtorch: None, device: None, host: "h".into() };
        let (name, objective, file) = ("demo".into(), "val_accuracy".into(), "demo.toml".into());
        Sweep { name, objective, definition, file, provenance, threads: None }
    }

    #[test]
    fn a_full_disk_is_named_and_leaves_what_was_committed() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(folder.path()).unwrap();
        writer.put_sweep(&sweep("small".into()), &[], false).unwrap();
        let pages: i64 = writer.reader.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        writer.reader.connection.pragma_update(None, "max_page_count", pages + 2).unwrap();
        let full = writer.put_sweep(&sweep("x".repeat(1 << 20)), &[], false);
        assert!(matches!(full, Err(StoreError::Full { .. })), "{full:?}");
        assert_eq!(writer.reader().sweep("demo").unwrap().definition, "small");
        writer.put_sweep(&sweep("still small".into()), &[], false).unwrap();
    }

    #[test]
    fn a_folder_on_nfs_is_refused_before_it_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let results = folder.path().join("results");
        let refused = place(&results, |_| Some(0x6969));
        assert!(matches!(refused, Err(StoreError::Network { file_system: "NFS", .. })), "{refused:?}");
        assert!(!results.exists());
        Writer::open(&results).unwrap();
    }

    #[test]
    fn a_database_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(folder.path()).unwrap();
        writer.reader.connection.pragma_update(None, "query_only", true).unwrap();
        let refused = writer.put_sweep(&sweep("small".into()), &[], false);
        assert!(matches!(refused, Err(StoreError::ReadOnly { .. })), "{refused:?}");
    }

    fn assert_synced(writer: &Writer, locking: &str) {
        let pragma = |name: &str| writer.reader.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        assert_eq!(pragma("synchronous"), Ok(2));
        assert_eq!(pragma("foreign_keys"), Ok(1));
        let text =
            |name: &str| writer.reader.connection.pragma_query_value(None, name, |row| row.get::<_, String>(0));
        assert_eq!(text("journal_mode").as_deref(), Ok("wal"));
        assert_eq!(text("locking_mode").as_deref(), Ok(locking));
    }

    #[test]
    fn commits_are_synced_and_references_are_checked() {
        let [local, shared] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        assert_synced(&Writer::open(local.path()).unwrap(), "normal");
        assert_synced(&Writer::open_shared(shared.path()).unwrap(), "exclusive");
        assert_synced(&Writer::open(shared.path()).unwrap(), "exclusive");
    }
}
