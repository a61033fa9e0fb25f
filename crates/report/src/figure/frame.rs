//! What all figures have: a title, a finding in words, the drawing, and the same as a table.

use maud::{Markup, html};

/// What a figure is called, and what it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// Unique on its page.
    pub id: String,
    pub title: String,
    /// A sentence with the finding, for those who look and for those who cannot.
    pub finding: String,
    /// How to read it, where that is not plain.
    pub note: Option<String>,
}

/// The same numbers for reading: a caption is the figure's title.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(header: &[&str]) -> Table {
        Table { header: header.iter().map(|&it| it.to_owned()).collect(), rows: Vec::new() }
    }

    fn render(&self, title: &str) -> Markup {
        html! {
            div.scroll tabindex="0" role="group" aria-label={ "Table: " (title) } {
                table.plain {
                    thead { tr { @for name in &self.header { th scope="col" { (name) } } } }
                    tbody {
                        @for row in &self.rows {
                            tr {
                                @for (place, cell) in row.iter().enumerate() {
                                    @if place == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Words, a drawing, and its table.
pub(crate) fn frame(words: &Words, drawing: Markup, table: &Table) -> Markup {
    html! {
        figure.figure id=(words.id) {
            figcaption {
                h3 { (words.title) }
                p.finding { (words.finding) }
            }
            (drawing)
            @if let Some(note) = &words.note { p.note { (note) } }
            @if !table.rows.is_empty() {
                details { summary { "Show as table" } (table.render(&words.title)) }
            }
        }
    }
}

/// The drawing itself, `height` pixels high and as wide as there is room. Numbers of pixels that labels take at its left and
/// below are classes: `wide-left` for words instead of numbers.
pub(crate) fn svg(words: &Words, class: &str, height: u32, content: Markup) -> Markup {
    let (title, finding) = (format!("{}-title", words.id), format!("{}-finding", words.id));
    html! {
        div class={ "canvas " (class) } {
            svg.plot role="img" aria-labelledby={ (title) " " (finding) } width="100%" height=(height) {
                title id=(title) { (words.title) }
                desc id=(finding) { (words.finding) }
                (content)
            }
        }
    }
}
