//! Networks, their weights, and what a sweep leaves of its models.

use crate::place::Place;
use serde_json::{Value, json};
use std::fs;

/// One short trial of a frozen network, whose model is kept; and its id.
fn trained() -> (Place, String) {
    let place = Place::that_trains();
    place.edit("[0, \"all\"]", "[\"all\"]");
    place.edit("[1e-3, 1e-2]", "[1e-3]");
    place.edit("epochs = 2", "epochs = 1");
    place.edit("count = 2", "count = 1");
    place.succeed("launch demo.toml");
    let trial = place.trials("demo")[0].id.clone();
    (place, trial)
}

/// Writes `red.png`.
fn picture(place: &Place) {
    image::RgbImage::from_pixel(40, 40, image::Rgb([255, 0, 0])).save(place.path("red.png")).unwrap();
}

/// The header of a safetensors file.
fn header(place: &Place, file: &str) -> Value {
    let bytes = fs::read(place.path(file)).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    serde_json::from_slice(&bytes[8..8 + length]).unwrap()
}

/// Numbers of a NumPy file behind its header, which is padded to a multiple of 64 bytes, and the header.
fn numpy(place: &Place, file: &str) -> (String, Vec<f32>) {
    let bytes = fs::read(place.path(file)).unwrap();
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert_eq!((&bytes[..6], start % 64), (&b"\x93NUMPY"[..], 0));
    let numbers = bytes[start..].chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap()));
    (String::from_utf8(bytes[10..start].to_vec()).unwrap(), numbers.collect())
}

fn models(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(place.path("results/models")).unwrap().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_model_is_exported_with_its_card_and_loader() {
    let (place, trial) = trained();
    let export = place.succeed(&format!("export-model {trial} -o model"));
    assert!(export.stdout.starts_with("model: tf_efficientnet_lite0 of timm with the head of trial "), "{export}");
    assert!(export.stdout.ends_with("Try it:  python model/load.py PICTURE\n"), "{export}");
    let head = header(&place, "model/head.safetensors");
    let shapes: Vec<&Value> = head.as_object().unwrap().values().filter_map(|tensor| tensor.get("shape")).collect();
    for shape in [json!([8, 1280]), json!([8]), json!([10, 8]), json!([10])] {
        assert!(shapes.contains(&&shape), "{head}");
    }
    assert_eq!(shapes.len(), 4);
    let card: Value = serde_json::from_str(&place.read("model/card.json")).unwrap();
    let best = &place.json("best demo --json")[0];
    assert_eq!((&card["trial"], &card["layout"], &card["padding"]), (&json!(trial), &json!("timm"), &json!("same")));
    for metric in ["val_accuracy", "test_accuracy", "val_loss", "test_loss"] {
        assert_eq!(card["metrics"][metric], best["metrics"][metric]);
    }
    assert_eq!((&card["classes"][1], &card["preprocessing"]["image_size"]), (&json!("ring"), &json!(32)));
    assert!(place.read("model/load.py").contains("def load("));
}

#[test]
fn each_layout_has_the_names_of_its_library() {
    let (place, trial) = trained();
    place.succeed(&format!("export-model {trial} --layout timm -o timm"));
    let timm = header(&place, "timm/model.safetensors");
    assert_eq!(timm["blocks.0.0.conv_dw.weight"]["shape"], json!([32, 1, 3, 3]));
    let other = Place::that_trains();
    other.edit("[0, \"all\"]", "[\"all\"]");
    other.edit("efficientnet_lite0", "efficientnet_v2_s");
    other.edit("[1e-3, 1e-2]", "[1e-3]");
    other.succeed("launch demo.toml --set train.epochs=1");
    let trial = &other.trials("demo")[0].id;
    // Random weights are for TensorFlow's padding, which torchvision's network does not have.
    let refused = other.run(&format!("export-model {trial} --layout torchvision -o torchvision"));
    assert!(refused.code == Some(2) && refused.stderr.contains("use --layout timm"), "{refused}");
    assert!(!other.path("torchvision").exists());
    other.succeed(&format!("export-model {trial} --output model"));
    let own = header(&other, "model/model.safetensors");
    assert_eq!(own["blocks.0.0.conv.weight"]["shape"], json!([24, 24, 3, 3]));
}

#[test]
fn a_model_says_what_it_sees() {
    let (place, trial) = trained();
    picture(&place);
    let predicted = place.json(&format!("predict {trial} red.png red.png --json"));
    assert_eq!((predicted.as_array().unwrap().len(), &predicted[0]), (2, &predicted[1]));
    let probabilities = predicted[0]["probabilities"].as_object().unwrap();
    let sum: f64 = probabilities.values().map(|value| value.as_f64().unwrap()).sum();
    assert!(probabilities.len() == 10 && (sum - 1.0).abs() < 1e-5, "{predicted}");
    let class = predicted[0]["class"].as_str().unwrap();
    assert!(probabilities.values().all(|value| value.as_f64() <= probabilities[class].as_f64()));
    let text = place.succeed(&format!("predict {} red.png", &trial[..8])).stdout;
    let percent = format!("{:.1} %", 100.0 * probabilities[class].as_f64().unwrap());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines.len()), ("red.png", 6));
    assert!(lines[4].contains("test image") && lines[5].starts_with("This model is right on "), "{text}");
    assert!(lines[1].contains(class) && lines[1].ends_with(&percent), "{text}");
}

