//! What becomes of colours, as Pillow's `ImageEnhance` and `ImageOps` have it. Pixels are three planes: red, green, blue.

/// Between a plain image and the image itself, or beyond either of them: cut off, as Pillow's `blend` does.
fn blend(plain: u8, pixel: u8, factor: f32) -> u8 {
    let (plain, pixel) = (f32::from(plain), f32::from(pixel));
    (plain + factor * (pixel - plain)).clamp(0.0, 255.0) as u8
}

/// The luminance of each pixel, by ITU-R 601-2 in Pillow's fixed-point arithmetic.
fn grey(pixels: &[u8]) -> Vec<u8> {
    let area = pixels.len() / 3;
    let at = |channel: usize, place: usize| u32::from(pixels[channel * area + place]);
    let grey = |place| (at(0, place) * 19_595 + at(1, place) * 38_470 + at(2, place) * 7_471 + 0x8000) >> 16;
    (0..area).map(|place| grey(place) as u8).collect()
}

pub(super) fn brightness(pixels: &mut [u8], factor: f32) {
    pixels.iter_mut().for_each(|pixel| *pixel = blend(0, *pixel, factor));
}

pub(super) fn saturation(pixels: &mut [u8], factor: f32) {
    let grey = grey(pixels);
    for plane in pixels.chunks_exact_mut(grey.len().max(1)) {
        plane.iter_mut().zip(&grey).for_each(|(pixel, grey)| *pixel = blend(*grey, *pixel, factor));
    }
}

pub(super) fn contrast(pixels: &mut [u8], factor: f32) {
    let grey = grey(pixels);
    let sum: u64 = grey.iter().map(|&pixel| u64::from(pixel)).sum();
    let mean = (sum as f64 / grey.len().max(1) as f64 + 0.5) as u8;
    pixels.iter_mut().for_each(|pixel| *pixel = blend(mean, *pixel, factor));
}

pub(super) fn sharpness(pixels: &mut [u8], side: usize, factor: f32) {
    for plane in pixels.chunks_exact_mut((side * side).max(1)) {
        let before = plane.to_vec();
        // The edge stays as it is.
        for y in 1..side.saturating_sub(1) {
            for x in 1..side - 1 {
                let row = |y: usize| (x - 1..=x + 1).map(|x| u32::from(before[y * side + x])).sum::<u32>();
                let middle = before[y * side + x];
                let sum = row(y - 1) + row(y) + row(y + 1) + 4 * u32::from(middle);
                // Rounded; thirteen has no half.
                let smooth = (2 * sum + 13) / 26;
                plane[y * side + x] = blend(smooth as u8, middle, factor);
            }
        }
    }
}

/// Keeps the highest bits, at most all eight.
pub(super) fn posterize(pixels: &mut [u8], bits: u32) {
    let mask = !((1u32 << 8u32.saturating_sub(bits)) - 1) as u8;
    pixels.iter_mut().for_each(|pixel| *pixel &= mask);
}

/// Inverts what is not below the threshold.
pub(super) fn solarize(pixels: &mut [u8], threshold: f32) {
    let inverted = |pixel: u8| if f32::from(pixel) < threshold { pixel } else { 255 - pixel };
    pixels.iter_mut().for_each(|pixel| *pixel = inverted(*pixel));
}

fn histogram(plane: &[u8]) -> [u64; 256] {
    let mut counts = [0; 256];
    plane.iter().for_each(|&pixel| counts[usize::from(pixel)] += 1);
    counts
}

/// Each channel on its own.
fn by_table(pixels: &mut [u8], table: impl Fn(&[u64; 256]) -> Option<[u8; 256]>) {
    let area = (pixels.len() / 3).max(1);
    for plane in pixels.chunks_exact_mut(area) {
        if let Some(table) = table(&histogram(plane)) {
            plane.iter_mut().for_each(|pixel| *pixel = table[usize::from(*pixel)]);
        }
    }
}

/// Stretches each channel to all of 0 to 255.
pub(super) fn auto_contrast(pixels: &mut [u8]) {
    by_table(pixels, |counts| {
        let low = counts.iter().position(|&count| count > 0)?;
        let high = counts.iter().rposition(|&count| count > 0)?;
        if high <= low {
            return None;
        }
        let scale = 255.0 / (high - low) as f64;
        let offset = -(low as f64) * scale;
        Some(std::array::from_fn(|value| (value as f64 * scale + offset).clamp(0.0, 255.0) as u8))
    });
}

/// Gives each channel as even a distribution as its own values allow.
pub(super) fn equalize(pixels: &mut [u8]) {
    by_table(pixels, |counts| {
        let last = counts.iter().rfind(|&&count| count > 0)?;
        let step = (counts.iter().sum::<u64>() - last) / 255;
        if step == 0 {
            return None;
        }
        let mut sum = step / 2;
        Some(std::array::from_fn(|value| {
            let level = sum / step;
            sum += counts[value];
            level.min(255) as u8
        }))
    });
}
