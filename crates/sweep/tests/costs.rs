//! Estimates against times that are computed by hand.

use frostline_sweep::backbone;
use frostline_sweep::costs::{Costs, ImageCounts, Kind, SegmentCosts, Start, TrialSize, Work};
use frostline_sweep::layers::{Row, table};
use frostline_sweep::learned::{Figures, Taken};
use frostline_sweep::trial::{Optimizer, Parameters, Precision, Recipe, Validation};

/// Two segments; seconds and bytes in small whole numbers.
fn costs() -> Costs {
    let segments = [(1.0, 6.0), (2.0, 9.0)].map(|(infer, train)| SegmentCosts { infer, train });
    Costs {
        measured: true,
        prepare: 3.0,
        segments: segments.into(),
        update: 0.5,
        step: 0.25,
        write: 10.0,
        read: 4.0,
        memory: 0,
    }
}

#[test]
fn the_time_of_work_is_that_of_its_images_steps_and_bytes() {
    let seconds = |kind, start_bytes, written| {
        costs().seconds(&Work { kind, start_bytes, images: 10.0, evaluated: 4.0, updates: 6.0, written })
    };
    let train = |start, cut| Kind::Train { start, cut, batch_size: 5 };
    // Each image is prepared (3), goes through the frozen segment (1) and the trained one (9), or is evaluated in both; ten
    // of them are two steps.
    let steps = 2.0 * 0.25;
    assert_eq!(seconds(train(0, 1), 0, 0.0), 10.0 * (3.0 + 1.0 + 9.0) + 4.0 * (3.0 + 1.0 + 2.0) + 6.0 * 0.5 + steps);
    // From features of the first segment, 8 bytes each at 4 a second.
    assert_eq!(seconds(train(1, 1), 8, 0.0), 10.0 * (2.0 + 9.0) + 4.0 * (2.0 + 2.0) + 6.0 * 0.5 + steps);
    let fill = Work { evaluated: 0.0, updates: 0.0, ..Work::fill(10, Start { cut: 0, bytes: 0 }, 2, 7) };
    assert_eq!(costs().seconds(&fill), 10.0 * (3.0 + 1.0 + 2.0) + 70.0 / 10.0);
    // What was remembered before a step had a cost is still read.
    let mut remembered = serde_json::to_value(costs()).unwrap();
    remembered.as_object_mut().unwrap().remove("step");
    assert_eq!(serde_json::from_value::<Costs>(remembered).unwrap(), Costs { step: 0.0, ..costs() });
}

#[test]
fn a_trial_trains_on_the_share_that_validation_leaves_and_evaluates_after_each_epoch_and_at_the_end() {
    let parameters = Parameters {
        frozen_layers: 0,
        head_units: vec![],
        head_dropout: vec![],
        optimizer: Optimizer::Adam,
        learning_rate: 1e-3,
        recipe: Recipe::default(),
        epochs: 3,
        batch_size: 32,
        precision: Precision::Float32,
    };
    let images = ImageCounts { train: 50_000, own_validation: 2_000, test: 10_000 };
    let amounts = |validation, epochs, is_complete| {
        let size = TrialSize { validation, parameters: &parameters, images, trained: 10, cut: 1 };
        let work = Work::train(&size, Start { cut: 0, bytes: 0 }, epochs, is_complete);
        assert_eq!(work.kind, Kind::Train { start: 0, cut: 1, batch_size: 32 });
        (work.images, work.evaluated, work.updates, work.written)
    };
    // 45,000 images are 1,406 full batches and a part of one.
    let share = Validation::Share(0.1);
    assert_eq!(amounts(share, 3, true), (135_000.0, 25_000.0, 3.0 * 1407.0 * 10.0, 0.0));
    assert_eq!(amounts(share, 1, false), (45_000.0, 5_000.0, 14_070.0, 0.0));
    assert_eq!(amounts(Validation::Test, 2, true), (100_000.0, 30_000.0, 2.0 * 1563.0 * 10.0, 0.0));
    assert_eq!(amounts(Validation::Own, 1, true), (48_000.0, 12_000.0, 15_000.0, 0.0));
}

#[test]
fn without_a_measurement_multiplications_set_the_time_of_a_segment_and_training_takes_three_times_as_long() {
    let rows = table(backbone::find("efficientnet_lite0").unwrap(), 32);
    let layers = |ends: &str| {
        let end = rows.iter().position(|row| row.boundary.as_ref().is_some_and(|it| it.segment == ends));
        &rows[..=end.unwrap()]
    };
    let work = |rows: &[Row]| rows.iter().map(|row| row.multiplications).sum::<u64>() as f64;
    let stem = work(layers("stem"));
    assert_eq!(stem, 16.0 * 16.0 * 3.0 * 3.0 * 3.0 * 32.0);
    let first_block = work(layers("block1a")) - stem;
    let estimated = |threads, is_cuda| Costs::estimated(&rows, threads, is_cuda);
    for (costs, rate) in [(estimated(1, false), 2e10), (estimated(4, false), 8e10), (estimated(4, true), 1e12)] {
        for (segment, multiplications) in costs.segments.iter().zip([stem, first_block]) {
            assert!((segment.infer * rate / multiplications - 1.0).abs() < 1e-12, "{segment:?}");
            assert!((segment.train / segment.infer - 3.0).abs() < 1e-12, "{segment:?}");
        }
        assert!(!costs.measured);
    }
}

#[test]
fn whatever_takes_twice_as_long_in_one_run_after_another_is_estimated_twice_as_long() {
    let none = Work {
        kind: Kind::Train { start: 0, cut: 1, batch_size: 8 },
        start_bytes: 0,
        images: 0.0,
        evaluated: 0.0,
        updates: 0.0,
        written: 0.0,
    };
    let amounts = [
        Work { images: 10.0, ..none },
        Work { evaluated: 10.0, ..none },
        Work { updates: 10.0, ..none },
        Work { written: 10.0, ..none },
    ];
    for work in amounts {
        let mut figures = Figures::from(costs());
        let expected = 2.0 * costs().seconds(&work);
        for _ in 0..3 {
            let before = figures.clone();
            figures.learned.learn(&[Taken { work, seconds: expected, count: 1 }], &before, 0.0);
            assert!((figures.seconds(&work) / expected - 1.0).abs() < 1e-12, "{work:?}");
        }
    }
}
