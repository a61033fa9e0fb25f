//! Intervals, tests and effects against those of SciPy and statsmodels, as `scripts/goldens/record.py ranking` wrote them
//! down.

// clippy.toml allows it in tests, which does not cover the functions that they share.
#![allow(clippy::unwrap_used)]

use frostline_ranking::{
    Bits, Cell, Certainty, Effects, Method, Observation, Promise, Residual, Share, accuracy_interval,
    axis_differences, compare, contenders, effects, holm, summarise,
};
use serde_json::Value;
use std::sync::LazyLock;

static GOLDENS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("goldens/statistics.json")).expect("the goldens are JSON"));

fn cases(name: &str) -> &'static [Value] {
    GOLDENS[name].as_array().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[track_caller]
fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-8 * (1.0 + expected.abs()), "{found} is not {expected}");
}

#[track_caller]
fn same_interval((low, high): (f64, f64), expected: &Value) {
    let expected = numbers(expected);
    close(low, expected[0]);
    close(high, expected[1]);
}

fn scored(values: &Value, images: Option<u64>) -> Cell<'static> {
    Cell::of_scores(numbers(values), images).unwrap()
}

#[test]
fn the_mean_of_seeds_has_students_interval() {
    for case in cases("means") {
        let certainty = summarise(&numbers(&case["values"])).certainty();
        let Certainty::Interval { low, high } = certainty else { panic!("{certainty:?}") };
        same_interval((low, high), &case["interval"]);
    }
}

#[test]
fn an_accuracy_has_wilsons_interval() {
    for case in cases("wilson") {
        let images = case["images"].as_u64().unwrap();
        let accuracy = number(&case["right"]) / images as f64;
        same_interval(accuracy_interval(accuracy, images).unwrap(), &case["interval"]);
    }
}

#[test]
fn two_accuracies_without_bits_have_newcombes_independent_interval() {
    for case in cases("unpaired") {
        let images = case["images"].as_u64().unwrap();
        let cell = |right: f64| Cell::of_scores(vec![right / images as f64], Some(images)).unwrap();
        let right = numbers(&case["right"]);
        let compared = compare(&cell(right[0]), &cell(right[1])).unwrap();
        same_interval((compared.low, compared.high), &case["interval"]);
    }
}

#[test]
fn one_seed_each_is_mcnemars_test_and_newcombes_paired_interval() {
    for case in cases("paired") {
        let table: Vec<usize> = numbers(&case["table"]).into_iter().map(|count| count as usize).collect();
        let answers = [(true, true), (true, false), (false, true), (false, false)];
        let images = || answers.iter().zip(&table).flat_map(|(answer, &count)| std::iter::repeat_n(*answer, count));
        let (one, other): (Bits, Bits) = (images().map(|it| it.0).collect(), images().map(|it| it.1).collect());
        let cell = |bits| Cell::of_bits(vec![bits]).unwrap();
        let compared = compare(&cell(&one), &cell(&other)).unwrap();
        let (only_first, only_second) = (table[1] as u64, table[2] as u64);
        assert_eq!(compared.method, Method::McNemar { only_first, only_second });
        close(compared.p, number(&case["p"]));
        same_interval((compared.low, compared.high), &case["interval"]);
    }
}

#[test]
fn several_seeds_cross_images_as_a_two_way_analysis_of_variance_does() {
    let mut seeds_count = 0;
    for case in cases("crossed") {
        let bits = |rows: &Value| -> Vec<Bits> {
            let row = |row: &Value| row.as_str().unwrap().chars().map(|digit| digit == '1').collect();
            rows.as_array().unwrap().iter().map(row).collect()
        };
        let (one, other) = (bits(&case["right"][0]), bits(&case["right"][1]));
        let cell = |bits: &'static [Bits]| Cell::of_bits(bits.iter().collect()).unwrap();
        let compared = compare(&cell(one.leak()), &cell(other.leak())).unwrap();
        close(compared.error, number(&case["error"]));
        // An integral with a bend, by other means on either side.
        assert!((compared.p - number(&case["p"])).abs() < 1e-4, "{compared:?} {}", case["p"]);
        let interval = numbers(&case["interval"]);
        let half = (interval[1] - interval[0]) / 2.0;
        let (low, high) = (compared.low - interval[0], compared.high - interval[1]);
        assert!(low.abs() < 1e-3 * half && high.abs() < 1e-3 * half, "{compared:?} {interval:?}");
        seeds_count += usize::from(number(&case["added"]) > 0.0);
    }
    assert!(seeds_count >= 2, "in most of the cases the seeds count");
}

