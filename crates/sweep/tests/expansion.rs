//! From text to trials: order, exclusion, and identities that only what matters can change.

use frostline_sweep::definition::{Definition, name_in, toml_string};
use frostline_sweep::difference::{Change, changes};
use frostline_sweep::expand::{Sources, Trial};
use frostline_sweep::filter::Filter;
use frostline_sweep::parameters::named;
use frostline_sweep::trial::{TrialId, Validation};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const TEXT: &str = r#"
[sweep]
name = "demo"
seeds = [0, 1]
[data]
dataset = "shapes"
image_size = 64
[model]
backbone = "efficientnet_v2_s"
weights = "random"
[grid]
frozen_layers = [0.25, 384, "all"]
head_depth = [1, 2]
[[exclude]]
frozen_layers = "all"
head_depth = [2]
[train]
head_units = [32, 16]
head_dropout = [0.5]
"#;

fn parse(text: &str, overrides: &[(&str, &str)]) -> Definition {
    let overrides: Vec<_> = overrides.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Definition::parse("demo.toml", text, &overrides).unwrap_or_else(|errors| panic!("{errors}"))
}

fn trials(definition: &Definition) -> Vec<Trial> {
    definition.expand(&Sources::plain("d".to_owned()))
}

#[test]
fn cells_come_in_the_order_of_the_file_with_seeds_innermost() {
    let definition = parse(TEXT, &[]);
    let cells: Vec<_> = trials(&definition)
        .iter()
        .map(|trial| (trial.spec.parameters.frozen_layers, trial.spec.parameters.head_units.len(), trial.spec.seed))
        .collect();
    let expected: Vec<_> = [(128, 1), (128, 2), (384, 1), (384, 2), (513, 1)]
        .iter()
        .flat_map(|&(frozen, depth)| [(frozen, depth, 0), (frozen, depth, 1)])
        .collect();
    assert_eq!(cells, expected);
    assert_eq!(definition.excluded(), 1);
    assert_eq!(trials(&definition)[0].group, trials(&definition)[1].group);
}

#[test]
fn trials_are_counted_without_being_made() {
    let definition = parse(TEXT, &[("grid.epochs", "[3, 5]")]);
    let (sources, made) = (Sources::plain("d".to_owned()), trials(&definition));
    let all = definition.trials(&sources);
    // Five cells of the file in two lengths, two seeds each.
    assert_eq!((all.len(), all.is_empty(), all.epochs()), (20, false, 5 * 2 * (3 + 5)));
    assert!(all.specs().eq(made.iter().map(|trial| trial.spec.clone())));
    assert!(all.iter().eq(made));
}

/// What a definition says is what its trials say of themselves, whatever is left to a default.
#[test]
fn hyperparameters_are_read_back_as_they_were_written() {
    let of = |overrides: &[(&str, &str)]| {
        let mut object = trials(&parse(TEXT, overrides))[2].spec.named_object();
        let names = ["schedule", "warmup_epochs", "epochs", "weight_decay", "momentum", "head_units"];
        names.map(|name| object.remove(name).unwrap_or_default())
    };
    let null = Value::Null;
    assert_eq!(of(&[]), [json!("constant"), json!(0), json!(10), json!(0.0), null.clone(), json!([32, 16])]);
    // A warm-up as long as the training is one; Keras' AdamW decays by 0.004 where nobody says.
    let changed = [("schedule", "\"cosine\""), ("warmup_epochs", "4"), ("epochs", "4"), ("optimizer", "\"adamw\"")]
        .map(|(key, value)| (format!("train.{key}"), value));
    let changed: Vec<(&str, &str)> = changed.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    assert_eq!(of(&changed), [json!("cosine"), json!(4), json!(4), json!(0.004), null, json!([32, 16])]);
    let with = |decay, optimizer| of(&[("train.weight_decay", decay), ("train.optimizer", optimizer)]);
    assert_eq!(with("0.0", "\"adamw\"")[3], json!(0.0));
    assert_eq!(with("0.1", "\"sgd\"")[3..5], [json!(0.1), json!(0.9)]);
}

