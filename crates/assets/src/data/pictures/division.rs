//! Which pictures are trained on, which select, which test: by their splits, else by content. Pure.

use super::facts::Fact;
use super::listing::{Listing, Split, check_splits};
use crate::data::pictures_error::{List, PicturesError};
use frostline_sweep::dataset::Fit;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Numbers of pictures in the listing, each split in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Division {
    pub(super) train: Vec<u32>,
    pub(super) validation: Vec<u32>,
    pub(super) test: Vec<u32>,
}

/// Divides the pictures that can be used.
///
/// # Errors
/// A class that is not in every split, or too small to be divided.
pub(super) fn divide(listing: &Listing, facts: &[Fact], test_share: f64) -> Result<Division, PicturesError> {
    let usable: Vec<u32> = (0..facts.len() as u32).filter(|&index| facts[index as usize].is_usable()).collect();
    let split = |index: u32| listing.pictures[index as usize].split;
    let left: Vec<_> = usable.iter().map(|&index| listing.pictures[index as usize].clone()).collect();
    check_splits(&listing.classes, &left)?;
    let of =
        |wanted: Split| usable.iter().copied().filter(|&index| split(index) == Some(wanted)).collect::<Vec<u32>>();
    let mut division = Division { train: Vec::new(), validation: of(Split::Validation), test: of(Split::Test) };
    division.train =
        usable.iter().copied().filter(|&index| matches!(split(index), None | Some(Split::Train))).collect();
    if division.test.is_empty() {
        let tested = held_out(listing, facts, &division.train, test_share)?;
        (division.test, division.train) = division.train.iter().partition(|&index| tested.contains(index));
    }
    Ok(division)
}

/// Of each class the share whose contents have the smallest digests, so that neither names nor other pictures matter. Equal
/// pictures stay together, unless the class has no others.
fn held_out(listing: &Listing, facts: &[Fact], train: &[u32], share: f64) -> Result<BTreeSet<u32>, PicturesError> {
    let mut classes: BTreeMap<u16, Vec<(&str, u32)>> = BTreeMap::new();
    for &index in train {
        let class = listing.pictures[index as usize].class;
        classes.entry(class).or_default().push((&facts[index as usize].digest, index));
    }
    let small = classes.iter().filter(|(_, pictures)| pictures.len() < 2);
    let small: Vec<String> =
        small.map(|(&class, _)| format!("`{}` has 1 picture", listing.classes[usize::from(class)])).collect();
    if !small.is_empty() {
        return Err(PicturesError::TooFew(List(small)));
    }
    let mut tested = BTreeSet::new();
    for pictures in classes.values_mut() {
        pictures.sort_unstable();
        let wanted = ((pictures.len() as f64 * share).round() as usize).clamp(1, pictures.len() - 1);
        let is_equal = |at: usize| pictures[at].0 == pictures[at - 1].0;
        let end = (wanted..pictures.len()).find(|&at| !is_equal(at)).unwrap_or(wanted);
        tested.extend(pictures[..end].iter().map(|&(_, index)| index));
    }
    Ok(tested)
}

/// Pictures that are in more than one split, or in more than one class: each as many as there are, and one for an example.
pub(super) fn doubles(listing: &Listing, facts: &[Fact], division: &Division) -> Vec<String> {
    let mut seen: HashMap<&str, (usize, u32)> = HashMap::new();
    let (mut leaked, mut contradicted) = ((0, None), (0, None));
    for (split, pictures) in [&division.train, &division.validation, &division.test].into_iter().enumerate() {
        for &index in pictures {
            let &mut (first_split, first) = seen.entry(&facts[index as usize].digest).or_insert((split, index));
            let class = |index: u32| listing.pictures[index as usize].class;
            if first_split != split {
                leaked = (leaked.0 + 1, leaked.1.or(Some((first, index))));
            }
            if class(first) != class(index) {
                contradicted = (contradicted.0 + 1, contradicted.1.or(Some((first, index))));
            }
        }
    }
    let shown = |index: u32| listing.pictures[index as usize].path.display();
    let mut remarks = Vec::new();
    let pictures = |count: u32, one: &str, many: &str| match count {
        1 => format!("1 picture {one}"),
        _ => format!("{count} pictures {many}"),
    };
    if let (count, Some((one, other))) = leaked {
        remarks.push(format!(
            "{} in more than one split, so that results look better than they are: {} is {}",
            pictures(count, "is", "are"),
            shown(other),
            shown(one)
        ));
    }
    if let (count, Some((one, other))) = contradicted {
        let said = pictures(count, "stands", "stand");
        remarks.push(format!("{said} for two classes: {} is {}", shown(other), shown(one)));
    }
    remarks
}

/// BLAKE3 over the classes' names and, in order, each image's class and content: the data's part of a trial's identity.
pub(super) fn digest(listing: &Listing, facts: &[Fact], division: &Division) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("frostline 2026 content of a folder of pictures");
    let number = |hasher: &mut blake3::Hasher, number: usize| {
        hasher.update(&(number as u64).to_le_bytes());
    };
    number(&mut hasher, listing.classes.len());
    for class in &listing.classes {
        number(&mut hasher, class.len());
        hasher.update(class.as_bytes());
    }
    for split in [&division.train, &division.validation, &division.test] {
        number(&mut hasher, split.len());
        for &index in split {
            hasher.update(&listing.pictures[index as usize].class.to_le_bytes());
            hasher.update(facts[index as usize].digest.as_bytes());
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// The side in pixels with which pictures are kept: what the network wants, but no larger than the largest of them, because
/// enlarging is done as for images of one size.
pub(super) fn side(facts: &[Fact], image_size: u32, fit: Fit) -> u32 {
    let own = |&Fact { size: (width, height), .. }: &Fact| match fit {
        Fit::Crop => width.min(height),
        Fit::Pad | Fit::Stretch => width.max(height),
    };
    // Those whose rest cannot be read, too, so that it is the same before and after that is known.
    let largest = facts.iter().map(own).max().unwrap_or(1);
    image_size.min(largest).max(1)
}
