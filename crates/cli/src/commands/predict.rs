//! `predict`: what a trial's model sees on pictures.

use crate::args::{self, Common};
use crate::exit::{Exit, wrong_input};
use crate::machine;
use crate::output::{BOLD, DIM, print_json, said};
use crate::trained::Trained;
use frostline_assets::{data, picture};
use frostline_protocol::tools::{Classified, Classify};
use frostline_sweep::outcome::Evaluation;
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
    let evaluation = trained.detail.row.evaluation.clone();
    let side = data::side(&trained.files.spec.data) as u32;
    let question = Classify { model: trained.files, side, pictures };
    let Classified { probabilities } = machine::question("classify", &question)?;
    let answers = arguments.pictures.iter().zip(&probabilities).map(|(path, probabilities)| {
        let mut order: Vec<usize> = (0..classes.len().min(probabilities.len())).collect();
        order.sort_by(|one, other| probabilities[*other].total_cmp(&probabilities[*one]));
        let ranked: Vec<(&str, f32)> = order.iter().map(|&at| (classes[at].as_str(), probabilities[at])).collect();
        let past = order.first().and_then(|&class| Past::of(evaluation.as_ref()?, class));
        (path.display().to_string(), ranked, past)
    });
    if arguments.json.json {
        let object = |(path, ranked, past): (String, Vec<(&str, f32)>, Option<Past>)| {
            let all: Map<String, Value> =
                ranked.iter().map(|&(class, probability)| (class.to_owned(), json!(probability))).collect();
            json!({
                "picture": path,
                "class": ranked.first().map(|(class, _)| class),
                "probabilities": all,
                "verdict": verdict(&ranked, past),
                "said_on_test": past.map(|past| past.said),
                "right_on_test": past.map(|past| past.right),
            })
        };
        return print_json(&answers.map(object).collect::<Vec<_>>());
    }
    let mut out = anstream::stdout().lock();
    let width = classes.iter().map(|class| class.len()).max().unwrap_or(0);
    for (path, ranked, past) in answers {
        writeln!(out, "{path}")?;
        for (place, (class, probability)) in ranked.iter().take(SHOWN).enumerate() {
            let style = if place == 0 { BOLD } else { DIM };
            writeln!(out, "  {style}{class:<width$}  {:>5.1} %{style:#}", 100.0 * probability)?;
        }
        let words = past.map_or(String::new(), |past| format!("  {DIM}{}{DIM:#}", past.in_words()));
        writeln!(out, "{}", said(&format!("  {}{words}", verdict(&ranked, past))))?;
    }
    if let Some(evaluation) = &evaluation {
        let right = format!(
            "{DIM}This model is right on {:.1} % of its test images; the percentages are its own opinion.{DIM:#}",
            100.0 * evaluation.test_accuracy
        );
        writeln!(out, "{}", said(&right))?;
    }
    Ok(Exit::Done)
}

/// How often the model said a class of its test images, and how often that was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Past {
    said: u32,
    right: u32,
}

impl Past {
    /// None where it was not recorded which classes are taken for which.
    fn of(evaluation: &Evaluation, class: usize) -> Option<Past> {
        let right = *evaluation.confusion.get(class)?.get(class)?;
        let said = evaluation.confusion.iter().filter_map(|truth| truth.get(class)).sum();
        Some(Past { said, right })
    }

    fn in_words(self) -> String {
        let times = if self.said == 1 { "time" } else { "times" };
        match self.said {
            0 => "(it never said so of a test image)".to_owned(),
            said => format!("(right {} of {said} {times} that it said so of test images)", self.right),
        }
    }
}

/// How sure one may be, in words; `ranked` begins with the likeliest class. A model's own percentage says little where it was
/// trained badly, so what it is in words never goes beyond how often it was right when it said that class. The bounds are for
/// reading, no statistics.
fn verdict(ranked: &[(&str, f32)], past: Option<Past>) -> String {
    let [(first, high), (second, low), ..] = ranked[..] else { return "nothing to choose from".to_owned() };
    let measured = past.map_or(1.0, |past| f64::from(past.right) / f64::from(past.said.max(1)));
    match f64::from(high).min(measured) {
        _ if high - low < 0.1 => format!("undecided between {first} and {second}"),
        0.95.. => format!("sure: {first}"),
        0.7.. => format!("fairly sure: {first}"),
        0.5.. => format!("not very sure: {first}, perhaps {second}"),
        _ if high >= 0.5 => format!("a guess: {first}"),
        _ => format!("{first} or {second}? ({:.0} %, {:.0} %)", 100.0 * high, 100.0 * low),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_says_when_two_classes_are_close() {
        let of = |high, low| verdict(&[("cat", high), ("dog", low), ("frog", 0.0)], None);
        assert_eq!(of(0.97, 0.02), "sure: cat");
        assert_eq!(of(0.8, 0.1), "fairly sure: cat");
        assert_eq!(of(0.55, 0.3), "not very sure: cat, perhaps dog");
        assert_eq!(of(0.3, 0.15), "cat or dog? (30 %, 15 %)");
        assert_eq!(of(0.5, 0.49), "undecided between cat and dog");
    }
    #[test]
    fn a_model_is_never_surer_than_it_was_right() {
        let of = |said, right| verdict(&[("cat", 0.99), ("dog", 0.01)], Some(Past { said, right }));
        assert_eq!(of(100, 97), "sure: cat");
        assert_eq!(of(100, 94), "fairly sure: cat");
        assert_eq!(of(100, 60), "not very sure: cat, perhaps dog");
        assert_eq!(of(100, 10), "a guess: cat");
        assert_eq!(of(0, 0), "a guess: cat");
        assert_eq!(Past { said: 1, right: 0 }.in_words(), "(right 0 of 1 time that it said so of test images)");
        assert_eq!(Past { said: 0, right: 0 }.in_words(), "(it never said so of a test image)");
    }

    #[test]
    fn how_often_a_class_was_said_is_a_column_of_the_confusion() {
        let evaluation = Evaluation {
            test_loss: 1.0,
            test_accuracy: 0.5,
            class_accuracy: vec![0.75, 0.2],
            // Rows are true classes.
            confusion: vec![vec![3, 1], vec![4, 1]],
            trained_parameters: 1,
            seconds: 1.0,
            validation_images: None,
            by_class: None,
            right: None,
        };
        assert_eq!(Past::of(&evaluation, 0), Some(Past { said: 7, right: 3 }));
        assert_eq!(Past::of(&evaluation, 1), Some(Past { said: 2, right: 1 }));
        assert_eq!(Past::of(&Evaluation { confusion: Vec::new(), ..evaluation }, 0), None);
    }
}
