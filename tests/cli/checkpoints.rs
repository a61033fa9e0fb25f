//! Weights as training scripts leave them: wrapped, twice in one file, in several files, gone wrong.

use crate::place::{Place, empty_mirror};
use checkpoint::{Item, dict, namespace, numpy_scalar, pth};
use frostline_assets::layout::{Origin, slots};
use frostline_sweep::backbone;

#[path = "../../crates/assets/tests/support/checkpoint.rs"]
mod checkpoint;

/// EfficientNet-Lite0 under timm's names, with this value everywhere and `prefix` before each name.
fn state(prefix: &str, value: f32) -> Vec<(String, Item)> {
    let lite0 = backbone::find("efficientnet_lite0").unwrap();
    let slots = slots(lite0);
    let names = Origin::Timm.tensor_names(lite0, &slots).unwrap();
    let item = |(name, shape): (String, Vec<i64>)| {
        let count = shape.iter().product::<i64>() as usize;
        (format!("{prefix}{name}"), Item::Tensor(shape, vec![value; count]))
    };
    names.into_iter().zip(slots.into_iter().map(|slot| slot.shape)).map(item).collect()
}

fn network(value: f32) -> Item {
    Item::Dict(state("", value))
}

/// A sweep that names `weights`, and the file of the same name with `item` in it.
fn with_checkpoint(item: &Item) -> Place {
    let place = Place::edited("weights = \"random\"", "weights = \"net.pth\"");
    place.write("net.pth", pth(item));
    place
}

fn two_networks() -> Place {
    with_checkpoint(&dict([("state_dict", network(0.5)), ("state_dict_ema", network(0.25))]))
}

