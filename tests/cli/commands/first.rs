//! The first minutes: a sweep to begin with, which sweep is meant, and how one command leads to the next.

use crate::place::{Place, Trial};
use serde_json::{Value, json};
use std::fs;

/// A place without `demo.toml`.
fn bare() -> Place {
    let place = Place::new();
    fs::remove_file(place.path("demo.toml")).unwrap();
    place
}

/// What a sweep that `init` has written says, by `plan`.
fn planned(place: &Place, file: &str) -> Value {
    place.json(&format!("plan {file} --json"))
}

#[test]
fn init_writes_a_sweep_and_says_what_comes_next() {
    let place = bare();
    says!(place, "init", @r"
    exit code 0
    --- output
    my-sweep.toml: 6 trials of efficientnet_lite0
      data     drawn by the program; --data FOLDER takes pictures of your own
      weights  efficientnet_lite0.imagenet1k (`launch` downloads 18.8 MB)
    Change in it what you like; then
      frostline plan my-sweep.toml      says what would run, and for how long
      frostline launch my-sweep.toml    runs it; Ctrl-C is safe
    ");
    let text = place.read("my-sweep.toml");
    let said = place.succeed("init second").stdout;
    assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
    assert!(text.starts_with("#:schema ./sweep.schema.json\n"), "{text}");
    assert_eq!(place.read("sweep.schema.json"), place.succeed("schema").stdout);
    let plan = planned(&place, "my-sweep.toml");
    assert_eq!((&plan["sweep"], &plan["trial_count"]), (&json!("my-sweep"), &json!(6)));
    says!(place, "init", @r"
    exit code 2
    --- error
    error: `my-sweep.toml` is there already, and is not overwritten: `frostline plan my-sweep.toml` says what it would run, and another name makes another (frostline init NAME)
    ");
    assert_eq!(place.read("my-sweep.toml"), text);
}

#[test]
fn init_takes_the_data_and_the_weights_that_are_there() {
    let place = bare();
    for (split, count) in [("train", 3), ("test", 2)] {
        for class in ["cat", "dog"] {
            (0..count).for_each(|n| place.write(&format!("pets/{split}/{class}/{n}.png"), ""));
        }
    }
    says!(place, "init --data pets --weights random", @r"
    exit code 0
    --- output
    pets.toml: 6 trials of efficientnet_lite0
      data     10 pictures of 2 classes in pets: 6 to train on, 4 to test
      weights  random (not pretrained)
    Change in it what you like; then
      frostline plan pets.toml      says what would run, and for how long
      frostline launch pets.toml    runs it; Ctrl-C is safe
    ");
    says!(place, "init deep.toml --data pets/train --backbone efficientnet_v2_s", @r"
    exit code 0
    --- output
    deep.toml: 6 trials of efficientnet_v2_s
      data     6 pictures of 2 classes in pets/train
      weights  efficientnet_v2_s.imagenet1k (`launch` downloads them)
    Change in it what you like; then
      frostline plan deep.toml      says what would run, and for how long
      frostline launch deep.toml    runs it; Ctrl-C is safe
    ");
    for file in (1..=5).map(|n| format!("data_batch_{n}")).chain(["test_batch".to_owned()]) {
        place.write(&format!("images/cifar-10-batches-bin/{file}.bin"), "");
    }
    place.write("cache/weights/efficientnetv2-s_notop.h5", "");
    says!(place, "init small --data images", @r"
    exit code 0
    --- output
    small.toml: 6 trials of efficientnet_v2_s
      data     CIFAR-10 in images/cifar-10-batches-bin
      weights  efficientnet_v2_s.keras-imagenet1k (here already)
    Change in it what you like; then
      frostline plan small.toml      says what would run, and for how long
      frostline launch small.toml    runs it; Ctrl-C is safe
    ");
    // Where CIFAR-10 was fetched, it is taken.
    fs::create_dir_all(place.path("cache/data/cifar-10-batches-bin")).unwrap();
    assert!(place.succeed("init again").stdout.contains("\n  data     CIFAR-10\n"));
}

#[test]
fn init_refuses_what_would_not_run() {
    let place = bare();
    place.write("loose/1.png", "");
    says!(place, "init --data loose", @r"
    exit code 2
    --- error
    error: --data loose: loose has no folders of classes: put the pictures of each class into a folder called as the class is, or write a table `labels.csv` with the columns file and label
    ");
    says!(place, "init --data nowhere", @r"
    exit code 2
    --- error
    error: --data nowhere: there is no such folder; name one with a folder of pictures for each class, one with Parquet files, one with CIFAR-10's binary files, `cifar10` (which `frostline fetch cifar10` gets) or `shapes` (which needs no file)
    ");
    says!(place, "init .hidden", @r#"
    exit code 2
    --- error
    error: .hidden.toml:8:8: `name` must be up to 100 letters, digits, `.`, `_` and `-`, beginning with a letter, a digit or `_`, not ".hidden"
      |
    8 | name = ".hidden"
      |        ^^^^^^^^^
    "#);
    says!(place, "init nowhere/mine", @r"
    exit code 2
    --- error
    error: `nowhere/mine.toml` cannot be made: there is no folder `nowhere`
    ");
    says!(place, "init --backbone resnet50", @r"
    exit code 2
    --- error
    error: there is no network `resnet50`; use one of efficientnet_v2_s, efficientnet_v2_m, efficientnet_v2_l, efficientnet_v2_b0, efficientnet_v2_b1, efficientnet_v2_b2, efficientnet_v2_b3, efficientnet_b0, efficientnet_b1, efficientnet_b2, efficientnet_b3, efficientnet_b4, efficientnet_b5, efficientnet_b6, efficientnet_b7, efficientnet_lite0, efficientnet_lite1, efficientnet_lite2, efficientnet_lite3, efficientnet_lite4
    ");
    says!(place, "init --weights mine.pth", @r#"
    exit code 2
    --- error
    error: model.weights: mine.pth is not there, and the catalogue has no `mine.pth`; `frostline fetch` lists what it has, and "random" is allowed too
    "#);
    says!(place, "init --backbone efficientnet_lite0 --weights efficientnet_v2_s.imagenet1k", @r#"
    exit code 2
    --- error
    error: model.weights = "efficientnet_v2_s.imagenet1k" are weights of efficientnet_v2_s, and model.backbone is "efficientnet_lite0": change one of them
    "#);
    assert!(fs::read_dir(place.path("")).unwrap().flatten().all(|entry| entry.path().extension().is_none()));
}

#[test]
fn alone_it_shows_the_commands_of_a_day_and_the_sweeps() {
    let place = Place::new();
    says!(place, "", @r"
    exit code 0
    --- output
    Frostline finds how deep to freeze a pretrained network, and which head and
    optimizer to put on it.

      frostline init     write a first sweep; --data FOLDER for your own pictures
      frostline plan     what a sweep would run, and for how long
      frostline launch   run it; Ctrl-C is safe, and `frostline resume` goes on
      frostline best     rank what has finished

    `results` has no sweep yet.
    `frostline help` lists all commands, `frostline help launch` explains one.
    ");
    place.succeed("launch demo.toml");
    place.succeed("launch --set sweep.name=half --set train.epochs=3 --set grid.learning_rate=[1e-3] demo.toml");
    place.succeed("retry half --state failed");
    let said = place.succeed("").stdout;
    let rows: Vec<&str> = said.lines().filter(|line| line.contains(" ago")).collect();
    assert!(rows.len() == 2 && rows[0].starts_with("  half   2 of 2 trials "), "the latest first: {said}");
    assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
}

#[test]
fn help_explains_commands_and_keys() {
    let place = Place::new();
    assert_eq!(place.succeed("help").stdout, place.succeed("--help").stdout);
    assert_eq!(place.succeed("help best").stdout, place.succeed("best --help").stdout);
    assert_eq!(place.succeed("help weights inspect").stdout, place.succeed("weights inspect --help").stdout);
    says!(place, "help frozen_layers", @r#"
    exit code 0
    --- output
    frozen_layers, in [train], or in [grid] with a list of values
      How many of the backbone's first layers stay as they are, counted as Keras
      counts model.layers without the classifier. A whole number is a count; a
      number with a point is a share of all layers, rounded down (1 is one layer,
      1.0 is all of them); a block's name freezes it and all before it (frostline
      layers NETWORK --blocks).
      value    a count (256), a share from 0.0 to 1.0 (0.5), a block ("block5b") or
               "all"
      default  required
      example  frozen_layers = 0.75
    "#);
    let keys = place.succeed("help keys").stdout;
    assert!(keys.contains("[workers]") && keys.contains("learning_rate"), "{keys}");
    assert!(keys.lines().all(|line| line.chars().count() <= 80), "{keys}");
    says!(place, "help run", @r"
    exit code 2
    --- error
    error: there is no command `run`: `frostline launch FILE` runs a sweep
    ");
}

#[test]
fn usage_names_no_option_that_nobody_gave() {
    let mut place = Place::new();
    place.set("FROSTLINE_RESULTS", "elsewhere");
    says!(place, "best demo --wehre seed=1", @r"
    exit code 2
    --- error
    error: unexpected argument '--wehre' found

      tip: a similar argument exists: '--where'

    Usage: frostline best --where <CONDITION> <SWEEP>

    For more information, try '--help'.
    ");
}

#[test]
fn a_sweep_is_named_by_its_name_its_file_or_not_at_all() {
    let place = Place::new();
    place.succeed("launch");
    let best = place.json("best demo --json");
    for arguments in ["best demo.toml --json", "best --json"] {
        assert_eq!(place.json(arguments), best, "{arguments}");
    }
    assert_eq!(place.json("status demo.toml --json"), place.json("status --json"));
    place.succeed("resume demo.toml");
    place.succeed("retry");
    place.succeed("verify demo.toml");
    place.succeed("export demo.toml --format csv -o tables");
    assert_eq!(place.json("plan demo --json"), place.json("plan --json"));
    place.succeed("launch demo --set sweep.name=other");
    let latest = place.succeed("best --json");
    assert_eq!(latest.stderr, "`other`, the latest of 2 sweeps in `results`\n");
    assert_eq!(latest.stdout, place.succeed("best other --json").stdout);
    says!(place, "resume", @r"
    exit code 2
    --- error
    error: `results` has 2 sweeps (`other`, `demo`): say which one, such as  frostline resume other
    ");
    says!(place, "cancel", @r"
    exit code 2
    --- error
    error: `results` has 2 sweeps (`other`, `demo`): say which one, such as  frostline cancel other
    ");
    says!(place, "best --results nowhere", @r"
    exit code 2
    --- error
    error: there are no results in `nowhere`: launch a sweep first, or name another folder with --results
    ");
}

#[test]
fn a_file_whose_sweep_was_not_launched_says_so() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    place.write("other.toml", place.read("demo.toml").replace("\"demo\"", "\"other\""));
    place.write("broken.toml", "[sweep]\n");
    says!(place, "best other.toml", @r"
    exit code 2
    --- error
    error: sweep `other` of other.toml was not launched into `results` yet:  frostline launch other.toml
    ");
    says!(place, "best broken.toml", @r"
    exit code 2
    --- error
    error: broken.toml names no sweep: `frostline plan broken.toml` says what is wrong with it
    ");
    says!(place, "best missing.toml", @r"
    exit code 2
    --- error
    error: the sweep definition missing.toml cannot be read: No such file or directory (os error 2)
    ");
    says!(place, "plan", @r"
    exit code 2
    --- error
    error: there are 2 sweep definitions here (demo.toml, other.toml): say which one, such as  frostline plan demo.toml
    ");
    says!(place, "launch mine", @r"
    exit code 2
    --- error
    error: the sweep definition mine cannot be read: no such file; here is demo.toml, other.toml
    ");
    says!(place, "plan dmo.toml", @r"
    exit code 2
    --- error
    error: the sweep definition dmo.toml cannot be read: no such file; did you mean  frostline plan demo.toml
    ");
    fs::rename(place.path("demo.toml"), place.path("demo.bak")).unwrap();
    says!(place, "launch demo", @r"
    exit code 2
    --- error
    error: demo.toml of `demo` is not there any more: `frostline resume demo` continues by what the database holds of it
    ");
    let place = bare();
    says!(place, "plan", @r"
    exit code 2
    --- error
    error: there is no sweep definition here: `frostline init` writes one, `frostline plan FILE` takes another
    ");
    says!(place, "plan mine", @r"
    exit code 2
    --- error
    error: the sweep definition mine cannot be read: no such file; `frostline init` writes one
    ");
}

#[test]
fn words_of_other_programs_lead_to_the_right_one() {
    let place = Place::new();
    says!(place, "run demo.toml", @r"
    exit code 2
    --- error
    error: there is no command `run`: `frostline launch FILE` runs a sweep
    ");
    says!(place, "ls", @r"
    exit code 2
    --- error
    error: there is no command `ls`: `frostline list` shows the sweeps
    ");
    says!(place, "progress", @r"
    exit code 2
    --- error
    error: there is no command `progress`: `frostline status` says how far a sweep is
    ");
    says!(place, "plot", @r"
    exit code 2
    --- error
    error: there is no command `plot`: `frostline report` writes a sweep as a file to look at, and `frostline serve` shows all of them in a browser
    ");
    says!(place, "imagenet", @r"
    exit code 2
    --- error
    error: there is no command `imagenet`: `frostline fetch` lists the pretrained weights that there are
    ");
    says!(place, "launch demo.toml --lr 0.1", @r"
    exit code 2
    --- error
    error: there is no option `--lr`: a sweep's file says it as `learning_rate` in [train], and `plan` and `launch` take another value with  --set train.learning_rate=3e-4
    ");
    says!(place, "best demo --top 5", @r"
    exit code 2
    --- error
    error: there is no option `--top` here: `-n 5` says how many rows to show (best)
    ");
    says!(place, "plan demo.toml --set grid.lr=[0.1]", @r"
    exit code 2
    --- error
    error: --set grid.lr=[0.1]: unknown key `lr` in [grid], did you mean `learning_rate`?
    ");
    says!(place, "plan demo.toml --set train.dropout=0.5", @r"
    exit code 2
    --- error
    error: --set train.dropout=0.5: unknown key `dropout` in [train], did you mean `head_dropout`?
    ");
    says!(place, "plan demo.toml --set train.seed=1", @r"
    exit code 2
    --- error
    error: --set train.seed=1: unknown key `seed` in [train]: it is `seeds` in [sweep]
    ");
    says!(place, "plan demo.toml --set model.weights=imagenet1k", @r#"
    exit code 2
    --- error
    error: model.weights: [PLACE]/imagenet1k is not there, and the catalogue has no `imagenet1k`, did you mean `efficientnet_lite0.imagenet1k`; `frostline fetch` lists what it has, and "random" is allowed too
    "#);
    says!(place, "plan demo.toml --set data.dataset=imagefolder", @r#"
    exit code 2
    --- error
    error: --set data.dataset=imagefolder: `dataset` must be "cifar10", "cifar100", "cifar100_coarse", "folder", "parquet" or "shapes", not "imagefolder", did you mean `folder`?
    "#);
    says!(place, "plan demo.toml --set model.backbone=efficientnetb0", @r#"
    exit code 2
    --- error
    error: --set model.backbone=efficientnetb0: `backbone` must be "efficientnet_v2_s", _m, _l or _b0 to _b3, "efficientnet_b0" to _b7, or "efficientnet_lite0" to _lite4, not "efficientnetb0", did you mean `efficientnet_b0`?
    "#);
}

#[test]
fn a_sweep_is_removed_with_the_trials_that_no_other_has() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    place.succeed("launch demo.toml --set sweep.name=wide --set grid.learning_rate=[1e-3,1e-2,1e-1]");
    let (shared, all) = (place.trials("demo"), place.trials("wide"));
    says!(place, "rm wide", @r"
    exit code 2
    --- error
    error: what is removed cannot be had back, and nobody is here to be asked: say so with --yes
    ");
    let attempts = |trial: &Trial| place.json(&format!("show {} --json", trial.id))["attempts"].clone();
    let before: Vec<Value> = shared.iter().map(attempts).collect();
    says!(place, "rm wide --yes", @r"
    exit code 0
    --- error
    Removed `wide` with 2 trials; 4 stay, since other sweeps have them
    ");
    assert_eq!(place.json("list --json").as_array().unwrap().len(), 1);
    assert_eq!(place.trials("demo"), shared);
    assert_eq!(shared.iter().map(attempts).collect::<Vec<_>>(), before);
    for gone in all.iter().filter(|trial| shared.iter().all(|other| other.id != trial.id)) {
        assert_eq!(place.run(&format!("show {}", gone.id)).code, Some(2));
    }
    assert_eq!(place.json("verify --json")["sound"], true);
    // Numbers of attempts are not used again, though the largest went.
    let number = |sweep: &str| {
        let numbers = place.trials(sweep).iter().map(attempts).map(|it| it[0]["attempt"].as_u64().unwrap()).max();
        numbers.unwrap()
    };
    let largest = number("demo");
    place.succeed("launch demo.toml --set sweep.name=wide --set grid.learning_rate=[1e-3,1e-2,1e-1]");
    assert!(number("wide") > largest + 4, "{} after {largest}", number("wide"));
    says!(place, "rm gone -y", @r"
    exit code 2
    --- error
    error: there is no sweep `gone` in `results`, which has `wide`, `demo`; `frostline list` says more of them, and --results names another folder
    ");
}

#[test]
fn a_sweep_that_runs_is_not_removed() {
    let place = Place::new();
    place.hold();
    let running = place.start("launch demo.toml");
    place.wait_for_epochs("demo", 2);
    says!(place, "rm demo --yes", @r"
    exit code 1
    --- error
    error: `results` is in use by process [ID]: wait until it ends, stop it, or name another folder with --results
    ");
    place.release();
    assert_eq!(running.wait().code, Some(0));
}

#[test]
fn a_sweep_tells_programs_what_happens() {
    let place = Place::new();
    let said = place.succeed("launch demo.toml --json").stdout;
    let events: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
    assert_eq!((count("sweep"), count("started"), count("epoch"), count("complete")), (1, 4, 8, 4), "{said}");
    assert_eq!((&events[0]["event"], &events[0]["trials"]["waiting"]), (&json!("sweep"), &json!(4)));
    let last = events.last().unwrap();
    assert_eq!((&last["event"], &last["trials"]["complete"]), (&json!("finished"), &json!(4)));
    let best = place.json("best demo --json");
    let of_best =
        events.iter().find(|event| event["event"] == "complete" && event["trial"] == best[0]["trial"]).unwrap();
    assert_eq!(of_best["objective"], best[0]["objective"]);
    let again = place.succeed("resume demo --json").stdout;
    assert_eq!(again.lines().count(), 2, "{again}");
}

#[test]
fn layers_say_what_to_write_for_each_block() {
    let place = Place::new();
    let text = place.succeed("layers efficientnet_lite0 --size 64 --blocks").stdout;
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("  block6c            130   2 x 2 x 192 "), "{text}");
    let blocks = place.json("layers efficientnet_lite0 --blocks --json");
    assert_eq!(blocks.as_array().unwrap().len(), 18);
    for block in blocks.as_array().unwrap() {
        // What the table says to write means the same, written either way.
        let plan = |depth: &Value| {
            place.json(&format!("plan demo.toml --json --set grid.frozen_layers=[{depth}]"))["trials"].clone()
        };
        assert_eq!(plan(&block["block_end"]), plan(&block["frozen_layers"]));
    }
}

#[test]
fn a_plan_knows_what_is_finished() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    let whole = place.json("plan demo.toml --json --results other");
    place.edit("[1e-3, 1e-2]", "[1e-3, 1e-2, 1e-1]");
    says!(place, "plan demo.toml", @r"
    exit code 0
    --- output
    `demo`: 6 trials x 2 epochs (12 in all), ranked by val_accuracy
    2 to run (4 epochs), 4 done
    efficientnet_lite0, 151 layers, 3.41 M parameters, weights random
    the same for all: head_units 8, epochs 2, batch_size 20

      trial     frozen_layers  learning_rate  starts from    state
      b933d29b              0          0.001  -              complete
      d5a6349e              0           0.01  -              complete
      c480f4a0              0            0.1  images         new
      b2fc4d73      151 (all)          0.001  -              complete
      dfa706ea      151 (all)           0.01  -              complete
      593410e0      151 (all)            0.1  output of top  new

    Frozen layers are computed once for all the trials that share them:

      through  trials  share  size (max)   time  saves
      top           1  100 %      410 kB  [TIME]  [TIME]  computed once

    time: about [TIME] with 2 workers of 1 thread on cpu; [TIME] without the cache
      (estimated)
    disk: at most 283 MB (features 410 kB, checkpoints 246 MB, models 27.4 MB,
      database 8.4 MB)
    ");
    let rest = place.json("plan demo.toml --json");
    assert_eq!(
        (&rest["to_run"], &rest["epochs_to_run"], &rest["done"]),
        (&json!(2), &json!(4), &json!({"complete": 4}))
    );
    assert!(rest["expected_seconds"].as_f64() < whole["expected_seconds"].as_f64(), "{rest}");
    place.edit("[1e-3, 1e-2, 1e-1]", "[1e-3, 1e-2]");
    says!(place, "plan demo.toml", @r"
    exit code 0
    --- output
    `demo`: 4 trials x 2 epochs (8 in all), ranked by val_accuracy
    nothing to run, 4 done
    efficientnet_lite0, 151 layers, 3.41 M parameters, weights random
    the same for all: head_units 8, epochs 2, batch_size 20

      trial     frozen_layers  learning_rate  starts from  state
      b933d29b              0          0.001            -  complete
      d5a6349e              0           0.01            -  complete
      b2fc4d73      151 (all)          0.001            -  complete
      dfa706ea      151 (all)           0.01            -  complete
    ");
    // Whichever sweep has finished it.
    assert_eq!(place.json("plan demo.toml --json --set sweep.name=other")["to_run"], 0);
}

#[test]
fn a_plan_refuses_what_a_launch_refuses() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    let refused = |arguments: &str| {
        let (plan, launch) = (place.run(&format!("plan {arguments}")), place.run(&format!("launch {arguments}")));
        assert_eq!(plan.code, launch.code, "{plan}\n{launch}");
        let words = launch.stderr.trim_start_matches("error: ").lines().next().unwrap().to_owned();
        assert!(plan.stderr.contains(&words), "{plan}\n{launch}");
        assert!(plan.stdout.starts_with("`demo`: "), "what would run is still shown: {plan}");
        plan.code
    };
    assert_eq!(refused("demo.toml --set train.epochs=3"), Some(2));
    assert_eq!(refused("demo.toml --set workers.device=cuda"), Some(2));
    let plan = place.run("plan demo.toml --json --set train.epochs=3");
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    assert!(plan["refused"].as_str().unwrap().contains("epochs: 2 is now 3"), "{plan}");
}

#[test]
fn a_plan_notes_what_is_probably_not_meant() {
    let place = Place::new();
    let plan =
        place.succeed("plan demo.toml --set grid.frozen_layers=[1,0.9,block6c] --set grid.learning_rate=[10]").stdout;
    let notes: Vec<&str> = plan.lines().filter(|line| line.starts_with("note: ")).collect();
    assert_eq!(notes.len(), 3, "{plan}");
    for depth in ["1 (in stem)", "135 (0.9, in block6d)", "130 (block6c)"] {
        assert!(plan.contains(depth), "{plan}");
    }
    place.succeed("launch demo.toml --set grid.frozen_layers=[0.9,block6c,all]");
    let status = place.succeed("status demo").stdout;
    assert!(status.contains("135 (0.9, in block6d)") && status.contains("151 (all)"), "{status}");
    assert_eq!(place.json("status demo --json")["trials"][2]["parameters"]["frozen_layers"], 130);
    let trial = place.trials("demo")[0].id.clone();
    assert!(place.succeed(&format!("show {trial}")).stdout.contains("  frozen_layers    135 (in block6d)\n"));
}

#[test]
fn what_was_cancelled_can_be_had_back_and_is_listed() {
    let place = Place::new();
    place.hold();
    let running = place.start("launch demo.toml");
    place.wait_for_epochs("demo", 2);
    let waiting = place.trials("demo").into_iter().find(|trial| trial.state == "waiting").unwrap();
    place.succeed(&format!("cancel {}", waiting.id));
    place.release();
    let said = running.wait();
    let hint = "1 trial is cancelled and stays so: `frostline retry demo --state cancelled` wants them again";
    assert!(said.stderr.contains(hint), "{said}");
    assert!(place.succeed("list").stdout.lines().next().unwrap().contains("  cancelled  "));
    says!(place, "retry demo", @r"
    exit code 0
    --- error
    `demo` has no failed trial: nothing will be tried again; 1 cancelled: `frostline retry demo --state cancelled`
    ");
    let again = place.succeed(&format!("cancel {}", waiting.id)).stderr;
    assert!(
        again.starts_with("Nothing to cancel: trial ") && again.contains(" has ended or was cancelled"),
        "{again}"
    );
}

#[test]
fn what_is_wrong_is_said_once_and_without_noise() {
    let place = Place::new();
    let features = "features --backbone efficientnet_lite0 --weights random --size 32";
    let said = place.run(&format!("{features} --data shapes -o f.csv"));
    assert_eq!((said.code, said.stderr.matches("its name must end in").count()), (Some(2), 1), "{said}");
    let said = place.run(&format!("{features} --data nowhere -o f.npy"));
    assert_eq!((said.code, said.stderr.matches("No such file").count()), (Some(2), 1), "{said}");
    let said = place.run("best demo --zebra").stderr;
    assert!(said.contains("--zebra") && !said.contains("to pass"), "{said}");
    // An example is there to be pasted.
    let help = place.succeed("features --help").stdout;
    assert!(help.contains("--weights random \\\n    --data shapes --limit 8"), "{help}");
}

#[test]
fn attempts_are_counted_by_trial() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    for trial in place.trials("demo") {
        let said = place.succeed(&format!("show {}", trial.id)).stdout;
        assert!(said.contains("\n  attempt 1: complete, 2 epochs, worker "), "{said}");
        assert!(!said.contains(" -\n"), "what has no meaning is left out: {said}");
    }
}
