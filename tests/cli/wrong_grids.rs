//! Grids that are none: axes, seeds and exclusions that cannot be, and values that do not fit together.

use crate::place::Place;

#[test]
fn an_axis_that_is_none() {
    let place = Place::edited("learning_rate = [1e-3, 1e-2]", "learning_rate = []");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml:16:17: `learning_rate` is empty: an axis has at least one value
       |
    16 | learning_rate = []
       |                 ^^
    ");
    let place = Place::edited("learning_rate = [1e-3, 1e-2]", "learning_rate = 1e-3");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml:16:17: `learning_rate` is an axis, a list of values: write learning_rate = [0.001]
       |
    16 | learning_rate = 1e-3
       |                 ^^^^
    ");
    let place = Place::edited("learning_rate = [1e-3, 1e-2]", "learning_rate = [1e-3, 0.001]");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml:16:24: `learning_rate` has 0.001 twice
       |
    16 | learning_rate = [1e-3, 0.001]
       |                        ^^^^^
    ");
    let place = Place::edited("learning_rate = [1e-3, 1e-2]", "optimizer = [\"adam\", \"adam\"]");
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml:16:22: `optimizer` has "adam" twice
       |
    16 | optimizer = ["adam", "adam"]
       |                      ^^^^^^
    "#);
    let place = Place::edited("epochs = 2", "epochs = 2\nlearning_rate = 1e-3");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml:20:17: `learning_rate` is an axis of [grid] already: keep one of the two
       |
    20 | learning_rate = 1e-3
       |                 ^^^^
    ");
}

#[test]
fn frozen_layers_that_the_network_has_not() {
    let place = Place::edited("frozen_layers = [0, \"all\"]", "frozen_layers = [0, 1000]");
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml:15:21: `frozen_layers` must be 0 to 151 or "all", since efficientnet_lite0 has 151 layers, not 1000
       |
    15 | frozen_layers = [0, 1000]
       |                     ^^^^
    "#);
    let place = Place::edited("frozen_layers = [0, \"all\"]", "frozen_layers = [1.5]");
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml:15:18: `frozen_layers` must be a count (256), a share from 0.0 to 1.0 (0.5), a block ("block5b") or "all", not 1.5
       |
    15 | frozen_layers = [1.5]
       |                  ^^^
    "#);
    let place = Place::edited("frozen_layers = [0, \"all\"]", "frozen_layers = [\"half\"]");
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml:15:18: `frozen_layers` must be a count (256), a share from 0.0 to 1.0 (0.5), a block ("block5b") or "all", not "half"
       |
    15 | frozen_layers = ["half"]
       |                  ^^^^^^
    "#);
    let place = Place::edited("frozen_layers = [0, \"all\"]", "frozen_layers = [\"all\", 1.0]");
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml:15:25: `frozen_layers`: "all" and 1.0 are the same, 151
       |
    15 | frozen_layers = ["all", 1.0]
       |                         ^^^
    "#);
    let place = Place::edited("frozen_layers = [0, \"all\"]\n", "");
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml: [grid] needs `frozen_layers`, a list, or [train] one value: a count (256), a share from 0.0 to 1.0 (0.5), a block ("block5b") or "all"
    "#);
}

#[test]
fn values_that_do_not_fit_together() {
    let place = Place::edited("epochs = 2", "epochs = 2\nhead_depth = 2");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml: head_depth = 2 needs 2 head_units, and there are 1
    ");
    let place = Place::edited("learning_rate = [1e-3, 1e-2]", "head_depth = [1, 3]");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml:16:1: head_depth = 3 needs 3 head_units, and there are 1
       |
    16 | head_depth = [1, 3]
       | ^^^^^^^^^^
    ");
    let place = Place::edited("head_units = [8]", "head_units = [8]\nhead_dropout = [0.1, 0.2]");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml: 2 head_dropout rates for 1 head_units
    ");
    let place = Place::edited("epochs = 2", "epochs = 2\nwarmup_epochs = 5");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml: warmup_epochs = 5 is more than epochs = 2
    ");
    let place = Place::edited("image_size = 32", "image_size = 32\npath = \"images\"");
    says!(place, "plan demo.toml", @r#"
    exit code 2
    --- error
    error: demo.toml:7:8: `path` has no meaning for "shapes", which the program draws itself: remove it
      |
    7 | path = "images"
      |        ^^^^^^^^
    "#);
}

#[test]
fn seeds_that_are_none() {
    let place = Place::edited("name = \"demo\"", "name = \"demo\"\nseeds = [0, 1, 0]");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml:3:9: `seeds` must be a list without repetitions; 0 is there twice
      |
    3 | seeds = [0, 1, 0]
      |         ^^^^^^^^^
    ");
    let place = Place::edited("name = \"demo\"", "name = \"demo\"\nseeds = [-1]");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml:3:9: `seeds` must be a list of whole numbers such as [0, 1, 2], and each of them a whole number of at least 0, not -1
      |
    3 | seeds = [-1]
      |         ^^^^
    ");
    let place = Place::edited("name = \"demo\"", "name = \"demo\"\nseeds = 3");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml:3:9: `seeds` must be a list of whole numbers such as [0, 1, 2], not 3: write [3]
      |
    3 | seeds = 3
      |         ^
    ");
}

#[test]
fn an_exclusion_that_excludes_nothing_or_everything() {
    let place = Place::edited("[train]", "[[exclude]]\nepochs = 2\n\n[train]");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml:19:1: `epochs` in [[exclude]] is not an axis of [grid]
       |
    19 | epochs = 2
       | ^^^^^^
    ");
    let place = Place::edited("[train]", "[[exclude]]\nfrozen_layers = 17\n\n[train]");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml:19:17: `frozen_layers` has no value 17 in [grid]
       |
    19 | frozen_layers = 17
       |                 ^^
    ");
    let place = Place::edited("[train]", "[[exclude]]\nfrozen_layers = [0, \"all\"]\n\n[train]");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml: [[exclude]] leaves no cell: nothing would run
    ");
    let place = Place::edited("[train]", "[[exclude]]\n\n[train]");
    says!(place, "plan demo.toml", @r"
    exit code 2
    --- error
    error: demo.toml:18:1: an empty [[exclude]] would leave nothing: name an axis and a value
       |
    18 | [[exclude]]
       | ^^^^^^^^^^^
    ");
}
