//! Which network a file holds, in which library's form, and what does not fit.

use super::conventions::Conventions;
use super::origin::Origin;
use super::slot::{Place, Slot, slots};
use crate::weights::{Format, WeightsFile, WeightsFileError};
use frostline_sweep::backbone::{self, Architecture};
use std::collections::BTreeSet;

/// Key of safetensors' metadata that names the library whose weights were converted.
pub(super) const ORIGIN: &str = "frostline.origin";

/// How many names an error lists of each kind.
const LISTED: usize = 5;

/// A weights file that is not of the network it was given for.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    #[error(transparent)]
    Unreadable(#[from] WeightsFileError),
    #[error("{}", .0.describe())]
    Mismatch(Box<Fit>),
    #[error("the weights are those of {found} ({}'s), not of {wanted}", origin.name())]
    OtherNetwork { wanted: &'static str, found: &'static str, origin: Origin },
}

/// How a file fits a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    pub architecture: &'static Architecture,
    /// The library whose names the tensors have.
    pub names: Origin,
    /// The library whose weights they are: it decides how the network is run. Another one than `names` where the file
    /// was converted.
    pub origin: Origin,
    /// Names of tensors that the network needs and the file lacks.
    pub missing: Vec<String>,
    /// Names of tensors that have no place in the network.
    pub unexpected: Vec<String>,
    /// Name, expected and actual shape, in PyTorch's axes.
    pub shapes: Vec<(String, Vec<i64>, Vec<i64>)>,
    /// Classes of the classifier, where the file has one on the network's channels.
    pub classes: Option<i64>,
    slots: Vec<Slot>,
    places: Vec<Place>,
}

impl Fit {
    /// Everything that the network holds, in the order of its layers.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Whether the file has the whole network and nothing that contradicts it.
    pub fn is_complete(&self) -> bool {
        self.problems() == 0
    }

    /// Whether nothing of the file belongs to the network.
    pub fn is_foreign(&self) -> bool {
        self.missing.len() == self.slots.len()
    }

    fn problems(&self) -> usize {
        self.missing.len() + self.unexpected.len() + self.shapes.len()
    }

    /// How the file wants its network to be run.
    pub fn conventions(&self) -> Conventions {
        self.origin.conventions(self.architecture)
    }

    /// Values of the slot of this index, float32, row-major in PyTorch's axes.
    ///
    /// # Errors
    /// The file lacks the tensor.
    pub fn values(&self, file: &WeightsFile, index: usize) -> Result<Vec<f32>, WeightsFileError> {
        let place = &self.places[index];
        file.f32_with_axes(&place.name, &place.axes)
    }

