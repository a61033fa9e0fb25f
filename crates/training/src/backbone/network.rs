//! A backbone's parameters: shared by all trials as far as they are frozen, a trial's own from there on.

use super::initial::random;
use super::tensors::{channels_last, fold, folded};
use crate::no_grad::no_grad;
use frostline_assets::layout::{Conventions, Role, Slot, WeightsError, fit, slots};
use frostline_assets::weights::WeightsFile;
use frostline_sweep::backbone::{Architecture, Block, LayerKind, Segment};
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
    pub(super) segments: &'static [Segment],
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
        let indices = architecture.layers().iter().map(|layer| (layer.name.clone(), layer.index)).collect();
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
        let statistics = Statistics::of(&mut tensors, &self.shared.slots, frozen_layers);
        Network {
            shared: Rc::clone(&self.shared),
            tensors,
            leaves: HashMap::new(),
            frozen_layers,
            statistics,
            folds: HashMap::new(),
        }
    }
}

/// Moving statistics of the normalizations that train, in one buffer, so that a step's are taken up at once.
pub(super) struct Statistics {
    /// Of all of them, in the order of the layers, means and variances, `[2, channels]`.
    pub(super) values: Tensor,
    /// Where each layer's begin.
    pub(super) starts: HashMap<String, i64>,
}

impl Statistics {
    /// Puts views of the buffer in the place of the statistics.
    fn of(tensors: &mut HashMap<String, Tensor>, slots: &[Slot], frozen_layers: u32) -> Statistics {
        let layers = slots.iter().filter(|slot| slot.layer >= frozen_layers);
        let layers: Vec<&str> = layers.filter_map(|slot| slot.name.strip_suffix(".running_mean")).collect();
        let names = |part| layers.iter().map(move |layer| format!("{layer}.{part}"));
        let all: Vec<Tensor> = ["running_mean", "running_var"]
            .into_iter()
            .flat_map(|part| names(part).map(|name| tensors[&name].shallow_clone()).collect::<Vec<_>>())
            .collect();
        if all.is_empty() {
            return Statistics { values: Tensor::zeros([2, 0], (Kind::Float, Device::Cpu)), starts: HashMap::new() };
        }
        let values = no_grad(|| Tensor::cat(&all, 0)).view([2, -1]);
        let mut starts = HashMap::new();
        let mut start = 0;
        for layer in &layers {
            let channels = tensors[&format!("{layer}.running_mean")].size()[0];
            for (row, part) in [(0, "running_mean"), (1, "running_var")] {
                tensors.insert(format!("{layer}.{part}"), values.select(0, row).narrow(0, start, channels));
            }
            starts.insert((*layer).to_owned(), start);
            start += channels;
        }
        Statistics { values, starts }
    }
}

/// A backbone whose layers from `frozen_layers` on train.
pub struct Network {
    pub(super) shared: Rc<Shared>,
    tensors: HashMap<String, Tensor>,
    /// What stands for a parameter in passes that losses are differentiated through.
    leaves: HashMap<String, Tensor>,
    pub(super) frozen_layers: u32,
    pub(super) statistics: Statistics,
    /// As [`Shared::folded`], of convolutions whose normalization trains: only where nothing trains any more.
    pub(super) folds: HashMap<String, (Tensor, Tensor)>,
}

impl Network {
    /// As it is now, for inference alone: its normalizations are folded once, and not for each batch.
    pub fn evaluated(&self) -> Network {
        let shared = &self.shared;
        let copied = |(name, tensor): (&String, &Tensor)| (name.clone(), tensor.shallow_clone());
        let layers = shared.architecture.layers();
        let trained = layers.windows(2).filter(|pair| {
            matches!(pair[1].kind, LayerKind::BatchNormalization { .. }) && pair[1].index >= self.frozen_layers
        });
        let folds = trained.map(|pair| {
            let (convolution, normalization) = (&pair[0].name, &pair[1].name);
            (convolution.clone(), no_grad(|| self.fold(convolution, normalization)))
        });
        Network {
            shared: Rc::clone(shared),
            tensors: self.tensors.iter().map(copied).collect(),
            leaves: self.leaves.iter().map(copied).collect(),
            frozen_layers: self.frozen_layers,
            statistics: Statistics {
                values: self.statistics.values.shallow_clone(),
                starts: self.statistics.starts.clone(),
            },
            folds: folds.collect(),
        }
    }

    /// A convolution that trains with the normalization behind it, as they are now: weight and bias.
    pub(super) fn fold(&self, convolution: &str, normalization: &str) -> (Tensor, Tensor) {
        let part = |part: &str| self.tensor(&format!("{normalization}.{part}")).shallow_clone();
        let weight = self.tensor(&format!("{convolution}.weight"));
        let (weight, bias) = folded(weight, part, self.shared.conventions.epsilon);
        (weight.to_kind(self.shared.kind), bias.to_kind(self.shared.kind))
    }

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

    /// Has passes take these in the place of the parameters: equal to them, in the type that they are needed in.
    pub fn differentiate_by(&mut self, leaves: impl IntoIterator<Item = (String, Tensor)>) {
        self.leaves.extend(leaves);
    }

    /// What passes take for the parameter called `name`, in this type.
    pub(super) fn leaf(&self, name: &str, kind: Kind) -> Tensor {
        self.leaves.get(name).unwrap_or_else(|| self.tensor(name)).to_kind(kind)
    }

    /// Type that passes need the parameter called `name` in: normalizations compute in float32, whatever the others do.
    pub fn kind_of(&self, name: &str) -> Kind {
        let layer = name.rsplit_once('.').map_or(name, |(layer, _)| layer);
        let is_convolution = self.tensor(&format!("{layer}.weight")).dim() == 4;
        if is_convolution { self.shared.kind } else { Kind::Float }
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
