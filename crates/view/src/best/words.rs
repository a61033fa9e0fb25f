//! A ranking in sentences: which is the best, and how sure that is.

use super::ranking::Ranking;
use super::row::{Basis, Verdict, Wanted};
use crate::amount::{count, grouped, seconds};
use frostline_sweep::metric::{Direction, Metric};

impl Ranking {
    /// Decimals that the objective is written with, everywhere: what the best one's interval warrants, however many rows are
    /// shown.
    pub fn decimals(&self) -> usize {
        let interval = self.first.as_ref().and_then(|first| first.interval);
        interval.map_or(DECIMALS, |(low, high)| warranted((high - low) / 2.0))
    }
}

/// Where nothing says how many are warranted.
const DECIMALS: usize = 4;

/// As many decimals as an interval of this half warrants: the second digit of the half is the last one that says anything.
fn warranted(half: f64) -> usize {
    match half {
        half if half.is_finite() && half > 0.0 => (1.0 - half.log10().floor()).clamp(1.0, 6.0) as usize,
        _ => DECIMALS,
    }
}

/// Which is the best, in one sentence; none while nothing has finished.
pub fn answer(ranking: &Ranking) -> Option<String> {
    let (name, digits) = (ranking.objective.name, ranking.decimals());
    let first = ranking.first.as_ref()?;
    let interval = first.interval.map(|(low, high)| format!("{low:.digits$} to {high:.digits$}"));
    let (noun, spread) = match first.is_group {
        false => {
            let spread = interval.map(|ends| format!(" ({ends} by its images alone)"));
            ("trial", spread.unwrap_or_default())
        }
        true => {
            let deviation = first.deviation.map_or(String::new(), |deviation| format!(" ± {deviation:.digits$}"));
            let seeds = count(u64::from(first.seeds), "seed");
            let meaning = match (first.deviation, interval) {
                (None, _) => String::new(),
                (Some(_), None) => "; ± is their standard deviation".to_owned(),
                (Some(_), Some(ends)) => format!("; ± is their standard deviation, the interval of the mean {ends}"),
            };
            ("configuration", format!("{deviation} ({seeds}{meaning})"))
        }
    };
    let words = ranking.columns.words(&first.parameters);
    let words = if words.is_empty() { "".to_owned() } else { format!(", {words},") };
    Some(format!("The best {noun}{words} has {name} {:.digits$}{spread}.", first.value))
}

/// How sure that is, and what would make it surer, in sentences.
pub fn remarks(ranking: &Ranking) -> Vec<String> {
    let digits = ranking.decimals();
    let verdict = ranking.verdict.as_ref().filter(|verdict| verdict.compared > 1);
    let mut remarks = Vec::new();
    if let Some(verdict) = verdict {
        remarks.push(told_apart(verdict, ranking));
        if verdict.contenders > 1 {
            remarks.extend(verdict.wanted.and_then(wanted));
        }
        remarks.extend(optimism(verdict, ranking, digits));
    }
    remarks.extend(missing(ranking));
    remarks
}

fn told_apart(verdict: &Verdict, ranking: &Ranking) -> String {
    let of = match verdict.compared as u64 {
        compared if compared < ranking.total => format!(", of the first {}", grouped(compared)),
        _ => String::new(),
    };
    let (others, rest) = (verdict.contenders as u64 - 1, (verdict.compared - verdict.contenders) as u64);
    let by = match verdict.basis {
        Basis::Images { images, seeds: true } => format!("by {} and these seeds", count(images, "image")),
        Basis::Images { images, seeds: false } => format!("image by image on {}", count(images, "image")),
        Basis::Unpaired { .. } => "by their intervals".to_owned(),
        Basis::Seeds => "by the spread over seeds".to_owned(),
    };
    let beside = match verdict.basis {
        Basis::Images { seeds: false, .. } | Basis::Unpaired { seeds: false } => {
            "; how far another seed would move them is not known"
        }
        _ => "",
    };
    match (others, rest) {
        (0, 1) => format!("It is better than the other one, {by}{beside}."),
        (0, rest) => format!("It is better than each of the {} others{of}, {by}{beside}.", grouped(rest)),
        (1, _) => format!("One other (=1){of} cannot be told from it {by}{beside}."),
        (others, _) => format!("{} others (=1){of} cannot be told from it {by}{beside}.", grouped(others)),
    }
}

