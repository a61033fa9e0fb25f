//! A sweep in memory as columns: who serves it to many sorts, narrows and groups its trials without asking the database,
//! and afterwards reads only what has changed. A hundred thousand trials take some 25 MB.

mod order;
mod standing;

pub use standing::Standing;

use crate::best::finished::Finished;
use crate::best::objective;
use crate::{Columns, ViewError, stored};
use frostline_store::{Counts, Moment, Reader, Sweep, TrialRow};
use frostline_sweep::backbone::{self, Architecture};
use frostline_sweep::filter::Filter;
use frostline_sweep::metric::{self, Metric, measured};
use frostline_sweep::outcome::TrialState;
use frostline_sweep::parameters::{frozen_layers, named};
use frostline_sweep::trial::{GroupId, TrialId};
use serde_json::Value;
use std::collections::HashMap;

/// All trials of a sweep, finished or not, in the order of their positions. A trial has the same place in each column.
#[derive(Debug, Clone)]
pub struct Table {
    moment: Moment,
    objective: &'static Metric,
    places: HashMap<TrialId, u32>,
    trials: Vec<TrialId>,
    states: Vec<TrialState>,
    configurations: Vec<GroupId>,
    /// Of each trial, its place in `configurations`.
    groups: Vec<u32>,
    networks: Vec<Option<&'static Architecture>>,
    network: Vec<u32>,
    parameters: Vec<Parameter>,
    measured: Measured,
}

/// A hyperparameter: few values, many trials.
#[derive(Debug, Clone)]
struct Parameter {
    name: &'static str,
    values: Vec<Value>,
    by_text: HashMap<String, u32>,
    /// Of each trial, its place in `values`.
    codes: Vec<u32>,
}

/// What finished trials have come to; not-a-number for others.
#[derive(Debug, Clone)]
struct Measured {
    is_finished: Vec<bool>,
    /// In the order of [`measured`].
    values: Vec<Vec<f64>>,
    validation_images: Vec<Option<u32>>,
    test_images: Vec<Option<u32>>,
}

impl Table {
    /// # Errors
    /// There is no such sweep, or a failure of the database.
    pub fn read(reader: &Reader, sweep: &str) -> Result<Table, ViewError> {
        let mut rows = Rows::default();
        let moment = reader.each_trial(sweep, |row| rows.add(row))?;
        Ok(Table {
            objective: objective(&moment.sweep)?,
            moment,
            places: rows.trials.iter().copied().zip(0..).collect(),
            trials: rows.trials,
            states: rows.states,
            configurations: rows.configurations,
            groups: rows.groups,
            networks: rows.networks,
            network: rows.network,
            parameters: rows.parameters,
            measured: rows.measured,
        })
    }

    /// Reads what has changed since. Whether anything has is not known.
    ///
    /// # Errors
    /// There is no such sweep any more, or a failure of the database; the table is as it was then.
    pub fn refresh(&mut self, reader: &Reader) -> Result<(), ViewError> {
        let is_failed = |&(_, state): &(&TrialId, &TrialState)| *state == TrialState::Failed;
        let failed: Vec<TrialId> =
            self.trials.iter().zip(&self.states).filter(is_failed).map(|(trial, _)| *trial).collect();
        match reader.changed(&self.moment, &failed)? {
            None => *self = Table::read(reader, &self.moment.sweep.name)?,
            Some((moment, rows)) => {
                for row in rows {
                    // What a trial is never changes.
                    if let Some(&place) = self.places.get(&row.trial) {
                        self.states[place as usize] = row.state;
                        self.measured.set(place as usize, row);
                    }
                }
                self.moment = moment;
            }
        }
        Ok(())
    }

    pub fn sweep(&self) -> &Sweep {
        &self.moment.sweep
    }

