//! Why: what each axis of a grid does to the score, and how much of all differences it explains.
//!
//! A grid is a factorial design. Sums of squares are of type II: what a term adds to a model that has all terms that don't
//! contain it (Yates 1934; Langsrud 2003). On a complete grid with as many seeds everywhere that is the classical analysis
//! of variance, and the shares add up to 1; where cells are missing they need not. What the cells that are there cannot
//! tell is named, not guessed.

mod design;
mod least_squares;

use crate::quantile::{f_tail, student};
use design::{Design, Term, contrast_of};
use least_squares::{Fit, Normal};

/// One finished trial of a grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Its level on each axis. Trials that have all of them in common differ in their seed.
    pub levels: Vec<usize>,
    pub value: f64,
}

/// What is no design.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DesignError {
    #[error("no finished trial")]
    Empty,
    #[error("a trial has levels of {found} axes, others of {expected}")]
    Axes { expected: usize, found: usize },
    #[error("a trial's value is not a number")]
    NoNumber,
}

/// What the axes of a grid do.
#[derive(Debug, Clone, PartialEq)]
pub struct Effects {
    /// Over all trials.
    pub mean: f64,
    pub trials: usize,
    /// Configurations.
    pub cells: usize,
    /// Every combination of levels is there, with as many seeds each: then the shares add up to 1.
    pub balanced: bool,
    pub mains: Vec<Main>,
    pub interactions: Vec<Interaction>,
    /// What the cells have beyond main effects and interactions of two axes; none where nothing is left for it.
    pub higher: Option<Share>,
    /// What trials of one cell differ in; none where no cell has several.
    pub seeds: Option<Share>,
    /// What intervals and probabilities rest on.
    pub residual: Residual,
    /// Axes of each term that the cells that are there do not determine, or of which one level alone is there.
    pub undetermined: Vec<Vec<usize>>,
    /// The grid has too many levels for interactions; `higher` has them in it.
    pub pairs_left_out: bool,
}

/// A part of all differences between trials.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    pub sum_of_squares: f64,
    pub freedom: usize,
    /// Of the sum of squares of all trials around their mean, 0 to 1.
    pub share: f64,
    /// Of F against the residual, by chance as large or larger.
    pub p: Option<f64>,
}

/// What one axis does, whatever the others are.
#[derive(Debug, Clone, PartialEq)]
pub struct Main {
    pub axis: usize,
    pub share: Share,
    /// Each level that occurs; empty where it is undetermined.
    pub levels: Vec<Level>,
    /// Each level against each that follows it.
    pub differences: Vec<LevelDifference>,
}

/// A level against the mean of the axis' levels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    pub level: usize,
    pub effect: f64,
    /// With the residual's variance, these images given.
    pub interval: Option<(f64, f64)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevelDifference {
    pub from: usize,
    pub to: usize,
    /// `to` less `from`.
    pub difference: f64,
    pub interval: Option<(f64, f64)>,
}

/// How the effect of one axis depends on another.
#[derive(Debug, Clone, PartialEq)]
pub struct Interaction {
    pub axes: (usize, usize),
    pub share: Share,
    /// Levels of the two, and by how much their cell differs from the sum of both effects; empty where undetermined.
    pub effects: Vec<(usize, usize, f64)>,
}

/// The variance that chance has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Residual {
    /// Between the seeds of a cell.
    Seeds { variance: f64, freedom: usize },
    /// With one seed everywhere: what interactions of two axes leave, so of three and more, seeds and images together.
    Higher { variance: f64, freedom: usize },
    /// Nothing is left to judge by, so there are no intervals.
    None,
}

impl Residual {
    fn parts(self) -> Option<(f64, f64)> {
        match self {
            Residual::Seeds { variance, freedom } | Residual::Higher { variance, freedom } => {
                Some((variance, freedom as f64))
            }
            Residual::None => None,
        }
    }

    /// The half of a 95 % interval around an estimate whose variance is `factor` times that of one value.
    fn half(self, factor: f64) -> Option<f64> {
        let (variance, freedom) = self.parts()?;
        Some(student(freedom) * (variance * factor).sqrt())
    }
}

