//! A folder on a disk that machines share: one process has the database, all others read a snapshot.

use crate::fixture::{Results, life, started, sweep, trial};
use frostline_results::Folder;
use frostline_store::{FILE, Reader, StoreError, Writer};
use frostline_sweep::expand::Trial;
use rusqlite::Connection;
use std::fs;
use std::path::Path;
use std::thread::yield_now;
use std::time::{Duration, SystemTime};

/// A sweep of so many trials in such a folder.
fn shared(count: u32) -> (Results, Vec<Trial>) {
    let folder = tempfile::tempdir().expect("a folder to write to");
    let mut writer = Writer::open_shared(folder.path()).expect("a folder to write to");
    let trials: Vec<Trial> = (0..count).map(trial).collect();
    writer.put_sweep(&sweep("demo"), &trials, false).expect("a folder to write to");
    (Results { writer, folder }, trials)
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder)
        .expect("a folder to write to")
        .map(|entry| entry.expect("a folder to write to").file_name().into_string().expect("a folder to write to"));
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

/// Waits for the snapshot that is due.
fn shown(results: &mut Results) {
    let before = fs::metadata(Folder::new(results.path()).snapshot())
        .map(|it| it.modified().expect("a folder to write to"))
        .ok();
    loop {
        results.writer.show().expect("a folder to write to");
        let now = fs::metadata(Folder::new(results.path()).snapshot())
            .map(|it| it.modified().expect("a folder to write to"))
            .ok();
        if now != before {
            return;
        }
        yield_now();
    }
}

/// Whatever the disk's clock can tell apart.
fn made_a_minute_ago(results: &Path) {
    let snapshot = fs::File::open(Folder::new(results).snapshot()).expect("a folder to write to");
    snapshot.set_modified(SystemTime::now() - Duration::from_secs(60)).expect("a folder to write to");
}

/// The files as a crash leaves them now.
fn crashed(results: &Results) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder to write to");
    for name in files(results.path()) {
        fs::copy(results.path().join(&name), copy.path().join(&name)).expect("a folder to write to");
    }
    copy
}

#[test]
fn no_memory_is_shared_and_the_folder_knows_it_from_then_on() {
    let (mut results, trials) = shared(2);
    results.writer.apply("demo", &life(1, trials[0].id)).unwrap();
    let alive = ["frostline.db", "frostline.db-wal", "frostline.lock", "shared-disk"];
    assert_eq!(files(results.path()), alive, "there is no frostline.db-shm");
    // Opened as any other folder.
    let mut results = results.reopen();
    results.writer.apply("demo", &life(2, trials[1].id)).unwrap();
    assert!(!files(results.path()).contains(&"frostline.db-shm".to_owned()));
    assert!(Connection::open(results.path().join(FILE)).unwrap().execute_batch("SELECT * FROM sweep").is_err());
    drop(results.writer);
    let ended = ["frostline.db", "frostline.lock", "shared-disk", "snapshot-before.db", "snapshot.db"];
    assert_eq!(files(results.folder.path()), ended);
}

#[test]
fn a_folder_of_one_machine_becomes_one_of_several_once_nobody_has_it_open() {
    let (mut results, trials) = Results::with_trials(1);
    results.writer.apply("demo", &life(1, trials[0].id)).unwrap();
    let reader = Reader::open(results.path()).unwrap();
    let folder = results.folder;
    drop(results.writer);
    reader.counts("demo").unwrap();
    let refused = Writer::open_shared(folder.path()).unwrap_err();
    assert!(matches!(refused, StoreError::Locked { holder: None, .. }), "{refused}");
    assert!(!Folder::new(folder.path()).shared_disk().exists());
    drop(reader);
    drop(Writer::open_shared(folder.path()).unwrap());
    let reader = Reader::open(folder.path()).unwrap();
    assert_eq!((reader.counts("demo").unwrap().complete, reader.as_of()), (1, None));
}

#[test]
fn a_second_writer_is_refused_also_where_its_machine_does_not_see_the_lock() {
    let (results, _) = shared(1);
    let refused = Writer::open(results.path()).unwrap_err().to_string();
    assert!(refused.contains(&format!("is in use by process {}: wait", std::process::id())), "{refused}");
    let lock = Folder::new(results.path()).lock();
    fs::remove_file(&lock).unwrap();
    fs::write(&lock, "7 n3\n").unwrap();
    for _ in 0..2 {
        let refused = Writer::open(results.path()).unwrap_err().to_string();
        assert!(refused.contains("is in use by process 7 on n3: wait until it ends"), "{refused}");
        assert_eq!(fs::read_to_string(&lock).unwrap(), "7 n3\n");
    }
    // And an audit makes do with the snapshot.
    let folder = results.folder;
    drop(results.writer);
    let writer = Writer::open(folder.path()).unwrap();
    fs::remove_file(&lock).unwrap();
    assert_eq!(Reader::open_itself(folder.path()).unwrap().as_of().map(|(_, holder)| holder), Some(None));
    drop(writer);
}

