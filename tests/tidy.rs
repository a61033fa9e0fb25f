//! What holds for the repository as a whole: who may depend on whom, sizes of files, the sweeps and their documentation.

use frostline_sweep::definition::{Cache, Data, Definition, Keep, Workers};
use frostline_sweep::parameters;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use toml_edit::{DocumentMut, TableLike};

/// Every package of the workspace, and which others its programs and libraries may use.
const EDGES: [(&str, &[&str]); 14] = [
    ("frostline-sweep", &[]),
    ("frostline-ranking", &["frostline-sweep"]),
    ("frostline-protocol", &["frostline-sweep"]),
    ("frostline-results", &["frostline-sweep"]),
    ("frostline-scheduler", &["frostline-sweep", "frostline-ranking", "frostline-protocol"]),
    ("frostline-store", &["frostline-sweep", "frostline-ranking"]),
    ("frostline-assets", &["frostline-sweep"]),
    ("frostline-link", &["frostline-sweep", "frostline-protocol"]),
    (
        "frostline-coordinator",
        &["frostline-sweep", "frostline-ranking", "frostline-scheduler", "frostline-protocol", "frostline-store"],
    ),
    ("frostline-training", &["frostline-sweep", "frostline-protocol", "frostline-results", "frostline-assets"]),
    ("frostline-worker", &["frostline-sweep", "frostline-protocol", "frostline-link", "frostline-training"]),
    ("frostline-view", &["frostline-sweep", "frostline-ranking", "frostline-store"]),
    // Without training and worker, `frostline` builds without libtorch and starts at once.
    (
        "frostline-cli",
        &[
            "frostline-assets",
            "frostline-coordinator",
            "frostline-protocol",
            "frostline-results",
            "frostline-store",
            "frostline-sweep",
            "frostline-view",
        ],
    ),
    ("frostline", &["frostline-cli"]),
];

/// The packages that are linked to libtorch, tests included.
const LINKED_TO_LIBTORCH: [&str; 2] = ["frostline-training", "frostline-worker"];

const MOST_LINES: usize = 500;

/// What git ignores at the root, and its own folder.
const NOT_OURS: [&str; 6] = [".git", ".libtorch", ".tools", "data", "results", "target"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Paths in a folder, in order.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let listing = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> =
        listing.map(|entry| entry.expect("a folder can be listed to its end").path()).collect();
    paths.sort();
    paths
}

/// Every file below `folder`, links left out.
fn files(folder: &Path) -> Vec<PathBuf> {
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        !path.is_symlink() && name != "__pycache__" && !(folder == root() && NOT_OURS.contains(&name))
    };
    let entries = entries(folder).into_iter().filter(is_ours);
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A path as seen from the root.
fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn with_extension(paths: Vec<PathBuf>, extension: &str) -> Vec<PathBuf> {
    paths.into_iter().filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

/// The manifests of the workspace by the names of their packages.
fn manifests() -> BTreeMap<String, DocumentMut> {
    let crates = entries(&root().join("crates")).into_iter().map(|folder| folder.join("Cargo.toml"));
    let paths = crates.filter(|path| path.exists()).chain([root().join("Cargo.toml")]);
    let manifest = |path: PathBuf| {
        let manifest: DocumentMut =
            read(&path).parse().unwrap_or_else(|error| panic!("{}: {error}", relative(&path)));
        let name = manifest["package"]["name"].as_str().expect("a package has a name").to_owned();
        (name, manifest)
    };
    paths.map(manifest).collect()
}

/// Names of the packages in these tables of a manifest, and in the same tables of its `[target]`s.
fn dependencies(manifest: &DocumentMut, tables: &[&str]) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(|target| target.as_table_like());
    let of_targets =
        targets.into_iter().flat_map(|targets| targets.iter()).filter_map(|(_, one)| one.as_table_like());
    let places: Vec<&dyn TableLike> = of_targets.chain([manifest.as_table() as &dyn TableLike]).collect();
    let mut names = BTreeSet::new();
    for place in places {
        for table in tables.iter().filter_map(|&table| place.get(table)?.as_table_like()) {
            for (name, item) in table.iter() {
                let renamed = item.as_table_like().and_then(|item| item.get("package")?.as_str());
                names.insert(renamed.unwrap_or(name).to_owned());
            }
        }
    }
    names
}

#[test]
fn packages_depend_on_each_other_along_the_allowed_edges_only() {
    let allowed: BTreeMap<&str, &[&str]> = EDGES.into_iter().collect();
    let manifests = manifests();
    let known: BTreeSet<&str> = allowed.keys().copied().collect();
    let found: BTreeSet<&str> = manifests.keys().map(String::as_str).collect();
    assert_eq!(found, known, "the packages of the workspace (left) are those of EDGES (right)");
    for (package, manifest) in &manifests {
        for used in dependencies(manifest, &["dependencies", "build-dependencies"]) {
            let is_allowed = !known.contains(used.as_str()) || allowed[package.as_str()].contains(&used.as_str());
            assert!(is_allowed, "{package} may not depend on {used}: EDGES does not name it");
        }
    }
}

