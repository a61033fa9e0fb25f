//! The sections of a definition, one after the other.

use super::problems::{DefinitionErrors, Place};
use super::reader::{Reader, Section, Spanned, apply_overrides, place};
use super::{Axis, Cache, Data, Definition, DeviceChoice, Exclusion, Keep, KeepModels, Model, Workers};
use crate::backbone::{self, Architecture};
use crate::metric::{self, Metric};
use crate::trial::{Augment, Dataset, Validation};
use crate::{parameters, suggest};
use serde_json::Value;
use std::collections::BTreeMap;
use toml_edit::Document;

const SECTIONS: [&str; 9] = ["sweep", "data", "model", "grid", "exclude", "train", "workers", "cache", "keep"];

/// Cells of one sweep; more are a mistake, or want another method than a grid.
const MOST_CELLS: usize = 1_000_000;

const DEFAULT_CACHE_BYTES: u64 = 20_000_000_000;
const DEFAULT_KEEP_BYTES: u64 = 2_000_000_000;

pub(super) fn definition(
    file: &str,
    text: &str,
    overrides: &[(String, String)],
    with_cells: bool,
) -> Result<Definition, DefinitionErrors> {
    let text = apply_overrides(file, text, overrides)?;
    let reader = Reader::new(file, &text, overrides);
    let document = match Document::parse(text.as_str()) {
        Ok(document) => document,
        Err(error) => {
            reader.problem(place(error.span()), error.message().to_owned());
            reader.finish()?;
            unreachable!("a problem was reported")
        }
    };
    for (name, item) in document.iter() {
        if !SECTIONS.contains(&name) {
            let span = document.as_table().key(name).and_then(|key| key.span()).or_else(|| item.span());
            reader.problem(place(span), format!("unknown section `{name}`{}", suggest::hint(name, SECTIONS)));
        }
    }
    let data = data(&reader.section(&document, "data"));
    let head = sweep(&reader.section(&document, "sweep"), &data);
    let model = model(&reader.section(&document, "model"));
    let workers = workers(&reader.section(&document, "workers"));
    let cache = cache(&reader.section(&document, "cache"));
    let keep = keep(&reader.section(&document, "keep"));
    let Some(model) = model else {
        reader.finish()?;
        unreachable!("a missing model is a problem")
    };
    let (grid, train) = (reader.section(&document, "grid"), reader.section(&document, "train"));
    let axes = axes(&grid, model.architecture);
    let fixed = fixed(&train, &grid, model.architecture);
    // Exclusions speak of axes: what they say of a broken one would only confuse.
    let exclude =
        if reader.is_sound() { exclusions(&reader, &document, &axes, model.architecture) } else { Vec::new() };
    reader.finish()?;
    let (Some((name, objective, seeds)), Some(data)) = (head, data) else {
        unreachable!("what is missing is a problem")
    };
    let definition = Definition {
        name,
        objective,
        seeds,
        data,
        model,
        axes,
        fixed,
        exclude,
        workers,
        cache,
        keep,
        text: text.clone(),
    };
    if with_cells {
        check_cells(&definition, &reader, &grid);
    }
    reader.finish()?;
    Ok(definition)
}

fn sweep(section: &Section, data: &Option<Data>) -> Option<(String, &'static Metric, Vec<u64>)> {
    let name = section.required("name", "what the sweep is called in the database");
    let name = name.and_then(|spanned| section.interpret("name", spanned, sweep_name));
    let objective = section.get("objective").map_or(metric::find("val_accuracy"), |spanned| {
        let by_test = data.as_ref().is_some_and(|data| data.validation == Validation::Test);
        section.interpret("objective", spanned, |value| objective(value, by_test))
    });
    let seeds = section.get("seeds").map_or(Some(vec![0]), |spanned| {
        section.interpret("seeds", spanned, |value| {
            let wanted = || format!("a list of whole numbers such as [0, 1, 2], not {value}");
            let items = value.as_array().ok_or_else(wanted)?;
            let seeds = items.iter().map(Value::as_u64).collect::<Option<Vec<_>>>().ok_or_else(wanted)?;
            if seeds.is_empty() {
                return Err("a list of at least one seed, not []".to_owned());
            }
            match (1..seeds.len()).find(|&i| seeds[..i].contains(&seeds[i])) {
                Some(twice) => Err(format!("a list of distinct seeds; {} is there twice", seeds[twice])),
                None => Ok(seeds),
            }
        })
    });
    section.refuse_others(|_| None);
    Some((name?, objective?, seeds?))
}

