//! `show`: everything about one trial.

use crate::args::{self, Common};
use crate::exit::Exit;
use crate::output::{self, BAD, BOLD, DIM, Table, print_json};
use frostline_sweep::parameters::named;
use frostline_sweep::trial::WeightsIdentity;
use frostline_view::show::{Shown, show};
use frostline_view::shown;
use std::io::Write;

pub(crate) fn run(common: &Common, arguments: &args::Show) -> anyhow::Result<Exit> {
    let trial = show(&frostline_store::open(&common.results)?, &arguments.trial)?;
    if arguments.json.json {
        return print_json(&trial);
    }
    print(&mut anstream::stdout().lock(), &trial)?;
    Ok(Exit::Done)
}

fn print(out: &mut impl Write, trial: &Shown) -> std::io::Result<()> {
    let spec = &trial.spec;
    writeln!(out, "{BOLD}{}{BOLD:#}  {}", trial.trial, trial.state)?;
    let sweeps = if trial.sweeps.is_empty() { "none any more".to_owned() } else { trial.sweeps.join(", ") };
    writeln!(out, "  sweeps           {sweeps}")?;
    let weights = match &spec.model.weights {
        WeightsIdentity::Random => "random".to_owned(),
        WeightsIdentity::File(digest) => format!("file with BLAKE3 {}…", &digest[..digest.len().min(16)]),
    };
    writeln!(out, "  model            {}, weights {weights}", spec.model.backbone)?;
    let dataset = serde_json::to_value(spec.data.dataset).map_or_else(|_| String::new(), |name| shown(&name));
    writeln!(out, "  data             {dataset}, {0} x {0} pixels", spec.data.image_size)?;
    for (name, value) in named(spec) {
        writeln!(out, "  {name:<16} {}", shown(&value))?;
    }
    if !trial.epochs.is_empty() {
        writeln!(out)?;
        let mut table = Table::new(&[
            "epoch",
            "train_loss",
            "train_accuracy",
            "val_loss",
            "val_accuracy",
            "time",
            "images/s",
            "memory",
        ]);
        for epoch in &trial.epochs {
            table.row([
                epoch.epoch.to_string(),
                format!("{:.4}", epoch.train_loss),
                format!("{:.4}", epoch.train_accuracy),
                format!("{:.4}", epoch.val_loss),
                format!("{:.4}", epoch.val_accuracy),
                output::seconds(epoch.seconds),
                format!("{:.0}", epoch.images_per_second),
                output::bytes(epoch.peak_memory),
            ]);
        }
        write!(out, "{table}")?;
    }
    if let Some(evaluation) = &trial.evaluation {
        writeln!(out, "\n  test accuracy {:.4}, test loss {:.4}", evaluation.test_accuracy, evaluation.test_loss)?;
        let trained = evaluation.trained_parameters;
        writeln!(out, "  {trained} parameters trained in {}", output::seconds(evaluation.seconds))?;
        let classes: Vec<String> = evaluation.class_accuracy.iter().map(|share| format!("{share:.2}")).collect();
        writeln!(out, "  accuracy by class  {}", classes.join("  "))?;
        writeln!(out, "{DIM}  confusion, a row for each true class{DIM:#}")?;
        for counts in &evaluation.confusion {
            let cells: String = counts.iter().map(|count| format!("{count:>6}")).collect();
            writeln!(out, "  {cells}")?;
        }
    }
    for attempt in &trial.attempts {
        let build = &attempt.build;
        writeln!(
            out,
            "\n  attempt {} on worker {} ({}, {}, libtorch {}, {}): {}, {}",
            attempt.attempt,
            attempt.worker,
            build.device,
            output::count(u64::from(build.threads), "thread"),
            build.libtorch,
            build.host,
            attempt.outcome,
            output::count(u64::from(attempt.epochs), "epoch")
        )?;
        if let Some(images) = attempt.micro_batch {
            let images = output::count(u64::from(images), "image");
            writeln!(out, "  {images} at a time, because memory had run out")?;
        }
        if let Some(failure) = &attempt.failure {
            writeln!(out, "  {BAD}{}{BAD:#}: {}", failure.kind, failure.message)?;
            for line in &failure.log {
                writeln!(out, "{DIM}    {line}{DIM:#}")?;
            }
        }
    }
    Ok(())
}
