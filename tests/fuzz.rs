//! Readers of what others wrote, on inputs of a kept corpus with changes drawn from a seed: a fuzzer that always does the
//! same, and so is a test. `FROSTLINE_FUZZ_ROUNDS` asks for more, `FROSTLINE_FUZZ_SEED` for others.
//!
//! An input that once failed belongs into `fuzz/corpus`.

#[path = "../fuzz/mutate.rs"]
mod mutate;
#[path = "../fuzz/targets.rs"]
mod targets;

use frostline_results::seal;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// An input of the corpus and its file's name.
type Input = (String, Vec<u8>);

/// The files of these folders, in order.
fn corpus(folders: &[&str]) -> Vec<Input> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = |folder: &&str| std::fs::read_dir(root.join(folder)).expect("a folder of the repository");
    let mut paths: Vec<PathBuf> =
        folders.iter().flat_map(files).map(|entry| entry.expect("an entry of it").path()).collect();
    paths.sort();
    let named = |path: &PathBuf| {
        let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        (name, std::fs::read(path).expect("a file of it"))
    };
    paths.iter().filter(|path| path.is_file()).map(named).collect()
}

/// Calls `target` with each input as it is, of which it takes all but those that are `refused`, and with `rounds` changed
/// ones, of which it takes some: a reader that refuses everything keeps every other promise.
#[allow(clippy::print_stderr)]
fn fuzz(inputs: &[Input], refused: &[&str], rounds: u64, target: impl Fn(&[u8]) -> bool) {
    let rounds = number("FROSTLINE_FUZZ_ROUNDS", rounds);
    let mut rng = ChaCha8Rng::seed_from_u64(number("FROSTLINE_FUZZ_SEED", 1));
    let check = |bytes: &[u8]| {
        catch_unwind(AssertUnwindSafe(|| target(bytes))).unwrap_or_else(|panic| {
            let kept = std::env::temp_dir().join(format!("frostline-fuzz-{}", std::process::id()));
            std::fs::write(&kept, bytes).expect("the temporary folder can be written");
            eprintln!("the input is {}", kept.display());
            std::panic::resume_unwind(panic);
        })
    };
    let found: Vec<&str> = inputs.iter().filter(|(_, bytes)| !check(bytes)).map(|(name, _)| name.as_str()).collect();
    assert_eq!(found, refused, "these inputs of the corpus are refused as they are");
    assert!(inputs.len() > refused.len());
    let mut taken = 0;
    for _ in 0..rounds {
        let mut draw = || &inputs[rng.random_range(0..inputs.len())].1;
        let (input, other) = (draw(), draw());
        taken += u64::from(check(&mutate::mutate(&mut rng, input, other)));
    }
    eprintln!("{taken} of {rounds} changed inputs were taken");
    assert!(
        taken > 0 || rounds == 0,
        "none of {rounds} changed inputs is taken: nothing behind the first check is tried"
    );
}

/// Writes each input into a file of this name in a folder of its own, and hands on its path.
fn in_file(name: &str, target: impl Fn(&Path) -> bool) -> impl Fn(&[u8]) -> bool {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    move |bytes| {
        let _kept = &folder;
        std::fs::write(&path, bytes).expect("the temporary folder can be written");
        target(&path)
    }
}

#[test]
fn messages() {
    fuzz(&corpus(&["fuzz/corpus/codec"]), &[], 20_000, targets::codec);
}

#[test]
fn definitions() {
    fuzz(&corpus(&["fuzz/corpus/definition", "sweeps"]), &["sweep.schema.json"], 5_000, targets::definition);
}

#[test]
fn weights_files() {
    let inputs = corpus(&["fuzz/corpus/weights", "crates/assets/tests/keras"]);
    let refused = ["bomb.h5", "record.py", "deflated.pth"];
    fuzz(&inputs, &refused, 10_000, in_file("weights", targets::weights));
}

#[test]
fn weights_indices() {
    let whole = corpus(&["fuzz/corpus/weights"]).into_iter().find(|(name, _)| name == "small.safetensors");
    let (_, whole) = whole.expect("an input of the corpus");
    let target = |path: &Path| {
        std::fs::write(path.with_file_name("small.safetensors"), &whole)
            .expect("the temporary folder can be written");
        targets::weights(path)
    };
    fuzz(&corpus(&["fuzz/corpus/index"]), &[], 3_000, in_file("weights.index.json", target));
}

#[test]
fn pictures() {
    fuzz(&corpus(&["fuzz/corpus/picture"]), &["cut.jpg"], 3_000, in_file("picture", targets::picture));
}

#[test]
fn questions_to_workers() {
    fuzz(&corpus(&["fuzz/corpus/question"]), &[], 20_000, targets::questions);
}

#[test]
fn manifests_of_the_feature_cache() {
    let target = |path: &Path| targets::manifest(path.parent().expect("a file lies in a folder"));
    fuzz(&corpus(&["fuzz/corpus/manifest"]), &["other-version.json"], 5_000, in_file("manifest.json", target));
}

#[test]
fn seals() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scratch = folder.path().join("sealed");
    let sealed = |content: &[u8]| {
        seal::write(&scratch, |out| out.write_all(content)).expect("the temporary folder can be written");
        std::fs::read(&scratch).expect("it was written")
    };
    let mut inputs: Vec<Input> =
        [&b""[..], b"content", &[0; 300]].map(|content| (format!("of {}", content.len()), sealed(content))).into();
    inputs.push(("unsealed".to_owned(), vec![0; 40]));
    fuzz(&inputs, &["unsealed"], 5_000, |bytes| targets::sealed(bytes, &scratch));
}
