//! A backbone's parameters: shared by all trials as far as they are frozen, a trial's own from there on.

use super::initial::random;
use super::tensors::{channels_last, fold};
use frostline_assets::layout::{Conventions, Role, Slot, WeightsError, fit, slots};
use frostline_assets::weights::WeightsFile;
use frostline_sweep::backbone::{Architecture, Block, Segment};
use std::collections::HashMap;
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// What is the same for all trials of one backbone with one set of weights.
pub struct Backbone {
    shared: Rc<Shared>,
    tensors: HashMap<String, Tensor>,
}

pub(super) struct Shared {
    pub(super) architecture: &'static Architecture,
    pub(super) conventions: Conventions,
    pub(super) slots: Vec<Slot>,
    pub(super) blocks: Vec<Block>,
    pub(super) segments: Vec<Segment>,
    /// Layer name to Keras' index.
    pub(super) indices: HashMap<String, u32>,
    /// Type that it computes in.
    pub(super) kind: Kind,
    /// Convolutions with their batch normalization folded in, by the convolution's layer name: weight and bias.
    pub(super) folded: HashMap<String, (Tensor, Tensor)>,
}

/// Where weights come from.
pub enum Source<'a> {
    File(&'a WeightsFile),
    /// Keras' initialisers from this seed.
    Random(u64),
}

impl Backbone {
    /// Puts the weights of `source` on `device`. With [`Kind::BFloat16`] the network computes in that type, and trained
    /// parameters stay float32.
    ///
    /// # Errors
    /// [`WeightsError`] where the file is not of this network: what is missing, unexpected or of another shape.
    pub fn load(
        architecture: &'static Architecture,
        source: Source<'_>,
        device: Device,
        kind: Kind,
    ) -> Result<Backbone, WeightsError> {
        let slots = slots(architecture);
        let (conventions, tensors) = match source {
            Source::Random(seed) => (Conventions::keras(architecture), random(architecture, &slots, seed)),
            Source::File(file) => read(architecture, file)?,
        };
        let tensors: HashMap<String, Tensor> =
            tensors.into_iter().map(|(name, tensor)| (name, channels_last(&tensor.to_device(device)))).collect();
        let folded = fold(architecture, &conventions, &tensors, kind);
        let indices = architecture.layers().into_iter().map(|layer| (layer.name, layer.index)).collect();
        let (blocks, segments) = (architecture.blocks(), architecture.segments());
        let shared = Shared { architecture, conventions, slots, blocks, segments, indices, kind, folded };
        Ok(Backbone { shared: Rc::new(shared), tensors })
    }

    pub fn architecture(&self) -> &'static Architecture {
        self.shared.architecture
    }

    pub fn conventions(&self) -> &Conventions {
        &self.shared.conventions
    }

    /// A network for one trial: what may change is copied, the frozen rest is shared.
    pub fn instance(&self, frozen_layers: u32) -> Network {
        let mut tensors: HashMap<String, Tensor> =
            self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
        for slot in self.shared.slots.iter().filter(|slot| slot.layer >= frozen_layers) {
            let copy = channels_last(&self.tensors[&slot.name].copy());
            tensors.insert(slot.name.clone(), copy.set_requires_grad(slot.role == Role::Weight));
        }
        Network { shared: Rc::clone(&self.shared), tensors, frozen_layers }
    }
}

/// A backbone whose layers from `frozen_layers` on train.
pub struct Network {
    pub(super) shared: Rc<Shared>,
    tensors: HashMap<String, Tensor>,
    pub(super) frozen_layers: u32,
}

impl Network {
    /// Names of the trained parameters in the order of their layers.
    pub fn trainable_names(&self) -> Vec<String> {
        self.unfrozen(Role::Weight)
    }

    /// Names of the moving statistics that training updates.
    pub fn statistic_names(&self) -> Vec<String> {
        self.unfrozen(Role::Statistic)
    }

    fn unfrozen(&self, role: Role) -> Vec<String> {
        let slots = self.shared.slots.iter().filter(|slot| slot.layer >= self.frozen_layers && slot.role == role);
        slots.map(|slot| slot.name.clone()).collect()
    }

    /// The tensor called `name`: a parameter or a moving statistic.
    pub fn tensor(&self, name: &str) -> &Tensor {
        &self.tensors[name]
    }

    /// Exchanges parameters for others of the same shapes, such as views of a flat buffer.
    pub fn replace(&mut self, tensors: impl IntoIterator<Item = (String, Tensor)>) {
        self.tensors.extend(tensors);
    }

    /// Width of the pooled output.
    pub fn pooled_channels(&self) -> i64 {
        i64::from(self.shared.architecture.top_channels)
    }
}

/// Finds out which library's weights the file has, and takes from it what the network needs.
fn read(
    architecture: &'static Architecture,
    file: &WeightsFile,
) -> Result<(Conventions, HashMap<String, Tensor>), WeightsError> {
    let fit = fit(architecture, file);
    if !fit.is_complete() {
        return Err(fit.refusal(file));
    }
    let mut tensors = HashMap::new();
    for (index, slot) in fit.slots().iter().enumerate() {
        let values = fit.values(file, index)?;
        tensors.insert(slot.name.clone(), Tensor::from_slice(&values).view(&slot.shape[..]));
    }
    Ok((fit.conventions(), tensors))
}
