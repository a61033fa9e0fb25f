//! Learning: backbones, weights, data, the feature cache, optimizers and the trainer.
//!
//! It owns every tensor: the only library that knows libtorch. It must not know sockets, the database or who decides: an
//! assignment goes in, and what it says while it works goes to an observer.

pub mod backbone;
mod checkpoint;
mod data;
mod derive;
pub mod device;
mod error;
mod export;
mod extract;
pub mod features;
mod fits;
mod flat;
mod fused;
mod head;
mod input;
mod keeper;
mod lock;
mod measure;
mod memory;
mod model;
mod no_grad;
pub mod optimizer;
mod session;
pub mod shim;
mod streams;
#[cfg(test)]
mod testing;
mod trainer;

pub use error::TrainingError;
pub use extract::extract;
pub use fits::Checked;
pub use flat::Gradients;
pub use measure::measure;
pub use model::Model;
pub use session::Session;
