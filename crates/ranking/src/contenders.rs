//! Which configurations may be the best, as far as images and seeds tell.
//!
//! The one with the best mean was picked because chance favoured it, so the others are not compared with it alone: each is
//! compared with all, and the largest difference that chance makes among so many is what counts (Hsu 1981, 1984: multiple
//! comparison with the best).

use crate::cell::Cell;
use crate::noise::{Basis, Noise, Weights};
use crate::quantile::student_above;
use crate::random::Random;

const DRAWS: usize = 2_000;
/// A little less than the 5 % that are promised: where all are equal, a promise is kept just so, and simulated sweeps broke
/// this one in 5.2 % of 2,000.
const ERROR: f64 = 0.045;
/// As many are compared with each other; what follows them in order, with the best one alone.
const COMPARED: usize = 200;
/// How seldom `screen` may drop the true best.
const SCREENED: f64 = 0.001;

/// What holds with 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// The true best is among the contenders: Hsu's set. Of several that are equally good it may lose one.
    TheBest,
    /// Whatever is as good as the best is among the contenders: no configuration is called worse that is not. A larger set;
    /// found in steps, each without those that the one before took out (Romano and Wolf 2005; Hansen, Lunde and Nason 2011).
    AllBest,
}

/// The configurations that cannot be told from the best.
#[derive(Debug, Clone, PartialEq)]
pub struct Contenders {
    /// Places in the slice that was compared, the best mean first.
    pub members: Vec<usize>,
    pub promise: Promise,
    pub basis: Basis,
    /// So many were dropped unlooked at, by [`screen`]: their unpaired intervals lie far below the best one's.
    pub screened: usize,
    /// So many were compared with the best one alone, by Bonferroni's bound, as there were too many.
    pub bounded: usize,
}

/// Of very many configurations, those whose comparison can tell anything: the others lie so far below the best that not even
/// unpaired intervals leave a doubt. It needs no bits, so that they are read for the rest only. In order of the slice.
pub fn screen(cells: &[Cell]) -> Vec<usize> {
    let all = 0..cells.len();
    let Some(noise) = Noise::unpaired(cells) else { return all.collect() };
    let reach = student_above(SCREENED / cells.len() as f64, noise.freedom());
    let best = by_mean(cells, all.clone().collect())[0];
    let top = cells[best].mean();
    all.filter(|&index| top - cells[index].mean() <= reach * noise.error(best, index)).collect()
}

/// None where nothing is known of how far chance moves the means. The same `seed` gives the
/// same answer for good. Where there are more than 200 configurations, those are dropped first that [`screen`] drops.
pub fn contenders(cells: &[Cell], promise: Promise, seed: u64) -> Option<Contenders> {
    let kept = if cells.len() > COMPARED { screen(cells) } else { (0..cells.len()).collect() };
    let order = by_mean(cells, kept);
    let screened = cells.len() - order.len();
    let sorted: Vec<Cell> = order.iter().map(|&index| cells[index].clone()).collect();
    let noise = Noise::of(&sorted)?;
    let means: Vec<f64> = sorted.iter().map(Cell::mean).collect();
    let compared = order.len().min(COMPARED);
    let table = Table::drawn(&noise, &means, compared, seed);
    let mut members = match promise {
        Promise::TheBest => table.hsu(),
        Promise::AllBest => table.in_steps(),
    };
    let count = order.len() as f64;
    let comparisons = match promise {
        Promise::TheBest => count - 1.0,
        Promise::AllBest => count * (count - 1.0) / 2.0,
    };
    if order.len() > compared {
        let reach = student_above(ERROR / comparisons, noise.freedom());
        members.extend((compared..order.len()).filter(|&it| means[0] - means[it] <= reach * noise.error(0, it)));
    }
    let bounded = order.len() - compared;
    let members = members.into_iter().map(|place| order[place]).collect();
    Some(Contenders { members, promise, basis: noise.basis, screened, bounded })
}

/// Places by the mean, the best first; equal ones in the order of the slice.
fn by_mean(cells: &[Cell], mut places: Vec<usize>) -> Vec<usize> {
    let means: Vec<f64> = cells.iter().map(Cell::mean).collect();
    places.sort_by(|&one, &other| means[other].total_cmp(&means[one]).then(one.cmp(&other)));
    places
}

