//! The report: a sweep's page and those of its best trials in one file, which opens from disk.

use super::document::{Document, Links};
use super::overview::{all_section, overview};
use super::trial::{summary, trial};
use super::words;
use frostline_sweep::trial::WeightsIdentity;
use frostline_view::page::Page;
use frostline_view::shown;
use maud::{Markup, html};

/// `classes` are those of each trial that the page shows in full. `made_by` is the program and its version.
pub fn report(page: &Page, classes: &[Vec<String>], made_by: &str) -> String {
    let links = Links::File(page.trials.iter().map(|trial| trial.trial).collect());
    let place = |address: &str, name: &str| (address.to_owned(), name.to_owned(), false);
    let mut places = vec![place("#board", "leaderboard")];
    let main = html! {
        (overview(page, &links))
        @if page.ranking.rows.len() > 1 { (all_section(page)) }
        @for (shown, classes) in page.trials.iter().zip(classes) {
            article.trial id={ "trial-" (shown.trial.short()) } {
                h2 { "Trial " span.id { (shown.trial.short()) } }
                p { (summary(shown)) }
                (trial(shown, classes))
            }
        }
    };
    // Only what is there.
    let drawn = main.0.as_str();
    for (id, name) in
        [("depth", "depth"), ("effects", "effects"), ("cost", "cost"), ("curves", "curves"), ("all", "all")]
    {
        if drawn.contains(&format!("id=\"{id}\"")) {
            places.push(place(&format!("#{id}"), name));
        }
    }
    if let Some(first) = page.trials.first() {
        places.push(place(&format!("#trial-{}", first.trial.short()), "best trials"));
    }
    let document = Document {
        title: format!("{} · frostline", page.sweep.name),
        heading: page.sweep.name.clone(),
        state: Some(words::state(&|state| page.counts.of(state))),
        now: None,
        places,
        live: None,
        main,
        footer: footer(page, made_by),
    };
    document.in_one_file()
}

/// What the numbers come from, by content.
pub fn footer(page: &Page, made_by: &str) -> Markup {
    let provenance = &page.sweep.provenance;
    html! {
        @if let Some(spec) = &page.spec {
            p {
                "Data: " (shown(&serde_json::to_value(spec.data.dataset).unwrap_or_default())) ", " (spec.data.image_size)
                " × " (spec.data.image_size) " pixels, digest " span.id { (digest(&spec.data.digest)) }
                ". Weights: " (spec.model.backbone) ", "
                @match &spec.model.weights {
                    WeightsIdentity::Random => { "random" }
                    WeightsIdentity::File(file) => { "digest " span.id { (digest(file)) } }
                }
                "."
            }
        }
        p {
            "Run by Frostline " (provenance.program)
            @if let Some(commit) = &provenance.git_commit { " (" span.id { (digest(commit)) } ")" }
            @if let Some(libtorch) = &provenance.libtorch { ", libtorch " (libtorch) }
            @if let Some(device) = &provenance.device { ", " (device) }
            " on " (provenance.host) ", launched from " (page.sweep.file) "."
        }
        p { "Made by " (made_by) "; this page loads nothing from elsewhere." }
    }
}

fn digest(text: &str) -> String {
    text.chars().take(16).collect()
}