#[test]
fn scores_alone_are_compared_by_students_test() {
    let case = &GOLDENS["seeds"];
    let compared = compare(&scored(&case["values"][0], None), &scored(&case["values"][1], None)).unwrap();
    assert_eq!(compared.method, Method::Seeds { freedom: 6.0 });
    close(compared.p, number(&case["p"]));
    same_interval((compared.low, compared.high), &case["interval"]);
}

#[test]
fn probabilities_are_adjusted_as_holm_does() {
    let case = &GOLDENS["holm"];
    let adjusted = holm(&numbers(&case["p"]));
    adjusted.into_iter().zip(numbers(&case["adjusted"])).for_each(|(found, expected)| close(found, expected));
}

#[test]
fn levels_of_an_axis_are_compared_by_the_paired_test() {
    let case = &GOLDENS["pairs"];
    let (mut levels, mut cells) = (Vec::new(), Vec::new());
    for level in [0, 1] {
        for (other, value) in numbers(&case["values"][level]).into_iter().enumerate() {
            levels.push(vec![other, level]);
            cells.push(Cell::of_scores(vec![value], None).unwrap());
        }
    }
    let compared = axis_differences(&levels, &cells, 1)[0].comparison.unwrap();
    assert_eq!(compared.method, Method::Pairs { freedom: 4.0, images: false });
    close(compared.p, number(&case["p"]));
    same_interval((compared.low, compared.high), &case["interval"]);
}

/// Balanced and independent, so the critical values are in tables: Dunnett's one-sided ones for Hsu's set, and those of the
/// studentized range. Drawn 2,000 times they are good to a few hundredths, and most of nine times to less.
#[test]
fn the_set_that_holds_the_best_ends_where_dunnett_and_tukey_say() {
    for case in cases("critical") {
        let (count, seeds) = (number(&case["cells"]) as usize, number(&case["seeds"]) as usize);
        // Of variance 1 in each cell.
        let pattern: Vec<f64> = (0..seeds).map(|seed| seed as f64 - (seeds as f64 - 1.0) / 2.0).collect();
        let deviation = summarise(&pattern).deviation.unwrap();
        let error = (2.0 / seeds as f64).sqrt();
        let behind = |errors: f64, promise| {
            let cell = |place: usize| {
                let mean = if place == 0 { 0.0 } else { -errors * error };
                let scores = pattern.iter().map(|value| mean + value / deviation).collect();
                Cell::of_scores(scores, None).unwrap()
            };
            let cells: Vec<Cell> = (0..count).map(cell).collect();
            let mut drawn = [0; 9];
            for (seed, drawn) in (0..).zip(&mut drawn) {
                *drawn = contenders(&cells, promise, seed).unwrap().members.len();
            }
            drawn.sort_unstable();
            drawn[4]
        };
        for (promise, critical) in [(Promise::TheBest, "dunnett"), (Promise::AllBest, "tukey")] {
            let critical = number(&case[critical]);
            assert_eq!(behind(0.95 * critical, promise), count, "{promise:?} of {count}");
            assert_eq!(behind(1.05 * critical, promise), 1, "{promise:?} of {count}");
        }
    }
}

fn effects_of(case: &Value) -> Effects {
    let observation = |trial: &Value| {
        let numbers = numbers(trial);
        let levels = numbers[..3].iter().map(|&level| level as usize).collect();
        Observation { levels, value: numbers[3] }
    };
    effects(&case["trials"].as_array().unwrap().iter().map(observation).collect::<Vec<_>>()).unwrap()
}

#[track_caller]
fn same_share(found: &Share, expected: &Value, total: f64) {
    close(found.sum_of_squares, number(&expected["squares"]));
    close(found.share, number(&expected["squares"]) / total);
    assert_eq!(found.freedom as f64, number(&expected["freedom"]));
    if let Some(p) = expected["p"].as_f64() {
        close(found.p.unwrap(), p);
    }
}

