//! Decisions and times on the flagship's network.

use super::*;
use crate::costs::Costs;
use crate::definition::Definition;
use crate::expand::{Sources, Trial};
use crate::{backbone, layers};

const IMAGES: ImageCounts = ImageCounts { train: 800, own_validation: 0, test: 200 };

fn trials(grid: &str) -> Vec<Trial> {
    let text = format!(
        "[sweep]\nname = \"x\"\n[data]\ndataset = \"shapes\"\n[model]\nbackbone = \"efficientnet_v2_s\"\n\
         weights = \"random\"\n[grid]\n{grid}\nhead_depth = [0]\noptimizer = [\"adam\", \"rmsprop\"]\n\
         learning_rate = [1e-3]\n[train]\nepochs = 3\nbatch_size = 50\n"
    );
    let definition = Definition::parse("x.toml", &text, &[]).unwrap();
    definition.expand(&Sources::plain("d".into()))
}

fn costs() -> Costs {
    Costs::estimated(&layers::table(backbone::find("efficientnet_v2_s").unwrap(), 128), 1, false)
}

fn planned(trials: &[Trial], max_bytes: u64, costs: &Costs, present: &BTreeSet<FeatureKey>) -> Reuse {
    planned_on(false, trials, max_bytes, costs, present)
}

fn planned_on(
    on_gpu: bool,
    trials: &[Trial],
    max_bytes: u64,
    costs: &Costs,
    present: &BTreeSet<FeatureKey>,
) -> Reuse {
    let figures = |_| Figures::from(costs.clone());
    let premises = Premises { figures: &figures, max_bytes, present, on_gpu };
    Workload::of(trials.iter().map(|trial| &trial.spec), IMAGES).plan(&premises)
}

/// How many of these trials start from features.
fn starting(reuse: &Reuse, trials: &[Trial]) -> usize {
    trials.iter().filter(|trial| reuse.start(&trial.spec).is_some()).count()
}

fn reuse(trials: &[Trial], max_bytes: u64) -> Reuse {
    planned(trials, max_bytes, &costs(), &BTreeSet::new())
}

#[test]
fn each_cut_is_filled_once_and_starts_from_the_one_before() {
    let trials = trials("frozen_layers = [0, 256, 384, \"all\"]");
    let reuse = reuse(&trials, u64::MAX);
    let names: Vec<&str> = reuse.cuts.iter().map(|cut| cut.after.as_str()).collect();
    // 256 and 384 fall inside of block5g and block6g.
    assert_eq!(names, ["block5f", "block6f", "top"]);
    let mut before = None;
    for cut in &reuse.cuts {
        assert_eq!((cut.trials, cut.epochs), (2, 6));
        assert_eq!(cut.decision, Decision::Fill { from: before.replace(cut.key.clone()) });
        assert!(cut.gain > cut.fill, "three epochs of two trials for one");
    }
    // 128 px: 8x8 pixels of 160 channels, 4x4 of 256, pooled 1280.
    let bytes: Vec<u64> = reuse.cuts.iter().map(|cut| cut.bytes / 4000).collect();
    assert_eq!(bytes, [8 * 8 * 160, 4 * 4 * 256, 1280]);
    assert!((reuse.cuts[2].compute_share - 1.0).abs() < 1e-12);
    assert_eq!(starting(&reuse, &trials), 6, "the two trials without frozen layers compute everything");
}

#[test]
fn times_add_up() {
    let trials = trials("frozen_layers = [\"all\"]");
    let reuse = reuse(&trials, u64::MAX);
    let costs = costs();
    let all: f64 = costs.segments.iter().map(|segment| segment.infer).sum();
    // 80 validation images of 800 are among those that an epoch computes anyway.
    let without = 2.0 * (3.0 * 800.0 + 200.0) * (costs.prepare + all);
    assert!((reuse.without.work() / without - 1.0).abs() < 1e-3, "{} {without}", reuse.without.work());
    let fill = 1000.0 * (costs.prepare + all + 5120.0 / costs.write);
    let read = 2.0 * (3.0 * 800.0 + 200.0) * 5120.0 / costs.read;
    assert!((reuse.with.work() / (fill + read) - 1.0).abs() < 1e-3, "{} {fill} {read}", reuse.with.work());
    assert!((reuse.cuts[0].fill / fill - 1.0).abs() < 1e-12);
    assert!((reuse.cuts[0].gain / (reuse.without.work() - reuse.with.work()) - 1.0).abs() < 1e-9);
    assert!((reuse.expected_without(2) / reuse.without.work() - 0.5).abs() < 1e-12);
    assert_eq!(reuse.expected_without(100), reuse.without.work() / 2.0, "the longest of two equal trials");
}

