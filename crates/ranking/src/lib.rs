//! What is best: the order of trials by their objective, and what their replicates say about it. Pure.

mod spread;

pub use spread::Spread;

use frostline_sweep::metric::Direction;
use frostline_sweep::trial::GroupId;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// One finished trial, as far as its rank is concerned.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub group: GroupId,
    pub objective: f64,
    /// Decides between equal objectives: the smaller validation loss is the better.
    pub val_loss: f64,
}

/// Where a trial stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rank {
    /// Place in the slice that was ranked.
    pub index: usize,
    /// From 1; trials that nothing tells apart share the lower number.
    pub rank: u32,
}

/// Best first. A value that is not a number ranks last; what nothing tells apart keeps its order.
pub fn order(direction: Direction, candidates: &[Candidate]) -> Vec<Rank> {
    let mut indices: Vec<usize> = (0..candidates.len()).collect();
    let compare = |one: &Candidate, other: &Candidate| {
        better_first(direction, one.objective, other.objective)
            .then_with(|| better_first(Direction::Minimise, one.val_loss, other.val_loss))
    };
    indices.sort_by(|&one, &other| compare(&candidates[one], &candidates[other]));
    let mut ranks: Vec<Rank> = Vec::with_capacity(indices.len());
    for (place, &index) in (1..).zip(&indices) {
        let rank = match ranks.last() {
            Some(last) if compare(&candidates[last.index], &candidates[index]).is_eq() => last.rank,
            _ => place,
        };
        ranks.push(Rank { index, rank });
    }
    ranks
}

fn better_first(direction: Direction, one: f64, other: f64) -> Ordering {
    match (one.is_nan(), other.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => {
            let ascending = one.partial_cmp(&other).unwrap_or(Ordering::Equal);
            match direction {
                Direction::Minimise => ascending,
                Direction::Maximise => ascending.reverse(),
            }
        }
    }
}

/// What the replicates of one configuration say together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Replicates {
    pub count: u32,
    pub mean: f64,
    /// Sample standard deviation over the seeds; none with one seed only.
    pub deviation: Option<f64>,
}

/// Mean and spread of the objective, by group.
pub fn replicates(candidates: &[Candidate]) -> BTreeMap<GroupId, Replicates> {
    let mut values: BTreeMap<GroupId, Vec<f64>> = BTreeMap::new();
    for candidate in candidates {
        values.entry(candidate.group).or_default().push(candidate.objective);
    }
    values.into_iter().map(|(group, values)| (group, summarise(&values))).collect()
}

fn summarise(values: &[f64]) -> Replicates {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt());
    Replicates { count: values.len() as u32, mean, deviation }
}

/// Wilson's score interval (1927) at 95 % for an accuracy measured on `images` images: how far chance alone, in the
/// choice of these images, could have moved it. None without images.
pub fn accuracy_interval(accuracy: f64, images: u64) -> Option<(f64, f64)> {
    const Z: f64 = 1.959_963_984_540_054;
    if images == 0 || !(0.0..=1.0).contains(&accuracy) {
        return None;
    }
    let n = images as f64;
    let scale = 1.0 + Z * Z / n;
    let centre = (accuracy + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (accuracy * (1.0 - accuracy) / n + Z * Z / (4.0 * n * n)).sqrt();
    Some(((centre - half).max(0.0), (centre + half).min(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(values: &[(f64, f64)]) -> Vec<Candidate> {
        let candidate = |&(objective, val_loss)| Candidate { group: GroupId([0; 16]), objective, val_loss };
        values.iter().map(candidate).collect()
    }

    fn ranked(direction: Direction, values: &[(f64, f64)]) -> Vec<(usize, u32)> {
        order(direction, &candidates(values)).into_iter().map(|rank| (rank.index, rank.rank)).collect()
    }

    #[test]
    fn the_direction_decides_and_what_is_no_number_comes_last() {
        let values = [(0.5, 1.0), (f64::NAN, 0.0), (0.9, 1.0), (0.7, 1.0)];
        assert_eq!(ranked(Direction::Maximise, &values), [(2, 1), (3, 2), (0, 3), (1, 4)]);
        assert_eq!(ranked(Direction::Minimise, &values), [(0, 1), (3, 2), (2, 3), (1, 4)]);
    }

    #[test]
    fn the_validation_loss_decides_between_equals_and_full_equals_share_a_rank() {
        let values = [(0.5, 2.0), (0.5, 1.0), (0.5, 2.0), (0.4, 0.0)];
        assert_eq!(ranked(Direction::Maximise, &values), [(1, 1), (0, 2), (2, 2), (3, 4)]);
    }

    #[test]
    fn replicates_are_summarised_by_group() {
        let candidate = |group, objective| Candidate { group: GroupId([group; 16]), objective, val_loss: 0.0 };
        let groups = replicates(&[candidate(1, 0.5), candidate(2, 0.9), candidate(1, 0.7)]);
        let one = groups[&GroupId([1; 16])];
        assert_eq!(one.count, 2);
        assert!((one.mean - 0.6).abs() < 1e-12);
        assert!((one.deviation.unwrap() - 0.02f64.sqrt()).abs() < 1e-12);
        assert_eq!(groups[&GroupId([2; 16])], Replicates { count: 1, mean: 0.9, deviation: None });
    }

    #[test]
    fn the_interval_is_wilsons() {
        // Newcombe 1998, table I: 81 of 263.
        let (low, high) = accuracy_interval(81.0 / 263.0, 263).unwrap();
        assert!((low - 0.2553).abs() < 1e-4 && (high - 0.3662).abs() < 1e-4, "{low} {high}");
        assert!((accuracy_interval(1.0, 10).unwrap().1 - 1.0).abs() < 1e-12);
        assert_eq!(accuracy_interval(0.5, 0), None);
    }
}
