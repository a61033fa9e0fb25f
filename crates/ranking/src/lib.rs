//! What is best, how sure that is, and why: order, intervals, comparisons and effects. Pure.
//!
//! With several seeds the best single trial is the luckiest one, and its configuration need not be the best: that is the
//! one with the best mean. All trials of a sweep see the same images, so two of them are compared image by image where it
//! is stored which images each got right ([`Bits`]); that takes fewer images than two intervals take.
//! docs/statistics.md has formulas, sources and simulated coverage.
//!
//! It owns order, replicates, what can't be told apart, and effects. It must not know where values come from or who reads
//! them. Accuracies are shares, 0 to 1; every interval is one of 95 %.

mod accuracy;
mod axis;
mod cell;
mod compare;
mod contenders;
mod crossed;
mod effects;
mod expected;
mod holm;
mod need;
mod noise;
mod order;
mod quantile;
mod random;
mod replicates;
mod tally;
mod uncertain;

pub use accuracy::accuracy_interval;
pub use axis::{AxisDifference, axis_differences};
pub use cell::{Cell, CellError};
pub use compare::{Comparison, Method, compare};
pub use contenders::{Contenders, Promise, contenders, screen};
pub use effects::{
    DesignError, Effects, Interaction, Level, LevelDifference, Main, Observation, Residual, Share, effects,
};
pub use expected::{Expected, expected};
pub use frostline_sweep::bits::{Bits, BitsError};
pub use holm::{Versus, against, holm};
pub use need::{Need, need};
pub use noise::Basis;
pub use order::{Candidate, Group, Rank, groups, order};
pub use replicates::{Certainty, Replicates, summarise};
