//! The sections of a sweep's page.

use super::answer::answer;
use super::board::{Board, board, drawn};
use super::brush::parallel;
use super::document::Links;
use super::effects::effect_figures;
use super::words::{self, amount};
use crate::figure::curves::{Curve, Kind};
use crate::figure::depth::{Depth, Level, Point};
use crate::figure::{Words, curves, depth as deep, pareto, saved, strip, timeline};
use crate::number::{self, Digits, percent, seconds};
use frostline_sweep::metric::{self, Direction};
use frostline_view::best::Row;
use frostline_view::page::{Network, Page, Span, Work, Worker};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Points of one level: more of them are a blot.
const MOST_POINTS: usize = 60;
/// Of more rows, the first stand on the overview.
const FIRST_ROWS: usize = 15;

/// The whole sweep at a glance.
pub fn overview(page: &Page, links: &Links) -> Markup {
    let shown = if links.is_served() { page.ranking.rows.len().min(FIRST_ROWS) } else { page.ranking.rows.len() };
    html! {
        (definitions(page))
        (answer(page))
        @if !page.ranking.rows.is_empty() {
            (leaderboard(page, links, shown))
            div.grid {
                @for figure in depth_figures(page) { div { (figure) } }
                @if let Some(figures) = effect_figures(page) { div { (figures) } }
                div { (cost_figure(page)) }
                @if let Some(figure) = curve_figure(page) { div { (figure) } }
                @if let Some(figure) = saved_figure(page) { div { (figure) } }
                @if let Some(figure) = timeline_figure(page) { div { (figure) } }
            }
        }
    }
}

/// Depth alone, larger.
pub fn depth(page: &Page) -> Markup {
    html! {
        (definitions(page))
        section {
            h2 { "How deep to freeze" }
            @let figures = depth_figures(page);
            @if figures.is_empty() { div.card { p { "All finished trials freeze as deep." } } }
            @for figure in figures { div.card { (figure) } }
        }
    }
}

pub fn effects(page: &Page) -> Markup {
    html! {
        section {
            h2 { "Which hyperparameter matters" }
            div.card { @if let Some(figures) = effect_figures(page) { (figures) } @else { p { "The finished trials differ in no hyperparameter, or in too many values of one: " code { "frostline effects " (page.sweep.name) } " says more." } } }
        }
    }
}

pub fn cost(page: &Page) -> Markup {
    html! {
        section {
            h2 { "What it costs" }
            div.grid {
                div { (cost_figure(page)) }
                @if let Some(figure) = saved_figure(page) { div { (figure) } }
                @if let Some(figure) = timeline_figure(page) { div { (figure) } }
            }
        }
    }
}

/// Parallel coordinates over the leaderboard that they narrow.
pub fn all(page: &Page, links: &Links) -> Markup {
    html! {
        (definitions(page))
        (all_section(page))
        (leaderboard(page, links, page.ranking.rows.len()))
    }
}

pub(super) fn all_section(page: &Page) -> Markup {
    html! {
        section #all {
            h2 { "All configurations" }
            p.lead { "A line each. Drag along an axis, or fill in its fields, to pick some; the leaderboard shows those alone." }
            div.card { (parallel(&page.ranking.columns, &page.ranking.rows, page.ranking.objective.name)) }
        }
    }
}

pub(super) fn definitions(page: &Page) -> Markup {
    html! { (strip::definitions(&page.networks.iter().map(drawn).collect::<Vec<_>>())) }
}

fn leaderboard(page: &Page, links: &Links, shown: usize) -> Markup {
    let rows = &page.ranking.rows[..shown];
    let noun = if rows.iter().any(|row| row.is_group) { "configuration" } else { "trial" };
    let hidden = page.ranking.total.saturating_sub(shown as u64);
    let name = &page.sweep.name;
    let tied = page.ranking.verdict.as_ref().is_some_and(|verdict| verdict.contenders > 1);
    html! {
        section #board {
            h2 { "Leaderboard" }
            p.lead {
                (page.ranking.objective.name) " after the last epoch, with its 95 % interval."
                @if tied { " Shaded rows cannot be told from the best." }
            }
            div.card {
                div.tools hidden {
                    label for="filter" { "Only rows with" }
                    input #filter type="search" autocomplete="off" spellcheck="false" placeholder="words, such as adam 256-128";
                    span.muted #matching aria-live="polite" {}
                }
                (board(&Board { ranking: &page.ranking, rows, networks: &page.networks, links, is_sortable: true, order: None }))
                p.below {
                    @if hidden > 0 {
                        @if links.is_served() { a href={ "/s/" (name) "/trials" } { "all " (number::count(page.ranking.total, noun)) } }
                        @else { span { "… and " (number::count(hidden, &format!("more {noun}"))) } }
                    }
                    span { "the same in a terminal: " code { "frostline best " (name) } }
                    @if links.is_served() { a href={ "/api/v1/sweeps/" (name) "/best?n=1000" } { "as JSON" } a href={ "/s/" (name) "/trials.csv" } { "as CSV" } }
                }
            }
        }
    }
}

