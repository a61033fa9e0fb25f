//! Sweeps that train: small networks' worth of work, with libtorch.

use crate::place::{Place, not_run, summaries};
use serde_json::Value;

/// A sweep of two trials; this one learns from the images, and from their features where they are kept.
fn place() -> Place {
    let place = Place::that_trains();
    place.edit("[0, \"all\"]", "[0.9, \"all\"]");
    place.edit("[1e-3, 1e-2]", "[1e-3]");
    place
}

/// Losses of every trial, by its id.
fn losses(best: &Value) -> Vec<(String, [f64; 3])> {
    let loss = |trial: &Value, name: &str| trial["metrics"][name].as_f64().unwrap();
    let row = |trial: &Value| {
        let losses = ["train_loss", "val_loss", "test_loss"].map(|name| loss(trial, name));
        (trial["trial"].as_str().unwrap().to_owned(), losses)
    };
    let mut rows: Vec<_> = best.as_array().unwrap().iter().map(row).collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows
}

fn kept_features(place: &Place) -> usize {
    std::fs::read_dir(place.path("results/cache/features-v1")).map_or(0, |folders| folders.flatten().count())
}

#[test]
fn kept_features_give_the_same_metrics_as_images() {
    let (kept, fresh) = (place(), place());
    kept.succeed("launch demo.toml");
    fresh.succeed("launch demo.toml --set cache.features=off --set workers.count=1");
    assert!(kept_features(&kept) > 0);
    assert_eq!(kept_features(&fresh), 0);
    let (kept, fresh) = (losses(&kept.json("best demo --json")), losses(&fresh.json("best demo --json")));
    assert_eq!(kept.len(), 2);
    assert_eq!(kept, fresh, "to the bit");
}

/// Frozen layers are computed once for each view, in place of once an epoch.
#[test]
fn random_views_give_the_same_metrics_from_features_as_from_images() {
    let place = |more: &str| {
        let place = place();
        place.edit("test_limit = 20\n", "test_limit = 20\naugment = \"randaugment\"\nviews = 3\n");
        place.succeed(&format!("launch demo.toml {more}"));
        place
    };
    let (kept, fresh) = (place(""), place("--set cache.features=off --set workers.count=1"));
    assert!(kept_features(&kept) > 0);
    let images = place("--set data.augment=crop");
    let [kept, fresh, images] = [&kept, &fresh, &images].map(|place| losses(&place.json("best demo --json")));
    assert_eq!(kept, fresh, "to the bit");
    assert_ne!(kept[0].0, images[0].0, "another augmentation is another trial");
}

/// As a full disk does, a limit on the size of files lets no features be written.
#[test]
fn features_that_cannot_be_kept_are_computed_again_and_give_the_same_metrics() {
    let (mut full, roomy) = (place(), place());
    let worker = crate::place::worker();
    full.worker_script(&format!("trap '' XFSZ\nulimit -f 400\nexec {} \"$@\"", worker.display()));
    // 200 kB: checkpoints of a small head fit, features do not.
    let arguments = "launch demo.toml --set grid.frozen_layers=[\"all\"] --set keep.models=none";
    let outcome = full.succeed(arguments);
    let said = "the output of top could not be cached, so trials compute it: cannot write";
    assert!(outcome.stderr.contains(said), "{outcome}");
    assert_eq!(kept_features(&full), 0, "neither a folder nor a lock");
    roomy.succeed(arguments);
    assert_eq!(losses(&full.json("best demo --json")), losses(&roomy.json("best demo --json")));
    assert_eq!(full.json("verify --json")["sound"], true);
}

/// A flipped byte is noticed by whoever opens the features next, and they are made anew.
#[test]
fn damaged_features_are_made_anew() {
    let (place, whole) = (place(), place());
    place.succeed("launch demo.toml");
    let verify = place.json("verify --json");
    let folder = std::fs::read_dir(place.path("results/cache/features-v1")).unwrap().flatten();
    let mut damaged = 0;
    for file in folder.map(|entry| entry.path().join("train.safetensors")).filter(|file| file.exists()) {
        let mut bytes = std::fs::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&file, bytes).unwrap();
        damaged += 1;
    }
    assert!(damaged > 0 && verify["sound"] == true);
    let arguments = "launch demo.toml --set grid.learning_rate=[1e-3,1e-2]";
    place.succeed(arguments);
    whole.succeed(arguments);
    assert_eq!(losses(&place.json("best demo --json")), losses(&whole.json("best demo --json")));
    assert_eq!(place.json("verify --json")["sound"], true);
}

/// Nothing makes a model anew, so its damage is found by who looks for it, and not by who needs it.
#[test]
fn damage_of_a_kept_model_is_found() {
    let place = place();
    place.succeed("launch demo.toml --set grid.frozen_layers=[\"all\"] --set keep.models=all");
    assert_eq!(place.json("verify --json")["models"], 1);
    let trial = place.trials("demo")[0].id.clone();
    let model = place.path(&format!("results/models/{trial}.safetensors"));
    let mut bytes = std::fs::read(&model).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&[0xAB; 4]);
    std::fs::write(&model, bytes).unwrap();
    let verify = place.run("verify");
    assert_eq!(verify.code, Some(1), "{verify}");
    let said = format!("{trial}.safetensors: this kept model cannot be used: it is damaged");
    assert!(verify.stdout.contains(&said), "{verify}");
}

