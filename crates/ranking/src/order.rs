//! The order of trials by their objective, and of configurations by the mean over their seeds.

use crate::replicates::{Replicates, summarise};
use frostline_sweep::metric::Direction;
use frostline_sweep::trial::GroupId;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// One finished trial, as far as its rank is concerned. Trials of one group differ in their seed only.
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
    /// From 1; what nothing tells apart share the lower number.
    pub rank: u32,
}

/// Best first. A value that is not a number ranks last; what nothing tells apart keeps its order.
pub fn order(direction: Direction, candidates: &[Candidate]) -> Vec<Rank> {
    let keys: Vec<Key> =
        candidates.iter().map(|candidate| Key::new(direction, candidate.objective, candidate.val_loss)).collect();
    ranks(&keys)
}

/// What a rank is decided by: the smaller one is the better.
#[derive(Clone, Copy)]
struct Key {
    direction: Direction,
    objective: f64,
    val_loss: f64,
}

impl Key {
    fn new(direction: Direction, objective: f64, val_loss: f64) -> Key {
        Key { direction, objective, val_loss }
    }

    fn compare(&self, other: &Key) -> Ordering {
        better_first(self.direction, self.objective, other.objective)
            .then_with(|| better_first(Direction::Minimise, self.val_loss, other.val_loss))
    }
}

/// The order of `keys`, best first; equal ones keep their order and share a rank.
fn ranks(keys: &[Key]) -> Vec<Rank> {
    let mut indices: Vec<usize> = (0..keys.len()).collect();
    indices.sort_by(|&one, &other| keys[one].compare(&keys[other]));
    let mut ranks: Vec<Rank> = Vec::with_capacity(indices.len());
    for (place, &index) in (1..).zip(&indices) {
        let rank = match ranks.last() {
            Some(last) if keys[last.index].compare(&keys[index]).is_eq() => last.rank,
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

/// A configuration with its finished trials.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    pub group: GroupId,
    /// From 1; groups that nothing tells apart share the lower number.
    pub rank: u32,
    pub replicates: Replicates,
    /// Places in the slice that was ranked, best first.
    pub members: Vec<usize>,
}

/// The configurations, best first: by the mean of the objective over their seeds, then by that of the validation loss,
/// then by their earliest trial. Where one value of a group is no number, so is its mean, and it ranks last.
///
/// A group that has fewer finished seeds than others ranks by the mean of what it has: with one seed that is that trial's
/// own value, so a sweep with one seed is ranked as [`order`] ranks it. How many seeds are missing is for the caller to
/// say, who knows how many there are to be.
pub fn groups(direction: Direction, candidates: &[Candidate]) -> Vec<Group> {
    let mut seen: Vec<GroupId> = Vec::new();
    let mut members: BTreeMap<GroupId, Vec<usize>> = BTreeMap::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let of_group = members.entry(candidate.group).or_default();
        if of_group.is_empty() {
            seen.push(candidate.group);
        }
        of_group.push(index);
    }
    let mean = |members: &[usize], value: fn(&Candidate) -> f64| {
        summarise(&members.iter().map(|&index| value(&candidates[index])).collect::<Vec<_>>())
    };
    let keys: Vec<Key> = seen
        .iter()
        .map(|group| {
            let objective = mean(&members[group], |candidate| candidate.objective).mean;
            Key::new(direction, objective, mean(&members[group], |candidate| candidate.val_loss).mean)
        })
        .collect();
    let grouped = |Rank { index, rank }| {
        let group = seen[index];
        let of_group = &members[&group];
        let values: Vec<Candidate> = of_group.iter().map(|&index| candidates[index].clone()).collect();
        let members = order(direction, &values).into_iter().map(|rank| of_group[rank.index]).collect();
        Group { group, rank, replicates: mean(of_group, |candidate| candidate.objective), members }
    };
    ranks(&keys).into_iter().map(grouped).collect()
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
    fn a_group_ranks_by_its_mean_and_not_by_its_luckiest_trial() {
        let candidate = |group, objective, val_loss| Candidate { group: GroupId([group; 16]), objective, val_loss };
        let candidates = [
            candidate(1, 0.875, 1.0), // the luckiest
            candidate(2, 0.75, 1.0),
            candidate(1, 0.25, 1.0),
            candidate(3, f64::NAN, 1.0),
            candidate(3, 1.0, 1.0),
            candidate(2, 0.5, 1.0),
            candidate(4, 0.625, 0.5), // as good as the second, with a smaller loss
        ];
        let ranked = |direction| {
            let groups = groups(direction, &candidates);
            groups.into_iter().map(|it| (it.group.0[0], it.rank, it.members)).collect::<Vec<_>>()
        };
        assert_eq!(
            ranked(Direction::Maximise),
            [(4, 1, vec![6]), (2, 2, vec![1, 5]), (1, 3, vec![0, 2]), (3, 4, vec![4, 3])]
        );
        assert_eq!(
            ranked(Direction::Minimise),
            [(1, 1, vec![2, 0]), (4, 2, vec![6]), (2, 3, vec![5, 1]), (3, 4, vec![4, 3])]
        );
        let best = &groups(Direction::Maximise, &candidates)[1].replicates;
        assert_eq!((best.count, best.mean, best.deviation), (2, 0.625, Some(0.03125f64.sqrt())));
    }

    #[test]
    fn with_one_seed_groups_rank_as_their_trials_do() {
        let values = [(0.5, 2.0), (0.5, 1.0), (f64::NAN, 0.0), (0.5, 2.0), (0.75, 0.0)];
        let candidates: Vec<Candidate> = (0..)
            .zip(&values)
            .map(|(number, &(objective, val_loss))| Candidate { group: GroupId([number; 16]), objective, val_loss })
            .collect();
        let groups: Vec<Rank> = groups(Direction::Maximise, &candidates)
            .into_iter()
            .map(|group| Rank { index: group.members[0], rank: group.rank })
            .collect();
        assert_eq!(groups, order(Direction::Maximise, &candidates));
    }
}
