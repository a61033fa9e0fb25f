//! The leaderboard: a table that is a forest plot, with a frost line in each row.

use super::document::{Links, trial_link};
use super::words;
use crate::figure::forest::{Column, Dot};
use crate::figure::strip::{self, Cut, Frost};
use crate::number::{self, Digits};
use frostline_view::best::{Ranking, Row};
use frostline_view::page::{Network, network_of};
use maud::{Markup, html};

/// What is to be seen of a ranking.
pub(super) struct Board<'a> {
    pub(super) ranking: &'a Ranking,
    pub(super) rows: &'a [Row],
    pub(super) networks: &'a [Network],
    pub(super) links: &'a Links,
    /// Whether the page's script may sort and narrow it; a server does it itself.
    pub(super) is_sortable: bool,
    /// Of a server: where a column's name leads, and which one the rows are sorted by, and whether downwards.
    pub(super) order: Option<Order<'a>>,
}

pub(super) struct Order<'a> {
    pub(super) address: &'a dyn Fn(&str) -> String,
    pub(super) by: &'a str,
    pub(super) down: bool,
}

const TEST: &str = "test_accuracy";

pub(super) fn board(board: &Board) -> Markup {
    let Board { ranking, rows, networks, links, .. } = board;
    let objective = ranking.objective.name;
    let digits = Digits::of(ranking);
    let dot = |row: &Row| Dot { value: row.value, interval: row.interval, is_chosen: row.is_first() };
    let column = Column::of(rows.iter().map(dot), None);
    let names: Vec<&'static str> = ranking.columns.names().collect();
    let has_intervals = rows.iter().any(|row| row.interval.is_some());
    let has_groups = rows.iter().any(|row| row.is_group);
    let has_frost = !networks.is_empty() && names.contains(&"frozen_layers");
    html! {
        div.scroll tabindex="0" role="group" aria-label="Leaderboard" {
            table.board data-sortable[board.is_sortable] {
                thead {
                    tr {
                        (board.head("rank", "", ""))
                        th scope="col" { @if has_groups { "best trial" } @else { "trial" } }
                        (board.head(objective, objective, "number"))
                        @if has_frost { th scope="col" { "frost line" } }
                        @for name in &names { (board.head(name, &words::heading(name), "")) }
                        @if has_groups { (board.head("seeds", "seeds", "number")) }
                        th.plotted scope="col" { span.hidden { (objective) ", drawn" } (column.head()) }
                        @if has_intervals { th scope="col" { "95 % interval" } }
                        @if objective != TEST { (board.head(TEST, "test", "number")) }
                        (board.head("seconds", "time", "number"))
                    }
                }
                tbody {
                    @for row in *rows {
                        tr.tied[row.is_tied] data-row=(row.trial) {
                            th.rank scope="row" data-value=(row.rank) { (row.label()) }
                            td { (trial_link(links, row.trial)) }
                            td.number.value data-value=(row.value) { (digits.show(row.value)) }
                            @if has_frost {
                                td.frost {
                                    @if let Some(network) = network_of(networks, row) { (strip::row(&frost(network, row.frozen_layers()))) }
                                }
                            }
                            @for name in &names { (parameter(row, name)) }
                            @if has_groups { td.number { (row.seeds) @if row.seeds < row.seeds_wanted { " of " (row.seeds_wanted) } } }
                            td.plotted { (column.row(dot(row))) }
                            @if has_intervals { td { @if let Some(interval) = row.interval { (digits.interval(interval)) } @else { "–" } } }
                            @if objective != TEST { td.number data-value=(row.metric(TEST)) { (digits.show(row.metric(TEST))) } }
                            td.number data-value=(row.metric("seconds")) { (number::seconds(row.metric("seconds"))) }
                        }
                    }
                }
            }
        }
    }
}

impl Board<'_> {
    /// A column's name: a link where a server sorts by it.
    fn head(&self, key: &str, name: &str, class: &str) -> Markup {
        let name = html! { @if name.is_empty() { "#" } @else { (name) } };
        let Some(order) = &self.order else {
            let sorted = (self.is_sortable && key == "rank").then_some("ascending");
            return html! { th scope="col" class=(class) data-sort[self.is_sortable] aria-sort=[sorted] { (name) } };
        };
        let sort = match (order.by == key, order.down) {
            (false, _) => "none",
            (true, true) => "descending",
            (true, false) => "ascending",
        };
        html! { th scope="col" class=(class) aria-sort=(sort) { a href=((order.address)(key)) { (name) } } }
    }
}

fn parameter(row: &Row, name: &str) -> Markup {
    let value = row.parameters.get(name);
    let said = value.map(frostline_view::shown).unwrap_or_default();
    html! { td data-value=[value.and_then(serde_json::Value::as_f64)] { (said) } }
}

pub(super) fn frost(network: &Network, frozen_layers: u32) -> Frost {
    let cut = network.cut(frozen_layers).map(|cut| Cut { after: cut.name.clone(), share: cut.end });
    Frost { network: network.backbone.to_owned(), layers: frozen_layers, share: network.share(frozen_layers), cut }
}

/// As figures draw it.
pub(super) fn drawn(network: &Network) -> strip::Network {
    let segment =
        |it: &frostline_view::page::Segment| strip::Segment { name: it.name.clone(), layers: it.layers, end: it.end };
    strip::Network {
        name: network.backbone.to_owned(),
        segments: network.segments.iter().map(segment).collect(),
        layers: network.layers,
    }
}
