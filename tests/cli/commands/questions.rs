//! What is asked about sweeps: plans, rankings, lists, proofs, copies.

use crate::place::Place;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;

/// Two short trials that share the features of a frozen network.
fn trained() -> Place {
    let place = Place::that_trains();
    place.edit("[0, \"all\"]", "[\"all\"]");
    place.edit("epochs = 2", "epochs = 1");
    place
}

/// Wilson's score interval at 95 %, by its formula.
fn wilson(accuracy: f64, images: f64) -> [f64; 2] {
    let z = 1.959964;
    let middle = accuracy + z * z / (2.0 * images);
    let reach = z * (accuracy * (1.0 - accuracy) / images + z * z / (4.0 * images * images)).sqrt();
    [-1.0, 1.0].map(|sign| (middle + sign * reach) / (1.0 + z * z / images))
}

#[test]
fn a_plan_shows_what_is_excluded_and_what_is_too_much_to_show() {
    let place = Place::new();
    place.edit("[train]", "[[exclude]]\nfrozen_layers = \"all\"\nlearning_rate = 1e-2\n\n[train]");
    let plan = place.succeed("plan demo.toml").stdout;
    assert!(
        plan.starts_with("`demo`: 3 trials x 2 epochs (6 in all), 1 cell excluded, ranked by val_accuracy"),
        "{plan}"
    );
    assert_eq!(place.json("plan demo.toml --json")["excluded"], 1);
    let place = Place::new();
    let rates: Vec<String> = (1..=21).map(|rate| format!("{rate}e-4")).collect();
    let arguments = format!("plan demo.toml --set grid.learning_rate=[{}]", rates.join(","));
    let plan = place.succeed(&arguments).stdout;
    assert!(plan.contains("\n  … and 2 more\n"), "{plan}");
    assert_eq!(place.json(&format!("{arguments} --json"))["trials"].as_array().unwrap().len(), 42);
}

#[test]
fn a_plan_says_which_features_are_kept() {
    let place = trained();
    let decision = |arguments: &str| {
        let plan = place.succeed(&format!("plan demo.toml {arguments}")).stdout;
        let line = plan.lines().find(|line| line.trim_start().starts_with("top ")).unwrap().to_owned();
        line.rsplit("  ").next().unwrap().to_owned()
    };
    assert_eq!(decision(""), "computed once");
    assert_eq!(decision("--set cache.max_bytes=1kB"), "not cached: no room in cache.max_bytes or on the disk");
    // One trial of one epoch makes each feature once, kept or not.
    assert_eq!(decision("--set grid.learning_rate=[1e-3]"), "not cached: costs more than it saves");
    place.succeed("launch demo.toml");
    // For what is left to run.
    assert_eq!(decision("--set sweep.seeds=[0,1]"), "cached already");
}

#[test]
fn what_computing_takes_is_measured_once_and_again_where_asked() {
    let mut place = trained();
    place.set("FROSTLINE_LOAD", "0");
    place.edit("[\"all\"]", "[0]");
    let measured = |arguments: &str| {
        let plan = place.json(&format!("plan demo.toml --json --set train.epochs=100000 {arguments}"));
        assert_eq!(plan["measured"], true, "{plan}");
        plan["measured_at"].as_f64().unwrap()
    };
    let first = measured("");
    let again = place.json("plan demo.toml --json --remeasure --set train.epochs=100000");
    assert!(again["measured_at"].as_f64().unwrap() > first, "{again}");
    let text = place.run("plan demo.toml --set train.epochs=100000").stdout;
    assert!(text.contains("measured on this machine"), "{text}");
    // Nothing is measured for what is over soon.
    let mut elsewhere = trained();
    elsewhere.set("FROSTLINE_LOAD", "0");
    assert_eq!(elsewhere.json("plan demo.toml --json")["measured"], false);
}

