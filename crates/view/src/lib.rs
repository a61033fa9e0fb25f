//! Answers: what `best`, `compare`, `effects`, `list`, `status`, `show` and `plan` say, as data.
//!
//! Owns which numbers belong to a question and the form of `--json`, which is what these types serialize to: a key stays
//! once it is there. Knows nothing of terminals, of libtorch, or of where files lie; who asks passes in what it found.

pub mod amount;
pub mod best;
mod columns;
pub mod compare;
pub mod csv;
pub mod effects;
mod error;
pub mod kinds;
pub mod list;
pub mod need;
pub mod page;
pub mod plan;
pub mod show;
pub mod status;
pub mod stored;
pub mod table;
pub mod wrong;

pub use columns::{Columns, Varying, shown};
pub use error::ViewError;
pub use list::States;
