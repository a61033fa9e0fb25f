//! The table of a server: a part of all rows, sorted and narrowed by the address.

use super::board::{Board, Order, board, drawn};
use super::document::Links;
use crate::figure::strip;
use crate::number;
use frostline_view::best::Ranking;
use frostline_view::page::Network;
use maud::{Markup, html};

pub struct Trials<'a> {
    pub sweep: &'a str,
    pub ranking: &'a Ranking,
    pub networks: &'a [Network],
    /// Where a column's name leads.
    pub address: &'a dyn Fn(&str) -> String,
    /// The column that the rows are sorted by, and whether downwards.
    pub by: (String, bool),
    /// As they were written.
    pub conditions: &'a [String],
    /// Rows before the first one here.
    pub after: usize,
    pub earlier: Option<String>,
    pub later: Option<String>,
    /// Where programs get the same.
    pub programs: &'a str,
    /// Where all rows are as CSV.
    pub csv: &'a str,
}

pub fn trials(trials: &Trials) -> Markup {
    let Trials { sweep, ranking, networks, .. } = trials;
    let rows = &ranking.rows;
    let order = Order { address: trials.address, by: &trials.by.0, down: trials.by.1 };
    let where_ = trials.conditions.join(" and ");
    let conditions: String = trials.conditions.iter().map(|it| format!(" --where '{it}'")).collect();
    html! {
        (strip::definitions(&networks.iter().map(drawn).collect::<Vec<_>>()))
        section {
            form.tools method="get" action={ "/s/" (sweep) "/trials" } {
                label for="where" { "Only where" }
                input #where type="search" name="where" value=(where_) placeholder="frozen_layers=135 and learning_rate<0.01" autocomplete="off" spellcheck="false" size="44";
                @if trials.by.0 != "rank" { input type="hidden" name="sort" value={ @if trials.by.1 { "-" } (trials.by.0) }; }
                button type="submit" { "Show" }
                @if !where_.is_empty() { a href={ "/s/" (sweep) "/trials" } { "all" } }
            }
            div.card {
                @if rows.is_empty() {
                    p { "No finished trial " @if where_.is_empty() { "yet." } @else { "meets the conditions." } }
                } @else {
                    (board(&Board { ranking, rows, networks, links: &Links::Served, is_sortable: false, order: Some(order) }))
                }
                p.below {
                    @if let Some(earlier) = &trials.earlier { a href=(earlier) rel="prev" { "← earlier" } }
                    @if !rows.is_empty() {
                        span { (number::whole(trials.after as u64 + 1)) " to " (number::whole((trials.after + rows.len()) as u64)) " of " (number::whole(ranking.total)) }
                    }
                    @if let Some(later) = &trials.later { a href=(later) rel="next" { "later →" } }
                    span { "the same in a terminal: " code { "frostline best " (sweep) (conditions) } }
                    a href=(trials.programs) { "as JSON" }
                    a href=(trials.csv) { "as CSV" }
                    a href={ "/s/" (sweep) "/wrong" } { "images that all get wrong" }
                }
            }
        }
    }
}