#[test]
fn effects_are_asked_of_all_trials_or_of_some() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    let text = place.succeed("effects demo").stdout;
    assert!(text.starts_with("Mean val_accuracy 0.") && text.contains("learning_rate"), "{text}");
    let axes = |arguments: &str| place.json(arguments)["axes"].as_array().unwrap().len();
    assert_eq!(axes("effects demo --json"), 2);
    assert_eq!(axes("effects demo --where frozen_layers=0 --json"), 1);
}

#[test]
fn rankings_have_intervals_that_count_the_images() {
    let place = trained();
    place.succeed("launch demo.toml");
    // A tenth of 60 images, rounded up in each of ten classes.
    for (sweep, settings, images) in [("demo", "", 10.0), ("by-test", "--set data.validation=test", 20.0)] {
        place.succeed(&format!("launch demo.toml --set sweep.name={sweep} {settings}"));
        let best = place.json(&format!("best {sweep} --json"));
        for row in best.as_array().unwrap() {
            let accuracy = row["objective"].as_f64().unwrap();
            assert!((accuracy * images).fract().abs() < 1e-6 || (accuracy * images).fract() > 1.0 - 1e-6, "{row}");
            for (side, expected) in wilson(accuracy, images).into_iter().enumerate() {
                let bound = row["interval"][side].as_f64().unwrap();
                assert!((bound - expected).abs() < 1e-4, "{sweep}: {bound}, not {expected}");
            }
            if settings.is_empty() {
                continue;
            }
            assert_eq!(row["metrics"]["val_accuracy"], row["metrics"]["test_accuracy"], "{row}");
        }
        let text = place.succeed(&format!("best {sweep}")).stdout;
        assert!(text.lines().next().unwrap().contains("val_accuracy  95 % interval  test_accuracy"), "{text}");
        let [low, high] = wilson(best[0]["objective"].as_f64().unwrap(), images);
        assert!(text.contains(&format!("{low:.2} to {high:.2}")), "{text}");
    }
    let text = place.succeed("best demo").stdout;
    assert!(text.contains("image by image on 10 images; how far another seed would move"), "{text}");
    let best = place.json("best demo --json");
    let rows = best.as_array().unwrap();
    assert!(rows.iter().all(|row| row["versus_best"]["method"] == "mcnemar"), "{best}");
    // What is right is recorded image by image, and gives the accuracy to the last digit.
    assert_eq!(place.json("verify --json")["sound"], true);
}

#[test]
fn rankings_go_by_any_metric_and_show_any_column() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    let rows = |question: &str| place.json(question).as_array().unwrap().clone();
    let by_loss = rows("best demo --metric val_loss --json");
    let losses: Vec<f64> = by_loss.iter().map(|row| row["metrics"]["val_loss"].as_f64().unwrap()).collect();
    assert!(losses.len() == 4 && losses.is_sorted(), "{losses:?}");
    let text = place.succeed("best demo --columns optimizer,val_loss,seconds -n 2").stdout;
    let header: Vec<&str> = text.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(header, ["rank", "trial", "val_accuracy", "optimizer", "val_loss", "time"], "{text}");

    let csv = place.succeed("best demo --csv").stdout;
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let best = rows("best demo --json");
    let column = |name: &str| header.iter().position(|it| *it == name).unwrap();
    for (line, row) in lines.zip(&best) {
        assert_eq!(line.len(), header.len());
        let accuracy: f64 = line[column("val_accuracy")].parse().unwrap();
        assert_eq!(Some(accuracy), row["metrics"]["val_accuracy"].as_f64());
        assert!(row["trial"].as_str().unwrap().starts_with(line[column("trial")]));
        assert_eq!(line[column("frozen_layers")], row["parameters"]["frozen_layers"].to_string());
    }
    assert_eq!(csv.lines().count(), 5);
}

