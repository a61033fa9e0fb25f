//! What may stand in a definition. Reader, messages, documentation and JSON Schema all follow one table.

mod key;
mod kind;
mod running;
mod schema;
mod table;

pub use key::{Fallback, HYPERPARAMETERS, Key, Section};
pub use kind::Kind;
pub use schema::schema;
pub use table::{AXES, SECTIONS, find, hyperparameter, of};