#[test]
fn words_on_the_command_line_need_no_quotes() {
    for (written, name) in [("2024", "2024"), ("\"two\"", "two"), ("'three'", "three"), ("true", "true")] {
        assert_eq!(parse(TEXT, &[("sweep.name", written)]).name, name);
    }
    for written in ["[adam, sgd]", "[\"adam\", \"sgd\"]", "[ 'adam', 'sgd' ]"] {
        assert_eq!(trials(&parse(TEXT, &[("grid.optimizer", written)])).len(), 20, "{written}");
    }
    let refused = |key: &str| {
        let overrides = [(key.to_owned(), "1".to_owned())];
        Definition::parse("demo.toml", &format!("cluster = 7\n{TEXT}"), &overrides).unwrap_err().to_string()
    };
    assert!(refused("cluster.size").contains("`cluster` is not a section"), "{}", refused("cluster.size"));
    assert!(
        refused("model.weights.x").contains("is one for all here: set model.weights"),
        "{}",
        refused("model.weights.x")
    );
}

#[test]
fn all_dense_layers_are_there_where_no_depth_is_given() {
    let definition =
        parse(&TEXT.replace("head_depth = [1, 2]\n[[exclude]]\nfrozen_layers = \"all\"\nhead_depth = [2]", ""), &[]);
    assert_eq!(trials(&definition)[0].spec.parameters.head_units, [32, 16]);
}

#[test]
fn a_sweep_of_several_networks_says_whose_block_is_cut() {
    let remarks = |text: &str| parse(text, &[]).remarks().join("\n");
    assert!(
        !remarks(TEXT).is_empty() && !remarks(TEXT).contains("of efficientnet_v2_s, of which"),
        "{}",
        remarks(TEXT)
    );
    let two = TEXT.replace("backbone = \"efficientnet_v2_s\"", "");
    let two = two
        .replace("[grid]", "[grid]\nbackbone = [\"efficientnet_v2_s\", \"efficientnet_v2_b0\"]")
        .replace("384", "100");
    assert!(remarks(&two).contains("of efficientnet_v2_b0, of which"), "{}", remarks(&two));
}

#[test]
fn a_share_to_validate_on_gives_way_to_images_of_its_own() {
    let definition = parse(TEXT, &[]);
    let validation = |own_validation| {
        let sources = Sources { own_validation, ..Sources::plain("d".to_owned()) };
        definition.trials(&sources).specs().next().unwrap().data.validation
    };
    assert_eq!((validation(false), validation(true)), (Validation::Share(0.1), Validation::Own));
}

#[test]
fn a_definition_has_a_name_whatever_else_is_wrong_with_it() {
    assert_eq!(name_in(TEXT).as_deref(), Some("demo"));
    assert_eq!(name_in("[sweep]\nname = \"odd\"\nseeds = 7\n[model]\nbackbone = 1").as_deref(), Some("odd"));
    assert_eq!(name_in("[sweep]\nseeds = [0]"), None);
    assert_eq!(name_in("name = "), None);
}

#[test]
fn what_a_definition_says_of_a_network_is_found_by_its_name() {
    let both = "[grid]\nbackbone = [\"efficientnet_v2_s\", \"efficientnet_lite0\"]";
    let text = TEXT.replace("backbone = \"efficientnet_v2_s\"", "").replace("[grid]", both).replace("384, ", "");
    let definition = parse(&text, &[]);
    let found = |name: &str| definition.network(name).map(|network| network.architecture.name);
    assert_eq!(found("efficientnet_lite0"), Some("efficientnet_lite0"));
    assert_eq!(found("efficientnet_v2_s"), Some("efficientnet_v2_s"));
    assert_eq!(found("efficientnet_b0"), None);
}

#[test]
fn identities_never_change() {
    // Results in every database are found by these: a new value needs a new `trial::FORMAT`.
    let first = &trials(&parse(TEXT, &[]))[0];
    insta::assert_snapshot!(format!("{} {}", first.id, first.group));
}

#[test]
fn identities_are_those_of_the_specification_alone() {
    for overrides in [vec![], vec![("train.label_smoothing", "0.1"), ("data.train_limit", "100")]] {
        for trial in trials(&parse(TEXT, &overrides)) {
            assert_eq!((trial.id, trial.group), (trial.spec.id(), trial.spec.group()));
        }
    }
}

