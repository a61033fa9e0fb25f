//! Which trials and configurations are the best.

use crate::place::{Place, is_trial_id};
use crate::sweeps::keys;
use serde_json::{Value, json};

#[test]
fn the_ranking_has_its_documented_form_and_order() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    let best = place.json("best demo --json");
    let ranked = best.as_array().unwrap();
    assert_eq!(ranked.len(), 4);
    for (index, trial) in ranked.iter().enumerate() {
        let form = [
            "attempts",
            "group",
            "interval",
            "metrics",
            "model",
            "objective",
            "parameters",
            "rank",
            "state",
            "tied_with_best",
            "trial",
            "versus_best",
        ];
        assert_eq!(keys(trial), form);
        assert_eq!(
            (&trial["rank"], &trial["state"], &trial["attempts"]),
            (&json!(index + 1), &json!("complete"), &json!(1))
        );
        assert_eq!(trial["objective"], trial["metrics"]["val_accuracy"]);
        assert!(is_trial_id(trial["trial"].as_str().unwrap()));
        assert_eq!(trial["parameters"]["head_units"], json!([8]));
    }
    let objectives: Vec<f64> = ranked.iter().map(|trial| trial["objective"].as_f64().unwrap()).collect();
    assert!(objectives.is_sorted_by(|a, b| a >= b), "{objectives:?}");
    assert_eq!(place.json("best demo --json -n 2"), json!(ranked[..2]));

    // What is better by accuracy need not be by loss, so this is another order of the same trials.
    place.succeed("launch demo.toml --set sweep.name=by-loss --set sweep.objective=val_loss");
    let by_loss = place.json("best by-loss --json");
    let losses: Vec<f64> =
        by_loss.as_array().unwrap().iter().map(|trial| trial["objective"].as_f64().unwrap()).collect();
    assert!(losses.len() == 4 && losses.is_sorted(), "{losses:?}");
}

#[test]
fn with_several_seeds_configurations_are_ranked_by_their_mean() {
    let place = Place::new();
    place.succeed("launch demo.toml --set sweep.seeds=[0,1,2]");
    says!(place, "best demo", @r"
    exit code 0
    --- output
      rank  best trial  val_accuracy     ±  95 % interval  seeds  test_accuracy  frozen_layers  learning_rate   time
        =1  137e3c23            0.82  0.07   0.66 to 0.99      3           0.29            151           0.01  [TIME]
        =1  d5a6349e            0.70  0.11   0.43 to 0.97      3           0.32              0           0.01  [TIME]
         3  b933d29b            0.46  0.19   0.00 to 0.92      3           0.49              0          0.001  [TIME]
         4  26dbb896            0.42  0.16   0.02 to 0.82      3           0.66            151          0.001  [TIME]
      The best configuration, frozen_layers 151, learning_rate 0.01, has val_accuracy 0.82 ± 0.07 (3 seeds; ± is their standard deviation, the interval of the mean 0.66 to 0.99).
      One other (=1) cannot be told from it by the spread over seeds.
      To tell it from the second would take 20 seeds of both ([TIME] more of training).
      As the best of 4 it looks 3.8 points too good: expect 0.79 on new images.
    ");
    let best = place.json("best demo --json");
    let groups = best.as_array().unwrap();
    assert_eq!(groups.len(), 4);
    let mean = |group: &Value| group["objective"].as_f64().unwrap();
    assert!(groups.is_sorted_by(|one, other| mean(one) >= mean(other)));
    for group in groups {
        let form = [
            "deviation",
            "group",
            "interval",
            "metrics",
            "objective",
            "parameters",
            "rank",
            "seeds",
            "seeds_wanted",
            "tied_with_best",
            "trials",
            "versus_best",
        ];
        assert_eq!(keys(group), form);
        let trials = group["trials"].as_array().unwrap();
        assert_eq!((&group["seeds"], trials.len()), (&json!(3), 3));
        assert!(trials.iter().all(|trial| trial["group"] == group["group"]));
        let sum: f64 = trials.iter().map(mean).sum();
        assert!((sum / 3.0 - mean(group)).abs() < 1e-12, "{group}");
        assert_eq!(group["parameters"].get("seed"), None);
    }
    // The luckiest trial need not be of the best configuration; it is the first of the trials only.
    let trials = place.json("best demo --trials --json -n 100");
    assert_eq!((trials.as_array().unwrap().len(), &trials[0]["rank"]), (12, &json!(1)));
    let one_seed = place.json("best demo --where seed=1 --json");
    assert!(one_seed.as_array().unwrap().iter().all(|group| group["seeds"] == 1 && group["deviation"].is_null()));
}

#[test]
fn conditions_leave_the_trials_that_meet_all_of_them() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    let found = |conditions: &str| -> Vec<(Value, Value)> {
        let best = place.json(&format!("best demo --json {conditions}"));
        let parameters = |trial: &Value| {
            let parameters = &trial["parameters"];
            (parameters["frozen_layers"].clone(), parameters["learning_rate"].clone())
        };
        let mut found: Vec<_> = best.as_array().unwrap().iter().map(parameters).collect();
        found.sort_by_key(|(layers, rate)| (layers.as_u64(), rate.to_string()));
        found
    };
    let all = found("")[3].0.clone();
    assert_eq!(found("--where frozen_layers=all").len(), 2);
    assert_eq!(found("--where frozen_layers=0 --where learning_rate<0.005"), [(json!(0), json!(0.001))]);
    assert_eq!(found("--where frozen_layers!=0 --where learning_rate>=0.01"), [(all, json!(0.01))]);
    assert_eq!(found("--where frozen_layers=0 --where frozen_layers=all"), []);
}
