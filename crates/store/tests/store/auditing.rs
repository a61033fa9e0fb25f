//! `verify` finds what was tampered with, and `backup` copies one moment.

use crate::fixture::{Results, completed, epoch, started, sweep, trial};
use frostline_store::{FILE, Reader, StoreError};
use rusqlite::Connection;

fn finished() -> Results {
    let (mut results, trials) = Results::with_trials(3);
    let id = trials[0].id;
    results
        .writer
        .apply("demo", &[started(1, id), epoch(1, id, 1), epoch(1, id, 2), completed(1, id)])
        .expect("a database to tamper with");
    results
        .writer
        .apply("demo", &[started(2, trials[1].id), epoch(2, trials[1].id, 1)])
        .expect("a database to tamper with");
    results
}

/// What an audit says after this tampering.
fn problems(tampering: &str) -> Vec<String> {
    let results = finished();
    let connection = Connection::open(results.path().join(FILE)).expect("a database to tamper with");
    connection
        .execute_batch("PRAGMA ignore_check_constraints = true; PRAGMA foreign_keys = false")
        .expect("a database to tamper with");
    connection.execute_batch(tampering).expect("a database to tamper with");
    let audit = results.writer.reader().verify(Some("demo")).expect("a database to tamper with");
    audit.findings.into_iter().map(|finding| finding.problem).collect()
}

#[test]
fn a_sound_database_has_no_findings() {
    let results = finished();
    let audit = results.writer.reader().verify(None).unwrap();
    assert_eq!((audit.trials, audit.attempts, audit.epochs), (3, 2, 3));
    assert_eq!(audit.findings, []);
    assert!(matches!(results.writer.reader().verify(Some("dem")), Err(StoreError::UnknownSweep { .. })));
}

#[test]
fn each_kind_of_tampering_is_found() {
    let one = |tampering: &str, part: &str| {
        let problems = problems(tampering);
        assert!(problems.iter().any(|problem| problem.contains(part)), "{tampering}: {problems:?}");
    };
    one("DELETE FROM epoch WHERE attempt = 1 AND epoch = 1", "some are missing");
    one("DELETE FROM epoch WHERE attempt = 1 AND epoch = 2", "has 1 of 2 epochs");
    one("UPDATE trial SET epoch = 1 WHERE state = 'complete'", "does not repeat the last epoch");
    one("UPDATE trial SET state = 'waiting' WHERE state = 'complete'", "waiting and has 1 accepted");
    one("UPDATE attempt SET outcome = 'interrupted', ended_at = 1 WHERE id = 2", "running and has 0 running");
    one("UPDATE trial SET spec = replace(spec, 'shapes', 'cifar10')", "not the hash");
    one("UPDATE trial SET group_id = zeroblob(16) WHERE state = 'waiting'", "not the hash");
    one("UPDATE trial SET state = 'cancelled' WHERE state = 'waiting'", "cancelled by itself");
    let answered = "INSERT INTO right_images SELECT id, 4, x'07', 10, x'7f00' FROM trial WHERE state = 'complete';";
    assert_eq!(problems(answered), [""; 0], "three of four and seven of ten are right, as its accuracies have it");
    one(&format!("{answered} UPDATE right_images SET validation = x'03'"), "2 of 4 validation images are right");
    one(&format!("{answered} UPDATE right_images SET test = x'7f01'"), "8 of 10 test images are right");
    one(&format!("{answered} UPDATE right_images SET test = x'7fff'"), "bits behind the last of 10 images");
    one(&answered.replace("= 'complete'", "= 'waiting'"), "waiting, and has images that it got right");
    one("UPDATE trial SET spec = '{'", "cannot be read");
    one("DELETE FROM trial WHERE state = 'waiting'", "refers to one that is not there");
}

#[test]
fn an_audit_of_one_sweep_leaves_the_others_out() {
    let (mut results, _) = Results::with_trials(3);
    results.writer.put_sweep(&sweep("other"), &[trial(7)], false).unwrap();
    let connection = Connection::open(results.path().join(FILE)).unwrap();
    connection.execute("UPDATE trial SET group_id = zeroblob(16) WHERE id = ?1", [trial(7).id.0]).unwrap();
    let reader = results.writer.reader();
    let counted = |name| {
        let audit = reader.verify(name).unwrap();
        (audit.trials, audit.findings.len())
    };
    assert_eq!([counted(Some("demo")), counted(Some("other")), counted(None)], [(3, 0), (1, 1), (4, 1)]);
}

#[test]
fn a_backup_is_a_whole_database_of_one_moment() {
    let results = finished();
    let target = tempfile::tempdir().unwrap();
    let reader = Reader::open(results.path()).unwrap();
    reader.backup(&target.path().join(FILE)).unwrap();
    let copy = Reader::open(target.path()).unwrap();
    assert_eq!(copy.trials("demo").unwrap(), results.writer.reader().trials("demo").unwrap());
    assert_eq!(copy.verify(None).unwrap().findings, []);
    let again = reader.backup(&target.path().join(FILE)).unwrap_err().to_string();
    assert!(again.contains("exists"), "{again}");
}
