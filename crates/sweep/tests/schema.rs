//! The JSON Schema against a validator of others, the one that editors of TOML use too: it takes what the reader takes.

use frostline_sweep::definition::Definition;
use frostline_sweep::keys::{self, HYPERPARAMETERS, SECTIONS, schema};
use jsonschema::Validator;
use serde_json::{Value, json};

mod common;
use common::{CHANGES, GOOD};

fn validator(schema: &Value) -> Validator {
    jsonschema::draft7::new(schema).expect("the schema is one")
}

fn from_toml(text: &str) -> Value {
    toml::from_str(text).expect("TOML")
}

#[test]
fn the_schema_is_one_of_draft_7() {
    assert!(jsonschema::draft7::meta::is_valid(&schema()));
}

#[test]
fn every_sweep_of_the_repository_is_valid() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sweeps");
    let validator = validator(&schema());
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(text.lines().next(), Some("#:schema ./sweep.schema.json"), "{}", path.display());
            if let Err(error) = validator.validate(&from_toml(&text)) {
                panic!("{}: {error}", path.display());
            }
            checked += 1;
        }
    }
    assert!(checked > 0);
}

/// What is wrong only for the network, for another key or for the cells together, or has no form in JSON.
const BEYOND_A_SCHEMA: [&str; 13] = [
    "\"shapes\"",
    "[256, 0.5]",
    "head_depth = [1, 3]",
    "head_depth = [1, 2]\nepochs = [1, 2]",
    "head_units = [[32], []]",
    "head_dropout = [0.1, 0.2, 0.3]",
    "frozen_layers = 12\noptimizer",
    "epochs = 3",
    "optimizer = [\"adam\", \"rmsprop\"]",
    "[514]",
    "test_limit = 99999999999999999999",
    "warmup_epochs = 4",
    "[sweep\n",
];

#[test]
fn wrong_definitions_are_rejected_where_a_schema_can_see_it() {
    let validator = validator(&schema());
    assert!(validator.is_valid(&from_toml(GOOD)));
    let mut rejected = 0;
    for (from, to) in CHANGES {
        let text = GOOD.replacen(from, to, 1);
        if BEYOND_A_SCHEMA.contains(to) {
            if let Ok(document) = toml::from_str::<Value>(&text) {
                assert!(validator.is_valid(&document), "a schema can see {to:?} after all");
            }
            continue;
        }
        assert!(!validator.is_valid(&from_toml(&text)), "{from:?} -> {to:?}");
        rejected += 1;
    }
    assert!(rejected > 30, "{rejected}");
}

/// Values on both sides of every bound, and of every type.
fn values() -> Vec<Value> {
    let words = keys_of_all().flat_map(|key| [Some(key.example_value()), key.default_value()]).flatten();
    let plain = json!([
        -1, 0, 1, 2, 9, 10, 16, 17, 19, 20, 31, 32, 64, 513, 514, 1024, 1025, 65_536, 65_537, 86_400, 86_401, 100_000,
        100_001, 1_000_000, 1_000_001, 4_294_967_295u64, 4_294_967_296u64, -0.0, 1e-12, 0.5, 0.999, 1.5, -0.5, 1e300, "",
        "all", "auto", "test", "test_accuracy", "best", "x y", "_x", "-x", ".x", "20 GB", "20GB", "1.5 TiB", "5.", ".5 kB",
        "20 gigs", "-1 GB", "GB", "+3 B", true, null, [], [[]], [1], [0], [1, 1], [0.5], [1.0], ["adam"], {}, {"a": 1},
    ]);
    let longest = ["x".repeat(100), "x".repeat(101)].map(Value::from);
    plain.as_array().into_iter().flatten().cloned().chain(words).chain(longest).collect()
}

fn keys_of_all() -> impl Iterator<Item = &'static keys::Key> {
    SECTIONS.iter().filter(|section| section.keys == section.name).flat_map(|section| keys::of(section.keys))
}

/// To JSON Schema, 64.0 is a whole number; in TOML it is not.
fn is_whole_with_a_point(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(is_whole_with_a_point),
        _ => value.is_f64() && value.as_f64().is_some_and(|number| number.fract() == 0.0),
    }
}

#[test]
fn the_schema_of_a_key_takes_the_values_that_its_reader_takes() {
    for key in keys_of_all() {
        let validator = validator(&key.kind.schema());
        for value in values() {
            let read = key.kind.check(&value);
            if !is_whole_with_a_point(&value) || read.is_ok() {
                assert_eq!(
                    validator.is_valid(&value),
                    read.is_ok(),
                    "{}.{} = {value}: {read:?}",
                    key.section,
                    key.name
                );
            }
            if let Ok(canonical) = read
                && key.section == HYPERPARAMETERS
            {
                assert_eq!(key.kind.check(&canonical).as_ref(), Ok(&canonical), "what is canonical stays so");
            }
        }
    }
}

#[test]
fn layers_of_one_and_of_all_are_two_values() {
    let text = GOOD.replacen("[0.5, \"all\"]", "[1, 1.0, 0.5]", 1);
    Definition::parse("demo.toml", &text, &[]).unwrap();
    assert!(validator(&schema()).is_valid(&from_toml(&text)));
}