#[test]
fn a_trial_that_diverges_fails_and_the_others_are_ranked() {
    let place = place();
    // Adam's steps are bounded by the rate, so that its loss only becomes large; SGD's are not.
    place.edit("[0.9, \"all\"]", "[0.9]");
    place.edit("[1e-3]", "[1e-3, 1e6]");
    place.edit("epochs = 2", "epochs = 2\noptimizer = \"sgd\"");
    let outcome = place.run("launch demo.toml");
    assert_eq!(outcome.code, Some(3), "{outcome}");
    assert_eq!(summaries(&place.trials("demo")), ["complete after 1", "failed after 1"]);
    let status = place.json("status demo --json");
    assert_eq!(status["trials"][1]["failure"]["kind"], "diverged", "{status}");
    assert_eq!(place.json("best demo --json").as_array().unwrap().len(), 1);
    says!(place, "retry demo --kind worker_lost", @r"
    exit code 0
    --- error
    `demo` has no failed (worker_lost) trial: nothing will be tried again
    ");
    says!(place, "retry demo", @r"
    exit code 0
    --- error
    1 trial of `demo` will be tried again by `frostline resume demo`
    What diverged will do so again, since a trial repeats itself: lower `learning_rate`, or set `clip_norm`
    ");
    assert_eq!(place.json("verify --json")["sound"], true);
}

/// Needs CIFAR-10's binary version in the folder that `FROSTLINE_CIFAR10` names.
#[test]
fn the_larger_network_learns_from_cifar10() {
    let Some(folder) = std::env::var_os("FROSTLINE_CIFAR10") else {
        not_run("FROSTLINE_CIFAR10 names no folder with data_batch_1.bin");
        return;
    };
    let folder = std::fs::canonicalize(folder).unwrap();
    let place = place();
    place.edit("dataset = \"shapes\"", &format!("dataset = \"cifar10\"\npath = \"{}\"", folder.display()));
    place.edit("efficientnet_lite0", "efficientnet_v2_s");
    place.succeed("launch demo.toml --set train.epochs=4");
    let trials = place.trials("demo");
    assert_eq!(summaries(&trials), ["complete after 1"; 2]);
    for trial in trials {
        let epochs = place.json(&format!("show {} --json", trial.id))["epochs"].clone();
        let losses: Vec<f64> =
            epochs.as_array().unwrap().iter().map(|epoch| epoch["train_loss"].as_f64().unwrap()).collect();
        // It begins with guessing: ln 10 for ten classes, and a little more where the head is random.
        assert!((losses[0] - 10f64.ln()).abs() < 0.5, "{losses:?}");
        // A head alone gains 0.005 in these steps, and nothing at a rate of 1e-9.
        assert!(losses[0] - losses[3] > 0.002, "{losses:?}");
    }
}

/// What epochs and fills took corrects the next plan, until --remeasure forgets it.
#[test]
fn a_plan_learns_from_the_sweeps_before_it() {
    let mut place = place();
    let learned = |plan: &Value| (plan["learned_epochs"].as_u64().unwrap(), plan["learned_fills"].as_u64().unwrap());
    let before = place.json("plan demo.toml --json");
    assert_eq!(
        (learned(&before), &before["last_run"], &before["measured"]),
        ((0, 0), &Value::Null, &Value::Bool(false))
    );
    place.succeed("launch demo.toml");
    let after = place.json("plan demo.toml --results other --json");
    // Two trials of two epochs; one cut is filled, or two are.
    let (epochs, fills) = learned(&after);
    assert_eq!((epochs, (1..=2).contains(&fills)), (4, true), "{after}");
    let last = &after["last_run"];
    let of = |name: &str| last[name].as_f64().unwrap();
    assert_ne!(before["expected_seconds"], after["expected_seconds"]);
    let text = place.succeed("plan demo.toml --results other").stdout;
    assert!(
        text.contains(&format!("(from 4 epochs and {fills} fill")) && text.contains("of this setting)"),
        "{text}"
    );
    let said = format!("the last sweep here took {:.2} times as long as estimated", of("taken") / of("estimated"));
    assert!(text.contains(&said), "{text}");
    // Another batch size is the same setting, another size of images is not.
    assert_eq!(
        learned(&place.json("plan demo.toml --set sweep.name=other --set train.batch_size=30 --json")),
        (epochs, fills)
    );
    assert_eq!(learned(&place.json("plan demo.toml --set sweep.name=other --set data.image_size=40 --json")), (0, 0));
    // Where nothing can be measured, what is known is forgotten all the same.
    let worker = crate::place::worker();
    let script = "if [ \"$1\" = measure ]; then echo broken >&2; exit 1; fi";
    place.worker_script(&format!("{script}\nexec {} \"$@\"", worker.display()));
    assert_eq!(learned(&place.json("plan demo.toml --results other --remeasure --json")), (0, 0));
}
