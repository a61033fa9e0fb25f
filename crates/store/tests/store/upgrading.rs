//! A database of each version that there was before this one is brought up to date, and goes on.
//!
//! `tests/schemas/vN.sql` is a database as version N left it. Its sweep "seeded" has three configurations of two seeds: one
//! complete (with an attempt that was resumed), one with a failed and a cancelled trial, one with a running and a waiting
//! trial. The sweep "shared" has the first of the complete ones and the cancelled one.

use crate::fixture::{epoch, life, metrics};
use frostline_store::{Counts, FILE, Reader, StoreError, Writer};
use frostline_sweep::outcome::{AttemptId, FailureKind, TrialState};
use frostline_sweep::record::{Ending, Record};
use rusqlite::Connection;

const VERSIONS: [&str; 7] = [
    include_str!("../schemas/v1.sql"),
    include_str!("../schemas/v2.sql"),
    include_str!("../schemas/v3.sql"),
    include_str!("../schemas/v4.sql"),
    include_str!("../schemas/v5.sql"),
    include_str!("../schemas/v6.sql"),
    include_str!("../schemas/v7.sql"),
];

/// A results folder with the database of a dump.
fn folder(dump: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let connection = Connection::open(folder.path().join(FILE)).expect("a new database");
    connection.execute_batch(dump).expect("a dump that SQLite reads");
    folder
}

#[test]
fn every_version_before_this_one_has_its_database() {
    for (version, dump) in (1..).zip(VERSIONS) {
        let folder = folder(dump);
        let refused = Reader::open(folder.path()).unwrap_err();
        let StoreError::Older { found, known, .. } = refused else { panic!("version {version}: {refused}") };
        assert_eq!((found, known), (version, VERSIONS.len() as u32 + 1));
    }
}

#[test]
fn a_database_of_every_version_is_sound_after_its_upgrade() {
    for (version, dump) in (1..).zip(VERSIONS) {
        let folder = folder(dump);
        let writer = Writer::open(folder.path()).unwrap();
        let reader = writer.reader();
        assert_eq!(reader.verify(None).unwrap().findings, [], "version {version}");
        assert_eq!(reader.builds().unwrap(), reader.builds_of("seeded").unwrap(), "all of one build");
        let cancelled = Counts { complete: 1, cancelled: 1, ..Counts::default() };
        assert_eq!(reader.counts("shared").unwrap(), cancelled, "as their users left them, in every sweep");
        let seeded = Counts { complete: 2, failed: 1, cancelled: 1, running: 1, waiting: 1, ..Counts::default() };
        assert_eq!(reader.counts("seeded").unwrap(), seeded, "version {version}");

        let rows = reader.trials("seeded").unwrap();
        let best = reader.best("seeded", 9).unwrap();
        assert_eq!([best[0].trial, best[1].trial], [rows[1].trial, rows[0].trial]);
        let evaluation = best[0].evaluation.as_ref().unwrap();
        assert_eq!(evaluation.seconds, 2.0 * metrics(1).seconds, "of all epochs, which the rows have");
        assert_eq!(evaluation.validation_images, None, "nobody counted them");
        let groups = reader.best_groups("seeded", 9).unwrap();
        let [group] = &groups[..] else { panic!("{groups:?}") };
        assert!(group.is_whole() && group.group == rows[0].group);
        assert_eq!((group.replicates.mean, group.replicates.deviation), (0.6875, Some(0.0078125f64.sqrt())));
    }
}

#[test]
fn a_database_of_every_version_goes_on_after_its_upgrade() {
    for (version, dump) in (1..).zip(VERSIONS) {
        let folder = folder(dump);
        let mut writer = Writer::open(folder.path()).unwrap();
        let rows = writer.reader().restore("seeded").unwrap();
        assert_eq!(rows[2].failures, [FailureKind::WorkerLost, FailureKind::Diverged], "version {version}");
        let running = rows[4].running.unwrap();
        assert_eq!((running.attempt, running.worker, running.epochs), (AttemptId(7), 3, 1));
        assert_eq!(writer.next_attempt().unwrap(), AttemptId(8));

        writer.apply("seeded", &[epoch(7, rows[4].trial, 2)]).unwrap();
        let ending = Ending::Interrupted;
        let trial = Some((rows[4].trial, TrialState::Waiting));
        writer.apply("seeded", &[Record::Ended { attempt: AttemptId(7), ending, trial }]).unwrap();
        writer.apply("seeded", &life(8, rows[4].trial)).unwrap();
        writer.apply("seeded", &life(9, rows[5].trial)).unwrap();
        assert_eq!(writer.retry("shared", &[TrialState::Cancelled], None).unwrap(), 1);
        writer.apply("shared", &life(10, rows[3].trial)).unwrap();

        let reader = writer.reader();
        assert_eq!(reader.counts("shared").unwrap().complete, 2);
        assert_eq!(reader.counts("seeded").unwrap(), Counts { complete: 5, failed: 1, ..Counts::default() });
        let whole: Vec<bool> = reader.best_groups("seeded", 9).unwrap().iter().map(|it| it.is_whole()).collect();
        assert_eq!(whole, [false, true, true], "one lacks its failed seed, and has as good a mean");
        assert_eq!(reader.best_groups("seeded", 9).unwrap()[0].replicates.mean, 0.75);
        assert_eq!(reader.verify(None).unwrap().findings, [], "version {version}");
    }
}
