//! A value of a table, and what may stand in a column.

use frostline_sweep::keys::{self, Kind};
use frostline_view::shown;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// What a column holds, beside nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Integer,
    Number,
    Boolean,
    Text,
}

/// The type of the hyperparameter that is called `name`; a list is text, as tables show it.
pub(crate) fn type_of(name: &str) -> Type {
    match keys::hyperparameter(name).map(|key| &key.kind) {
        Some(Kind::Whole { .. } | Kind::Layers) => Type::Integer,
        Some(Kind::Number { .. }) => Type::Number,
        // The seed is no key of the grid.
        None => Type::Integer,
        Some(_) => Type::Text,
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// Nothing is there, which is not the same as a number that is none.
    Null,
    Integer(i64),
    Number(f64),
    Boolean(bool),
    Text(String),
}

impl Cell {
    pub(crate) fn text(text: impl ToString) -> Cell {
        Cell::Text(text.to_string())
    }

    /// A count; none of ours comes near the limit.
    pub(crate) fn count(count: impl TryInto<i64>) -> Cell {
        Cell::Integer(count.try_into().unwrap_or(i64::MAX))
    }

    /// A hyperparameter's value.
    pub(crate) fn of(value: &Value, wanted: Type) -> Cell {
        match (wanted, value) {
            (_, Value::Null) => Cell::Null,
            (Type::Integer, value) => value.as_u64().map_or(Cell::Null, Cell::count),
            (Type::Number, value) => value.as_f64().map_or(Cell::Null, Cell::Number),
            (Type::Boolean, value) => value.as_bool().map_or(Cell::Null, Cell::Boolean),
            (Type::Text, value) => Cell::Text(shown(value)),
        }
    }

    pub(crate) fn or_null<T>(value: Option<T>, cell: impl FnOnce(T) -> Cell) -> Cell {
        value.map_or(Cell::Null, cell)
    }
}

/// JSON has no number that is none and no infinite one: they are null.
impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Cell::Null => serializer.serialize_none(),
            Cell::Integer(number) => serializer.serialize_i64(*number),
            Cell::Number(number) => serializer.serialize_f64(*number),
            Cell::Boolean(value) => serializer.serialize_bool(*value),
            Cell::Text(text) => serializer.serialize_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hyperparameters_keep_their_types() {
        let cell = |name: &str, value: Value| Cell::of(&value, type_of(name));
        assert_eq!(cell("frozen_layers", json!(151)), Cell::Integer(151));
        assert_eq!(cell("learning_rate", json!(1.0)), Cell::Number(1.0));
        assert_eq!(cell("optimizer", json!("adam")), Cell::text("adam"));
        assert_eq!(cell("head_units", json!([256, 128])), Cell::text("256-128"));
        assert_eq!(cell("head_units", json!([])), Cell::text("none"));
        assert_eq!(cell("momentum", Value::Null), Cell::Null);
        assert_eq!(cell("seed", json!(i64::MAX)), Cell::Integer(i64::MAX));
    }
}
