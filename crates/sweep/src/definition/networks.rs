//! The networks of a definition, and the weights of each.

use super::document::{Entry, Node, find};
use super::reader::Reader;
use super::types::Network;
use crate::backbone::{self, Architecture};
use crate::keys::{self, Key};
use crate::parameters::BACKBONE;
use crate::suggest;

/// The networks that trials may start from, as far as they are named rightly: what is wrong is said elsewhere.
pub(super) fn architectures(reader: &Reader) -> Vec<&'static Architecture> {
    let named = |node: &Node| backbone::find(node.json().ok()?.as_str()?);
    match find(reader.entries("grid"), BACKBONE) {
        Some(axis) => axis.node.list().unwrap_or_default().iter().filter_map(named).collect(),
        None => find(reader.entries("model"), BACKBONE).and_then(|entry| named(&entry.node)).into_iter().collect(),
    }
}

/// Each with its weights; none where something is wrong with those.
pub(super) fn networks(reader: &Reader, architectures: &[&'static Architecture]) -> Option<Vec<Network>> {
    let entries = reader.entries("model");
    reader.refuse_unknown_keys("model", entries);
    let key = keys::find("model", "weights")?;
    let all = architectures.iter();
    let for_all = |weights: &str| {
        let network = |&architecture| Network { architecture, weights: weights.to_owned(), is_own: false };
        Some(architectures.iter().map(network).collect())
    };
    let Some(entry) = find(entries, key.name) else { return for_all(key.default_value()?.as_str()?) };
    match entry.node.table() {
        None => for_all(&text(reader, key, &entry.node)?),
        Some(table) => {
            refuse_others(reader, table);
            let network = |&architecture: &&'static Architecture| {
                let name = architecture.name;
                let Some(own) = find(table, name) else {
                    let wanted = key.kind.wanted();
                    reader.problem(
                        &entry.key_place,
                        format!("`weights` has none for {name}: add {name} = …, {wanted}"),
                    );
                    return None;
                };
                Some(Network { architecture, weights: text(reader, key, &own.node)?, is_own: true })
            };
            // All of them are looked at, so that each mistake is said.
            all.map(network).collect::<Vec<_>>().into_iter().collect()
        }
    }
}

fn text(reader: &Reader, key: &Key, node: &Node) -> Option<String> {
    reader.value(key, node)?.as_str().map(str::to_owned)
}

fn refuse_others(reader: &Reader, table: &[Entry]) {
    for Entry { key, key_place, .. } in table.iter().filter(|entry| backbone::find(&entry.key).is_none()) {
        let hint = suggest::hint(key, backbone::names());
        reader.problem(key_place, format!("`{key}` in `weights` is no network{hint}"));
    }
}