    /// The identity of the network's tensors: BLAKE3 of their names, shapes and float32 values, whatever file and form
    /// they are in.
    ///
    /// # Errors
    /// The file lacks a tensor.
    pub fn digest(&self, file: &WeightsFile) -> Result<String, WeightsFileError> {
        let mut hasher = blake3::Hasher::new();
        for (index, slot) in self.slots.iter().enumerate() {
            hasher.update(format!("{} {:?}\n", slot.name, slot.shape).as_bytes());
            let values = self.values(file, index)?;
            let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
            hasher.update(&bytes);
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// Why the file is not taken for this network: it holds another one, or this is what does not fit.
    pub fn refusal(self, file: &WeightsFile) -> WeightsError {
        let best = best_fit(file);
        if best.is_complete() {
            let (wanted, found) = (self.architecture.name, best.architecture.name);
            return WeightsError::OtherNetwork { wanted, found, origin: best.origin };
        }
        WeightsError::Mismatch(Box::new(self))
    }

    fn describe(&self) -> String {
        let mut text = format!(
            "the weights are not those of {} (read with {}'s names)",
            self.architecture.name,
            self.names.name()
        );
        let mut list = |what: &str, names: Vec<String>| {
            if !names.is_empty() {
                let more = names.len().saturating_sub(LISTED);
                let shown = names[..names.len().min(LISTED)].join(", ");
                let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
                text += &format!("; {what}: {shown}{tail}");
            }
        };
        list(&format!("missing of {}", self.slots.len()), self.missing.clone());
        list("unexpected", self.unexpected.clone());
        let shapes = self.shapes.iter().map(|(name, ours, theirs)| format!("{name} is {theirs:?}, not {ours:?}"));
        list("of another shape", shapes.collect());
        text
    }
}

/// Checks that a file holds this network, without reading its values; returns the library whose weights they are.
///
/// # Errors
/// [`WeightsError::Mismatch`] with what is missing, unexpected or of another shape; [`WeightsError::OtherNetwork`] where
/// the file has another network of the table.
pub fn check(architecture: &'static Architecture, file: &WeightsFile) -> Result<Origin, WeightsError> {
    let fit = fit(architecture, file);
    if fit.is_complete() { Ok(fit.origin) } else { Err(fit.refusal(file)) }
}

/// Compares a file with this network, in the form of the library that fits best.
pub fn fit(architecture: &'static Architecture, file: &WeightsFile) -> Fit {
    let slots = slots(architecture);
    let is_keras = matches!(file.format(), Format::Keras3 | Format::KerasH5);
    let candidates = Origin::ALL.into_iter().filter(|&origin| (origin == Origin::Keras) == is_keras);
    let fits = candidates.filter_map(|origin| {
        let places = origin.places(architecture, &slots, file)?;
        Some(compare(architecture, origin, slots.clone(), places, file))
    });
    fits.min_by_key(Fit::problems).expect("Keras and timm name every network of the table")
}

/// Compares a file with every network of the table and returns the comparison with the fewest problems.
pub fn best_fit(file: &WeightsFile) -> Fit {
    let architectures = backbone::names().filter_map(backbone::find);
    let fits = architectures.map(|architecture| fit(architecture, file));
    // Where nothing fits at all, the smaller network would always have the fewest problems.
    fits.min_by_key(|fit| (fit.is_foreign(), fit.problems())).expect("there are networks in the table")
}

fn compare(
    architecture: &'static Architecture,
    names: Origin,
    slots: Vec<Slot>,
    places: Vec<Place>,
    file: &WeightsFile,
) -> Fit {
    let (mut missing, mut shapes) = (Vec::new(), Vec::new());
    for (slot, place) in slots.iter().zip(&places) {
        match shape_at(place, file) {
            None => missing.push(place.name.clone()),
            Some(shape) if shape != slot.shape => shapes.push((place.name.clone(), slot.shape.clone(), shape)),
            Some(_) => {}
        }
    }
    let known: BTreeSet<&str> = places.iter().map(|place| place.name.as_str()).collect();
    let is_stranger = |name: &&str| !known.contains(name) && !names.is_surplus(name, file);
    let unexpected = file.names().filter(is_stranger).map(str::to_owned).collect();
    let [weight, bias] = names.classifier(file).map(|place| shape_at(&place, file));
    let classes = match (weight.as_deref(), bias.as_deref()) {
        (Some(&[classes, channels]), Some(&[biases])) => {
            (classes == biases && channels == i64::from(architecture.top_channels)).then_some(classes)
        }
        _ => None,
    };
    let origin = file.metadata(ORIGIN).and_then(Origin::find).unwrap_or(names);
    Fit { architecture, names, origin, missing, unexpected, shapes, classes, slots, places }
}

/// The tensor's shape in PyTorch's axes, or as it is where it has another number of them.
fn shape_at(place: &Place, file: &WeightsFile) -> Option<Vec<i64>> {
    let shape = file.shape(&place.name)?;
    let is_known = shape.len() == place.axes.len();
    Some(if is_known { place.axes.iter().map(|&axis| shape[axis]).collect() } else { shape })
}
