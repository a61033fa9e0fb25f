//! The libraries that weights come from.

use super::conventions::Conventions;
use super::keras;
use super::pytorch::Library;
use super::slot::{Place, Slot};
use crate::weights::WeightsFile;
use frostline_sweep::backbone::Architecture;

/// The library that weights were trained with, or brought into its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Torchvision,
    /// The PyTorch port of EfficientNet-Lite.
    LitePytorch,
    /// timm, `tf_efficientnet…`.
    Timm,
    /// `keras.applications`.
    Keras,
}

impl Origin {
    pub const ALL: [Origin; 4] = [Origin::Torchvision, Origin::LitePytorch, Origin::Timm, Origin::Keras];

    /// The library in words.
    pub fn name(self) -> &'static str {
        match self {
            Origin::Torchvision => "torchvision",
            Origin::LitePytorch => "efficientnet-lite-pytorch",
            Origin::Timm => "timm",
            Origin::Keras => "Keras",
        }
    }

    /// The library of this [name](Origin::name).
    pub fn find(name: &str) -> Option<Origin> {
        Origin::ALL.into_iter().find(|origin| origin.name() == name)
    }

    /// How this library runs the network.
    pub fn conventions(self, architecture: &Architecture) -> Conventions {
        match self {
            Origin::Torchvision => Conventions::torchvision(architecture),
            Origin::LitePytorch => Conventions::lite_pytorch(architecture),
            Origin::Timm => Conventions::timm(architecture),
            Origin::Keras => Conventions::keras(architecture),
        }
    }

    /// How it names tensors; none for Keras, which does so in two ways of its own.
    fn library(self) -> Option<Library> {
        match self {
            Origin::Torchvision => Some(Library::Torchvision),
            Origin::LitePytorch => Some(Library::LitePytorch),
            Origin::Timm => Some(Library::Timm),
            Origin::Keras => None,
        }
    }

    /// What this PyTorch library calls each of `slots`; none where it has no such network, and for Keras.
    pub fn tensor_names(self, architecture: &Architecture, slots: &[Slot]) -> Option<Vec<String>> {
        self.library()?.names(architecture, slots)
    }

    /// Where this library would put each of `slots` in such a file; none where it has no such network.
    pub(super) fn places(
        self,
        architecture: &Architecture,
        slots: &[Slot],
        file: &WeightsFile,
    ) -> Option<Vec<Place>> {
        let Some(library) = self.library() else { return Some(keras::places(architecture, slots, file)) };
        let names = library.names(architecture, slots)?;
        let place = |(name, slot): (String, &Slot)| Place { name, axes: (0..slot.shape.len()).collect() };
        Some(names.into_iter().zip(slots).map(place).collect())
    }

    /// Where it would put the classifier's weight, `[classes, channels]`, and its bias.
    pub(super) fn classifier(self, file: &WeightsFile) -> [Place; 2] {
        let Some(library) = self.library() else { return keras::classifier(file) };
        let place = |part, axes| Place { name: format!("{}.{part}", library.classifier()), axes };
        [place("weight", vec![0, 1]), place("bias", vec![0])]
    }

    /// Whether a tensor of such a file may be there without being of the backbone.
    pub(super) fn is_surplus(self, name: &str, file: &WeightsFile) -> bool {
        match self.library() {
            Some(library) => library.is_surplus(name),
            None => keras::is_surplus(name, file),
        }
    }
}
