//! What stands around a page: where it leads, how far its sweep has come, and where it hears of changes.

use crate::Site;
use crate::answer::Answer;
use crate::assets::{MODULES, STYLE_SHEET};
use crate::question::Question;
use frostline_report::page::{self as drawn, Document};
use frostline_store::Reader;
use frostline_sweep::outcome::TrialState;
use frostline_view::ViewError;
use frostline_view::page::{Page, Wanted, page};
use frostline_view::show::Shown;
use maud::{Markup, html};

/// Of a sweep, who it is and how far it has come.
pub(crate) const NOTHING: Wanted = Wanted { rows: 1, curves: 0, trials: 0, effects_of: 0 };

pub(crate) fn page_of(document: &Document) -> Answer {
    Answer::html(document.served(&STYLE_SHEET.path, &MODULES.path))
}

/// The places of a sweep; `here` is the one that is shown.
pub(crate) fn places(sweep: &str, here: &str) -> Vec<(String, String, bool)> {
    let names = [
        ("", "answer"),
        ("trials", "trials"),
        ("depth", "depth"),
        ("effects", "effects"),
        ("cost", "cost"),
        ("all", "all"),
    ];
    let place = |(path, name): (&str, &str)| {
        let address = if path.is_empty() { format!("/s/{sweep}") } else { format!("/s/{sweep}/{path}") };
        (address, name.to_owned(), path == here)
    };
    let file = |name: &str, said: &str| (format!("/s/{sweep}/{name}"), said.to_owned(), false);
    let files = [file("report.html", "report ↓"), file("trials.csv", "csv ↓")];
    names.map(place).into_iter().chain(files).collect()
}

/// A sweep's page, whatever was asked of its trials.
pub(crate) fn read(site: &Site, reader: &Reader, sweep: &str, wanted: Wanted) -> Result<Page, ViewError> {
    let asked = site.held.asked(reader, site.live.version(), sweep, &Question::default())?;
    page(reader, &asked.table, &asked.standing, wanted)
}

pub(crate) fn document(site: &Site, page: &Page, here: &str, main: Markup) -> Document {
    let name = &page.sweep.name;
    Document {
        title: format!("{name} · frostline"),
        heading: name.clone(),
        state: Some(drawn::state(&|state: TrialState| page.counts.of(state))),
        places: places(name, here),
        now: site.live.now(name),
        // What the script has drawn would be taken away.
        live: (here != "all").then(|| events(name)),
        main,
        footer: drawn::footer(page, &site.made_by),
    }
}

/// Where a page of a sweep hears of changes.
fn events(sweep: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("sweep", sweep).finish();
    format!("/events?{query}")
}

/// But for what is on it.
pub(crate) fn document_of_trial(site: &Site, shown: &Shown) -> Document {
    Document {
        title: format!("{} · frostline", shown.trial.short()),
        heading: format!("Trial {}", shown.trial.short()),
        state: Some(drawn::trial_state(shown.state)),
        places: shown.sweeps.first().map(|sweep| places(sweep, "-")).unwrap_or_default(),
        now: shown.sweeps.iter().find_map(|sweep| site.live.now(sweep)),
        live: Some(shown.sweeps.first().map_or("/events".to_owned(), |sweep| events(sweep))),
        main: html! {},
        footer: html! { p { "Made by " (site.made_by) "." } },
    }
}

/// But for what is on it.
pub(crate) fn document_of_sweep(
    site: &Site,
    reader: &Reader,
    sweep: &str,
    here: &str,
) -> Result<Document, ViewError> {
    Ok(document(site, &read(site, reader, sweep, NOTHING)?, here, html! {}))
}