#[test]
fn effects_are_those_of_least_squares() {
    for case in cases("effects") {
        let name = case["name"].as_str().unwrap();
        let (found, terms, total) = (effects_of(case), &case["terms"], number(&case["total"]));
        for (main, axis) in found.mains.iter().zip(["a", "b", "c"]) {
            let expected = &terms[axis];
            same_share(&main.share, expected, total);
            let levels = expected["levels"].as_array().unwrap();
            assert_eq!(main.levels.len(), levels.len(), "{name} {axis}");
            for (level, expected) in main.levels.iter().zip(levels) {
                close(level.effect, number(&expected[0]));
                same_interval(level.interval.unwrap(), &Value::from(numbers(expected)[1..].to_vec()));
            }
            let last = main.differences.iter().find(|it| it.from == 0 && it.to == levels.len() - 1).unwrap();
            let expected = numbers(&expected["last_to_first"]);
            close(last.difference, expected[0]);
            same_interval(last.interval.unwrap(), &Value::from(expected[1..].to_vec()));
        }
        for (interaction, axes) in found.interactions.iter().zip(["a:b", "a:c", "b:c"]) {
            same_share(&interaction.share, &terms[axes], total);
        }
        let (variance, freedom) = (number(&case["variance"]), number(&case["freedom"]));
        let (found_variance, found_freedom) = match found.residual {
            Residual::Seeds { variance, freedom } if name != "one seed" => (variance, freedom),
            Residual::Higher { variance, freedom } if name == "one seed" => (variance, freedom),
            other => panic!("{name}: {other:?}"),
        };
        close(found_variance, variance);
        assert_eq!(found_freedom as f64, freedom);
        if let Some(seeds) = found.seeds {
            close(seeds.sum_of_squares, number(&case["within"]));
        }
        // Without a cell more than the model has columns, nothing is left for higher interactions.
        match found.higher {
            Some(higher) => close(higher.sum_of_squares, number(&case["higher"])),
            None => assert!(number(&case["higher"]).abs() < 1e-12, "{name}"),
        }
        let is_whole = name == "balanced" || name == "one seed";
        assert_eq!(found.balanced, is_whole, "{name}");
        if is_whole {
            let terms = found.mains.iter().map(|it| it.share).chain(found.interactions.iter().map(|it| it.share));
            let sum: f64 = terms.chain(found.higher).chain(found.seeds).map(|share| share.share).sum();
            close(sum, 1.0);
        }
    }
}

#[test]
fn what_the_cells_do_not_determine_is_named() {
    let case = cases("effects").iter().find(|case| case["name"] == "undetermined").unwrap();
    let found = effects_of(case);
    assert_eq!(found.undetermined, [vec![0, 1]]);
    assert!(found.interactions[0].effects.is_empty() && !found.interactions[1].effects.is_empty());

    // One level of the second axis alone, and the third goes with the first.
    let trial = |level: usize, value| Observation { levels: vec![level, 4, level], value };
    let found = effects(&[trial(0, 0.5), trial(0, 0.52), trial(7, 0.6)]).unwrap();
    assert_eq!(found.undetermined, [vec![1], vec![0], vec![2], vec![0, 2]]);
    assert!(found.mains.iter().all(|main| main.levels.is_empty() && main.share.freedom == 0));
}

#[test]
fn levels_keep_their_numbers_and_interactions_are_what_the_sum_of_effects_lacks() {
    let trial = |a, b, value| Observation { levels: vec![a, b], value };
    let found = effects(&[trial(2, 0, 0.5), trial(2, 3, 0.6), trial(5, 0, 0.7), trial(5, 3, 0.9)]).unwrap();
    let difference = &found.mains[0].differences[0];
    assert_eq!((difference.from, difference.to, difference.interval), (2, 5, None));
    close(difference.difference, 0.25);
    let products = &found.interactions[0].effects;
    assert_eq!(products.iter().map(|it| (it.0, it.1)).collect::<Vec<_>>(), [(2, 0), (2, 3), (5, 0), (5, 3)]);
    close(products[3].2, 0.025);
    assert_eq!((found.residual, found.seeds, found.higher), (Residual::None, None, None));
}
