//! Trials that several sweeps share, and one of them does not want any more.

use crate::place::{Place, summaries};
use rustix::process::Signal;

/// `demo` and `other` have the same four trials, none of which is finished; nothing runs.
fn shared() -> Place {
    let place = Place::new();
    place.hold();
    for sweep in ["demo", "other"] {
        let launch = place.start(&format!("launch demo.toml --set sweep.name={sweep} --set workers.count=1"));
        place.wait_for_epochs(sweep, 1);
        launch.signal(Signal::INT);
        assert_eq!(launch.wait().code, Some(130));
    }
    place
}

fn states(place: &Place, sweep: &str) -> Vec<String> {
    place.trials(sweep).into_iter().map(|trial| trial.state).collect()
}

#[test]
fn a_sweep_cancels_its_own_places_only() {
    let place = shared();
    says!(place, "cancel demo", @r"
    exit code 0
    --- error
    4 trials of `demo` cancelled
    ");
    assert_eq!(states(&place, "demo"), ["cancelled"; 4]);
    assert_eq!(states(&place, "other"), ["waiting"; 4]);
    place.release();
    place.succeed("resume other");
    assert_eq!(states(&place, "other"), ["complete"; 4]);
}

#[test]
fn a_trial_is_cancelled_in_the_sweep_that_runs() {
    let place = shared();
    let other = place.start("resume other");
    let running = place.wait_for_epochs("other", 1);
    let waiting = running.iter().find(|trial| trial.state == "waiting").unwrap();
    // `demo` is the older one, and does not run.
    let cancel = place.succeed(&format!("cancel {}", waiting.id));
    assert_eq!(cancel.stderr, "1 trial of `other` cancelled\n");
    place.release();
    assert_eq!(other.wait().code, Some(0));
    let of = |sweep: &str| place.trials(sweep).into_iter().find(|trial| trial.id == waiting.id).unwrap().state;
    assert_eq!((of("other").as_str(), of("demo").as_str()), ("cancelled", "waiting"));
    // `demo` runs what it still wants.
    place.succeed("resume demo");
    assert_eq!(summaries(&place.trials("demo")).iter().filter(|it| it.starts_with("complete")).count(), 4);
}

#[test]
fn at_rest_a_trial_is_cancelled_wherever_it_is() {
    let place = shared();
    let trial = &place.trials("demo")[3].id;
    let cancel = place.succeed(&format!("cancel {trial}"));
    assert_eq!(cancel.stderr, "1 trial of `demo` cancelled\n1 trial of `other` cancelled\n");
    for sweep in ["demo", "other"] {
        assert_eq!(states(&place, sweep), ["waiting", "waiting", "waiting", "cancelled"]);
    }
}
