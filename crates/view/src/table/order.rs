//! Rows in the order of a column.

use std::cmp::Ordering;

/// What a row is sorted by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Key<'a> {
    Number(f64),
    Word(&'a str),
    None,
}

impl Key<'_> {
    pub(super) fn number(value: f64) -> Self {
        if value.is_nan() { Key::None } else { Key::Number(value) }
    }

    /// Numbers before words; what has no value comes last either way.
    pub(super) fn compare(&self, other: &Key, down: bool) -> Ordering {
        let turned = |order: Ordering| if down { order.reverse() } else { order };
        match (self, other) {
            (Key::Number(one), Key::Number(other)) => turned(one.total_cmp(other)),
            (Key::Word(one), Key::Word(other)) => turned(one.cmp(other)),
            (Key::None, Key::None) => Ordering::Equal,
            (Key::Number(_), _) | (_, Key::None) => Ordering::Less,
            (_, Key::Number(_)) | (Key::None, _) => Ordering::Greater,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_value_comes_last_whichever_way_rows_are_sorted() {
        let sorted = |down| {
            let mut keys = [Key::Word("b"), Key::None, Key::Number(2.0), Key::Word("a"), Key::number(1.0)];
            keys.sort_by(|one, other| one.compare(other, down));
            keys
        };
        let (a, b, one, two) = (Key::Word("a"), Key::Word("b"), Key::Number(1.0), Key::Number(2.0));
        assert_eq!(sorted(false), [one, two, a, b, Key::None]);
        assert_eq!(sorted(true), [two, one, b, a, Key::None]);
        assert_eq!(Key::number(f64::NAN), Key::None);
    }
}
