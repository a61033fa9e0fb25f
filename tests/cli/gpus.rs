//! Machines with GPUs, as far as they can be played: a driver that lists them, and workers that compute on the CPU what they
//! were started for a GPU for.

use crate::place::{Place, worker};
use std::collections::BTreeSet;

/// Prints what `nvidia-smi` would for two GPUs with this driver.
fn driver(version: &str) -> String {
    format!(
        "case $1 in\n\
         -L) echo 'GPU 0: NVIDIA H100 (UUID: GPU-aaaa)'; echo 'GPU 1: NVIDIA A100 (UUID: GPU-bbbb)' ;;\n\
         *) echo '0, GPU-aaaa, NVIDIA H100, 81559, 9.0, {version}, Default'\n\
         echo '1, GPU-bbbb, NVIDIA A100, 40960, 8.0, {version}, Default' ;;\n\
         esac"
    )
}

/// With such a driver, and a definition that leaves the device open.
fn machine(version: &str) -> Place {
    let mut place = Place::edited("device = \"cpu\"\n", "");
    place.edit("count = 2\nthreads = 1\n", "");
    place.script("bin/nvidia-smi", &driver(version));
    let path = format!("{}:{}", place.path("bin").display(), std::env::var("PATH").unwrap());
    place.set("PATH", path);
    place.set("CUDA_VISIBLE_DEVICES", "0,1");
    place
}

/// The same, with libraries for CUDA, and a worker that says that it has computed something wherever it was asked to, and
/// notes which GPU it sees with which library.
fn machine_that_computes(tried: &str) -> Place {
    let mut place = machine("580.65.06");
    place.write("cuda/libtorch_cuda.so", "");
    place.set("FROSTLINE_CUDA_LIBRARIES", place.path("cuda"));
    let info = r#"{"version": "0.1.0", "libtorch": "2.13.0 (FORM)", "cuda_built": BUILT, "devices": [DEVICES], "cores": 2, "tried": [TRIED]}"#;
    let cpu =
        info.replace("FORM", "cpu").replace("BUILT", "false").replace("DEVICES", "\"cpu\"").replace("TRIED", "");
    let cuda = info.replace("FORM", "cuda").replace("BUILT", "true").replace("DEVICES", "\"cpu\", \"cuda:0\"");
    let cuda = cuda.replace("TRIED", tried);
    let place_of_real = worker();
    let real = place_of_real.display();
    place.worker_script(&format!(
        "preload=$LD_PRELOAD; unset LD_PRELOAD LD_LIBRARY_PATH\n\
         case $1 in\n\
         info) case $preload in *libtorch_cuda.so*) echo '{cuda}' ;; *) echo '{cpu}' ;; esac ;;\n\
         connect)\n\
         echo \"$CUDA_VISIBLE_DEVICES $CUDA_DEVICE_ORDER ${{preload##*/}} $CUBLAS_WORKSPACE_CONFIG\" >> \"$(dirname \"$0\")/started\"\n\
         for argument; do shift; [ \"$argument\" = cuda:0 ] && argument=cpu; set -- \"$@\" \"$argument\"; done\n\
         exec {real} \"$@\" ;;\n\
         esac"
    ));
    place
}

#[test]
fn a_gpu_that_libtorch_cannot_use_is_named_and_the_cpu_does_it() {
    let place = machine("535.104.05");
    let outcome = place.succeed("launch demo.toml");
    let reason = "is not used: its driver 535.104.05 is too old, 580 or newer is needed: update the driver";
    assert!(outcome.stderr.contains(&format!("NVIDIA H100 {reason}\nNVIDIA A100 {reason}\n")), "{outcome}");
    assert!(outcome.stderr.contains("4 trials: 4 complete"), "{outcome}");
    // Who asks for it does not get another one.
    let refused = place.run("launch demo.toml --set sweep.name=other --set workers.device=cuda");
    assert_eq!(refused.code, Some(2), "{refused}");
    assert!(
        refused.stderr.contains("here there is no GPU that works: NVIDIA H100 is not used: its driver"),
        "{refused}"
    );
    let doctor = place.succeed("doctor");
    assert!(doctor.stdout.contains(&format!("NVIDIA A100 {reason}")), "{doctor}");
    // One that a plan is made for is named, too.
    assert!(place.succeed("plan demo.toml").stderr.contains("NVIDIA H100 is not used"));
}

#[test]
fn missing_and_broken_libraries_leave_the_cpu_with_a_word() {
    let mut place = machine("580.65.06");
    let without = place.succeed("launch demo.toml");
    let said =
        "NVIDIA H100 is not used: libtorch's libraries for CUDA are not here; `./just setup cuda` fetches them";
    assert!(without.stderr.contains(said), "{without}");
    // Not a library: the loader passes over it, and libtorch stays what it was.
    place.write("cuda/libtorch_cuda.so", "half of a download");
    place.set("FROSTLINE_CUDA_LIBRARIES", place.path("cuda"));
    // Other trials: what is finished does not run again.
    let broken = place.succeed("launch demo.toml --set sweep.name=again --set train.epochs=3");
    let said = "NVIDIA H100 is not used: libtorch's libraries for CUDA in [PLACE]/cuda cannot be loaded";
    assert!(broken.to_string().contains(said), "{broken}");
    assert!(broken.stderr.contains("on cpu"), "{broken}");
}

