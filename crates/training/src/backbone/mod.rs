//! EfficientNets in libtorch: parameters by Keras' layer names, and free functions that run them.
//!
//! A parameter's name is its Keras layer and its part: `block4e_expand_conv.weight`. Weights have PyTorch's axes:
//! convolutions `[out, in / groups, height, width]`. Activations are `[batch, channels, height, width]` with
//! channels-last strides, which libtorch's CPU kernels are two to three times as fast on.

mod convention;
mod forward;
mod initial;
mod layer;
mod load;
mod network;
mod tensors;

pub use convention::prepare;
pub use frostline_assets::layout::{Conventions, Origin, Padding, Role, Slot, WeightsError, check, slots};
pub(crate) use load::{kind, load_backbone};
pub use network::{Backbone, Network, Source};
pub use tensors::channels_last;
