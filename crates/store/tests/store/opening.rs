//! Opening a results folder: new, in use, of another version, of another program, damaged.

use crate::fixture::{Results, life, started, sweep, trial};
use frostline_store::{FILE, Reader, StoreError, Writer};
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_new_folder_is_for_its_user_alone() {
    let parent = tempfile::tempdir().unwrap();
    let results = parent.path().join("results");
    let writer = Writer::open(&results).unwrap();
    assert_eq!(fs::metadata(&results).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(results.join(FILE).is_file());
    assert_eq!(writer.reader().sweeps().unwrap(), []);
}

#[test]
fn a_second_writer_is_refused_and_told_the_process_of_the_first() {
    let results = Results::new();
    let refused = Writer::open(results.path()).unwrap_err();
    let StoreError::Locked { holder, .. } = refused else { panic!("{refused}") };
    assert_eq!(holder.map(|holder| holder.process), Some(std::process::id()));
    let Results { writer, folder } = results;
    drop(writer);
    Writer::open(folder.path()).unwrap();
}

#[test]
fn a_lock_file_that_was_left_behind_locks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("frostline.lock"), "123456789 and more\n").unwrap();
    let _writer = Writer::open(folder.path()).unwrap();
    let note = fs::read_to_string(folder.path().join("frostline.lock")).unwrap();
    assert!(note.starts_with(&format!("{} ", std::process::id())), "{note}");
}

#[test]
fn a_folder_without_results_is_named_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Reader::open(folder.path()).unwrap_err();
    assert!(matches!(missing, StoreError::Missing { .. }));
    let message = missing.to_string();
    assert!(message.contains(&*folder.path().to_string_lossy()), "{message}");
    assert!(message.contains("launch a sweep first") && message.contains("--results"), "{message}");
    assert!(!folder.path().join(FILE).exists(), "a reader makes no database");
    // A writer that died before its first transaction leaves this.
    fs::write(folder.path().join(FILE), "").unwrap();
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::Missing { .. })));
    Writer::open(folder.path()).unwrap();
}

#[test]
fn a_database_of_a_newer_version_is_refused_and_left_alone() {
    let Results { writer, folder } = Results::new();
    drop(writer);
    let path = folder.path().join(FILE);
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(&path).unwrap();
    let refused = Writer::open(folder.path()).unwrap_err();
    assert!(matches!(refused, StoreError::Newer { found: 99, known: 8, .. }), "{refused}");
    assert!(refused.to_string().contains("was written by a newer Frostline"));
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::Newer { found: 99, .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let text = "not a database, but somebody's notes\n".repeat(100);
    fs::write(&path, &text).unwrap();
    assert!(matches!(Writer::open(folder.path()), Err(StoreError::NotADatabase { .. })));
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::NotADatabase { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE sweep (x); PRAGMA user_version = 1;").unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(Writer::open(folder.path()), Err(StoreError::NotADatabase { .. })));
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::NotADatabase { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_row_that_does_not_read_is_damage() {
    let (results, _) = Results::with_trials(1);
    let other = Connection::open(results.path().join(FILE)).unwrap();
    other.execute("UPDATE trial SET spec = '{'", []).unwrap();
    let damaged = results.writer.reader().trials("demo").unwrap_err();
    assert!(matches!(damaged, StoreError::Corrupt { .. }), "{damaged}");
}

#[test]
fn a_file_in_the_folders_place_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    fs::write(&results, "").unwrap();
    let refused = Writer::open(&results).unwrap_err();
    assert!(matches!(refused, StoreError::File { .. }), "{refused:?}");
    assert!(refused.to_string().contains(&*results.to_string_lossy()));
}

#[test]
fn a_reader_sees_the_last_commit_while_a_transaction_is_open() {
    let (mut results, trials) = Results::with_trials(2);
    let reader = Reader::open(results.path()).unwrap();
    let other = Connection::open(results.path().join(FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; UPDATE trial SET state = 'failed';").unwrap();
    assert_eq!(reader.counts("demo").unwrap().waiting, 2);
    other.execute_batch("ROLLBACK").unwrap();
    results.writer.apply("demo", &[started(1, trials[0].id)]).unwrap();
    assert_eq!(reader.counts("demo").unwrap().running, 1);
}

#[test]
fn another_programs_transaction_is_named_and_waited_out() {
    let (mut results, trials) = Results::with_trials(1);
    let other = Connection::open(results.path().join(FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let held = results.writer.apply("demo", &[started(1, trials[0].id)]).unwrap_err();
    assert!(matches!(held, StoreError::Held { .. }), "{held}");
    let message = held.to_string();
    assert!(message.contains("another program holds `") && message.contains("close it"), "{message}");
    assert_eq!(results.writer.reader().counts("demo").unwrap().waiting, 1, "nothing of it was written");
    other.execute_batch("ROLLBACK").unwrap();
    results.writer.apply("demo", &[started(1, trials[0].id)]).unwrap();

    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let Results { writer, folder } = results;
    drop(writer);
    assert!(matches!(Writer::open(folder.path()), Err(StoreError::Held { .. })));
    other.execute_batch("ROLLBACK").unwrap();
    Writer::open(folder.path()).unwrap();
}

#[test]
fn a_reader_does_not_hold_up_the_writer() {
    let (mut results, trials) = Results::with_trials(1);
    let other = Connection::open(results.path().join(FILE)).unwrap();
    other.execute_batch("BEGIN").unwrap();
    let count = || other.query_row("SELECT count(*) FROM attempt", [], |row| row.get::<_, u32>(0)).unwrap();
    assert_eq!(count(), 0);
    results.writer.apply("demo", &life(1, trials[0].id)).unwrap();
    assert_eq!(count(), 0, "the reader's moment is the one before");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(count(), 1);
}

#[test]
fn what_was_applied_is_there_after_a_crash() {
    let (mut results, trials) = Results::with_trials(2);
    results.writer.apply("demo", &life(1, trials[0].id)).unwrap();
    // The files as they are while the writer lives are the files that a crash leaves.
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(results.path()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    let after = Writer::open(copy.path()).unwrap();
    assert_eq!(after.reader().trials("demo").unwrap(), results.writer.reader().trials("demo").unwrap());
    assert_eq!(after.reader().counts("demo").unwrap().complete, 1);
}

#[test]
fn everything_is_there_after_reopening() {
    let (mut results, trials) = Results::with_trials(1);
    results.writer.apply("demo", &life(1, trials[0].id)).unwrap();
    let before = results.writer.reader().find_trial(&trials[0].id.to_string()).unwrap();
    let mut results = results.reopen();
    assert_eq!(results.writer.reader().find_trial(&trials[0].id.to_string()).unwrap(), before);
    assert_eq!(results.writer.reader().sweep("demo").unwrap(), sweep("demo"));
    results.writer.put_sweep(&sweep("demo"), &[trial(0), trial(1)], false).unwrap();
    assert_eq!(results.writer.reader().counts("demo").unwrap().total(), 2);
}
