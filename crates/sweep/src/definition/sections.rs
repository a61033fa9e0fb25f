//! A definition from its sections, and what has to fit between them.

use super::document::{self, Entry, Node, find};
use super::launchers;
use super::networks::{architectures, networks};
use super::overrides::Override;
use super::problems::{DefinitionErrors, Place, Problem};
use super::reader::Reader;
use super::types::{Axis, Data, Definition, Exclusion};
use crate::backbone::Architecture;
use crate::dataset::{AugmentChoice, Dataset, Files};
use crate::keys::{self, AXES, HYPERPARAMETERS, Key, Kind};
use crate::parameters::canonical;
use crate::{metric, suggest};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// Cells of one sweep; more are a mistake, or want another method than a grid.
const MOST_CELLS: usize = 1_000_000;

/// Keys of `[data]` that only pictures of any size have use for.
const FOR_PICTURES: [&str; 3] = ["test_share", "fit", "unreadable"];

/// Those that only tables of pictures have use for.
const FOR_TABLES: [&str; 2] = ["image_column", "label_column"];

/// `[sweep]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    name: String,
    objective: String,
    seeds: Vec<u64>,
}

pub(super) fn definition(
    file: &str,
    text: &str,
    overrides: &[(String, String)],
    with_cells: bool,
) -> Result<Definition, DefinitionErrors> {
    let refused = |problem: Problem| Reader::new(file, text, &[], vec![problem]).errors();
    let mut document = document::parse(text).map_err(refused)?;
    let (overrides, problems) = apply(overrides, &mut document);
    let reader = Reader::new(file, text, &document, problems);
    reader.refuse_others();
    let head = reader.section("sweep").into::<Head>(&reader);
    let data = data(&reader);
    let architectures = architectures(&reader);
    let networks = networks(&reader, &architectures);
    let workers = launchers::workers(&reader);
    let cache = reader.section("cache").into(&reader);
    let keep = reader.section("keep").into(&reader);
    let axes = axes(&reader, &architectures);
    let fixed = fixed(&reader, &architectures);
    // Exclusions speak of axes: what they say of a broken one would only confuse.
    let exclude = if reader.is_sound() { exclusions(&reader, &axes, &architectures) } else { Vec::new() };
    let parts = (head, data, networks, workers, cache, keep, reader.is_sound());
    let (Some(head), Some(data), Some(networks), Some((workers, launchers)), Some(cache), Some(keep), true) = parts
    else {
        return Err(reader.errors());
    };
    let Some(objective) = metric::find(&head.objective) else { return Err(reader.errors()) };
    let text = overrides.iter().try_fold(text.to_owned(), |text, set| set.write(&text)).map_err(refused)?;
    let Head { name, seeds, .. } = head;
    let definition = Definition {
        name,
        objective,
        seeds,
        data,
        networks,
        axes,
        fixed,
        exclude,
        workers,
        cache,
        keep,
        launchers,
        text,
    };
    if with_cells {
        check_cells(&definition, &reader);
    }
    if reader.is_sound() { Ok(definition) } else { Err(reader.errors()) }
}

/// Applies what can be applied; the rest are problems.
fn apply<'a>(overrides: &'a [(String, String)], document: &mut Vec<Entry>) -> (Vec<Override<'a>>, Vec<Problem>) {
    let (mut applied, mut problems) = (Vec::new(), Vec::new());
    for pair in overrides {
        match Override::parse(pair).and_then(|set| set.apply(document).map(|()| set)) {
            Ok(set) => applied.push(set),
            Err(problem) => problems.push(problem),
        }
    }
    (applied, problems)
}

fn data(reader: &Reader) -> Option<Data> {
    let values = reader.section("data");
    let named =
        values.get("dataset").and_then(|name| Dataset::ALL.into_iter().find(|dataset| *name == dataset.name()));
    let entries = reader.entries("data");
    if let Some(dataset) = named {
        let (name, path) = (dataset.name(), find(entries, "path"));
        match (dataset.files(), path) {
            (Files::Drawn, Some(path)) => {
                let message =
                    format!("`path` has no meaning for \"{name}\", which the program draws itself: remove it");
                reader.problem(&path.node.place, message);
            }
            (Files::Named, None) => {
                reader
                    .problem(&Place::File, format!("[data] needs `path` for \"{name}\": the folder of the pictures"));
            }
            _ => {}
        }
        // Said and without effect, they would be taken for heeded.
        let pictures = FOR_PICTURES.into_iter().filter_map(|key| find(entries, key));
        for entry in pictures.filter(|_| dataset.files() != Files::Named) {
            let message = format!("`{}` is for pictures of your own, and \"{name}\" has none: remove it", entry.key);
            reader.problem(&entry.key_place, message);
        }
        let columns = FOR_TABLES.into_iter().filter_map(|key| find(entries, key));
        for entry in columns.filter(|_| dataset != Dataset::Parquet) {
            let message = format!("`{}` is for \"parquet\", and \"{name}\" has no columns: remove it", entry.key);
            reader.problem(&entry.key_place, message);
        }
    }
    check_views(reader, values.get("augment").and_then(Value::as_str).unwrap_or_default());
    values.into(reader)
}

