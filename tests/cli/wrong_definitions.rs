//! Sweep definitions with something wrong in them, and wrong overrides: nothing starts, and the message leads to the
//! place.

use crate::place::Place;

#[test]
fn a_key_that_nobody_knows() {
    let place = Place::edited("epochs = 2", "epochs = 2\ncolour = 1");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml:20:1: unknown key `colour` in [train]
       |
    20 | colour = 1
       | ^^^^^^
    ");
    let place = Place::edited("epochs = 2", "optimiser = \"adam\"");
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml:19:1: unknown key `optimiser` in [train], did you mean `optimizer`?
       |
    19 | optimiser = "adam"
       | ^^^^^^^^^
    "#);
    let place = Place::edited("image_size = 32", "image_size = 32\nepochs = 2");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml:7:1: unknown key `epochs` in [data]: it belongs in [grid] or [train]
      |
    7 | epochs = 2
      | ^^^^^^
    ");
    let place = Place::edited("epochs = 2", "image_size = 32");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml:19:1: unknown key `image_size` in [train]: it belongs in [data]
       |
    19 | image_size = 32
       | ^^^^^^^^^^
    ");
}

#[test]
fn a_section_that_nobody_knows() {
    let place = Place::edited("[train]", "[trian]");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml:18:2: unknown section `trian`, did you mean `train`?
       |
    18 | [trian]
       |  ^^^^^
    ");
    let place = Place::edited("[sweep]", "sweep = 1\n[swept]");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml:1:9: `sweep` is a section: write [sweep]
      |
    1 | sweep = 1
      |         ^
    demo.toml:2:2: unknown section `swept`, did you mean `sweep`?
      |
    2 | [swept]
      |  ^^^^^
    demo.toml: [sweep] needs `name`: up to 100 letters, digits, `.`, `_` and `-`, beginning with a letter, a digit or `_`
    ");
}

#[test]
fn a_value_of_the_wrong_type() {
    let place = Place::edited("epochs = 2", "epochs = \"two\"");
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml:19:10: `epochs` must be a whole number from 1 to 100000, not "two"
       |
    19 | epochs = "two"
       |          ^^^^^
    "#);
    let place = Place::edited("image_size = 32", "image_size = 32.5");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml:6:14: `image_size` must be a whole number from 32 to 1024, not 32.5
      |
    6 | image_size = 32.5
      |              ^^^^
    ");
    let place = Place::edited("head_units = [8]", "head_units = 8");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml:21:14: `head_units` must be a list of whole numbers such as [256, 128], not 8: write [8]
       |
    21 | head_units = 8
       |              ^
    ");
    let place = Place::edited("name = \"demo\"", "name = 7");
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml:2:8: `name` must be text, which stands in quotes ("7"), not 7
      |
    2 | name = 7
      |        ^
    "#);
    let place = Place::edited("epochs = 2", "epochs = 2026-01-01");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml:19:10: `epochs` cannot be a date or time
       |
    19 | epochs = 2026-01-01
       |          ^^^^^^^^^^
    ");
}

#[test]
fn a_value_out_of_range() {
    let place = Place::edited("batch_size = 20", "batch_size = 0");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml:20:14: `batch_size` must be a whole number from 1 to 65536, not 0
       |
    20 | batch_size = 0
       |              ^
    ");
    let place = Place::edited("train_limit = 60", "validation = 1.5");
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml:7:14: `validation` must be "test" or a share of the training images above 0 and below 1, not 1.5
      |
    7 | validation = 1.5
      |              ^^^
    "#);
    let place = Place::edited("count = 2", "count = 1025");
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml:24:9: `count` must be "auto" or a whole number from 0 to 1024, not 1025
       |
    24 | count = 1025
       |         ^^^^
    "#);
    let place = Place::edited("[workers]", "[cache]\nmax_bytes = \"20 XB\"\n\n[workers]");
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml:24:13: `max_bytes` must be a number of bytes, or text such as "20 GB", not "20 XB"
       |
    24 | max_bytes = "20 XB"
       |             ^^^^^^^
    "#);
    let place = Place::edited("name = \"demo\"", "name = \"my demo\"");
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml:2:8: `name` must be up to 100 letters, digits, `.`, `_` and `-`, beginning with a letter, a digit or `_`, not "my demo"
      |
    2 | name = "my demo"
      |        ^^^^^^^^^
    "#);
}

