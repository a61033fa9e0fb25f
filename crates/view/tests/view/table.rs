//! A sweep in memory says what the database says.

use crate::fixture::{Score, TEXT, filled, filled_with, launched, lived};
use frostline_store::Reader;
use frostline_sweep::filter::Filter;
use frostline_sweep::outcome::{AttemptId, Failure, FailureKind, TrialState};
use frostline_sweep::record::{Ending, Record, TaskKey};
use frostline_view::best::{Question, Ranking, best};
use frostline_view::table::Table;

/// All that a ranking says, not-a-number included.
fn said(ranking: &Ranking) -> String {
    format!("{ranking:#?}")
}

fn ranking(reader: &Reader, table: &Table, filters: &[Filter], most: usize) -> Ranking {
    table.ranking(&table.standing(reader, filters).unwrap(), None, 0, most)
}

fn assert_same(reader: &Reader, conditions: &[&str]) {
    let filters: Vec<Filter> = conditions.iter().map(|text| Filter::parse(text).unwrap()).collect();
    let table = Table::read(reader, "demo").unwrap();
    let asked = best(reader, Question { filters: &filters, ..Question::of("demo", 100) }).unwrap();
    assert_eq!(said(&ranking(reader, &table, &filters, 100)), said(&asked.ranking), "{conditions:?}");
}

#[test]
fn the_ranking_of_a_table_is_that_of_the_database() {
    let conditions: [&[&str]; 9] = [
        &[],
        &["learning_rate!=0.2"],
        &["learning_rate<0.25", "seed!=1"],
        &["seed=0"],
        &["frozen_layers=all", "head_units=8"],
        &["frozen_layers<1.0"],
        &["val_accuracy>0.55"],
        &["seed!=2", "val_accuracy<0.6", "seconds>1"],
        &["test_loss>100"],
    ];
    for conditions in conditions {
        for values in [
            [0.9, 0.2, 0.1, 0.7, 0.71, 0.72, 0.5, 0.5, 0.5].map(Some),
            [0.9, 0.2, 0.1, 0.7, f64::NAN, 0.72, 0.5, 0.5, 0.5].map(Some),
            [Some(0.5), None, None, Some(0.9), None, None, Some(0.88), None, None],
            [Some(0.5), Some(0.6), Some(0.5), None, None, None, None, None, None],
            [None; 9],
        ] {
            let (_folder, reader) = filled(values);
            assert_same(&reader, conditions);
        }
    }
    let right = |base: usize, seed: usize| -> Score {
        Score::Right(
            (0..200).map(|image| (image * 7 + seed * 13) % 100 < base + seed || image % 50 == seed).collect(),
        )
    };
    let scores: Vec<Option<Score>> =
        [60, 62, 80].iter().flat_map(|&base| (0..3).map(move |seed| Some(right(base, seed)))).collect();
    let (_folder, reader) = filled_with(TEXT, &scores);
    assert_same(&reader, &[]);
    assert_same(&reader, &["learning_rate!=0.3"]);
}

#[test]
fn of_a_large_sweep_the_first_are_compared() {
    let rates: Vec<String> = (1..=2_001).map(|number| format!("{}", f64::from(number) * 1e-6)).collect();
    let text = TEXT.replace("[0.1, 0.2, 0.3]", &format!("[{}]", rates.join(", "))).replace("[0, 1, 2]", "[0]");
    let scores: Vec<Option<Score>> =
        (0..2_001u32).map(|number| Some(Score::Share(f64::from(number * 7919 % 2_001) / 2_001.0))).collect();
    let (_folder, reader) = filled_with(&text, &scores);
    assert_same(&reader, &[]);
    // Anywhere, and in any order.
    let table = Table::read(&reader, "demo").unwrap();
    let standing = table.standing(&reader, &[]).unwrap();
    let values = |by, after| -> Vec<f64> {
        table.ranking(&standing, by, after, 2).rows.iter().map(|row| row.value * 2_001.0).map(f64::round).collect()
    };
    assert_eq!((values(None, 0), values(None, 1_999)), (vec![2_000.0, 1_999.0], vec![1.0, 0.0]));
    let by_rate = table.ranking(&standing, Some(("learning_rate", true)), 100, 1);
    assert_eq!(by_rate.rows[0].parameters["learning_rate"].as_f64(), Some(1_901.0 * 1e-6));
    assert_eq!(by_rate.first.unwrap().value, 2_000.0 / 2_001.0, "the best is known, whatever is shown");
    assert!(values(None, 3_000).is_empty());
}

#[test]
fn a_table_follows_what_is_written() {
    let (folder, mut writer, trials) = launched(TEXT);
    let reader = Reader::open(folder.path()).unwrap();
    let mut table = Table::read(&reader, "demo").unwrap();
    let mut follows = |what: &str| {
        table.refresh(&reader).unwrap();
        let anew = Table::read(&reader, "demo").unwrap();
        let said = |table: &Table| said(&ranking(&reader, table, &[], 100));
        assert_eq!((table.counts(), said(&table)), (anew.counts(), said(&anew)), "{what}");
        table.counts()
    };
    assert_eq!(follows("nothing").waiting, 9);
    let [started, rest @ ..] = &lived(1, &trials[0], Score::Share(0.5).into())[..] else { panic!() };
    writer.apply("demo", std::slice::from_ref(started)).unwrap();
    assert_eq!(follows("a trial runs").running, 1);
    writer.apply("demo", rest).unwrap();
    assert_eq!(follows("which ends").complete, 1);
    writer.apply("demo", &lived(2, &trials[3], Score::Share(0.9).into())).unwrap();
    assert_eq!(follows("another begins and ends").complete, 2);
    let failure = Failure { kind: FailureKind::Diverged, message: "inf".to_owned(), log: Vec::new() };
    let begins = crate::fixture::started(3, TaskKey::Trial(trials[1].id));
    let ended = Record::Ended {
        attempt: AttemptId(3),
        ending: Ending::Failed(failure),
        trial: Some((trials[1].id, TrialState::Failed)),
    };
    writer.apply("demo", &[begins, ended]).unwrap();
    assert_eq!(follows("one fails").failed, 1);
    writer.retry("demo", &[TrialState::Failed], None).unwrap();
    assert_eq!(follows("and waits again").failed, 0);
    let cancelled = Record::State { trial: trials[8].id, state: TrialState::Cancelled };
    writer.apply("demo", &[cancelled]).unwrap();
    assert_eq!(follows("one is cancelled").cancelled, 1);
    writer.retry("demo", &[TrialState::Cancelled], None).unwrap();
    assert_eq!(follows("and wanted again").cancelled, 0);
    let sweep = frostline_store::Sweep { definition: "another".to_owned(), ..reader.sweep("demo").unwrap() };
    writer.put_sweep(&sweep, &trials[..4], true).unwrap();
    assert_eq!(follows("others are asked for").total(), 4);
}