    pub fn objective(&self) -> &'static Metric {
        self.objective
    }

    /// Those of the trials that are still in the table of networks.
    pub(crate) fn networks(&self) -> impl Iterator<Item = &'static Architecture> {
        self.networks.iter().filter_map(|network| *network)
    }

    pub fn counts(&self) -> Counts {
        Counts::counting(self.states.iter().copied())
    }

    /// The values of a hyperparameter by trial: which of the listed ones each has.
    pub(crate) fn parameter(&self, name: &str) -> Option<(&[Value], &[u32])> {
        let found = self.parameters.iter().find(|parameter| parameter.name == name)?;
        Some((&found.values, &found.codes))
    }

    /// What the definition says for frozen layers, and which of that each trial has, where there are several networks: a
    /// share is another number in each of them.
    pub(crate) fn written_layers(&self) -> Option<(Vec<Value>, Vec<u32>)> {
        let (counts, codes) = self.parameter("frozen_layers").filter(|_| self.networks.len() > 1)?;
        let definition = stored::definition(self.sweep()).ok()?;
        let axis: Vec<&(Value, Value)> = definition.axis("frozen_layers").collect();
        let written = |(network, code): (&u32, &u32)| {
            let network = self.networks[*network as usize]?.name;
            let count = counts[*code as usize].as_u64();
            let is_it = |(_, canonical): &&(Value, Value)| frozen_layers(canonical, network).map(u64::from) == count;
            axis.iter().position(is_it).map(|place| place as u32)
        };
        let places = self.network.iter().zip(codes).map(written).collect::<Option<Vec<u32>>>()?;
        Some((axis.into_iter().map(|(written, _)| written.clone()).collect(), places))
    }

    /// How many values the hyperparameter has that has the most of them, seeds left out.
    pub(crate) fn most_values(&self) -> usize {
        let parameters = self.parameters.iter().filter(|parameter| parameter.name != "seed");
        parameters.map(|parameter| parameter.values.len()).max().unwrap_or(0)
    }

    /// The hyperparameters in which these trials differ, or all of them; what the head's widths say already is left out.
    pub(crate) fn varying(&self, places: Option<&[u32]>) -> Columns {
        let differs = |parameter: &Parameter| match places {
            Some(places) => {
                places.windows(2).any(|it| parameter.codes[it[0] as usize] != parameter.codes[it[1] as usize])
            }
            None => parameter.values.len() > 1,
        };
        let is_shown = |parameter: &&Parameter| {
            differs(parameter)
                && match parameter.name {
                    "head_depth" => false,
                    "head_dropout" => self.dropout_varies(places),
                    _ => true,
                }
        };
        Columns::of_names(self.parameters.iter().filter(is_shown).map(|parameter| parameter.name).collect())
    }

    /// Whether heads of the same widths have other dropouts.
    fn dropout_varies(&self, places: Option<&[u32]>) -> bool {
        let (Some((_, units)), Some((_, dropouts))) = (self.parameter("head_units"), self.parameter("head_dropout"))
        else {
            return true;
        };
        let mut of_head: HashMap<u32, u32> = HashMap::new();
        let mut is_other = |place: usize| *of_head.entry(units[place]).or_insert(dropouts[place]) != dropouts[place];
        match places {
            Some(places) => places.iter().any(|&place| is_other(place as usize)),
            None => (0..units.len()).any(is_other),
        }
    }

    /// The trials that meet all conditions on hyperparameters, finished or not.
    pub(crate) fn meeting(&self, filters: &[Filter]) -> Vec<u32> {
        // A value is judged once for each network.
        let judged: Vec<(&[u32], Vec<Vec<bool>>)> = filters
            .iter()
            .filter_map(|filter| {
                let (values, codes) = self.parameter(filter.name())?;
                let accepts = |network: &Option<&Architecture>| {
                    values.iter().map(|value| network.is_some_and(|it| filter.accepts(value, it))).collect()
                };
                Some((codes, self.networks.iter().map(accepts).collect()))
            })
            .collect();
        let meets = |&place: &u32| {
            let place = place as usize;
            judged.iter().all(|(codes, accepts)| accepts[self.network[place] as usize][codes[place] as usize])
        };
        (0..self.trials.len() as u32).filter(meets).collect()
    }

    pub(crate) fn is_finished(&self, place: u32) -> bool {
        self.measured.is_finished[place as usize]
    }

    /// What was measured under a name, of each trial.
    pub(crate) fn column(&self, name: &str) -> Option<&[f64]> {
        measured().position(|known| known == name).map(|column| self.measured.values[column].as_slice())
    }

    /// A metric of a finished trial, or its seconds.
    pub(crate) fn value(&self, name: &str, place: u32) -> f64 {
        self.column(name).map_or(f64::NAN, |column| column[place as usize])
    }

    /// On how many images a metric was measured, where it is an accuracy and that is known.
    fn images(&self, metric: &Metric, place: u32) -> Option<u64> {
        let images = match metric.name {
            "val_accuracy" => self.measured.validation_images[place as usize],
            "test_accuracy" => self.measured.test_images[place as usize],
            _ => None,
        };
        images.map(u64::from)
    }
}

