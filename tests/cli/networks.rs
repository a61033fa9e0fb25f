//! Sweeps that choose the network, too.

use crate::place::{Place, summaries};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

const BOTH: &str = "[0.9, \"all\"]\nbackbone = [\"efficientnet_lite0\", \"efficientnet_b0\"]";

/// Two networks, two depths of each.
fn of_both(place: Place) -> Place {
    place.edit("backbone = \"efficientnet_lite0\"\n", "");
    place.edit("[0, \"all\"]", BOTH);
    place.edit("[1e-3, 1e-2]", "[1e-3]");
    place
}

/// The same, training; B0's weights come from a file, Lite0 has random ones.
fn place() -> Place {
    let place = of_both(Place::that_trains());
    place.edit(
        "weights = \"random\"",
        "weights = { efficientnet_lite0 = \"random\", efficientnet_b0 = \"b0.safetensors\" }",
    );
    fs::write(place.path("b0.safetensors"), b0()).unwrap();
    place
}

/// A weights file of B0: a frozen network leaves a sweep as it came in.
fn b0() -> Vec<u8> {
    let place = Place::that_trains();
    place.edit("efficientnet_lite0", "efficientnet_b0");
    let trained =
        "launch demo.toml --set grid.frozen_layers=[\"all\"] --set grid.learning_rate=[1e-3] --set train.epochs=1";
    place.succeed(trained);
    place.succeed(&format!("export-model {} -o model", place.trials("demo")[0].id));
    fs::read(place.path("model/model.safetensors")).unwrap()
}

/// Every trial of `demo` with its network and its metrics, by id.
fn trained(place: &Place) -> Vec<(String, String, Value)> {
    let best = place.json("best demo --json");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut rows: Vec<_> = best
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let mut metrics = row["metrics"].clone();
            metrics.as_object_mut().unwrap().remove("seconds");
            (text(&row["trial"]), text(&row["parameters"]["backbone"]), metrics)
        })
        .collect();
    rows.sort_by(|one, other| one.0.cmp(&other.0));
    rows
}

#[test]
fn a_sweep_of_networks_comes_out_alike_however_it_is_run() {
    let kept = place();
    kept.succeed("launch demo.toml");
    let expected = trained(&kept);
    let networks: BTreeSet<&str> = expected.iter().map(|(_, network, _)| network.as_str()).collect();
    assert_eq!((expected.len(), networks), (4, ["efficientnet_b0", "efficientnet_lite0"].into()));
    let features: Vec<Value> = fs::read_dir(kept.path("results/cache/features-v1"))
        .unwrap()
        .flatten()
        .filter_map(|entry| fs::read(entry.path().join("manifest.json")).ok())
        .map(|manifest| serde_json::from_slice(&manifest).unwrap())
        .collect();
    assert!(features.len() >= 2, "some of each network: {features:?}");
    assert_eq!(kept.json("verify --json")["sound"], true);

    // Computed in every epoch, by one worker that goes from one network to the other.
    let fresh = place();
    fresh.succeed("launch demo.toml --set cache.features=off --set workers.count=1");
    assert_eq!(trained(&fresh), expected, "to the bit");

    // Stopped after the first epochs.
    let resumed = place();
    let run = resumed.start("launch demo.toml --set workers.count=1");
    resumed.wait_for_epochs("demo", 1);
    run.signal(Signal::INT);
    run.wait();
    resumed.succeed("resume demo");
    assert_eq!(trained(&resumed), expected, "to the bit");

    // Each network on its own: the same trials, and the same metrics.
    let alone = place();
    for (network, weights) in [("efficientnet_lite0", "random"), ("efficientnet_b0", "b0.safetensors")] {
        alone.succeed(&format!(
            "launch demo.toml --set grid.backbone=[{network}] --set model.weights={weights} --set sweep.name={network}"
        ));
    }
    let nothing = alone.succeed("launch demo.toml");
    assert!(nothing.stderr.contains("4 of them finished already in another sweep"), "{nothing}");
    assert_eq!(trained(&alone), expected, "to the bit");
}

#[test]
fn what_is_trained_of_each_network_is_used() {
    let place = place();
    place.succeed("launch demo.toml --set train.epochs=1 --set keep.models=all");
    image::RgbImage::from_pixel(40, 40, image::Rgb([255, 0, 0])).save(place.path("red.png")).unwrap();
    let all = trained(&place);
    for (trial, network, _) in &all {
        let model = format!("model-{trial}");
        place.succeed(&format!("export-model {trial} -o {model}"));
        let card = place.read(&format!("{model}/card.json"));
        assert!(card.contains(network.trim_start_matches("efficientnet_")), "{card}");
        let predicted = place.json(&format!("predict {trial} red.png --json"));
        assert_eq!(predicted[0]["probabilities"].as_object().unwrap().len(), 10);
        let shown = place.succeed(&format!("show {}", &trial[..8])).stdout;
        assert!(shown.contains(&format!("  model            {network}\n  weights          ")), "{shown}");
    }
    // Once more, for a model that was lost.
    let (lost, _, _) = all.iter().find(|(_, network, _)| network == "efficientnet_b0").unwrap();
    fs::remove_file(place.path(&format!("results/models/{lost}.safetensors"))).unwrap();
    place.succeed(&format!("retrain {lost}"));
    assert!(place.path(&format!("results/models/{lost}.safetensors")).exists());
    // Weights that have changed are noticed, of whichever network they are.
    let bytes = fs::read(place.path(&format!("model-{lost}/model.safetensors"))).unwrap();
    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(place.path("b0.safetensors"), other).unwrap();
    let refused = place.run("launch demo.toml --set train.epochs=1 --set keep.models=all");
    assert!(refused.stderr.contains("the content of the weights file of efficientnet_b0"), "{refused}");
}

