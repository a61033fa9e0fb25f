//! What `compare` says of two trials.

use crate::fixture::{Score, TEXT, filled, filled_with, one_seed};
use frostline_store::Reader;
use frostline_view::compare::{Compared, compare};
use frostline_view::show::show;
use serde_json::json;

/// Two trials by their places in the sweep.
fn compared(reader: &Reader, one: usize, other: usize) -> Compared {
    let trials = reader.members("demo").unwrap();
    let [one, other] = [one, other].map(|place| show(reader, &trials[place].to_string()).unwrap());
    compare(reader, &one, &other).unwrap()
}

#[test]
fn two_trials_are_compared_on_the_images_that_only_one_gets_right() {
    let (_folder, reader) =
        one_seed([&|image| image < 860, &|image| image < 820, &|image| (60..900).contains(&image)]);
    let found = compared(&reader, 0, 2);
    let differs: Vec<_> = found.differs.iter().map(|it| (it.name.as_str(), it.values.clone())).collect();
    assert_eq!(differs, [("learning_rate", [json!(0.1), json!(0.3)])]);
    let images = found.validation.unwrap();
    assert_eq!((images.images, images.both_right, images.only_first), (1_000, 800, 60));
    assert_eq!((images.only_second, images.both_wrong), (40, 100));
    assert!((images.difference + 0.02).abs() < 1e-12);
    // scipy.stats.binomtest(40, 100).pvalue
    assert!((images.p - 0.056_887_933_640_98).abs() < 1e-12);
    // Newcombe 1998, method 10.
    let (low, high) = images.interval;
    assert!((low + 0.039_899_708).abs() < 1e-8 && (high + 0.000_295_151).abs() < 1e-8, "{images:?}");
    let accuracy = &found.metrics[0];
    assert_eq!((accuracy.name, accuracy.values), ("val_accuracy", [Some(0.86), Some(0.84)]));
    assert!((accuracy.difference.unwrap() + 0.02).abs() < 1e-12);
    assert!(!found.same && found.configurations.is_none(), "one seed each");

    let turned = compared(&reader, 2, 0).validation.unwrap();
    assert_eq!((turned.only_first, turned.only_second), (40, 60));
    assert!((turned.difference - 0.02).abs() < 1e-12 && turned.interval.1 > 0.02);
}

#[test]
fn configurations_with_seeds_are_compared_over_these() {
    let right = |base: usize, seed: usize| -> Score {
        Score::Right(
            (0..2_000).map(|image| (image * 7 + seed * 13) % 100 < base + seed || image % 50 == seed).collect(),
        )
    };
    let scores: Vec<Option<Score>> =
        [60, 62, 80].iter().flat_map(|&base| (0..3).map(move |seed| Some(right(base, seed)))).collect();
    let (_folder, reader) = filled_with(TEXT, &scores);
    let found = compared(&reader, 0, 7);
    let names: Vec<&str> = found.differs.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["learning_rate", "seed"]);
    let configurations = found.configurations.unwrap();
    assert_eq!((configurations.seeds, configurations.objective), ([3, 3], "val_accuracy"));
    assert!(configurations.by_image && configurations.difference > 0.15 && configurations.interval.0 > 0.0);
    let means = configurations.means;
    assert!((means[1] - means[0] - configurations.difference).abs() < 1e-12);
    // Of one configuration, nothing but the seed differs.
    let seeds = compared(&reader, 0, 1);
    assert!(seeds.configurations.is_none() && seeds.validation.is_some());
}

#[test]
fn a_trial_is_itself_and_what_nobody_stored_is_not_compared() {
    let (_folder, reader) = filled([Some(0.5), Some(0.6), None, None, None, None, None, None, None]);
    assert!(compared(&reader, 1, 1).same);
    let found = compared(&reader, 0, 1);
    assert!(found.validation.is_none() && found.test.is_none() && found.metrics[0].difference.is_some());
    let unfinished = compared(&reader, 0, 2);
    assert_eq!((unfinished.metrics[0].values, unfinished.metrics[0].difference), ([Some(0.5), None], None));
}
