//! The ranking of a table's trials that meet conditions, and any part of it in any order.

use super::Table;
use super::order::Key;
use crate::best::{
    COMPARED, Contestant, MOST_READ, Missing, Ranking, Row, Shape, Verdict, VersusBest, interval_of_mean, verdict,
};
use crate::{ViewError, shown};
use frostline_ranking::{Candidate, Replicates, accuracy_interval, groups, order, summarise};
use frostline_store::Reader;
use frostline_sweep::filter::Filter;
use frostline_sweep::metric::{SECONDS, measured};
use frostline_sweep::trial::TrialId;
use serde_json::Value;
use std::ops::Range;

/// The finished trials that meet conditions, or their configurations, best first.
#[derive(Debug, Clone)]
pub struct Standing {
    shape: Shape,
    places: Vec<Place>,
    /// Those of the places that meet the conditions on what was measured, which choose what is seen and change no rank.
    shown: Vec<u32>,
    /// Of all places, one after another: the trials of each, best first.
    members: Vec<u32>,
    /// Of the first places.
    compared: Vec<Option<VersusBest>>,
    verdict: Option<Verdict>,
    missing: Missing,
    is_whole: bool,
}

#[derive(Debug, Clone)]
struct Place {
    rank: u32,
    /// How many seeds it is to have.
    seeds: u32,
    replicates: Replicates,
    members: Range<u32>,
}

impl Standing {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.shown.len()
    }

    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    fn members(&self, place: &Place) -> &[u32] {
        &self.members[place.members.start as usize..place.members.end as usize]
    }
}

impl Table {
    /// The ranking of the trials that meet `filters`. The database is asked which images the first ones got right.
    ///
    /// # Errors
    /// A failure of the database.
    pub fn standing(&self, reader: &Reader, filters: &[Filter]) -> Result<Standing, ViewError> {
        let all = self.meeting(filters);
        let mut wanted = vec![0u32; self.configurations.len()];
        let mut done = vec![0u32; self.configurations.len()];
        let mut finished = Vec::with_capacity(all.len());
        for &place in &all {
            let group = self.groups[place as usize] as usize;
            wanted[group] += 1;
            if self.is_finished(place) {
                done[group] += 1;
                finished.push(place);
            }
        }
        let counted = || wanted.iter().zip(&done).filter(|(wanted, _)| **wanted > 0);
        let missing = Missing {
            trials: (all.len() - finished.len()) as u64,
            configurations: counted().filter(|(_, done)| **done == 0).count() as u64,
            incomplete: counted().filter(|(wanted, done)| **done > 0 && *done < *wanted).count() as u64,
        };
        let shape = self.shape(&finished, filters.is_empty());
        let candidates = self.candidates(&finished);
        let mut members = Vec::with_capacity(finished.len());
        let mut place = |rank, seeds, replicates, of: &[usize]| {
            let start = members.len() as u32;
            members.extend(of.iter().map(|&member| finished[member]));
            Place { rank, seeds, replicates, members: start..members.len() as u32 }
        };
        let direction = self.objective.direction;
        let places: Vec<Place> = match shape {
            Shape::Groups => {
                let seeds = |of: &[usize]| wanted[self.groups[finished[of[0]] as usize] as usize];
                let of_group =
                    |it: frostline_ranking::Group| place(it.rank, seeds(&it.members), it.replicates, &it.members);
                groups(direction, &candidates).into_iter().map(of_group).collect()
            }
            Shape::Trials => {
                let of_trial = |it: frostline_ranking::Rank| {
                    place(it.rank, 1, summarise(&[candidates[it.index].objective]), &[it.index])
                };
                order(direction, &candidates).into_iter().map(of_trial).collect()
            }
        };
        let is_small = finished.len() <= MOST_READ;
        let mut standing = Standing {
            shape,
            shown: Vec::new(),
            places,
            members,
            compared: Vec::new(),
            verdict: None,
            missing,
            is_whole: filters.iter().all(Filter::is_measured),
        };
        let first = standing.places.iter().take(if is_small { usize::MAX } else { COMPARED });
        let contestant = |&member: &u32| Contestant {
            trial: self.trials[member as usize],
            value: self.value(self.objective.name, member),
            images: self.images(self.objective, member),
            seconds: self.value(SECONDS, member),
        };
        let contestants: Vec<Vec<Contestant>> =
            first.map(|place| standing.members(place).iter().map(contestant).collect()).collect();
        (standing.compared, standing.verdict) = verdict(reader, self.objective, &contestants, is_small)?;
        let of_rows = filters.iter().filter(|filter| filter.is_measured());
        let measured: Vec<(&Filter, &[f64])> =
            of_rows.filter_map(|filter| Some((filter, self.column(filter.name())?))).collect();
        let is_shown = |&place: &u32| {
            let members = standing.members(&standing.places[place as usize]);
            measured.iter().all(|(filter, column)| filter.accepts_measured(mean(column, members)))
        };
        standing.shown = (0..standing.places.len() as u32).filter(is_shown).collect();
        Ok(standing)
    }

    fn candidates(&self, finished: &[u32]) -> Vec<Candidate> {
        let candidate = |&place: &u32| Candidate {
            group: self.configurations[self.groups[place as usize] as usize],
            objective: self.value(self.objective.name, place),
            val_loss: self.value("val_loss", place),
        };
        finished.iter().map(candidate).collect()
    }

