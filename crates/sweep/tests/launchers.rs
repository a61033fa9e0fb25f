//! What is said of machines and commands that start workers.

use frostline_sweep::definition::Definition;

/// The mistakes of a definition that ends like this.
fn mistakes(end: &str) -> String {
    let text = format!(
        "[sweep]\nname = \"demo\"\n[data]\ndataset = \"shapes\"\n[model]\nbackbone = \"efficientnet_lite0\"\n\
         weights = \"random\"\n[grid]\nfrozen_layers = [\"all\"]\n{end}"
    );
    Definition::parse("demo.toml", &text, &[]).map_or_else(|errors| errors.to_string(), |_| String::new())
}

#[test]
fn ssh_needs_machines() {
    let of = |hosts: &str| mistakes(&format!("[workers]\nlauncher = \"ssh\"\n[ssh]\n{hosts}"));
    assert_eq!(of("hosts = [\"gpu1\"]"), "");
    assert!(of("").contains("[ssh] names no `hosts`"), "{}", of(""));
    let options = of("hosts = [\"gpu1\", \"-oProxyCommand=x\", \" \"]");
    assert!(options.contains("demo.toml:13") && options.contains("\"-oProxyCommand=x\""), "{options}");
    assert_eq!(options.matches("which is no machine but an option of ssh").count(), 2, "{options}");
    // Nobody asks them where workers run here.
    assert_eq!(mistakes(""), "");
}

#[test]
fn an_engine_needs_all_three_commands_with_their_places() {
    let of = |commands: &str| mistakes(&format!("[workers]\nlauncher = \"command\"\n[command]\n{commands}"));
    let (submit, cancel, alive) = ("submit = \"q {script}\"\n", "cancel = \"d {id}\"\n", "alive = \"s {id}\"\n");
    assert_eq!(of(&[submit, cancel, alive].concat()), "");
    for (name, rest) in [("submit", [cancel, alive]), ("cancel", [submit, alive]), ("alive", [submit, cancel])] {
        let missing = of(&rest.concat());
        assert!(missing.contains(&format!("[command] needs `{name}`")), "{missing}");
        assert_eq!(missing.matches("[command] needs").count(), 1, "{missing}");
        let word = if name == "submit" { "{script}" } else { "{id}" };
        let without = of(&format!("{}{name} = \"x\"\n", rest.concat()));
        assert!(without.contains(&format!("`{name}` must have {word} in it")), "{without}");
        assert_eq!(without.matches("must have").count(), 1, "{without}");
    }
    assert_eq!(mistakes("[workers]\nlauncher = \"local\"\n[command]\nsubmit = \"x\"\n"), "");
}

#[test]
fn no_more_jobs_are_kept_than_there_may_be() {
    let of = |keys: &str| mistakes(&format!("[slurm]\n{keys}"));
    assert_eq!((of("min_jobs = 4").as_str(), of("min_jobs = 9\nmax_jobs = 9").as_str()), ("", ""));
    let more = of("max_jobs = 8\nmin_jobs = 9");
    assert!(more.contains("demo.toml:12:12: `min_jobs` is 9, and `max_jobs` 8: raise that, or keep fewer"), "{more}");
}