#[test]
fn what_does_not_change_an_outcome_does_not_change_an_identity() {
    let before: Vec<_> = trials(&parse(TEXT, &[])).iter().map(|trial| trial.id).collect();
    for overrides in [
        [("sweep.name", "other")],
        [("sweep.objective", "val_loss")],
        [("workers.count", "4")],
        [("cache.features", "off")],
        [("train.class_weights", "none")],
        [("grid.frozen_layers", "[128, 0.75, 513]")],
    ] {
        let after: Vec<_> = trials(&parse(TEXT, &overrides)).iter().map(|trial| trial.id).collect();
        assert_eq!(before, after, "{overrides:?}");
    }
    let longer_head = parse(TEXT, &[("train.head_units", "[32, 16, 8]")]);
    assert!(before.iter().eq(trials(&longer_head).iter().map(|trial| &trial.id)), "unused layers do not count");
    for overrides in [
        [("train.epochs", "9")],
        [("data.image_size", "65")],
        [("data.augment", "flip")],
        [("train.class_weights", "balanced")],
    ] {
        assert!(trials(&parse(TEXT, &overrides)).iter().all(|trial| !before.contains(&trial.id)), "{overrides:?}");
    }
}

#[test]
fn two_zeros_are_one_value() {
    let ids = |overrides: &[(&str, &str)]| -> Vec<_> {
        trials(&parse(TEXT, overrides)).iter().map(|trial| trial.id).collect()
    };
    for key in ["train.weight_decay", "train.label_smoothing", "train.clip_norm", "train.momentum"] {
        let of = |zero| ids(&[(key, zero), ("train.optimizer", "sgd")]);
        assert_eq!(of("-0.0"), of("0.0"), "{key}");
        assert_eq!(of("-0"), of("0.0"), "{key}");
    }
    let dropout = |rates| ids(&[("train.head_dropout", rates)]);
    assert_eq!(dropout("[-0.0]"), dropout("[0.0]"));
    let layers = |share| ids(&[("grid.frozen_layers", share)]);
    assert_eq!(layers("[-0.0, 'all']"), layers("[0, 'all']"));
}