#[test]
fn two_trials_are_set_side_by_side() {
    let place = trained();
    place.succeed("launch demo.toml");
    let ids: Vec<String> = place.json("best demo --json").as_array().unwrap().iter().map(id).collect();
    let [first, second] = [&ids[0], &ids[1]];
    let compared = place.json(&format!("compare {first} {second} --json"));
    let images = &compared["validation"];
    let sum: u64 =
        ["both_right", "only_first", "only_second", "both_wrong"].iter().map(|it| images[it].as_u64().unwrap()).sum();
    assert_eq!((sum, images["images"].as_u64()), (10, Some(10)), "{compared}");
    assert_eq!(compared["test"]["images"], 20);
    assert_eq!(compared["classes"].as_array().unwrap().len(), 10);
    let text = place.succeed(&format!("compare {first} {second}")).stdout;
    assert!(
        text.contains("Of 10 validation images both are right on") && text.contains("McNemar's exact test"),
        "{text}"
    );
    let itself = place.succeed(&format!("compare {first} {first}")).stdout;
    assert_eq!(
        itself,
        format!("Both are trial {}: the same content is one trial, whichever sweep asks for it.\n", &first[..8])
    );
}

fn id(row: &Value) -> String {
    row["trial"].as_str().unwrap().to_owned()
}

#[test]
fn a_look_at_a_sweep_is_printed_where_there_is_no_terminal() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    let text = place.succeed("watch demo").stdout;
    assert!(
        text.contains("4 of 4 done, complete") && text.contains("BEST SO FAR") && !text.contains("q quit"),
        "{text}"
    );
    assert!(text.contains("FROST LINE") && !text.contains('\u{1b}'), "{text}");
    assert_eq!(place.succeed("watch demo --every 1").stdout, text, "a sweep that is over needs one look");
    assert!(place.succeed("watch demo --ascii").stdout.is_ascii());
}

/// How many rows a ranking shows.
fn rows(text: &str) -> usize {
    let is_row = |line: &&str| line.trim_start().starts_with(|first: char| first.is_ascii_digit() || first == '=');
    text.lines().filter(is_row).count()
}

#[test]
fn rankings_are_cut_where_asked() {
    let place = Place::new();
    place.succeed("launch demo.toml --set sweep.seeds=[0,1]");
    let groups = place.succeed("best demo -n 2").stdout;
    assert!(groups.contains("\n  … and 2 more\n") && groups.contains("(2 seeds; ± is"), "{groups}");
    assert!(groups.contains("cannot be told from it by the spread over seeds"), "of all, not of the shown: {groups}");
    let trials = place.succeed("best demo --trials -n 3").stdout;
    assert!(trials.contains("\n  … and 5 more\n") && !trials.contains('±'), "{trials}");
    assert_eq!(rows(&trials), 3, "{trials}");
    let one = place.succeed("best demo --trials --where seed=1").stdout;
    assert_eq!(rows(&one), 4, "{one}");
    assert_eq!(place.json("best demo --trials --where seed=1 --json").as_array().unwrap().len(), 4);
}

#[test]
fn list_show_status_and_doctor_are_for_reading_too() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    let list = place.succeed("list").stdout;
    let words: Vec<&str> = list.lines().nth(1).unwrap().split_whitespace().take(4).collect();
    assert_eq!(words, ["demo", "val_accuracy", "4", "4"]);
    assert_eq!(place.json("list --json")[0]["name"], "demo");
    let status = place.succeed("status demo").stdout;
    assert!(status.starts_with("`demo`  4 trials: 4 complete\nlaunched from demo.toml on "), "{status}");
    assert_eq!(status.matches(" complete    2/2 ").count(), 4, "{status}");
    assert_eq!(place.json("status demo --json")["counts"]["complete"], 4);
    let trial = place.trials("demo")[0].id.clone();
    let show = place.succeed(&format!("show {trial}")).stdout;
    assert!(show.starts_with(&format!("{trial}  complete\n  sweeps           demo\n")), "{show}");
    for line in ["  data             shapes, 32 x 32 pixels\n", ", worker ", "  test accuracy "] {
        assert!(show.contains(line), "{line}: {show}");
    }
    let json = place.json(&format!("show {trial} --json"));
    let loss = json["epochs"][1]["train_loss"].as_f64().unwrap();
    assert!(show.contains(&format!("\n      2      {loss:.4}")), "{show}");
    let doctor = place.succeed("doctor").stdout;
    for line in
        ["ok  database   1 sweep\n", "ok  devices    cpu", "ok  libtorch   ", "`frostline fetch cifar10` gets one"]
    {
        assert!(doctor.contains(line), "{line}: {doctor}");
    }
    assert_eq!(place.json("doctor --json")["sweeps"], 1);
    assert!(place.succeed("--version").stdout.starts_with("frostline "));
}

