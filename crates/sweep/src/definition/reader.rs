//! Reading TOML with places: sections whose keys are asked for one by one, so that what nobody asked for is unknown.

use super::problems::{DefinitionErrors, Place, Problem};
use crate::suggest;
use serde_json::Value;
use std::cell::RefCell;
use std::ops::Range;
use toml_edit::{Document, DocumentMut, Item, TableLike};

/// The document, and what has been found wrong with it so far.
pub(super) struct Reader<'a> {
    file: &'a str,
    pub(super) text: &'a str,
    overrides: &'a [(String, String)],
    problems: RefCell<Vec<Problem>>,
}

/// One table of the document.
pub(super) struct Section<'a> {
    reader: &'a Reader<'a>,
    /// `train` for `[train]`, as keys are written in overrides.
    pub(super) name: String,
    table: Option<&'a dyn TableLike>,
    asked: RefCell<Vec<&'static str>>,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Spanned {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// The text with its overrides applied, for programs and people to read again.
pub(super) fn apply_overrides(
    file: &str,
    text: &str,
    overrides: &[(String, String)],
) -> Result<String, DefinitionErrors> {
    let errors =
        |problem: Problem| DefinitionErrors { file: file.to_owned(), text: text.to_owned(), problems: vec![problem] };
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        let place = error.span().map_or(Place::File, Place::Text);
        errors(Problem { place, message: format!("not TOML: {}", error.message().trim_end().replace('\n', "; ")) })
    })?;
    for (key, value) in overrides {
        let wrong = |message: String| errors(Problem { place: Place::Override(format!("{key}={value}")), message });
        let Some((section, name)) = key.split_once('.').filter(|(_, name)| !name.contains('.')) else {
            return Err(wrong("a key is written section.name, such as train.epochs".to_owned()));
        };
        // Taken for a string where it is no TOML value, so that `data.path=images/cifar` needs no quotes.
        let value: toml_edit::Value = value.parse().unwrap_or_else(|_| value.as_str().into());
        let table = document.entry(section).or_insert_with(toml_edit::table);
        let table = table.as_table_like_mut().ok_or_else(|| wrong(format!("`{section}` is no section")))?;
        match table.get_mut(name) {
            Some(item) => *item = Item::Value(value),
            None => drop(table.insert(name, Item::Value(value))),
        }
    }
    Ok(document.to_string())
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a str, text: &'a str, overrides: &'a [(String, String)]) -> Reader<'a> {
        Reader { file, text, overrides, problems: RefCell::default() }
    }

    pub(super) fn problem(&self, place: Place, message: impl Into<String>) {
        self.problems.borrow_mut().push(Problem { place, message: message.into() });
    }

    pub(super) fn section(&'a self, document: &'a Document<&'a str>, name: &str) -> Section<'a> {
        let item = document.get(name);
        let table = item.and_then(|item| item.as_table_like());
        if let Some(item) = item.filter(|_| table.is_none()) {
            self.problem(place(item.span()), format!("`{name}` is a section: write [{name}]"));
        }
        Section { reader: self, name: name.to_owned(), table, asked: RefCell::default() }
    }

    pub(super) fn table(&'a self, name: &str, table: &'a dyn TableLike) -> Section<'a> {
        Section { reader: self, name: name.to_owned(), table: Some(table), asked: RefCell::default() }
    }

    /// Whether nothing has been found wrong so far.
    pub(super) fn is_sound(&self) -> bool {
        self.problems.borrow().is_empty()
    }

    /// The errors in the order of their places, if there are any.
    pub(super) fn finish(&self) -> Result<(), DefinitionErrors> {
        let mut problems = self.problems.borrow().clone();
        if problems.is_empty() {
            return Ok(());
        }
        problems.sort_by_key(|problem| match &problem.place {
            Place::Override(_) => (0, 0),
            Place::Text(span) => (1, span.start),
            Place::File => (2, 0),
        });
        Err(DefinitionErrors { file: self.file.to_owned(), text: self.text.to_owned(), problems })
    }
}

pub(super) fn place(span: Option<Range<usize>>) -> Place {
    span.map_or(Place::File, Place::Text)
}

