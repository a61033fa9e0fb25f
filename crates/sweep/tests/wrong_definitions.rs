//! What a user reads when a definition is wrong: every message as a reviewed snapshot.

use frostline_sweep::definition::Definition;

mod common;
use common::{CHANGES, GOOD};

/// What is said of the good definition with this change.
fn refusal(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    let text = GOOD.replacen(from, to, 1);
    Definition::parse("demo.toml", &text, &[]).expect_err(to).to_string()
}

#[test]
fn messages_name_place_value_and_remedy() {
    let mut report = String::new();
    for (from, to) in CHANGES {
        report += &format!("--- {from:?} -> {to:?}\n{}\n\n", refusal(from, to));
    }
    insta::assert_snapshot!(report);
}

#[test]
fn overrides_are_named_as_they_were_written() {
    let mut report = String::new();
    for (key, value) in [
        ("train.epochs", "0"),
        ("train.epoch", "3"),
        ("grid.optimizer", "[\"sgdd\"]"),
        ("epochs", "3"),
        ("sweep.name.first", "x"),
        ("model.weights", ""),
    ] {
        let overrides = [(key.to_owned(), value.to_owned())];
        let errors = Definition::parse("demo.toml", GOOD, &overrides).expect_err(key);
        report += &format!("{errors}\n\n");
    }
    insta::assert_snapshot!(report);
}

#[test]
fn several_mistakes_are_reported_together_in_order() {
    let text = GOOD.replace("epochs = 3", "epochs = 0").replace("\"demo\"", "\"a b\"");
    let errors = Definition::parse("demo.toml", &text, &[]).unwrap_err();
    assert_eq!(errors.problems.len(), 2);
    assert!(errors.problems[0].message.contains("`name`"));
}

#[test]
fn keys_that_do_not_go_together_are_named_with_the_remedy() {
    let mut report = String::new();
    for (from, to) in [
        ("\"cifar10\"\npath = \"images\"", "\"folder\""),
        ("image_size = 64", "augment = \"flip\"\nviews = 3"),
        ("image_size = 64", "augment = \"crop\""),
        ("image_size = 64", "augment = \"crop\"\nviews = 3\nmagnitude = 9"),
        ("image_size = 64", "lr = 0.1"),
        ("frozen_layers = 0.5\n", "lr = 0.1\n"),
    ] {
        report += &(refusal(from, to) + "\n\n");
    }
    insta::assert_snapshot!(report);
}
