//! Views held against what torchvision makes of Pillow's pictures (`scripts/goldens/views.py`), and how they are drawn.

use super::*;
use frostline_sweep::trial::Policy;
use serde::Deserialize;
use std::path::Path;

/// What one square of the sheet is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    what: String,
    side: usize,
    #[serde(default)]
    magnitude: u32,
    #[serde(default)]
    negative: bool,
    #[serde(default)]
    right: i64,
    #[serde(default)]
    down: i64,
    #[serde(default)]
    factor: f32,
}

/// Each square with its pixels, `[3, side, side]`.
fn goldens() -> Vec<(Golden, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/views");
    let sheet = image::open(folder.join("views.png")).unwrap().to_rgb8();
    let rows: Vec<Golden> = serde_json::from_slice(&std::fs::read(folder.join("views.json")).unwrap()).unwrap();
    let mut top = 0;
    let square = |golden: Golden| {
        let side = golden.side;
        let at = |place: usize| {
            let (channel, y, x) = (place / (side * side), place / side % side, place % side);
            sheet.get_pixel(x as u32, (top + y) as u32).0[channel]
        };
        let pixels = (0..3 * side * side).map(at).collect();
        top += side;
        (golden, pixels)
    };
    rows.into_iter().map(square).collect()
}

fn operation(name: &str) -> Option<Operation> {
    Operation::ALL.into_iter().find(|operation| format!("{operation:?}") == name)
}

fn seen(golden: &Golden, scene: &[u8]) -> Vec<u8> {
    let mut pixels = scene.to_vec();
    match (operation(&golden.what), golden.what.as_str()) {
        (Some(operation), _) => operation.apply(&mut pixels, golden.side, golden.magnitude, golden.negative),
        (_, "Scene") => {}
        (_, "Shift") => turn::shift(&mut pixels, golden.side, golden.right, golden.down),
        (_, "Mirror") => turn::mirror(&mut pixels, golden.side),
        (_, "JitterBrightness") => ops::brightness(&mut pixels, golden.factor),
        (_, "JitterContrast") => ops::contrast(&mut pixels, golden.factor),
        (_, "JitterSaturation") => ops::saturation(&mut pixels, golden.factor),
        (_, other) => panic!("{other}"),
    }
    pixels
}

#[test]
fn every_operation_is_as_torchvision_has_it() {
    let goldens = goldens();
    let scene = |side| &goldens.iter().find(|(golden, _)| golden.what == "Scene" && golden.side == side).unwrap().1;
    let mut checked = std::collections::BTreeSet::new();
    let mut wrong = Vec::new();
    for (golden, expected) in &goldens {
        let found = seen(golden, scene(golden.side));
        let most = found.iter().zip(expected).map(|(found, expected)| found.abs_diff(*expected)).max().unwrap();
        let apart = found.iter().zip(expected).filter(|(found, expected)| found != expected).count();
        // A blend in single precision may lie on either side of a whole number; here none does.
        if most > 0 {
            wrong.push(format!("{golden:?}: {apart} pixels differ, by up to {most}"));
        }
        checked.insert(golden.what.clone());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(Operation::ALL.iter().all(|operation| checked.contains(&format!("{operation:?}"))), "{checked:?}");
    assert_eq!(checked.len(), Operation::ALL.len() + 6);
}

fn views(policy: Policy, image: u32, views: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    let scene: Vec<u8> = (0..3 * 16 * 16).map(|place| (place * 37 % 251) as u8).collect();
    let viewer = Viewer::new(policy, "digest");
    let see = |view| {
        let mut pixels = scene.clone();
        viewer.see(&mut pixels, 16, image, view);
        pixels
    };
    views.map(see).collect()
}

#[test]
fn the_first_view_is_the_image_and_others_are_other_ones_each_time_the_same() {
    for policy in [Policy::Crop, Policy::Color, Policy::Randaugment { magnitude: 9 }] {
        let seen = views(policy, 3, 0..9);
        let plain: Vec<u8> = (0..3 * 16 * 16).map(|place| (place * 37 % 251) as u8).collect();
        assert_eq!(seen[0], plain);
        let distinct: std::collections::BTreeSet<&Vec<u8>> = seen.iter().collect();
        assert!(distinct.len() >= 8, "{policy:?}: {}", distinct.len());
        assert_eq!(seen, views(policy, 3, 0..9));
        assert_ne!(seen[1..], views(policy, 4, 0..9)[1..]);
    }
}

/// Kept features and recorded metrics depend on it: a change needs another derivation key, and another meaning of trials. The
/// numbers come from another program's BLAKE3.
#[test]
fn what_is_drawn_never_changes() {
    let mut draw = Draw::new("digest", 7, 2);
    let drawn = [draw.below(1 << 16), draw.below(1 << 16), draw.below(9), u32::from(draw.coin())];
    assert_eq!(drawn, [63_201, 6_072, 8, 0]);
    assert!((draw.share() - 0.005_960_288_923_233_747).abs() < 1e-12);
}

#[test]
fn shifts_and_mirrors_come_as_often_as_they_should() {
    let (mut mirrored, mut shifts) = (0, [0u32; 9]);
    for image in 0..4_000 {
        let mut draw = Draw::new("digest", image, 1);
        shifts[draw.below(9) as usize] += 1;
        draw.below(9);
        mirrored += u32::from(draw.coin());
    }
    // Four standard deviations of a fair coin and a fair die of nine.
    assert!(mirrored.abs_diff(2_000) < 126, "{mirrored}");
    assert!(shifts.iter().all(|count| count.abs_diff(444) < 80), "{shifts:?}");
}
