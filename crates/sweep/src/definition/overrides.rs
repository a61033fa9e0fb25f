//! `--set train.epochs=2`: values that stand for those of the file, in what is read and in the text that is kept.

use super::document::{self, Content, Entry, Node, find};
use super::problems::{Place, Problem};
use crate::keys::{self, Kind};
use std::ops::Range;

/// One override, as it is to be applied.
pub(super) struct Override<'a> {
    /// Section and name; of one network's weights, its name after that.
    path: Vec<&'a str>,
    /// As TOML.
    value: String,
    node: Node,
}

/// Text as TOML writes it, between quotes.
pub fn toml_string(text: &str) -> String {
    toml::Value::from(text).to_string()
}

impl<'a> Override<'a> {
    /// # Errors
    /// The key is not of the form `section.name`.
    pub(super) fn parse((key, value): &'a (String, String)) -> Result<Override<'a>, Problem> {
        let place = Place::Override(format!("{key}={value}"));
        let path: Vec<&str> = key.split('.').collect();
        let known = path.get(1).and_then(|name| keys::find(path[0], name));
        let is_written_so = match path.len() {
            2 => true,
            3 => known.is_some_and(|key| matches!(key.kind, Kind::Weights)),
            _ => false,
        };
        if !is_written_so {
            let message = "a key is written section.name, such as train.epochs".to_owned();
            return Err(Problem { place, message });
        }
        let is_text =
            known.is_some_and(|key| matches!(key.kind, Kind::Name | Kind::Text(_) | Kind::Weights | Kind::Address));
        let (value, node) = read(value, is_text, &place);
        Ok(Override { path, value, node })
    }

    fn problem(&self, message: String) -> Problem {
        Problem { place: self.node.place.clone(), message }
    }

    /// Puts the value into its section, which begins where the document has none.
    ///
    /// # Errors
    /// What has the section's name is something else.
    pub(super) fn apply(&self, document: &mut Vec<Entry>) -> Result<(), Problem> {
        let place = &self.node.place;
        let entry = |key: &str, node: Node| Entry { key: key.to_owned(), key_place: place.clone(), node };
        let Some((name, outer)) = self.path.split_last() else { return Ok(()) };
        let mut entries = document;
        for table in outer {
            let at = entries.iter().position(|entry| entry.key == *table).unwrap_or_else(|| {
                entries.push(entry(table, Node { place: place.clone(), content: Content::Table(Vec::new()) }));
                entries.len() - 1
            });
            entries = match &mut entries[at].node.content {
                Content::Table(entries) => entries,
                _ if outer.len() == 1 => return Err(self.problem(format!("`{table}` is not a section"))),
                _ => return Err(self.problem(format!("`{table}` is one for all here: set {}", outer.join(".")))),
            };
        }
        let added = entry(name, self.node.clone());
        match entries.iter_mut().find(|entry| entry.key == *name) {
            Some(earlier) => *earlier = added,
            None => entries.push(added),
        }
        Ok(())
    }

    /// The text with the value in it. Of the ways to write it, the first that reads as what was asked for, and leaves
    /// everything else as it is, is taken.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn write(&self, text: &str) -> Result<String, Problem> {
        let before = document::parse(text)?;
        let mut wanted = before.clone();
        self.apply(&mut wanted)?;
        let mut ways = self.ways(text, &before).into_iter();
        let reads_well = |written: &String| document::parse(written).is_ok_and(|document| document == wanted);
        ways.find(reads_well).ok_or_else(|| {
            let message = "there is no place for it in the way that the file is written: change the file".to_owned();
            self.problem(message)
        })
    }

    fn ways(&self, text: &str, document: &[Entry]) -> Vec<String> {
        let value = &self.value;
        let Some((name, outer)) = self.path.split_last() else { return Vec::new() };
        let section = outer.join(".");
        let put = |place: Range<usize>, with: String| {
            let (before, after) = (text.get(..place.start)?, text.get(place.end..)?);
            Some(format!("{before}{with}{after}"))
        };
        let new_section = put(text.len()..text.len(), format!("\n[{section}]\n{name} = {value}\n"));
        let mut table = None;
        for outer in outer {
            let within = table.map_or(document, |table: &Entry| table.node.table().unwrap_or_default());
            table = find(within, outer);
            if table.is_none() {
                break;
            }
        }
        let Some(table) = table else { return new_section.into_iter().collect() };
        if let Some(Place::Text(span)) =
            find(table.node.table().unwrap_or_default(), name).map(|entry| &entry.node.place)
        {
            return put(span.clone(), value.clone()).into_iter().collect();
        }
        let end = end(&table.node);
        let rest = text.get(end..).unwrap_or_default();
        let line = end + rest.find(['\r', '\n']).unwrap_or(rest.len());
        let ways = [
            put(line..line, format!("\n{name} = {value}")),
            put(line..line, format!("\n{section}.{name} = {value}")),
            // Between braces, after another entry or alone.
            put(end..end, format!(", {name} = {value}")),
            put(end.saturating_sub(1)..end, format!("{name} = {value}}}")),
            new_section,
        ];
        ways.into_iter().flatten().collect()
    }
}

/// A value as TOML, and what it says. Words need no quotes here, alone or in a list, so that a shell does not need more of
/// them: `data.path=images/cifar`, `grid.optimizer=[adam, sgd]`, and, where the key is for text, `sweep.name=2024`.
fn read(written: &str, is_text: bool, place: &Place) -> (String, Node) {
    match document::value(written, place) {
        Some(node) if !is_text || is_quoted(&node.content) => {
            return (written.to_owned(), node);
        }
        _ => {}
    }
    let items = written.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(items) = items.filter(|items| !is_text && !items.contains(['[', ']', '"', '\''])) {
        let (texts, nodes): (Vec<String>, Vec<Node>) =
            items.split(',').map(|item| read(item.trim(), false, place)).unzip();
        return (format!("[{}]", texts.join(", ")), Node { place: place.clone(), content: Content::List(nodes) });
    }
    (toml_string(written), Node { place: place.clone(), content: Content::Plain(written.into()) })
}

/// Text in quotes, or a table.
fn is_quoted(content: &Content) -> bool {
    matches!(content, Content::Table(_)) || matches!(content, Content::Plain(value) if value.is_string())
}

/// Where a table's last entry ends, or its header where it has none.
fn end(node: &Node) -> usize {
    let own = match &node.place {
        Place::Text(span) => span.end,
        _ => 0,
    };
    let entries = node.table().unwrap_or_default();
    entries.iter().map(|entry| end(&entry.node)).max().unwrap_or(own)
}