fn sweep_name(value: &Value) -> Result<String, String> {
    let allowed = |name: &&str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !name.is_empty() && name.len() <= 100 && name.chars().all(plain) && !name.starts_with(['.', '-'])
    };
    let name = value.as_str().filter(allowed).map(str::to_owned);
    name.ok_or_else(|| {
        format!("up to 100 letters, digits, `.`, `_` and `-`, beginning with a letter or digit, not {value}")
    })
}

fn objective(value: &Value, by_test: bool) -> Result<&'static Metric, String> {
    let selecting = || metric::names().filter(|name| metric::find(name).is_some_and(|metric| metric.selects));
    let word = value.as_str().unwrap_or_default();
    match metric::find(word) {
        Some(metric) if metric.selects => Ok(metric),
        Some(_) => {
            let validation = word.replace("test", "val");
            let how = if by_test { " (measured on the test images here)" } else { "" };
            Err(format!("\"{validation}\"{how}, not {value}: the test split is for the end and selects nothing"))
        }
        None => {
            let names = selecting().collect::<Vec<_>>().join(", ");
            Err(format!("one of {names}, not {value}{}", suggest::hint(word, selecting())))
        }
    }
}

fn data(section: &Section) -> Option<Data> {
    let dataset = section.required("dataset", "\"cifar10\" or \"shapes\"");
    let dataset = dataset.and_then(|spanned| {
        section.interpret("dataset", spanned, |value| match value.as_str() {
            Some("cifar10") => Ok(Dataset::Cifar10),
            Some("shapes") => Ok(Dataset::Shapes),
            other => {
                let hint = suggest::hint(other.unwrap_or_default(), ["cifar10", "shapes"]);
                Err(format!("\"cifar10\" or \"shapes\", not {value}{hint}"))
            }
        })
    });
    let path = section.get("path");
    let path_place = path.as_ref().map(|path| path.place.clone());
    let path = path.and_then(|spanned| {
        section.interpret("path", spanned, |value| {
            value
                .as_str()
                .filter(|path| !path.is_empty())
                .map(Into::into)
                .ok_or_else(|| format!("a folder, not {value}"))
        })
    });
    if let (Some(Dataset::Shapes), Some(place)) = (dataset, path_place) {
        section.problem(place, "`path` has no meaning for \"shapes\", which the program draws itself: remove it");
    }
    let validation = section.read("validation", |value| match value {
        Value::String(word) if word == "test" => Ok(Validation::Test),
        Value::Number(share) if share.as_f64().is_some_and(|share| share > 0.0 && share < 1.0) => {
            Ok(Validation::Share(share.as_f64().unwrap_or_default()))
        }
        _ => Err(format!("a share of the training images between 0 and 1, or \"test\", not {value}")),
    });
    let image_size = section.read("image_size", |value| whole(value, 32, 1024));
    let augment = section.read("augment", |value| match value.as_str() {
        Some("none") => Ok(Augment::None),
        Some("flip") => Ok(Augment::Flip),
        _ => Err(format!("\"none\" or \"flip\", not {value}")),
    });
    let train_limit = section.read("train_limit", |value| whole(value, 20, u32::MAX));
    let test_limit = section.read("test_limit", |value| whole(value, 10, u32::MAX));
    let hyperparameter = |name: &str| parameters::find(name).map(|_| ": it belongs in [grid] or [train]".to_owned());
    section.refuse_others(hyperparameter);
    Some(Data {
        dataset: dataset?,
        path,
        validation: validation.unwrap_or(Validation::Share(0.1)),
        image_size: image_size.unwrap_or(128),
        augment: augment.unwrap_or(Augment::None),
        train_limit,
        test_limit,
    })
}

fn whole(value: &Value, least: u32, most: u32) -> Result<u32, String> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.filter(|number| (least..=most).contains(number)).ok_or_else(|| {
        let bound = if most == u32::MAX { format!("of at least {least}") } else { format!("from {least} to {most}") };
        format!("a whole number {bound}, not {value}")
    })
}

fn model(section: &Section) -> Option<Model> {
    let backbone = section.required("backbone", "one of the networks that `frostline doctor` lists");
    let architecture = backbone.and_then(|spanned| {
        section.interpret("backbone", spanned, |value| {
            let word = value.as_str().unwrap_or_default();
            backbone::find(word).ok_or_else(|| {
                let names = backbone::names().collect::<Vec<_>>().join(", ");
                format!("one of {names}, not {value}{}", suggest::hint(word, backbone::names()))
            })
        })
    });
    let weights = section.required("weights", "a catalogue name, a file, or \"random\"");
    let weights = weights.and_then(|spanned| {
        section.interpret("weights", spanned, |value| {
            let word = value.as_str().filter(|word| !word.is_empty());
            word.map(str::to_owned).ok_or_else(|| format!("a catalogue name, a file, or \"random\", not {value}"))
        })
    });
    section.refuse_others(|_| None);
    Some(Model { architecture: architecture?, weights: weights? })
}

