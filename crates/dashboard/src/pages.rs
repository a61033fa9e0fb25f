//! The pages by their addresses.

use crate::answer::Answer;
use crate::frame::{NOTHING, document, document_of_trial, page_of, places, read};
use crate::question::Question;
use crate::{Site, gallery};
use axum::http::StatusCode;
use frostline_report::page::{self as drawn, Document, Links, Pair, Trials};
use frostline_store::Reader;
use frostline_view::ViewError;
use frostline_view::compare::compare as compared;
use frostline_view::csv::Lines;
use frostline_view::list::list;
use frostline_view::page::{Page, Wanted};
use frostline_view::show::show;
use maud::{Markup, html};
use std::time::{SystemTime, UNIX_EPOCH};

/// Rows of one page of a table.
const ROWS: usize = 50;
/// Learning curves in one figure.
const CURVES: usize = 50;
/// Rows that figures are drawn from: fewer where there are several figures.
const DRAWN: usize = 1_000;
const DRAWN_AT_A_GLANCE: usize = 200;
/// Trials whose effects are computed for the first page.
const EFFECTS_OF: u64 = 5_000;

const AT_A_GLANCE: Wanted = Wanted { rows: DRAWN_AT_A_GLANCE, curves: CURVES, trials: 0, effects_of: EFFECTS_OF };
const FIGURES: Wanted = Wanted { rows: DRAWN, ..NOTHING };
const EFFECTS: Wanted = Wanted { effects_of: u64::MAX, ..NOTHING };
const REPORT: Wanted = Wanted { rows: DRAWN, trials: 3, effects_of: u64::MAX, ..AT_A_GLANCE };

/// `path` is cut at its slashes.
pub(crate) fn answer(site: &Site, reader: &Reader, path: &[&str], question: &Question) -> Result<Answer, ViewError> {
    let no_such_page = || Answer::wrong(StatusCode::NOT_FOUND, "There is no such page.", false);
    Ok(match path {
        [""] => sweeps(site, reader)?,
        ["s", sweep] => of_sweep(site, reader, sweep, "", AT_A_GLANCE, |page| drawn::overview(page, &Links::Served))?,
        ["s", sweep, "trials"] => trials(site, reader, sweep, question)?,
        ["s", sweep, "depth"] => of_sweep(site, reader, sweep, "depth", FIGURES, drawn::depth)?,
        ["s", sweep, "effects"] => of_sweep(site, reader, sweep, "effects", EFFECTS, drawn::effects)?,
        ["s", sweep, "cost"] => of_sweep(site, reader, sweep, "cost", FIGURES, drawn::cost)?,
        ["s", sweep, "all"] => {
            of_sweep(site, reader, sweep, "all", FIGURES, |page| drawn::all(page, &Links::Served))?
        }
        ["s", sweep, "trials.csv"] => csv(site, reader, sweep, question)?,
        ["s", sweep, "report.html"] => report(site, reader, sweep)?,
        ["s", sweep, "wrong"] => gallery::of_sweep(site, reader, sweep, question)?,
        ["t", id] => trial(site, reader, id)?,
        ["t", id, "wrong"] => gallery::of_trial(site, reader, id, question)?,
        ["t", id, "image", split, number] => gallery::image(site, reader, id, split, number)?,
        ["compare"] => compare(site, reader, question)?,
        _ => no_such_page(),
    })
}

fn sweeps(site: &Site, reader: &Reader) -> Result<Answer, ViewError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64());
    let document = Document {
        title: "frostline".to_owned(),
        heading: "Sweeps".to_owned(),
        state: None,
        places: Vec::new(),
        now: None,
        live: Some("/events".to_owned()),
        main: drawn::sweeps(&list(reader)?, now, &|sweep| site.live.now(sweep)),
        footer: html! { p { "Results in " (site.results.display()) ". Made by " (site.made_by) "." } },
    };
    Ok(page_of(&document))
}

fn of_sweep(
    site: &Site,
    reader: &Reader,
    sweep: &str,
    here: &str,
    wanted: Wanted,
    main: impl FnOnce(&Page) -> Markup,
) -> Result<Answer, ViewError> {
    let page = read(site, reader, sweep, wanted)?;
    let main = main(&page);
    Ok(page_of(&document(site, &page, here, main)))
}