/// # Errors
/// There is no trial, one has levels of other axes than the first, or a value that is not a number.
pub fn effects(observations: &[Observation]) -> Result<Effects, DesignError> {
    let design = Design::of(observations)?;
    let normal = design.normal();
    let (within, between) = (design.within(), design.between());
    let seed_freedom = observations.len() - design.cells();
    let all = normal.fit(&columns(design.terms.iter()));
    let model = all.explained().min(between);
    let higher_freedom = design.cells() - all.rank();
    let over = |squares: f64, freedom: usize| squares.max(0.0) / freedom as f64;
    let residual = match (seed_freedom, higher_freedom) {
        (1.., _) => Residual::Seeds { variance: over(within, seed_freedom), freedom: seed_freedom },
        (0, 1..) => Residual::Higher { variance: over(between - model, higher_freedom), freedom: higher_freedom },
        (0, 0) => Residual::None,
    };
    let mut found = Effects {
        mean: design.mean(),
        trials: observations.len(),
        cells: design.cells(),
        balanced: design.is_balanced(),
        mains: Vec::new(),
        interactions: Vec::new(),
        higher: None,
        seeds: None,
        residual,
        undetermined: Vec::new(),
        pairs_left_out: design.pairs_left_out,
    };
    let shares = Shares { total: within + between, residual };
    let constant = (0..design.present.len()).filter(|&axis| design.present[axis].len() < 2);
    found.undetermined.extend(constant.map(|axis| vec![axis]));
    for term in &design.terms {
        let Added { fit, squares, freedom } = added(&design, &normal, term);
        let is_determined = freedom == term.columns.len();
        if !is_determined {
            found.undetermined.push(term.axes.clone());
        }
        let estimates = is_determined.then_some(Estimates { design: &design, fit: &fit, term, residual });
        let share = shares.of(squares, freedom);
        match term.axes[..] {
            [axis] => found.mains.push(Main {
                axis,
                share,
                levels: estimates.as_ref().map(Estimates::levels).unwrap_or_default(),
                differences: estimates.as_ref().map(Estimates::differences).unwrap_or_default(),
            }),
            [one, other] => found.interactions.push(Interaction {
                axes: (one, other),
                share,
                effects: estimates.as_ref().map(Estimates::products).unwrap_or_default(),
            }),
            _ => {}
        }
    }
    // Against itself it is no test.
    let untested = Shares { residual: Residual::None, ..shares };
    let of_higher = if seed_freedom > 0 { &shares } else { &untested };
    found.higher = (higher_freedom > 0).then(|| of_higher.of(between - model, higher_freedom));
    found.seeds = (seed_freedom > 0).then(|| untested.of(within, seed_freedom));
    Ok(found)
}

#[derive(Clone, Copy)]
struct Shares {
    total: f64,
    residual: Residual,
}

impl Shares {
    fn of(&self, squares: f64, freedom: usize) -> Share {
        let squares = squares.max(0.0);
        let share = if self.total > 0.0 { squares / self.total } else { 0.0 };
        let p = self.residual.parts().filter(|_| freedom > 0).and_then(|(variance, below)| {
            let above = freedom as f64;
            f_tail(squares / above / variance, above, below)
        });
        Share { sum_of_squares: squares, freedom, share, p }
    }
}

/// What a term adds to the terms that don't contain it.
struct Added {
    /// Of those terms and this one.
    fit: Fit,
    squares: f64,
    freedom: usize,
}

fn added(design: &Design, normal: &Normal, term: &Term) -> Added {
    let others = || design.terms.iter().filter(|other| !other.contains(term));
    let fit = normal.fit(&columns(others().chain([term])));
    let without = normal.fit(&columns(others()));
    let (squares, freedom) = (fit.explained() - without.explained(), fit.rank() - without.rank());
    Added { fit, squares, freedom }
}

/// The columns of these terms, the mean's first.
fn columns<'a>(terms: impl Iterator<Item = &'a Term>) -> Vec<usize> {
    [0].into_iter().chain(terms.flat_map(|term| term.columns.iter().map(|(column, _)| *column))).collect()
}

/// The estimates of one determined term.
struct Estimates<'a> {
    design: &'a Design,
    fit: &'a Fit,
    term: &'a Term,
    residual: Residual,
}

impl Estimates<'_> {
    /// The term's value at these places of its axes' levels, as factors of its columns.
    fn at(&self, places: &[usize]) -> Vec<(usize, f64)> {
        let factor = |contrasts: &[usize]| {
            let of_axis = |(place, (&axis, &contrast)): (&usize, (&usize, &usize))| {
                contrast_of(*place, contrast, self.design.present[axis].len())
            };
            places.iter().zip(self.term.axes.iter().zip(contrasts)).map(of_axis).product()
        };
        self.term.columns.iter().map(|(column, contrasts)| (*column, factor(contrasts))).collect()
    }

    fn estimate(&self, factors: &[(usize, f64)]) -> Option<(f64, Option<(f64, f64)>)> {
        let (value, variance) = self.fit.combination(factors)?;
        Some((value, self.residual.half(variance).map(|half| (value - half, value + half))))
    }

    fn levels(&self) -> Vec<Level> {
        let level = |(place, &level): (usize, &usize)| {
            let (effect, interval) = self.estimate(&self.at(&[place]))?;
            Some(Level { level, effect, interval })
        };
        self.present(0).iter().enumerate().filter_map(level).collect()
    }

    fn differences(&self) -> Vec<LevelDifference> {
        let levels = self.present(0);
        let pairs = (0..levels.len()).flat_map(|from| (from + 1..levels.len()).map(move |to| (from, to)));
        let difference = |(from, to): (usize, usize)| {
            let negated = self.at(&[from]).into_iter().map(|(column, factor)| (column, -factor));
            let factors: Vec<(usize, f64)> = self.at(&[to]).into_iter().chain(negated).collect();
            let (difference, interval) = self.estimate(&factors)?;
            Some(LevelDifference { from: levels[from], to: levels[to], difference, interval })
        };
        pairs.filter_map(difference).collect()
    }

    fn products(&self) -> Vec<(usize, usize, f64)> {
        let (ones, others) = (self.present(0), self.present(1));
        let places = (0..ones.len()).flat_map(|one| (0..others.len()).map(move |other| (one, other)));
        let product = |(one, other): (usize, usize)| {
            let (value, _) = self.estimate(&self.at(&[one, other]))?;
            Some((ones[one], others[other], value))
        };
        places.filter_map(product).collect()
    }

    /// The levels of the term's axis that occur.
    fn present(&self, place: usize) -> &[usize] {
        &self.design.present[self.term.axes[place]]
    }
}
