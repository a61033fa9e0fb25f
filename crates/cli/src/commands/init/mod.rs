//! `init`: a first sweep for the data and the weights at hand.

mod starter;

use crate::args::{self, Common};
use crate::exit::{Exit, wrong_input};
use crate::output;
use crate::sources::{self, Place};
use anyhow::Context;
use frostline_assets::catalogue::{self, Content, Entry};
use frostline_assets::data::{Counted, Glance, glance};
use frostline_assets::{layout, weights};
use frostline_sweep::backbone::{self, Architecture};
use frostline_sweep::definition::Definition;
use frostline_sweep::keys::schema;
use starter::{Starter, Wanted};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// What a sweep is called that nobody has named.
const NAME: &str = "my-sweep";
/// The network that is small enough for a first look on any machine.
const SMALL: &str = "efficientnet_lite0";
/// By which editors complete and check a sweep; it lies beside it.
const SCHEMA: &str = "sweep.schema.json";

pub(crate) fn run(common: &Common, arguments: &args::Init) -> anyhow::Result<Exit> {
    let (file, name) = file(arguments)?;
    let there = |what: &str| {
        wrong_input(format!(
            "`{}` {what}: `frostline plan {0}` says what it would run, and another name makes \
             another (frostline init NAME)",
            file.display()
        ))
    };
    if file.exists() {
        return Err(there("is there already, and is not overwritten"));
    }
    let images = images(arguments.data.as_deref())?;
    let chosen = Chosen::of(arguments)?;
    let of_images = in_words(&images);
    let schema = format!("./{SCHEMA}");
    let starter = Starter {
        name: &name,
        images,
        architecture: chosen.architecture,
        weights: &chosen.weights,
        of_weights: &chosen.remark,
        schema: &schema,
    };
    let text = starter.text();
    // What is written is read by the same rules as everything else: a name may be none that a sweep can have.
    let definition = Definition::parse(&file.display().to_string(), &text, &[]).map_err(wrong_input)?;
    let mut written = match OpenOptions::new().write(true).create_new(true).open(&file) {
        Ok(written) => written,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(there("has just been made by another")),
        Err(error) => return Err(error).with_context(|| format!("cannot write {}", file.display())),
    };
    written.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", file.display()))?;
    write_schema(&file.with_file_name(SCHEMA))?;
    let cells: usize = definition.axes.iter().map(|axis| axis.values.len()).product();
    let mut out = anstream::stdout().lock();
    let shown = frostline_results::quoted(&file);
    let results = common.results_argument();
    writeln!(out, "{}: {} of {}", file.display(), output::count(cells as u64, "trial"), chosen.architecture.name)?;
    writeln!(out, "  data     {of_images}")?;
    writeln!(out, "  weights  {} ({})", chosen.weights, chosen.remark)?;
    writeln!(out, "Change in it what you like; then")?;
    writeln!(out, "  frostline plan {shown}{results}      says what would run, and for how long")?;
    writeln!(out, "  frostline launch {shown}{results}    runs it; Ctrl-C is safe")?;
    Ok(Exit::Done)
}

/// Where the sweep is written, and what it is called: as its file. Without a name, as its folder of data.
fn file(arguments: &args::Init) -> anyhow::Result<(PathBuf, String)> {
    let of_data = || {
        let path = arguments.data.as_deref()?;
        let name = path.canonicalize().ok()?.file_name()?.to_str()?.to_owned();
        // Its folder may be called as no sweep can be.
        let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
        let name: String = name.chars().take(60).map(plain).collect();
        Some(name.trim_start_matches(['.', '-']).to_owned()).filter(|name| !name.is_empty())
    };
    let named = arguments.name.clone().or_else(of_data).unwrap_or_else(|| NAME.to_owned());
    let file = PathBuf::from(format!("{}.toml", named.strip_suffix(".toml").unwrap_or(&named)));
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(wrong_input(format!(
            "`{}` cannot be made: there is no folder `{}`",
            file.display(),
            folder.display()
        )));
    }
    Ok((file, stem))
}

/// What `--data` names; without it CIFAR-10 where it was fetched, else images that need no file.
fn images(named: Option<&Path>) -> anyhow::Result<Wanted> {
    let Some(path) = named else {
        let is_here = catalogue::find("cifar10").is_some_and(Entry::is_present);
        return Ok(if is_here { Wanted::Cifar10(None) } else { Wanted::Drawn });
    };
    if !path.exists() {
        match path.to_str() {
            Some("cifar10") => return Ok(Wanted::Cifar10(None)),
            Some("shapes") => return Ok(Wanted::Drawn),
            _ => {}
        }
        return Err(wrong_input(format!(
            "--data {}: there is no such folder; name one with a folder of pictures for each class, one with Parquet \
             files, one with CIFAR-10's binary files, `cifar10` (which `frostline fetch cifar10` gets) or `shapes` (which needs no file)",
            path.display()
        )));
    }
    let text = |path: &Path| {
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| wrong_input(format!("--data {}: this path is not UTF-8 text: rename it", path.display())))
    };
    match glance(path).map_err(|error| wrong_input(format!("--data {}: {error}", path.display())))? {
        Glance::Cifar10(place) => Ok(Wanted::Cifar10(Some(text(&place)?))),
        Glance::Pictures(dataset, counted) => Ok(Wanted::Pictures(dataset, text(path)?, counted)),
    }
}

