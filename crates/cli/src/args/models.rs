//! What can be asked about networks, their weights and trained models.

use super::json::Json;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Fetch {
    /// Name in the catalogue
    pub(crate) name: Option<String>,
    /// Where it cannot be downloaded, a line says so instead of an error, with exit code 1
    #[arg(long, requires = "name")]
    pub(crate) optional: bool,
}

#[derive(Subcommand)]
pub(crate) enum Weights {
    /// Say a file's format, network and origin, and what is missing or unexpected
    #[command(after_help = "Example:\n  frostline weights inspect efficientnetv2-s_notop.h5")]
    Inspect(Inspect),
    /// Write a file's network as safetensors, with torchvision's names for EfficientNetV2 and timm's for Lite
    #[command(after_help = "Example:\n  frostline weights convert efficientnetv2-s_notop.h5 -o keras.safetensors")]
    Convert(Convert),
}

#[derive(Args)]
pub(crate) struct Inspect {
    /// The weights file: PyTorch .pth, safetensors or Keras' .h5
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args)]
pub(crate) struct Convert {
    /// The weights file: PyTorch .pth, safetensors or Keras' .h5
    pub(crate) file: PathBuf,
    /// The file to write, ending in .safetensors
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Args)]
pub(crate) struct Layers {
    /// Name of the network, such as efficientnet_v2_s
    pub(crate) backbone: String,
    /// Height and width of the images in pixels
    #[arg(long, default_value_t = 128, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) size: u32,
    /// Only where blocks end, which is where freezing is cheapest
    #[arg(long)]
    pub(crate) blocks: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args)]
pub(crate) struct Features {
    /// Name of the network, such as efficientnet_v2_s
    #[arg(long)]
    pub(crate) backbone: String,
    /// A weights file, a name of the catalogue, or "random"
    #[arg(long, value_name = "FILE|NAME|random")]
    pub(crate) weights: String,
    /// Folder of CIFAR-10's binary version, "cifar10" for the catalogue's, or "shapes" for images that the program draws
    #[arg(long, value_name = "DIR|cifar10|shapes")]
    pub(crate) data: PathBuf,
    /// Which images
    #[arg(long, value_enum, default_value_t = Split::Test)]
    pub(crate) split: Split,
    /// Only the first images of the split
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
    /// Height and width in pixels that the images are scaled to
    #[arg(long, default_value_t = 128, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(32..=1024))]
    pub(crate) size: u32,
    /// Index of the layer as Keras counts `model.layers` (`frostline layers` lists them), or "last"
    #[arg(long, default_value = "last", value_name = "INDEX|last", value_parser = layer)]
    pub(crate) layer: Layer,
    /// Average over height and width
    #[arg(long)]
    pub(crate) pool: bool,
    /// The file to write, ending in .npy or .safetensors (which holds the classes of the images too)
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Split {
    Train,
    Test,
}

/// None is the last one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layer(pub(crate) Option<u32>);

#[derive(Args)]
pub(crate) struct ExportModel {
    /// The first digits of the trial's id
    #[arg(add = super::complete::trials())]
    pub(crate) trial: String,
    /// The folder to write; created if missing, must be empty
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Whose tensor names; without it, those of the library that runs the network as the weights want it
    #[arg(long, value_enum)]
    pub(crate) layout: Option<Layout>,
    /// The trial's pretrained weights, where they are no longer at the place that its sweep names
    #[arg(long, value_name = "FILE|NAME")]
    pub(crate) weights: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Layout {
    Torchvision,
    Timm,
}

#[derive(Args)]
pub(crate) struct Predict {
    /// The first digits of the trial's id
    #[arg(add = super::complete::trials())]
    pub(crate) trial: String,
    /// Pictures (JPEG, PNG, WebP, BMP, TIFF, GIF); they become squares as those did that the trial was trained on
    #[arg(required = true, value_name = "PICTURE")]
    pub(crate) pictures: Vec<PathBuf>,
    /// The trial's pretrained weights, where they are no longer at the place that its sweep names
    #[arg(long, value_name = "FILE|NAME")]
    pub(crate) weights: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) json: Json,
}

fn layer(text: &str) -> Result<Layer, String> {
    match text {
        "last" => Ok(Layer(None)),
        _ => text.parse().map(|index| Layer(Some(index))).map_err(|_| "write an index or `last`".to_owned()),
    }
}
