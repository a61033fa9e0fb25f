//! Which sweeps there are.

use super::words;
use crate::number;
use frostline_sweep::outcome::TrialState;
use frostline_view::list::Listed;
use maud::{Markup, html};

/// Newest first. `now` is in seconds since 1970, `going_on` says what runs of a sweep.
pub fn sweeps(sweeps: &[Listed], now: f64, going_on: &dyn Fn(&str) -> Option<String>) -> Markup {
    let has_notes = sweeps.iter().any(|sweep| sweep.note.is_some());
    html! {
        section {
            @if sweeps.is_empty() {
                p { "No sweep has been launched into this folder yet." }
                ul.commands { li { code { "frostline launch sweeps/quickstart.toml" } } }
            } @else {
                div.card {
                    div.scroll tabindex="0" role="group" aria-label="Sweeps" {
                        table.board {
                            thead {
                                tr {
                                    th scope="col" { "sweep" }
                                    th scope="col" { "state" }
                                    th scope="col" { "objective" }
                                    th.number scope="col" { "trials" }
                                    th.number scope="col" { "failed" }
                                    th scope="col" { "changed" }
                                    @if has_notes { th scope="col" { "note" } }
                                }
                            }
                            tbody {
                                @for sweep in sweeps.iter().rev() {
                                    @let (_, state) = words::state(&|state| sweep.trials.0.of(state));
                                    tr {
                                        th scope="row" { a href={ "/s/" (sweep.name) } { (sweep.name) } }
                                        td { (state) @if let Some(now) = going_on(&sweep.name) { "; " (now) } }
                                        td { (sweep.objective) }
                                        td.number { (number::whole(sweep.trials.0.total())) }
                                        td.number { (number::whole(sweep.trials.0.of(TrialState::Failed))) }
                                        td { (number::about((now - sweep.updated_at).max(0.0))) " ago" }
                                        @if has_notes { td { (sweep.note.as_deref().unwrap_or_default()) } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
