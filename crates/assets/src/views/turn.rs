//! Where pixels go: shifts, mirrors, and Pillow's affine transforms by the nearest pixel, in its fixed-point arithmetic. Pixels
//! are `[3, side, side]`. What comes from outside of an image is black, unless it is said otherwise.

use std::f64::consts::PI;

/// Takes each pixel from where `from` says, of (x, y).
fn taken(pixels: &mut [u8], side: usize, from: impl Fn(i64, i64) -> Option<(usize, usize)>) {
    let before = pixels.to_vec();
    let area = side * side;
    for y in 0..side {
        for x in 0..side {
            let source = from(x as i64, y as i64).map(|(x, y)| y * side + x);
            for channel in 0..3 {
                pixels[channel * area + y * side + x] = source.map_or(0, |place| before[channel * area + place]);
            }
        }
    }
}

fn inside(side: usize, x: i64, y: i64) -> Option<(usize, usize)> {
    let within = |at: i64| usize::try_from(at).ok().filter(|at| *at < side);
    Some((within(x)?, within(y)?))
}

/// Moves an image by less than its side; its own reflection comes after it, without its last pixel once more.
pub(super) fn shift(pixels: &mut [u8], side: usize, right: i64, down: i64) {
    let last = side as i64 - 1;
    let reflected = |at: i64| (last - (last - at.abs()).abs()) as usize;
    taken(pixels, side, |x, y| Some((reflected(x - right), reflected(y - down))));
}

/// Left to right.
pub(super) fn mirror(pixels: &mut [u8], side: usize) {
    pixels.chunks_exact_mut(side).for_each(<[u8]>::reverse);
}

pub(super) fn translate(pixels: &mut [u8], side: usize, right: i64, down: i64) {
    taken(pixels, side, |x, y| inside(side, x - right, y - down));
}

/// By tangents, about the first corner.
pub(super) fn shear(pixels: &mut [u8], side: usize, along_x: f64, along_y: f64) {
    // By way of an angle in degrees, as torchvision has it.
    let tangent = |of: f64| of.atan().to_degrees().to_radians().tan();
    affine(pixels, side, [1.0, tangent(along_x), 0.0, tangent(along_y), 1.0, 0.0]);
}

/// Counterclockwise, about the middle.
pub(super) fn rotate(pixels: &mut [u8], side: usize, degrees: f64) {
    if degrees == 0.0 {
        return;
    }
    let angle = -(degrees.rem_euclid(360.0) * PI / 180.0);
    let (cos, sin, middle) = (angle.cos(), angle.sin(), side as f64 / 2.0);
    let (x, y) = (middle - cos * middle - sin * middle, middle + sin * middle - cos * middle);
    affine(pixels, side, [cos, sin, x, -sin, cos, y]);
}

/// Each pixel (x, y) from (a x + b y + c, d x + e y + f), as Pillow's `affine_fixed` finds it.
fn affine(pixels: &mut [u8], side: usize, [a, b, c, d, e, f]: [f64; 6]) {
    let fixed = |value: f64| (value * 65_536.0 + 0.5).floor() as i64;
    let (across, down) = ((fixed(a), fixed(d)), (fixed(b), fixed(e)));
    let first = (fixed(c + 0.5 * a + 0.5 * b), fixed(f + 0.5 * d + 0.5 * e));
    taken(pixels, side, |x, y| {
        let at = |first: i64, across: i64, down: i64| (first + x * across + y * down) >> 16;
        inside(side, at(first.0, across.0, down.0), at(first.1, across.1, down.1))
    });
}
