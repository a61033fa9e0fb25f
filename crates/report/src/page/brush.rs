//! What the script draws parallel coordinates from: all rows over all axes.

use frostline_view::best::Row;
use frostline_view::{Columns, shown};
use maud::{Markup, PreEscaped, html};
use serde_json::{Value, json};

/// Values that are so far apart are drawn by their ratios.
const LOG_FROM: f64 = 50.0;

pub(super) fn parallel(columns: &Columns, rows: &[Row], objective: &str) -> Markup {
    let mut axes: Vec<Value> = columns.names().filter_map(|name| of_parameter(name, rows)).collect();
    axes.push(numbers("seconds", rows.iter().map(|row| row.metric("seconds")).collect()));
    axes.push(numbers(objective, rows.iter().map(|row| row.value).collect()));
    let ids: Vec<String> = rows.iter().map(|row| row.trial.to_string()).collect();
    let data = json!({ "rows": ids, "axes": axes }).to_string();
    // The text of a script ends at the first `</`, wherever that stands.
    let data = data.replace('<', "\\u003c");
    html! {
        div.parallel #parallel hidden {}
        script type="application/json" #parallel-data { (PreEscaped(data)) }
    }
}

fn of_parameter(name: &str, rows: &[Row]) -> Option<Value> {
    let values: Vec<&Value> = rows.iter().map(|row| row.parameters.get(name)).collect::<Option<_>>()?;
    if let Some(values) = values.iter().map(|value| value.as_f64()).collect::<Option<Vec<f64>>>() {
        return Some(numbers(name, values));
    }
    let mut levels: Vec<String> = values.iter().map(|value| shown(value)).collect();
    levels.sort();
    levels.dedup();
    let place = |value: &Value| levels.iter().position(|level| *level == shown(value));
    let places: Vec<Option<usize>> = values.iter().map(|value| place(value)).collect();
    Some(json!({ "name": name, "log": false, "levels": levels, "values": places }))
}

/// What is not a number is null.
fn numbers(name: &str, values: Vec<f64>) -> Value {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    json!({ "name": name, "log": low > 0.0 && high / low >= LOG_FROM, "levels": null, "values": values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_far_apart_are_drawn_by_their_ratios() {
        assert_eq!(numbers("x", vec![1e-4, 1e-2])["log"], true);
        assert_eq!(numbers("x", vec![0.0, 1e-2])["log"], false);
        assert_eq!(numbers("x", vec![1.0, f64::NAN])["values"], json!([1.0, null]));
    }
}
