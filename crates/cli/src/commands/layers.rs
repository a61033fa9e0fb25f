//! `layers`: what can be frozen.

use crate::args::Layers;
use crate::exit::Exit;
use crate::output::{self, Table, print_json};
use crate::sources::network;
use frostline_sweep::layers::{self, Row};
use serde_json::json;
use std::io::Write;

/// Bytes of a float32 number.
const FLOAT: u64 = 4;

pub(crate) fn run(arguments: &Layers) -> anyhow::Result<Exit> {
    let architecture = network(&arguments.backbone)?;
    let mut rows = layers::table(architecture, arguments.size);
    let (count, parameters) = (rows.len(), architecture.parameter_count());
    if arguments.blocks {
        rows.retain(|row| row.boundary.is_some());
    }
    if arguments.json.json {
        return print_json(&rows.iter().map(object).collect::<Vec<_>>());
    }
    let mut out = anstream::stdout().lock();
    let table = if arguments.blocks { blocks(&rows) } else { all(&rows) };
    write!(out, "{}", table.fitted())?;
    let meaning = format!(
        "{count} layers, {parameters} parameters. `frozen_layers` is what a sweep says to freeze up to there: the number, \
         or the name of the block. Output: height x width x channels for images of {size} x {size} pixels; compute: share \
         of the multiplications so far; cached: what an image's features take in float32 (the last are pooled).",
        size = arguments.size
    );
    writeln!(out, "{}", output::wrapped(&meaning, output::line(), 0))?;
    Ok(Exit::Done)
}

fn all(rows: &[Row]) -> Table {
    let header = ["index", "layer", "class", "parameters", "output", "compute", "frozen_layers", "", "cached"];
    let mut table = Table::new(&header).sparing(&["class", "index", "cached", "parameters", "output"]);
    for row in rows {
        let parameters = row.layer.kind.parameters();
        let (ends, cached) = ends(row);
        table.row([
            row.layer.index.to_string(),
            row.layer.name.clone(),
            row.layer.kind.keras_class().to_owned(),
            if parameters == 0 { String::new() } else { parameters.to_string() },
            shape(row),
            format!("{:.1} %", 100.0 * row.compute_share),
            (row.layer.index + 1).to_string(),
            ends,
            cached,
        ]);
    }
    table
}

fn blocks(rows: &[Row]) -> Table {
    let mut table = Table::new(&["block", "frozen_layers", "output", "compute", "cached"]);
    for row in rows {
        let (block, cached) = ends(row);
        let compute = format!("{:.1} %", 100.0 * row.compute_share);
        table.row([block, (row.layer.index + 1).to_string(), shape(row), compute, cached]);
    }
    table
}

/// The block that ends with a layer, and what its output takes.
fn ends(row: &Row) -> (String, String) {
    match &row.boundary {
        Some(boundary) => (boundary.segment.clone(), output::bytes(boundary.elements * FLOAT)),
        None => (String::new(), String::new()),
    }
}

fn shape(row: &Row) -> String {
    row.shape.iter().map(u32::to_string).collect::<Vec<_>>().join(" x ")
}

fn object(row: &Row) -> serde_json::Value {
    json!({
        "index": row.layer.index,
        "frozen_layers": row.layer.index + 1,
        "name": row.layer.name,
        "class": row.layer.kind.keras_class(),
        "parameters": row.layer.kind.parameters(),
        "shape": row.shape,
        "compute_share": row.compute_share,
        "block_end": row.boundary.as_ref().map(|boundary| &boundary.segment),
        "cached_bytes": row.boundary.as_ref().map(|boundary| boundary.elements * FLOAT),
    })
}
