//! What the reader of any format gives: a table of tensors, or what is wrong with the file.

use super::tensor::Entry;
use std::collections::{BTreeMap, HashMap};

/// What a reader finds in a file: tensors, and texts about them.
#[derive(Default)]
pub(super) struct Content {
    pub(super) tensors: BTreeMap<String, Entry>,
    /// How much of a tensor's name are the keys of the dictionaries around its own; none of it where it is not listed.
    pub(super) homes: HashMap<String, usize>,
    pub(super) metadata: BTreeMap<String, String>,
    /// Classes and functions that the file names and that were not looked at.
    pub(super) skipped: Vec<String>,
}

impl From<BTreeMap<String, Entry>> for Content {
    fn from(tensors: BTreeMap<String, Entry>) -> Content {
        Content { tensors, ..Content::default() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    PytorchZip,
    PytorchStream,
    Safetensors,
    /// Keras 3's `.weights.h5`: variables numbered by the kind of their layer.
    Keras3,
    /// Keras' older `.h5`: variables by the names of their layers.
    KerasH5,
}

impl Format {
    /// The format in words.
    pub fn name(self) -> &'static str {
        match self {
            Format::PytorchZip => "PyTorch zip archive",
            Format::PytorchStream => "PyTorch pickle stream",
            Format::Safetensors => "safetensors",
            Format::Keras3 => "Keras 3 weights (HDF5)",
            Format::KerasH5 => "Keras HDF5",
        }
    }
}

/// What a reader found wrong, before the path is known.
#[derive(Debug)]
pub(super) enum Fault {
    Damaged(String),
    /// Sound as far as it was read, but no weights.
    Foreign(String),
    Code(String),
}

pub(super) fn damaged(what: impl Into<String>) -> Fault {
    Fault::Damaged(what.into())
}

pub(super) fn foreign(what: impl Into<String>) -> Fault {
    Fault::Foreign(what.into())
}
