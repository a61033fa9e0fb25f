//! TOML as a tree of JSON values, each with its place.

use super::problems::{Place, Problem};
use serde_json::{Number, Value};
use toml::de::{DeTable, DeValue};

/// One value and where it stands. Two are equal where they say the same, wherever they stand.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) content: Content,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// In the order of the file.
    Table(Vec<Entry>),
    List(Vec<Node>),
    Plain(Value),
    /// What JSON has not: what it is, and how it is written.
    Other(&'static str, String),
}

/// A key of a table, and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_place: Place,
    pub(super) node: Node,
}

impl PartialEq for Node {
    fn eq(&self, other: &Node) -> bool {
        self.content == other.content
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.key == other.key && self.node == other.node
    }
}

/// A whole file.
///
/// # Errors
/// The first place that is no TOML.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, Problem> {
    match DeTable::parse(text) {
        Ok(table) => Ok(entries(table.get_ref(), &Place::Text)),
        Err(error) => Err(Problem {
            place: error.span().map_or(Place::File, Place::Text),
            message: format!("not TOML: {}", error.message().trim_end().replace('\n', "; ")),
        }),
    }
}

/// One value, all of it at `place`; none where the text is no TOML value.
pub(super) fn value(text: &str, place: &Place) -> Option<Node> {
    DeValue::parse(text).ok().map(|value| node(value.get_ref(), place.clone(), &|_| place.clone()))
}

/// How a span becomes a place.
type Places<'a> = &'a dyn Fn(std::ops::Range<usize>) -> Place;

fn entries(table: &DeTable, places: Places) -> Vec<Entry> {
    let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue>)| Entry {
        key: AsRef::<str>::as_ref(key.get_ref()).to_owned(),
        key_place: places(key.span()),
        node: node(value.get_ref(), places(value.span()), places),
    };
    table.iter().map(entry).collect()
}

fn node(value: &DeValue, place: Place, places: Places) -> Node {
    let content = match value {
        DeValue::Table(table) => Content::Table(entries(table, places)),
        DeValue::Array(items) => {
            Content::List(items.iter().map(|item| node(item.get_ref(), places(item.span()), places)).collect())
        }
        DeValue::String(text) => Content::Plain(Value::from(text.as_ref())),
        DeValue::Boolean(yes) => Content::Plain(Value::from(*yes)),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(whole) => Content::Plain(Value::from(whole)),
            Err(_) => Content::Other("a whole number above 9223372036854775807", number.to_string()),
        },
        DeValue::Float(number) => match number.as_str().parse().ok().and_then(Number::from_f64) {
            Some(finite) => Content::Plain(Value::from(finite)),
            None => Content::Other("a number that is not finite", number.to_string()),
        },
        DeValue::Datetime(date) => Content::Other("a date or time", date.to_string()),
    };
    Node { place, content }
}

impl Node {
    /// The value as JSON.
    ///
    /// # Errors
    /// What it is that JSON has not.
    pub(super) fn json(&self) -> Result<Value, &'static str> {
        match &self.content {
            Content::Plain(value) => Ok(value.clone()),
            Content::List(items) => items.iter().map(Node::json).collect::<Result<Vec<_>, _>>().map(Value::Array),
            Content::Table(_) => Err("a table"),
            Content::Other(what, _) => Err(what),
        }
    }

    /// The entries of a table.
    pub(super) fn table(&self) -> Option<&[Entry]> {
        match &self.content {
            Content::Table(entries) => Some(entries),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Node]> {
        match &self.content {
            Content::List(items) => Some(items),
            _ => None,
        }
    }
}

/// The entry of this key.
pub(super) fn find<'a>(entries: &'a [Entry], key: &str) -> Option<&'a Entry> {
    entries.iter().find(|entry| entry.key == key)
}
