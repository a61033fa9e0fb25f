//! What a network's weights are called and how they are laid out: by Frostline, and by the libraries that they come
//! from. No values are computed here and nothing needs libtorch.
//!
//! A parameter's own name is its Keras layer and its part as PyTorch calls it: `block4e_expand_conv.weight`. Weights
//! have PyTorch's axes: convolutions `[out, in / groups, height, width]`.

mod conventions;
mod convert;
mod fit;
mod identity;
mod keras;
mod origin;
mod pytorch;
mod root;
mod slot;

pub use conventions::{Conventions, Padding};
pub use convert::{ConvertError, Converted, convert};
pub use fit::{Fit, WeightsError, best_fit, check, fit, whole};
pub use identity::identity;
pub use origin::Origin;
pub use slot::{Role, Slot, slots};

#[cfg(test)]
mod tests;
