//! Where in a file a network begins: training scripts put its tensors into dictionaries (`state_dict`) and words before
//! their names (`module.`, `model.`, `backbone.`). Whatever it is, it stands before the name of every tensor, with a dot
//! behind: that is the network's root.

use super::slot::{Place, Slot};
use crate::weights::WeightsFile;
use std::collections::{BTreeMap, HashMap};

/// What a file has of a network.
#[derive(Default)]
pub(super) struct Roots {
    /// Where the whole network lies, every tensor in the right shape; more than one where a file has it several times.
    pub(super) whole: Vec<String>,
    /// Those of them that the key of the file leaves.
    pub(super) meant: Vec<String>,
    /// Where most of it lies.
    pub(super) best: String,
}

/// Looks for the places of a library that names tensors as PyTorch does.
pub(super) fn find(slots: &[Slot], places: &[Place], file: &WeightsFile) -> Roots {
    let shapes: HashMap<&str, &[i64]> =
        places.iter().zip(slots).map(|(place, slot)| (place.name.as_str(), &slot.shape[..])).collect();
    // How many of the network's names there are behind each beginning, and how many with the right shape.
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for name in file.names() {
        let steps = name.match_indices('.').map(|(at, _)| at + 1);
        for start in [0].into_iter().chain(steps) {
            let Some(&shape) = shapes.get(&name[start..]) else { continue };
            let (names, fitting) = counts.entry(&name[..start]).or_default();
            *names += 1;
            *fitting += usize::from(file.shape(name).as_deref() == Some(shape));
        }
    }
    let mut whole: Vec<String> = Vec::new();
    for (&root, &(_, fitting)) in &counts {
        let is_same = |other: &String| {
            let twins =
                places.iter().map(|place| (format!("{other}{}", place.name), format!("{root}{}", place.name)));
            twins.into_iter().all(|(one, other)| file.is_same(&one, &other))
        };
        // One dictionary under two keys is no choice.
        if fitting == places.len() && !whole.iter().any(is_same) {
            whole.push(root.to_owned());
        }
    }
    // Whoever names a key means what lies right there, though there may be another deeper down.
    let named = file.key().map(|key| if key.is_empty() { String::new() } else { format!("{key}.") });
    let named = named.filter(|named| whole.contains(named));
    let meant = named.map_or_else(|| whole.clone(), |named| vec![named]);
    // Of places with as much, the one nearest to the top.
    let most = counts.iter().max_by_key(|&(root, &(names, _))| (names, std::cmp::Reverse(root.len())));
    let best = meant.first().cloned().or_else(|| most.map(|(root, _)| (*root).to_owned()));
    Roots { whole, meant, best: best.unwrap_or_default() }
}
