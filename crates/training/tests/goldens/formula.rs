//! The numbers of `scripts/goldens/formula.py`, which says how they come about.

const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}

/// The stream called `name`, in `[0, 1)`.
pub fn uniform(name: &str) -> impl Iterator<Item = f64> {
    let start = fnv1a(name);
    (1..).map(move |i: u64| {
        let mut z = start.wrapping_add(i.wrapping_mul(GAMMA));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 11) as f64 * 2f64.powi(-53)
    })
}

/// The parameter `layer.part`.
pub fn weight(name: &str, shape: &[i64]) -> Vec<f32> {
    let count = shape.iter().product::<i64>() as usize;
    let stream = uniform(name).take(count);
    let (layer, part) = name.rsplit_once('.').unwrap_or_default();
    match (shape.len(), part) {
        (4, _) => {
            let bound = 2.2 / (shape[1..].iter().product::<i64>() as f64).sqrt();
            stream.map(|u| ((2.0 * u - 1.0) * bound) as f32).collect()
        }
        (_, "weight") if is_added(layer) => stream.map(|u| (0.35 * (0.5 + u)) as f32).collect(),
        (_, "weight" | "running_var") => stream.map(|u| (0.5 + u) as f32).collect(),
        _ => stream.map(|u| ((2.0 * u - 1.0) * 0.1) as f32).collect(),
    }
}

fn is_added(layer: &str) -> bool {
    layer.split_once('_').is_some_and(|(block, rest)| rest == "project_bn" && !block.ends_with('a'))
}

/// Whole numbers in 0..=255.
pub fn pixels(name: &str, count: usize) -> Vec<f32> {
    uniform(name).take(count).map(|u| (u * 256.0).floor() as f32).collect()
}

/// All of `values` where there are at most `most`, else as many from drawn places.
pub fn sample(values: Vec<f32>, most: usize) -> Vec<f32> {
    if values.len() <= most {
        return values;
    }
    uniform("sample").take(most).map(|u| values[(u * values.len() as f64) as usize]).collect()
}
