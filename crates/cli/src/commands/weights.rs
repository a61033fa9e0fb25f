//! `weights`: what a file is, and the same weights in another form.

use crate::args::{Convert, Inspect, Weights};
use crate::exit::{Exit, wrong_input};
use crate::output::{self, print_json};
use anyhow::Context;
use frostline_assets::layout::{self, ConvertError, Fit, Padding};
use frostline_assets::weights::{self, ElementType, WeightsFile};
use frostline_sweep::trial::WeightsIdentity;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// How many names are shown of each kind of problem; JSON has them all.
const SHOWN: usize = 8;

pub(crate) fn run(arguments: &Weights) -> anyhow::Result<Exit> {
    match arguments {
        Weights::Inspect(arguments) => inspect(arguments),
        Weights::Convert(arguments) => convert(arguments),
    }
}

/// What `inspect` finds out.
struct Facts {
    blake3: String,
    tensors: usize,
    /// Numbers in all tensors.
    numbers: i64,
    /// How many tensors have each type.
    types: BTreeMap<ElementType, usize>,
    fit: Fit,
    /// Identity of the network's tensors, where the file has them all and they are numbers.
    identity: Option<String>,
    /// What is wrong with their values.
    wrong: Option<String>,
}

fn inspect(arguments: &Inspect) -> anyhow::Result<Exit> {
    let file = weights::open(&arguments.file).map_err(wrong_input)?;
    let facts = facts(&file)?;
    if arguments.json.json {
        return print_json(&object(&file, &facts));
    }
    let mut out = anstream::stdout().lock();
    for (label, text) in lines(&file, &facts) {
        writeln!(out, "{label:<12}{text}")?;
    }
    Ok(Exit::Done)
}

fn facts(file: &WeightsFile) -> anyhow::Result<Facts> {
    let path = file.path();
    let blake3 = match weights::identity(path).with_context(|| format!("cannot read {}", path.display()))? {
        WeightsIdentity::File(digest) => digest,
        WeightsIdentity::Random => String::new(),
    };
    let mut types = BTreeMap::new();
    let (mut tensors, mut numbers) = (0, 0);
    for name in file.names() {
        tensors += 1;
        numbers += file.shape(name).map_or(0, |shape| shape.iter().product::<i64>());
        if let Some(element) = file.element_type(name) {
            *types.entry(element).or_default() += 1;
        }
    }
    let fit = layout::best_fit(file);
    let (identity, wrong) = match fit.is_complete().then(|| fit.digest(file)) {
        Some(Ok(identity)) => (Some(identity), None),
        Some(Err(error)) => (None, Some(error.to_string())),
        None => (None, None),
    };
    Ok(Facts { blake3, tensors, numbers, types, fit, identity, wrong })
}

fn lines(file: &WeightsFile, facts: &Facts) -> Vec<(&'static str, String)> {
    let fit = &facts.fit;
    let types: Vec<String> =
        facts.types.iter().map(|(element, count)| format!("{count} {}", element.name())).collect();
    let mut lines = vec![
        ("file", file.path().display().to_string()),
        ("format", format!("{}, {}", file.format().name(), output::bytes(file.bytes()))),
        ("BLAKE3", facts.blake3.clone()),
        ("tensors", format!("{} ({}), {} numbers", facts.tensors, types.join(", "), facts.numbers)),
    ];
    let skipped: Vec<String> = file.skipped().map(|name| format!("`{name}`")).collect();
    if !skipped.is_empty() {
        lines.push(("left alone", format!("Python objects, none of which was made: {}", first(&skipped))));
    }
    if fit.is_foreign() {
        let example = file.names().next().unwrap_or_default();
        let known = frostline_sweep::backbone::names().collect::<Vec<_>>().join(", ");
        lines.push(("network", format!("none that Frostline knows ({known}); its first tensor is `{example}`")));
        return lines;
    }
    let classifier = match fit.classes {
        Some(classes) => format!("with a classifier of {classes} classes"),
        None => "without classifier".to_owned(),
    };
    let names =
        if fit.names == fit.origin { String::new() } else { format!(", converted to {}'s names", fit.names.name()) };
    lines.push(("network", format!("{} of {}{names}, {classifier}", fit.architecture.name, fit.origin.name())));
    let conventions = fit.conventions();
    if let Some(what) = fit.seen_through(file) {
        lines.push(("found", what));
    }
    let padding = match conventions.padding {
        Padding::Same => "TensorFlow's \"same\"",
        Padding::Symmetric => "symmetric",
    };
    let shown = |values: [f64; 3]| match values {
        [red, green, blue] if red == green && green == blue => format!("{red}"),
        values => format!("[{}]", values.map(|value| format!("{value:.2}")).join(", ")),
    };
    lines.push((
        "run with",
        format!(
            "{padding} padding, (pixel - {}) / {}, batch normalization with epsilon {} and momentum {}",
            shown(conventions.mean),
            shown(conventions.deviation),
            conventions.epsilon,
            conventions.momentum
        ),
    ));
    match &facts.identity {
        Some(identity) => {
            lines.push(("complete", format!("yes, all {} tensors of the backbone", fit.slots().len())));
            lines.push(("identity", identity.clone()));
        }
        None if fit.is_complete() => {
            lines.push(("complete", "yes, and not fit for use".to_owned()));
            lines.extend(facts.wrong.clone().map(|wrong| ("values", wrong)));
        }
        None => lines.push(("complete", "no".to_owned())),
    }
    if fit.is_ambiguous() {
        lines.push(("choose", fit.clone().refusal(file).to_string()));
    }
    let shapes = fit.shapes.iter().map(|(name, ours, theirs)| format!("{name} is {theirs:?}, not {ours:?}"));
    for (label, names) in
        [("missing", fit.missing.clone()), ("unexpected", fit.unexpected.clone()), ("shapes", shapes.collect())]
    {
        if !names.is_empty() {
            lines.push((label, listed(&names)));
        }
    }
    lines
}