/// What only some ways to augment have use for, or need.
fn check_views(reader: &Reader, augment: &str) {
    let entries = reader.entries("data");
    let Some(augment) = AugmentChoice::ALL.into_iter().find(|choice| choice.name() == augment) else { return };
    let name = augment.name();
    match (find(entries, "views"), find(entries, "augment")) {
        (Some(views), _) if !augment.draws() => {
            let message = format!(
                "`views` are random, and augment = \"{name}\" draws none: use \"crop\", \"color\" or \"randaugment\", or \
                 remove it"
            );
            reader.problem(&views.key_place, message);
        }
        (None, Some(entry)) if augment.draws() => {
            let message = format!(
                "augment = \"{name}\" draws random views: say how many of each image with `views`, as in views = 4"
            );
            reader.problem(&entry.node.place, message);
        }
        _ => {}
    }
    if let Some(magnitude) = find(entries, "magnitude").filter(|_| augment != AugmentChoice::Randaugment) {
        let message = format!("`magnitude` is of augment = \"randaugment\", and this is \"{name}\": remove it");
        reader.problem(&magnitude.key_place, message);
    }
}

/// A hyperparameter's canonical value, which is reported where it is wrong.
fn value(reader: &Reader, key: &Key, node: &Node, networks: &[&Architecture]) -> Option<Value> {
    let value = reader.json(key.name, node)?;
    canonical(key, &value, networks).map_err(|wanted| reader.must_be(key, node, &wanted)).ok()
}

fn axes(reader: &Reader, networks: &[&Architecture]) -> Vec<Axis> {
    let entries = reader.entries("grid");
    reader.refuse_unknown_keys("grid", entries);
    let mut axes = Vec::new();
    for Entry { key: name, node, .. } in entries {
        let Some(key) = keys::hyperparameter(name) else { continue };
        let Some(items) = node.list() else {
            if let Some(value) = reader.json(name, node) {
                let message = format!("`{name}` is an axis, a list of values: write {name} = [{value}]");
                reader.problem(&node.place, message);
            }
            continue;
        };
        if items.is_empty() {
            reader.problem(&node.place, format!("`{name}` is empty: an axis has at least one value"));
        }
        let mut values: Vec<(Value, Value)> = Vec::new();
        // An axis may have very many values.
        let mut places: HashMap<String, usize> = HashMap::new();
        for item in items {
            let (Some(canonical), Ok(written)) = (value(reader, key, item, networks), item.json()) else {
                continue;
            };
            match places.get(&canonical.to_string()).and_then(|place| values.get(*place)) {
                Some((earlier, _)) if *earlier == written => {
                    reader.problem(&item.place, format!("`{name}` has {written} twice"));
                }
                Some((earlier, _)) => {
                    let message = format!("`{name}`: {earlier} and {written} are the same, {canonical}");
                    reader.problem(&item.place, message);
                }
                None => {
                    places.insert(canonical.to_string(), values.len());
                    values.push((written, canonical));
                }
            }
        }
        axes.push(Axis { name: key.name, values });
    }
    axes
}

/// Whether a list of values stands where one is wanted.
fn is_several(key: &Key, node: &Node) -> bool {
    let is_list = |node: &Node| node.list().is_some();
    match key.kind {
        Kind::List { .. } => node.list().is_some_and(|items| items.iter().any(is_list)),
        _ => is_list(node),
    }
}

