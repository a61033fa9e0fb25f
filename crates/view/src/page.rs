//! A sweep's page as data: the ranking, and what it is seen beside. Who draws it adds nothing that it would have to ask for.

mod busy;
mod curves;
mod network;
mod saved;

pub use busy::{Busy, Span, Work, Worker};
pub use curves::Curve;
pub use network::{Network, Segment};
pub use saved::Saved;

use crate::ViewError;
use crate::best::{Ranking, Row};
use crate::effects::{Effects, effects};
use crate::show::{Shown, show};
use crate::table::{Standing, Table};
use frostline_store::{Counts, Reader, Sweep};
use frostline_sweep::trial::{TrialId, TrialSpec};

/// Of more rows the first ones are told; figures say that there are others.
pub const MOST_ROWS: usize = 1_000;

/// With more values of one hyperparameter no figure of effects can be read, and comparing each with each takes minutes.
const MOST_VALUES: usize = 100;

/// Everything that a sweep's page shows.
#[derive(Debug, Clone)]
pub struct Page {
    pub sweep: Sweep,
    pub counts: Counts,
    /// What somebody has noted of it.
    pub note: Option<String>,
    pub ranking: Ranking,
    /// What the trials have in common, by the best one of them; none before one has finished.
    pub spec: Option<TrialSpec>,
    /// Those of the trials, the best one's first.
    pub networks: Vec<Network>,
    /// None where the trials differ in nothing, in too many values of one hyperparameter, or a value is not a number.
    pub effects: Option<Effects>,
    /// The best one's first.
    pub curves: Vec<Curve>,
    pub saved: Option<Saved>,
    /// None before anything has begun.
    pub busy: Option<Busy>,
    /// The trials that are shown in full.
    pub trials: Vec<Shown>,
}

/// How much of a sweep is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Rows of the ranking.
    pub rows: usize,
    /// Learning curves.
    pub curves: usize,
    /// Trials in full: the best one of each of the first rows.
    pub trials: usize,
    /// Effects of sweeps with at most as many trials: they are computed from all of them.
    pub effects_of: u64,
}

/// Of a sweep in memory, whose trials stand as `standing` says; what only some of them are asked for is read.
///
/// # Errors
/// A failure of the database.
pub fn page(reader: &Reader, table: &Table, standing: &Standing, wanted: Wanted) -> Result<Page, ViewError> {
    let (sweep, counts) = (table.sweep(), table.counts());
    let ranking = table.ranking(standing, None, 0, wanted.rows.min(MOST_ROWS));
    let firsts: Vec<TrialId> = ranking.rows.iter().map(|row| row.trial).collect();
    let in_full = |trial: &TrialId| show(reader, &trial.to_string());
    let spec = |trial: &TrialId| reader.find_trial(&trial.to_string()).map(|found| found.row.spec);
    let spec = ranking.first.as_ref().map(|best| spec(&best.trial)).transpose()?;
    Ok(Page {
        effects: effects_of(table, counts.total() <= wanted.effects_of)?,
        networks: spec.as_ref().map(|best| networks(table, best)).unwrap_or_default(),
        curves: curves::curves(reader, &firsts, wanted.curves)?,
        saved: saved::saved(reader, &sweep.name, counts.total())?,
        busy: busy::busy(reader, &sweep.name)?,
        trials: firsts.iter().take(wanted.trials).map(in_full).collect::<Result<_, _>>()?,
        note: reader.note(&sweep.name)?,
        sweep: sweep.clone(),
        counts,
        ranking,
        spec,
    })
}

fn networks(table: &Table, best: &TrialSpec) -> Vec<Network> {
    let all = table.networks().map(|network| Network::at(network, best.data.image_size));
    let (mut networks, others): (Vec<Network>, Vec<Network>) =
        all.partition(|network| network.backbone == best.model.backbone);
    networks.extend(others);
    networks
}

/// The network of a row.
pub fn network_of<'n>(networks: &'n [Network], row: &Row) -> Option<&'n Network> {
    let name = row.network()?.name;
    networks.iter().find(|network| network.backbone == name)
}

/// The whole of a sweep that is not in memory yet.
///
/// # Errors
/// There is no such sweep, or a failure of the database.
pub fn read(reader: &Reader, sweep: &str, wanted: Wanted) -> Result<Page, ViewError> {
    let table = Table::read(reader, sweep)?;
    page(reader, &table, &table.standing(reader, &[])?, wanted)
}

/// None where there are none, or they are not wanted.
fn effects_of(table: &Table, is_wanted: bool) -> Result<Option<Effects>, ViewError> {
    if !is_wanted || table.most_values() > MOST_VALUES {
        return Ok(None);
    }
    match effects(table, &[]) {
        Ok(effects) => Ok(Some(effects).filter(|effects| !effects.axes.is_empty())),
        Err(ViewError::NoEffects { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