#[test]
fn a_training_scripts_checkpoint_is_seen_through_and_nothing_of_it_is_run() {
    let place = with_checkpoint(&dict([
        ("epoch", Item::Raw(b"K\x05".to_vec())),
        ("args", namespace()),
        ("metric", numpy_scalar()),
        ("state_dict", Item::Dict(state("module.", 0.5))),
        ("optimizer", dict([("step", Item::Tensor(vec![1], vec![7.0]))])),
    ]));
    says!(place, "weights inspect net.pth", @r#"
    exit code 0
    --- output
    file        net.pth
    format      PyTorch zip archive, 13.7 MB
    BLAKE3      26aed632a2bfac5d6c9a5a3c6b92605e9e99aa771eb4144db492b62b4f026b8b
    tensors     246 (246 float32), 3413025 numbers
    left alone  Python objects, none of which was made: `_codecs.encode`, `argparse.Namespace`, `numpy.core.multiarray.scalar`, `numpy.dtype`
    network     efficientnet_lite0 of timm, without classifier
    found       under `state_dict.module`; one other tensor is left out
    run with    TensorFlow's "same" padding, (pixel - 127.5) / 127.5, batch normalization with epsilon 0.001 and momentum 0.9
    complete    yes, all 245 tensors of the backbone
    identity    6b09848ce61b1754634d14499ae075af32f85785ce35504c9cf8846a7fec9621
    "#);
    let outcome = place.succeed("plan demo.toml");
    assert_eq!(
        outcome.stderr.lines().next(),
        Some(
            "model.weights: [PLACE]/net.pth: the network lies under `state_dict.module`; one other tensor is left out"
        )
    );
    let outcome = place.succeed("launch demo.toml");
    assert_eq!(outcome.stderr.matches("the network lies under").count(), 1, "{outcome}");
    let facts = place.json("weights inspect net.pth --json");
    assert_eq!(facts["root"], "state_dict.module");
    assert_eq!(facts["complete"], true);
    assert_eq!(facts["skipped"].as_array().unwrap().len(), 4);
}

#[test]
fn of_two_networks_the_meant_one_is_named() {
    let place = two_networks();
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: model.weights: [PLACE]/net.pth: it has such a network 2 times: under `state_dict`, under `state_dict_ema`; name the one that is meant, as in "[PLACE]/net.pth#state_dict_ema"
    "#);
    says!(place, "weights convert net.pth -o new.safetensors", @r#"
    exit code 2
    --- error
    error: net.pth: it has such a network 2 times: under `state_dict`, under `state_dict_ema`; name the one that is meant, as in "net.pth#state_dict_ema"
    "#);
    says!(place, "features --backbone efficientnet_lite0 --weights net.pth --data shapes -o new.npy", @r#"
    exit code 2
    --- error
    error: --weights net.pth: it has such a network 2 times: under `state_dict`, under `state_dict_ema`; name the one that is meant, as in "net.pth#state_dict_ema"
    "#);
    assert!(!place.path("new.safetensors").exists());
    let inspected = place.succeed("weights inspect net.pth");
    assert!(
        inspected.stdout.contains("it has such a network 2 times: under `state_dict`, under `state_dict_ema`"),
        "{inspected}"
    );
    says!(place, "plan demo.toml --set model.weights=net.pth#ema", @r"
    exit code 2
    --- error
    error: model.weights: [PLACE]/net.pth has no tensors under `ema`: it has some under `state_dict`, `state_dict_ema`
    ");

    // The remedy as it was printed.
    let ema = "--set model.weights=net.pth#state_dict_ema";
    place.succeed(&format!("launch demo.toml {ema}"));
    // The other one makes other trials.
    let trials = |key: &str| {
        let plan =
            place.json(&format!("plan demo.toml --json --set sweep.name=new --set model.weights=net.pth#{key}"));
        plan["trials"].as_array().unwrap().iter().map(|trial| trial["trial"].clone()).collect::<Vec<_>>()
    };
    let launched: Vec<_> = place.trials("demo").into_iter().map(|trial| serde_json::Value::from(trial.id)).collect();
    assert_eq!(trials("state_dict_ema"), launched);
    assert!(trials("state_dict").iter().all(|trial| !launched.contains(trial)));
    let again = place.succeed(&format!("launch demo.toml {ema}"));
    assert!(!again.stderr.contains("error"), "{again}");
    place.succeed("resume demo");

    // Each key gives its own tensors, in the form of `inspect` and of `convert`.
    let identity = |weights: &str| place.json(&format!("weights inspect {weights} --json"))["identity"].clone();
    let [first, second] = ["net.pth#state_dict", "net.pth#state_dict_ema"].map(identity);
    assert!(first.is_string() && first != second);
    place.succeed("weights convert net.pth#state_dict_ema -o ema.safetensors");
    assert_eq!(identity("ema.safetensors"), second);
}

#[test]
fn a_worker_reads_the_network_that_the_key_names() {
    let place = Place::that_trains();
    place.write("net.pth", pth(&dict([("state_dict", network(0.5)), ("state_dict_ema", network(0.25))])));
    place.write("plain.pth", pth(&network(0.25)));
    let output = |weights: &str| {
        let asked = "features --backbone efficientnet_lite0 --data shapes --limit 2 --size 32 --layer 3 -o out.npy";
        place.succeed(&format!("{asked} --weights {weights}"));
        std::fs::read(place.path("out.npy")).unwrap()
    };
    let meant = output("net.pth#state_dict_ema");
    assert_eq!(meant, output("plain.pth"));
    assert_ne!(meant, output("net.pth#state_dict"));
}

#[test]
fn a_file_whose_name_has_the_sign_of_a_key_is_that_file() {
    let place = Place::edited("weights = \"random\"", "weights = \"runs/#3/net.pth\"");
    place.write("runs/#3/net.pth", pth(&network(0.5)));
    place.succeed("launch demo.toml");
    place.write("runs/#3/net.pth#ema", pth(&network(0.25)));
    let facts = place.json("weights inspect runs/#3/net.pth#ema --json");
    assert_eq!((&facts["root"], &facts["complete"]), (&"".into(), &true.into()));
}

#[test]
fn values_that_are_no_numbers_are_found_before_training() {
    let mut tensors = state("", 0.5);
    let wrong = tensors.iter_mut().find(|(name, _)| name == "blocks.2.1.bn2.running_mean").unwrap();
    let Item::Tensor(_, values) = &mut wrong.1 else { panic!("a tensor") };
    values[7] = f32::NAN;
    let place = with_checkpoint(&Item::Dict(tensors));
    says!(place, "launch demo.toml", @r"
    exit code 2
    --- error
    error: model.weights: [PLACE]/net.pth: its tensor `blocks.2.1.bn2.running_mean` has NaN at place 7, which is not a number: the training that wrote it had gone wrong by then, so take an earlier file
    ");
    says!(place, "features --backbone efficientnet_lite0 --weights net.pth --data shapes -o new.npy", @r"
    exit code 2
    --- error
    error: --weights net.pth: its tensor `blocks.2.1.bn2.running_mean` has NaN at place 7, which is not a number: the training that wrote it had gone wrong by then, so take an earlier file
    ");
    let inspected = place.succeed("weights inspect net.pth");
    assert!(
        inspected.stdout.contains("values      its tensor `blocks.2.1.bn2.running_mean` has NaN at place 7"),
        "{inspected}"
    );
    assert!(!place.path("results").exists());

    let mut tensors = state("", 0.5);
    let wrong = tensors.iter_mut().find(|(name, _)| name == "bn2.running_var").unwrap();
    let Item::Tensor(_, values) = &mut wrong.1 else { panic!("a tensor") };
    values[0] = -1.0;
    says!(with_checkpoint(&Item::Dict(tensors)), "plan demo.toml", @r"
    exit code 2
    --- error
    error: model.weights: [PLACE]/net.pth: its tensor `bn2.running_var` has -1 at place 0, and a variance is never negative: the training that wrote it had gone wrong by then, so take an earlier file
    ");
}

#[test]
fn weights_in_several_files_are_one() {
    let tensors = state("", 0.5);
    let (first, second) = tensors.split_at(100);
    let names = [1, 2].map(|number| format!("model-0000{number}-of-00002.bin"));
    let place = Place::edited("weights = \"random\"", &format!("weights = \"{}\"", names[1]));
    let map: serde_json::Map<String, serde_json::Value> = [first, second]
        .iter()
        .zip(&names)
        .flat_map(|(part, name)| part.iter().map(move |(tensor, _)| (tensor.clone(), name.as_str().into())))
        .collect();
    for (part, name) in [first, second].iter().zip(&names) {
        place.write(name, pth(&Item::Dict(part.to_vec())));
    }
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: model.weights: [PLACE]/model-00002-of-00002.bin is not a weights file that Frostline knows: it is one of 2 files that are weights together, and model.bin.index.json, which says what is in which, is not beside it; get the file again, or name another
    ");
    place.write("model.bin.index.json", serde_json::json!({ "weight_map": map }).to_string());
    let outcome = place.succeed("launch demo.toml");
    assert!(outcome.stderr.contains("/model-00002-of-00002.bin: the network lies in 2 files"), "{outcome}");
    // By whichever of its files it is named.
    let blake3 = |file: &str| place.json(&format!("weights inspect {file} --json"))["blake3"].clone();
    assert_eq!(blake3("model.bin.index.json"), blake3(&names[0]));
    std::fs::remove_file(place.path(&names[0])).unwrap();
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: model.weights: cannot read [PLACE]/model-00001-of-00002.bin: No such file or directory (os error 2); get the file again, or name another
    ");
}

#[test]
fn a_server_on_this_machine_is_reached_whatever_proxy_is_set() {
    let base = empty_mirror();
    let mut place = Place::new();
    place.set("FROSTLINE_MIRROR", &base);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        place.set(name, "http://127.0.0.1:9");
    }
    let outcome = place.run("fetch cifar10");
    let expected = format!("{base}/~kriz/cifar-10-binary.tar.gz answers with HTTP status 404");
    assert!(outcome.stderr.contains(&expected), "{outcome}");
}
