//! A trial in full.

use super::{BAD, BOLD, DIM, Table, Voice, below};
use frostline_sweep::backbone;
use frostline_sweep::depth::Depths;
use frostline_sweep::outcome::{ClassMetrics, EpochMetrics, Evaluation};
use frostline_sweep::parameters::{BACKBONE, named};
use frostline_sweep::trial::Augment;
use frostline_view::show::Shown;
use frostline_view::shown;
use std::io::Write;

/// Classes that are shown one by one.
const MOST_CLASSES: usize = 20;

/// Bars of a curve.
const MOST_BARS: usize = 40;

/// Accuracy and confusion of each class, or of those that are recognised least where there are many.
fn by_class(out: &mut impl Write, evaluation: &Evaluation, names: &[String]) -> std::io::Result<()> {
    let shares = &evaluation.class_accuracy;
    let mut order: Vec<usize> = (0..shares.len()).collect();
    let name = |class: usize| names.get(class).map_or("", String::as_str);
    let is_whole = shares.len() <= MOST_CLASSES;
    if is_whole {
        let images: u64 = evaluation.confusion.iter().flatten().map(|count| u64::from(*count)).sum();
        let images = super::count(images, "test image");
        let heading = format!("accuracy by class, and confusion matrix on {images} (rows: true, columns: predicted)");
        writeln!(out, "{DIM}{}{DIM:#}", below(&heading))?;
    } else {
        order.sort_by(|&one, &other| shares[one].total_cmp(&shares[other]));
        order.truncate(MOST_CLASSES);
        writeln!(out, "{DIM}  accuracy by class, the least of {}{DIM:#}", shares.len())?;
    }
    let width = order.iter().map(|&class| name(class).chars().count()).max().unwrap_or(0);
    for class in order {
        let counts = evaluation.confusion.get(class).filter(|_| is_whole);
        let cells: String = counts.into_iter().flatten().map(|count| format!("{count:>6}")).collect();
        writeln!(out, "  {:<width$}  {:.2}{cells}", name(class), shares[class])?;
    }
    Ok(())
}

/// How the validation images were judged over the epochs, from the least to the largest.
fn curves(epochs: &[EpochMetrics]) -> Vec<String> {
    // Two points are no curve.
    if epochs.len() < 3 {
        return Vec::new();
    }
    let curve = |name: &str, values: Vec<f64>| {
        let (least, most) = values
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), &value| (least.min(value), most.max(value)));
        format!("{name:<12}  {}  {least:.4} to {most:.4}", bars(&values, least, most))
    };
    vec![
        curve("val_loss", epochs.iter().map(|epoch| epoch.val_loss).collect()),
        curve("val_accuracy", epochs.iter().map(|epoch| epoch.val_accuracy).collect()),
    ]
}

/// A bar for each value, of eight heights; at most so many that a line holds them, each of the last value of its part.
fn bars(values: &[f64], least: f64, most: f64) -> String {
    let heights = Voice::get().drawn("▁▂▃▄▅▆▇█", "_.-~=+*#");
    let heights: Vec<char> = heights.chars().collect();
    let count = values.len().min(MOST_BARS);
    let last = (1..=count).map(|bar| values[bar * values.len() / count - 1]);
    let range = (most - least).max(f64::MIN_POSITIVE);
    last.map(|value| match ((value - least) / range * 8.0).floor() {
        height if height.is_nan() => ' ',
        height => heights[(height as usize).min(7)],
    })
    .collect()
}