fn in_words(images: &Wanted) -> String {
    match images {
        Wanted::Drawn => "drawn by the program; --data FOLDER takes pictures of your own".to_owned(),
        Wanted::Cifar10(None) if catalogue::find("cifar10").is_some_and(Entry::is_present) => "CIFAR-10".to_owned(),
        Wanted::Cifar10(None) => "CIFAR-10 (`launch` downloads 170 MB)".to_owned(),
        Wanted::Cifar10(Some(path)) => format!("CIFAR-10 in {path}"),
        Wanted::Pictures(_, path, Counted { classes, train, validation, test }) => {
            let all = output::count((train + validation + test) as u64, "picture");
            let parts = [(train, "to train on"), (validation, "to validate"), (test, "to test")];
            let parts = parts.iter().filter(|(count, _)| **count > 0 && *count != &(train + validation + test));
            let parts: Vec<String> = parts.map(|(count, what)| format!("{count} {what}")).collect();
            let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
            format!("{all} of {} classes in {path}{parts}", classes.len())
        }
    }
}

/// Network and weights that fit together.
struct Chosen {
    architecture: &'static Architecture,
    weights: String,
    remark: String,
}

impl Chosen {
    fn of(arguments: &args::Init) -> anyhow::Result<Chosen> {
        let named = arguments.backbone.as_deref().map(sources::network).transpose()?;
        let Some(weights) = &arguments.weights else {
            let entry = at_hand(named);
            let architecture =
                named.or_else(|| backbone::find(backbone_of(entry?)?)).or_else(|| backbone::find(SMALL));
            let architecture = architecture.context("the table of networks is empty")?;
            return Ok(match entry {
                Some(entry) => Chosen { architecture, weights: entry.name.to_owned(), remark: remark(entry) },
                None => Chosen { architecture, weights: sources::RANDOM.to_owned(), remark: NONE.to_owned() },
            });
        };
        if weights == sources::RANDOM {
            let architecture = named.or_else(|| backbone::find(SMALL)).context("the table of networks is empty")?;
            return Ok(Chosen { architecture, weights: weights.clone(), remark: NONE.to_owned() });
        }
        let architecture = match (named, catalogue::find(weights)) {
            (Some(named), _) => named,
            (None, Some(entry)) => sources::network(backbone_of(entry).unwrap_or(SMALL))?,
            (None, None) => network_in(Path::new(weights))?,
        };
        match sources::weights(weights, architecture)? {
            Place::Catalogue(entry) => {
                Ok(Chosen { architecture, weights: entry.name.to_owned(), remark: remark(entry) })
            }
            Place::File(path) => {
                sources::weights_identity(architecture, &path)?;
                Ok(Chosen { architecture, weights: weights.clone(), remark: "your file".to_owned() })
            }
            Place::Random => Ok(Chosen { architecture, weights: weights.clone(), remark: NONE.to_owned() }),
        }
    }
}

const NONE: &str = "not pretrained";

fn backbone_of(entry: &Entry) -> Option<&'static str> {
    match entry.content {
        Content::Weights { backbone, .. } => Some(backbone),
        Content::Data { .. } => None,
    }
}

/// Weights of this network, or of any: those that are here, else the first of the catalogue.
fn at_hand(network: Option<&Architecture>) -> Option<&'static Entry> {
    let name = network.map(|network| network.name);
    let fits = |entry: &&Entry| backbone_of(entry).is_some_and(|of| name.is_none_or(|name| name == of));
    let small = |entry: &&Entry| network.is_some() || backbone_of(entry) == Some(SMALL);
    let mut here = catalogue::entries().filter(fits).filter(|entry| entry.is_present());
    // The small network's come first where both are here.
    let first_small = catalogue::entries().filter(fits).filter(small).find(|entry| entry.is_present());
    first_small.or_else(|| here.next()).or_else(|| catalogue::entries().filter(fits).find(small))
}

fn remark(entry: &Entry) -> String {
    match (entry.is_present(), entry.bytes) {
        (true, _) => "here already".to_owned(),
        (false, 0) => "`launch` downloads them".to_owned(),
        (false, bytes) => format!("`launch` downloads {}", output::bytes(bytes)),
    }
}

/// The network that a weights file holds.
fn network_in(path: &Path) -> anyhow::Result<&'static Architecture> {
    if !weights::Named::new(path).is_there() {
        // Says what there is instead.
        sources::weights(&path.display().to_string(), sources::network(SMALL)?)?;
    }
    let file = weights::open(path).map_err(|error| wrong_input(format!("--weights: {error}")))?;
    let fit = layout::best_fit(&file);
    if fit.is_foreign() {
        return Err(wrong_input(format!(
            "--weights {}: this file has no network that Frostline knows; `frostline weights inspect {0}` says what it has",
            path.display()
        )));
    }
    Ok(fit.architecture)
}

/// Lets an earlier one stay.
fn write_schema(path: &Path) -> anyhow::Result<()> {
    if path.exists() {
        return Ok(());
    }
    fs::write(path, format!("{:#}\n", schema())).with_context(|| format!("cannot write {}", path.display()))
}
