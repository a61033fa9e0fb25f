//! The output of one layer for the images of a split, written for other programs: `.npy` or safetensors.

use crate::backbone::load_backbone;
use crate::data::{Data, Pool};
use crate::error::TrainingError;
use crate::input::portion;
use crate::model::values;
use frostline_assets::safetensors::{Dtype, Writer, write_f32};
use frostline_protocol::tools::{Extract, Features};
use frostline_sweep::trial::{Augment, DataSpec, Dataset, ModelSpec, Validation, WeightsIdentity};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// Writes the layer's output for the first images of a split, float32 in channels-first order; the format follows from the
/// name's end. A safetensors file holds the images' classes too, as `labels`.
///
/// # Errors
/// A layer that is not there, files that cannot be read or written.
pub fn extract(wanted: &Extract, device: Device) -> Result<Features, TrainingError> {
    let out = wanted.out.as_path();
    let format = Format::of(out)?;
    let backbone = load_backbone(&model(wanted), wanted.weights.as_deref(), device, Kind::Float)?;
    let architecture = backbone.architecture();
    let layers = architecture.layers();
    let last = layers.len() as u32 - 1;
    let layer = wanted.layer.unwrap_or(last);
    if layer > last {
        return Err(TrainingError::NoLayer { layer, backbone: architecture.name, last });
    }
    let data = Data::load(&everything(wanted), wanted.data.as_deref())?;
    let images = data.pool(if wanted.test { Pool::Test } else { Pool::Train });
    let count = wanted.limit.map_or(images.len(), |limit| images.len().min(limit));
    let network = backbone.instance(architecture.layer_count());
    let portion = portion(device);
    let batch = |start: usize| {
        let chosen: Vec<u32> = (start..count.min(start + portion)).map(|index| index as u32).collect();
        let pixels = images.gather(&chosen);
        let output = network.layer_output(&pixels, i64::from(wanted.size), layer, device);
        let pooled = wanted.pool && output.dim() == 4;
        if pooled { output.mean_dim([2i64, 3].as_slice(), false, Kind::Float) } else { output }
    };
    let first = batch(0);
    let shape = [&[count as i64], &first.size()[1..]].concat();
    let written = write(out, format, &shape, &images.labels[..count], || {
        std::iter::once(first).chain((portion..count).step_by(portion).map(batch))
    });
    written.map_err(|source| TrainingError::File { action: "write", path: out.to_owned(), source })?;
    Ok(Features { layer, name: layers[layer as usize].name.clone(), shape })
}

/// Which weights they are is decided by the file, not by its digest.
fn model(wanted: &Extract) -> ModelSpec {
    let weights = match wanted.weights {
        None => WeightsIdentity::Random,
        Some(_) => WeightsIdentity::File(String::new()),
    };
    ModelSpec { backbone: wanted.backbone.clone(), weights }
}

/// The data set without any limit; what does not concern its images is left at its default.
fn everything(wanted: &Extract) -> DataSpec {
    DataSpec {
        dataset: if wanted.data.is_some() { Dataset::Cifar10 } else { Dataset::Shapes },
        digest: String::new(),
        validation: Validation::Test,
        image_size: wanted.size,
        augment: Augment::None,
        train_limit: None,
        test_limit: None,
        pictures: None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Npy,
    Safetensors,
}

impl Format {
    fn of(out: &Path) -> Result<Format, TrainingError> {
        match out.extension().and_then(|extension| extension.to_str()) {
            Some("npy") => Ok(Format::Npy),
            Some("safetensors") => Ok(Format::Safetensors),
            _ => {
                let source = io::Error::new(io::ErrorKind::InvalidInput, "its name must end in .npy or .safetensors");
                Err(TrainingError::File { action: "write", path: out.to_owned(), source })
            }
        }
    }
}

/// <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>, version 1.0: data begin at a multiple of 64.
fn npy_header(shape: &[i64]) -> Vec<u8> {
    let shape = shape.iter().map(|size| format!("{size},")).collect::<String>();
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}");
    let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
    text.extend(std::iter::repeat_n(' ', length - text.len() - 1));
    text.push('\n');
    [b"\x93NUMPY\x01\x00", &(length as u16).to_le_bytes()[..], text.as_bytes()].concat()
}

/// Writes beside `out`, then renames.
fn write<I: Iterator<Item = Tensor>>(
    out: &Path,
    format: Format,
    shape: &[i64],
    labels: &[u16],
    batches: impl FnOnce() -> I,
) -> io::Result<()> {
    let mut aside = out.as_os_str().to_owned();
    aside.push(".writing");
    let aside = PathBuf::from(aside);
    let mut file = BufWriter::with_capacity(1 << 20, File::create(&aside)?);
    let mut batches = batches().map(|batch| values(&batch));
    let fill = || match format {
        Format::Npy => {
            file.write_all(&npy_header(shape))?;
            batches.try_for_each(|values| write_f32(&mut file, &values))?;
            file.flush()
        }
        Format::Safetensors => {
            let tensors = [
                ("features".to_owned(), Dtype::F32, shape.to_owned()),
                ("labels".to_owned(), Dtype::I64, vec![shape[0]]),
            ];
            let mut file = Writer::begin(file, 8, &BTreeMap::new(), &tensors)?;
            batches.try_for_each(|values| write_f32(&mut file, &values))?;
            labels.iter().try_for_each(|&label| file.write_all(&i64::from(label).to_le_bytes()))?;
            file.finish()?.flush()
        }
    };
    let written = fill().and_then(|()| fs::rename(&aside, out));
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_npy_header_is_aligned_and_names_the_shape() {
        for shape in [&[8, 1280][..], &[1, 2, 3, 4], &[50_000, 1280, 4, 4]] {
            let header = npy_header(shape);
            assert_eq!(header.len() % 64, 0);
            assert_eq!(usize::from(u16::from_le_bytes([header[8], header[9]])), header.len() - 10);
            assert_eq!(header.last(), Some(&b'\n'));
        }
        let text = String::from_utf8_lossy(&npy_header(&[8, 1280])[10..]).into_owned();
        assert!(text.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (8,1280,), }"), "{text}");
    }
}
