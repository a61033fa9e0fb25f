//! Which row a name means.

use crate::StoreError;
use crate::error::Fault;
use frostline_sweep::suggest;
use rusqlite::{Connection, OptionalExtension};

/// How many near names are worth showing.
const NEAR: usize = 3;

/// # Errors
/// [`StoreError::UnknownSweep`].
pub(crate) fn sweep_id(connection: &Connection, name: &str) -> Result<i64, Fault> {
    let mut statement = connection.prepare_cached("SELECT id FROM sweep WHERE name = ?1")?;
    if let Some(id) = statement.query_row([name], |row| row.get(0)).optional()? {
        return Ok(id);
    }
    let mut statement = connection.prepare_cached("SELECT name FROM sweep ORDER BY name")?;
    let names: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut others: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut near = Vec::new();
    while near.len() < NEAR
        && let Some(found) = suggest::nearest(name, others.iter().copied())
    {
        near.push(found.to_owned());
        others.retain(|&other| other != found);
    }
    Err(StoreError::UnknownSweep { name: name.to_owned(), near }.into())
}
