//! What a key is, and a section.

use super::kind::Kind;
use serde_json::Value;

/// The keys of a trial, each of which may stand in `[grid]` too, with a list of values.
pub const HYPERPARAMETERS: &str = "train";

/// A section of the file.
pub struct Section {
    pub name: &'static str,
    /// Which keys may stand in it, as [`Key::section`] names them.
    pub keys: &'static str,
    /// One line.
    pub meaning: &'static str,
}

/// A key of a section.
pub struct Key {
    pub section: &'static str,
    pub name: &'static str,
    pub kind: Kind,
    pub default: Fallback,
    /// One line of Markdown.
    pub meaning: &'static str,
    /// As it is written in TOML; JSON writes it alike.
    pub example: &'static str,
}

/// What holds where a definition does not say.
pub enum Fallback {
    /// It has to.
    Required,
    /// This value, as it is written in TOML; JSON writes it alike.
    Is(&'static str),
    /// What other keys or files say, in words.
    Follows(&'static str),
}

impl Key {
    /// Whether trials of one sweep may differ in it.
    pub fn may_vary(&self) -> bool {
        self.section == HYPERPARAMETERS || matches!(self.kind, Kind::Network)
    }

    pub fn example_value(&self) -> Value {
        value(self.example)
    }

    /// The default as it would be written; none where there is no single one.
    pub fn default_value(&self) -> Option<Value> {
        match self.default {
            Fallback::Is(text) => Some(value(text)),
            Fallback::Required | Fallback::Follows(_) => None,
        }
    }
}

/// Of the table's own values; a test holds that each is one.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}
