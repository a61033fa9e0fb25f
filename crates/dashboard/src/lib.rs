//! Serving: a results folder's pages for a browser, while sweeps run and after.
//!
//! It reads the database and writes nothing: there is no verb but GET, so nothing can be broken from a browser. It owns who
//! may read (address, host, token), how much at a time, and when pages are told to ask again. What is on a page is
//! `view`'s, how it looks is `report`'s.

mod answer;
mod api;
mod assets;
mod cache;
mod frame;
mod gallery;
mod guard;
mod held;
mod listen;
mod live;
mod pages;
mod question;
mod token;

pub use listen::{Address, Beside, Limits, Options, ServeError, serve};

use frostline_view::show::Shown;
use frostline_view::wrong::Split;
use std::path::PathBuf;
use std::sync::Arc;

/// Names of the classes that a trial tells apart, in the order of their numbers.
pub type Classes = Arc<dyn Fn(&Shown) -> Vec<String> + Send + Sync>;

/// The images that a trial was judged by.
pub trait Gallery: Send + Sync {
    /// Names in the order of their numbers.
    fn classes(&self) -> &[String];
    /// The class of each image of a split, in the order in which it is stored which were got right.
    fn labels(&self, split: Split) -> &[u16];
    /// None where there is no image of this number.
    fn png(&self, split: Split, image: usize) -> Option<Vec<u8>>;
}

/// The images of a trial, or a sentence that says why there are none.
pub type Galleries = Arc<dyn Fn(&Shown) -> Result<Arc<dyn Gallery>, String> + Send + Sync>;

/// What every page needs to be made.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) results: PathBuf,
    pub(crate) classes: Classes,
    pub(crate) images: Galleries,
    /// The program and its version.
    pub(crate) made_by: String,
    pub(crate) live: live::Live,
    pub(crate) cache: Arc<cache::Cache>,
    pub(crate) held: Arc<held::Held>,
}
