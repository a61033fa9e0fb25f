//! `best`: the ranking.

use crate::args::{self, Common};
use crate::output::{self, Columns, DIM, Table};
use crate::{Exit, wrong_input};
use frostline_ranking::{Candidate, Rank, Replicates, accuracy_interval, order, replicates};
use frostline_store::{Reader, TrialRow};
use frostline_sweep::backbone;
use frostline_sweep::definition::Definition;
use frostline_sweep::metric::{self, Direction, Metric};
use frostline_sweep::outcome::{EpochMetrics, Evaluation};
use frostline_sweep::parameters::{Filter, named};
use frostline_sweep::trial::{TrialSpec, Validation};
use serde_json::{Map, Value, json};
use std::io::Write;

pub(crate) fn run(common: &Common, arguments: &args::Best) -> anyhow::Result<Exit> {
    let filter = |text: &String| Filter::parse(text).map_err(|error| wrong_input(format!("--where {text}: {error}")));
    let filters: Vec<Filter> = arguments.conditions.iter().map(filter).collect::<Result<_, _>>()?;
    let reader = Reader::open(&common.results)?;
    let ranking = match filters.is_empty() {
        true => Ranking::first(&reader, &arguments.sweep, arguments.n)?,
        false => Ranking::filtered(&reader, &arguments.sweep, &filters)?,
    };
    if arguments.json.json {
        let objects: Vec<Value> = ranking.places().take(arguments.n).map(|place| ranking.json(place)).collect();
        let mut out = std::io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, &objects)?;
        writeln!(out)?;
        return Ok(Exit::Done);
    }
    if ranking.rows.is_empty() {
        let counts = reader.counts(&arguments.sweep)?;
        let which = if filters.is_empty() { "" } else { " that meets the conditions" };
        let summary = output::summary(&counts);
        writeln!(anstream::stdout().lock(), "`{}` has no finished trial{which} ({summary})", arguments.sweep)?;
        return Ok(Exit::Done);
    }
    let context = match filters.is_empty() {
        true => Context::of_sweep(&reader, &arguments.sweep, &ranking)?,
        false => Context::of_rows(&ranking),
    };
    ranking.print(arguments.n, &context)?;
    Ok(Exit::Done)
}

/// Prints the first `most` of a sweep's finished trials.
pub(crate) fn print(reader: &Reader, sweep: &str, most: usize) -> anyhow::Result<()> {
    let ranking = Ranking::first(reader, sweep, most)?;
    let context = Context::of_sweep(reader, sweep, &ranking)?;
    ranking.print(most, &context)
}

/// Finished trials with their places.
struct Ranking {
    objective: &'static Metric,
    rows: Vec<Finished>,
    candidates: Vec<Candidate>,
    order: Vec<Rank>,
}

struct Finished {
    row: TrialRow,
    last: EpochMetrics,
    evaluation: Evaluation,
}

impl Ranking {
    /// The `most` best of a sweep (at least one), without a look at the others.
    fn first(reader: &Reader, sweep: &str, most: usize) -> anyhow::Result<Ranking> {
        let objective = objective(reader, sweep)?;
        Ok(Ranking::of(objective, reader.best(sweep, most.max(1))?))
    }

    /// All of a sweep's finished trials that meet the conditions.
    fn filtered(reader: &Reader, sweep: &str, filters: &[Filter]) -> anyhow::Result<Ranking> {
        let objective = objective(reader, sweep)?;
        let meets = |row: &TrialRow| {
            let architecture = backbone::find(&row.spec.model.backbone);
            architecture.is_some_and(|network| filters.iter().all(|filter| filter.matches(&row.spec, network)))
        };
        Ok(Ranking::of(objective, reader.trials(sweep)?.into_iter().filter(meets).collect()))
    }

    fn of(objective: &'static Metric, rows: Vec<TrialRow>) -> Ranking {
        let finished = |mut row: TrialRow| {
            let (last, evaluation) = (row.last.take()?, row.evaluation.take()?);
            Some(Finished { row, last, evaluation })
        };
        let rows: Vec<Finished> = rows.into_iter().filter_map(finished).collect();
        let candidates: Vec<Candidate> = rows
            .iter()
            .map(|finished| Candidate {
                group: finished.row.group,
                objective: objective.value(&finished.last, &finished.evaluation),
                val_loss: finished.last.val_loss,
            })
            .collect();
        let order = order(objective.direction, &candidates);
        Ranking { objective, rows, candidates, order }
    }

    fn places(&self) -> impl Iterator<Item = &Rank> {
        self.order.iter()
    }

    fn json(&self, place: &Rank) -> Value {
        let Finished { row, last, evaluation } = &self.rows[place.index];
        let metrics: Map<String, Value> = metric::names()
            .filter_map(|name| Some((name.to_owned(), json!(metric::find(name)?.value(last, evaluation)))))
            .chain([("seconds".to_owned(), json!(evaluation.seconds))])
            .collect();
        let parameters: Map<String, Value> =
            named(&row.spec).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        json!({
            "rank": place.rank,
            "trial": row.trial,
            "group": row.group,
            "state": row.state,
            "objective": self.candidates[place.index].objective,
            "interval": self.interval(place),
            "metrics": metrics,
            "parameters": parameters,
            "attempts": row.attempts,
        })
    }

    /// 95 % interval of the objective where it is an accuracy on a known number of images.
    fn interval(&self, place: &Rank) -> Option<(f64, f64)> {
        let finished = &self.rows[place.index];
        let images = (self.objective.name == "val_accuracy").then(|| validation_images(finished)).flatten()?;
        accuracy_interval(self.candidates[place.index].objective, images)
    }

