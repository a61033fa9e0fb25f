//! What `best` answers, by trials that a store holds.

use crate::fixture::{Score, TEXT, filled, filled_with, launched, lived, one_seed};
use frostline_store::Reader;
use frostline_sweep::filter::Filter;
use frostline_sweep::metric;
use frostline_sweep::record::{Kind, Record};
use frostline_view::best::{Basis, Best, Group, Missing, Question, Ranked, Rows, best, remarks};
use frostline_view::effects::effects;
use frostline_view::kinds::of_each;
use frostline_view::table::Table;
use std::collections::BTreeSet;

fn ask(reader: &Reader, filters: &[Filter]) -> Best {
    best(reader, Question { filters, ..Question::of("demo", 10) }).unwrap()
}

fn groups(best: &Best) -> &[Group] {
    match &best.rows {
        Rows::Groups(groups) => groups,
        Rows::Trials(_) => panic!("trials: {best:?}"),
    }
}

/// Learning rates of the rows, best first.
fn rates(best: &Best) -> Vec<f64> {
    groups(best).iter().map(|group| group.parameters["learning_rate"].as_f64().unwrap()).collect()
}

#[test]
fn the_luckiest_trial_does_not_make_its_configuration_the_best() {
    let values = [0.9, 0.2, 0.1, 0.7, 0.71, 0.72, 0.5, 0.5, 0.5].map(Some);
    let (_folder, reader) = filled(values);
    let best = ask(&reader, &[]);
    assert_eq!(rates(&best), [0.2, 0.3, 0.1]);
    let first = &groups(&best)[0];
    assert!((first.objective - 0.71).abs() < 1e-12 && (first.deviation.unwrap() - 0.01).abs() < 1e-12);
    assert_eq!((first.seeds, first.seeds_wanted, best.ranking.total), (3, 3, 3));
    assert_eq!(best.ranking.columns.names().collect::<Vec<_>>(), ["learning_rate"], "a row stands for all seeds");
    let trials = best_trials(&reader);
    assert_eq!((trials[0], trials.len()), (0.9, 9), "which `--trials` shows");
}

fn best_trials(reader: &Reader) -> Vec<f64> {
    let best = best(reader, Question { trials: true, ..Question::of("demo", 10) }).unwrap();
    match best.rows {
        Rows::Trials(trials) => trials.iter().map(|trial| trial.objective).collect(),
        Rows::Groups(_) => panic!("groups"),
    }
}

fn trials(best: &Best) -> &[Ranked] {
    match &best.rows {
        Rows::Trials(trials) => trials,
        Rows::Groups(_) => panic!("groups: {best:?}"),
    }
}

fn labels(best: &Best) -> Vec<String> {
    best.ranking.rows.iter().map(|row| row.label()).collect()
}

