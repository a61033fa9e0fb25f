//! The first thing on a page: the answer as a sentence, how sure it is, and what it costs.

use super::words;
use crate::number::{self, Digits};
use frostline_sweep::outcome::TrialState;
use frostline_view::best::{Row, remarks};
use frostline_view::page::Page;
use maud::{Markup, html};

/// Measured on images that select nothing.
const TEST: &str = "test_accuracy";

pub(super) fn answer(page: &Page) -> Markup {
    let Some(best) = &page.ranking.first else {
        return html! {
            div.answer {
                p.says { "No trial has finished yet." }
                p { (number::sentence(&words::state(&|state| page.counts.of(state)).1)) "." }
            }
        };
    };
    html! {
        div.answer #answer {
            p.says { (headline(page, best)) }
            @if let Some(note) = &page.note { p { "Note: " (note) } }
            p { @for remark in remarks(&page.ranking) { (remark) " " } }
            (facts(page, best))
        }
    }
}

/// "Freeze 135 of 151 layers, head 256-128-64: **0.796** (0.770 to 0.820)".
fn headline(page: &Page, best: &Row) -> Markup {
    let digits = Digits::of(&page.ranking);
    let what = words::configuration(&page.ranking.columns, best);
    let what = if what.is_empty() { "The only configuration".to_owned() } else { number::sentence(&what) };
    let name = page.ranking.objective.name;
    html! {
        (what) ": " (name) " " b { (digits.show(best.value)) }
        @if let Some(interval) = best.interval { " " span.range { "(" (digits.interval(interval)) ")" } }
        "."
    }
}

fn facts(page: &Page, best: &Row) -> Markup {
    let spent: f64 = page
        .ranking
        .rows
        .iter()
        .map(|row| row.metric("seconds") * f64::from(row.seeds))
        .filter(|it| it.is_finite())
        .sum();
    let is_whole = page.ranking.total as usize == page.ranking.rows.len();
    let done =
        format!("{} of {}", number::whole(page.counts.of(TrialState::Complete)), number::whole(page.counts.total()));
    let seeds = match best.seeds_wanted > best.seeds {
        true => format!("{} of {}", best.seeds, best.seeds_wanted),
        false => best.seeds.to_string(),
    };
    html! {
        dl.facts {
            @if page.ranking.objective.name != TEST {
                div { dt { "on test images" } dd { (Digits::of(&page.ranking).show(best.metric(TEST))) } }
            }
            div { dt { "its training" } dd { (number::seconds(best.metric("seconds"))) @if best.is_group { " a seed" } } }
            @if best.is_group { div { dt { "seeds" } dd { (seeds) } } }
            @if is_whole { div { dt { "all training" } dd { (number::seconds(spent)) } } }
            div { dt { "trials" } dd { (done) } }
            @if let [network] = &page.networks[..] {
                div { dt { "backbone" } dd { (network.backbone) } }
            }
        }
    }
}