/// A frozen network leaves as it came in: what is exported has the identity of the weights that it was trained from.
#[test]
fn weights_that_were_moved_are_named() {
    let (place, trial) = trained();
    picture(&place);
    place.succeed(&format!("export-model {trial} -o model"));
    place.succeed("launch demo.toml --set sweep.name=filed --set model.weights=model/model.safetensors");
    let trial = place.trials("filed")[0].id.clone();
    let before = place.json(&format!("predict {trial} red.png --json"));
    fs::rename(place.path("model/model.safetensors"), place.path("moved.safetensors")).unwrap();
    let lost = place.run(&format!("predict {trial} red.png"));
    assert!(lost.code == Some(2) && lost.stderr.contains("name their file with --weights"), "{lost}");
    let named = place.json(&format!("predict {trial} red.png --json --weights moved.safetensors"));
    assert_eq!(named, before);
    place.succeed(&format!("export-model {trial} --weights moved.safetensors -o again"));
    let identity = |file: &str| place.json(&format!("weights inspect {file} --json"))["identity"].clone();
    assert!(identity("moved.safetensors").is_string());
    assert_eq!(identity("again/model.safetensors"), identity("moved.safetensors"));
}

#[test]
fn a_converted_file_holds_the_same_network() {
    let (place, trial) = trained();
    place.succeed(&format!("export-model {trial} -o model"));
    let converted = place.succeed("weights convert model/model.safetensors -o new.safetensors").stdout;
    assert!(converted.starts_with("new.safetensors: efficientnet_lite0 of timm with timm's names, 245 tensors"));
    let text = place.succeed("weights inspect new.safetensors").stdout;
    assert!(text.contains("complete    yes, all 245 tensors of the backbone"), "{text}");
    let [old, new] =
        ["model/model", "new"].map(|name| place.json(&format!("weights inspect {name}.safetensors --json")));
    assert_eq!(
        (&old["identity"], &old["complete"], &old["numbers"]),
        (&new["identity"], &json!(true), &json!(3413024))
    );
    // The file's own digest is that of its bytes.
    let bytes = fs::read(place.path("new.safetensors")).unwrap();
    assert_eq!(new["blake3"], json!(blake3::hash(&bytes).to_hex().as_str()));
    assert_eq!(new["bytes"], json!(bytes.len()));
}

#[test]
fn layers_are_those_of_keras() {
    let place = Place::new();
    let rows = place.json("layers efficientnet_lite0 --size 64 --json");
    let rows = rows.as_array().unwrap();
    let parameters: u64 = rows.iter().map(|row| row["parameters"].as_u64().unwrap()).sum();
    assert_eq!((rows.len(), parameters), (151, 3_413_024));
    assert_eq!((&rows[4]["name"], &rows[4]["shape"]), (&json!("stem_activation"), &json!([32, 32, 32])));
    // In float32: 32 x 32 x 32 numbers.
    assert_eq!((&rows[4]["block_end"], &rows[4]["cached_bytes"]), (&json!("stem"), &json!(131_072)));
    assert_eq!(rows[150]["compute_share"], json!(1.0));
    let text = place.succeed("layers efficientnet_lite0 --size 32").stdout;
    let stem = text.lines().find(|line| line.contains("stem_activation")).unwrap();
    assert!(stem.contains("16 x 16 x 32") && stem.contains("32.8 kB"), "{stem}");
    assert!(text.contains("151 layers, 3413024 parameters."), "{text}");
}

#[test]
fn features_are_the_output_of_the_layer_that_is_named() {
    let place = Place::that_trains();
    let write = |arguments: &str| {
        let network = "--backbone efficientnet_lite0 --weights random --data shapes --size 32";
        place.succeed(&format!("{arguments} {network}")).stdout
    };
    assert_eq!(
        write("features --layer 4 --limit 2 -o all.npy"),
        "all.npy: layer 4 (stem_activation), 2 x 32 x 16 x 16, float32\n"
    );
    write("features --layer 4 --limit 2 --pool -o pooled.npy");
    let ((form, all), (_, pooled)) = (numpy(&place, "all.npy"), numpy(&place, "pooled.npy"));
    assert!(form.contains("'shape': (2,32,16,16,)"), "{form}");
    let means = all.chunks(16 * 16).map(|channel| channel.iter().sum::<f32>() / 256.0);
    assert_eq!(pooled.len(), 64);
    assert!(means.zip(&pooled).all(|(mean, pooled)| (mean - pooled).abs() < 1e-4));
    // ReLU6 ends the stem.
    assert!(all.iter().all(|value| (0.0..=6.0).contains(value)) && all.iter().any(|value| *value > 0.0));
    // Other images, and as many of them as asked for.
    write("features --layer 4 --limit 1 --split test -o test.npy");
    write("features --layer 4 --limit 1 --split train -o train.npy");
    let [test, train] = ["test.npy", "train.npy"].map(|file| numpy(&place, file).1);
    assert_eq!((&all[..test.len()], test == train), (&test[..], false));
    let ones = "features --backbone efficientnet_lite0 --weights random --data shapes --size 32 --limit 3";
    place.succeed(&format!("{ones} --layer last --output last.safetensors"));
    let last = header(&place, "last.safetensors");
    assert_eq!((&last["features"]["shape"], &last["labels"]["shape"]), (&json!([3, 1280, 1, 1]), &json!([3])));
}

