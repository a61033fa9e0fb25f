//! What is looked at: read from the database, and from what the coordinator has left beside it.

use crate::output::seconds_since_1970;
use frostline_results::RunStatus;
use frostline_store::{Counts, Reader};
use frostline_sweep::outcome::AttemptOutcome;
use frostline_sweep::record::TaskKey;
use frostline_view::amount::seconds;
use frostline_view::best::{self, Question, Ranking, best};
use frostline_view::{Columns, shown};
use std::collections::BTreeMap;

/// Rows of the ranking that are read.
const MOST: usize = 40;
/// Ends of attempts that are read.
const EVENTS: usize = 8;

/// A sweep at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) sweep: String,
    pub(crate) objective: String,
    pub(crate) counts: Counts,
    pub(crate) is_running: bool,
    pub(crate) draining: bool,
    pub(crate) seconds_left: Option<f64>,
    /// Seconds since what is shown was so, where there may be more by now.
    pub(crate) seen: Option<f64>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) best: Vec<Row>,
    /// Rows of the ranking in all.
    pub(crate) total: u64,
    /// In what the trials differ; none before anything was read.
    pub(crate) columns: Option<Columns>,
    pub(crate) digits: usize,
    pub(crate) depths: Vec<Depth>,
    /// The newest first.
    pub(crate) events: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Worker {
    pub(crate) number: u32,
    /// What it runs, in a few words.
    pub(crate) words: String,
    /// Such as "epoch 7/10".
    pub(crate) stage: String,
    /// Of the epoch or fill, 0 to 1.
    pub(crate) share: Option<f64>,
}

/// A place in the ranking.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub(crate) label: String,
    pub(crate) id: String,
    pub(crate) value: f64,
    pub(crate) interval: Option<(f64, f64)>,
    pub(crate) seconds: f64,
    pub(crate) network: &'static str,
    pub(crate) frozen: u64,
    /// Of the network's layers, 0 to 1.
    pub(crate) frozen_share: f64,
    /// Its other hyperparameters, in a few words.
    pub(crate) words: String,
}

/// What a number of frozen layers comes to, over the rows of the ranking.
#[derive(Debug, Clone, Default)]
pub(crate) struct Depth {
    /// Short, where there are several.
    pub(crate) network: Option<String>,
    pub(crate) layers: u64,
    pub(crate) is_all: bool,
    pub(crate) low: f64,
    pub(crate) mean: f64,
    pub(crate) high: f64,
    pub(crate) seconds: f64,
}

impl Model {
    /// `trials` shows single trials also where there are several seeds.
    ///
    /// # Errors
    /// There is no such sweep, or a failure of the database.
    pub(crate) fn read(reader: &Reader, sweep: &str, trials: bool) -> anyhow::Result<Model> {
        let ranking = best(reader, Question { trials, ..Question::of(sweep, MOST) })?.ranking;
        let rows: Vec<Row> = ranking.rows.iter().map(|row| seen(row, &ranking)).collect();
        let mut model = Model {
            sweep: sweep.to_owned(),
            objective: ranking.objective.name.to_owned(),
            counts: reader.counts(sweep)?,
            total: ranking.total,
            digits: ranking.decimals(),
            // Until one has finished, the ranking does not say in what the trials differ.
            columns: Some(match ranking.total {
                0 => Columns::varying(reader.trials(sweep)?.iter().map(|row| &row.spec)),
                _ => ranking.columns,
            }),
            depths: depths(&rows),
            best: rows,
            ..Model::default()
        };
        for ended in reader.ended(sweep, EVENTS)? {
            let id = ended.trial.short();
            model.events.push(match ended.outcome {
                AttemptOutcome::Complete => {
                    let value = ended.value.map_or(String::new(), |value| format!(" {value:.4}"));
                    format!("{id} complete{value} in {}", seconds(ended.seconds))
                }
                AttemptOutcome::Failed => format!("{id} failed: {}", ended.message),
                outcome => format!("{id} {outcome}"),
            });
        }
        Ok(model)
    }

    /// Takes over what the coordinator says of itself.
    ///
    /// # Errors
    /// Failures of the database.
    pub(crate) fn follow(&mut self, reader: &Reader, run: Option<RunStatus>) -> anyhow::Result<()> {
        let run = run.filter(|run| run.sweep == self.sweep);
        self.is_running = run.is_some();
        self.draining = run.as_ref().is_some_and(|run| run.draining);
        self.seconds_left = run.as_ref().and_then(|run| run.seconds_left);
        self.seen = reader.as_of().map(|(at, _)| (seconds_since_1970() - at).max(0.0));
        self.workers.clear();
        for running in run.into_iter().flat_map(|run| run.running) {
            let share = running.steps.filter(|(_, all)| *all > 0).map(|(done, all)| done as f64 / all as f64);
            let (words, stage) = match &running.task {
                TaskKey::Trial(trial) => {
                    let row = reader.find_trial(&trial.to_string())?.row;
                    let epochs = row.spec.parameters.epochs;
                    let words = self.columns.as_ref().map(|columns| columns.words(&row.spec.named_object()));
                    let words = words.filter(|words| !words.is_empty()).unwrap_or_else(|| trial.short());
                    (words, format!("epoch {}/{epochs}", (running.epochs + 1).min(epochs)))
                }
                TaskKey::Fill(_) => ("features of frozen layers".to_owned(), "fill".to_owned()),
            };
            self.workers.push(Worker { number: running.worker, words, stage, share });
        }
        Ok(())
    }
}

fn seen(row: &best::Row, ranking: &Ranking) -> Row {
    let frozen = u64::from(row.frozen_layers());
    let others = ranking.columns.names().filter(|name| *name != "frozen_layers");
    let words = others.filter_map(|name| row.parameters.get(name)).map(shown).collect::<Vec<_>>().join(" ");
    Row {
        label: row.label(),
        id: row.trial.short(),
        value: row.value,
        interval: row.interval,
        seconds: row.metric("seconds"),
        frozen,
        network: row.network().map_or("", |network| network.name),
        frozen_share: row.network().map_or(0.0, |network| frozen as f64 / f64::from(network.layer_count())),
        words,
    }
}

/// From the deepest on.
fn depths(rows: &[Row]) -> Vec<Depth> {
    let mut by_depth: BTreeMap<(&str, u64), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        by_depth.entry((row.network, row.frozen)).or_default().push(row);
    }
    let several = rows.windows(2).any(|pair| pair[0].network != pair[1].network);
    let depth = |((network, layers), rows): ((&str, u64), Vec<&Row>)| {
        let mean = |value: fn(&Row) -> f64| rows.iter().map(|row| value(row)).sum::<f64>() / rows.len() as f64;
        Depth {
            network: several.then(|| network.trim_start_matches("efficientnet_").to_owned()),
            layers,
            is_all: rows.first().is_some_and(|row| row.frozen_share >= 1.0),
            low: rows.iter().map(|row| row.value).fold(f64::INFINITY, f64::min),
            mean: mean(|row| row.value),
            high: rows.iter().map(|row| row.value).fold(f64::NEG_INFINITY, f64::max),
            seconds: mean(|row| row.seconds),
        }
    };
    by_depth.into_iter().rev().map(depth).collect()
}
