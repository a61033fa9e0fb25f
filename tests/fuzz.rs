//! Readers of what others wrote, on inputs of a kept corpus with changes drawn from a seed: a fuzzer that always does the
//! same, and so is a test. `FROSTLINE_FUZZ_ROUNDS` asks for more, `FROSTLINE_FUZZ_SEED` for others.
//!
//! An input that once failed belongs into `fuzz/corpus`.

#[path = "../fuzz/mutate.rs"]
mod mutate;
#[path = "../fuzz/targets.rs"]
mod targets;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// The files of these folders, in order.
fn corpus(folders: &[&str]) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = |folder: &&str| std::fs::read_dir(root.join(folder)).expect("a folder of the repository");
    let mut paths: Vec<PathBuf> =
        folders.iter().flat_map(files).map(|entry| entry.expect("an entry of it").path()).collect();
    paths.sort();
    paths.into_iter().filter(|path| path.is_file()).map(|path| std::fs::read(path).expect("a file of it")).collect()
}

/// Calls `target` with each input as it is, and with `rounds` changed ones.
#[allow(clippy::print_stderr)]
fn fuzz(inputs: &[Vec<u8>], rounds: u64, target: impl Fn(&[u8])) {
    assert!(!inputs.is_empty());
    let rounds = number("FROSTLINE_FUZZ_ROUNDS", rounds);
    let mut rng = ChaCha8Rng::seed_from_u64(number("FROSTLINE_FUZZ_SEED", 1));
    let check = |bytes: &[u8]| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(bytes))) {
            let kept = std::env::temp_dir().join(format!("frostline-fuzz-{}", std::process::id()));
            std::fs::write(&kept, bytes).expect("the temporary folder can be written");
            eprintln!("the input is {}", kept.display());
            std::panic::resume_unwind(panic);
        }
    };
    inputs.iter().for_each(|input| check(input));
    for _ in 0..rounds {
        let mut draw = || &inputs[rng.random_range(0..inputs.len())];
        let (input, other) = (draw(), draw());
        check(&mutate::mutate(&mut rng, input, other));
    }
}

#[test]
fn messages() {
    fuzz(&corpus(&["fuzz/corpus/codec"]), 20_000, targets::codec);
}

#[test]
fn definitions() {
    fuzz(&corpus(&["fuzz/corpus/definition", "sweeps"]), 5_000, targets::definition);
}

#[test]
fn weights_files() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("weights");
    let inputs = corpus(&["fuzz/corpus/weights", "crates/assets/tests/keras"]);
    fuzz(&inputs, 10_000, |bytes| {
        std::fs::write(&path, bytes).expect("the temporary folder can be written");
        targets::weights(&path);
    });
}
