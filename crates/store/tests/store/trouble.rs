//! A log that was torn by a power cut, and readers while a writer writes.

use crate::fixture::{Results, epoch, life, started};
use frostline_store::{FILE, Reader, Writer};
use frostline_sweep::outcome::{AttemptId, TrialState};
use frostline_sweep::record::Record;
use std::fs;

const LOG: &str = "frostline.db-wal";

/// A database and its log in a new folder, as a crash at this moment leaves them.
fn crashed(database: &[u8], log: &[u8]) -> (tempfile::TempDir, Writer) {
    let folder = tempfile::tempdir().expect("a folder to write to");
    fs::write(folder.path().join(FILE), database).expect("a folder to write to");
    fs::write(folder.path().join(LOG), log).expect("a folder to write to");
    let writer = Writer::open(folder.path()).unwrap_or_else(|error| panic!("{} bytes: {error}", log.len()));
    (folder, writer)
}

#[test]
fn a_torn_log_leaves_a_whole_number_of_commits() {
    let (mut results, trials) = Results::with_trials(4);
    let mut commits = vec![0];
    for (attempt, trial) in (1..).zip(&trials) {
        results.writer.apply("demo", &life(attempt, trial.id)).unwrap();
        commits.push(fs::metadata(results.path().join(LOG)).unwrap().len() as usize);
    }
    let database = fs::read(results.path().join(FILE)).unwrap();
    let log = fs::read(results.path().join(LOG)).unwrap();
    assert_eq!(log.len(), commits[4], "nothing was put into the database, so all is in the log");

    let complete = |writer: &Writer| {
        let audit = writer.reader().verify(None).unwrap();
        assert_eq!(audit.findings, []);
        // The first commits made the tables, and may be torn, too.
        writer.reader().counts("demo").map_or(0, |counts| counts.complete as usize)
    };
    for cut in (0..=log.len()).step_by(1511).chain(commits.iter().copied()) {
        let whole = commits.iter().filter(|end| **end <= cut).count() - 1;
        let (_folder, writer) = crashed(&database, &log[..cut]);
        assert_eq!(complete(&writer), whole, "cut at {cut}");
        // What was never written comes as zeros, or as what lay there before.
        let mut zeros = log.clone();
        zeros[cut..].fill(0);
        let (_folder, writer) = crashed(&database, &zeros);
        assert_eq!(complete(&writer), whole, "zeros from {cut}");
    }
    let mut flipped = log.clone();
    flipped[commits[2] + 100] ^= 1;
    let (_folder, mut writer) = crashed(&database, &flipped);
    assert_eq!(complete(&writer), 2, "what comes behind a damaged page does not count");
    writer.apply("demo", &life(10, trials[3].id)).unwrap();
    assert_eq!(complete(&writer), 3, "and it goes on from there");
}

#[test]
fn readers_see_whole_commits_while_a_writer_writes() {
    const TRIALS: u32 = 60;
    let (mut results, trials) = Results::with_trials(TRIALS);
    let path = results.path().to_owned();
    std::thread::scope(|scope| {
        let read = || {
            let mut seen = 0;
            while seen < u64::from(TRIALS) {
                // Anew, as a command does, and its table of trials while commits come.
                let reader = Reader::open(&path).unwrap();
                let counts = reader.counts("demo").unwrap();
                assert!(counts.complete >= seen, "what was there is there");
                seen = counts.complete;
                for row in reader.trials("demo").unwrap() {
                    match row.state {
                        TrialState::Waiting => assert_eq!(row.last, None),
                        TrialState::Running => assert_eq!(row.last.map(|last| last.epoch), Some(1)),
                        _ => assert!(row.evaluation.is_some() && row.last.is_some_and(|last| last.epoch == 2)),
                    }
                }
            }
        };
        let readers = [scope.spawn(read), scope.spawn(read)];
        for (attempt, trial) in (1..).zip(&trials) {
            let [_, _, second, completed] = &life(attempt, trial.id)[..] else { panic!("four records") };
            results.writer.apply("demo", &[started(attempt, trial.id), epoch(attempt, trial.id, 1)]).unwrap();
            results.writer.apply("demo", &[second.clone(), completed.clone()]).unwrap();
        }
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    assert_eq!(results.writer.reader().verify(None).unwrap().findings, []);
}

#[test]
fn an_attempt_says_how_many_images_it_took_at_a_time() {
    let (mut results, trials) = Results::with_trials(1);
    let id = trials[0].id;
    let mut records = life(1, id);
    let Record::Started { micro_batch, .. } = &mut records[0] else { panic!("it begins with its start") };
    *micro_batch = Some(16);
    results.writer.apply("demo", &records).unwrap();
    let detail = results.writer.reader().find_trial(&id.to_string()).unwrap();
    assert_eq!((detail.attempts[0].attempt, detail.attempts[0].micro_batch), (AttemptId(1), Some(16)));
}