fn fixed(reader: &Reader, networks: &[&Architecture]) -> BTreeMap<&'static str, Value> {
    let axes = reader.entries("grid");
    reader.refuse_unknown_keys(HYPERPARAMETERS, reader.entries(HYPERPARAMETERS));
    let mut fixed = BTreeMap::new();
    for key in keys::of(AXES) {
        let is_axis = find(axes, key.name).is_some();
        let found = match find(reader.entries(key.section), key.name) {
            Some(entry) if is_axis => {
                let message = format!("`{}` is an axis of [grid] already: keep one of the two", key.name);
                reader.problem(&entry.node.place, message);
                None
            }
            Some(entry) if is_several(key, &entry.node) => {
                let message =
                    format!("`{}` has one value here; a list of values makes an axis: move it to [grid]", key.name);
                reader.problem(&entry.node.place, message);
                None
            }
            Some(entry) => value(reader, key, &entry.node, networks),
            None if is_axis => None,
            None => reader.absent(key, || {
                let (name, section, wanted) = (key.name, key.section, key.kind.wanted());
                match section {
                    HYPERPARAMETERS => format!("[grid] needs `{name}`, a list, or [{section}] one value: {wanted}"),
                    _ => format!("[{section}] needs `{name}`: {wanted}"),
                }
            }),
        };
        fixed.extend(found.map(|value| (key.name, value)));
    }
    // Said or not said, the same depth is no change of the sweep.
    let units = fixed.get("head_units").and_then(Value::as_array).map(Vec::len);
    if let (Some(depth @ Value::Null), Some(units)) = (fixed.get_mut("head_depth"), units) {
        *depth = json!(units);
    }
    fixed
}

fn exclusions(reader: &Reader, axes: &[Axis], networks: &[&Architecture]) -> Vec<Exclusion> {
    let Some(top) = reader.top("exclude") else { return Vec::new() };
    let tables: Option<Vec<(&Node, &[Entry])>> =
        top.list().and_then(|items| items.iter().map(|item| Some((item, item.table()?))).collect());
    let Some(tables) = tables else {
        reader.problem(&top.place, "`exclude` is a list of sections: write [[exclude]]");
        return Vec::new();
    };
    let mut exclusions = Vec::new();
    for (table, entries) in tables {
        let conditions = entries.iter().filter_map(|entry| condition(reader, entry, axes, networks)).collect();
        if entries.is_empty() {
            reader.problem(&table.place, "an empty [[exclude]] would leave nothing: name an axis and a value");
        }
        exclusions.push(Exclusion { conditions });
    }
    exclusions
}

fn condition(
    reader: &Reader,
    Entry { key: name, key_place, node }: &Entry,
    axes: &[Axis],
    networks: &[&Architecture],
) -> Option<(&'static str, Vec<Value>)> {
    let Some((axis, key)) = axes.iter().find(|axis| axis.name == name).zip(keys::hyperparameter(name)) else {
        let hint = suggest::hint(name, axes.iter().map(|axis| axis.name));
        reader.problem(key_place, format!("`{name}` in [[exclude]] is not an axis of [grid]{hint}"));
        return None;
    };
    let whole = reader.json(name, node)?;
    // A list names several values, unless the key's own values are lists.
    let items = node.list().filter(|_| canonical(key, &whole, networks).is_err());
    let items = items.map_or_else(|| vec![node], |items| items.iter().collect());
    let mut wanted = Vec::new();
    for item in items {
        let Some(canonical) = value(reader, key, item, networks) else { continue };
        match axis.values.iter().any(|(_, value)| *value == canonical) {
            true => wanted.push(canonical),
            false => {
                let written = reader.json(name, item)?;
                reader.problem(&item.place, format!("`{name}` has no value {written} in [grid]"));
            }
        }
    }
    Some((axis.name, wanted))
}

/// What only shows when the cells are put together.
fn check_cells(definition: &Definition, reader: &Reader) {
    let count = definition.axes.iter().try_fold(1usize, |count, axis| count.checked_mul(axis.values.len()));
    let count = count.and_then(|count| count.checked_mul(definition.seeds.len()));
    if count.is_none_or(|count| count > MOST_CELLS) {
        let message = format!("the grid has more than {MOST_CELLS} cells: take values out of an axis");
        return reader.problem(&Place::File, message);
    }
    match definition.check_cells() {
        Err(message) => {
            let depth = find(reader.entries("grid"), "head_depth");
            reader.problem(depth.map_or(&Place::File, |depth| &depth.key_place), message);
        }
        Ok(0) => reader.problem(&Place::File, "[[exclude]] leaves no cell: nothing would run"),
        Ok(_) => {}
    }
}
