//! Shapes: a data set that the program draws itself, for trying things out where there is no data.
//!
//! Ten classes of 32 x 32 colour images, varied in position, size, rotation, colour, background, distractors and noise,
//! with classes that resemble each other (pentagon, hexagon and disc; cross and star), so that a frozen pretrained
//! network is neither lost nor perfect. Image i of a split depends on nothing but the split and i.

use super::{Counts, DataError, Images, Published, SIDE, Say, Source, Splits, Survey, Wanted};
use frostline_sweep::trial::DataSpec;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::f32::consts::{PI, TAU};
use std::path::Path;

/// Raised with every change of what is drawn: part of the identity of trials that use it.
const VERSION: u32 = 1;

const TRAIN_IMAGES: usize = 4000;
const TEST_IMAGES: usize = 1000;

/// In the order of the labels.
const CLASSES: [&str; 10] =
    ["disc", "ring", "square", "triangle", "pentagon", "hexagon", "star", "cross", "crescent", "bars"];

static PUBLISHED: Published = Published {
    counts: Counts { train: TRAIN_IMAGES as u64, validation: 0, test: TEST_IMAGES as u64 },
    classes: &CLASSES,
};

pub struct Shapes;

impl Source for Shapes {
    fn published(&self) -> Option<&'static Published> {
        Some(&PUBLISHED)
    }

    fn survey(&self, _: &Wanted, _: Say) -> Result<Survey, DataError> {
        Ok(Survey::plain(digest(), PUBLISHED.counts, CLASSES))
    }

    fn load(&self, _: &DataSpec, _: Option<&Path>) -> Result<Splits, DataError> {
        Ok(load())
    }
}

/// What stands for the digest of files.
pub fn digest() -> String {
    format!("shapes-v{VERSION}")
}

/// Draws 4,000 training and 1,000 test images, classes in turn.
pub fn load() -> Splits {
    let split = |number: u64, count: usize| {
        let labels = (0..count).map(|index| (index % CLASSES.len()) as u16).collect();
        Images::in_order(labels, (0..count).flat_map(|index| draw(number, index)).collect())
    };
    Splits {
        train: split(0, TRAIN_IMAGES),
        own_validation: 0,
        test: split(1, TEST_IMAGES),
        class_names: CLASSES.map(str::to_owned).to_vec(),
        side: SIDE,
    }
}

type Point = [f32; 2];
type Colour = [f32; 3];

fn draw(split: u64, index: usize) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64(u64::from(VERSION) << 48 | split << 40 | index as u64);
    let random = &mut random;
    let mut canvas = background(random);
    for _ in 0..random.random_range(0..3) {
        distract(random, &mut canvas);
    }
    let radius = random.random_range(5.0..13.0f32);
    let free = SIDE as f32 - 2.0 * radius;
    let centre = [0, 1].map(|_| radius + free * random.random::<f32>());
    let (angle, squash) = (random.random_range(0.0..TAU), random.random_range(0.8..1.0f32));
    let colour = contrasting(random, &canvas, centre);
    let second = mix(colour, [0.5; 3], random.random_range(0.0..0.5));
    let class = index % CLASSES.len();
    let shade = random.random_range(-0.3..0.3f32);
    paint(&mut canvas, |[x, y]| {
        let (dx, dy) = (x - centre[0], (y - centre[1]) / squash);
        let (sin, cos) = angle.sin_cos();
        let local = [(dx * cos + dy * sin) / radius, (dy * cos - dx * sin) / radius];
        let shaded = (local[0] * shade).clamp(-0.3, 0.3);
        (distance(class, local) * radius, mix(colour, second, 0.5).map(|part| part + shaded))
    });
    let noise = random.random_range(0.01..0.10f32);
    let noisy = |part: f32, random: &mut ChaCha8Rng| {
        // Sum of uniforms: near enough to a normal distribution.
        let wave: f32 = (0..4).map(|_| random.random::<f32>() - 0.5).sum::<f32>() * 1.7;
        ((part + noise * wave).clamp(0.0, 1.0) * 255.0).round() as u8
    };
    let mut pixels = vec![0; 3 * SIDE * SIDE];
    for (place, colour) in canvas.iter().enumerate() {
        for (channel, &part) in colour.iter().enumerate() {
            pixels[channel * SIDE * SIDE + place] = noisy(part, random);
        }
    }
    pixels
}

