//! Sweeps on pictures of a person's own.

use crate::place::{Place, not_run, summaries};
use image::{Rgb, RgbImage};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
const RECORD: usize = 3073;

/// On the folder `pictures`.
fn on_pictures(place: Place) -> Place {
    place.edit("dataset = \"shapes\"", "dataset = \"folder\"\npath = \"pictures\"");
    place.edit("[0, \"all\"]", "[\"all\"]");
    place.edit("[1e-3, 1e-2]", "[1e-2]");
    place
}

fn picture(place: &Place, name: &str, width: u32, height: u32, shade: u8) {
    let path = place.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_fn(width, height, |x, y| Rgb([shade, x as u8, y as u8])).save(path).unwrap();
}

/// Two classes that colour tells apart.
fn cats_and_dogs(place: &Place) {
    for number in 0..20u8 {
        picture(place, &format!("pictures/cat/{number}.png"), 50, 40, number);
        picture(place, &format!("pictures/a dog/{number}.jpg"), 44, 60, 255 - number);
    }
}

/// What must not differ by a bit.
fn metrics(place: &Place) -> Vec<Value> {
    let names = ["train_loss", "train_accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy"];
    let best = place.json("best demo --json");
    names.map(|name| best[0]["metrics"][name].clone()).to_vec()
}

