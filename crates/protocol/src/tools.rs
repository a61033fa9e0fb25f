//! What a command asks of a worker program that it runs for one answer: JSON on standard input, JSON on standard output.

use frostline_sweep::device::Device;
use frostline_sweep::trial::{Precision, TrialSpec};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::path::PathBuf;

/// An error with its causes, each said once: one that shows its source has said all that lies behind it.
pub fn in_words<'e>(causes: impl IntoIterator<Item = &'e (dyn Error + 'static)>) -> String {
    let mut text = String::new();
    for cause in causes {
        let cause = cause.to_string();
        match text.as_str() {
            "" => text = cause,
            said if said.contains(&cause) => break,
            _ => text = format!("{text}: {cause}"),
        }
    }
    text
}

/// A trained model and where its parts lie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelFiles {
    pub spec: TrialSpec,
    /// The pretrained weights; none where they are random.
    pub weights: Option<PathBuf>,
    /// What the trial trained.
    pub model: PathBuf,
}

/// Asks `frostline-worker export` to write `model.safetensors` and `head.safetensors`; answered with [`Exported`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Export {
    pub model: ModelFiles,
    /// None takes the one that fits the weights.
    pub layout: Option<Layout>,
    pub folder: PathBuf,
}

/// The library whose names exported tensors have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    Torchvision,
    Timm,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exported {
    pub layout: Layout,
    /// What that library calls the network.
    pub network: String,
    /// Where a convolution with stride 2 puts its padding: "same" or "symmetric".
    pub padding: String,
    /// Subtracted from pixels in 0..=255, for red, green and blue.
    pub mean: [f64; 3],
    /// Divides what is left.
    pub deviation: [f64; 3],
    /// Added to a batch normalization's variance.
    pub epsilon: f64,
}

/// Asks `frostline-worker classify` for the classes of pictures; answered with [`Classified`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Classify {
    pub model: ModelFiles,
    /// Height and width of each picture in pixels: those of the images that the model was trained on.
    pub side: u32,
    /// `[3, side, side]` of each picture: red, green and blue planes.
    pub pictures: Vec<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Classified {
    /// Of each picture, in the order of the classes.
    pub probabilities: Vec<Vec<f32>>,
}

/// Asks `frostline-worker features` for the output of a layer; answered with [`Features`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Extract {
    pub backbone: String,
    /// None for random weights.
    pub weights: Option<PathBuf>,
    /// CIFAR-10's folder; none for the drawn images.
    pub data: Option<PathBuf>,
    /// The test images, else the training images.
    pub test: bool,
    /// None takes all images.
    pub limit: Option<usize>,
    /// Side in pixels.
    pub size: u32,
    /// None takes the last layer.
    pub layer: Option<u32>,
    /// Averages over height and width.
    pub pool: bool,
    /// Ends in `.npy` or `.safetensors`.
    pub out: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// Keras' index and name of the layer.
    pub layer: u32,
    pub name: String,
    /// `[n, channels, height, width]` or `[n, channels]`.
    pub shape: Vec<i64>,
}

/// Asks `frostline-worker measure` what computing takes; answered with [`frostline_sweep::costs::Costs`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    pub backbone: String,
    /// Side in pixels.
    pub size: u32,
    /// Of the frozen part.
    pub precision: Precision,
    pub device: Device,
    pub threads: u32,
    /// A folder on the disk that features are kept on.
    pub folder: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        let said = |texts: &[&str]| {
            let causes: Vec<Box<dyn Error>> = texts.iter().map(|text| (*text).into()).collect();
            in_words(causes.iter().map(|cause| cause.as_ref()))
        };
        assert_eq!(said(&["cannot write x: no space", "no space"]), "cannot write x: no space");
        assert_eq!(said(&["cannot write x", "no space", "space"]), "cannot write x: no space");
        assert_eq!(said(&[]), "");
    }
}
