//! Random views of images: shifted, mirrored, recoloured, or by RandAugment. Which view an image has follows from the data's
//! digest, the image's number and the view's number alone, so what is computed of it can be kept as that of the image itself.
//!
//! Sources: shifts with reflected edges of an eighth, and mirroring half of the time, are those of Zagoruyko and Komodakis, "Wide
//! Residual Networks" (2016); changes of brightness, contrast and saturation by up to 0.4 in random order are torchvision's
//! `ColorJitter` with the values of ResNet's reference training; RandAugment is Cubuk et al. (2019), with torchvision's fourteen
//! operations on 31 magnitudes, two of them an image. Pixel by pixel the operations are torchvision's on Pillow's pictures.

mod draw;
mod ops;
mod turn;

use draw::Draw;
use frostline_sweep::trial::Policy;

/// Part of a side by which an image is shifted at most.
const SHIFT: u32 = 8;
/// Changes of brightness, contrast and saturation.
const JITTER: f64 = 0.4;
/// Operations of RandAugment that an image goes through.
const OPERATIONS: usize = 2;

/// How the images of a data set are seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    policy: Policy,
    digest: String,
}

impl Viewer {
    /// For the images of the data that `digest` identifies.
    pub fn new(policy: Policy, digest: &str) -> Viewer {
        Viewer { policy, digest: digest.to_owned() }
    }

    /// Makes a view of an image: `pixels` are `[3, side, side]`, red first. View 0 is the image as it is.
    pub fn see(&self, pixels: &mut [u8], side: usize, image: u32, view: u32) {
        if view == 0 {
            return;
        }
        let mut draw = Draw::new(&self.digest, image, view);
        let most = side as u32 / SHIFT;
        let mut shift = || i64::from(draw.below(2 * most + 1)) - i64::from(most);
        let (right, down) = (shift(), shift());
        turn::shift(pixels, side, right, down);
        if draw.coin() {
            turn::mirror(pixels, side);
        }
        match self.policy {
            Policy::Crop => {}
            Policy::Color => jitter(&mut draw, pixels),
            Policy::Randaugment { magnitude } => {
                for _ in 0..OPERATIONS {
                    let operation = Operation::ALL[draw.below(Operation::ALL.len() as u32) as usize];
                    // Drawn whether it has a sign or not, so that what follows does not depend on it.
                    operation.apply(pixels, side, magnitude, draw.coin());
                }
            }
        }
    }
}

fn jitter(draw: &mut Draw, pixels: &mut [u8]) {
    let mut left: Vec<fn(&mut [u8], f32)> = vec![ops::brightness, ops::contrast, ops::saturation];
    while !left.is_empty() {
        let change = left.swap_remove(draw.below(left.len() as u32) as usize);
        change(pixels, (1.0 - JITTER + 2.0 * JITTER * draw.share()) as f32);
    }
}

/// RandAugment's, in torchvision's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
}

impl Operation {
    pub const ALL: [Operation; 14] = [
        Operation::Identity,
        Operation::ShearX,
        Operation::ShearY,
        Operation::TranslateX,
        Operation::TranslateY,
        Operation::Rotate,
        Operation::Brightness,
        Operation::Color,
        Operation::Contrast,
        Operation::Sharpness,
        Operation::Posterize,
        Operation::Solarize,
        Operation::AutoContrast,
        Operation::Equalize,
    ];

    /// As strong as `magnitude` of 0 to 30 says, the other way where it is `negative` and there are two ways.
    pub fn apply(self, pixels: &mut [u8], side: usize, magnitude: u32, negative: bool) {
        let strength = |most: f32| {
            let strength = scaled(most, magnitude);
            f64::from(if negative { -strength } else { strength })
        };
        let factor = || (1.0 + strength(0.9)) as f32;
        let pixels_moved = || strength((150.0 / 331.0 * side as f64) as f32) as i64;
        match self {
            Operation::Identity => {}
            Operation::ShearX => turn::shear(pixels, side, strength(0.3), 0.0),
            Operation::ShearY => turn::shear(pixels, side, 0.0, strength(0.3)),
            Operation::TranslateX => turn::translate(pixels, side, pixels_moved(), 0),
            Operation::TranslateY => turn::translate(pixels, side, 0, pixels_moved()),
            Operation::Rotate => turn::rotate(pixels, side, strength(30.0)),
            Operation::Brightness => ops::brightness(pixels, factor()),
            Operation::Color => ops::saturation(pixels, factor()),
            Operation::Contrast => ops::contrast(pixels, factor()),
            Operation::Sharpness => ops::sharpness(pixels, side, factor()),
            Operation::Posterize => {
                ops::posterize(pixels, 8 - (magnitude.min(MAGNITUDES) as f32 / 7.5).round() as u32)
            }
            Operation::Solarize => ops::solarize(pixels, 255.0 - scaled(255.0, magnitude)),
            Operation::AutoContrast => ops::auto_contrast(pixels),
            Operation::Equalize => ops::equalize(pixels),
        }
    }
}

/// The largest magnitude.
pub const MAGNITUDES: u32 = 30;

/// As `torch.linspace(0, most, 31)` has it.
fn scaled(most: f32, magnitude: u32) -> f32 {
    let (step, magnitude) = (most / MAGNITUDES as f32, magnitude.min(MAGNITUDES));
    if magnitude <= MAGNITUDES / 2 { step * magnitude as f32 } else { most - step * (MAGNITUDES - magnitude) as f32 }
}

#[cfg(test)]
mod tests;
