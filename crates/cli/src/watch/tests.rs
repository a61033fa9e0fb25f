//! What is seen of a sweep in windows of several sizes.

use super::model::{Depth, Row, Worker};
use super::{Look, Model, lines, plain};
use frostline_store::Counts;

const LOOK: Look = Look { unicode: true, colour: true };

fn model() -> Model {
    let row = |label: &str, id: &str, value: f64, seconds: f64, frozen: u64, words: &str| Row {
        label: label.to_owned(),
        id: id.to_owned(),
        value,
        interval: Some((value - 0.025, value + 0.024)),
        seconds,
        network: "efficientnet_lite0",
        frozen,
        frozen_share: frozen as f64 / 151.0,
        words: words.to_owned(),
    };
    let worker = |number: u32, words: &str, epoch: &str, share: f64| Worker {
        number,
        words: words.to_owned(),
        stage: epoch.to_owned(),
        share: Some(share),
    };
    let depth = |layers: u64, mean: f64, seconds: f64| Depth {
        network: None,
        layers,
        is_all: layers == 151,
        low: mean - 0.02,
        mean,
        high: mean + 0.02,
        seconds,
    };
    Model {
        sweep: "cifar10-lite0".to_owned(),
        objective: "val_accuracy".to_owned(),
        counts: Counts { complete: 5, running: 2, waiting: 1, ..Counts::default() },
        is_running: true,
        draining: false,
        seconds_left: Some(58.0),
        seen: None,
        workers: vec![
            worker(1, "frozen_layers 151, head_units 256-128, optimizer adam", "epoch 7/10", 0.62),
            worker(2, "frozen_layers 135, head_units 256-128, optimizer rmsprop", "epoch 3/10", 0.41),
        ],
        best: vec![
            row("=1", "3204baf2", 0.796, 21.0, 135, "256-128-64 rmsprop"),
            row("=1", "8de1ac31", 0.788, 20.4, 135, "256-128 adam"),
            row("=1", "e8b6c602", 0.774, 19.1, 135, "256-128 rmsprop"),
            row("4", "2c08ce32", 0.758, 18.0, 135, "256-128-64 adam"),
            row("5", "ea103f5e", 0.755, 0.9, 151, "256-128-64 rmsprop"),
        ],
        total: 5,
        columns: None,
        digits: 3,
        depths: vec![depth(151, 0.755, 0.9), depth(135, 0.779, 19.6)],
        events: vec!["3204baf2 complete 0.7960 in 21 s".to_owned(), "8de1ac31 complete 0.7880 in 20 s".to_owned()],
    }
}

fn seen(model: &Model, size: (usize, usize), look: Look) -> String {
    let lines = lines(model, size, look, None);
    assert!(lines.len() <= size.1, "{size:?}");
    assert!(lines.iter().all(|line| line.width() <= size.0), "{size:?}");
    plain(&lines)
}