/// A table while it is read.
#[derive(Default)]
struct Rows {
    trials: Vec<TrialId>,
    states: Vec<TrialState>,
    configurations: Vec<GroupId>,
    by_group: HashMap<GroupId, u32>,
    groups: Vec<u32>,
    networks: Vec<Option<&'static Architecture>>,
    by_network: HashMap<String, u32>,
    network: Vec<u32>,
    parameters: Vec<Parameter>,
    measured: Measured,
}

impl Rows {
    fn add(&mut self, row: TrialRow) {
        let named = named(&row.spec);
        if self.parameters.is_empty() {
            let parameter = |(name, _): &(&'static str, Value)| Parameter {
                name,
                values: Vec::new(),
                by_text: HashMap::new(),
                codes: Vec::new(),
            };
            self.parameters = named.iter().map(parameter).collect();
        }
        for (parameter, (_, value)) in self.parameters.iter_mut().zip(named) {
            parameter.add(value);
        }
        let configurations = &mut self.configurations;
        self.groups.push(*self.by_group.entry(row.group).or_insert_with(|| {
            configurations.push(row.group);
            configurations.len() as u32 - 1
        }));
        let backbone = &row.spec.model.backbone;
        let network = match self.by_network.get(backbone) {
            Some(&network) => network,
            None => {
                self.networks.push(backbone::find(backbone));
                let network = self.networks.len() as u32 - 1;
                self.by_network.insert(backbone.clone(), network);
                network
            }
        };
        self.network.push(network);
        self.trials.push(row.trial);
        self.states.push(row.state);
        self.measured.grow();
        self.measured.set(self.trials.len() - 1, row);
    }
}

impl Parameter {
    fn add(&mut self, value: Value) {
        let is_last = |code: &&u32| self.values[**code as usize] == value;
        if let Some(&code) = self.codes.last().filter(is_last) {
            self.codes.push(code);
            return;
        }
        let code = match self.by_text.get(&value.to_string()) {
            Some(&code) => code,
            None => {
                let code = self.values.len() as u32;
                self.by_text.insert(value.to_string(), code);
                self.values.push(value);
                code
            }
        };
        self.codes.push(code);
    }
}

impl Default for Measured {
    fn default() -> Measured {
        Measured {
            is_finished: Vec::new(),
            values: measured().map(|_| Vec::new()).collect(),
            validation_images: Vec::new(),
            test_images: Vec::new(),
        }
    }
}

impl Measured {
    fn grow(&mut self) {
        self.is_finished.push(false);
        self.values.iter_mut().for_each(|column| column.push(f64::NAN));
        self.validation_images.push(None);
        self.test_images.push(None);
    }

    fn set(&mut self, place: usize, row: TrialRow) {
        let Some(finished) = Finished::of(vec![row]).pop() else {
            self.is_finished[place] = false;
            return;
        };
        self.is_finished[place] = true;
        for (column, name) in self.values.iter_mut().zip(measured()) {
            column[place] = match metric::find(name) {
                Some(metric) => metric.value(&finished.last, &finished.evaluation),
                None => finished.evaluation.seconds,
            };
        }
        let count = |images: Option<u64>| images.and_then(|images| u32::try_from(images).ok());
        self.validation_images[place] = count(finished.validation_images());
        self.test_images[place] = count(finished.test_images());
    }
}
