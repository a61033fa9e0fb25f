//! One trial: its frost line, curve, mistakes, hyperparameters, attempts, and what to type to go on with it.

use super::board::{drawn, frost};
use crate::figure::confusion::{self, Confusion};
use crate::figure::curves::{Curve, Kind};
use crate::figure::{Words, curves, strip};
use crate::number::{self, fixed, seconds};
use frostline_sweep::outcome::{ClassMetrics, TrialState};
use frostline_sweep::parameters::{BACKBONE, named};
use frostline_sweep::trial::Augment;
use frostline_view::page::Network;
use frostline_view::show::{Attempt, Shown};
use frostline_view::shown;
use maud::{Markup, html};

/// A page of its own; `classes` are names in the order of their numbers.
pub fn trial_page(shown: &Shown, classes: &[String]) -> Markup {
    html! {
        @if let Some(network) = Network::of(&shown.spec) { (strip::definitions(&[drawn(&network)])) }
        div.answer {
            p.says { (number::sentence(&summary(shown))) "." }
            @if shown.evaluation.is_some() { p { a href={ "/t/" (shown.trial) "/wrong" } { "The images that it gets wrong" } } }
        }
        h2.hidden { "In full" }
        (trial(shown, classes))
    }
}

/// The network's definitions must be on the page.
pub(super) fn trial(trial: &Shown, classes: &[String]) -> Markup {
    let network = Network::of(&trial.spec);
    let id = trial.trial.short();
    html! {
        div.grid {
            @if let Some(network) = &network { div.wide { (frost_line(trial, network, &id)) } }
            @if let Some(figure) = curve(trial, &id) { div { (figure) } }
            @if let Some(evaluation) = trial.evaluation.as_ref().filter(|it| !it.confusion.is_empty()) {
                div { (mistakes(&id, classes, &evaluation.confusion)) @if let Some(metrics) = by_class(trial) { (metrics) } }
            }
            div { (parameters(trial)) }
            div { (attempts(trial)) (commands(trial)) }
        }
    }
}

/// "complete: val_accuracy 0.796 after 10 epochs, 0.776 on test images, in 21 s".
pub(super) fn summary(trial: &Shown) -> String {
    let last = trial.epochs.last();
    let validated = last.map(|last| {
        format!(
            ": val_accuracy {} after {}",
            fixed(last.val_accuracy, 3),
            number::count(u64::from(last.epoch), "epoch")
        )
    });
    let tested = trial.evaluation.as_ref().map(|it| {
        format!(
            ", {} on test images, {} parameters trained in {}",
            fixed(it.test_accuracy, 3),
            number::whole(it.trained_parameters),
            seconds(it.seconds)
        )
    });
    format!("{}{}{}", trial.state, validated.unwrap_or_default(), tested.unwrap_or_default())
}

fn frost_line(trial: &Shown, network: &Network, id: &str) -> Markup {
    let frost = frost(network, trial.spec.parameters.frozen_layers);
    let network = drawn(network);
    let words = Words {
        id: format!("frost-{id}"),
        title: "Frost line".to_owned(),
        finding: strip::finding(&network, &frost),
        note: Some("Hatched: frozen. Plain: trained. Each part is as wide as its computing.".to_owned()),
    };
    strip::figure(&words, &network, &frost)
}

fn curve(trial: &Shown, id: &str) -> Option<Markup> {
    let last = trial.epochs.last()?;
    let of = |label: &str, values: Vec<f64>, kind| Curve { label: label.to_owned(), values, kind };
    let drawn = [
        of("val_accuracy", trial.epochs.iter().map(|epoch| epoch.val_accuracy).collect(), Kind::Best),
        of("train_accuracy", trial.epochs.iter().map(|epoch| epoch.train_accuracy).collect(), Kind::Beside),
    ];
    let words = Words {
        id: format!("curve-{id}"),
        title: "Learning curve".to_owned(),
        finding: format!(
            "After {}: val_accuracy {}, train_accuracy {}.",
            number::count(u64::from(last.epoch), "epoch"),
            fixed(last.val_accuracy, 3),
            fixed(last.train_accuracy, 3)
        ),
        note: Some("Line: validation images. Dashes: training images, measured while training.".to_owned()),
    };
    Some(curves::figure(&words, &drawn, "accuracy"))
}

fn mistakes(id: &str, classes: &[String], counts: &[Vec<u32>]) -> Markup {
    let confusion = Confusion { classes: classes.to_vec(), counts: counts.to_vec() };
    let words = Words {
        id: format!("confusion-{id}"),
        title: "Test images by class".to_owned(),
        finding: confusion.finding(),
        note: None,
    };
    confusion::figure(&words, &confusion)
}