impl<'a> Section<'a> {
    pub(super) fn problem(&self, place: Place, message: impl Into<String>) {
        self.reader.problem(place, message);
    }

    /// Keys in the order of the file.
    pub(super) fn keys(&self) -> Vec<(String, Place)> {
        let Some(table) = self.table else { return Vec::new() };
        let key = |(name, _): (&str, &Item)| (name.to_owned(), self.key_place(name));
        table.iter().map(key).collect()
    }

    fn key_place(&self, name: &str) -> Place {
        let span = self.table.and_then(|table| table.key(name)).and_then(|key| key.span());
        self.overridden(name).unwrap_or_else(|| place(span))
    }

    /// The override that set this key, if one did.
    fn overridden(&self, name: &str) -> Option<Place> {
        let path = format!("{}.{name}", self.name);
        let (key, value) = self.reader.overrides.iter().rfind(|(key, _)| *key == path)?;
        Some(Place::Override(format!("{key}={value}")))
    }

    /// The value of a key, as JSON.
    pub(super) fn get(&self, name: &'static str) -> Option<Spanned> {
        self.asked.borrow_mut().push(name);
        self.value(name)
    }

    /// The same for a name that is known at run time only; it does not count as asked for.
    pub(super) fn value(&self, name: &str) -> Option<Spanned> {
        let item = self.table?.get(name)?;
        let place = self.overridden(name).unwrap_or_else(|| place(item.span()));
        match json(item) {
            Some(value) => Some(Spanned { value, place }),
            None => {
                self.problem(place, format!("`{name}` cannot be a date, a table or nan"));
                None
            }
        }
    }

    /// The place of one element of a list.
    pub(super) fn element_place(&self, name: &str, index: usize) -> Place {
        if let Some(place) = self.overridden(name) {
            return place;
        }
        let array = self.table.and_then(|table| table.get(name)).and_then(|item| item.as_array());
        place(array.and_then(|array| array.get(index)).and_then(|value| value.span()))
    }

    /// A key that has to be there.
    pub(super) fn required(&self, name: &'static str, what: &str) -> Option<Spanned> {
        let value = self.get(name);
        if value.is_none() && !self.table.is_some_and(|table| table.contains_key(name)) {
            self.problem(Place::File, format!("[{}] needs `{name}`: {what}", self.name));
        }
        value
    }

    /// Takes a key's value by `read`, which says what it wants where it cannot.
    pub(super) fn read<T>(&self, name: &'static str, read: impl FnOnce(&Value) -> Result<T, String>) -> Option<T> {
        self.interpret(name, self.get(name)?, read)
    }

    pub(super) fn interpret<T>(
        &self,
        name: &str,
        spanned: Spanned,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        match read(&spanned.value) {
            Ok(value) => Some(value),
            Err(wanted) => {
                self.problem(spanned.place, format!("`{name}` must be {wanted}"));
                None
            }
        }
    }

    /// Reports every key that nobody asked for. `elsewhere` says where a known key belongs instead.
    pub(super) fn refuse_others(&self, elsewhere: impl Fn(&str) -> Option<String>) {
        let asked = self.asked.borrow();
        for (name, place) in self.keys() {
            if !asked.contains(&name.as_str()) {
                let hint = elsewhere(&name).unwrap_or_else(|| suggest::hint(&name, asked.iter().copied()));
                self.problem(place, format!("unknown key `{name}` in [{}]{hint}", self.name));
            }
        }
    }
}

/// TOML as JSON; none for what JSON has not.
fn json(item: &Item) -> Option<Value> {
    let value = item.as_value()?;
    Some(match value {
        toml_edit::Value::String(text) => Value::String(text.value().clone()),
        toml_edit::Value::Integer(number) => (*number.value()).into(),
        toml_edit::Value::Float(number) => serde_json::Number::from_f64(*number.value())?.into(),
        toml_edit::Value::Boolean(yes) => (*yes.value()).into(),
        toml_edit::Value::Array(array) => {
            let items = array.iter().map(|value| json(&Item::Value(value.clone())));
            Value::Array(items.collect::<Option<Vec<_>>>()?)
        }
        toml_edit::Value::Datetime(_) | toml_edit::Value::InlineTable(_) => return None,
    })
}