#[test]
fn the_times_of_trials_and_fills_are_those_of_the_sweep() {
    let trials = trials("frozen_layers = [0, \"all\"]");
    let reuse = reuse(&trials, u64::MAX);
    let seconds = |trial: &Trial| reuse.seconds(&trial.spec).unwrap();
    let fills: f64 = reuse.cuts.iter().filter(|cut| cut.is_filled()).map(|cut| cut.fill).sum();
    let all = trials.iter().map(seconds).sum::<f64>() + fills;
    assert!((reuse.expected(1) / all - 1.0).abs() < 1e-9, "{} {all}", reuse.expected(1));
    for trial in &trials {
        let is_frozen = trial.spec.parameters.frozen_layers > 0;
        let cut = if is_frozen { reuse.cuts[0].spec.cut } else { 0 };
        let estimate = reuse.estimate(&trial.spec, cut).unwrap();
        assert_eq!(estimate.seconds, seconds(trial));
        assert_eq!(estimate.without > 20.0 * estimate.seconds, is_frozen, "{estimate:?}");
        assert_eq!(estimate.without == estimate.seconds, !is_frozen, "{estimate:?}");
    }
    let of_it = reuse.share("efficientnet_v2_s");
    assert_eq!((of_it.trials, of_it.seconds, of_it.without), (4, reuse.with.work(), reuse.without.work()));
    assert_eq!(reuse.share("efficientnet_b0"), Share { trials: 0, seconds: 0.0, without: 0.0 });
    let mut other = trials[0].spec.clone();
    other.model.backbone = "efficientnet_b0".to_owned();
    assert_eq!((reuse.seconds(&other), reuse.estimate(&other, 0)), (None, None));
}

#[test]
fn what_is_computed_is_told_by_network_and_precision() {
    let of = |name| Computed::of(name, Precision::Tf32).map(|it| (it.network, it.precision));
    assert_eq!(of("efficientnet_b0"), Some(("efficientnet_b0", Precision::Tf32)));
    assert_eq!(of("efficientnet_b9"), None);
    let trials = trials("frozen_layers = [0]\nprecision = [\"bfloat16\", \"float32\"]");
    let computed = Workload::of(trials.iter().map(|trial| &trial.spec), IMAGES).computed();
    let expected = [Precision::Float32, Precision::Bfloat16]
        .map(|precision| Computed { network: "efficientnet_v2_s", precision });
    assert_eq!(computed, BTreeSet::from(expected));
}

#[test]
fn features_are_known_by_what_computes_them() {
    let trials = trials("frozen_layers = [384, \"all\"]");
    let [cpu, gpu] = [false, true].map(|on_gpu| {
        let plan = planned_on(on_gpu, &trials, u64::MAX, &costs(), &BTreeSet::new());
        for cut in &plan.cuts {
            let of_trial = FeatureSpec::of(&trials[0].spec, cut.spec.cut).computed(on_gpu);
            assert_eq!((&cut.spec, &cut.key), (&of_trial, &of_trial.key()));
        }
        assert_eq!(plan.cuts[1].decision, Decision::Fill { from: Some(plan.cuts[0].key.clone()) });
        plan.cuts.into_iter().map(|cut| cut.key).collect::<BTreeSet<_>>()
    });
    assert_eq!((cpu.len(), gpu.len(), cpu.intersection(&gpu).count()), (2, 2, 0));
}

#[test]
fn each_view_of_a_training_image_has_features_of_its_own() {
    let mut trials = trials("frozen_layers = [\"all\"]");
    assert_eq!(reuse(&trials, u64::MAX).cuts[0].bytes, 1280 * 4 * (800 + 200));
    for trial in &mut trials {
        trial.spec.data.augment = crate::trial::Augment::Flip;
    }
    let flipped = reuse(&trials, u64::MAX);
    assert_eq!(flipped.cuts[0].bytes, 1280 * 4 * (2 * 800 + 200));
    assert_eq!((flipped.cuts[0].trials, flipped.cuts[0].epochs), (2, 6));
}