#[test]
fn what_has_to_be_there() {
    let place = Place::edited("name = \"demo\"\n", "");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml: [sweep] needs `name`: up to 100 letters, digits, `.`, `_` and `-`, beginning with a letter, a digit or `_`
    ");
    let place = Place::edited("[data]\ndataset = \"shapes\"\n", "[data]\n");
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml: [data] needs `dataset`: "cifar10", "cifar100", "cifar100_coarse", "folder", "parquet" or "shapes"
    "#);
}

#[test]
fn a_word_that_nobody_knows() {
    let place = Place::edited("backbone = \"efficientnet_lite0\"", "backbone = \"efficientnet_lite9\"");
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml:11:12: `backbone` must be "efficientnet_v2_s", _m, _l or _b0 to _b3, "efficientnet_b0" to _b7, or "efficientnet_lite0" to _lite4, not "efficientnet_lite9", did you mean `efficientnet_lite0`?
       |
    11 | backbone = "efficientnet_lite9"
       |            ^^^^^^^^^^^^^^^^^^^^
    "#);
    let place = Place::edited("learning_rate = [1e-3, 1e-2]", "optimizer = [\"adam\", \"rmspop\"]");
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml:16:22: `optimizer` must be "adam", "rmsprop", "sgd" or "adamw", not "rmspop", did you mean `rmsprop`?
       |
    16 | optimizer = ["adam", "rmspop"]
       |                      ^^^^^^^^
    "#);
    let place = Place::edited("name = \"demo\"", "name = \"demo\"\nobjective = \"val_acuracy\"");
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml:3:13: `objective` must be "val_accuracy", "val_loss", "train_accuracy", "train_loss", "val_balanced_accuracy", "val_macro_f1" or "val_top5_accuracy", not "val_acuracy", did you mean `val_accuracy`?
      |
    3 | objective = "val_acuracy"
      |             ^^^^^^^^^^^^^
    "#);
    let place = Place::edited("device = \"cpu\"", "device = \"gpu\"");
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml:26:10: `device` must be "auto", "cpu" or "cuda", not "gpu"
       |
    26 | device = "gpu"
       |          ^^^^^
    "#);
}

#[test]
fn an_objective_that_looks_at_the_test_images() {
    let place = Place::edited("name = \"demo\"", "name = \"demo\"\nobjective = \"test_accuracy\"");
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml:3:13: `objective` must be "val_accuracy", not "test_accuracy": the test split is for the end and selects nothing
      |
    3 | objective = "test_accuracy"
      |             ^^^^^^^^^^^^^^^
    "#);
}

#[test]
fn several_things_at_once_are_all_named() {
    let place = Place::edited("epochs = 2", "epochs = 0\noptimiser = \"adam\"");
    place.edit("[0, \"all\"]", "[0, 0, \"some\"]");
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml:15:21: `frozen_layers` has 0 twice
       |
    15 | frozen_layers = [0, 0, "some"]
       |                     ^
    demo.toml:15:24: `frozen_layers` must be a count (256), a share from 0.0 to 1.0 (0.5), a block ("block5b") or "all", not "some"
       |
    15 | frozen_layers = [0, 0, "some"]
       |                        ^^^^^^
    demo.toml:19:10: `epochs` must be a whole number from 1 to 100000, not 0
       |
    19 | epochs = 0
       |          ^
    demo.toml:20:1: unknown key `optimiser` in [train], did you mean `optimizer`?
       |
    20 | optimiser = "adam"
       | ^^^^^^^^^
    "#);
}