#[test]
fn results_are_found_where_the_environment_says() {
    let mut place = Place::new();
    place.succeed("launch demo.toml --results other");
    let argument = place.json("list --json --results other");
    place.set("FROSTLINE_RESULTS", "other");
    assert_eq!(place.json("list --json"), argument);
    assert_eq!(argument[0]["trials"]["complete"], 4);
    assert!(!place.path("results").exists());
    // The argument wins.
    assert_eq!(place.run("list --results results").code, Some(2));
}

#[test]
fn the_log_is_shown_where_asked() {
    let place = Place::new();
    let said = |arguments: &str, name: &str| {
        place.succeed(&format!("{arguments} --set sweep.name={name} --set sweep.seeds=[{}]", name.len())).stderr
    };
    assert!(!said("launch demo.toml", "a").contains("worker connected"));
    let some = said("launch -v demo.toml", "bb");
    assert!(some.contains("worker connected") && !some.contains("DEBUG"), "{some}");
    assert!(said("launch -vv demo.toml", "ccc").contains("worker connected"));
}

#[test]
fn the_schema_knows_every_section() {
    let schema: Value = serde_json::from_str(&Place::new().succeed("schema").stdout).unwrap();
    for section in ["sweep", "data", "model", "grid", "train", "workers", "cache", "keep"] {
        assert!(schema["properties"][section].is_object(), "{section}");
    }
    assert!(Place::new().succeed("completions bash").stdout.contains("frostline"));
}

/// Proofs find what is damaged, in the sweep that it belongs to.
#[test]
fn a_trial_that_is_missing_from_a_sweep_is_found() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    place.succeed("launch demo.toml --set sweep.name=other");
    assert!(place.succeed("verify demo").stdout.starts_with("sound: 1 sweep, 4 trials, 4 attempts, 8 epochs"));
    let database = Connection::open(place.path("results/frostline.db")).unwrap();
    let sql = "DELETE FROM member WHERE sweep = (SELECT id FROM sweep WHERE name = 'demo')
               AND trial = (SELECT max(trial) FROM member)";
    assert_eq!(database.execute(sql, []).unwrap(), 1);
    drop(database);
    let verify = place.run("verify demo");
    assert_eq!(verify.code, Some(1), "{verify}");
    assert!(verify.stdout.contains("!!  sweep `demo`: it lacks 1 cell of its definition\n"), "{verify}");
    assert_eq!(place.run("verify").code, Some(1));
    assert_eq!(place.json("verify other --json")["sound"], true);
}