#[test]
fn trials_are_compared_image_by_image() {
    // The best, one that is right on a part of its images only, and one that is right on 40 others and wrong on 60 of its.
    let (_folder, reader) =
        one_seed([&|image| image < 860, &|image| image < 820, &|image| (60..900).contains(&image)]);
    let best = ask(&reader, &[]);
    let rows = trials(&best);
    let rates: Vec<f64> = rows.iter().map(|row| row.parameters["learning_rate"].as_f64().unwrap()).collect();
    assert_eq!(rates, [0.1, 0.3, 0.2]);
    let tied: Vec<Option<bool>> = rows.iter().map(|row| row.tied_with_best).collect();
    assert_eq!(tied, [Some(true), Some(true), Some(false)]);
    let [first, second, third] = [0, 1, 2].map(|row: usize| rows[row].interval.unwrap());
    assert!(third.1 > first.0 && second.1 > first.0, "by their intervals none of them could be told from the best");

    let versus = rows[1].versus_best.unwrap();
    // scipy.stats.binomtest(40, 100).pvalue
    assert!((versus.p - 0.056_887_933_640_98).abs() < 1e-12 && versus.method == "mcnemar", "{versus:?}");
    assert!((versus.difference + 0.02).abs() < 1e-12);
    // Newcombe 1998, method 10. One comparison by itself: among three, and by the exact test, it tells nothing.
    let (low, high) = versus.interval;
    assert!((low + 0.039_899_708).abs() < 1e-8 && (high + 0.000_295_151).abs() < 1e-8, "{versus:?}");
    assert!(rows[2].versus_best.unwrap().interval.1 < 0.0);

    let verdict = best.ranking.verdict.as_ref().unwrap();
    assert_eq!((verdict.compared, verdict.contenders), (3, 2));
    assert_eq!(verdict.basis, Basis::Images { images: 1_000, seeds: false });
    assert_eq!(labels(&best), ["=1", "=1", "3"]);
    let alone = frostline_view::best::best(&reader, Question::of("demo", 1)).unwrap();
    assert_eq!(labels(&alone), ["=1"], "however many rows are shown");
    // (1.960 + 0.842)² (0.1 - 0.02²) / 0.02², of the two best.
    let wanted = verdict.wanted.unwrap();
    assert!(wanted.images.is_some_and(|images| (1_954..=1_957).contains(&images)), "{wanted:?}");
    assert_eq!((wanted.seeds, wanted.both, wanted.seconds), (None, None, None));
    assert!(verdict.expected.unwrap() < 0.86);
    assert_eq!(
        remarks(&best.ranking)[..2],
        [
            "One other (=1) cannot be told from it image by image on 1000 images; how far another seed would move them is \
             not known.",
            "To tell it from the second would take about 1957 validation images.",
        ]
    );
}

#[test]
fn with_several_seeds_images_and_seeds_tell_apart() {
    // Of each configuration the seeds are wrong on other images, a few more or fewer of them.
    let right = |base: usize, seed: usize| -> Score {
        Score::Right(
            (0..2_000).map(|image| (image * 7 + seed * 13) % 100 < base + seed || image % 50 == seed).collect(),
        )
    };
    let scores: Vec<Option<Score>> =
        [60, 62, 80].iter().flat_map(|&base| (0..3).map(move |seed| Some(right(base, seed)))).collect();
    let (_folder, reader) = filled_with(TEXT, &scores);
    let best = ask(&reader, &[]);
    assert_eq!(rates(&best), [0.3, 0.2, 0.1]);
    let verdict = best.ranking.verdict.as_ref().unwrap();
    assert_eq!(verdict.basis, Basis::Images { images: 2_000, seeds: true });
    assert_eq!((verdict.compared, verdict.contenders), (3, 1));
    let rows = groups(&best);
    assert_eq!(rows[1].versus_best.unwrap().method, "images_and_seeds");
    // Student's t with two degrees of freedom: 4.3027 s / sqrt(3).
    let (low, high) = rows[0].interval.unwrap();
    let half = 4.302_652_7 * rows[0].deviation.unwrap() / 3f64.sqrt();
    assert!(((high - low) / 2.0 - half).abs() < 1e-6);
    // The two weaker ones alone lie close.
    let filter = Filter::parse("learning_rate!=0.3").unwrap();
    let close = ask(&reader, &[filter]);
    assert_eq!(close.ranking.verdict.as_ref().unwrap().contenders, 2);
    let wanted = close.ranking.verdict.unwrap().wanted.unwrap();
    assert_eq!(wanted.seconds, wanted.seeds.map(|seeds| (seeds - 3) as f64 * 8.0), "a trial took 4 s");
}

#[test]
fn a_loss_is_the_better_the_smaller_it_is() {
    let values = [0.9, 0.89, 0.88, 0.7, 0.71, 0.72, 0.5, 0.5, 0.5].map(Some);
    let (_folder, reader) = filled(values);
    let metric = metric::find("val_loss");
    let best = best(&reader, Question { metric, ..Question::of("demo", 10) }).unwrap();
    assert_eq!(rates(&best), [0.1, 0.2, 0.3]);
    let rows = groups(&best);
    assert!((rows[0].objective - 0.11).abs() < 1e-12);
    let versus = rows[1].versus_best.unwrap();
    assert!((versus.difference - 0.18).abs() < 1e-12 && versus.method == "seeds", "{versus:?}");
    assert!(0.0 < versus.interval.0 && versus.interval.0 < versus.interval.1, "{versus:?}");
    let verdict = best.ranking.verdict.as_ref().unwrap();
    assert_eq!((verdict.basis, verdict.contenders), (Basis::Seeds, 1));
}

