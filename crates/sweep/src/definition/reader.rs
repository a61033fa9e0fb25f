//! Reading sections as the table of keys says, and collecting everything that is wrong.

use super::document::{Entry, Node, find};
use super::problems::{DefinitionErrors, Place, Problem};
use crate::keys::{self, Fallback, Key, SECTIONS, Section};
use crate::suggest;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::cell::RefCell;

/// The document, and what has been found wrong with it so far.
pub(super) struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    document: &'a [Entry],
    problems: RefCell<Vec<Problem>>,
}

/// What one section says, in canonical form and with defaults; what is wrong is missing.
pub(super) struct Values {
    values: Map<String, Value>,
    is_whole: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a str, text: &'a str, document: &'a [Entry], problems: Vec<Problem>) -> Reader<'a> {
        Reader { file, text, document, problems: RefCell::new(problems) }
    }

    pub(super) fn problem(&self, place: &Place, message: impl Into<String>) {
        self.problems.borrow_mut().push(Problem { place: place.clone(), message: message.into() });
    }

    /// Whether nothing has been found wrong so far.
    pub(super) fn is_sound(&self) -> bool {
        self.problems.borrow().is_empty()
    }

    /// Everything that is wrong, in the order of the places.
    pub(super) fn errors(&self) -> DefinitionErrors {
        let mut problems = self.problems.borrow().clone();
        problems.sort_by_key(|problem| match &problem.place {
            Place::Override(_) => (0, 0),
            Place::Text(span) => (1, span.start),
            Place::File => (2, 0),
        });
        DefinitionErrors { file: self.file.to_owned(), text: self.text.to_owned(), problems }
    }

    /// Reports what stands at the top of the file and is no section.
    pub(super) fn refuse_others(&self) {
        let names = || SECTIONS.iter().map(|section| section.name);
        for Entry { key, key_place, node } in self.document {
            if !names().any(|name| name == key) {
                self.problem(key_place, format!("unknown section `{key}`{}", suggest::hint(key, names())));
            } else if key != "exclude" && node.table().is_none() {
                self.problem(&node.place, format!("`{key}` is a section: write [{key}]"));
            }
        }
    }

    /// What stands under this name at the top of the file.
    pub(super) fn top(&self, name: &str) -> Option<&'a Node> {
        find(self.document, name).map(|entry| &entry.node)
    }

    /// The entries of a section; none where it is missing.
    pub(super) fn entries(&self, section: &str) -> &'a [Entry] {
        self.top(section).and_then(Node::table).unwrap_or_default()
    }

    /// A section with one value a key.
    pub(super) fn section(&self, section: &'static str) -> Values {
        let entries = self.entries(section);
        self.refuse_unknown_keys(section, entries);
        let mut values = Map::new();
        let mut is_whole = true;
        for key in keys::of(section) {
            let value = match find(entries, key.name) {
                Some(entry) => self.value(key, &entry.node),
                None => self.absent(key, || format!("[{section}] needs `{}`: {}", key.name, key.kind.wanted())),
            };
            match value {
                Some(value) => drop(values.insert(key.name.to_owned(), value)),
                None => is_whole = false,
            }
        }
        Values { values, is_whole }
    }

    /// The canonical value of a key, which is reported where it is wrong.
    pub(super) fn value(&self, key: &Key, node: &Node) -> Option<Value> {
        let value = self.json(key.name, node)?;
        key.kind.check(&value).map_err(|wanted| self.must_be(key, node, &wanted)).ok()
    }

    /// What holds where a key is missing; `needs` says it where something has to be there.
    pub(super) fn absent(&self, key: &Key, needs: impl FnOnce() -> String) -> Option<Value> {
        match key.default {
            Fallback::Is(_) => key.default_value().and_then(|value| key.kind.check(&value).ok()),
            Fallback::Follows(_) => Some(Value::Null),
            Fallback::Required => {
                self.problem(&Place::File, needs());
                None
            }
        }
    }

    pub(super) fn json(&self, name: &str, node: &Node) -> Option<Value> {
        node.json().map_err(|what| self.problem(&node.place, format!("`{name}` cannot be {what}"))).ok()
    }

    pub(super) fn must_be(&self, key: &Key, node: &Node, wanted: &str) {
        self.problem(&node.place, format!("`{}` must be {wanted}", key.name));
    }

    /// Reports the keys that the section has not, and where they belong instead.
    pub(super) fn refuse_unknown_keys(&self, section: &'static str, entries: &[Entry]) {
        let Some(known) = SECTIONS.iter().find(|known| known.name == section).map(|known| known.keys) else { return };
        for Entry { key, key_place, .. } in entries.iter().filter(|entry| keys::find(known, &entry.key).is_none()) {
            let elsewhere: Vec<String> = SECTIONS.iter().filter_map(|other| has(other, key)).collect();
            let hint = match elsewhere.is_empty() {
                false => format!(": it belongs in {}", elsewhere.join(" or ")),
                true => match suggest::nearest(key, keys::of(known).map(|key| key.name)) {
                    Some(near) => format!(", did you mean `{near}`?"),
                    None => SECTIONS.iter().find_map(|other| called(other, key)).unwrap_or_default(),
                },
            };
            self.problem(key_place, format!("unknown key `{key}` in [{section}]{hint}"));
        }
    }
}

/// What the section calls this key, where it has it under another name.
fn called(section: &Section, key: &str) -> Option<String> {
    let name = suggest::synonym(key, keys::of(section.keys).map(|key| key.name))?;
    (section.name != "exclude").then(|| format!(": it is `{name}` in [{}]", section.name))
}

/// The section as it is written, where this key may stand in it.
fn has(section: &Section, key: &str) -> Option<String> {
    let is_listed = section.name != "exclude" && keys::find(section.keys, key).is_some();
    is_listed.then(|| format!("[{}]", section.name))
}

impl Values {
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// The section as a structure with a field a key; none where something is wrong or missing.
    pub(super) fn into<T: DeserializeOwned>(self, reader: &Reader) -> Option<T> {
        if !self.is_whole {
            return None;
        }
        let parsed = serde_json::from_value(self.values.into());
        parsed.map_err(|error| reader.problem(&Place::File, error.to_string())).ok()
    }
}
