//! `predict`: what a trial's model sees on pictures.

use crate::args::{self, Common};
use crate::exit::{Exit, wrong_input};
use crate::machine;
use crate::output::{BOLD, DIM, print_json};
use crate::trained::Trained;
use frostline_assets::{data, picture};
use frostline_protocol::tools::{Classified, Classify};
use serde_json::{Map, Value, json};
use std::io::Write;

/// Classes shown of each picture.
const SHOWN: usize = 3;

pub(crate) fn run(common: &Common, arguments: &args::Predict) -> anyhow::Result<Exit> {
    let trained = Trained::find(common, &arguments.trial, arguments.weights.as_deref())?;
    let mut pictures = Vec::new();
    let mut wrong = Vec::new();
    for path in &arguments.pictures {
        match picture::read(path, trained.files.spec.data.pictures) {
            Ok(pixels) => pictures.push(pixels),
            Err(error) => wrong.push(error.to_string()),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong_input(wrong.join("\n       ")));
    }
    let classes = trained.classes();
    let side = data::side(&trained.files.spec.data) as u32;
    let question = Classify { model: trained.files, side, pictures };
    let Classified { probabilities } = machine::question("classify", &question)?;
    let answers = arguments.pictures.iter().zip(&probabilities).map(|(path, probabilities)| {
        let mut ranked: Vec<(&str, f32)> =
            classes.iter().map(String::as_str).zip(probabilities.iter().copied()).collect();
        ranked.sort_by(|one, other| other.1.total_cmp(&one.1));
        (path.display().to_string(), ranked)
    });
    if arguments.json.json {
        let object = |(path, ranked): (String, Vec<(&str, f32)>)| {
            let all: Map<String, Value> =
                ranked.iter().map(|&(class, probability)| (class.to_owned(), json!(probability))).collect();
            json!({ "picture": path, "class": ranked[0].0, "probabilities": all, "verdict": verdict(&ranked) })
        };
        return print_json(&answers.map(object).collect::<Vec<_>>());
    }
    let mut out = anstream::stdout().lock();
    let width = classes.iter().map(|class| class.len()).max().unwrap_or(0);
    for (path, ranked) in answers {
        writeln!(out, "{path}")?;
        for (place, (class, probability)) in ranked.iter().take(SHOWN).enumerate() {
            let style = if place == 0 { BOLD } else { DIM };
            writeln!(out, "  {style}{class:<width$}  {:>5.1} %{style:#}", 100.0 * probability)?;
        }
        writeln!(out, "  {}", verdict(&ranked))?;
    }
    Ok(Exit::Done)
}

/// How sure the model is, in words; `ranked` begins with the likeliest class. The bounds are for reading, no statistics.
fn verdict(ranked: &[(&str, f32)]) -> String {
    let [(first, high), (second, low), ..] = ranked[..] else { return "nothing to choose from".to_owned() };
    match high {
        _ if high - low < 0.1 => format!("undecided between {first} and {second}"),
        0.95.. => format!("sure: {first}"),
        0.7.. => format!("fairly sure: {first}"),
        0.5.. => format!("not very sure: {first}, perhaps {second}"),
        _ => format!("{first} or {second}? ({:.0} %, {:.0} %)", 100.0 * high, 100.0 * low),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_says_when_two_classes_are_close() {
        let of = |high, low| verdict(&[("cat", high), ("dog", low), ("frog", 0.0)]);
        assert_eq!(of(0.97, 0.02), "sure: cat");
        assert_eq!(of(0.8, 0.1), "fairly sure: cat");
        assert_eq!(of(0.55, 0.3), "not very sure: cat, perhaps dog");
        assert_eq!(of(0.3, 0.15), "cat or dog? (30 %, 15 %)");
        assert_eq!(of(0.5, 0.49), "undecided between cat and dog");
    }
}
