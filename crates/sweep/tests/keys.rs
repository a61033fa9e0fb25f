//! The table of keys, and what is written down of it: the documentation and the JSON Schema. `FROSTLINE_BLESS=1` writes both anew.

use frostline_sweep::definition::{Cache, Commands, Data, Definition, Keep, Slurm, Ssh, Workers};
use frostline_sweep::keys::{self, AXES, Fallback, Key, SECTIONS, schema};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const DOCUMENTATION: &str = "docs/sweep-format.md";

/// In which every key may be set to its example.
const BASE: &str = "[sweep]\nname = \"demo\"\n[data]\ndataset = \"parquet\"\npath = \"p\"\n\
                    [model]\nbackbone = \"efficientnet_lite0\"\nweights = \"random\"\n\
                    [train]\nfrozen_layers = 0\nhead_units = [4, 4]\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The names of the sections that have keys of their own.
fn sections() -> impl Iterator<Item = &'static str> {
    SECTIONS.iter().map(|section| section.name).filter(|name| keys::of(name).next().is_some())
}

/// Holds a file to what it has to be, or makes it so where that is asked for.
fn assert_current(name: &str, wanted: &str) {
    let path = root().join(name);
    if std::env::var_os("FROSTLINE_BLESS").is_some() {
        fs::write(&path, wanted).expect("a file of the repository can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let differing = wanted.lines().zip(found.lines()).find(|(wanted, found)| wanted != found);
    assert!(
        found == wanted,
        "{name} is not what the table of keys says; `FROSTLINE_BLESS=1 cargo test -p frostline-sweep` writes it.\n\
         {differing:?}"
    );
}

fn row(key: &Key) -> String {
    let default = match key.default {
        Fallback::Required => "required".to_owned(),
        Fallback::Is(value) => format!("`{value}`"),
        Fallback::Follows(words) => words.to_owned(),
    };
    format!("| `{}` | {} | {default} | {} | `{}` |", key.name, key.kind.wanted(), key.meaning, key.example)
}

#[test]
fn the_documentation_has_the_table() {
    let mut text = fs::read_to_string(root().join(DOCUMENTATION)).unwrap();
    for section in sections() {
        let (start, end) = (format!("<!-- keys of {section} -->\n"), "<!-- end -->\n");
        let (before, rest) = text.split_once(&start).unwrap_or_else(|| panic!("{DOCUMENTATION} has no {start}"));
        let (_, after) = rest.split_once(end).expect("what begins ends");
        let rows: Vec<String> = keys::of(section).map(row).collect();
        let head = "| key | value | default | meaning | example |\n|---|---|---|---|---|\n";
        text = format!("{before}{start}{head}{}\n{end}{after}", rows.join("\n"));
    }
    assert_current(DOCUMENTATION, &text);
}

#[test]
fn the_schema_is_kept_beside_the_sweeps() {
    assert_current("sweeps/sweep.schema.json", &format!("{:#}\n", schema()));
}

#[test]
fn every_sweep_is_sound_and_called_as_its_file() {
    let mut checked = 0;
    for entry in fs::read_dir(root().join("sweeps")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = fs::read_to_string(&path).unwrap();
            let definition = Definition::parse(&path.display().to_string(), &text, &[]);
            let definition = definition.unwrap_or_else(|errors| panic!("{errors}"));
            assert_eq!(Some(definition.name.as_str()), path.file_stem().and_then(|stem| stem.to_str()));
            checked += 1;
        }
    }
    assert!(checked > 0);
}

#[test]
fn examples_and_defaults_are_accepted() {
    for key in sections().flat_map(keys::of) {
        let default = match key.default {
            Fallback::Is(value) => Some(value),
            _ => None,
        };
        for value in [Some(key.example), default].into_iter().flatten() {
            let mut overrides = vec![(format!("{}.{}", key.section, key.name), value.to_owned())];
            // What only random views have, and what they need.
            if let "views" | "magnitude" | "augment" = key.name {
                let others = [("data.augment", "randaugment"), ("data.views", "2")];
                let others = others.map(|(key, value)| (key.to_owned(), value.to_owned()));
                overrides.splice(0..0, others.into_iter().filter(|_| key.name != "augment"));
            }
            if let Err(errors) = Definition::parse("demo.toml", BASE, &overrides) {
                panic!("{errors}");
            }
        }
        // JSON writes them alike.
        assert!(key.kind.check(&key.example_value()).is_ok(), "{}", key.name);
        assert!(key.default_value().is_none_or(|value| key.kind.check(&value).is_ok()), "{}", key.name);
    }
}

/// Field names of a struct; a field that is missing from the list does not compile.
macro_rules! fields {
    ($type:ident { $($field:ident),* }) => {{
        let _all = |$type { $($field: _),* }: $type| ();
        BTreeSet::from([$(stringify!($field)),*])
    }};
}

#[test]
fn every_key_is_read_and_every_field_has_a_key() {
    let names = |section: &str| keys::of(section).map(|key| key.name).collect::<BTreeSet<_>>();
    let data = fields!(Data {
        dataset,
        path,
        validation,
        test_share,
        image_size,
        fit,
        unreadable,
        image_column,
        label_column,
        augment,
        views,
        magnitude,
        train_limit,
        test_limit
    });
    assert_eq!(names("data"), data);
    assert_eq!(
        names("workers"),
        fields!(Workers { launcher, count, threads, device, lease, stall, reconnect_grace, listen, deterministic })
    );
    assert_eq!(names("cache"), fields!(Cache { features, max_bytes }));
    assert_eq!(names("keep"), fields!(Keep { models, count, max_bytes }));
    let slurm = fields!(Slurm {
        partition,
        account,
        qos,
        constraint,
        gpus,
        cpus,
        memory,
        time,
        folder,
        max_jobs,
        min_jobs,
        backlog,
        options,
        prologue,
        coordinator_partition,
        coordinator_time,
        coordinator_cpus,
        coordinator_options,
        poll
    });
    assert_eq!(names("slurm"), slurm);
    assert_eq!(names("command"), fields!(Commands { submit, cancel, alive, jobs, poll }));
    let ssh = fields!(Ssh { hosts, count, program, options, data, weights, scratch, checkpoints });
    assert_eq!(names("ssh"), ssh);
    assert_eq!(names("sweep"), BTreeSet::from(["name", "objective", "seeds"]));
    assert_eq!(names("model"), BTreeSet::from(["backbone", "weights"]));
    let definition = Definition::parse("demo.toml", BASE, &[]).unwrap();
    assert_eq!(names(AXES), definition.fixed.keys().copied().collect());
}

#[test]
fn every_section_of_the_table_is_one_of_the_file() {
    for section in &SECTIONS {
        assert!(keys::of(section.keys).next().is_some(), "{} has no keys", section.name);
    }
    let total: usize = sections().map(|section| keys::of(section).count()).sum();
    let distinct: BTreeSet<_> = sections().flat_map(keys::of).map(|key| (key.section, key.name)).collect();
    assert_eq!(distinct.len(), total, "a key is there twice");
}