#[test]
fn while_each_has_one_seed_the_validation_images_say_what_is_told_apart() {
    let (_folder, reader) = filled([Some(0.5), None, None, Some(0.9), None, None, Some(0.88), None, None]);
    let best = ask(&reader, &[]);
    assert_eq!(rates(&best), [0.2, 0.3, 0.1]);
    let verdict = best.ranking.verdict.as_ref().unwrap();
    assert_eq!((verdict.basis, verdict.contenders), (Basis::Unpaired { seeds: false }, 2));
    let first = &groups(&best)[0];
    assert_eq!((first.deviation, first.seeds, first.seeds_wanted), (None, 1, 3));
    assert_eq!(best.ranking.missing, Missing { trials: 6, configurations: 0, incomplete: 3 });
    let last = remarks(&best.ranking).pop().unwrap();
    assert_eq!(last, "6 trials have no result yet, so each of 3 configurations lacks seeds and may move.");
}

#[test]
fn what_has_no_result_yet_may_be_better() {
    let (_folder, reader) = filled([Some(0.5), Some(0.5), Some(0.5), None, None, None, None, None, None]);
    let best = ask(&reader, &[]);
    assert_eq!(best.ranking.missing, Missing { trials: 6, configurations: 2, incomplete: 0 });
    let last = remarks(&best.ranking).pop().unwrap();
    assert_eq!(last, "6 trials have no result yet, so 2 configurations have none yet and may be better.");
}