#[test]
fn libtorch_is_needed_by_training_and_worker_alone() {
    let is_linked = |package: &str| LINKED_TO_LIBTORCH.contains(&package);
    let mut users = BTreeSet::new();
    for (package, manifest) in manifests() {
        let used = dependencies(&manifest, &["dependencies", "dev-dependencies", "build-dependencies"]);
        if used.contains("tch") || used.contains("torch-sys") {
            users.insert(package.clone());
        }
        let linked = used.iter().find(|used| is_linked(used));
        assert!(is_linked(&package) || linked.is_none(), "{package} would need libtorch: it depends on {linked:?}");
    }
    assert_eq!(users, LINKED_TO_LIBTORCH.map(str::to_owned).into());
}

#[test]
fn every_sweep_is_sound_and_called_as_its_file() {
    let paths = with_extension(entries(&root().join("sweeps")), "toml");
    assert!(!paths.is_empty());
    for path in paths {
        let definition =
            Definition::parse(&relative(&path), &read(&path), &[]).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(Some(definition.name.as_str()), path.file_stem().and_then(|stem| stem.to_str()));
    }
}

/// Field names of a struct; a field that is missing from the list does not compile.
macro_rules! fields {
    ($type:ident { $($field:ident),* }) => {{
        let _all = |$type { $($field: _),* }: $type| ();
        [$(stringify!($field)),*]
    }};
}

/// The keys that the parser knows, by their section.
fn known_keys() -> BTreeSet<(&'static str, &'static str)> {
    let sections: [(&str, Vec<&str>); 7] = [
        ("sweep", vec!["name", "objective", "seeds"]),
        ("data", fields!(Data { dataset, path, validation, image_size, augment, train_limit, test_limit }).to_vec()),
        ("model", vec!["backbone", "weights"]),
        ("train", parameters::keys().map(|key| key.name).collect()),
        ("workers", fields!(Workers { count, threads, device, lease, reconnect_grace }).to_vec()),
        ("cache", fields!(Cache { features, max_bytes }).to_vec()),
        ("keep", fields!(Keep { models, count, max_bytes }).to_vec()),
    ];
    sections.into_iter().flat_map(|(section, keys)| keys.into_iter().map(move |key| (section, key))).collect()
}

/// One row of a table in docs/sweep-format.md.
struct Row {
    section: String,
    key: String,
    default: String,
    example: String,
}

/// Rows whose first cell is a key, with the last section that the heading above them names.
fn documented_rows() -> Vec<Row> {
    let text = read(&root().join("docs/sweep-format.md"));
    let mut section = String::new();
    let mut rows = Vec::new();
    for line in text.lines() {
        if line.starts_with("## ") {
            let start = line.rfind("`[").map_or(line.len(), |start| start + 2);
            section = line[start..].trim_end_matches(['`', ']']).to_owned();
        } else if line.starts_with("| `") {
            let cells: Vec<&str> =
                line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            let [key, _, default, _, example] = cells[..] else { panic!("not five cells: {line}") };
            let [key, default, example] = [key, default, example].map(str::to_owned);
            rows.push(Row { section: section.clone(), key, default, example });
        }
    }
    rows
}

#[test]
fn the_documented_keys_are_those_of_the_parser() {
    let rows = documented_rows();
    let documented: BTreeSet<_> = rows.iter().map(|row| (row.section.as_str(), row.key.as_str())).collect();
    assert_eq!(documented.len(), rows.len(), "a key is documented twice");
    assert_eq!(documented, known_keys(), "docs/sweep-format.md (left), the parser (right)");
}

#[test]
fn the_documented_examples_are_accepted() {
    let base = "[sweep]\nname = \"demo\"\n[data]\ndataset = \"cifar10\"\n\
                [model]\nbackbone = \"efficientnet_lite0\"\nweights = \"random\"\n\
                [train]\nfrozen_layers = 0\nhead_units = [4, 4]\n";
    for Row { section, key, example, .. } in documented_rows() {
        let overrides = [(format!("{section}.{key}"), example)];
        if let Err(errors) = Definition::parse("docs/sweep-format.md", base, &overrides) {
            panic!("{errors}");
        }
    }
}

#[test]
fn the_documented_defaults_of_hyperparameters_are_true() {
    for Row { section, key, default, .. } in documented_rows() {
        let Some(value) = parameters::find(&key).filter(|_| section == "train").and_then(|key| key.default()) else {
            continue;
        };
        // A default that follows from other keys is null to the program, and words in the documentation.
        let documented: Value = serde_json::from_str(&default).unwrap_or(Value::Null);
        assert_eq!(documented, value, "{key}");
    }
}

#[test]
fn no_source_file_is_too_long() {
    let sources = with_extension(files(&root().join("crates")), "rs");
    let sources = sources.iter().filter(|path| !path.components().any(|part| part.as_os_str() == "tests"));
    let long: Vec<String> = sources
        .map(|path| (relative(path), read(path).lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(path, lines)| format!("{path} has {lines} lines"))
        .collect();
    assert!(long.is_empty(), "past {MOST_LINES} lines a file has two subjects; split {}", long.join(", "));
}

#[test]
fn no_file_names_a_place_on_a_developers_machine() {
    // Put together here, so that this file does not name one itself.
    let places = ["home", "root"].map(|user| format!("/{user}/"));
    let mut found = Vec::new();
    for path in files(root()) {
        let Ok(text) = String::from_utf8(fs::read(&path).unwrap()) else { continue };
        for (number, line) in (1..).zip(text.lines()) {
            if places.iter().any(|place| line.contains(place.as_str())) {
                found.push(format!("{}:{number}: {line}", relative(&path)));
            }
        }
    }
    assert!(found.is_empty(), "use a relative path instead:\n{}", found.join("\n"));
}
