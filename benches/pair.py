"""Two builds of Frostline against each other: what a trial costs beside its training, alternating in one run.

    python3 benches/pair.py BEFORE [AFTER] [--runs 5] [--trials 1000]

BEFORE and AFTER are folders that hold `frostline` and `frostline-worker`; AFTER is target/release where it is left out.
Each build's coordinator drives two of its own worker processes, which make up their metrics at once. Printed are
milliseconds a trial, from the first assignment to the last outcome, and the ratio of the best runs; then the same for
`frostline --version`. With --most RATIO, a ratio above it ends with exit code 1.
"""

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EPOCHS = 10
STARTS = 40


def definition(trials):
    rates = ", ".join(f"{rate}e-4" for rate in range(1, 11))
    sizes = ", ".join(str(size) for size in range(1, trials // 10 + 1))
    return f"""
[sweep]
name = "bench"
[data]
dataset = "shapes"
image_size = 64
train_limit = 1000
test_limit = 500
[model]
backbone = "efficientnet_lite0"
weights = "random"
[grid]
learning_rate = [{rates}]
batch_size = [{sizes}]
[train]
frozen_layers = 0
epochs = {EPOCHS}
head_units = [64]
[workers]
count = 2
threads = 1
device = "cpu"
"""


def orchestrate(build, trials):
    """Milliseconds a trial."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "bench.toml")
        file.write_text(definition(trials))
        results = Path(folder, "results")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FROSTLINE_")}
        environment |= {
            "FROSTLINE_WORKER": str(build / "frostline-worker"),
            "FROSTLINE_WORKER_ARGUMENTS": "--trainer idle",
        }
        command = [build / "frostline", "--results", results, "launch", file]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Both builds have these columns, whatever else has changed in the schema.
        database = sqlite3.connect(results / "frostline.db")
        question = "SELECT count(*), min(started_at), max(ended_at) FROM attempt WHERE outcome = 'complete' AND trial IS NOT NULL"
        count, first, last = database.execute(question).fetchone()
        (epochs,) = database.execute("SELECT count(*) FROM epoch").fetchone()
        database.close()
    if (count, epochs) != (trials, trials * EPOCHS):
        sys.exit(f"{build}: {count} trials with {epochs} epochs, not {trials} with {trials * EPOCHS}")
    return 1e3 * (last - first) / trials


def start(build):
    """Milliseconds that `frostline --version` takes, the best of a few."""

    def once():
        begin = time.perf_counter()
        subprocess.run([build / "frostline", "--version"], check=True, stdout=subprocess.DEVNULL)
        return 1e3 * (time.perf_counter() - begin)

    return min(once() for _ in range(STARTS))


def compare(name, before, after, measure, runs):
    """Alternates, so that what else the machine does falls on both. Returns the ratio of the best runs."""
    times = {before: [], after: []}
    for _ in range(runs):
        for build in (before, after):
            times[build].append(measure(build))
    for label, build in (("before", before), ("after", after)):
        print(f"{name}, {label}:  " + "  ".join(f"{value:.3f}" for value in times[build]) + "  ms")
    ratio = min(times[after]) / min(times[before])
    print(f"{name}: {min(times[after]):.3f} ms after, {min(times[before]):.3f} ms before, ratio {ratio:.3f}", flush=True)
    return ratio


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path, nargs="?", default=Path(__file__).parent.parent / "target" / "release")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--trials", type=int, default=1000, help="a multiple of 10")
    parser.add_argument("--most", type=float, help="the largest ratio that is no failure")
    arguments = parser.parse_args()
    before, after = arguments.before.resolve(), arguments.after.resolve()
    if before == after:
        parser.error("both are the same folder: build one of them elsewhere")
    for program in (build / name for build in (before, after) for name in ("frostline", "frostline-worker")):
        if not program.is_file():
            parser.error(f"there is no {program}: build it, or name another folder")
    ratios = [
        compare("a trial", before, after, lambda build: orchestrate(build, arguments.trials), arguments.runs),
        compare("--version", before, after, start, arguments.runs),
    ]
    if arguments.most is not None and max(ratios) > arguments.most:
        sys.exit(f"slower than {arguments.most} times")


if __name__ == "__main__":
    main()
