//! What holds for the repository as a whole: who may depend on whom, sizes of files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Every package of the workspace, and which others its programs and libraries may use.
const EDGES: [(&str, &[&str]); 17] = [
    ("frostline-sweep", &[]),
    ("frostline-ranking", &["frostline-sweep"]),
    ("frostline-protocol", &["frostline-sweep"]),
    ("frostline-results", &["frostline-sweep"]),
    ("frostline-scheduler", &["frostline-sweep", "frostline-protocol"]),
    ("frostline-store", &["frostline-sweep", "frostline-ranking", "frostline-results"]),
    ("frostline-assets", &["frostline-sweep"]),
    ("frostline-link", &["frostline-sweep", "frostline-protocol", "frostline-results"]),
    (
        "frostline-coordinator",
        &["frostline-protocol", "frostline-results", "frostline-scheduler", "frostline-store", "frostline-sweep"],
    ),
    ("frostline-training", &["frostline-sweep", "frostline-protocol", "frostline-results", "frostline-assets"]),
    (
        "frostline-worker",
        &["frostline-sweep", "frostline-protocol", "frostline-results", "frostline-link", "frostline-training"],
    ),
    ("frostline-view", &["frostline-sweep", "frostline-ranking", "frostline-results", "frostline-store"]),
    ("frostline-export", &["frostline-sweep", "frostline-store", "frostline-view"]),
    ("frostline-report", &["frostline-sweep", "frostline-view"]),
    (
        "frostline-dashboard",
        &["frostline-report", "frostline-results", "frostline-store", "frostline-sweep", "frostline-view"],
    ),
    // Without training and worker, `frostline` builds without libtorch and starts at once.
    (
        "frostline-cli",
        &[
            "frostline-assets",
            "frostline-coordinator",
            "frostline-dashboard",
            "frostline-export",
            "frostline-protocol",
            "frostline-report",
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
const NOT_OURS: [&str; 7] = [".git", ".libtorch", ".tools", "data", "dist", "results", "target"];

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
fn manifests() -> BTreeMap<String, Table> {
    let crates = entries(&root().join("crates")).into_iter().map(|folder| folder.join("Cargo.toml"));
    let paths = crates.filter(|path| path.exists()).chain([root().join("Cargo.toml")]);
    let manifest = |path: PathBuf| {
        let manifest: Table = read(&path).parse().unwrap_or_else(|error| panic!("{}: {error}", relative(&path)));
        let name = manifest["package"]["name"].as_str().expect("a package has a name").to_owned();
        (name, manifest)
    };
    paths.map(manifest).collect()
}

/// Names of the packages in these tables of a manifest, and in the same tables of its `[target]`s.
fn dependencies(manifest: &Table, tables: &[&str]) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let of_targets = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let mut names = BTreeSet::new();
    for place in of_targets.chain([manifest]) {
        for table in tables.iter().filter_map(|&table| place.get(table)?.as_table()) {
            for (name, item) in table {
                let renamed = item.get("package").and_then(Value::as_str);
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

/// The packages that talk to SQLite: `store` about Frostline's own database, `export` about the file that Optuna reads.
const USERS_OF_SQLITE: [&str; 2] = ["frostline-export", "frostline-store"];

#[test]
fn sql_is_spoken_by_the_store_and_in_exports_alone() {
    let uses =
        |manifest: &Table| dependencies(manifest, &["dependencies", "build-dependencies"]).contains("rusqlite");
    let users: Vec<String> = manifests().into_iter().filter(|(_, it)| uses(it)).map(|(package, _)| package).collect();
    assert_eq!(users, USERS_OF_SQLITE);
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