/// The number of names and the first of them.
fn listed(names: &[String]) -> String {
    format!("{}: {}", names.len(), first(names))
}

fn first(names: &[String]) -> String {
    let more = if names.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", names[..names.len().min(SHOWN)].join(", "))
}

fn object(file: &WeightsFile, facts: &Facts) -> Value {
    let fit = &facts.fit;
    let known = !fit.is_foreign();
    let types: BTreeMap<&str, usize> = facts.types.iter().map(|(element, count)| (element.name(), *count)).collect();
    let shapes =
        fit.shapes.iter().map(|(name, ours, theirs)| json!({"name": name, "expected": ours, "found": theirs}));
    json!({
        "file": file.path().display().to_string(),
        "format": file.format().name(),
        "bytes": file.bytes(),
        "files": file.files(),
        "blake3": facts.blake3,
        "tensors": facts.tensors,
        "numbers": facts.numbers,
        "types": types,
        "backbone": known.then_some(fit.architecture.name),
        "origin": known.then_some(fit.origin.name()),
        "names": known.then_some(fit.names.name()),
        "classes": fit.classes,
        "complete": fit.is_complete(),
        "identity": facts.identity,
        "wrong": facts.wrong,
        "root": known.then(|| fit.root.trim_end_matches('.')),
        "roots": fit.roots.iter().map(|root| root.trim_end_matches('.')).collect::<Vec<_>>(),
        "skipped": file.skipped().collect::<Vec<_>>(),
        "missing": if known { json!(fit.missing) } else { Value::Null },
        "unexpected": if known { json!(fit.unexpected) } else { Value::Null },
        "shapes": shapes.collect::<Vec<_>>(),
    })
}

fn convert(arguments: &Convert) -> anyhow::Result<Exit> {
    let Convert { file, output: target } = arguments;
    if target.extension().is_none_or(|extension| extension != "safetensors") {
        return Err(wrong_input(format!(
            "{} does not end in .safetensors, which is the only format that is written: rename it",
            target.display()
        )));
    }
    let source = weights::open(file).map_err(wrong_input)?;
    let fit = layout::best_fit(&source);
    if fit.is_ambiguous() {
        return Err(wrong_input(format!("{}: {}", file.display(), fit.refusal(&source))));
    }
    let written = layout::convert(fit.architecture, &source, target).map_err(|error| match error {
        ConvertError::Weights(error) => wrong_input(format!("{}: {error}", file.display())),
        ConvertError::File(error) => anyhow::Error::new(error).context(format!("cannot write {}", target.display())),
    })?;
    let identity = identity(target)?;
    if identity != fit.digest(&source)? {
        anyhow::bail!("{} does not read back as it was written: check the disk and convert again", target.display());
    }
    let mut out = anstream::stdout().lock();
    writeln!(
        out,
        "{}: {} of {} with {}'s names, {} tensors in float32",
        target.display(),
        fit.architecture.name,
        fit.origin.name(),
        written.names.name(),
        written.tensors
    )?;
    writeln!(out, "identity of the tensors, before and after: {identity}")?;
    if fit.origin != written.names {
        output::note(&format!(
            "The network is still to be run as {} runs it: Frostline reads that from the file's metadata, other \
             programs do not.",
            fit.origin.name()
        ));
    }
    Ok(Exit::Done)
}

fn identity(path: &Path) -> anyhow::Result<String> {
    let file = weights::open(path)?;
    Ok(layout::best_fit(&file).digest(&file)?)
}