#[test]
fn what_is_not_a_number_is_ranked_and_not_compared() {
    let values = [0.9, 0.2, 0.1, 0.7, f64::NAN, 0.72, 0.5, 0.5, 0.5].map(Some);
    let (_folder, reader) = filled(values);
    let best = ask(&reader, &[]);
    assert_eq!(rates(&best), [0.3, 0.1, 0.2]);
    assert_eq!(groups(&best).iter().map(|row| row.tied_with_best.is_some()).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(best.ranking.verdict.as_ref().unwrap().compared, 2);
}

#[test]
fn the_first_places_of_a_large_sweep_are_those_of_all_of_it() {
    let rates: Vec<String> = (1..=2_001).map(|number| format!("{}", f64::from(number) * 1e-6)).collect();
    let text = TEXT.replace("[0.1, 0.2, 0.3]", &format!("[{}]", rates.join(", "))).replace("[0, 1, 2]", "[0]");
    let scores: Vec<Option<Score>> =
        (0..2_001u32).map(|number| Some(Score::Share(f64::from(number * 7919 % 2_001) / 2_001.0))).collect();
    let (_folder, reader) = filled_with(&text, &scores);
    let by_index = ask(&reader, &[]);
    let all = ask(&reader, &[Filter::parse("epochs=1").unwrap()]);
    assert_eq!((by_index.ranking.total, all.ranking.total), (2_001, 2_001));
    let plain =
        |best: &Best| -> Vec<_> { trials(best).iter().map(|row| (row.rank, row.trial, row.objective)).collect() };
    assert_eq!(plain(&by_index), plain(&all));
    assert_eq!(by_index.ranking.verdict.as_ref().unwrap().compared, 100);
    assert!(by_index.ranking.verdict.unwrap().expected.is_none(), "what was not read is not known");
}

#[test]
fn conditions_choose_the_trials_that_are_grouped() {
    let (_folder, reader) = filled([0.9, 0.2, 0.1, 0.7, 0.71, 0.72, 0.5, 0.5, 0.5].map(Some));
    let filter = |text| Filter::parse(text).unwrap();
    assert_eq!(rates(&ask(&reader, &[filter("learning_rate!=0.2")])), [0.3, 0.1]);
    let best = ask(&reader, &[filter("seed=0")]);
    assert_eq!(rates(&best), [0.1, 0.2, 0.3]);
    assert!(groups(&best).iter().all(|group| group.trials.len() == 1 && group.deviation.is_none()));
}

#[test]
fn conditions_on_what_was_measured_choose_rows_and_change_no_rank() {
    // Means 0.4, 0.71, 0.5 for the rates 0.1, 0.2, 0.3.
    let (_folder, reader) = filled([0.9, 0.2, 0.1, 0.7, 0.71, 0.72, 0.5, 0.5, 0.5].map(Some));
    let filter = |text| Filter::parse(text).unwrap();
    let all = ask(&reader, &[]);
    assert_eq!(rates(&all), [0.2, 0.3, 0.1]);
    let weak = ask(&reader, &[filter("val_accuracy<0.6")]);
    assert_eq!(rates(&weak), [0.3, 0.1]);
    assert_eq!(groups(&weak).iter().map(|row| (row.rank, row.seeds)).collect::<Vec<_>>(), [(2, 3), (3, 3)]);
    let first = |best: &Best| best.ranking.first.as_ref().map(|row| (row.rank, row.trial));
    assert_eq!((weak.ranking.total, first(&weak)), (2, first(&all)));
    assert_eq!(weak.ranking.verdict, all.ranking.verdict);
    // A single trial of the weakest configuration has 0.9, and its mean has not.
    assert_eq!(rates(&ask(&reader, &[filter("val_accuracy>0.45")])), [0.2, 0.3]);
    let filters = [filter("val_accuracy>0.8")];
    let single = Question { filters: &filters, trials: true, ..Question::of("demo", 10) };
    let single: Vec<f64> = trials(&best(&reader, single).unwrap()).iter().map(|row| row.objective).collect();
    assert_eq!(single, [0.9]);
    assert!(ask(&reader, &[filter("val_accuracy>0.95")]).ranking.rows.is_empty());
    let table = Table::read(&reader, "demo").unwrap();
    let refused = effects(&table, &[filter("test_loss<1")]).unwrap_err();
    assert!(refused.to_string().contains("`test_loss` would be effects of the choice"), "{refused}");
}

#[test]
fn on_how_many_kinds_of_processor_a_sweep_was_computed_is_asked_of_what_is_complete() {
    let (folder, mut writer, trials) = launched(TEXT);
    let on = |attempt: u64, device: &str, processor: Option<&str>| {
        let mut records = lived(attempt, &trials[attempt as usize - 1], Score::Share(0.5).into());
        let Record::Started { build, .. } = &mut records[0] else { panic!() };
        (build.device, build.processor) = (device.to_owned(), processor.map(str::to_owned));
        records
    };
    let kinds = |of: &[&str]| -> BTreeSet<Kind> { of.iter().map(|it| Kind::Processor((*it).to_owned())).collect() };
    let known = || {
        let reader = Reader::open(folder.path()).unwrap();
        let (best, each) = (ask(&reader, &[]).kinds, of_each(&reader, ["demo"].into_iter()).unwrap().remove(0).1);
        assert_eq!(best, each);
        best
    };
    assert_eq!(known(), kinds(&[]));
    // Of an earlier version, which did not say it.
    writer.apply("demo", &on(1, "cpu", None)).unwrap();
    writer.apply("demo", &[on(2, "cpu", Some("A (AVX2)")), on(3, "cpu", Some("A (AVX2)"))].concat()).unwrap();
    assert_eq!(known(), kinds(&[]));
    // One that is not complete counts for nothing.
    writer.apply("demo", &on(4, "cpu", Some("B (AVX512)"))[..1]).unwrap();
    assert_eq!(known(), kinds(&["A (AVX2)"]));
    writer.apply("demo", &on(4, "cpu", Some("B (AVX512)"))[1..]).unwrap();
    assert_eq!(known(), kinds(&["A (AVX2)", "B (AVX512)"]));
}