/// How well classes are recognised whatever their sizes.
fn by_class(trial: &Shown) -> Option<Markup> {
    let validation = trial.epochs.last().and_then(|last| last.by_class);
    let test = trial.evaluation.as_ref().and_then(|it| it.by_class);
    if validation.is_none() && test.is_none() {
        return None;
    }
    let cell = |metrics: Option<ClassMetrics>, of: fn(&ClassMetrics) -> f64| {
        metrics.map_or("–".to_owned(), |metrics| fixed(of(&metrics), 3))
    };
    let row = |name, of: fn(&ClassMetrics) -> f64| (name, cell(validation, of), cell(test, of));
    let rows = [
        row("balanced accuracy", |it| it.balanced_accuracy),
        row("macro F1", |it| it.macro_f1),
        row("top-5 accuracy", |it| it.top5_accuracy),
    ];
    Some(html! {
        h3 { "Whatever the sizes of classes" }
        div.scroll tabindex="0" role="group" aria-label="Metrics by class" {
            table.pairs {
                thead { tr { th scope="col" { "metric" } th scope="col" { "validation" } th scope="col" { "test" } } }
                tbody {
                    @for (name, validation, test) in rows {
                        tr { th scope="row" { (name) } td { (validation) } td { (test) } }
                    }
                }
            }
        }
    })
}

fn parameters(trial: &Shown) -> Markup {
    let spec = &trial.spec;
    let weights = trial.weights_in_words();
    let dataset = serde_json::to_value(spec.data.dataset).map(|name| shown(&name)).unwrap_or_default();
    html! {
        h3 { "What it is" }
        div.scroll tabindex="0" role="group" aria-label="Hyperparameters" {
            table.pairs {
                tbody {
                    tr { th scope="row" { "trial" } td.id { (trial.trial) } }
                    tr { th scope="row" { "sweeps" } td { (trial.sweeps.join(", ")) } }
                    tr { th scope="row" { "backbone" } td { (spec.model.backbone) ", weights " (weights) } }
                    tr { th scope="row" { "data" } td { (dataset) ", " (spec.data.image_size) " × " (spec.data.image_size) " pixels" @if spec.data.augment != Augment::None { ", augment " (spec.data.augment) } } }
                    @for (name, value) in named(spec).into_iter().filter(|(name, _)| *name != BACKBONE) {
                        tr { th scope="row" { (name.replace('_', " ")) } td { (shown(&value)) } }
                    }
                }
            }
        }
    }
}

fn attempts(trial: &Shown) -> Markup {
    html! {
        h3 { "Attempts" }
        @if trial.attempts.is_empty() { p.muted { "None yet." } }
        @for attempt in &trial.attempts {
            p.finding { (told(attempt)) }
            @if let Some(failure) = &attempt.failure {
                p.problem { (failure.kind.as_str()) ": " (failure.message) }
                @if !failure.log.is_empty() {
                    details {
                        summary { "Last lines of its log" }
                        pre.log tabindex="0" { @for line in &failure.log { (line) "\n" } }
                    }
                }
            }
        }
    }
}

fn told(attempt: &Attempt) -> String {
    let build = &attempt.build;
    let took = attempt.ended_at.map_or(String::new(), |ended| format!(" in {}", seconds(ended - attempt.started_at)));
    let micro = attempt.micro_batch.map_or(String::new(), |images| {
        format!(", {} at a time because memory had run out", number::count(u64::from(images), "image"))
    });
    format!(
        "Attempt {}, {}{took}: {} on worker {} ({}, {}, libtorch {}, {}){micro}.",
        attempt.attempt,
        attempt.outcome,
        number::count(u64::from(attempt.epochs), "epoch"),
        attempt.worker,
        build.on(),
        number::count(u64::from(build.threads), "thread"),
        build.libtorch,
        build.host
    )
}

fn commands(trial: &Shown) -> Markup {
    let id = trial.trial.short();
    html! {
        h3 { "In a terminal" }
        ul.commands {
            li { code { "frostline show " (id) } }
            @if trial.state == TrialState::Complete {
                li { code { "frostline predict " (id) " picture.jpg" } }
                li { code { "frostline export-model " (id) " -o model" } }
            }
            @if trial.state == TrialState::Failed {
                @for sweep in &trial.sweeps { li { code { "frostline retry " (sweep) } } }
            }
        }
    }
}