fn workers(section: &Section) -> Workers {
    let automatic = |value: &Value| match value {
        Value::String(word) if word == "auto" => Ok(None),
        _ => whole(value, 1, 1024)
            .map(Some)
            .map_err(|_| format!("\"auto\" or a whole number from 1 to 1024, not {value}")),
    };
    let count = section.read("count", automatic).flatten();
    let threads = section.read("threads", automatic).flatten();
    let device = section.read("device", |value| match value.as_str() {
        Some("auto") => Ok(DeviceChoice::Auto),
        Some("cpu") => Ok(DeviceChoice::Cpu),
        Some("cuda") => Ok(DeviceChoice::Cuda),
        _ => Err(format!("\"auto\", \"cpu\" or \"cuda\", not {value}")),
    });
    let seconds = |value: &Value, least: f64| {
        let seconds = value.as_f64().filter(|seconds| (least..=86_400.0).contains(seconds));
        seconds.ok_or_else(|| format!("seconds from {least} to 86400, not {value}"))
    };
    let lease = section.read("lease", |value| seconds(value, 1.0));
    let reconnect_grace = section.read("reconnect_grace", |value| seconds(value, 0.0));
    section.refuse_others(|_| None);
    let device = device.unwrap_or(DeviceChoice::Auto);
    let (lease, reconnect_grace) = (lease.unwrap_or(20.0), reconnect_grace.unwrap_or(30.0));
    Workers { count, threads, device, lease, reconnect_grace }
}

fn cache(section: &Section) -> Cache {
    let features = section.read("features", |value| match value.as_str() {
        Some("auto") => Ok(true),
        Some("off") => Ok(false),
        _ => Err(format!("\"auto\" or \"off\", not {value}")),
    });
    let max_bytes = section.read("max_bytes", |value| space(value, "20 GB"));
    section.refuse_others(|_| None);
    Cache { features: features.unwrap_or(true), max_bytes: max_bytes.unwrap_or(DEFAULT_CACHE_BYTES) }
}

fn keep(section: &Section) -> Keep {
    let models = section.read("models", |value| match value.as_str() {
        Some("best") => Ok(KeepModels::Best),
        Some("all") => Ok(KeepModels::All),
        Some("none") => Ok(KeepModels::None),
        _ => Err(format!("\"best\", \"all\" or \"none\", not {value}")),
    });
    let count = section.read("count", |value| whole(value, 1, 1_000_000));
    let max_bytes = section.read("max_bytes", |value| space(value, "2 GB"));
    section.refuse_others(|_| None);
    Keep {
        models: models.unwrap_or(KeepModels::Best),
        count: count.unwrap_or(1),
        max_bytes: max_bytes.unwrap_or(DEFAULT_KEEP_BYTES),
    }
}

fn space(value: &Value, example: &str) -> Result<u64, String> {
    let wanted = || format!("a number of bytes, or text such as \"{example}\", not {value}");
    value.as_u64().or_else(|| bytes(value.as_str()?)).ok_or_else(wanted)
}

/// "20 GB", "1.5GiB", "500000".
fn bytes(text: &str) -> Option<u64> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let number: f64 = text[..split].trim().parse().ok()?;
    let unit: f64 = match text[split..].trim() {
        "" | "B" => 1.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        "GiB" => 1_073_741_824.0,
        "TiB" => 1_099_511_627_776.0,
        _ => return None,
    };
    (number >= 0.0 && number.is_finite()).then_some((number * unit) as u64)
}

fn hyperparameter_hint(name: &str) -> String {
    match name {
        "image_size" | "augment" | "dataset" | "validation" => ": it belongs in [data]".to_owned(),
        _ => suggest::hint(name, parameters::keys().map(|key| key.name)),
    }
}

fn axes(section: &Section, architecture: &Architecture) -> Vec<Axis> {
    let mut axes = Vec::new();
    for (name, key_place) in section.keys() {
        let Some(key) = parameters::find(&name) else {
            section.problem(key_place, format!("unknown key `{name}` in [grid]{}", hyperparameter_hint(&name)));
            continue;
        };
        let Some(Spanned { value, place }) = section.value(&name) else { continue };
        let Some(items) = value.as_array() else {
            section.problem(place, format!("`{name}` is an axis, a list of values: write {name} = [{value}]"));
            continue;
        };
        if items.is_empty() {
            section.problem(place, format!("`{name}` is empty: an axis has at least one value"));
        }
        let mut values: Vec<(Value, Value)> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let place = || section.element_place(&name, index);
            match key.check(item, architecture) {
                Err(wanted) => section.problem(place(), format!("`{name}` must be {wanted}")),
                Ok(canonical) => match values.iter().find(|(_, other)| *other == canonical) {
                    Some((earlier, _)) if earlier == item => {
                        section.problem(place(), format!("`{name}` has {item} twice"));
                    }
                    Some((earlier, _)) => {
                        section.problem(place(), format!("`{name}`: {earlier} and {item} are the same, {canonical}"));
                    }
                    None => values.push((item.clone(), canonical)),
                },
            }
        }
        axes.push(Axis { name: key.name, values });
    }
    axes
}

