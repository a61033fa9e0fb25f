//! Pixels and padding as a library's [conventions](Conventions) have them.

use super::tensors::channels_last;
use frostline_assets::layout::Conventions;
use tch::{Device, Kind, Tensor};

/// Pixels, `[batch, 3, h, w]` of any type in 0..=255, as the network wants them: `[batch, 3, size, size]`, resized
/// bilinearly with half-pixel centres and without antialiasing, scaled, channels-last.
pub fn prepare(conventions: &Conventions, pixels: &Tensor, size: i64, device: Device, kind: Kind) -> Tensor {
    let mut images = pixels.to_device(device).to_kind(Kind::Float);
    if images.size()[2..] != [size, size] {
        images = images.upsample_bilinear2d([size, size], false, None, None);
    }
    let channel = |values: [f64; 3]| Tensor::from_slice(&values.map(|value| value as f32)).view([1, 3, 1, 1]);
    let images = images - channel(conventions.mean).to_device(device);
    channels_last(&(images / channel(conventions.deviation).to_device(device))).to_kind(kind)
}

/// TensorFlow's "same" padding of one side of `input` pixels: before and after.
///
/// The output has `ceil(input / stride)` pixels; what is missing for the last of them is split, the larger half after.
pub fn same_padding(input: i64, kernel: i64, stride: i64) -> (i64, i64) {
    let output = (input + stride - 1) / stride;
    let total = ((output - 1) * stride + kernel - input).max(0);
    (total / 2, total - total / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_depends_on_the_size() {
        assert_eq!(same_padding(32, 3, 2), (0, 1), "even: nothing before");
        assert_eq!(same_padding(33, 3, 2), (1, 1), "odd: both sides");
        assert_eq!(same_padding(32, 5, 2), (1, 2));
        assert_eq!(same_padding(32, 3, 1), (1, 1));
        assert_eq!(same_padding(1, 1, 1), (0, 0));
    }

    #[test]
    fn a_resized_edge_has_half_pixel_centres() {
        let row = Tensor::from_slice(&[0.0f32, 100.0]).view([1, 1, 1, 2]).expand([1, 3, 2, 2], false);
        let architecture = frostline_sweep::backbone::find("efficientnet_v2_s").unwrap();
        let prepared = prepare(&Conventions::keras(architecture), &row, 4, Device::Cpu, Kind::Float);
        let values = Vec::<f32>::try_from(prepared.select(0, 0).select(0, 0).select(0, 0).contiguous()).unwrap();
        let expected = [0.0, 25.0, 75.0, 100.0].map(|pixel: f32| pixel / 128.0 - 1.0);
        assert_eq!(values, expected);
    }
}