    fn print(&self, most: usize, context: &Context) -> anyhow::Result<()> {
        let columns = &context.columns;
        let mut header = vec!["rank", "trial", self.objective.name];
        let intervals = self.places().any(|place| self.interval(place).is_some());
        if intervals {
            header.push("95 % interval");
        }
        if self.objective.name != "test_accuracy" {
            header.push("test_accuracy");
        }
        header.extend(columns.names());
        header.push("time");
        let mut table = Table::new(&header);
        for place in self.places().take(most) {
            let Finished { row, evaluation, .. } = &self.rows[place.index];
            let mut cells = vec![place.rank.to_string(), row.trial.to_string()[..8].to_owned()];
            cells.push(format!("{:.4}", self.candidates[place.index].objective));
            if intervals {
                let interval = self.interval(place);
                cells.push(interval.map_or("-".to_owned(), |(low, high)| format!("{low:.3} to {high:.3}")));
            }
            if self.objective.name != "test_accuracy" {
                cells.push(format!("{:.4}", evaluation.test_accuracy));
            }
            cells.extend(columns.cells(&row.spec));
            cells.push(output::seconds(evaluation.seconds));
            table.row(cells);
        }
        let mut out = anstream::stdout().lock();
        write!(out, "{table}")?;
        let shown = self.rows.len().min(most) as u64;
        if context.finished > shown {
            writeln!(out, "{DIM}  … and {} more{DIM:#}", context.finished - shown)?;
        }
        if let Some(remark) = self.doubt(context) {
            writeln!(out, "{DIM}  {remark}{DIM:#}")?;
        }
        Ok(())
    }

    /// How far the order at the top can be trusted.
    fn doubt(&self, context: &Context) -> Option<String> {
        let best = self.order.first()?;
        if let Some(group) = context.replicates.filter(|group| group.count > 1) {
            let spread = group.deviation.map_or(String::new(), |deviation| format!(" ± {deviation:.4}"));
            let name = self.objective.name;
            let seeds = output::count(u64::from(group.count), "seed");
            return Some(format!("The best configuration has {name} {:.4}{spread} over {seeds}.", group.mean));
        }
        let close = context.close;
        let images = validation_images(&self.rows[best.index])?;
        (close > 1).then(|| {
            format!(
                "{images} validation images cannot tell the first {close} apart: they lie within the best one's interval. \
                 More seeds or images would."
            )
        })
    }
}

/// What the shown trials are seen against.
struct Context {
    /// How many trials are ranked, shown or not.
    finished: u64,
    columns: Columns,
    /// The best trial's configuration.
    replicates: Option<Replicates>,
    /// Trials whose objective lies within the best one's interval, itself included; 0 where it has none.
    close: u64,
}

impl Context {
    /// Of a whole sweep, `ranking` being its first places.
    fn of_sweep(reader: &Reader, sweep: &str, ranking: &Ranking) -> anyhow::Result<Context> {
        let mut context = Context::of_rows(ranking);
        let Some(best) = ranking.order.first() else { return Ok(context) };
        context.finished = reader.finished(sweep)?;
        let group = ranking.rows[best.index].row.group;
        let configuration = Ranking::of(ranking.objective, reader.replicates(sweep, group)?);
        context.replicates = replicates(&configuration.candidates).remove(&group);
        if let Some((low, _)) = ranking.interval(best) {
            context.close = reader.finished_from(sweep, low)?;
        }
        let known = reader.sweep(sweep)?;
        // A definition that an older program stored may not be one any more: then the shown trials decide.
        if let Ok(definition) = Definition::stored(&known.file, &known.definition) {
            let shown = ranking.rows.iter().map(|finished| finished.row.spec.clone());
            let template = &ranking.rows[best.index].row.spec;
            let corner = |parameters| TrialSpec { parameters, ..template.clone() };
            let seed = |&seed: &u64| TrialSpec { seed, ..template.clone() };
            let seeds = definition.seeds.iter().take(2).map(seed);
            let specs: Vec<TrialSpec> =
                definition.corners().into_iter().map(corner).chain(seeds).chain(shown).collect();
            context.columns = Columns::varying(specs.iter());
        }
        Ok(context)
    }

    /// Where `ranking` has all trials that count.
    fn of_rows(ranking: &Ranking) -> Context {
        let best = ranking.order.first();
        let low = best.and_then(|best| ranking.interval(best)).map(|(low, _)| low);
        let close = |low: f64| {
            debug_assert_eq!(ranking.objective.direction, Direction::Maximise);
            ranking.candidates.iter().filter(|candidate| candidate.objective >= low).count() as u64
        };
        Context {
            finished: ranking.rows.len() as u64,
            columns: Columns::varying(ranking.rows.iter().map(|finished| &finished.row.spec)),
            replicates: best
                .and_then(|best| replicates(&ranking.candidates).remove(&ranking.candidates[best.index].group)),
            close: low.map_or(0, close),
        }
    }
}

fn objective(reader: &Reader, sweep: &str) -> anyhow::Result<&'static Metric> {
    let name = reader.sweep(sweep)?.objective;
    metric::find(&name).ok_or_else(|| anyhow::anyhow!("the database ranks `{sweep}` by the unknown metric `{name}`"))
}

/// How many images `val_accuracy` was measured on: as counted, or as the confusion has them where the test images serve.
/// Rows of older versions say no more than that.
fn validation_images(finished: &Finished) -> Option<u64> {
    let counted = finished.evaluation.validation_images;
    let tested = || finished.evaluation.confusion.iter().flatten().map(|&count| u64::from(count)).sum();
    counted.or_else(|| (finished.row.spec.data.validation == Validation::Test).then(tested))
}
