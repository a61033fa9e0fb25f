//! What every page has around it.

use super::sheet::{SCRIPT, STYLE, source};
use frostline_sweep::trial::TrialId;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::collections::BTreeSet;

/// A frost line.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath fill='%235b9cc4' \
                    d='M1 4h9v8H1z'/%3E%3Cpath fill='%239a5524' d='M10 4h5v8h-5z'/%3E%3C/svg%3E";

/// In the head of every page: by it a report is known from other files.
pub const MARK: &str = r#"<meta name="generator" content="Frostline">"#;

/// Where a page's links lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Links {
    /// Within one file, to the trials that it shows.
    File(BTreeSet<TrialId>),
    /// To pages of a server.
    Served,
}

impl Links {
    pub(super) fn trial(&self, trial: TrialId) -> Option<String> {
        match self {
            Links::File(shown) => shown.contains(&trial).then(|| format!("#trial-{}", trial.short())),
            Links::Served => Some(format!("/t/{trial}")),
        }
    }

    pub(super) fn is_served(&self) -> bool {
        *self == Links::Served
    }
}

/// A trial's short id, as a link where it leads anywhere.
pub(super) fn trial_link(links: &Links, trial: TrialId) -> Markup {
    match links.trial(trial) {
        Some(place) => html! { a.id href=(place) { (trial.short()) } },
        None => html! { span.id { (trial.short()) } },
    }
}

/// A page but for what stands around it.
#[derive(Debug, Clone)]
pub struct Document {
    /// Of the window.
    pub title: String,
    pub heading: String,
    /// How far the sweep has come: a class, and words.
    pub state: Option<(&'static str, String)>,
    /// Places that one can go to: address, name, whether it is this page.
    pub places: Vec<(String, String, bool)>,
    /// What runs of it now.
    pub now: Option<String>,
    /// Where this page is told when it changes.
    pub live: Option<String>,
    pub main: Markup,
    pub footer: Markup,
}

impl Document {
    /// In one file, with all that it needs.
    pub fn in_one_file(&self) -> String {
        let policy = format!(
            "default-src 'none'; script-src {}; style-src {}; img-src data:; base-uri 'none'; form-action 'none'",
            source(SCRIPT),
            source(STYLE)
        );
        let head = html! {
            meta http-equiv="Content-Security-Policy" content=(policy);
            style { (PreEscaped(STYLE)) }
        };
        let script = html! { script type="module" { (PreEscaped(SCRIPT)) } };
        self.around(&head, &script, false)
    }

    /// With style and script of their own, at these addresses.
    pub fn served(&self, style: &str, script: &str) -> String {
        let head = html! { link rel="stylesheet" href=(style); };
        self.around(&head, &html! { script type="module" src=(script) {} }, true)
    }

    fn around(&self, head: &Markup, script: &Markup, is_served: bool) -> String {
        let (state, words) = self.state.clone().unwrap_or_default();
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="referrer" content="no-referrer";
                    (PreEscaped(MARK))
                    link rel="icon" href=(ICON);
                    (head)
                    title { (self.title) }
                }
                body {
                    a.skip href="#main" { "Skip to the content" }
                    div.page {
                        header.top {
                            @if is_served {
                                a.brand href="/" { "frostline" }
                            } @else {
                                span.brand { "frostline" }
                            }
                            h1 { (self.heading) }
                            @if !words.is_empty() { span class={ "state " (state) } { (words) } }
                            @if self.live.is_some() { span.muted #now { (self.now.as_deref().unwrap_or_default()) } }
                            div.switch.push #theme role="group" aria-label="Colours" hidden {
                                button type="button" value="light" { "light" }
                                button type="button" value="dark" { "dark" }
                                button type="button" value="auto" aria-pressed="true" { "auto" }
                            }
                        }
                        @if !self.places.is_empty() {
                            nav.places aria-label="Places" {
                                @for (place, name, is_here) in &self.places {
                                    a href=(place) aria-current=[is_here.then_some("page")] { (name) }
                                }
                            }
                        }
                        main #main data-live=[&self.live] { (self.main) }
                        footer { (self.footer) }
                    }
                    (script)
                }
            }
        };
        page.into_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Document {
        Document {
            title: "<t>".to_owned(),
            heading: "<script>alert(1)</script>".to_owned(),
            state: Some(("done", "complete".to_owned())),
            now: None,
            places: vec![("#depth".to_owned(), "depth".to_owned(), false)],
            live: None,
            main: html! { p { "x" } },
            footer: html! {},
        }
    }

    #[test]
    fn one_file_allows_its_own_script_and_style_and_nothing_else() {
        let page = document().in_one_file();
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert_eq!((page.matches("<script").count(), page.matches("<style").count()), (1, 1));
        let between = |start: &str, end: &str| {
            let from = page.find(start).unwrap() + start.len();
            page[from..].split(end).next().unwrap().to_owned()
        };
        let policy = between("content=\"default-src", "\">");
        assert!(policy.contains(&source(&between("<script type=\"module\">", "</script>"))), "{policy}");
        assert!(policy.contains(&source(&between("<style>", "</style>"))), "{policy}");
        assert!(!page.contains(" style=\""), "no style attribute: the policy would drop it");
    }
}