/// Drawn means of those that are compared, and the errors of their differences.
struct Table<'a> {
    means: &'a [f64],
    /// By pair, one over the standard error; 0 where there is none, because they do not differ on any image.
    scales: Vec<f64>,
    /// Of each, its deviation by draw: what is looked for in each draw is found for many of them at a time.
    deviations: Vec<Vec<f64>>,
}

impl Table<'_> {
    fn drawn<'a>(noise: &Noise, means: &'a [f64], compared: usize, seed: u64) -> Table<'a> {
        let mut scales = vec![0.0; compared * compared];
        for one in 0..compared {
            for other in 0..one {
                let error = noise.error(one, other);
                let scale = if error > 0.0 { 1.0 / error } else { 0.0 };
                scales[one * compared + other] = scale;
                scales[other * compared + one] = scale;
            }
        }
        let (mut random, mut weights, mut drawn) = (Random::new(seed), Weights::default(), vec![0.0; means.len()]);
        let mut deviations = vec![Vec::with_capacity(DRAWS); compared];
        for _ in 0..DRAWS {
            noise.draw(&mut random, &mut weights, &mut drawn);
            for (deviations, drawn) in deviations.iter_mut().zip(&drawn) {
                deviations.push(*drawn);
            }
        }
        Table { means: &means[..compared], scales, deviations }
    }

    fn scale(&self, one: usize, other: usize) -> f64 {
        self.scales[one * self.means.len() + other]
    }

    /// The most, in standard errors, by which the mean of one of `others` lies above that of `place`.
    fn behind(&self, place: usize, others: &[usize]) -> f64 {
        let behind = |&other: &usize| (self.means[other] - self.means[place]) * self.scale(place, other);
        others.iter().map(behind).fold(0.0, f64::max)
    }

    /// The same of the deviations, by draw.
    fn behind_by_chance(&self, place: usize, others: &[usize]) -> Vec<f64> {
        let mut most = vec![0.0; DRAWS];
        for &other in others {
            let scale = self.scale(place, other);
            let pairs = self.deviations[place].iter().zip(&self.deviations[other]);
            raise(&mut most, pairs.map(|(own, value)| (value - own) * scale));
        }
        most
    }

    /// The most, in standard errors, by which the deviations of two of `places` differ, by draw.
    fn range_by_chance(&self, places: &[usize]) -> Vec<f64> {
        let mut most = vec![0.0; DRAWS];
        for (before, &one) in places.iter().enumerate() {
            for &other in &places[..before] {
                let scale = self.scale(one, other);
                let pairs = self.deviations[one].iter().zip(&self.deviations[other]);
                raise(&mut most, pairs.map(|(one, other)| (one - other).abs() * scale));
            }
        }
        most
    }

    /// Each by its own quantile of how far the best of the others lies above it by chance.
    fn hsu(&self) -> Vec<usize> {
        let all: Vec<usize> = (0..self.means.len()).collect();
        let reach = |place| upper_quantile(self.behind_by_chance(place, &all));
        all.iter().copied().filter(|&place| self.behind(place, &all) <= reach(place)).collect()
    }

    /// All by one quantile of the largest difference that chance makes among those that are left.
    fn in_steps(&self) -> Vec<usize> {
        let mut left: Vec<usize> = (0..self.means.len()).collect();
        loop {
            let reach = upper_quantile(self.range_by_chance(&left));
            let stayed: Vec<usize> =
                left.iter().copied().filter(|&place| self.behind(place, &left) <= reach).collect();
            if stayed.len() == left.len() {
                return left;
            }
            left = stayed;
        }
    }
}

/// Each becomes its value where that is larger. Nothing here depends on the one before.
fn raise(most: &mut [f64], values: impl Iterator<Item = f64>) {
    for (most, value) in most.iter_mut().zip(values) {
        *most = if value > *most { value } else { *most };
    }
}

fn upper_quantile(mut values: Vec<f64>) -> f64 {
    let place = ((1.0 - ERROR) * (values.len() as f64 + 1.0)).ceil() as usize;
    let place = place.min(values.len()) - 1;
    *values.select_nth_unstable_by(place, f64::total_cmp).1
}
