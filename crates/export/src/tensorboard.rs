//! TensorBoard: what the sweep varies in one event file, and an event file in a folder for each trial that was begun.
//!
//! The plug-in for hyperparameters reads the experiment once, so its domains are whole from the start: without them its
//! columns cannot be sorted. Trials that differ in the seed only have one group name, so that it averages them. A session
//! whose end is written has ended for good; one that runs has none.

mod messages;
mod record;

use crate::ExportError;
use crate::cell::{Cell, Type};
use crate::error::writing;
use crate::outline::{Outline, value_of};
use crate::sink::Sink;
use frostline_store::{AttemptRow, Recorded};
use frostline_sweep::metric;
use frostline_sweep::outcome::{AttemptOutcome, EpochMetrics};
use messages::{
    DATASET_TRAINING, DATASET_UNKNOWN, DATASET_VALIDATION, Event, Experiment, HParamInfo, HParamsPluginData,
    ListValue, MetricInfo, MetricName, STATUS_FAILURE, STATUS_SUCCESS, SessionEndInfo, SessionStartInfo,
    TYPE_FLOAT64, TYPE_STRING, Value, hparams, value,
};
use record::EventFile;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Without it TensorBoard takes the file for one of the oldest format.
const VERSION: &str = "brain.Event:2";

struct TensorBoard<'a> {
    outline: &'a Outline,
    folder: PathBuf,
    /// Seconds since 1970 at which the first trial began, once there was one.
    began: Option<f64>,
}

pub(crate) fn begin<'a>(outline: &'a Outline, folder: &Path) -> Result<Box<dyn Sink + 'a>, ExportError> {
    Ok(Box::new(TensorBoard { outline, folder: folder.to_owned(), began: None }))
}

impl Sink for TensorBoard<'_> {
    fn trial(&mut self, trial: &Recorded) -> Result<(), ExportError> {
        let Some(attempt) = &trial.attempt else { return Ok(()) };
        let started = attempt.started_at;
        self.began = Some(self.began.map_or(started, |began| began.min(started)));
        let folder = self.folder.join(trial.row.trial.to_string());
        fs::create_dir(&folder).map_err(writing(&folder))?;
        write(&folder, started, session(self.outline, trial, attempt))
    }

    fn finish(self: Box<Self>) -> Result<(), ExportError> {
        let began = self.began.unwrap_or_default();
        let experiment =
            hparams("_hparams_/experiment", began, HParamsPluginData::of(experiment(self.outline, began)));
        write(&self.folder, began, vec![experiment])
    }
}

/// One event file, whose name TensorBoard knows by its beginning.
fn write(folder: &Path, began: f64, events: Vec<Event>) -> Result<(), ExportError> {
    let path = folder.join(format!("events.out.tfevents.{:010}.frostline", began.max(0.0) as u64));
    let mut file = EventFile::create(&path).map_err(writing(&path))?;
    let version = Event { wall_time: began, file_version: Some(VERSION.to_owned()), ..Event::default() };
    for event in [version].iter().chain(&events) {
        file.write(event).map_err(writing(&path))?;
    }
    file.finish().map_err(writing(&path))
}

fn experiment(outline: &Outline, began: f64) -> Experiment {
    let hparam_infos = outline.varying.iter().map(|it| HParamInfo {
        name: it.name.to_owned(),
        r#type: if it.holds == Type::Text { TYPE_STRING } else { TYPE_FLOAT64 },
        domain_discrete: Some(ListValue { values: it.values.iter().filter_map(hparam).collect() }),
        differs: true,
    });
    let metric_infos = metric::names().map(|name| MetricInfo {
        name: Some(MetricName { group: String::new(), tag: name.to_owned() }),
        display_name: name.to_owned(),
        dataset_type: match name.split_once('_') {
            Some(("train", _)) => DATASET_TRAINING,
            Some(("val", _)) => DATASET_VALIDATION,
            _ => DATASET_UNKNOWN,
        },
    });
    Experiment {
        name: outline.sweep.clone(),
        time_created_secs: began,
        hparam_infos: hparam_infos.collect(),
        metric_infos: metric_infos.collect(),
    }
}

/// A value as the plug-in has it: text, or a number in double precision.
fn hparam(cell: &Cell) -> Option<Value> {
    let kind = match cell {
        Cell::Null => return None,
        Cell::Integer(number) => value::Kind::Number(*number as f64),
        Cell::Number(number) => value::Kind::Number(*number),
        Cell::Boolean(value) => value::Kind::Boolean(*value),
        Cell::Text(text) => value::Kind::Text(text.clone()),
    };
    Some(Value { kind: Some(kind) })
}

/// The time of an epoch's end is its attempt's start and the seconds of the epochs so far: what an earlier attempt computed
/// counts as if this one had.
fn session(outline: &Outline, trial: &Recorded, attempt: &AttemptRow) -> Vec<Event> {
    let mut time = attempt.started_at;
    let values = outline.values(trial).into_iter();
    let hparams_of_it: BTreeMap<String, Value> =
        values.filter_map(|(it, cell)| Some((it.name.to_owned(), hparam(&cell)?))).collect();
    let start =
        SessionStartInfo { hparams: hparams_of_it, group_name: trial.row.group.to_string(), start_time_secs: time };
    let mut events = vec![hparams("_hparams_/session_start_info", time, HParamsPluginData::of(start))];
    for epoch in &trial.epochs {
        time += epoch.seconds;
        let scalar = |(tag, value): (&str, f64)| Event::scalar(time, i64::from(epoch.epoch), tag, value);
        events.extend(measured(epoch).into_iter().map(scalar));
    }
    // As the epochs' metrics are there already, these are the test split's.
    let last = trial.epochs.last().map_or(0, |epoch| i64::from(epoch.epoch));
    let reported = metric::names().filter_map(metric::find).filter(|metric| !metric.selects);
    events
        .extend(reported.filter_map(|metric| Some(Event::scalar(time, last, metric.name, value_of(metric, trial)?))));
    let status = match attempt.outcome {
        AttemptOutcome::Complete => Some(STATUS_SUCCESS),
        AttemptOutcome::Failed => Some(STATUS_FAILURE),
        AttemptOutcome::Running | AttemptOutcome::Interrupted | AttemptOutcome::Cancelled => None,
    };
    if let Some(status) = status {
        let end = SessionEndInfo { status, end_time_secs: attempt.ended_at.unwrap_or(time) };
        events.push(hparams("_hparams_/session_end_info", time, HParamsPluginData::of(end)));
    }
    events
}

/// An epoch's curves, by their tags.
fn measured(epoch: &EpochMetrics) -> Vec<(&'static str, f64)> {
    let metrics =
        metric::names().filter_map(metric::find).filter_map(|metric| Some((metric, metric.of_epoch(epoch)?)));
    // What nobody measured is no curve; a loss that diverged is one.
    let measured = metrics.filter(|(metric, value)| !metric.is_share() || value.is_finite());
    let measured = measured.map(|(metric, value)| (metric.name, value));
    measured.chain([("learning_rate", epoch.learning_rate), ("seconds", epoch.seconds)]).collect()
}