/// As one may write a definition: comments behind values, tables in braces, keys with points, an empty section.
const ODD_TEXT: &str = "\
sweep.name = \"demo\" # with a point\r
data = { dataset = \"shapes\", image_size = 64 }\r
model = { backbone = 'efficientnet_v2_s', weights = \"random\" }\r
workers = {}\r
\r
[grid] # axes\r
frozen_layers = [\r
    0.25, # a quarter\r
    \"all\"\r
]   # that was it\r
[train]\r
[cache] # nothing yet";

#[test]
fn the_effective_text_gives_the_same_definition_again() {
    let overrides = [
        ("train.epochs", "7"),
        ("data.train_limit", "100"),
        ("data.image_size", "96"),
        ("workers.device", "cpu"),
        ("workers.count", "3"),
        ("cache.features", "off"),
        ("keep.count", "3"),
        ("sweep.seeds", "[1, 2]"),
        ("grid.frozen_layers", "[0.5, 0]"),
        ("grid.learning_rate", "[1e-3, 1e-2]"),
        ("sweep.name", "other"),
        ("train.epochs", "8"),
    ];
    let text = TEXT.replace("[[exclude]]\nfrozen_layers = \"all\"\nhead_depth = [2]\n", "");
    for text in [&text, ODD_TEXT] {
        for count in 0..=overrides.len() {
            let once = parse(text, &overrides[..count]);
            let again = parse(&once.text, &[]);
            assert_eq!(format!("{again:?}"), format!("{once:?}"));
        }
        let last = parse(text, &overrides).axes.pop().unwrap();
        assert_eq!(last.name, "learning_rate", "a new axis comes after those of the file");
    }
    assert_eq!(parse(TEXT, &[]).text, TEXT);
}

#[test]
fn a_text_that_an_earlier_release_stored_is_read_as_before() {
    let overrides = [("train.epochs", "2"), ("data.train_limit", "100"), ("keep.count", "2")];
    // What version 0.1.0 kept of these overrides.
    let stored = TEXT.replace("image_size = 64\n", "image_size = 64\ntrain_limit = 100\n")
        + "epochs = 2\n\n[keep]\ncount = 2\n";
    let (stored, now) = (Definition::stored("demo", &stored).unwrap(), parse(TEXT, &overrides));
    assert_eq!(now.text, stored.text);
    assert_eq!(format!("{now:?}"), format!("{stored:?}"));
}

#[test]
fn text_of_any_letters_is_written_as_toml_writes_it() {
    let odd = [
        "re\u{301}sume\u{301}",
        "a\"b'c",
        "back\\slash",
        "line\nbreak\ttab",
        "\u{1}\u{7f}\u{feff}",
        "'''\"\"\"",
        "x = 1",
    ];
    for name in odd {
        let weights = format!("/weights/{name}");
        let definition = parse(TEXT, &[("model.weights", &toml_string(&weights))]);
        assert_eq!(definition.networks[0].weights, weights);
        assert_eq!(parse(&definition.text, &[]).networks[0].weights, weights);
    }
}

#[test]
fn a_depth_that_says_what_holds_anyway_is_no_change() {
    let text = TEXT.replace("head_depth = [1, 2]\n", "").replace("head_depth = [2]\n", "");
    let with = |depth: &[(&str, &str)]| parse(&text, depth);
    assert_eq!(changes(&with(&[]), &with(&[("train.head_depth", "2")])), []);
    assert_eq!(changes(&with(&[]), &with(&[("train.head_depth", "1")])).len(), 1);
}

#[test]
fn weights_are_imagenets_where_nothing_else_is_said() {
    let weights = |text: &str| parse(text, &[]).networks[0].weights.clone();
    assert_eq!(weights(TEXT), "random");
    assert_eq!(weights(&TEXT.replace("weights = \"random\"\n", "")), "imagenet");
}

#[test]
fn dense_layers_of_which_only_the_number_is_said_are_those_of_these_widths() {
    let text = TEXT.replace("head_depth = [1, 2]\n", "").replace("head_depth = [2]\n", "");
    let numbered = text.replace("head_units = [32, 16]\n", "");
    for (depth, units) in [("0", "[]"), ("1", "[256]"), ("3", "[256, 128, 64]"), ("5", "[256, 128, 64, 64, 64]")] {
        let dropout = if depth == "0" { "[]" } else { "[0.5]" };
        let said = parse(&numbered, &[("train.head_depth", depth), ("train.head_dropout", dropout)]);
        let written = parse(&text, &[("train.head_units", units), ("train.head_dropout", dropout)]);
        assert_eq!(trials(&said), trials(&written), "{depth}");
    }
}

#[test]
fn a_changed_definition_is_described() {
    let old = parse(TEXT, &[]);
    assert_eq!(changes(&old, &old), []);
    let new =
        parse(TEXT, &[("grid.frozen_layers", "[0.25, 'all', 0]"), ("train.epochs", "3"), ("data.image_size", "96")]);
    assert_eq!(
        changes(&old, &new),
        [
            Change { key: "epochs".to_owned(), old: json!(10), new: json!(3) },
            Change { key: "data.image_size".to_owned(), old: json!(64), new: json!(96) },
        ]
    );
}

#[test]
fn filters_compare_values_as_definitions_write_them() {
    let definition = parse(TEXT, &[]);
    let count = |text: &str| {
        let filter = Filter::parse(text).unwrap();
        let architecture = definition.networks[0].architecture;
        trials(&definition).iter().filter(|trial| filter.matches(&trial.spec, architecture)).count()
    };
    assert_eq!(count("frozen_layers=128"), 4);
    assert_eq!(count("frozen_layers=0.25"), 4);
    assert_eq!(count("frozen_layers=all"), 2);
    assert_eq!(count("frozen_layers >= 384"), 6);
    assert_eq!(count("seed!=0"), 5);
    assert_eq!(count("optimizer=adam"), 10);
    assert!(Filter::parse("frozen=1").unwrap_err().contains("did you mean `frozen_layers`?"));
    assert!(Filter::parse("frozen_layers").unwrap_err().contains("is not a condition"));
}

#[test]
fn the_corners_vary_in_what_the_trials_vary_in() {
    let grid = [
        ("grid.optimizer", r#"["adam", "sgd"]"#),
        ("grid.momentum", "[0.8, 0.9]"),
        ("grid.schedule", r#"["constant", "step"]"#),
    ];
    // Momentum is a value of SGD alone, so the cells with Adam need an exclusion.
    let text = format!("{TEXT}\n[[exclude]]\noptimizer = \"adam\"\nmomentum = 0.9\n");
    let definition = parse(&text, &grid);
    let trials = trials(&definition);
    let template = &trials[0].spec;
    let corners = definition.corners();
    let values = |place: usize| -> BTreeSet<String> {
        trials.iter().map(|trial| named(&trial.spec)[place].1.to_string()).collect()
    };
    for (place, (name, _)) in named(template).into_iter().enumerate().filter(|(_, (name, _))| *name != "seed") {
        let of_corner = |cell: &frostline_sweep::definition::Cell| {
            let parameters = cell.parameters.clone();
            let spec = frostline_sweep::trial::TrialSpec { parameters, ..template.clone() };
            named(&spec)[place].1.to_string()
        };
        let found: BTreeSet<String> = corners.iter().map(of_corner).collect();
        assert_eq!(found, values(place), "{name}");
    }
    assert!(corners.len() < trials.len());
}

/// [`TEXT`] with a depth that smaller networks have, too.
fn for_any() -> String {
    TEXT.replacen("384", "0.75", 1)
}

/// The same with the network as its last axis.
fn of_networks(weights: &str, rest: &str) -> Result<Definition, String> {
    let text = for_any().replacen("backbone = \"efficientnet_v2_s\"\n", "", 1);
    let networks = ("grid.backbone".to_owned(), r#"["efficientnet_lite0", "efficientnet_b0"]"#.to_owned());
    let overrides = [networks, ("model.weights".to_owned(), weights.to_owned())];
    Definition::parse("demo.toml", &format!("{text}\n{rest}"), &overrides).map_err(|errors| errors.to_string())
}

#[test]
fn a_sweep_of_networks_has_the_trials_of_a_sweep_of_each() {
    let ids =
        |definition: &Definition| -> BTreeSet<TrialId> { trials(definition).iter().map(|trial| trial.id).collect() };
    let both = of_networks("random", "").unwrap();
    let alone = |name: &str| ids(&parse(&for_any(), &[("model.backbone", name)]));
    let (lite0, b0) = (alone("efficientnet_lite0"), alone("efficientnet_b0"));
    assert_eq!(ids(&both), lite0.union(&b0).copied().collect());
    assert_eq!(ids(&both).len(), lite0.len() + b0.len());
    for trial in trials(&both) {
        assert_eq!((trial.id, trial.group), (trial.spec.id(), trial.spec.group()), "hashed as a whole");
    }
    // In the order of the file: the last axis is the fastest, before the seeds.
    let order: Vec<String> = trials(&both).into_iter().map(|trial| trial.spec.model.backbone).collect();
    assert_eq!(order[..4], ["efficientnet_lite0", "efficientnet_lite0", "efficientnet_b0", "efficientnet_b0"]);
    // A network more is no change of what has finished.
    assert_eq!(changes(&parse(&for_any(), &[("model.backbone", "efficientnet_b0")]), &both), []);
    let other = parse(&for_any(), &[("model.backbone", "efficientnet_b0"), ("model.weights", "b0.pth")]);
    assert_eq!(
        changes(&other, &both),
        [Change { key: "model.weights".to_owned(), old: json!("b0.pth"), new: json!("random") }]
    );
}

#[test]
fn each_network_has_the_weights_that_a_table_says() {
    let named = |weights: &str| {
        let networks = of_networks(weights, "")?.networks;
        Ok(networks.into_iter().map(|network| (network.architecture.name, network.weights)).collect::<Vec<_>>())
    };
    let each = named("{ efficientnet_b0 = 'b0.pth', efficientnet_lite0 = 'imagenet', efficientnet_b7 = 'b7.pth' }");
    assert_eq!(
        each,
        Ok::<_, String>(vec![
            ("efficientnet_lite0", "imagenet".to_owned()),
            ("efficientnet_b0", "b0.pth".to_owned())
        ])
    );
    let wrong = named("{ efficientnet_lite0 = 3, efficientnet_bo = 'x' }").unwrap_err();
    for said in [
        "`efficientnet_bo` in `weights` is no network, did you mean `efficientnet_b0`?",
        "`weights` must be text, which stands in quotes (\"3\"), not 3",
        "`weights` has none for efficientnet_b0: add efficientnet_b0 = …, a catalogue name",
    ] {
        assert!(wrong.contains(said), "{wrong}");
    }
    for written in [
        "weights = { efficientnet_v2_s = \"s.pth\" }",
        "weights.efficientnet_v2_s = \"s.pth\"",
        "[model.weights]\nefficientnet_b0 = \"b0.pth\"\nefficientnet_v2_s = \"s.pth\"",
    ] {
        let text = TEXT.replacen("weights = \"random\"", written, 1);
        assert_eq!(parse(&text, &[]).networks[0].weights, "s.pth");
        let moved = parse(&text, &[("model.weights.efficientnet_v2_s", "/weights/s.pth")]);
        assert_eq!(parse(&moved.text, &[]).networks[0].weights, "/weights/s.pth", "{}", moved.text);
    }
    let one =
        Definition::parse("x.toml", TEXT, &[("model.weights.efficientnet_v2_s".to_owned(), "s.pth".to_owned())]);
    assert!(one.unwrap_err().to_string().contains("`weights` is one for all here: set model.weights"));
}

#[test]
fn a_depth_is_left_out_for_one_network_and_missed_in_none() {
    let exclude = "[[exclude]]\nbackbone = \"efficientnet_b0\"\nfrozen_layers = 1.0\n";
    let (all, fewer) = (of_networks("random", "").unwrap(), of_networks("random", exclude).unwrap());
    let left: Vec<(String, u32)> = trials(&all)
        .into_iter()
        .filter(|trial| !trials(&fewer).contains(trial))
        .map(|trial| (trial.spec.model.backbone, trial.spec.parameters.frozen_layers))
        .collect();
    assert!(!left.is_empty() && left.iter().all(|cell| *cell == ("efficientnet_b0".to_owned(), 238)), "{left:?}");
    let text = TEXT.replacen("backbone = \"efficientnet_v2_s\"\n", "", 1);
    let networks = ("grid.backbone".to_owned(), r#"["efficientnet_lite0", "efficientnet_b0"]"#.to_owned());
    let with = |layers: &str| {
        let layers = ("grid.frozen_layers".to_owned(), layers.to_owned());
        Definition::parse("demo.toml", &text, &[networks.clone(), layers]).map_err(|errors| errors.to_string())
    };
    let missing = with("[200, 'all']").unwrap_err();
    assert!(missing.contains("since efficientnet_lite0 has 151 layers, not 200"), "{missing}");
    let twice = with("['all', 1.0]").unwrap_err();
    assert!(twice.contains("are the same"), "{twice}");
    // 75 layers are half of Lite0 and not of B0: two cells of one, not of both.
    let same = with("[75, 0.5, 'all']").unwrap_err();
    assert!(same.contains("two cells are the same trial") && same.contains("efficientnet_lite0"), "{same}");
    assert_eq!(
        with("['block4a', 0.5, 'all']").unwrap().depths().words(Some("efficientnet_b0"), &json!(119)),
        Some("119 (0.5, in block4c)")
    );
}

#[test]
fn a_network_stands_in_one_place() {
    let wrong = |overrides: &[(&str, &str)]| {
        let owned: Vec<(String, String)> =
            overrides.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Definition::parse("demo.toml", TEXT, &owned).unwrap_err().to_string()
    };
    let both = wrong(&[("grid.backbone", "[efficientnet_b0]")]);
    assert!(both.contains("`backbone` is an axis of [grid] already: keep one of the two"), "{both}");
    let list = wrong(&[("model.backbone", "[efficientnet_b0, efficientnet_b1]")]);
    assert!(list.contains("a list of values makes an axis: move it to [grid]"), "{list}");
    let train = wrong(&[("train.backbone", "efficientnet_b0")]);
    assert!(train.contains("unknown key `backbone` in [train]: it belongs in [model] or [grid]"), "{train}");
}