fn wanted(wanted: Wanted) -> Option<String> {
    let images = wanted.images.map(|images| format!("about {}", count(images, "validation image")));
    let seeds = wanted.seeds.map(|seeds| {
        let time = wanted.seconds.map_or(String::new(), |time| format!(" ({} more of training)", seconds(time)));
        format!("{} of both{time}", count(seeds, "seed"))
    });
    let both = wanted
        .both
        .map(|(seeds, images)| format!("{} of both on {}", count(seeds, "seed"), count(images, "validation image")));
    let ways: Vec<String> = [images, seeds, both].into_iter().flatten().collect();
    (!ways.is_empty()).then(|| format!("To tell it from the second would take {}.", ways.join(", or ")))
}

/// The first of many was picked for being the first: chance is in it.
fn optimism(verdict: &Verdict, ranking: &Ranking, digits: usize) -> Option<String> {
    let observed = ranking.first.as_ref()?.value;
    let expected = verdict.expected?;
    let better =
        if ranking.objective.direction == Direction::Minimise { expected - observed } else { observed - expected };
    let amount = amount(ranking.objective, better);
    (better > 0.5 * 10f64.powi(-(digits as i32))).then(|| {
        format!(
            "As the best of {} it looks {amount} too good: expect {expected:.digits$} on new images.",
            grouped(verdict.compared as u64)
        )
    })
}

/// A difference of a metric: in points where it is an accuracy.
fn amount(metric: &Metric, difference: f64) -> String {
    if !metric.name.ends_with("accuracy") {
        return format!("{difference:.4}");
    }
    let points = 100.0 * difference;
    format!("{points:.1} {}", if format!("{points:.1}") == "1.0" { "point" } else { "points" })
}

fn missing(ranking: &Ranking) -> Option<String> {
    let missing = ranking.missing;
    let what = match (missing.configurations, missing.incomplete) {
        (0, 0) => "which may change the order".to_owned(),
        (0, incomplete) => format!("so {} lacks seeds and may move", plural(incomplete, "configuration")),
        (1, _) => "so 1 configuration has none yet and may be better".to_owned(),
        (none, _) => format!("so {} configurations have none yet and may be better", grouped(none)),
    };
    match missing.trials {
        0 => None,
        1 => Some(format!("1 trial has no result yet, {what}.")),
        trials => Some(format!("{} trials have no result yet, {what}.", grouped(trials))),
    }
}

fn plural(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("each of {} {noun}s", grouped(number)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_warrants_its_second_digit() {
        assert_eq!([0.25, 0.099, 0.025, 0.01, 0.003].map(warranted), [2, 3, 3, 3, 4]);
        assert_eq!([0.0, f64::NAN, 12.0].map(warranted), [4, 4, 1]);
    }

    #[test]
    fn what_it_would_take_names_each_way_that_would_do() {
        let none = Wanted { seeds: None, images: None, both: None, seconds: None };
        assert_eq!(wanted(none), None);
        let say = |it: Wanted| wanted(it).unwrap();
        assert_eq!(
            say(Wanted { images: Some(12_345), ..none }),
            "To tell it from the second would take about 12,345 validation images."
        );
        assert_eq!(
            say(Wanted { seeds: Some(5), seconds: Some(130.0), images: Some(900), ..none }),
            "To tell it from the second would take about 900 validation images, or 5 seeds of both (2 min 10 s more of \
             training)."
        );
        assert_eq!(
            say(Wanted { both: Some((4, 20_000)), ..none }),
            "To tell it from the second would take 4 seeds of both on 20,000 validation images."
        );
    }
}