#[test]
fn what_is_read_is_the_database_as_it_was() {
    let (mut results, trials) = shared(3);
    let none = Reader::open(results.path()).unwrap_err().to_string();
    assert!(none.contains("try again once its coordinator (process "), "{none}");
    results.writer.apply("demo", &life(1, trials[0].id)).unwrap();
    shown(&mut results);
    results.writer.apply("demo", &life(2, trials[1].id)).unwrap();
    let mut reader = Reader::open(results.path()).unwrap();
    assert_eq!(reader.counts("demo").unwrap().complete, 1);
    let (at, holder) = reader.as_of().unwrap();
    assert!(at > 1e9 && holder.unwrap().process == std::process::id());
    let version = reader.version().unwrap();
    assert_eq!(reader.version().unwrap(), version);

    let expected = results.writer.reader().trials("demo").unwrap();
    let folder = results.folder;
    drop(results.writer);
    let bytes = |path| fs::read(path).unwrap();
    assert!(bytes(Folder::new(folder.path()).snapshot()) == bytes(Folder::new(folder.path()).database()));
    // Who has read the one before goes on with this one.
    assert_eq!(reader.counts("demo").unwrap().complete, 1);
    assert_ne!(reader.version().unwrap(), version);
    assert_eq!((reader.trials("demo").unwrap(), reader.as_of()), (expected, None));
    assert_eq!(reader.verify(None).unwrap().findings, []);
    let target = folder.path().join("copy.db");
    reader.backup(&target).unwrap();
    assert!(target.exists());
}

#[test]
fn readers_see_whole_snapshots_while_they_are_replaced() {
    const TRIALS: u32 = 40;
    let (results, trials) = shared(TRIALS);
    let Results { writer, folder } = results;
    drop(writer);
    std::thread::scope(|scope| {
        let read = || {
            let mut seen = 0;
            while seen < u64::from(TRIALS) {
                let reader = Reader::open(folder.path()).unwrap();
                let counts = reader.counts("demo").unwrap();
                assert!(counts.complete >= seen && counts.running == 0);
                seen = counts.complete;
                assert_eq!(reader.verify(None).unwrap().findings, []);
            }
        };
        let reader = scope.spawn(read);
        for (attempt, trial) in (1..).zip(&trials) {
            let mut writer = Writer::open(folder.path()).unwrap();
            writer.apply("demo", &life(attempt, trial.id)).unwrap();
        }
        reader.join().unwrap();
    });
}

#[test]
fn a_crash_loses_nothing_and_leaves_the_snapshot_before() {
    let (mut results, trials) = shared(3);
    results.writer.apply("demo", &life(1, trials[0].id)).unwrap();
    shown(&mut results);
    results.writer.apply("demo", &life(2, trials[1].id)).unwrap();
    results.writer.apply("demo", &[started(3, trials[2].id)]).unwrap();
    let copy = crashed(&results);
    let whole = fs::read(copy.path().join("snapshot.db")).unwrap();
    fs::write(copy.path().join("snapshot.writing"), &whole[..whole.len() / 2]).unwrap();

    let reader = Reader::open(copy.path()).unwrap();
    assert_eq!(reader.counts("demo").unwrap().complete, 1);
    assert!(reader.as_of().is_some());
    let itself = Reader::open_itself(copy.path()).unwrap();
    assert_eq!((itself.counts("demo").unwrap().complete, itself.as_of()), (2, None));
    assert!(matches!(Writer::open(copy.path()), Err(StoreError::Locked { .. })), "an audit is not disturbed");
    made_a_minute_ago(copy.path());
    drop(itself);
    let reader = Reader::open(copy.path()).unwrap();
    assert!(reader.as_of().is_some(), "the log is gone, and the database has what was in it");

    let writer = Writer::open(copy.path()).unwrap();
    assert_eq!(writer.reader().trials("demo").unwrap(), results.writer.reader().trials("demo").unwrap());
    drop(writer);
    let reader = Reader::open(copy.path()).unwrap();
    assert_eq!((reader.counts("demo").unwrap().complete, reader.as_of()), (2, None));
    assert!(!copy.path().join("snapshot.writing").exists());
}

#[test]
fn a_snapshot_that_is_missing_is_made_where_nobody_holds_the_database() {
    let (results, _) = shared(1);
    let folder = results.folder;
    drop(results.writer);
    fs::remove_file(Folder::new(folder.path()).snapshot()).unwrap();
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::NoSnapshot { .. })));
    assert_eq!(frostline_store::open(folder.path()).unwrap().counts("demo").unwrap().waiting, 1);
    let empty = tempfile::tempdir().unwrap();
    drop(Writer::open_shared(empty.path()).unwrap());
    assert_eq!(Reader::open(empty.path()).unwrap().sweeps().unwrap(), []);
}

#[test]
fn a_snapshot_that_cannot_be_written_stops_nothing_and_says_so_to_readers() {
    let (mut results, trials) = shared(2);
    shown(&mut results);
    results.writer.apply("demo", &life(1, trials[0].id)).unwrap();
    made_a_minute_ago(results.path());
    // Nothing can have the name under which the next one is written.
    fs::create_dir(results.path().join("snapshot.writing")).unwrap();
    let folder = results.folder;
    drop(results.writer);
    let reader = Reader::open(folder.path()).unwrap();
    assert_eq!(reader.counts("demo").unwrap().complete, 0);
    assert!(reader.as_of().is_some(), "it is older than the database");
    assert_eq!(Reader::open_itself(folder.path()).unwrap().counts("demo").unwrap().complete, 1);
}