/// All rows of the table.
fn csv(site: &Site, reader: &Reader, sweep: &str, question: &Question) -> Result<Answer, ViewError> {
    let order = question.sort.as_ref().map(|(column, down)| (column.as_str(), *down));
    let asked = site.held.asked(reader, site.live.version(), sweep, question)?;
    let written = || {
        let mut lines = Lines::of(&asked.table.ranking(&asked.standing, None, 0, 0))?;
        asked.table.rows(&asked.standing, order).try_for_each(|row| lines.add(&row))?;
        lines.end()
    };
    Ok(match written() {
        Ok(lines) => Answer::csv(lines),
        Err(error) => Answer::wrong(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string(), false),
    })
}

fn trials(site: &Site, reader: &Reader, sweep: &str, question: &Question) -> Result<Answer, ViewError> {
    let page = read(site, reader, sweep, NOTHING)?;
    let order = question.sort.as_ref().map(|(column, down)| (column.as_str(), *down));
    let asked = site.held.asked(reader, site.live.version(), sweep, question)?;
    let found = asked.table.ranking(&asked.standing, order, question.after, ROWS);
    let address = |column: &str| {
        // Up first, then down, then the ranking's own order again.
        let next = match &question.sort {
            Some((by, false)) if by == column => Some(format!("-{column}")),
            Some((by, true)) if by == column => None,
            _ => Some(column.to_owned()),
        };
        format!("/s/{sweep}/trials{}", question.with(next.filter(|next| next != "rank").as_deref(), 0))
    };
    let order = question.order();
    let place = |after| format!("/s/{sweep}/trials{}", question.with(order.as_deref(), after));
    let total = found.total as usize;
    let programs = format!("/api/v1/sweeps/{sweep}/best{}", question.with(None, 0));
    let main = drawn::trials(&Trials {
        sweep,
        ranking: &found,
        networks: &page.networks,
        address: &address,
        by: question.sort.clone().unwrap_or_else(|| ("rank".to_owned(), false)),
        conditions: &question.conditions,
        after: question.after,
        earlier: (question.after > 0).then(|| place(question.after.saturating_sub(ROWS))),
        later: (question.after + ROWS < total).then(|| place(question.after + ROWS)),
        programs: &programs,
        csv: &format!("/s/{sweep}/trials.csv{}", question.with(order.as_deref(), 0)),
    });
    Ok(page_of(&document(site, &page, "trials", main)))
}

fn trial(site: &Site, reader: &Reader, id: &str) -> Result<Answer, ViewError> {
    let shown = show(reader, id)?;
    let main = drawn::trial_page(&shown, &(site.classes)(&shown));
    Ok(page_of(&Document { main, ..document_of_trial(site, &shown) }))
}

fn compare(site: &Site, reader: &Reader, question: &Question) -> Result<Answer, ViewError> {
    let [first, second] = &question.of[..] else {
        let message = "Name two trials by the first digits of their ids: /compare?of=3fa9c1e2,8de1ac31";
        return Ok(Answer::wrong(StatusCode::BAD_REQUEST, message, false));
    };
    let (first, second) = (show(reader, first)?, show(reader, second)?);
    let compared = compared(reader, &first, &second)?;
    let classes = (site.classes)(&first);
    let document = Document {
        title: "compare · frostline".to_owned(),
        heading: format!("{} against {}", first.trial.short(), second.trial.short()),
        state: None,
        places: first.sweeps.first().map(|sweep| places(sweep, "-")).unwrap_or_default(),
        now: None,
        live: None,
        main: drawn::compare(&Pair { first: &first, second: &second, compared: &compared, classes }, &Links::Served),
        footer: html! { p { "Made by " (site.made_by) "." } },
    };
    Ok(page_of(&document))
}

/// The report, as `frostline report` writes it.
fn report(site: &Site, reader: &Reader, sweep: &str) -> Result<Answer, ViewError> {
    let page = read(site, reader, sweep, REPORT)?;
    let classes: Vec<Vec<String>> = page.trials.iter().map(|trial| (site.classes)(trial)).collect();
    Ok(Answer::html(drawn::report(&page, &classes, &site.made_by)))
}