#[test]
fn a_file_that_is_no_definition() {
    let place = Place::edited("[data]", "[data");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml:4:6: not TOML: unclosed table, expected `]`
      |
    4 | [data
      |      ^
    ");
    place.write("demo.toml", "epochs = 2\nepochs = 3\n");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml:2:1: not TOML: duplicate key
      |
    2 | epochs = 3
      | ^^^^^^
    ");
    place.write("demo.toml", "");
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml: [sweep] needs `name`: up to 100 letters, digits, `.`, `_` and `-`, beginning with a letter, a digit or `_`
    demo.toml: [data] needs `dataset`: "cifar10", "cifar100", "cifar100_coarse", "folder", "parquet" or "shapes"
    demo.toml: [model] needs `backbone`: "efficientnet_v2_s", _m, _l or _b0 to _b3, "efficientnet_b0" to _b7, or "efficientnet_lite0" to _lite4
    demo.toml: [grid] needs `frozen_layers`, a list, or [train] one value: a count (256), a share from 0.0 to 1.0 (0.5), a block ("block5b") or "all"
    "#);
    place.write("demo.toml", b"name = \"\xfc\"\n");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: the sweep definition demo.toml cannot be read: stream did not contain valid UTF-8
    ");
    says!(place, "plan demo.tml", @r"
    exit code 2
    --- error
    error: the sweep definition demo.tml cannot be read: no such file; `frostline init` writes one
    ");
    place.write("folder/file", "");
    says!(place, "launch folder", @r"
    exit code 2
    --- error
    error: the sweep definition folder cannot be read: Is a directory (os error 21)
    ");
}

#[test]
fn an_override_that_is_wrong() {
    let place = Place::new();
    says!(place, "plan demo.toml --set train.epochs", @r"
    exit code 2
    --- error
    error: invalid value 'train.epochs' for '--set <KEY=VALUE>': write SECTION.KEY=VALUE, such as train.epochs=2

    For more information, try '--help'.
    ");
    says!(place, "plan demo.toml --set =2", @r"
    exit code 2
    --- error
    error: invalid value '=2' for '--set <KEY=VALUE>': write SECTION.KEY=VALUE, such as train.epochs=2

    For more information, try '--help'.
    ");
    says!(place, "plan demo.toml --set epochs=2", @r"
    exit code 2
    --- error
    error: --set epochs=2: a key is written section.name, such as train.epochs
    ");
    says!(place, "plan demo.toml --set train.head.units=2", @r"
    exit code 2
    --- error
    error: --set train.head.units=2: a key is written section.name, such as train.epochs
    ");
    says!(place, "plan demo.toml --set train.epoch=2", @r"
    exit code 2
    --- error
    error: --set train.epoch=2: unknown key `epoch` in [train], did you mean `epochs`?
    ");
    says!(place, "plan demo.toml --set train.epochs=two", @r#"
    exit code 2
    --- error
    error: --set train.epochs=two: `epochs` must be a whole number from 1 to 100000, not "two"
    "#);
    says!(place, "plan demo.toml --set grid.learning_rate=1e-3", @r"
    exit code 2
    --- error
    error: --set grid.learning_rate=1e-3: `learning_rate` is an axis, a list of values: write learning_rate = [0.001]
    ");
    says!(place, "plan demo.toml --set train.epochs=2 --set train=2 --set train.batch_size=0 --set model.backbone=vgg", @r#"
    exit code 2
    --- error
    error: --set train=2: a key is written section.name, such as train.epochs
    --set model.backbone=vgg: `backbone` must be "efficientnet_v2_s", _m, _l or _b0 to _b3, "efficientnet_b0" to _b7, or "efficientnet_lite0" to _lite4, not "vgg"
    --set train.batch_size=0: `batch_size` must be a whole number from 1 to 65536, not 0
    "#);
    says!(place, "plan demo.toml --set training.epochs=2", @r"
    exit code 2
    --- error
    error: --set training.epochs=2: unknown section `training`, did you mean `train`?
    ");
}

#[test]
fn a_folder_with_letters_that_rust_would_escape() {
    let place = Place::edited("dataset = \"shapes\"", "dataset = \"cifar10\"\npath = \"re\u{301}sume\u{301}\"");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: cannot read [PLACE]/résumé/data_batch_1.bin: No such file or directory (os error 2); `data.path` names the folder with data_batch_1.bin to data_batch_5.bin and test_batch.bin (`frostline fetch cifar10` gets them)
    ");
}

#[test]
fn the_schema_of_a_definition() {
    let place = Place::new();
    let printed = place.succeed("schema").stdout;
    let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/sweeps/sweep.schema.json")).unwrap();
    assert_eq!(printed, kept);
}
