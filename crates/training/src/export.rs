//! A trained model for other libraries: their names for the backbone's tensors, and the head as a `Sequential`.

use crate::backbone::{Origin, Padding, slots};
use crate::error::TrainingError;
use crate::model::{Model, values};
use frostline_assets::weights;
use frostline_protocol::tools::{Exported, Layout};
use frostline_sweep::backbone::Architecture;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

impl Model {
    /// Writes `model.safetensors` (the backbone, pretrained and trained tensors together) and `head.safetensors` into
    /// `folder`, float32. Head tensors are named as in PyTorch's `Sequential` of linear layer, ReLU and dropout in turn:
    /// `0.weight`, `0.bias`, `3.weight` and so on.
    ///
    /// A library's network pads one way only, so the layout follows from where the weights came from; `layout` is
    /// refused where it is another.
    ///
    /// # Errors
    /// [`TrainingError::Layout`], and files that cannot be written.
    pub fn export(&self, folder: &Path, layout: Option<Layout>) -> Result<Exported, TrainingError> {
        let architecture = self.backbone().architecture();
        let (layout, network) = fitting(architecture, self.conventions().padding, layout)?;
        let slots = slots(architecture);
        let names =
            origin(layout).tensor_names(architecture, &slots).ok_or_else(|| no_network(layout, architecture))?;
        let table: Vec<_> = names.into_iter().zip(slots.iter().map(|slot| slot.shape.clone())).collect();
        let metadata = |of: &str| BTreeMap::from([("format", "pt".to_owned()), ("content", of.to_owned())]);
        let write = |name: &str, content: &str, table: &[(String, Vec<i64>)], tensor: &dyn Fn(usize) -> Vec<f32>| {
            let path = folder.join(name);
            let written: io::Result<()> =
                weights::write_safetensors(&path, &metadata(content), table, |index| Ok(tensor(index)));
            written.map_err(|source| TrainingError::File { action: "write", path, source })
        };
        let backbone = |index: usize| values(self.network().tensor(&slots[index].name));
        write("model.safetensors", &format!("{network} of {}", origin(layout).name()), &table, &backbone)?;
        let head = self.head_parameters();
        let part = |index: usize| if index.is_multiple_of(2) { "weight" } else { "bias" };
        let in_sequence = |index: usize| format!("{}.{}", index / 2 * 3, part(index));
        let table: Vec<_> =
            head.iter().enumerate().map(|(index, tensor)| (in_sequence(index), tensor.size())).collect();
        write("head.safetensors", "dense head", &table, &|index| values(&head[index]))?;
        let conventions = self.conventions();
        Ok(Exported {
            layout,
            network: network.to_owned(),
            padding: match conventions.padding {
                Padding::Same => "same".to_owned(),
                Padding::Symmetric => "symmetric".to_owned(),
            },
            mean: conventions.mean,
            deviation: conventions.deviation,
            epsilon: conventions.epsilon,
        })
    }
}

/// Whose names these are.
fn origin(layout: Layout) -> Origin {
    match layout {
        Layout::Torchvision => Origin::Torchvision,
        Layout::Timm => Origin::Timm,
    }
}

/// The library that pads as the weights want it, with its name of the network.
fn fitting(
    architecture: &'static Architecture,
    padding: Padding,
    wanted: Option<Layout>,
) -> Result<(Layout, &'static str), TrainingError> {
    let (layout, how) = match padding {
        Padding::Same => (Layout::Timm, "pads as TensorFlow does (\"same\")"),
        Padding::Symmetric => (Layout::Torchvision, "pads symmetrically"),
    };
    if let Some(wanted) = wanted
        && wanted != layout
    {
        return Err(TrainingError::Layout(format!(
            "this trial's pretrained network {how}, and {} does not: its predictions would differ; use --layout {}",
            origin(wanted).name(),
            origin(layout).name()
        )));
    }
    let network = match layout {
        Layout::Torchvision => architecture.torchvision.map(|it| it.name),
        Layout::Timm => Some(architecture.timm),
    };
    Ok((layout, network.ok_or_else(|| no_network(layout, architecture))?))
}

fn no_network(layout: Layout, architecture: &Architecture) -> TrainingError {
    let text = format!("{} has no {} that this trial could be exported to", origin(layout).name(), architecture.name);
    TrainingError::Layout(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_sweep::backbone;

    #[test]
    fn the_layout_follows_from_the_padding() {
        let v2 = backbone::find("efficientnet_v2_s").unwrap();
        let lite = backbone::find("efficientnet_lite0").unwrap();
        assert_eq!(fitting(v2, Padding::Same, None).unwrap(), (Layout::Timm, "tf_efficientnetv2_s"));
        assert_eq!(fitting(v2, Padding::Symmetric, None).unwrap(), (Layout::Torchvision, "efficientnet_v2_s"));
        assert_eq!(fitting(lite, Padding::Same, Some(Layout::Timm)).unwrap().1, "tf_efficientnet_lite0");
        let refused = fitting(v2, Padding::Same, Some(Layout::Torchvision)).unwrap_err().to_string();
        assert!(refused.contains("torchvision does not") && refused.ends_with("--layout timm"), "{refused}");
        let absent = fitting(lite, Padding::Symmetric, None).unwrap_err().to_string();
        assert_eq!(absent, "torchvision has no efficientnet_lite0 that this trial could be exported to");
    }
}