#[test]
fn a_usual_window_shows_all_of_it() {
    insta::assert_snapshot!(seen(&model(), (80, 24), LOOK), @r"
    cifar10-lite0   val_accuracy                              5 of 8 done, 58 s left
    ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━──────────────────────────────
    5 complete  2 running  1 waiting

    WORKERS                                                                  2 tasks
    1  frozen_layers 151, head_units 256-128, optimiz…  epoch 7/10  ━━━━━━────  62 %
    2  frozen_layers 135, head_units 256-128, optimiz…  epoch 3/10  ━━━━──────  41 %

    BEST SO FAR                                                               5 of 5
     =1  3204baf2  0.796           ├────●────┤       21 s   135 ▓▓▓░  256-128-64 rm…
     =1  8de1ac31  0.788         ├────●────┤         20 s   135 ▓▓▓░  256-128 adam
     =1  e8b6c602  0.774      ├────●────┤            19 s   135 ▓▓▓░  256-128 rmspr…
      4  2c08ce32  0.758   ├────●────┤               18 s   135 ▓▓▓░  256-128-64 ad…
      5  ea103f5e  0.755  ├────●────┤               0.9 s   151 ▓▓▓▓  256-128-64 rm…

    FROST LINE  val_accuracy by layers that stay frozen, of the rows above; seconds…
      all 151  ├─────●─────┤         0.755      0.9 s  █
          135         ├─────●─────┤  0.779       19 s  ████████████████████

    3204baf2 complete 0.7960 in 21 s
    8de1ac31 complete 0.7880 in 20 s


    q quit   up/down, enter: a trial   g trials or configurations
    ");
}

#[test]
fn a_small_window_shows_what_matters_most() {
    insta::assert_snapshot!(seen(&model(), (60, 12), LOOK), @r"
    cifar10-lite0   val_accuracy          5 of 8 done, 58 s left
    ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━──────────────────────
    5 complete  2 running  1 waiting

    BEST SO FAR                                           3 of 5
     =1  3204baf2  0.796  ±0.025       21 s   135 ▓▓▓░  256-128…
     =1  8de1ac31  0.788  ±0.025       20 s   135 ▓▓▓░  256-128…
     =1  e8b6c602  0.774  ±0.025       19 s   135 ▓▓▓░  256-128…



    q quit   up/down, enter: a trial   g trials or configuratio…
    ");
    insta::assert_snapshot!(seen(&model(), (59, 24), LOOK), @r"
    cifar10-lite0   val_accuracy         5 of 8 done, 58 s left
    ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━──────────────────────
    best 3204baf2 0.796 frozen 135 256-128-64 rmsprop
    ");
}

#[test]
fn a_large_window_has_room() {
    insta::assert_snapshot!(seen(&model(), (200, 60), LOOK), @r"
    cifar10-lite0   val_accuracy                                                                                                                                                      5 of 8 done, 58 s left
    ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━───────────────────────────────────────────────────────────────────────────
    5 complete  2 running  1 waiting

    WORKERS                                                                                                                                                                                          2 tasks
    1  frozen_layers 151, head_units 256-128, optimizer adam                                                                                                                    epoch 7/10  ━━━━━━────  62 %
    2  frozen_layers 135, head_units 256-128, optimizer rmsprop                                                                                                                 epoch 3/10  ━━━━──────  41 %

    BEST SO FAR                                                                                                                                                                                       5 of 5
     =1  3204baf2  0.796                    ├──────────●─────────┤       21 s   135 ▓▓▓░  256-128-64 rmsprop
     =1  8de1ac31  0.788                ├──────────●──────────┤          20 s   135 ▓▓▓░  256-128 adam
     =1  e8b6c602  0.774          ├──────────●─────────┤                 19 s   135 ▓▓▓░  256-128 rmsprop
      4  2c08ce32  0.758   ├──────────●──────────┤                       18 s   135 ▓▓▓░  256-128-64 adam
      5  ea103f5e  0.755  ├──────────●─────────┤                        0.9 s   151 ▓▓▓▓  256-128-64 rmsprop

    FROST LINE                                                                                                                   val_accuracy by layers that stay frozen, of the rows above; seconds a trial
      all 151  ├────────────────────────●───────────────────────┤                                0.755      0.9 s  ████
          135                                ├───────────────────────●────────────────────────┤  0.779       19 s  ████████████████████████████████████████████████████████████████████████████████

    3204baf2 complete 0.7960 in 21 s
    8de1ac31 complete 0.7880 in 20 s






































    q quit   up/down, enter: a trial   g trials or configurations
    ");
}

#[test]
fn a_terminal_without_unicode_or_colours_says_the_same() {
    let plainly = Look { unicode: false, colour: false };
    let text = seen(&model(), (80, 24), plainly);
    insta::assert_snapshot!(text, @r"
    cifar10-lite0   val_accuracy                              5 of 8 done, 58 s left
    ##################################################------------------------------
    5 complete  2 running  1 waiting

    WORKERS                                                                  2 tasks
    1  frozen_layers 151, head_units 256-128, optimiz~  epoch 7/10  ######----  62 %
    2  frozen_layers 135, head_units 256-128, optimiz~  epoch 3/10  ####------  41 %

    BEST SO FAR                                                               5 of 5
     =1  3204baf2  0.796           |----o----|       21 s   135 ###.  256-128-64 rm~
     =1  8de1ac31  0.788         |----o----|         20 s   135 ###.  256-128 adam
     =1  e8b6c602  0.774      |----o----|            19 s   135 ###.  256-128 rmspr~
      4  2c08ce32  0.758   |----o----|               18 s   135 ###.  256-128-64 ad~
      5  ea103f5e  0.755  |----o----|               0.9 s   151 ####  256-128-64 rm~

    FROST LINE  val_accuracy by layers that stay frozen, of the rows above; seconds~
      all 151  |-----o-----|         0.755      0.9 s  =
          135         |-----o-----|  0.779       19 s  ====================

    3204baf2 complete 0.7960 in 21 s
    8de1ac31 complete 0.7880 in 20 s


    q quit   up/down, enter: a trial   g trials or configurations
    ");
    assert!(text.is_ascii());
    let uncoloured = lines(&model(), (80, 24), plainly, None);
    assert!(uncoloured.iter().flat_map(|line| &line.spans).all(|span| span.style.fg.is_none()));
}

#[test]
fn every_size_has_its_lines() {
    let crowded = Model {
        workers: vec![model().workers[0].clone(); 32],
        best: vec![model().best[0].clone(); 40],
        events: vec!["a long message that does not fit into any window ".repeat(9); 8],
        ..model()
    };
    for width in [1, 2, 20, 59, 60, 79, 80, 81, 120, 300] {
        for height in [1, 3, 11, 12, 13, 20, 50] {
            for selected in [None, Some(0), Some(39)] {
                let lines = lines(&crowded, (width, height), LOOK, selected);
                assert!(
                    lines.len() <= height && lines.iter().all(|line| line.width() <= width),
                    "{width} x {height}"
                );
            }
            seen(&Model::default(), (width, height), LOOK);
        }
    }
    let text = seen(&crowded, (80, 40), LOOK);
    assert!(text.contains("and 24 more"), "{text}");
}

#[test]
fn a_snapshot_says_how_old_it_is() {
    let shown = plain(&lines(&Model { seen: Some(12.0), ..model() }, (100, 30), LOOK, None));
    let first = shown.lines().next().unwrap();
    assert!(first.ends_with("5 of 8 done, 58 s left, as of 12 s ago"), "{first}");
}