/// Signed distance to the shape's edge, negative inside, in a frame where the shape has radius 1.
/// Polygons and stars by folding the angle; Quilez, "2D distance functions".
fn distance(class: usize, [x, y]: Point) -> f32 {
    let length = x.hypot(y);
    let polygon = |corners: f32| {
        let step = TAU / corners;
        let angle = (y.atan2(x) / step + 0.5).floor() * step - y.atan2(x);
        length * angle.cos() - (PI / corners).cos()
    };
    let rectangle = |width: f32, height: f32| (x.abs() - width).max(y.abs() - height);
    match class {
        0 => length - 0.95,
        1 => (length - 0.72).abs() - 0.22,
        2 => rectangle(0.75, 0.75),
        3 => polygon(3.0),
        4 => polygon(5.0),
        5 => polygon(6.0),
        6 => {
            // Five points: the edge runs between an outer and an inner corner.
            let step = TAU / 5.0;
            let folded = (y.atan2(x).rem_euclid(step) - step / 2.0).abs();
            let (px, py) = (length * (step / 2.0 - folded).cos(), length * (step / 2.0 - folded).sin());
            let (inner_x, inner_y) = (0.42 * (step / 2.0).cos(), 0.42 * (step / 2.0).sin());
            let (edge_x, edge_y) = (inner_x - 1.0, inner_y);
            ((px - 1.0) * edge_y - py * edge_x) / edge_x.hypot(edge_y)
        }
        7 => rectangle(0.95, 0.28).min(rectangle(0.28, 0.95)),
        8 => (length - 0.95).max(0.8 - (x - 0.5).hypot(y)),
        _ => {
            let bar = ((x + 0.9) / 0.6).rem_euclid(1.0);
            rectangle(0.9, 0.8).max((bar - 0.5).abs() * 0.6 - 0.16)
        }
    }
}

/// Blends what `shape` says of each pixel, (distance in pixels, colour), over the canvas, with a soft edge.
fn paint(canvas: &mut [Colour], shape: impl Fn(Point) -> (f32, Colour)) {
    for (place, pixel) in canvas.iter_mut().enumerate() {
        let (distance, colour) = shape([(place % SIDE) as f32 + 0.5, (place / SIDE) as f32 + 0.5]);
        *pixel = mix(*pixel, colour, (0.5 - distance).clamp(0.0, 1.0));
    }
}

/// A gradient between two colours with waves over it.
fn background(random: &mut ChaCha8Rng) -> Vec<Colour> {
    let (from, to) = (colour(random), colour(random));
    let angle = random.random_range(0.0..TAU);
    let (frequency, strength) = (random.random_range(0.2..1.2f32), random.random_range(0.0..0.12f32));
    let phase = random.random_range(0.0..TAU);
    (0..SIDE * SIDE)
        .map(|place| {
            let (x, y) = ((place % SIDE) as f32 / SIDE as f32, (place / SIDE) as f32 / SIDE as f32);
            let along = (x - 0.5) * angle.cos() + (y - 0.5) * angle.sin();
            let across = (y - 0.5) * angle.cos() - (x - 0.5) * angle.sin();
            let wave = strength * (across * frequency * SIDE as f32 + phase).sin();
            mix(from, to, along + 0.5).map(|part| (part + wave).clamp(0.0, 1.0))
        })
        .collect()
}

/// A thin line or a speck that belongs to no class.
fn distract(random: &mut ChaCha8Rng, canvas: &mut [Colour]) {
    let side = SIDE as f32;
    let [x, y, angle] = [side, side, TAU].map(|end| random.random_range(0.0..end));
    let (length, width) = (random.random_range(1.0..12.0f32), random.random_range(0.4..1.2f32));
    let colour = colour(random);
    paint(canvas, |point| {
        let (dx, dy) = (point[0] - x, point[1] - y);
        let along = (dx * angle.cos() + dy * angle.sin()).clamp(0.0, length);
        ((dx - along * angle.cos()).hypot(dy - along * angle.sin()) - width, colour)
    });
}

fn colour(random: &mut ChaCha8Rng) -> Colour {
    [0; 3].map(|_| random.random::<f32>())
}

/// A colour that can be told from what lies at this point, sometimes barely.
fn contrasting(random: &mut ChaCha8Rng, canvas: &[Colour], at: Point) -> Colour {
    let ground = canvas[(at[1] as usize).min(SIDE - 1) * SIDE + (at[0] as usize).min(SIDE - 1)];
    let wanted = random.random_range(0.25..0.7f32);
    loop {
        let candidate = colour(random);
        let apart = candidate.iter().zip(ground).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
        if apart >= wanted {
            return candidate;
        }
    }
}

fn mix(from: Colour, to: Colour, share: f32) -> Colour {
    std::array::from_fn(|part| from[part] + (to[part] - from[part]) * share.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_depends_on_its_split_and_index_only() {
        assert_eq!(draw(0, 17), draw(0, 17));
        assert_ne!(draw(0, 17), draw(1, 17));
        assert_ne!(draw(0, 17), draw(0, 27), "same class, another picture");
    }

    #[test]
    fn the_drawing_never_changes_under_one_version() {
        let mut hasher = blake3::Hasher::new();
        (0..20).for_each(|index| {
            hasher.update(&draw(0, index));
        });
        // A new value here needs a new `VERSION`.
        assert_eq!(&hasher.finalize().to_hex()[..16], "1f1c23be1a696f57");
    }

    #[test]
    fn classes_take_turns_and_every_shape_covers_some_pixels() {
        let splits = load();
        assert_eq!(splits.test.labels[..11], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]);
        assert_eq!(splits.train.pixels.len(), TRAIN_IMAGES * 3 * SIDE * SIDE);
        for (class, name) in CLASSES.iter().enumerate() {
            let inside = (0..400).filter(|i| {
                let point = [(i % 20) as f32 / 10.0 - 1.0, (i / 20) as f32 / 10.0 - 1.0];
                distance(class, point) < 0.0
            });
            let covered = inside.count();
            assert!((60..330).contains(&covered), "{name} covers {covered} of 400");
        }
    }
}
