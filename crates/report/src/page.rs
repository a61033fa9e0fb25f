//! Pages: what stands on which, in which words, and the one file that has them all.

mod answer;
mod board;
mod brush;
mod compare;
mod document;
mod effects;
mod overview;
mod report;
mod sheet;
mod sweeps;
mod trial;
mod trials;
mod words;
mod wrong;

pub use compare::{Pair, compare};
pub use document::{Document, Links, MARK};
pub use overview::{all, cost, depth, effects, overview};
pub use report::{footer, report};
pub use sheet::{SCRIPT, STYLE};
pub use sweeps::sweeps;
pub use trial::trial_page;
pub use trials::{Trials, trials};
pub use words::{state, trial_state};
pub use wrong::{Image, Wrong, wrong};
