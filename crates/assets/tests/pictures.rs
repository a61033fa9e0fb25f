//! Pictures in every format and shape, held against what Pillow makes of them (`scripts/goldens/pictures.py`).

#![expect(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use frostline_assets::picture;
use frostline_sweep::dataset::{Fit, Pictures};
use std::fs;
use std::path::Path;

const SIDE: u32 = 24;

/// Mean and largest difference of a picture from Pillow's, in steps of 255.
fn differences(folder: &Path, name: &str, fit: Fit) -> (f64, u8) {
    let found = picture::read(&folder.join(name), Some(Pictures { side: SIDE, fit })).unwrap();
    let golden = folder.join(format!("{name}.{}.png", fit.name()));
    // Of this size already, so that it is only decoded.
    let expected = picture::read(&golden, Some(Pictures { side: SIDE, fit: Fit::Stretch })).unwrap();
    assert_eq!(found.len(), expected.len());
    let differences: Vec<u8> = found.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).collect();
    let mean = differences.iter().map(|&step| f64::from(step)).sum::<f64>() / differences.len() as f64;
    (mean, differences.into_iter().max().unwrap())
}

#[test]
fn every_format_and_fit_is_as_pillow_has_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures");
    let mut checked = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.matches('.').count() > 1 {
            continue;
        }
        // Decoders of JPEG differ in how they round and how they enlarge the colours of 4:2:0.
        let (mean_bound, most) = match name.as_str() {
            "half.jpg" => (0.36, 2),
            _ if name.ends_with(".jpg") => (0.3, 3),
            _ => (0.3, 1),
        };
        for fit in Fit::ALL {
            // Less than half a pixel high: Pillow leaves nothing of it, and here it stays a line.
            if name == "flat.png" && fit == Fit::Pad {
                continue;
            }
            let (mean, largest) = differences(&folder, &name, fit);
            checked += 1;
            if mean > mean_bound || largest > most {
                wrong.push(format!("{name} {}: {mean:.3} on average, {largest} at most", fit.name()));
            }
        }
    }
    assert_eq!(checked, 17 * 3 - 1);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
