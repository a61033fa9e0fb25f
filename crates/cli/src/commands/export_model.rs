//! `export-model`: a trained model as a folder that other libraries can use.

use crate::args::{self, Common};
use crate::exit::{Exit, wrong_input};
use crate::machine;
use crate::output;
use crate::trained::Trained;
use anyhow::Context;
use frostline_assets::data;
use frostline_protocol::tools::{Export, Exported, Layout};
use frostline_sweep::backbone;
use frostline_sweep::metric;
use frostline_sweep::outcome::AttemptOutcome;
use frostline_sweep::trial::{Fit, Pictures, Precision, WeightsIdentity};
use serde_json::{Map, Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;

/// Loads the folder into the library that the backbone came from.
const LOADER: &str = include_str!("load.py");

pub(crate) fn run(common: &Common, arguments: &args::ExportModel) -> anyhow::Result<Exit> {
    let folder = &arguments.output;
    let is_empty = fs::read_dir(folder).map(|mut entries| entries.next().is_none());
    if folder.exists() && !is_empty.unwrap_or(false) {
        return Err(wrong_input(format!("{} is not an empty folder: name another with -o", folder.display())));
    }
    let trained = Trained::find(common, &arguments.trial, arguments.weights.as_deref())?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let written = write(&trained, arguments);
    if written.is_err() {
        // What is there is not a model yet, and the folder was empty before.
        for name in ["model.safetensors", "head.safetensors", "card.json", "load.py"] {
            let _ = fs::remove_file(folder.join(name));
        }
        let _ = fs::remove_dir(folder);
    }
    let exported = written?;
    let mut out = anstream::stdout().lock();
    let library = layout_name(exported.layout);
    writeln!(
        out,
        "{}: {} of {library} with the head of trial {}",
        folder.display(),
        exported.network,
        arguments.trial
    )?;
    for name in ["model.safetensors", "head.safetensors", "card.json", "load.py"] {
        let size = fs::metadata(folder.join(name)).map_or(0, |file| file.len());
        writeln!(out, "  {name:<18} {:>8}", output::bytes(size))?;
    }
    writeln!(out, "Try it:  python {} PICTURE", folder.join("load.py").display())?;
    Ok(Exit::Done)
}

fn write(trained: &Trained, arguments: &args::ExportModel) -> anyhow::Result<Exported> {
    let folder = std::path::absolute(&arguments.output)?;
    let layout = arguments.layout.map(|layout| match layout {
        args::Layout::Torchvision => Layout::Torchvision,
        args::Layout::Timm => Layout::Timm,
    });
    let question = Export { model: trained.files.clone(), layout, folder: folder.clone() };
    let exported: Exported = machine::question("export", &question)?;
    write_file(&folder.join("card.json"), &(serde_json::to_string_pretty(&card(trained, &exported)?)? + "\n"))?;
    write_file(&folder.join("load.py"), LOADER)?;
    Ok(exported)
}

fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn layout_name(layout: Layout) -> &'static str {
    match layout {
        Layout::Torchvision => "torchvision",
        Layout::Timm => "timm",
    }
}

/// How a picture becomes a square of `side` pixels, in words.
fn squared(pictures: Option<Pictures>, side: usize) -> String {
    let fit = pictures.map(|pictures| pictures.fit);
    match fit {
        None => format!("take the square in the middle, average it by area to {side} x {side} pixels"),
        Some(Fit::Crop) => {
            format!("take the square in the middle, resize it bilinearly with antialiasing to {side} x {side} pixels")
        }
        Some(Fit::Pad) => format!(
            "resize the picture bilinearly with antialiasing so that it fits into {side} x {side} pixels, in the middle of \
             black"
        ),
        Some(Fit::Stretch) => {
            format!("resize the picture bilinearly with antialiasing to {side} x {side} pixels, whatever its sides")
        }
    }
}

/// Everything that somebody has to know who uses the model elsewhere.
fn card(trained: &Trained, exported: &Exported) -> anyhow::Result<Value> {
    let (row, spec) = (&trained.detail.row, &trained.files.spec);
    let architecture = backbone::find(&spec.model.backbone)
        .with_context(|| format!("there is no network `{}` any more", spec.model.backbone))?;
    let library = layout_name(exported.layout);
    let metrics: Map<String, Value> = match (&row.last, &row.evaluation) {
        (Some(last), Some(evaluation)) => metric::names()
            .filter_map(|name| Some((name.to_owned(), json!(metric::find(name)?.value(last, evaluation)))))
            .collect(),
        _ => Map::new(),
    };
    let parameters = spec.named_object();
    let side = data::side(&spec.data);
    let attempt = trained.detail.attempts.iter().rfind(|attempt| attempt.outcome == AttemptOutcome::Complete);
    let weights = match &spec.model.weights {
        WeightsIdentity::Random => "random".to_owned(),
        WeightsIdentity::File(digest) => format!("file with BLAKE3 {digest}"),
    };
    let mut card = json!({
        "format": "frostline-card-1",
        "trial": row.trial,
        "layout": library,
        "network": exported.network,
        "classes": trained.classes(),
        "preprocessing": {
            "side": side,
            "image_size": spec.data.image_size,
            "fit": spec.data.pictures.map(|pictures| pictures.fit),
            "steps": format!(
                "{}, resize it bilinearly (half-pixel centres, no antialiasing) to {1} x {1}, subtract the mean from \
                 0..255, divide by the deviation",
                squared(spec.data.pictures, side),
                spec.data.image_size
            ),
            "mean": exported.mean,
            "deviation": exported.deviation,
        },
        "padding": exported.padding,
        "batch_norm_epsilon": exported.epsilon,
        "head": {
            "features": architecture.top_channels,
            "units": spec.parameters.head_units,
            "dropout": spec.parameters.head_dropout,
        },
        "metrics": metrics,
        "parameters": parameters,
        "provenance": {
            "exported_by": format!("frostline {}", env!("CARGO_PKG_VERSION")),
            "trained_by": attempt.map(|attempt| json!({
                "frostline": attempt.build.version,
                "libtorch": attempt.build.libtorch,
                "device": attempt.build.device,
                "threads": attempt.build.threads,
            })),
            "sweeps": trained.detail.sweeps,
            "dataset": spec.data.dataset,
            "data_digest": spec.data.digest,
            "pretrained_weights": weights,
            "seed": spec.seed,
        },
        "how_to_load": format!(
            "`from load import load, predict`, with load.py beside this file and torch, {library}, safetensors, numpy and \
             Pillow installed. model.safetensors has {library}'s tensor names for {}, without a classifier; \
             head.safetensors is the state of a torch.nn.Sequential in the classifier's place.",
            exported.network
        ),
    });
    if spec.parameters.precision == Precision::Bfloat16 {
        let note = "Trained with the frozen part in bfloat16; these tensors are float32, so that predictions of pictures \
                    near a boundary between classes may differ.";
        card["precision_note"] = json!(note);
    }
    Ok(card)
}