#[test]
fn a_damaged_feature_cache_is_found() {
    let place = trained();
    place.succeed("launch demo.toml");
    let verify = place.json("verify demo --json");
    assert_eq!((&verify["sound"], &verify["feature_caches"]), (&json!(true), &json!(1)));
    let folder = fs::read_dir(place.path("results/cache/features-v1")).unwrap().next().unwrap().unwrap().path();
    let file = folder.join("train.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(file, bytes).unwrap();
    let verify = place.run("verify");
    assert_eq!(verify.code, Some(1), "{verify}");
    assert!(
        verify.stdout.contains(": this feature cache is damaged; it is recreated when it is needed\n"),
        "{verify}"
    );
    assert!(verify.stdout.contains("\n1 finding in 1 sweep, 2 trials"), "{verify}");
}

#[test]
fn a_backup_of_a_running_sweep_is_whole() {
    let place = Place::new();
    place.hold();
    let running = place.start("launch demo.toml");
    let before = place.wait_for_epochs("demo", 2);
    fs::create_dir(place.path("copied")).unwrap();
    let copied = place.succeed("backup copied/frostline.db");
    place.release();
    assert_eq!(running.wait().code, Some(0), "{copied}");
    // The copy stands where the sweep stood, whatever became of it.
    let verify = place.json("verify demo --json --results copied");
    assert_eq!((&verify["sound"], &verify["trials"], &verify["epochs"]), (&json!(true), &json!(4), &json!(2)));
    let status = place.json("status demo --json --results copied");
    let states: Vec<&Value> = status["trials"].as_array().unwrap().iter().map(|trial| &trial["state"]).collect();
    assert_eq!(states, before.iter().map(|trial| json!(trial.state)).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    // And is a results folder to go on with.
    place.succeed("resume demo --results copied");
    assert_eq!(place.json("best demo --json --results copied").as_array().unwrap().len(), 4);
    assert_eq!(place.json("verify --json --results copied")["sound"], true);
}

#[test]
fn a_sweep_is_exported_in_every_format() {
    let place = Place::new();
    place.succeed("launch demo.toml --set sweep.seeds=[0,1]");
    let said = place.succeed("export demo --format csv -o tables").stdout;
    assert!(said.starts_with("tables: `demo` for csv, 8 trials, 16 epochs\n  epochs.csv "), "{said}");
    let csv = place.read("tables/trials.csv");
    let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    assert_eq!(header[..7], ["sweep", "trial", "group", "state", "rank", "group_rank", "objective"]);
    let best = place.json("best demo --trials --json");
    for row in csv.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let ranked = best.as_array().unwrap().iter().find(|it| it["trial"] == cells[1]).unwrap();
        assert_eq!((cells[4], cells[6]), (&*ranked["rank"].to_string(), &*ranked["objective"].to_string()));
    }
    // The folder is one earlier export: what it had goes.
    place.succeed("export demo --format json --output tables");
    assert_eq!(place.read("tables/epochs.jsonl").lines().count(), 16);
    assert!(!place.path("tables/trials.csv").exists());
    for (format, files) in [("parquet", 2), ("tensorboard", 9), ("optuna", 1)] {
        place.succeed(&format!("export demo --format {format} -o tables"));
        let manifest: Value = serde_json::from_str(&place.read("tables/export.json")).unwrap();
        assert_eq!((&manifest["kind"], manifest["files"].as_object().unwrap().len()), (&json!(format), files));
    }
    let database = Connection::open(place.path("tables/optuna.db")).unwrap();
    let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM trials WHERE study_id = 1 AND state = 'COMPLETE'"), 8);
    assert_eq!(count("SELECT count(*) FROM trial_intermediate_values"), 16);
}

#[test]
fn a_report_is_one_file_of_as_many_trials_as_wanted() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    let said = place.succeed("report demo").stdout;
    assert!(said.starts_with("report.html: `demo`, ") && said.ends_with("open it in a browser\n"), "{said}");
    place.succeed("report demo --trials 1 -o look.html");
    let trials = |file: &str| place.read(file).matches("<article class=\"trial\"").count();
    assert_eq!((trials("report.html"), trials("look.html")), (3, 1));
    // An earlier one is replaced.
    place.succeed("report demo --trials 0 -o look.html");
    assert_eq!(trials("look.html"), 0);
    // What is somebody's own is not.
    place.write("mine.html", "<p>mine");
    let refused = place.run("report demo -o mine.html");
    assert_eq!((refused.code, place.read("mine.html").as_str()), (Some(2), "<p>mine"), "{refused}");
    assert!(refused.stderr.contains("mine.html is there and is no report: name another file with -o"), "{refused}");
}
