//! Figures: plain data in, SVG in HTML out. Colours are classes of the style sheet, so one drawing is light, dark and
//! printed; places along x are percentages, so it fills what there is, and its letters keep their size.

mod axis;
pub mod compare;
pub mod confusion;
pub mod curves;
pub mod depth;
pub mod effects;
pub mod forest;
mod frame;
pub mod pareto;
pub mod saved;
pub mod strip;
pub mod timeline;
pub mod together;
pub mod variance;

pub use frame::{Table, Words};
