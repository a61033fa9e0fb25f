//! `layers`: what can be frozen.

use crate::args::Layers;
use crate::exit::{Exit, wrong_input};
use crate::output::{self, Table, print_json};
use frostline_sweep::layers::{self, Row};
use frostline_sweep::{backbone, suggest};
use serde_json::json;
use std::io::Write;

/// Bytes of a float32 number.
const FLOAT: u64 = 4;

pub(crate) fn run(arguments: &Layers) -> anyhow::Result<Exit> {
    let architecture = backbone::find(&arguments.backbone).ok_or_else(|| {
        let names = backbone::names().collect::<Vec<_>>().join(", ");
        let near = suggest::nearest(&arguments.backbone, backbone::names());
        let near = near.map_or(String::new(), |near| format!(", did you mean `{near}`"));
        wrong_input(format!("there is no network `{}`{near}; use one of {names}", arguments.backbone))
    })?;
    let rows = layers::table(architecture, arguments.size);
    if arguments.json.json {
        return print_json(&rows.iter().map(object).collect::<Vec<_>>());
    }
    let mut table =
        Table::new(&["index", "layer", "class", "parameters", "output", "compute", "block ends", "cached"]);
    for row in &rows {
        let parameters = row.layer.kind.parameters();
        let (ends, cached) = match &row.boundary {
            Some(boundary) => (boundary.segment.clone(), output::bytes(boundary.elements * FLOAT)),
            None => (String::new(), String::new()),
        };
        table.row([
            row.layer.index.to_string(),
            row.layer.name.clone(),
            row.layer.kind.keras_class().to_owned(),
            if parameters == 0 { String::new() } else { parameters.to_string() },
            row.shape.iter().map(u32::to_string).collect::<Vec<_>>().join(" x "),
            format!("{:.1} %", 100.0 * row.compute_share),
            ends,
            cached,
        ]);
    }
    let mut out = anstream::stdout().lock();
    write!(out, "{table}")?;
    writeln!(
        out,
        "{} layers, {} parameters. Freezing n layers freezes those with an index below n. Output: height x width x \
         channels for images of {size} x {size} pixels; compute: share of the multiplications up to the layer; cached: \
         features of an image in float32 (the last are pooled).",
        rows.len(),
        architecture.parameter_count(),
        size = arguments.size,
    )?;
    Ok(Exit::Done)
}

fn object(row: &Row) -> serde_json::Value {
    json!({
        "index": row.layer.index,
        "name": row.layer.name,
        "class": row.layer.kind.keras_class(),
        "parameters": row.layer.kind.parameters(),
        "shape": row.shape,
        "compute_share": row.compute_share,
        "block_end": row.boundary.as_ref().map(|boundary| &boundary.segment),
        "cached_bytes": row.boundary.as_ref().map(|boundary| boundary.elements * FLOAT),
    })
}