fn fixed(train: &Section, grid: &Section, architecture: &Architecture) -> BTreeMap<&'static str, Value> {
    let mut fixed = BTreeMap::new();
    let axes = grid.keys();
    for key in parameters::keys() {
        let is_axis = axes.iter().any(|(name, _)| name == key.name);
        match train.get(key.name) {
            Some(spanned) if is_axis => {
                train.problem(
                    spanned.place,
                    format!("`{}` is an axis of [grid] already: keep one of the two", key.name),
                );
            }
            Some(spanned) => {
                if let Some(value) = train.interpret(key.name, spanned, |value| key.check(value, architecture)) {
                    fixed.insert(key.name, value);
                }
            }
            None if is_axis => {}
            None if key.name == "frozen_layers" => {
                let what = "a count, a share of all layers, or \"all\"";
                grid.problem(
                    Place::File,
                    format!("[grid] needs `frozen_layers`, a list, or [train] one value: {what}"),
                );
            }
            None => drop(key.default().map(|value| fixed.insert(key.name, value))),
        }
    }
    train.refuse_others(|name| Some(hyperparameter_hint(name)));
    fixed
}

fn exclusions(
    reader: &Reader,
    document: &Document<&str>,
    axes: &[Axis],
    architecture: &Architecture,
) -> Vec<Exclusion> {
    let Some(item) = document.get("exclude") else { return Vec::new() };
    let Some(tables) = item.as_array_of_tables() else {
        reader.problem(place(item.span()), "`exclude` is a list of sections: write [[exclude]]");
        return Vec::new();
    };
    let mut exclusions = Vec::new();
    for table in tables {
        let section = reader.table("exclude", table);
        let mut conditions = Vec::new();
        for (name, key_place) in section.keys() {
            let Some(axis) = axes.iter().find(|axis| axis.name == name) else {
                let hint = suggest::hint(&name, axes.iter().map(|axis| axis.name));
                section.problem(key_place, format!("`{name}` in [[exclude]] is no axis of [grid]{hint}"));
                continue;
            };
            let (Some(key), Some(Spanned { value, place })) = (parameters::find(&name), section.value(&name)) else {
                continue;
            };
            // A list names several values, unless the key's own values are lists.
            let listed = match (&value, key.check(&value, architecture)) {
                (Value::Array(items), Err(_)) => items.clone(),
                _ => vec![value.clone()],
            };
            let mut wanted = Vec::new();
            for item in listed {
                match key.check(&item, architecture) {
                    Err(expected) => section.problem(place.clone(), format!("`{name}` must be {expected}")),
                    Ok(canonical) if axis.values.iter().any(|(_, value)| *value == canonical) => {
                        wanted.push(canonical)
                    }
                    Ok(_) => section.problem(place.clone(), format!("`{name}` has no value {item} in [grid]")),
                }
            }
            conditions.push((axis.name, wanted));
        }
        if section.keys().is_empty() {
            reader.problem(place(table.span()), "an empty [[exclude]] would leave nothing: name an axis and a value");
        }
        exclusions.push(Exclusion { conditions });
    }
    exclusions
}

/// What only shows when the cells are put together.
fn check_cells(definition: &Definition, reader: &Reader, grid: &Section) {
    let count = definition.axes.iter().try_fold(1usize, |count, axis| count.checked_mul(axis.values.len()));
    let count = count.and_then(|count| count.checked_mul(definition.seeds.len()));
    if count.is_none_or(|count| count > MOST_CELLS) {
        reader.problem(Place::File, format!("the grid has more than {MOST_CELLS} cells: take values out of an axis"));
        return;
    }
    let place = |name: &str| {
        let axis = grid.keys().into_iter().find(|(key, _)| key == name).map(|(_, place)| place);
        axis.unwrap_or(Place::File)
    };
    match definition.cells() {
        Err(message) => reader.problem(place("head_depth"), message),
        Ok(cells) if cells.is_empty() => {
            reader.problem(Place::File, "[[exclude]] leaves no cell: nothing would run");
        }
        Ok(_) => {}
    }
}