fn label(page: &Page, digits: Digits, row: &Row) -> String {
    let interval = row.interval.map_or(String::new(), |interval| format!(" ({})", digits.interval(interval)));
    let what = words::configuration(&page.ranking.columns, row);
    let time = seconds(row.metric("seconds"));
    format!(
        "{} {what}\n{} {}{interval}, {time}",
        row.trial.short(),
        page.ranking.objective.name,
        digits.show(row.value)
    )
}

fn larger_is_better(page: &Page) -> bool {
    page.ranking.objective.direction == Direction::Maximise
}

/// One a network.
fn depth_figures(page: &Page) -> Vec<Markup> {
    page.networks.iter().filter_map(|network| depth_figure(page, network)).collect()
}

fn depth_figure(page: &Page, network: &Network) -> Option<Markup> {
    let is_of_it = |row: &&Row| row.network().is_some_and(|of| of.name == network.backbone);
    let mut by_depth: BTreeMap<u32, Vec<&Row>> = BTreeMap::new();
    for row in page.ranking.rows.iter().filter(|row| row.value.is_finite()).filter(is_of_it) {
        by_depth.entry(row.frozen_layers()).or_default().push(row);
    }
    if by_depth.len() < 2 {
        return None;
    }
    let digits = Digits::of(&page.ranking);
    let mean = |rows: &[&Row], value: &dyn Fn(&Row) -> f64| {
        rows.iter().map(|row| value(row)).sum::<f64>() / rows.len() as f64
    };
    let level = |(frozen_layers, rows): (u32, Vec<&Row>)| Level {
        frozen_layers,
        share: network.share(frozen_layers),
        mean: mean(&rows, &|row| row.value),
        seconds: mean(&rows, &|row| row.metric("seconds")),
        points: rows.iter().take(MOST_POINTS).map(|row| point(page, digits, row)).collect(),
    };
    let levels: Vec<Level> = by_depth.into_iter().map(level).collect();
    let depth = Depth { network: drawn(network), metric: page.ranking.objective.name.to_owned(), digits, levels };
    let (id, title) = match &page.networks[..] {
        [_] => ("depth".to_owned(), "Depth".to_owned()),
        _ => (format!("depth-{}", network.backbone), format!("Depth of {}", network.backbone)),
    };
    let words = Words {
        id,
        title,
        finding: depth_finding(page, &depth),
        note: Some(format!("{}{}", depth_note(&depth), drawn_from(page))),
    };
    Some(deep::figure(&words, &depth))
}

fn depth_note(depth: &Depth) -> String {
    let (part, before) = depth.begin();
    let from = match before {
        0.0 => String::new(),
        before => {
            format!(", from {part} on ({} of the computing lies before it, and all freeze that)", percent(before))
        }
    };
    format!(
        "From left to right: the network{from}, each part as wide as its computing, and each configuration where its frozen \
         part ends. The dotted line joins means; bars are the seconds of a trial."
    )
}

/// Where not all rows are drawn, the worst are missing, and means look better than they are.
fn drawn_from(page: &Page) -> String {
    let (drawn, all) = (page.ranking.rows.len() as u64, page.ranking.total);
    match drawn < all {
        true => format!(" Drawn from the best {} of {}.", number::whole(drawn), number::whole(all)),
        false => String::new(),
    }
}

fn point(page: &Page, digits: Digits, row: &Row) -> Point {
    Point { label: label(page, digits, row), value: row.value, interval: row.interval, is_chosen: row.is_first() }
}

/// "Freezing 135 layers instead of 151 changes val_accuracy by +2.9 points on average, and a trial takes 20 s instead of 1 s."
fn depth_finding(page: &Page, depth: &Depth) -> String {
    let score = |level: &&Level| if larger_is_better(page) { level.mean } else { -level.mean };
    let best = depth.levels.iter().max_by(|one, other| score(one).total_cmp(&score(other)));
    let fastest = depth.levels.iter().min_by(|one, other| one.seconds.total_cmp(&other.seconds));
    let (Some(best), Some(fastest)) = (best, fastest) else { return String::new() };
    let name = page.ranking.objective.name;
    if best.frozen_layers == fastest.frozen_layers {
        return format!(
            "Freezing {} layers is both the best on average and the fastest: {} a trial.",
            best.frozen_layers,
            seconds(best.seconds)
        );
    }
    format!(
        "Freezing {} layers instead of {} changes {name} by {} on average; a trial takes {} instead of {}.",
        best.frozen_layers,
        fastest.frozen_layers,
        amount(best.mean - fastest.mean, name),
        seconds(best.seconds),
        seconds(fastest.seconds)
    )
}