#[test]
fn a_default_sweep_keeps_its_best_models() {
    let place = Place::that_trains();
    place.edit("[0, \"all\"]", "[\"all\"]");
    place.edit("[1e-3, 1e-2]", "[1e-3, 1e-2, 1e-1]");
    place.succeed("launch demo.toml");
    let kept = models(&place);
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert!(place.succeed("best demo").stdout.lines().next().unwrap().ends_with("  model"));
    picture(&place);
    place.succeed(&format!("predict {} red.png", &kept[0][..8]));
    // With fewer, the best one stays, and what cannot be told from it; of each of the others it is said that it goes.
    let one = place.succeed("launch demo.toml --set keep.count=1 --results one");
    let best = place.json("best demo --json --results one");
    let rows: Vec<(bool, bool)> = best
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["model"] == true, row["rank"] == 1 || row["tied_with_best"] == true))
        .collect();
    assert!(rows[0].0 && rows.iter().all(|(is_kept, is_wanted)| is_kept == is_wanted), "{rows:?}");
    let stay = rows.iter().filter(|(is_kept, _)| *is_kept).count();
    assert_eq!(fs::read_dir(place.path("one/models")).unwrap().count(), stay);
    assert_eq!(place.json("verify --json --results one")["models"], stay);
    assert_eq!(one.stderr.matches("is not kept any more").count(), 3 - stay);
}

/// What a finished trial's training leaves once more is what it left, and nothing counts twice.
#[test]
fn a_model_that_was_not_kept_can_be_had_back() {
    let mut place = Place::that_trains();
    place.edit("[0, \"all\"]", "[\"all\"]");
    place.edit("[1e-3, 1e-2]", "[1e-3]");
    place.succeed("launch demo.toml");
    let before = place.json("best demo --json");
    let file = place.path("results/models").join(&models(&place)[0]);
    let model = fs::read(&file).unwrap();
    let trial = before[0]["trial"].as_str().unwrap()[..8].to_owned();
    fs::remove_file(&file).unwrap();
    let refused = place.run(&format!("predict {trial} red.png"));
    assert!(refused.stderr.contains(&format!("`frostline retrain {trial}`")), "{refused}");

    let outcome = place.succeed(&format!("retrain {trial}"));
    assert!(outcome.stdout.contains(": 2 epochs and the test come out as recorded, to the last bit"), "{outcome}");
    assert!(fs::read(&file).unwrap() == model, "the same tensors");
    assert_eq!(place.json("best demo --json"), before, "one attempt, and the times of then");
    assert!(!place.path("results/retrain").join(before[0]["trial"].as_str().unwrap()).exists());
    assert_eq!(place.json("verify --json")["sound"], true);
    picture(&place);
    place.succeed(&format!("predict {trial} red.png"));
    // It stays, whatever the rule says: here that nothing does.
    place.succeed("launch demo.toml --set keep.models=none --set grid.learning_rate=[1e-3,1e-2]");
    let more = place.succeed("launch demo.toml --set keep.models=all --set grid.learning_rate=[1e-3,1e-2]").stderr;
    assert!(
        more.contains(" finished trials lack a model: `[keep]` is for trials that still run; `frostline retrain ")
    );
    assert_eq!(models(&place).iter().filter(|name| name.ends_with(".safetensors")).count(), 1);
    assert!(place.succeed(&format!("retrain {trial}")).stderr.contains("is there, and stays from now on"));
    assert_eq!(place.run("retrain ffffffff").code, Some(2));

    // Where it comes out otherwise, that is said, and no model is kept.
    fs::remove_file(&file).unwrap();
    place.set("FROSTLINE_RESULTS", "results");
    let database = rusqlite::Connection::open(place.path("results/frostline.db")).unwrap();
    database.execute("UPDATE epoch SET val_loss = val_loss + 1 WHERE epoch = 2", []).unwrap();
    drop(database);
    let outcome = place.run(&format!("retrain {trial}"));
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert!(outcome.stderr.contains("comes out otherwise here") && outcome.stderr.contains("val_loss of epoch 2"));
    assert!(!file.exists());
}