    /// Configurations where the best one of all is to have several seeds, whichever conditions there are.
    fn shape(&self, finished: &[u32], is_all: bool) -> Shape {
        let all: Vec<u32>;
        let finished = match is_all {
            true => finished,
            false => {
                all = (0..self.trials.len() as u32).filter(|&place| self.is_finished(place)).collect();
                &all
            }
        };
        let best = groups(self.objective.direction, &self.candidates(finished)).into_iter().next();
        let Some(group) = best.map(|best| self.groups[finished[best.members[0]] as usize]) else {
            return Shape::Trials;
        };
        let seeds = self.groups.iter().filter(|&&of| of == group).count();
        if seeds > 1 { Shape::Groups } else { Shape::Trials }
    }

    /// `most` rows after the first `after`, in the order of the ranking or in that of a column, downwards where it is said.
    /// By a column that nobody knows, the rows stay as they are.
    pub fn ranking(&self, standing: &Standing, by: Option<(&str, bool)>, after: usize, most: usize) -> Ranking {
        let columns = match standing.is_whole && !standing.members.is_empty() {
            true => self.varying(None),
            false => self.varying(Some(&standing.members)),
        };
        let shown = self.sorted(standing, by).into_iter().skip(after).take(most);
        Ranking {
            objective: self.objective,
            total: standing.len() as u64,
            columns: standing.shape.of(columns),
            rows: shown.map(|place| self.row(standing, place)).collect(),
            first: (!standing.places.is_empty()).then(|| self.row(standing, 0)),
            verdict: standing.verdict.clone(),
            missing: standing.missing,
        }
    }

    /// The finished trials, those of the better configuration first.
    pub fn trials<'a>(&'a self, standing: &'a Standing) -> impl Iterator<Item = TrialId> + 'a {
        let places = standing.shown.iter().map(|&place| &standing.places[place as usize]);
        places.flat_map(|place| standing.members(place)).map(|&member| self.trials[member as usize])
    }

    /// All rows, one after another, in the order of the ranking or in that of a column.
    pub fn rows<'a>(&'a self, standing: &'a Standing, by: Option<(&str, bool)>) -> impl Iterator<Item = Row> + 'a {
        self.sorted(standing, by).into_iter().map(|place| self.row(standing, place))
    }

    fn sorted(&self, standing: &Standing, by: Option<(&str, bool)>) -> Vec<usize> {
        let mut order: Vec<usize> = standing.shown.iter().map(|&place| place as usize).collect();
        let Some((column, down)) = by else { return order };
        let places = &standing.places;
        let words: Vec<String>;
        let keys: Vec<Key> = match column {
            "rank" => places.iter().map(|it| Key::number(f64::from(it.rank))).collect(),
            "seeds" => places.iter().map(|it| Key::number(f64::from(it.replicates.count))).collect(),
            _ if column == self.objective.name => places.iter().map(|it| Key::number(it.replicates.mean)).collect(),
            _ => match (self.column(column), self.parameter(column)) {
                (Some(values), _) => {
                    places.iter().map(|it| Key::number(mean(values, standing.members(it)))).collect()
                }
                (None, Some((values, codes))) => {
                    words = values.iter().map(shown).collect();
                    let key = |place: &Place| {
                        let code = codes[standing.members(place)[0] as usize] as usize;
                        values[code].as_f64().map_or(Key::Word(&words[code]), Key::number)
                    };
                    places.iter().map(key).collect()
                }
                (None, None) => return order,
            },
        };
        order.sort_by(|&one, &other| keys[one].compare(&keys[other], down));
        order
    }

    fn interval(&self, standing: &Standing, place: &Place) -> Option<(f64, f64)> {
        match standing.shape {
            Shape::Groups => interval_of_mean(self.objective, &place.replicates),
            Shape::Trials => {
                let member = *standing.members(place).first()?;
                accuracy_interval(place.replicates.mean, self.images(self.objective, member)?)
            }
        }
    }

    fn row(&self, standing: &Standing, place: usize) -> Row {
        let versus = standing.compared.get(place).copied().flatten();
        let place = &standing.places[place];
        let members = standing.members(place);
        let best = members[0] as usize;
        let is_group = standing.shape == Shape::Groups;
        let value = |parameter: &super::Parameter| {
            (parameter.name.to_owned(), parameter.values[parameter.codes[best] as usize].clone())
        };
        let parameters = self.parameters.iter().filter(|it| !(is_group && it.name == "seed")).map(value);
        let tied_with_best = versus.map(|versus| versus.is_tied);
        let is_shared = standing.verdict.as_ref().is_some_and(|verdict| verdict.contenders > 1);
        Row {
            rank: place.rank,
            tied_with_best,
            is_tied: is_shared && tied_with_best == Some(true),
            trial: self.trials[best],
            group: self.configurations[self.groups[best] as usize],
            value: place.replicates.mean,
            interval: self.interval(standing, place),
            deviation: place.replicates.deviation.filter(|_| is_group),
            seeds: place.replicates.count,
            seeds_wanted: place.seeds,
            versus_best: versus,
            metrics: measured().zip(&self.measured.values).map(|(name, it)| (name, mean(it, members))).collect(),
            parameters: parameters.collect::<serde_json::Map<String, Value>>(),
            is_group,
            // Nobody has asked.
            has_model: false,
        }
    }
}

/// Of a column's values, those of some trials.
fn mean(column: &[f64], members: &[u32]) -> f64 {
    members.iter().map(|&member| column[member as usize] / members.len() as f64).sum()
}
