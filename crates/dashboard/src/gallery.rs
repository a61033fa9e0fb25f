//! Images that are recognised wrongly, and their pixels. An image is asked for by its number, never by a path.

use crate::answer::Answer;
use crate::frame::{document_of_sweep, document_of_trial, page_of};
use crate::question::Question;
use crate::{Gallery, Site};
use axum::http::StatusCode;
use frostline_report::page::{self as drawn, Document};
use frostline_store::Reader;
use frostline_sweep::trial::TrialId;
use frostline_view::ViewError;
use frostline_view::show::{Shown, show};
use frostline_view::wrong::{Split, Wrong, wrong};
use maud::Markup;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Images on one page.
const SHOWN: usize = 60;
/// Of a sweep with more finished trials, the best ones are asked which images they get wrong.
const ASKED: usize = 1_000;

/// `/t/ID/wrong`
pub(crate) fn of_trial(site: &Site, reader: &Reader, id: &str, question: &Question) -> Result<Answer, ViewError> {
    let shown = show(reader, id)?;
    let found = wrong(reader, &[shown.trial], question.split)?;
    let place = format!("/t/{}/wrong", shown.trial);
    let main = match main(site, &shown, found, "It is", &place, question) {
        Ok(main) => main,
        Err(answer) => return Ok(answer),
    };
    let heading = format!("Trial {}, its mistakes", shown.trial.short());
    Ok(page_of(&Document { heading, main, ..document_of_trial(site, &shown) }))
}

/// `/s/NAME/wrong`
pub(crate) fn of_sweep(site: &Site, reader: &Reader, sweep: &str, question: &Question) -> Result<Answer, ViewError> {
    let asked = site.held.asked(reader, site.live.version(), sweep, &Question::default())?;
    let trials: Vec<TrialId> = asked.table.trials(&asked.standing).take(ASKED).collect();
    let page = document_of_sweep(site, reader, sweep, "wrong")?;
    let Some(first) = trials.first() else {
        return Ok(Answer::wrong(StatusCode::NOT_FOUND, "No trial has finished yet.", false));
    };
    let shown = show(reader, &first.to_string())?;
    let found = wrong(reader, &trials, question.split)?;
    let who = match found.as_ref().map_or(0, |found| found.trials) {
        1 => "The only trial is".to_owned(),
        trials => format!("All of {trials} trials are"),
    };
    match main(site, &shown, found, &who, &format!("/s/{sweep}/wrong"), question) {
        Ok(main) => Ok(page_of(&Document { main, ..page })),
        Err(answer) => Ok(answer),
    }
}

/// `/t/ID/image/SPLIT/NUMBER`
pub(crate) fn image(site: &Site, reader: &Reader, id: &str, split: &str, number: &str) -> Result<Answer, ViewError> {
    let none = || Answer::wrong(StatusCode::NOT_FOUND, "There is no such image.", false);
    let (Some(split), Ok(number)) = (Split::parse(split), number.parse()) else { return Ok(none()) };
    Ok(match (site.images)(&show(reader, id)?) {
        Ok(gallery) => gallery.png(split, number).map_or_else(none, Answer::png),
        Err(message) => Answer::wrong(StatusCode::NOT_FOUND, &message, false),
    })
}

/// Of the images that `found` has wrong, those of the class that was asked for.
fn main(
    site: &Site,
    trial: &Shown,
    found: Option<Wrong>,
    who: &str,
    place: &str,
    question: &Question,
) -> Result<Markup, Answer> {
    let missing = |message: &str| Answer::wrong(StatusCode::NOT_FOUND, message, false);
    let Some(found) = found else {
        return Err(missing("Which images were got right is not stored: that was not recorded then."));
    };
    let gallery: Arc<dyn Gallery> = (site.images)(trial).map_err(|message| missing(&message))?;
    let (labels, classes) = (gallery.labels(question.split), gallery.classes());
    if labels.len() != found.images {
        return Err(missing("The data set has other images now than the trial has seen."));
    }
    let class = |image: usize| classes.get(usize::from(labels[image])).map_or("", String::as_str);
    let address = |split: Split, truth: Option<&str>, after: usize| {
        let mut query = form_urlencoded::Serializer::new(format!("{place}?"));
        query.append_pair("split", split.name());
        if let Some(truth) = truth {
            query.append_pair("truth", truth);
        }
        if after > 0 {
            query.append_pair("after", &after.to_string());
        }
        query.finish()
    };
    let mut by_class: BTreeMap<u16, usize> = BTreeMap::new();
    found.wrong.iter().for_each(|&image| *by_class.entry(labels[image]).or_default() += 1);
    let truth = question.truth.as_deref();
    let splits = Split::ALL.into_iter().map(|split| {
        let is_here = split == question.split && truth.is_none();
        (address(split, None, 0), format!("{} images", split.name()), is_here)
    });
    let of_classes = by_class.iter().filter_map(|(&label, count)| {
        let name = classes.get(usize::from(label))?;
        Some((address(question.split, Some(name), 0), format!("{name} {count}"), truth == Some(name)))
    });
    let wanted: Vec<usize> =
        found.wrong.iter().copied().filter(|&image| truth.is_none_or(|truth| class(image) == truth)).collect();
    let shown = wanted.iter().skip(question.after).take(SHOWN).map(|&number| drawn::Image {
        number,
        class: class(number).to_owned(),
        address: format!("/t/{}/image/{}/{number}", trial.trial, question.split.name()),
    });
    Ok(drawn::wrong(&drawn::Wrong {
        who,
        split: question.split.name(),
        images: match truth {
            Some(truth) => {
                labels.iter().filter(|&&label| classes.get(usize::from(label)).is_some_and(|it| it == truth)).count()
            }
            None => found.images,
        },
        total: wanted.len(),
        shown: shown.collect(),
        after: question.after,
        choices: splits.chain(of_classes).collect(),
        earlier: (question.after > 0).then(|| address(question.split, truth, question.after.saturating_sub(SHOWN))),
        later: (question.after + SHOWN < wanted.len())
            .then(|| address(question.split, truth, question.after + SHOWN)),
    }))
}
