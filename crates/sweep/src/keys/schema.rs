//! The table of keys as JSON Schema (draft 7, which editors of TOML understand), so that they complete and check sweeps.

use super::key::{Fallback, Key, Section};
use super::kind::Kind;
use super::table::{HYPERPARAMETERS, SECTIONS, of};
use serde_json::{Map, Value, json};

/// The schema of a sweep's file. Everything stands in its place, without `$ref`: beside one, editors ignore the rest.
pub fn schema() -> Value {
    let sections: Map<String, Value> =
        SECTIONS.iter().map(|section| (section.name.to_owned(), table(section))).collect();
    let needs =
        |section: &str| json!({"required": [section], "properties": {section: {"required": ["frozen_layers"]}}});
    let is_required = |section: &&Section| !required(section).is_empty();
    let required: Vec<&str> = SECTIONS.iter().filter(is_required).map(|section| section.name).collect();
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Frostline sweep",
        "description": "What a sweep tries, and what stays the same.",
        "type": "object",
        "properties": sections,
        "additionalProperties": false,
        "required": required,
        "anyOf": [needs("grid"), needs("train")],
    })
}

fn table(section: &Section) -> Value {
    let with = |value: fn(&Key) -> Value| -> Value {
        let entry = |key: &Key| (key.name.to_owned(), value(key));
        of(section.keys).map(entry).collect::<Map<_, _>>().into()
    };
    match section.name {
        "grid" => json!({
            "description": section.meaning,
            "type": "object",
            "properties": with(axis),
            "additionalProperties": false,
        }),
        "exclude" => json!({
            "description": section.meaning,
            "type": "array",
            "items": {
                "type": "object",
                "properties": with(condition),
                "additionalProperties": false,
                "minProperties": 1,
            },
        }),
        _ => json!({
            "description": section.meaning,
            "type": "object",
            "properties": with(value),
            "additionalProperties": false,
            "required": required(section),
        }),
    }
}

fn required(section: &Section) -> Vec<&'static str> {
    // What a trial needs may stand in either of two sections, which `anyOf` says above.
    if section.keys == HYPERPARAMETERS {
        return Vec::new();
    }
    of(section.keys).filter(|key| matches!(key.default, Fallback::Required)).map(|key| key.name).collect()
}

fn value(key: &Key) -> Value {
    let mut schema = key.kind.schema();
    schema["description"] = json!(key.meaning);
    schema["examples"] = json!([key.example_value()]);
    if let Fallback::Is(_) = key.default {
        schema["default"] = json!(key.default_value());
    }
    schema
}

fn axis(key: &Key) -> Value {
    json!({
        "description": key.meaning,
        "type": "array",
        "items": key.kind.schema(),
        "minItems": 1,
        // To JSON Schema, 1 and 1.0 are equal; as layers, they are one of them and all.
        "uniqueItems": !matches!(key.kind, Kind::Layers),
        "examples": [[key.example_value()]],
    })
}

/// One value of the axis, or a list of several.
fn condition(key: &Key) -> Value {
    let one = key.kind.schema();
    json!({
        "description": key.meaning,
        "anyOf": [one, {"type": "array", "items": one}],
    })
}
