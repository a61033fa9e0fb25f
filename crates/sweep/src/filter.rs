//! Conditions on trials, as people type them: `frozen_layers=256`, `learning_rate < .01`, `head_units=256-128`,
//! `val_accuracy > 0.9`.

use crate::backbone::Architecture;
use crate::keys::{self, AXES, Key, Kind};
use crate::metric;
use crate::parameters::{canonical, named};
use crate::suggest;
use crate::trial::TrialSpec;
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::ops::Bound;

/// What a metric is compared with is any number; a hyperparameter only with what it can be.
const MEASURED: Kind = Kind::Number { noun: "a number", from: Bound::Unbounded, to: Bound::Unbounded };

#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    name: &'static str,
    comparison: Comparison,
    /// A value that this can have.
    value: Value,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

const SIGNS: [(&str, Comparison); 7] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::Unequal),
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("=", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

impl Filter {
    /// Reads a name, a sign and a value, which is spelled as in a definition or as in a table.
    ///
    /// # Errors
    /// A sentence that names what is wrong with the condition: one that no trial can ever meet is never meant.
    pub fn parse(text: &str) -> Result<Filter, String> {
        let start = text.find(['=', '!', '<', '>']).ok_or_else(|| {
            format!(
                "`{text}` is not a condition: write a name, one of = != < <= > >=, and a value: frozen_layers=256, or \
                 'frozen_layers>=256', in quotes so that the shell leaves < and > alone"
            )
        })?;
        let (name, rest) = (text[..start].trim(), &text[start..]);
        let (sign, comparison) = SIGNS
            .into_iter()
            .find(|(sign, _)| rest.starts_with(sign))
            .ok_or_else(|| format!("`{text}` is not a condition: `!` stands before `=` only"))?;
        let names = || keys::of(AXES).map(|key| key.name).chain(["seed"]).chain(metric::measured());
        let name = names().find(|known| *known == name).ok_or_else(|| {
            format!("no hyperparameter or metric is called `{name}`{}", suggest::hint(name, names()))
        })?;
        let written = rest[sign.len()..].trim();
        let kind = match keys::hyperparameter(name) {
            Some(key) => &key.kind,
            None if metric::is_measured(name) => &MEASURED,
            None => &Kind::Whole { least: 0, most: u64::MAX },
        };
        let value = kind.check(&read(written, kind)).map_err(|wanted| format!("`{name}` is {wanted}"))?;
        let is_ordered = matches!(kind, Kind::Whole { .. } | Kind::Number { .. } | Kind::Layers);
        if !is_ordered && !matches!(comparison, Comparison::Equal | Comparison::Unequal) {
            return Err(format!("`{name}` has no order: compare it with = or !="));
        }
        Ok(Filter { name, comparison, value })
    }

    /// Whether a trial of this network meets the condition on a hyperparameter. Layers may be given as in a definition.
    pub fn matches(&self, spec: &TrialSpec, architecture: &Architecture) -> bool {
        let actual = named(spec).into_iter().find(|(name, _)| *name == self.name);
        actual.is_some_and(|(_, actual)| self.accepts(&actual, architecture))
    }

    /// The hyperparameter that it is about, or what is measured.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it is about what a trial measured, and not about what it is.
    pub fn is_measured(&self) -> bool {
        metric::is_measured(self.name)
    }

    /// Whether a measurement meets the condition on it. What was not measured (NaN) meets none.
    pub fn accepts_measured(&self, actual: f64) -> bool {
        !actual.is_nan() && self.is_met(self.value.as_f64().and_then(|wanted| actual.partial_cmp(&wanted)))
    }

    /// Whether a trial of this network meets the condition that has this value of the hyperparameter.
    pub fn accepts(&self, actual: &Value, architecture: &Architecture) -> bool {
        let canonical = |key: &Key| canonical(key, &self.value, &[architecture]).ok();
        let wanted = keys::hyperparameter(self.name).and_then(canonical).unwrap_or_else(|| self.value.clone());
        let order = match (actual.as_f64(), wanted.as_f64()) {
            (Some(actual), Some(wanted)) => actual.partial_cmp(&wanted),
            _ => (*actual == wanted).then_some(Ordering::Equal),
        };
        self.is_met(order)
    }

    fn is_met(&self, order: Option<Ordering>) -> bool {
        match self.comparison {
            Comparison::Equal => order.is_some_and(Ordering::is_eq),
            Comparison::Unequal => !order.is_some_and(Ordering::is_eq),
            Comparison::Less => order.is_some_and(Ordering::is_lt),
            Comparison::AtMost => order.is_some_and(Ordering::is_le),
            Comparison::Greater => order.is_some_and(Ordering::is_gt),
            Comparison::AtLeast => order.is_some_and(Ordering::is_ge),
        }
    }
}

/// What a text says, as JSON: `.001`, `1_000` and `+5` are numbers, `256-128` and `256, 128` are lists where lists are
/// wanted, and words need no quotes.
fn read(text: &str, kind: &Kind) -> Value {
    if let Kind::List { of, .. } = kind {
        let items = text.trim().trim_start_matches('[').trim_end_matches(']');
        let parts = items.split([',', '-']).map(str::trim).filter(|part| !part.is_empty() && *part != "none");
        return parts.map(|part| read(part, of)).collect();
    }
    let unquoted = text.trim_matches(['"', '\'']);
    let digits = unquoted.replace('_', "");
    if let Ok(whole) = digits.trim_start_matches('+').parse::<u64>() {
        return json!(whole);
    }
    match digits.parse::<f64>() {
        Ok(number) if number.is_finite() => json!(number),
        _ => json!(unquoted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_however_it_is_spelled() {
        let value = |text: &str| Filter::parse(text).unwrap().value;
        for text in
            ["learning_rate=0.001", "learning_rate == 1e-3", "learning_rate>=.001", "learning_rate != 0.001_0"]
        {
            assert_eq!(value(text), json!(0.001), "{text}");
        }
        assert_eq!(value("epochs=1_0"), json!(10));
        for text in ["head_units=256-128", "head_units=[256, 128]", "head_units != 256,128"] {
            assert_eq!(value(text), json!([256, 128]), "{text}");
        }
        assert_eq!((value("head_units=none"), value("head_units=[]")), (json!([]), json!([])));
        for text in ["optimizer=adam", "optimizer = \"adam\"", "optimizer='adam'"] {
            assert_eq!(value(text), json!("adam"), "{text}");
        }
        assert_eq!((value("frozen_layers=all"), value("frozen_layers<=.5")), (json!("all"), json!(0.5)));
        assert_eq!(value("frozen_layers=block6c"), json!("block6c"));
        assert_eq!(value("backbone=efficientnet_b0"), json!("efficientnet_b0"));
        assert_eq!(value("seed=3"), json!(3));
        assert_eq!((value("val_accuracy>.9"), value("seconds<60")), (json!(0.9), json!(60.0)));
    }

    #[test]
    fn what_no_trial_can_meet_is_said() {
        let error = |text: &str| Filter::parse(text).unwrap_err();
        assert_eq!(
            error("optimizer=adamm"),
            "`optimizer` is \"adam\", \"rmsprop\", \"sgd\" or \"adamw\", not \"adamm\", did you mean `adam`?"
        );
        assert_eq!(error("batch_size=many"), "`batch_size` is a whole number from 1 to 65536, not \"many\"");
        assert_eq!(error("learning_rate=-1"), "`learning_rate` is a number above 0, not -1.0");
        assert_eq!(error("learning_rate="), "`learning_rate` is a number above 0, not \"\"");
        assert_eq!(error("seed=-1"), "`seed` is a whole number of at least 0, not -1.0");
        assert_eq!(error("optimizer<adam"), "`optimizer` has no order: compare it with = or !=");
        assert_eq!(error("val_loss<low"), "`val_loss` is a number of any size, not \"low\"");
        assert!(error("epochs=<3").contains("not \"<3\""));
    }

    #[test]
    fn a_condition_is_about_what_a_trial_is_or_about_what_it_measured() {
        let about = |text: &str| {
            let filter = Filter::parse(text).unwrap();
            (filter.name(), filter.is_measured())
        };
        assert_eq!(about("batch_size=32"), ("batch_size", false));
        assert_eq!(about("seed!=1"), ("seed", false));
        assert_eq!((about("val_loss<1"), about("seconds<1")), (("val_loss", true), ("seconds", true)));
        // What overflows is no number.
        let error = Filter::parse("learning_rate=1e999").unwrap_err();
        assert_eq!(error, "`learning_rate` is a number above 0, not \"1e999\"");
    }

    #[test]
    fn what_was_measured_is_compared_as_a_number() {
        let met = |text: &str| [-1.0, 0.5, 0.9, f64::NAN].map(|it| Filter::parse(text).unwrap().accepts_measured(it));
        assert_eq!(met("val_accuracy > 0.5"), [false, false, true, false]);
        assert_eq!(met("val_accuracy>=0.5"), [false, true, true, false]);
        assert_eq!(met("val_loss < .9"), [true, true, false, false]);
        assert_eq!(met("seconds != 0.5"), [true, false, true, false]);
        assert_eq!(met("test_accuracy == 9e-1"), [false, false, true, false]);
    }
}