/// Needs CIFAR-10's binary version in the folder that `FROSTLINE_CIFAR10` names.
#[test]
fn cifar10_as_a_folder_gives_the_metrics_of_its_binary_files_to_the_bit() {
    let Some(folder) = std::env::var_os("FROSTLINE_CIFAR10") else {
        not_run("FROSTLINE_CIFAR10 names no folder with data_batch_1.bin");
        return;
    };
    let (binary, pictures) = (Place::that_trains(), on_pictures(Place::that_trains()));
    binary.edit("dataset = \"shapes\"", "dataset = \"cifar10\"\npath = \"images\"");
    binary.edit("[0, \"all\"]", "[\"all\"]");
    binary.edit("[1e-3, 1e-2]", "[1e-2]");
    let names = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"];
    let mut number = 0;
    for name in names {
        let bytes = fs::read(std::path::Path::new(&folder).join(format!("{name}.bin"))).unwrap();
        let bytes = &bytes[..100 * RECORD];
        binary.write(&format!("images/{name}.bin"), bytes);
        let split = if name == "test_batch" { "test" } else { "train" };
        for record in bytes.chunks(RECORD) {
            let plane = |channel: usize, x: u32, y: u32| record[1 + channel * 1024 + (y * 32 + x) as usize];
            let path = format!("pictures/{split}/{}/{number:05}.png", CLASSES[usize::from(record[0])]);
            let path = pictures.path(&path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let picture = RgbImage::from_fn(32, 32, |x, y| Rgb([0, 1, 2].map(|channel| plane(channel, x, y))));
            picture.save(path).unwrap();
            number += 1;
        }
    }
    for place in [&binary, &pictures] {
        // Larger than the images are, so that they are enlarged; with limits and mirrored, so that the order matters.
        place.succeed("launch demo.toml --set data.image_size=40 --set data.augment=flip --set data.train_limit=120");
    }
    assert_eq!(metrics(&binary), metrics(&pictures));
    // Started again, nothing is decoded, and features are found.
    let again = pictures.succeed(
        "launch demo.toml --set data.image_size=40 --set data.augment=flip --set \
                                  data.train_limit=120 --set grid.learning_rate=[1e-2,1e-3]",
    );
    assert!(!again.stderr.contains("decoding"), "{again}");
}

#[test]
fn a_folder_is_swept_and_what_is_predicted_has_a_name() {
    let place = on_pictures(Place::that_trains());
    cats_and_dogs(&place);
    place.succeed("launch demo.toml --set train.epochs=8 --set data.augment=flip");
    let trial = place.trials("demo")[0].id.clone();
    assert_eq!(summaries(&place.trials("demo")), ["complete after 1"]);
    // The folder is not needed any more.
    fs::rename(place.path("pictures"), place.path("moved")).unwrap();
    fs::remove_dir_all(place.path("results/cache")).unwrap();
    let predicted = place.json(&format!("predict {trial} moved/cat/3.png --json"));
    let probabilities = predicted[0]["probabilities"].as_object().unwrap();
    assert_eq!(probabilities.keys().collect::<Vec<_>>(), ["a dog", "cat"]);
    assert_eq!(predicted[0]["class"], "cat");
    let text = place.succeed(&format!("predict {trial} moved/cat/3.png")).stdout;
    assert!(text.starts_with("moved/cat/3.png\n  cat    "), "{text}");
    let shown = place.succeed(&format!("show {trial}")).stdout;
    assert!(shown.contains("\n  a dog  1.00 ") && shown.contains("\n  cat    "), "{shown}");
    assert_eq!(place.json(&format!("show {trial} --json"))["classes"], serde_json::json!(["a dog", "cat"]));
    place.succeed(&format!("export-model {trial} -o model"));
    let card: Value = serde_json::from_str(&place.read("model/card.json")).unwrap();
    assert_eq!((&card["classes"][1], &card["preprocessing"]["fit"]), (&"cat".into(), &"crop".into()));
    assert_eq!(card["preprocessing"]["side"], 32);
}

/// Whether pyarrow could be asked to write the folder `pictures` as `datasets` would.
fn write_parquet(place: &Place, into: &str) -> bool {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/exports/pack_pictures.py");
    let written = Command::new("python3").arg(script).arg(place.path("pictures")).arg(place.path(into)).output();
    let Ok(written) = written else {
        not_run("there is no python3");
        return false;
    };
    let said = format!("{}{}", String::from_utf8_lossy(&written.stdout), String::from_utf8_lossy(&written.stderr));
    if written.status.code() == Some(99) {
        not_run(&said);
        return false;
    }
    assert!(written.status.success(), "{said}");
    true
}

/// As `datasets` stores them; the folder that they came from is the independent answer.
#[test]
fn parquet_files_are_swept_as_the_folder_of_their_pictures_is() {
    let (folder, parquet) = (on_pictures(Place::that_trains()), on_pictures(Place::that_trains()));
    cats_and_dogs(&folder);
    cats_and_dogs(&parquet);
    if !write_parquet(&parquet, "set") {
        return;
    }
    parquet.edit("dataset = \"folder\"\npath = \"pictures\"", "dataset = \"parquet\"\npath = \"set\"");
    for place in [&folder, &parquet] {
        place.succeed("launch demo.toml --set train.epochs=8 --set data.augment=flip");
    }
    assert_eq!(metrics(&folder), metrics(&parquet));
    // The files are not needed any more.
    fs::remove_dir_all(parquet.path("set")).unwrap();
    let trial = parquet.trials("demo")[0].id.clone();
    let predicted = parquet.json(&format!("predict {trial} pictures/cat/3.png --json"));
    assert_eq!(predicted[0]["class"], "cat");
    assert_eq!(parquet.json(&format!("show {trial} --json"))["classes"], serde_json::json!(["a dog", "cat"]));
}

#[test]
fn parquet_files_are_found_by_init_and_what_is_wrong_with_them_is_said() {
    let place = on_pictures(Place::new());
    cats_and_dogs(&place);
    if !write_parquet(&place, "set") {
        return;
    }
    let begun = place.succeed("init pets --data set").stdout;
    assert!(begun.contains("40 pictures of 2 classes in set"), "{begun}");
    assert!(place.read("pets.toml").contains("dataset = \"parquet\""));
    place.succeed("plan pets.toml");
    let file = place.path("set/data/train-00001-of-00002.parquet");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 100]).unwrap();
    let cut = place.run("plan pets.toml");
    assert!(cut.code == Some(2) && cut.stderr.contains("is not a whole Parquet file, or damaged: "), "{cut}");
    fs::remove_file(&file).unwrap();
    let missing = place.run("plan pets.toml");
    assert!(missing.code == Some(2) && missing.stderr.contains("train-00001-of-00002.parquet"), "{missing}");
}

