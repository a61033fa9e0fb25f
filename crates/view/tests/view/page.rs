//! A sweep's page from a database.

use crate::fixture::{Life, Score, launched, lived, started};
use frostline_store::Reader;
use frostline_sweep::expand::Trial;
use frostline_sweep::features::FeatureSpec;
use frostline_sweep::outcome::AttemptId;
use frostline_sweep::record::{Record, TaskKey};
use frostline_sweep::reuse::Estimate;
use frostline_sweep::trial::{DataSpec, TrialSpec};
use frostline_view::page::{Page, Saved, Wanted, read};
use frostline_view::table::Table;
use tempfile::TempDir;

/// Three depths.
const TEXT: &str = r#"
[sweep]
name = "demo"
[data]
dataset = "shapes"
[model]
backbone = "efficientnet_lite0"
weights = "random"
[grid]
frozen_layers = [0, 135, 151]
[train]
head_units = [8]
epochs = 1
"#;

fn fill(attempt: u64, of: &TrialSpec, cut: u32, seconds: f64) -> [Record; 2] {
    let filled = Record::Filled { attempt: AttemptId(attempt), bytes: 1, seconds, computed: true };
    [started(attempt, TaskKey::Fill(FeatureSpec::of(of, cut).key())), filled]
}

/// Three depths, of which the deepest starts from features. `plans` says whether estimates were recorded.
fn results(plans: bool) -> (TempDir, Reader) {
    let (folder, mut writer, trials) = launched(TEXT);
    let complete = |attempt, trial: &Trial, accuracy, seconds, cut, estimate: (f64, f64)| {
        let estimate = Estimate { seconds: estimate.0, without: estimate.1 };
        lived(attempt, trial, Life { score: Score::Share(accuracy), seconds, plan: plans.then_some((cut, estimate)) })
    };
    // Features of other data would be another sweep's.
    let deepest = &trials[2].spec;
    let other =
        TrialSpec { data: DataSpec { digest: "other".to_owned(), ..deepest.data.clone() }, ..deepest.clone() };
    for records in [
        complete(1, &trials[0], 0.5, 40.0, 0, (30.0, 30.0)),
        complete(2, &trials[1], 0.75, 20.0, 0, (25.0, 25.0)),
        fill(3, deepest, 18, 8.0).into(),
        fill(4, &other, 18, 100.0).into(),
        complete(5, &trials[2], 0.625, 2.0, 18, (1.0, 10.0)),
    ] {
        writer.apply("demo", &records).unwrap();
    }
    drop(writer);
    let reader = Reader::open(folder.path()).unwrap();
    (folder, reader)
}

const WANTED: Wanted = Wanted { rows: 10, curves: 2, trials: 1, effects_of: 3 };

#[test]
fn a_page_has_the_ranking_and_what_it_is_seen_beside() {
    let (_folder, reader) = results(true);
    let page = page_of(&reader, WANTED);
    let frozen: Vec<u32> = page.ranking.rows.iter().map(|row| row.frozen_layers()).collect();
    assert_eq!(frozen, [135, 151, 0]);
    assert_eq!(
        (page.ranking.rows[0].value, page.ranking.rows[0].metric("seconds"), page.ranking.rows[0].is_group),
        (0.75, 20.0, false)
    );
    assert_eq!((page.curves.len(), page.trials.len()), (2, 1));
    assert_eq!(page.curves[0].trial, page.ranking.rows[0].trial);
    assert_eq!(page.effects.unwrap().axes[0].name, "frozen_layers");
    assert_eq!(page.networks.iter().map(|network| network.layers).collect::<Vec<_>>(), [151]);
    let few = page_of(&reader, Wanted { rows: 1, curves: 0, trials: 0, effects_of: 2 });
    assert_eq!((few.ranking.rows.len(), few.trials.len(), few.effects.is_none()), (1, 0, true));
    assert!(few.spec.is_some(), "what trials have in common is known without one in full");
}

fn page_of(reader: &Reader, wanted: Wanted) -> Page {
    read(reader, "demo", wanted).unwrap()
}

#[test]
fn time_saved_scales_what_was_measured_by_what_was_estimated() {
    let (_folder, reader) = results(true);
    // 40 and 20 seconds as they were, and 2 that would have been ten times as long; one fill of this data.
    let saved = Saved { without: 80.0, fills: 8.0, trials: 62.0 };
    assert_eq!(page_of(&reader, WANTED).saved, Some(saved));
    let (_folder, reader) = results(false);
    assert_eq!(page_of(&reader, WANTED).saved, None, "nobody wrote down where trials started");
}

#[test]
fn rows_come_in_the_order_of_any_column() {
    let (_folder, reader) = results(true);
    let table = Table::read(&reader, "demo").unwrap();
    let standing = table.standing(&reader, &[]).unwrap();
    let frozen = |order, after, most| -> Vec<u32> {
        let found = table.ranking(&standing, order, after, most);
        assert_eq!(found.total, 3);
        found.rows.iter().map(|row| row.frozen_layers()).collect()
    };
    assert_eq!(frozen(None, 0, 10), [135, 151, 0]);
    assert_eq!(frozen(None, 1, 1), [151]);
    assert_eq!(frozen(Some(("seconds", false)), 0, 10), [151, 135, 0]);
    assert_eq!(frozen(Some(("frozen_layers", true)), 0, 2), [151, 135]);
    assert_eq!(frozen(Some(("val_accuracy", false)), 0, 10), [0, 151, 135]);
    assert_eq!(frozen(Some(("unheard_of", false)), 0, 10), [135, 151, 0]);
}