#[test]
fn a_cut_without_room_leaves_its_trials_the_one_before() {
    let trials = trials("frozen_layers = [256, \"all\"]");
    let all = reuse(&trials, 1280 * 4000);
    assert_eq!(all.cuts[0].decision, Decision::TooLarge);
    assert_eq!(all.cuts[1].decision, Decision::Fill { from: None });
    assert_eq!(starting(&all, &trials), 2);

    let both = self::trials("frozen_layers = [384, 400]");
    let room = reuse(&both, 4 * 4 * 256 * 4000);
    let filled: Vec<&Cut> = room.cuts.iter().filter(|cut| cut.is_filled()).collect();
    assert_eq!((room.cuts.len(), filled.len()), (2, 1));
    assert_eq!(filled[0].spec.cut, room.cuts[0].spec.cut, "which serves all four trials");
    assert_eq!(starting(&room, &both), 4);
}

#[test]
fn room_goes_to_what_gains_most_for_each_byte() {
    let trials = trials("frozen_layers = [384, \"all\"]");
    let both = reuse(&trials, u64::MAX);
    assert_eq!(both.cuts.iter().map(Cut::is_filled).collect::<Vec<_>>(), [true, true]);
    let (large, small) = (both.cuts[0].bytes, both.cuts[1].bytes);
    assert!(large > 3 * small, "{large} {small}");
    // The large one would shorten all four trials, and fits alone.
    let room = reuse(&trials, large + small / 2);
    let decisions = room.cuts.iter().map(|cut| cut.decision.clone()).collect::<Vec<_>>();
    assert_eq!(decisions, [Decision::TooLarge, Decision::Fill { from: None }]);
    assert_eq!(starting(&room, &trials), 2);
}

#[test]
fn what_would_be_used_once_is_not_kept_unless_it_is_there() {
    let mut trials = trials("frozen_layers = [\"all\"]");
    trials.truncate(1);
    trials[0].spec.parameters.epochs = 1;
    let once = reuse(&trials, u64::MAX);
    assert_eq!(once.cuts[0].decision, Decision::Costly);
    assert!(once.cuts[0].gain < 0.0 && starting(&once, &trials) == 0);
    assert_eq!(once.with.work(), once.without.work());
    let present = BTreeSet::from([once.cuts[0].key.clone()]);
    let again = planned(&trials, u64::MAX, &costs(), &present);
    assert_eq!(again.cuts[0].decision, Decision::Fill { from: None });
    assert_eq!((again.cuts[0].fill, again.cuts[0].present), (0.0, true));
}

#[test]
fn a_slow_disk_keeps_small_features_only() {
    let trials = trials("frozen_layers = [16, \"all\"]");
    let slow = Costs { write: 1e6, read: 1e6, ..costs() };
    let reuse = planned(&trials, u64::MAX, &slow, &BTreeSet::new());
    let decisions: Vec<bool> = reuse.cuts.iter().map(Cut::is_filled).collect();
    assert_eq!(decisions, [false, true]);
    assert_eq!(reuse.cuts[0].decision, Decision::Costly);
}

#[test]
fn figures_of_trials_and_fills_are_corrected_by_what_they_took() {
    let trials = trials("frozen_layers = [0, \"all\"]");
    let before = reuse(&trials, u64::MAX);
    // Measured four times too long: everything took a quarter.
    let mut figures = Figures::from(costs());
    let (images, top) = (&trials[0].spec, &trials[2].spec);
    let mut done = Vec::new();
    for (spec, epochs) in [(images, 3), (top, 2)] {
        let work = before.work(spec, epochs, false).unwrap();
        done.push(crate::learned::Taken { work, seconds: 0.25 * figures.seconds(&work), count: u64::from(epochs) });
    }
    let fill = before.cuts[0].work;
    done.push(crate::learned::Taken { work: fill, seconds: 0.25 * figures.seconds(&fill), count: 1 });
    let unlearned = figures.clone();
    figures.learned.learn(&done, &unlearned, 0.0);
    let figures = |_| figures.clone();
    let premises = Premises { figures: &figures, max_bytes: u64::MAX, present: &BTreeSet::new(), on_gpu: false };
    let after = Workload::of(trials.iter().map(|trial| &trial.spec), IMAGES).plan(&premises);
    for workers in [1, 2, 3] {
        assert!((after.expected(workers) / before.expected(workers) - 0.25).abs() < 1e-9);
        assert!((after.expected_without(workers) / before.expected_without(workers) - 0.25).abs() < 1e-9);
    }
    let (quick, slow) = (after.seconds(top).unwrap(), after.seconds(images).unwrap());
    assert!(quick < 0.1 * slow, "{quick} {slow}");
}