#[test]
fn a_plan_says_what_will_be_decoded_and_writes_nothing() {
    let place = on_pictures(Place::new());
    cats_and_dogs(&place);
    let plan = place.succeed("plan demo.toml");
    assert!(plan.stdout.contains("pictures: `launch` decodes them once and keeps 123 kB"), "{plan}");
    assert!(!place.path("results").exists());
    let trial = |plan: &Value| plan["trials"][0]["trial"].clone();
    let before = place.json("plan demo.toml --json");
    place.succeed("launch demo.toml");
    let after = place.json("plan demo.toml --json");
    assert!(trial(&before).is_string());
    assert_eq!(trial(&before), trial(&after));
    assert!(!place.succeed("plan demo.toml").stdout.contains("decodes"));
    // Another picture is another data set.
    picture(&place, "pictures/cat/new.png", 40, 40, 99);
    assert_ne!(trial(&place.json("plan demo.toml --json --set sweep.name=new")), trial(&after));
    for command in ["plan", "launch"] {
        let refused = place.run(&format!("{command} demo.toml"));
        assert!(refused.code == Some(2) && refused.stderr.contains("  the content of the data files"), "{refused}");
    }
}

#[test]
fn pictures_that_cannot_be_read_are_named_or_left_out() {
    let place = on_pictures(Place::new());
    cats_and_dogs(&place);
    place.write("pictures/cat/text.png", "no picture");
    place.write("pictures/cat/empty.jpg", "");
    says!(place, "launch demo.toml", @r#"
    exit code 2
    --- error
    error: pictures that cannot be read: [PLACE]/pictures/cat/empty.jpg is not a JPEG, PNG, WebP, BMP, TIFF or GIF picture: convert it to one of them; [PLACE]/pictures/cat/text.png is not a JPEG, PNG, WebP, BMP, TIFF or GIF picture: convert it to one of them; mend or remove them, or leave them out with data.unreadable = "skip"
    "#);
    assert!(!place.path("results").exists(), "nothing is written");
    let skipped = place.succeed("launch demo.toml --set data.unreadable=skip");
    let said = "2 pictures cannot be read and are left out: ";
    assert_eq!(skipped.stderr.matches(said).count(), 1, "{skipped}");
    // Known by now, and said before anything is decoded.
    says!(place, "plan demo.toml --set data.unreadable=refuse", @r#"
    exit code 2
    --- error
    error: pictures that cannot be read: [PLACE]/pictures/cat/empty.jpg is not a JPEG, PNG, WebP, BMP, TIFF or GIF picture: convert it to one of them; [PLACE]/pictures/cat/text.png is not a JPEG, PNG, WebP, BMP, TIFF or GIF picture: convert it to one of them; mend or remove them, or leave them out with data.unreadable = "skip"
    "#);
}

#[test]
fn keys_for_pictures_are_refused_where_there_are_none() {
    let place = Place::edited(
        "dataset = \"shapes\"",
        "dataset = \"shapes\"\nfit = \"pad\"\ntest_share = 0.2\nlabel_column = \"x\"",
    );
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml:6:1: `fit` is for pictures of your own, and "shapes" has none: remove it
      |
    6 | fit = "pad"
      | ^^^
    demo.toml:7:1: `test_share` is for pictures of your own, and "shapes" has none: remove it
      |
    7 | test_share = 0.2
      | ^^^^^^^^^^
    demo.toml:8:1: `label_column` is for "parquet", and "shapes" has no columns: remove it
      |
    8 | label_column = "x"
      | ^^^^^^^^^^^^
    "#);
    says!(Place::edited("dataset = \"shapes\"", "dataset = \"folder\""), "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml: [data] needs `path` for "folder": the folder of the pictures
    "#);
}
