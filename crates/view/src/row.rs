//! A row of a ranking, whether it is a trial or a configuration: what tables, figures and terminals show a line of.

use crate::best::{Best, Group, Ranked, Rows, VersusBest};
use crate::shown;
use frostline_sweep::trial::{GroupId, TrialId};
use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub rank: u32,
    /// Whether nothing tells it from the best one; none where that is not known.
    pub tied_with_best: Option<bool>,
    /// Whether it shares the first place with others, shown or not.
    pub is_tied: bool,
    /// The trial, or the best one of the configuration.
    pub trial: TrialId,
    pub group: GroupId,
    /// Of the objective.
    pub value: f64,
    pub interval: Option<(f64, f64)>,
    pub deviation: Option<f64>,
    pub seeds: u32,
    pub seeds_wanted: u32,
    pub versus_best: Option<VersusBest>,
    /// Every metric by name, and `seconds`; means over the seeds.
    pub metrics: BTreeMap<&'static str, f64>,
    pub parameters: Map<String, Value>,
    /// Whether it stands for several seeds.
    pub is_group: bool,
}

impl Row {
    /// Its rank, `=1` where it shares the first place.
    pub fn label(&self) -> String {
        if self.is_tied { "=1".to_owned() } else { self.rank.to_string() }
    }

    /// Whether it is the best, or cannot be told from it.
    pub fn is_first(&self) -> bool {
        self.rank == 1 || self.is_tied
    }

    pub fn metric(&self, name: &str) -> f64 {
        self.metrics.get(name).copied().unwrap_or(f64::NAN)
    }

    pub fn frozen_layers(&self) -> u32 {
        self.parameters.get("frozen_layers").and_then(Value::as_u64).unwrap_or_default() as u32
    }
}

/// The rows of a ranking, best first.
pub fn rows(best: &Best) -> Vec<Row> {
    let is_shared = best.verdict.as_ref().is_some_and(|verdict| verdict.contenders > 1);
    let marked = |row: Row| Row { is_tied: is_shared && row.tied_with_best == Some(true), ..row };
    match &best.rows {
        Rows::Trials(rows) => rows.iter().map(trial).map(marked).collect(),
        Rows::Groups(rows) => rows.iter().filter_map(group).map(marked).collect(),
    }
}

fn trial(row: &Ranked) -> Row {
    Row {
        rank: row.rank,
        tied_with_best: row.tied_with_best,
        is_tied: false,
        trial: row.trial,
        group: row.group,
        value: row.objective,
        interval: row.interval,
        deviation: None,
        seeds: 1,
        seeds_wanted: 1,
        versus_best: row.versus_best,
        metrics: row.metrics.clone(),
        parameters: row.parameters.clone(),
        is_group: false,
    }
}

fn group(row: &Group) -> Option<Row> {
    Some(Row {
        rank: row.rank,
        tied_with_best: row.tied_with_best,
        is_tied: false,
        trial: row.trials.first()?.trial,
        group: row.group,
        value: row.objective,
        interval: row.interval,
        deviation: row.deviation,
        seeds: row.seeds,
        seeds_wanted: row.seeds_wanted,
        versus_best: row.versus_best,
        metrics: row.metrics.clone(),
        parameters: row.parameters.clone(),
        is_group: true,
    })
}

/// By a hyperparameter, a metric, `seconds`, `seeds` or the objective; by anything else the rows stay as they are. What has no
/// value comes last either way.
pub(crate) fn sort(rows: &mut [Row], objective: &str, column: &str, down: bool) {
    let key = |row: &Row| -> Key {
        match column {
            "rank" => Key::number(f64::from(row.rank)),
            "seeds" => Key::number(f64::from(row.seeds)),
            _ if column == objective => Key::number(row.value),
            _ => match (row.metrics.get(column), row.parameters.get(column)) {
                (Some(&value), _) => Key::number(value),
                (None, Some(value)) => value.as_f64().map_or_else(|| Key::Word(shown(value)), Key::number),
                (None, None) => Key::None,
            },
        }
    };
    rows.sort_by_cached_key(|row| Ordered { key: key(row), down });
}

#[derive(Debug, PartialEq)]
enum Key {
    Number(f64),
    Word(String),
    None,
}

impl Key {
    fn number(value: f64) -> Key {
        if value.is_nan() { Key::None } else { Key::Number(value) }
    }
}

#[derive(Debug)]
struct Ordered {
    key: Key,
    down: bool,
}

impl Ord for Ordered {
    fn cmp(&self, other: &Ordered) -> Ordering {
        let turned = |order: Ordering| if self.down { order.reverse() } else { order };
        match (&self.key, &other.key) {
            (Key::Number(one), Key::Number(other)) => turned(one.total_cmp(other)),
            (Key::Word(one), Key::Word(other)) => turned(one.cmp(other)),
            (Key::None, Key::None) => Ordering::Equal,
            (Key::Number(_), _) | (_, Key::None) => Ordering::Less,
            (_, Key::Number(_)) | (Key::None, _) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Ordered) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ordered {
    fn eq(&self, other: &Ordered) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ordered {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_value_comes_last_whichever_way_rows_are_sorted() {
        let keys = || [Key::Word("b".into()), Key::None, Key::Number(2.0), Key::Word("a".into()), Key::Number(1.0)];
        let sorted = |down| {
            let mut keys: Vec<Ordered> = keys().into_iter().map(|key| Ordered { key, down }).collect();
            keys.sort();
            keys.into_iter().map(|it| it.key).collect::<Vec<_>>()
        };
        let (a, b, one, two) =
            (|| Key::Word("a".into()), || Key::Word("b".into()), || Key::Number(1.0), || Key::Number(2.0));
        assert_eq!(sorted(false), [one(), two(), a(), b(), Key::None]);
        assert_eq!(sorted(true), [two(), one(), b(), a(), Key::None]);
    }
}