#[test]
fn each_worker_sees_one_gpu_and_records_its_name() {
    let place = machine_that_computes(r#"{"device": "cuda:0", "trouble": null, "memory": [1, 2]}"#);
    let doctor = place.succeed("doctor");
    assert!(
        doctor.stdout.contains(
            "NVIDIA H100, 81559 MiB, compute capability 9.0, driver 580.65.06: computes in every precision"
        ),
        "{doctor}"
    );
    // Each takes a trial, and none is done before all have one.
    place.hold();
    let running = place.start("launch demo.toml --set workers.count=4");
    place.wait_for_epochs("demo", 4);
    place.release();
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert!(outcome.stderr.contains("4 workers of 1 thread on cuda"), "{outcome}");
    let started: Vec<String> = place.read("started").lines().map(str::to_owned).collect();
    let seen: Vec<&str> = started.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(seen.iter().filter(|gpu| **gpu == "GPU-aaaa").count(), 2, "{started:?}");
    assert_eq!(seen.iter().filter(|gpu| **gpu == "GPU-bbbb").count(), 2, "{started:?}");
    assert!(started.iter().all(|line| line.ends_with("PCI_BUS_ID libtorch_cuda.so ")), "{started:?}");
    let trials = place.trials("demo");
    let devices: BTreeSet<String> = trials
        .iter()
        .flat_map(|trial| {
            let shown = place.json(&format!("show {} --json", trial.id));
            shown["attempts"].as_array().unwrap().clone()
        })
        .map(|attempt| attempt["build"]["device"].as_str().unwrap_or_else(|| panic!("{attempt}")).to_owned())
        .collect();
    let names = ["cuda:0 (NVIDIA H100)", "cuda:1 (NVIDIA A100)"].map(str::to_owned);
    assert!(devices.is_subset(&names.into()) && !devices.is_empty(), "{devices:?}");
}

#[test]
fn a_sweep_that_began_on_a_gpu_does_not_go_on_without() {
    let mut place = machine_that_computes("");
    place.succeed("launch demo.toml --set workers.deterministic=true");
    assert!(place.read("started").lines().all(|line| line.ends_with(":4096:8")), "{}", place.read("started"));
    // The driver is gone.
    place.set("CUDA_VISIBLE_DEVICES", "");
    let refused = place.run("launch demo.toml --set sweep.seeds=[0,1]");
    assert_eq!(refused.code, Some(2), "{refused}");
    assert!(
        refused.stderr.contains("finished trials of this sweep were run on a GPU, and here there is"),
        "{refused}"
    );
    let resumed = place.run("resume demo");
    assert!(resumed.code == Some(2) && resumed.stderr.contains("were run on a GPU"), "{resumed}");
    // A trial is its content, whichever sweep asks for it.
    for other in ["--force-new", "--set sweep.name=other"] {
        let refused = place.run(&format!("launch demo.toml --set sweep.seeds=[0,1] {other}"));
        assert!(refused.code == Some(2) && refused.stderr.contains("were run on a GPU"), "{refused}");
    }
    place.succeed("launch demo.toml --set sweep.seeds=[0,1] --results new");
}

#[test]
fn trials_that_another_sweep_has_run_stay_on_its_kind_of_device() {
    let place = machine_that_computes("");
    place.succeed("launch demo.toml --set grid.frozen_layers=[0]");
    let as_other = "demo.toml --set sweep.name=other";
    let said = "finished trials of this sweep were run on a GPU, and workers.device = \"cpu\"";
    for command in ["launch", "plan"] {
        let refused = place.run(&format!("{command} {as_other} --set workers.device=cpu"));
        assert!(refused.stderr.contains(said), "{refused}");
    }
    // Of its own accord it goes where they were.
    let outcome = place.succeed(&format!("launch {as_other}"));
    assert!(outcome.stderr.contains("on cuda"), "{outcome}");
    // What this sweep has run on the CPU, and another has on a GPU, is in no sweep together.
    place.succeed("launch demo.toml --set sweep.name=third --set grid.frozen_layers=[1] --set workers.device=cpu");
    let both = place.run("launch demo.toml --set sweep.name=fourth --set grid.frozen_layers=[0,1]");
    assert!(both.code == Some(2) && both.stderr.contains("on the CPU and some on a GPU"), "{both}");
}

#[test]
fn a_gpu_that_fails_when_it_is_tried_says_what_to_do() {
    let place = machine_that_computes(
        r#"{"device": "cuda:0", "trouble": "float32: CUDA error: no kernel image is available for execution on the device", "memory": null}"#,
    );
    let outcome = place.succeed("launch demo.toml");
    assert!(
        outcome.stderr.contains(
            "NVIDIA H100 is not used: this GPU is too old for this libtorch (float32: CUDA error: no kernel image"
        ),
        "{outcome}"
    );
    assert!(outcome.stderr.contains("on cpu"), "{outcome}");
}

#[test]
fn tf32_is_for_gpus() {
    let place = Place::edited("epochs = 2", "epochs = 2\nprecision = \"tf32\"");
    says!(place, "launch demo.toml", @r#"
    exit code 2
    --- error
    error: precision = "tf32" is the arithmetic of a GPU, and this sweep runs on the CPU: use "float32", or a machine with a GPU
    "#);
    assert!(!place.path("results").exists());
}