#[test]
fn a_plan_says_what_each_network_takes() {
    let place = of_both(Place::new());
    let said = place.succeed("plan demo.toml").stdout;
    for line in [
        "efficientnet_lite0, 151 layers, 3.41 M parameters, weights random\nefficientnet_b0, 238 layers, 4.05 M parameters, weights random\n",
        "  5474d645  efficientnet_b0     214 (0.9, in block6d)  output of block6c\n",
        "  backbone            through  trials  share  size (max)",
        "  efficientnet_b0     top           1  100 %      410 kB",
        "\nWhat each network takes:\n\n  backbone            trials   time  without the cache  features (max)\n  efficientnet_lite0       2",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    let plan = place.json("plan demo.toml --json");
    let cuts = plan["cuts"].as_array().unwrap();
    let of = |network: &str| cuts.iter().filter(|cut| cut["backbone"] == network).count();
    assert_eq!((of("efficientnet_lite0"), of("efficientnet_b0"), cuts.len()), (2, 2, 4));
    let seconds = |network: &Value| network["seconds_without_cache"].as_f64().unwrap();
    let networks = plan["networks"].as_array().unwrap();
    assert_eq!((networks.len(), &networks[0]["trials"], &networks[1]["trials"]), (2, &json!(2), &json!(2)));
    assert!(seconds(&networks[0]) < seconds(&networks[1]), "B0 has squeeze-and-excite, too");
}

#[test]
fn trials_are_told_apart_by_their_network() {
    let place = of_both(Place::new());
    place.succeed("launch demo.toml");
    let rows = |arguments: &str| place.json(arguments).as_array().unwrap().len();
    assert_eq!(rows("best demo --json"), 4);
    assert_eq!(rows("best demo --json --where backbone=efficientnet_b0"), 2);
    assert_eq!(rows("best demo --json --where frozen_layers=0.9"), 2);
    assert_eq!(rows("best demo --json --where frozen_layers=0.9 --where backbone!=efficientnet_b0"), 1);
    let effects = place.json("effects demo --json");
    let axes = effects["axes"].as_array().unwrap();
    let levels = |name: &str| -> Vec<Value> {
        let axis = axes.iter().find(|axis| axis["name"] == name).unwrap();
        axis["levels"].as_array().unwrap().iter().map(|level| level["value"].clone()).collect()
    };
    assert_eq!(levels("backbone"), [json!("efficientnet_b0"), json!("efficientnet_lite0")]);
    assert_eq!(
        levels("frozen_layers"),
        [json!(0.9), json!("all")],
        "as they are written, since each has its own number"
    );
    assert_eq!((axes.len(), &effects["balanced"]), (2, &json!(true)));
    let status = place.succeed("status demo").stdout;
    assert!(status.contains("efficientnet_b0") && status.contains("(0.9, in "), "{status}");
    place.succeed("export demo --format csv -o csv");
    let header = place.read("csv/trials.csv");
    assert_eq!(header.lines().next().unwrap().split(',').filter(|name| *name == "backbone").count(), 1);
    place.succeed("report demo -o report.html");
    let report = place.read("report.html");
    for said in [
        "Depth of efficientnet_lite0",
        "Depth of efficientnet_b0",
        "id=\"efficientnet_b0\"",
        "href=\"#efficientnet_b0\"",
    ] {
        assert!(report.contains(said), "{said}");
    }
    // Another one comes to the same sweep, and what has finished stays.
    let grown =
        place.succeed("launch demo.toml --set grid.backbone=[efficientnet_b1,efficientnet_lite0,efficientnet_b0]");
    assert!(grown.stderr.contains("4 trials finished, 2 added"), "{grown}");
    assert_eq!(summaries(&place.trials("demo")).len(), 6);
}

#[test]
fn what_does_not_fit_all_networks_is_said_with_its_place() {
    let place = of_both(Place::new());
    let refused = |arguments: &str, said: &str| {
        let outcome = place.run(arguments);
        assert!(outcome.code == Some(2) && outcome.stderr.contains(said), "{outcome}");
    };
    let layers = "plan demo.toml --set grid.frozen_layers=[200,\"block6e\"]";
    refused(layers, "`frozen_layers` must be 0 to 151 or \"all\", since efficientnet_lite0 has 151 layers, not 200");
    refused(layers, "must be \"all\" or one of efficientnet_lite0's blocks, block1a, block2a to b");
    place.edit("weights = \"random\"", "weights = { efficientnet_lite0 = \"random\" }");
    refused(
        "plan demo.toml",
        "demo.toml:11:1: `weights` has none for efficientnet_b0: add efficientnet_b0 = …, a catalogue name",
    );
    place.edit("weights = { efficientnet_lite0 = \"random\" }", "weights = \"efficientnet_lite0.imagenet1k\"");
    refused("plan demo.toml", "are weights of efficientnet_lite0, and model.backbone is \"efficientnet_b0\"");
}

#[test]
fn imagenet_is_the_first_of_the_catalogue_for_each() {
    let place = of_both(Place::new());
    place.edit("weights = \"random\"", "weights = \"imagenet\"");
    let missing = place.json("plan demo.toml --json")["missing"].clone();
    assert_eq!(missing, json!(["efficientnet_lite0.imagenet1k", "efficientnet_b0.imagenet1k"]));
}
