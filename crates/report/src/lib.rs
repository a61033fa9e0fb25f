//! A sweep to look at: figures and pages, as HTML and SVG.
//!
//! Data in, text out: no file, no clock, no network. What is foreign in it (names, messages, log lines) is escaped by
//! `maud`. A page loads nothing from elsewhere, and a report is one file.

pub mod figure;
pub mod number;
pub mod page;
mod scale;
