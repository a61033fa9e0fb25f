//! `/api/v1`: what `--json` prints, from the same answers.

use crate::Site;
use crate::answer::Answer;
use crate::question::Question;
use axum::http::StatusCode;
use frostline_results::{Folder, RunStatus, models};
use frostline_store::Reader;
use frostline_view::ViewError;
use frostline_view::best::{self, best};
use frostline_view::compare::compare;
use frostline_view::effects::effects;
use frostline_view::list::list;
use frostline_view::show::show;
use frostline_view::status::status;

/// Rows of a ranking where nobody says how many, as of `best`.
const ROWS: usize = 10;

/// `path` is what follows `/api/v1/`.
pub(crate) fn answer(site: &Site, reader: &Reader, path: &[&str], question: &Question) -> Result<Answer, ViewError> {
    Ok(match path {
        ["sweeps"] => Answer::json(&list(reader)?),
        ["sweeps", sweep, "status"] => {
            let run = RunStatus::read(&Folder::new(&site.results).status());
            Answer::json(&status(reader, sweep, run)?)
        }
        ["compare"] => match &question.of[..] {
            [one, other] => Answer::json(&compare(reader, &show(reader, one)?, &show(reader, other)?)?),
            _ => Answer::wrong(StatusCode::BAD_REQUEST, "name two trials: ?of=ID,ID", true),
        },
        ["sweeps", sweep, "effects"] => {
            let asked = site.held.asked(reader, site.live.version(), sweep, &Question::default())?;
            Answer::json(&effects(&asked.table, &question.filters)?)
        }
        ["sweeps", sweep, "best"] => {
            let models = models::trials(&Folder::new(&site.results).models());
            let asked = best::Question {
                models: &models,
                filters: &question.filters,
                trials: question.trials,
                whole: false,
                ..best::Question::of(sweep, question.most.unwrap_or(ROWS))
            };
            Answer::json(&best(reader, asked)?.rows)
        }
        ["trials", trial] => {
            let shown = show(reader, trial)?;
            let classes = (site.classes)(&shown);
            match serde_json::to_value(&shown) {
                Ok(mut shown) => {
                    shown["classes"] = classes.into();
                    Answer::json(&shown)
                }
                Err(error) => Answer::wrong(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string(), true),
            }
        }
        _ => Answer::wrong(StatusCode::NOT_FOUND, "there is no such answer: see docs/looking.md", true),
    })
}
