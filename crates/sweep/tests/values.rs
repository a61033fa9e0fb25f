//! What becomes of the values of a definition.

use frostline_sweep::definition::{Definition, KeepModels};
use frostline_sweep::keys::Kind;
use serde_json::json;

const START: &str = "[sweep]\nname = \"demo\"\n[data]\ndataset = \"shapes\"\n\
                     [model]\nbackbone = \"efficientnet_lite0\"\nweights = \"random\"\n";

fn parsed(end: &str) -> Definition {
    let text = format!("{START}[train]\nfrozen_layers = 0\n[workers]\ndevice = \"cpu\"\n{end}");
    Definition::parse("demo.toml", &text, &[]).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn auto_leaves_it_to_the_machine_and_a_number_does_not() {
    let counts = |end| {
        let Definition { workers, launchers, .. } = parsed(end);
        (workers.count, workers.threads, launchers.ssh.count)
    };
    assert_eq!(counts(""), (None, None, None));
    assert_eq!(counts("count = \"auto\"\nthreads = \"auto\"\n[ssh]\ncount = \"auto\""), (None, None, None));
    assert_eq!(counts("count = 3\nthreads = 2\n[ssh]\ncount = 5"), (Some(3), Some(2), Some(5)));
}

#[test]
fn features_are_kept_where_nobody_says_off() {
    let features = |end| parsed(end).cache.features;
    assert!(features(""));
    assert!(features("[cache]\nfeatures = \"auto\""));
    assert!(!features("[cache]\nfeatures = \"off\""));
}

#[test]
fn bytes_have_the_units_of_the_decimal_and_of_the_binary_system() {
    let bytes = |written: &str| parsed(&format!("[cache]\nmax_bytes = {written}")).cache.max_bytes;
    for (written, wanted) in [
        ("7", 7),
        ("\"7\"", 7),
        ("\"7 B\"", 7),
        ("\"2kB\"", 2_000),
        ("\"2 KB\"", 2_000),
        ("\"1.5 MB\"", 1_500_000),
        ("\"20 GB\"", 20_000_000_000),
        ("\"2 TB\"", 2_000_000_000_000),
        ("\"3 KiB\"", 3 << 10),
        ("\"3 MiB\"", 3 << 20),
        ("\"3 GiB\"", 3 << 30),
        ("\"3 TiB\"", 3 << 40),
    ] {
        assert_eq!(bytes(written), wanted, "{written}");
    }
}

#[test]
fn weights_are_a_text_for_all_networks_or_one_for_each() {
    let good = |value: serde_json::Value| Kind::Weights.check(&value).is_ok();
    assert!(good(json!("random")) && good(json!({"efficientnet_lite0": "random", "efficientnet_b0": "b0.pth"})));
    for wrong in [json!(7), json!(""), json!({"efficientnet_lite9": "random"}), json!({"efficientnet_lite0": 7})] {
        assert!(!good(wrong.clone()), "{wrong}");
    }
}

#[test]
fn what_is_kept_is_called_as_it_is_written() {
    for (models, word) in [(KeepModels::Best, "best"), (KeepModels::All, "all"), (KeepModels::None, "none")] {
        assert_eq!(parsed(&format!("[keep]\nmodels = \"{word}\"")).keep.models, models);
        assert_eq!(models.as_str(), word);
    }
}

/// With two optimizers, of which one is left out with one of two depths.
#[test]
fn a_million_cells_are_read_and_one_more_is_too_many() {
    let definition = |rates: u64, seeds: u64| {
        let rates: Vec<String> = (1..=rates).map(|rate| format!("{:?}", rate as f64 * 1e-6)).collect();
        let seeds: Vec<String> = (0..seeds).map(|seed| seed.to_string()).collect();
        let text = format!(
            "{}[grid]\nfrozen_layers = [0, \"all\"]\noptimizer = [\"adam\", \"sgd\"]\nlearning_rate = [{}]\n\
             [[exclude]]\nfrozen_layers = 0\noptimizer = \"sgd\"\n",
            START.replace("[data]", &format!("seeds = [{}]\n[data]", seeds.join(", "))),
            rates.join(", ")
        );
        Definition::parse("demo.toml", &text, &[])
    };
    let million = definition(1_000, 250).unwrap();
    assert_eq!(million.cells().unwrap().len() * million.seeds.len(), 3 * 1_000 * 250);
    let errors = definition(250_001, 1).expect_err("four more");
    assert_eq!(errors.problems[0].message, "the grid has more than 1000000 cells: take values out of an axis");
}
