//! Which network a file holds, in which library's form, and what does not fit.

use super::conventions::Conventions;
use super::origin::Origin;
use super::root::{self, Roots};
use super::slot::{Place, Slot, slots};
use crate::weights::{Format, Named, WeightsFile, WeightsFileError};
use frostline_sweep::backbone::{self, Architecture};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

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
    #[error("it has such a network {} times: {}; name the one that is meant, as in \"{}\"",
            roots.len(), listed_roots(roots), example(file, roots))]
    Ambiguous { file: PathBuf, roots: Vec<String> },
    #[error(
        "its tensor `{name}` has {value} at place {place}{}: the training that wrote it had gone wrong by then, so take an \
         earlier file",
        if value.is_finite() { ", and a variance is never negative" } else { ", which is not a number" }
    )]
    Value { name: String, value: f32, place: usize },
}

fn listed_roots(roots: &[String]) -> String {
    let shown = |root: &String| match root.trim_end_matches('.') {
        "" => "at the top".to_owned(),
        key => format!("under `{key}`"),
    };
    roots.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// How the last one is named: the first may be the one at the top.
fn example(file: &Path, roots: &[String]) -> String {
    format!("{}#{}", file.display(), roots.last().map_or("", |root| root.trim_end_matches('.')))
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
    /// What stands before each tensor's name in the file: `state_dict.module.`.
    pub root: String,
    /// Where the file has the whole network; more than one is a choice that nobody has made yet.
    pub roots: Vec<String>,
    slots: Vec<Slot>,
    places: Vec<Place>,
}

impl Fit {
    /// Everything that the network holds, in the order of its layers.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Whether the file has the whole network, once, and nothing that contradicts it.
    pub fn is_complete(&self) -> bool {
        self.problems() == 0 && !self.is_ambiguous()
    }

    /// Whether the file has the whole network more than once.
    pub fn is_ambiguous(&self) -> bool {
        self.roots.len() > 1
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

    /// What was seen through to find the network, in words; none where it lies plainly at the top of one file.
    pub fn seen_through(&self, file: &WeightsFile) -> Option<String> {
        let ours = file.names().filter(|name| name.starts_with(self.root.as_str())).count();
        let others = file.names().count() - ours + file.left_out();
        let beside = match others {
            0 => String::new(),
            1 => "; one other tensor is left out".to_owned(),
            others => format!("; {others} other tensors are left out"),
        };
        let files = match file.files() {
            1 => String::new(),
            files => format!("in {files} files"),
        };
        let under = match self.root.trim_end_matches('.') {
            "" => String::new(),
            root => format!("under `{root}`"),
        };
        let parts: Vec<&str> = [files.as_str(), under.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
        (!parts.is_empty()).then(|| format!("{}{beside}", parts.join(", ")))
    }

    /// Where the classifier's weight, `[classes, channels]`, and its bias are.
    pub(super) fn classifier(&self, file: &WeightsFile) -> [Place; 2] {
        classifier(self.names, &self.root, file)
    }

    /// Values of the slot of this index, float32, row-major in PyTorch's axes: finite, and variances not negative.
    ///
    /// # Errors
    /// The file lacks the tensor, or it has other values.
    pub fn values(&self, file: &WeightsFile, index: usize) -> Result<Vec<f32>, WeightsError> {
        let place = &self.places[index];
        let values = file.f32_with_axes(&place.name, &place.axes)?;
        let is_variance = self.slots[index].split().1 == "running_var";
        let is_wrong = |value: &f32| !value.is_finite() || is_variance && *value < 0.0;
        match values.iter().position(is_wrong) {
            Some(at) => Err(WeightsError::Value { name: place.name.clone(), value: values[at], place: at }),
            None => Ok(values),
        }
    }

    /// Reads all values once.
    ///
    /// # Errors
    /// As [`Fit::values`].
    pub fn check_values(&self, file: &WeightsFile) -> Result<(), WeightsError> {
        (0..self.slots.len()).try_for_each(|index| self.values(file, index).map(drop))
    }

    /// The identity of the network's tensors: BLAKE3 of their names, shapes and float32 values, whatever file and form
    /// they are in.
    ///
    /// # Errors
    /// As [`Fit::values`].
    pub fn digest(&self, file: &WeightsFile) -> Result<String, WeightsError> {
        let mut hasher = blake3::Hasher::new();
        for (index, slot) in self.slots.iter().enumerate() {
            hasher.update(format!("{} {:?}\n", slot.name, slot.shape).as_bytes());
            let values = self.values(file, index)?;
            let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
            hasher.update(&bytes);
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// Why the file is not taken for this network: it holds it twice, or another one, or this is what does not fit.
    pub fn refusal(self, file: &WeightsFile) -> WeightsError {
        if self.is_ambiguous() {
            let file = Named::new(file.path()).file;
            return WeightsError::Ambiguous { file, roots: self.roots };
        }
        let best = best_fit(file);
        let (wanted, found) = (self.architecture.name, best.architecture.name);
        if best.problems() == 0 && wanted != found {
            return WeightsError::OtherNetwork { wanted, found, origin: best.origin };
        }
        WeightsError::Mismatch(Box::new(self))
    }

    fn describe(&self) -> String {
        let under = match self.root.trim_end_matches('.') {
            "" => String::new(),
            root => format!(" under `{root}`"),
        };
        let (network, names) = (self.architecture.name, self.names.name());
        let mut text = format!("the weights are not those of {network} (read with {names}'s names{under})");
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

/// How a file fits the network that it holds, this one.
///
/// # Errors
/// [`WeightsError::Mismatch`] with what is missing, unexpected or of another shape; [`WeightsError::OtherNetwork`] where
/// the file has another network of the table; [`WeightsError::Ambiguous`] where it has this one several times;
/// [`WeightsError::Value`] for what is no number.
pub fn whole(architecture: &'static Architecture, file: &WeightsFile) -> Result<Fit, WeightsError> {
    let fit = fit(architecture, file);
    if !fit.is_complete() {
        return Err(fit.refusal(file));
    }
    fit.check_values(file)?;
    Ok(fit)
}

/// Checks that a file holds this network; returns the library whose weights they are.
///
/// # Errors
/// As [`whole`].
pub fn check(architecture: &'static Architecture, file: &WeightsFile) -> Result<Origin, WeightsError> {
    whole(architecture, file).map(|fit| fit.origin)
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
    best(fits).expect("Keras and timm name every network of the table")
}

/// Compares a file with every network of the table and returns the comparison with the fewest problems.
pub fn best_fit(file: &WeightsFile) -> Fit {
    let architectures = backbone::names().filter_map(backbone::find);
    best(architectures.map(|architecture| fit(architecture, file))).expect("there are networks in the table")
}

/// The fit with the fewest problems, with the roots of all that are whole: choosing one of them is not for us.
fn best(fits: impl Iterator<Item = Fit>) -> Option<Fit> {
    let fits: Vec<Fit> = fits.collect();
    let roots: BTreeSet<String> = fits.iter().flat_map(|fit| fit.roots.iter().cloned()).collect();
    // Where nothing fits at all, the smaller network would always have the fewest problems.
    let mut best = fits.into_iter().min_by_key(|fit| (fit.is_foreign(), fit.problems()))?;
    best.roots = roots.into_iter().collect();
    Some(best)
}

fn compare(
    architecture: &'static Architecture,
    names: Origin,
    slots: Vec<Slot>,
    mut places: Vec<Place>,
    file: &WeightsFile,
) -> Fit {
    // Keras' places are where the file has them, however deep.
    let Roots { best: root, meant: mut roots, whole } = match names {
        Origin::Keras => Roots::default(),
        _ => root::find(&slots, &places, file),
    };
    places.iter_mut().for_each(|place| place.name.insert_str(0, &root));
    let (mut missing, mut shapes) = (Vec::new(), Vec::new());
    for (slot, place) in slots.iter().zip(&places) {
        match shape_at(place, file) {
            None => missing.push(place.name.clone()),
            Some(shape) if shape != slot.shape => shapes.push((place.name.clone(), slot.shape.clone(), shape)),
            Some(_) => {}
        }
    }
    let known: BTreeSet<&str> = places.iter().map(|place| place.name.as_str()).collect();
    // A name is the network's where its dictionary is, and where no other network begins below.
    let is_inside = |name: &str| {
        let is_deeper = |other: &String| other.len() > root.len() && name.starts_with(other.as_str());
        file.home(name) <= root.len() && !whole.iter().any(is_deeper)
    };
    let is_stranger = |name: &&str| {
        let inner = name.strip_prefix(root.as_str());
        inner.is_some_and(|inner| is_inside(name) && !known.contains(name) && !names.is_surplus(inner, file))
    };
    let unexpected: Vec<String> = file.names().filter(is_stranger).map(str::to_owned).collect();
    let [weight, bias] = classifier(names, &root, file).map(|place| shape_at(&place, file));
    let classes = match (weight.as_deref(), bias.as_deref()) {
        (Some(&[classes, channels]), Some(&[biases])) => {
            (classes == biases && channels == i64::from(architecture.top_channels)).then_some(classes)
        }
        _ => None,
    };
    let origin = file.metadata(ORIGIN).and_then(Origin::find).unwrap_or(names);
    if names == Origin::Keras && missing.is_empty() && shapes.is_empty() {
        roots.push(String::new());
    }
    Fit { architecture, names, origin, missing, unexpected, shapes, classes, root, roots, slots, places }
}

fn classifier(names: Origin, root: &str, file: &WeightsFile) -> [Place; 2] {
    names.classifier(file).map(|place| Place { name: format!("{root}{}", place.name), ..place })
}

/// The tensor's shape in PyTorch's axes, or as it is where it has another number of them.
fn shape_at(place: &Place, file: &WeightsFile) -> Option<Vec<i64>> {
    let shape = file.shape(&place.name)?;
    let is_known = shape.len() == place.axes.len();
    Some(if is_known { place.axes.iter().map(|&axis| shape[axis]).collect() } else { shape })
}
