//! A picture as a square of any size: resized bilinearly with anti-aliasing, as Pillow's `ImageOps.fit`, `ImageOps.pad` and
//! `Image.resize` with `BILINEAR` do it.

use super::decode::Decoded;
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, ImageBufferError, PixelType, ResizeAlg, ResizeError, ResizeOptions, Resizer};
use frostline_sweep::dataset::{Fit, Pictures};

#[derive(Debug, thiserror::Error)]
pub(super) enum FitError {
    #[error(transparent)]
    Buffer(#[from] ImageBufferError),
    #[error(transparent)]
    Resize(#[from] ResizeError),
}

/// `[3, side, side]`, upright.
pub(super) fn fitted(picture: &Decoded, Pictures { side, fit }: Pictures) -> Result<Vec<u8>, FitError> {
    let Decoded { rgb, width, height, turn } = picture;
    let side = side as usize;
    let (across, down) = match fit {
        Fit::Crop | Fit::Stretch => (side, side),
        Fit::Pad => contained(*width, *height, side),
    };
    let resized;
    let pixels: &[u8] = if (across, down) == (*width, *height) {
        rgb
    } else {
        let from = ImageRef::new(*width as u32, *height as u32, rgb, PixelType::U8x3)?;
        let mut to = Image::new(across as u32, down as u32, PixelType::U8x3);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        let options = if fit == Fit::Crop { options.fit_into_destination(None) } else { options };
        Resizer::new().resize(&from, &mut to, &options)?;
        resized = to.into_vec();
        &resized
    };
    // Bars, where it does not fill the square, are black.
    let mut planes = vec![0; 3 * side * side];
    let (wide, high) = turn.size(across, down);
    let (left, top) = (before(side - wide), before(side - high));
    for y in 0..high {
        for x in 0..wide {
            let (from_x, from_y) = turn.place(x, y, across, down);
            let from = &pixels[(from_y * across + from_x) * 3..][..3];
            for (channel, &part) in from.iter().enumerate() {
                planes[(channel * side + top + y) * side + left + x] = part;
            }
        }
    }
    Ok(planes)
}

/// Width and height with which the picture just fits into the square.
fn contained(width: usize, height: usize, side: usize) -> (usize, usize) {
    let scaled = |short: usize, long: usize| {
        let exact = short as f64 / long as f64 * side as f64;
        (exact.round_ties_even() as usize).clamp(1, side)
    };
    if width >= height { (side, scaled(height, width)) } else { (scaled(width, height), side) }
}

/// Pixels before the picture of so many that it leaves free: half, to even, as Python rounds.
fn before(free: usize) -> usize {
    (free as f64 * 0.5).round_ties_even() as usize
}
