//! The table of keys as JSON Schema (draft 7, which editors of TOML understand), so that they complete and check sweeps.

use super::key::{Fallback, Key, Section};
use super::kind::Kind;
use super::table::{AXES, SECTIONS, of};
use serde_json::{Map, Value, json};

/// The schema of a sweep's file. Everything stands in its place, without `$ref`: beside one, editors ignore the rest.
pub fn schema() -> Value {
    let sections: Map<String, Value> =
        SECTIONS.iter().map(|section| (section.name.to_owned(), described(section))).collect();
    let needed: Vec<&str> =
        SECTIONS.iter().filter(|section| !required(section).is_empty()).map(|section| section.name).collect();
    // What a trial needs may stand in `[grid]`, or in the section of its key.
    let either = |key: &Key| {
        let within =
            |section: &str| json!({"required": [section], "properties": {section: {"required": [key.name]}}});
        json!({"anyOf": [within("grid"), within(key.section)]})
    };
    let either: Vec<Value> = of(AXES).filter(|key| matches!(key.default, Fallback::Required)).map(either).collect();
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Frostline sweep",
        "description": "What a sweep tries, and what stays the same.",
        "type": "object",
        "properties": sections,
        "additionalProperties": false,
        "required": needed,
        "allOf": either,
    })
}

fn described(section: &Section) -> Value {
    let mut schema = match section.name {
        "grid" => table(section, axis),
        "exclude" => {
            let mut conditions = table(section, condition);
            conditions["minProperties"] = json!(1);
            json!({"type": "array", "items": conditions})
        }
        _ => table(section, value),
    };
    let required = required(section);
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema["description"] = json!(section.meaning);
    schema
}

fn table(section: &Section, value: fn(&Key) -> Value) -> Value {
    let keys: Map<_, _> = of(section.keys).map(|key| (key.name.to_owned(), value(key))).collect();
    json!({"type": "object", "properties": keys, "additionalProperties": false})
}

fn required(section: &Section) -> Vec<&'static str> {
    let is_needed = |key: &&Key| matches!(key.default, Fallback::Required) && !key.may_vary();
    of(section.keys).filter(is_needed).map(|key| key.name).collect()
}

fn value(key: &Key) -> Value {
    let mut schema = key.kind.schema();
    schema["description"] = json!(key.meaning);
    schema["examples"] = json!([key.example_value()]);
    if let Some(default) = key.default_value() {
        schema["default"] = default;
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
    json!({"description": key.meaning, "anyOf": [one, {"type": "array", "items": one}]})
}