/// `classes` are the names of the classes in the order of their numbers; of a complete trial, `model` says where its model is,
/// or how it can be had.
pub(crate) fn trial(
    out: &mut impl Write,
    trial: &Shown,
    classes: &[String],
    model: Option<&str>,
) -> std::io::Result<()> {
    let spec = &trial.spec;
    writeln!(out, "{BOLD}{}{BOLD:#}  {}", trial.trial, trial.state)?;
    let sweeps = if trial.sweeps.is_empty() { "none any more".to_owned() } else { trial.sweeps.join(", ") };
    writeln!(out, "  sweeps           {sweeps}")?;
    writeln!(out, "  model            {}", spec.model.backbone)?;
    writeln!(out, "  weights          {}", trial.weights_in_words())?;
    let dataset = serde_json::to_value(spec.data.dataset).map_or_else(|_| String::new(), |name| shown(&name));
    let seen = match spec.data.augment {
        Augment::None => String::new(),
        augment => format!(", augment {augment}"),
    };
    writeln!(out, "  data             {dataset}, {0} x {0} pixels{seen}", spec.data.image_size)?;
    let depths = backbone::find(&spec.model.backbone)
        .map(|network| Depths::of([(network, spec.parameters.frozen_layers, None)]))
        .unwrap_or_default();
    // What has no meaning for this optimizer or schedule has no value.
    let others = named(spec).into_iter().filter(|(name, value)| *name != BACKBONE && !value.is_null());
    for (name, value) in others {
        let depth = if name == "frozen_layers" { depths.words(None, &value) } else { None };
        writeln!(out, "  {name:<16} {}", depth.map_or_else(|| shown(&value), str::to_owned))?;
    }
    if !trial.epochs.is_empty() {
        writeln!(out)?;
        let measured = ["train_loss", "train_accuracy", "val_loss", "val_accuracy"];
        let header = [&["epoch"], &measured[..], &["time", "images/s", "memory"]].concat();
        let mut table = Table::new(&header).sparing(&["memory", "images/s"]);
        for epoch in &trial.epochs {
            table.row([
                epoch.epoch.to_string(),
                format!("{:.4}", epoch.train_loss),
                format!("{:.4}", epoch.train_accuracy),
                format!("{:.4}", epoch.val_loss),
                format!("{:.4}", epoch.val_accuracy),
                super::seconds(epoch.seconds),
                format!("{:.0}", epoch.images_per_second),
                super::bytes(epoch.peak_memory),
            ]);
        }
        write!(out, "{}", table.fitted())?;
        for line in curves(&trial.epochs) {
            writeln!(out, "{DIM}  {line}{DIM:#}")?;
        }
    }
    if let Some(evaluation) = &trial.evaluation {
        writeln!(out, "\n  test accuracy {:.4}, test loss {:.4}", evaluation.test_accuracy, evaluation.test_loss)?;
        if let Some(by_class) = evaluation.by_class {
            let ClassMetrics { balanced_accuracy, macro_f1, top5_accuracy } = by_class;
            writeln!(
                out,
                "  balanced accuracy {balanced_accuracy:.4}, macro F1 {macro_f1:.4}, top-5 accuracy {top5_accuracy:.4}"
            )?;
        }
        let trained = evaluation.trained_parameters as f64 / 1e6;
        writeln!(out, "  {trained:.2} M trained parameters, {}", super::seconds(evaluation.seconds))?;
        if let Some(model) = model {
            writeln!(out, "{}", below(&format!("model: {model}")))?;
        }
        by_class(out, evaluation, classes)?;
    }
    // The trial's own; the database counts those of all trials together.
    for (number, attempt) in (1..).zip(&trial.attempts) {
        let build = &attempt.build;
        let ran = format!(
            "attempt {number}: {}, {}, worker {} on {} ({}, {}, libtorch {})",
            attempt.outcome,
            super::count(u64::from(attempt.epochs), "epoch"),
            attempt.worker,
            build.host,
            build.on(),
            super::count(u64::from(build.threads), "thread"),
            build.libtorch,
        );
        writeln!(out, "\n{}", below(&ran))?;
        if let Some(images) = attempt.micro_batch {
            let images = super::count(u64::from(images), "image");
            writeln!(out, "  {images} at a time, because memory had run out")?;
        }
        if let Some(failure) = &attempt.failure {
            writeln!(out, "{}", below(&format!("{BAD}{}{BAD:#}: {}", failure.kind, failure.message)))?;
            for line in &failure.log {
                writeln!(out, "{DIM}    {line}{DIM:#}")?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_has_a_bar_an_epoch_from_the_least_to_the_largest() {
        assert_eq!(bars(&[0.0, 0.5, 1.0, 0.25], 0.0, 1.0), "▁▅█▃");
        assert_eq!(bars(&[0.3, 0.3, 0.3], 0.3, 0.3), "▁▁▁");
        assert_eq!(bars(&[0.0, f64::NAN, 1.0], 0.0, 1.0), "▁ █");
        // A hundred values are forty bars, the last of them the last value.
        let many: Vec<f64> = (0..100).map(f64::from).collect();
        let drawn = bars(&many, 0.0, 99.0);
        assert_eq!((drawn.chars().count(), drawn.chars().next(), drawn.chars().last()), (40, Some('▁'), Some('█')));
    }
}