fn cost_figure(page: &Page) -> Markup {
    let digits = Digits::of(&page.ranking);
    let point = |row: &Row| pareto::Point {
        label: label(page, digits, row),
        seconds: row.metric("seconds"),
        value: row.value,
        interval: row.interval,
    };
    let points: Vec<pareto::Point> = page.ranking.rows.iter().map(point).collect();
    let words = Words {
        id: "cost".to_owned(),
        title: format!("{} against seconds", page.ranking.objective.name),
        finding: cost_finding(page),
        note: Some(format!(
            "Filled in colour: nothing is both faster and better; with its 95 % interval. Rings: something is, but not by \
             more than their interval. Grey: something is.{}",
            drawn_from(page)
        )),
    };
    pareto::figure(&words, &points, page.ranking.objective.name, larger_is_better(page), digits)
}

/// The fastest of those that cannot be told from the best.
fn cost_finding(page: &Page) -> String {
    let Some(best) = &page.ranking.first else { return String::new() };
    let tied = page.ranking.rows.iter().filter(|row| row.is_first());
    let fastest = tied.min_by(|one, other| one.metric("seconds").total_cmp(&other.metric("seconds")));
    let Some(fastest) = fastest else { return String::new() };
    let time = seconds(best.metric("seconds"));
    if fastest.trial == best.trial {
        return format!("The best takes {time} a trial; nothing that is as good is faster.");
    }
    format!(
        "The best takes {time} a trial; the fastest that cannot be told from it takes {} ({}).",
        seconds(fastest.metric("seconds")),
        fastest.trial.short()
    )
}

fn curve_figure(page: &Page) -> Option<Markup> {
    // What is measured once, at the end, has no curve.
    let of_objective = page.curves.first().and_then(|curve| page.ranking.objective.of_epoch(curve.epochs.first()?));
    let metric = if of_objective.is_some() { page.ranking.objective } else { metric::find("val_accuracy")? };
    let digits = Digits::of(&page.ranking);
    let mut drawn: Vec<Curve> = Vec::new();
    for (place, curve) in page.curves.iter().enumerate() {
        let row = page.ranking.rows.iter().find(|row| row.trial == curve.trial);
        let values: Vec<f64> = curve.epochs.iter().filter_map(|epoch| metric.of_epoch(epoch)).collect();
        let label = row.map_or_else(|| curve.trial.short(), |row| label(page, digits, row));
        drawn.push(Curve { label, values, kind: if place == 0 { Kind::Best } else { Kind::Other } });
    }
    let best = drawn.first().filter(|best| !best.values.is_empty())?;
    let last = best.values.last().copied().unwrap_or(f64::NAN);
    let step = match best.values[..] {
        [.., before, last] => format!("; its last epoch changed it by {}", amount(last - before, metric.name)),
        _ => String::new(),
    };
    let finding = format!(
        "The best ends at {} after {}{step}.",
        digits.show(last),
        number::count(best.values.len() as u64, "epoch")
    );
    let title = format!("Learning curves, {}", metric.name);
    let others = drawn.len() - 1;
    let note =
        (others > 0).then(|| format!("In colour the best; in grey {}.", number::count(others as u64, "other")));
    let words = Words { id: "curves".to_owned(), title, finding, note };
    Some(curves::figure(&words, &drawn, metric.name))
}

/// When each worker was at work.
fn timeline_figure(page: &Page) -> Option<Markup> {
    let busy = page.busy.as_ref()?;
    let kind = |work| match work {
        Work::Fill => timeline::Kind::Features,
        Work::Trial => timeline::Kind::Trial,
        Work::Interrupted => timeline::Kind::Interrupted,
        Work::Lost => timeline::Kind::Lost,
    };
    let span = |it: &Span| timeline::Span { start: it.start, end: it.end, kind: kind(it.work) };
    let worker = |it: &Worker| timeline::Worker { name: it.name.clone(), spans: it.spans.iter().map(span).collect() };
    let drawn = timeline::Timeline { seconds: busy.seconds, workers: busy.workers.iter().map(worker).collect() };
    let workers = number::count(busy.workers.len() as u64, "worker");
    let lost = busy.share(|work| work == Work::Lost);
    let lost =
        if lost >= 0.005 { format!("; {} of it in attempts that failed", percent(lost)) } else { String::new() };
    let pauses = match busy.pauses {
        0 => String::new(),
        pauses => format!(" {} in which nobody worked are left out.", number::count(pauses as u64, "pause")),
    };
    let words = Words {
        id: "timeline".to_owned(),
        title: "When workers were at work".to_owned(),
        finding: format!("{workers}, at work {} of {}{lost}.", percent(busy.share(|_| true)), seconds(busy.seconds)),
        note: Some(format!("From the first start to the last end of the newest 2,000 attempts.{pauses}")),
    };
    Some(timeline::figure(&words, &drawn))
}

fn saved_figure(page: &Page) -> Option<Markup> {
    let found = page.saved?;
    let saved = saved::Saved { without: found.without, fills: found.fills, trials: found.trials };
    let words = Words {
        id: "saved".to_owned(),
        title: "Time saved by features".to_owned(),
        finding: saved::finding(&saved),
        note: Some(
            "What trials would have taken without is estimated: each one's time, times the ratio of its two estimates."
                .to_owned(),
        ),
    };
    Some(saved::figure(&words, &saved))
}
