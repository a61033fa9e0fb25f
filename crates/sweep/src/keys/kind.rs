//! What a key's value may be: checked, said in words, and described as JSON Schema.

use crate::{backbone, metric, suggest};
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::ops::Bound::{self, Excluded, Included, Unbounded};

/// A form of value. What depends on other keys (two lists that have to be equally long, the layers of the network) is not
/// part of it.
pub enum Kind {
    /// A whole number from `least` to `most`, both included.
    Whole {
        least: u64,
        most: u64,
    },
    Number {
        noun: &'static str,
        from: Bound<f64>,
        to: Bound<f64>,
    },
    /// One of a few words.
    Words(fn() -> Vec<&'static str>),
    /// A metric that may select.
    Objective,
    /// A member of the family.
    Network,
    /// What a network has learnt before, or a table of that by network.
    Weights,
    /// A sweep's name.
    Name,
    /// Text that is not empty.
    Text(&'static str),
    /// An IP address and a port.
    Address,
    /// `true` or `false`.
    Switch,
    /// A number of bytes, or text with a unit; canonical is the number.
    Bytes,
    /// How many layers: a count, a share, the block that is the last of them, or "all". Which count a share or a block is
    /// depends on the network, so the value stays as it is written.
    Layers,
    List {
        noun: &'static str,
        of: &'static Kind,
        filled: bool,
        distinct: bool,
    },
    /// A word, or what `of` says.
    WordOr(&'static str, &'static Kind),
}

/// All of them would be a long list.
const NETWORKS: &str = "\"efficientnet_v2_s\", _m, _l or _b0 to _b3, \"efficientnet_b0\" to _b7, or \"efficientnet_lite0\" to \
                        _lite4";

/// From here on a bound says nothing to people.
const WITHOUT_LIMIT: u64 = u32::MAX as u64;

impl Kind {
    pub const RATE: Kind = Kind::Number { noun: "a rate", from: Included(0.0), to: Excluded(1.0) };
    pub const POSITIVE: Kind = Kind::Number { noun: "a number", from: Excluded(0.0), to: Unbounded };
    pub const NOT_NEGATIVE: Kind = Kind::Number { noun: "a number", from: Included(0.0), to: Unbounded };

    pub const fn seconds(least: f64) -> Kind {
        Kind::Number { noun: "seconds", from: Included(least), to: Included(86_400.0) }
    }

    /// What a value has to be, in words that follow "must be".
    pub fn wanted(&self) -> String {
        match self {
            Kind::Whole { least, most } if *most >= WITHOUT_LIMIT => format!("a whole number of at least {least}"),
            Kind::Whole { least, most } => format!("a whole number from {least} to {most}"),
            Kind::Number { noun, from, to } => format!("{noun} {}", range(*from, *to)),
            Kind::Words(words) => alternatives(&words()),
            Kind::Objective => alternatives(&objectives()),
            Kind::Network => NETWORKS.to_owned(),
            Kind::Weights => "a catalogue name, a file, \"imagenet\" or \"random\"".to_owned(),
            Kind::Name => {
                "up to 100 letters, digits, `.`, `_` and `-`, beginning with a letter, a digit or `_`".to_owned()
            }
            Kind::Text(what) => (*what).to_owned(),
            Kind::Address => {
                "an address and a port such as \"0.0.0.0:0\", where port 0 takes any that is free".to_owned()
            }
            Kind::Switch => "true or false".to_owned(),
            Kind::Bytes => "a number of bytes, or text such as \"20 GB\"".to_owned(),
            Kind::Layers => {
                "a count (256), a share from 0.0 to 1.0 (0.5), a block (\"block5b\") or \"all\"".to_owned()
            }
            Kind::List { noun, .. } => format!("a list of {noun}"),
            Kind::WordOr(word, of) => format!("\"{word}\" or {}", of.wanted()),
        }
    }

    /// The value in its canonical form: of two spellings of one value there is one.
    ///
    /// # Errors
    /// What it must be and is not, in words that follow "must be".
    pub fn check(&self, value: &Value) -> Result<Value, String> {
        let canonical = match self {
            Kind::Whole { least, most } => value.as_u64().filter(|n| (least..=most).contains(&n)).map(Value::from),
            Kind::Number { from, to, .. } => {
                let number = value.as_f64().filter(|number| number.is_finite() && is_within(*number, *from, *to));
                // -0.0 + 0.0 is 0.0.
                number.map(|number| json!(number + 0.0))
            }
            Kind::Words(words) => return self.word(value, &words()),
            Kind::Objective => return self.objective(value),
            Kind::Network => return self.word(value, &backbone::names().collect::<Vec<_>>()),
            Kind::Name => value.as_str().filter(|name| is_name(name)).map(Value::from),
            Kind::Text(_) => is_text(value).then(|| value.clone()),
            Kind::Weights => match value {
                Value::Object(each) => {
                    each.iter().all(|(name, text)| backbone::find(name).is_some() && is_text(text))
                }
                text => is_text(text),
            }
            .then(|| value.clone()),
            Kind::Address => value.as_str().filter(|text| text.parse::<SocketAddr>().is_ok()).map(Value::from),
            Kind::Switch => value.as_bool().map(Value::from),
            Kind::Bytes => value.as_u64().or_else(|| bytes(value.as_str()?)).map(Value::from),
            Kind::Layers => is_layers(value).then(|| value.clone()),
            Kind::List { of, filled, distinct, .. } => return self.list(value, of, *filled, *distinct),
            Kind::WordOr(word, of) => match value {
                Value::String(text) if text == word => Some(value.clone()),
                _ => of.check(value).ok(),
            },
        };
        canonical.ok_or_else(|| match (self, value) {
            (Kind::Name | Kind::Text(_) | Kind::Weights, Value::Number(_) | Value::Bool(_)) => {
                format!("text, which stands in quotes (\"{value}\"), not {value}")
            }
            _ => format!("{}, not {value}", self.wanted()),
        })
    }

    fn word(&self, value: &Value, words: &[&str]) -> Result<Value, String> {
        match value.as_str() {
            Some(word) if words.contains(&word) => Ok(value.clone()),
            // Three letters are too few to tell a slip from another word: "gpu" is no misspelt "cpu".
            Some(word) if word.len() > 3 || suggest::synonym(word, words.iter().copied()).is_some() => {
                let hint = suggest::hint(word, words.iter().copied());
                Err(format!("{}, not {value}{hint}", self.wanted()))
            }
            _ => Err(format!("{}, not {value}", self.wanted())),
        }
    }

    fn objective(&self, value: &Value) -> Result<Value, String> {
        let word = value.as_str().unwrap_or_default();
        match metric::find(word) {
            Some(metric) if !metric.selects => Err(format!(
                "\"{}\", not {value}: the test split is for the end and selects nothing",
                word.replace("test", "val")
            )),
            _ => self.word(value, &objectives()),
        }
    }

    fn list(&self, value: &Value, of: &Kind, filled: bool, distinct: bool) -> Result<Value, String> {
        let Value::Array(items) = value else {
            let hint = if of.check(value).is_ok() { format!(": write [{value}]") } else { String::new() };
            return Err(format!("{}, not {value}{hint}", self.wanted()));
        };
        if filled && items.is_empty() {
            return Err(format!("a list of at least one value, not {value}"));
        }
        let item = |item| of.check(item).map_err(|wanted| format!("{}, and each of them {wanted}", self.wanted()));
        let items = items.iter().map(item).collect::<Result<Vec<_>, _>>()?;
        let mut seen = HashSet::new();
        let twice = items.iter().find(|item| distinct && !seen.insert(item.to_string()));
        match twice {
            Some(item) => Err(format!("a list without repetitions; {item} is there twice")),
            None => Ok(Value::Array(items)),
        }
    }

    /// The values that [`Kind::check`] takes, as JSON Schema (draft 7).
    pub fn schema(&self) -> Value {
        match self {
            Kind::Whole { least, most } => json!({"type": "integer", "minimum": least, "maximum": most}),
            Kind::Number { from, to, .. } => {
                let mut schema = json!({"type": "number"});
                match from {
                    Included(bound) => schema["minimum"] = json!(bound),
                    Excluded(bound) => schema["exclusiveMinimum"] = json!(bound),
                    Unbounded => {}
                }
                match to {
                    Included(bound) => schema["maximum"] = json!(bound),
                    Excluded(bound) => schema["exclusiveMaximum"] = json!(bound),
                    Unbounded => {}
                }
                schema
            }
            Kind::Words(words) => json!({"type": "string", "enum": words()}),
            Kind::Objective => json!({"type": "string", "enum": objectives()}),
            Kind::Network => json!({"type": "string", "enum": backbone::names().collect::<Vec<_>>()}),
            Kind::Name => json!({"type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$"}),
            Kind::Text(_) => json!({"type": "string", "minLength": 1}),
            Kind::Weights => {
                let text = json!({"type": "string", "minLength": 1});
                let each: Map<String, Value> =
                    backbone::names().map(|name| (name.to_owned(), text.clone())).collect();
                json!({"anyOf": [text, {"type": "object", "properties": each, "additionalProperties": false}]})
            }
            Kind::Address => {
                let pattern = r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|\[[0-9A-Fa-f:.%]+\]):[0-9]{1,5}$";
                json!({"type": "string", "pattern": pattern})
            }
            Kind::Switch => json!({"type": "boolean"}),
            Kind::Bytes => {
                let text = r"^ *\+?([0-9]+\.?[0-9]*|\.[0-9]+) *(B|[kKMGT]B|[KMGT]iB)? *$";
                json!({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": text}]})
            }
            Kind::Layers => json!({"anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "number", "minimum": 0.0, "maximum": 1.0},
                {"type": "string", "pattern": "^(all|stem|block[0-9]+[a-z]|top)$"},
            ]}),
            Kind::List { of, filled, distinct, .. } => {
                let mut schema = json!({"type": "array", "items": of.schema()});
                if *filled {
                    schema["minItems"] = json!(1);
                }
                if *distinct {
                    schema["uniqueItems"] = json!(true);
                }
                schema
            }
            Kind::WordOr(word, of) => json!({"anyOf": [{"type": "string", "enum": [word]}, of.schema()]}),
        }
    }
}

/// `"a"`, `"a" or "b"`, `"a", "b" or "c"`.
fn alternatives(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "nothing".to_owned(),
    }
}

fn range(from: Bound<f64>, to: Bound<f64>) -> String {
    match (from, to) {
        (Included(from), Included(to)) => format!("from {from} to {to}"),
        (Included(from), Excluded(to)) => format!("from {from} to below {to}"),
        (Excluded(from), Excluded(to)) => format!("above {from} and below {to}"),
        (Excluded(from), Included(to)) => format!("above {from}, at most {to}"),
        (Included(from), Unbounded) => format!("of at least {from}"),
        (Excluded(from), Unbounded) => format!("above {from}"),
        (Unbounded, Included(to)) => format!("of at most {to}"),
        (Unbounded, Excluded(to)) => format!("below {to}"),
        (Unbounded, Unbounded) => "of any size".to_owned(),
    }
}

fn is_within(number: f64, from: Bound<f64>, to: Bound<f64>) -> bool {
    std::ops::RangeBounds::contains(&(from, to), &number)
}

fn objectives() -> Vec<&'static str> {
    metric::names().filter(|name| metric::find(name).is_some_and(|metric| metric.selects)).collect()
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty() && name.len() <= 100 && name.chars().all(plain) && !name.starts_with(['.', '-'])
}

fn is_layers(value: &Value) -> bool {
    match value {
        Value::String(word) => matches!(word.as_str(), "all" | "stem" | "top") || is_block(word),
        Value::Number(number) if number.is_f64() => number.as_f64().is_some_and(|share| (0.0..=1.0).contains(&share)),
        Value::Number(number) => number.is_u64(),
        _ => false,
    }
}

/// "block5b": a number and a letter. Which networks have it is theirs to say.
fn is_block(word: &str) -> bool {
    let place = word.strip_prefix("block").unwrap_or_default();
    let stage = place.trim_end_matches(|c: char| c.is_ascii_lowercase());
    place.len() == stage.len() + 1 && !stage.is_empty() && stage.bytes().all(|digit| digit.is_ascii_digit())
}

/// "20 GB", "1.5GiB", "500000".
fn bytes(text: &str) -> Option<u64> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let number: f64 = text[..split].trim().parse().ok()?;
    let unit: f64 = match text[split..].trim() {
        "" | "B" => 1.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        "GiB" => 1_073_741_824.0,
        "TiB" => 1_099_511_627_776.0,
        _ => return None,
    };
    (number >= 0.0 && number.is_finite()).then_some((number * unit) as u64)
}
