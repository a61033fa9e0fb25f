"""Frostline and its peers on the same work, one after another on this machine; writes the table of docs/performance.md.

    python3 benches/peers/run.py --data FOLDER [--quick]

FOLDER holds CIFAR-10's binary version. The peers are installed into .tools/peers (several GB) by pinned versions.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VENV = ROOT / ".tools" / "peers"
RELEASE = ROOT / "target" / "release"
DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- peers: begin -->", "<!-- peers: end -->"


def say(text):
    print(text, file=sys.stderr, flush=True)


def install_peers(venv, requirements):
    if not (venv / "complete").exists():
        say(f"installing the peers into {venv}")
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin/pip", "install", "--quiet", "-r", HERE / requirements], check=True)
        (venv / "complete").touch()


def install():
    install_peers(VENV, "requirements.txt")
    subprocess.run(["cargo", "build", "--release", "--workspace", "--examples", "--bins"], cwd=ROOT, check=True)


def peer(script, *arguments):
    say(f"{script} {' '.join(map(str, arguments))}")
    output = subprocess.run([VENV / "bin/python", HERE / script, *map(str, arguments)], check=True, stdout=subprocess.PIPE)
    return json.loads(output.stdout.splitlines()[-1])


def frostline(results, *arguments, **environment):
    command = [RELEASE / "frostline", "--results", results, *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          env={**os.environ, **environment})


def reference_grid(data):
    """Seconds of the whole sweep from an empty results folder, of its fully frozen trials, and its peak memory."""
    say("frostline: the reference grid")
    # What was measured before has left pages to write, and checkpoints wait for the disk.
    os.sync()
    with tempfile.TemporaryDirectory() as results:
        started = time.perf_counter()
        frostline(results, "launch", HERE / "reference.toml", "--set", f"data.path={data}")
        total = time.perf_counter() - started
        trials = json.loads(frostline(results, "best", "reference", "-n", 100, "--json").stdout)
        frozen = [trial["metrics"]["seconds"] for trial in trials if trial["parameters"]["frozen_layers"] == 513]
        shown = json.loads(frostline(results, "show", trials[0]["trial"], "--json").stdout)
        verified = json.loads(frostline(results, "verify", "--json").stdout)
    assert len(trials) == 12 and verified["sound"], verified
    return {
        "seconds": total,
        "fully_frozen": sum(frozen) / len(frozen),
        "peak_bytes": max(epoch["peak_memory"] for epoch in shown["epochs"]),
    }


def idle_trials(trials):
    """Milliseconds of a do-nothing trial with 10 reports, every report durable, from launch to exit."""
    say(f"frostline: {trials} do-nothing trials")
    rates = ", ".join(str(1e-6 * (place + 1)) for place in range(trials))
    definition = f"""
        [sweep]\nname = "idle"\n[data]\ndataset = "shapes"\n[model]\nbackbone = "efficientnet_lite0"\nweights = "random"
        [grid]\nlearning_rate = [{rates}]\n[train]\nfrozen_layers = "all"\nepochs = 10
        [cache]\nfeatures = "off"\n"""
    with tempfile.TemporaryDirectory() as results:
        file = Path(results) / "idle.toml"
        file.write_text(definition)
        started = time.perf_counter()
        frostline(results, "launch", file, FROSTLINE_WORKER_ARGUMENTS="--trainer idle")
        seconds = time.perf_counter() - started
        assert json.loads(frostline(results, "verify", "--json").stdout)["sound"]
    return 1000 * seconds / trials


def optimizer_step():
    say("frostline: optimizer step")
    output = subprocess.run([RELEASE / "examples/optimizer_step"], check=True, stdout=subprocess.PIPE)
    return json.loads(output.stdout)


def scale():
    """What the bench of large sweeps prints: milliseconds of `best`, megabytes of a coordinator."""
    say("frostline: sweeps of 100,000 trials")
    output = subprocess.run(["cargo", "bench", "-p", "frostline", "--bench", "scale"], cwd=ROOT, check=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    number = lambda pattern: float(re.search(pattern, output).group(1))
    return {
        "best": number(r"best -n 10 --json: ([\d.]+) ms"),
        "memory": number(r"new trials: peak (\d+) MB"),
        "resume": number(r"first trial given out: (\d+) ms"),
    }


def row(what, ours, theirs, unit, wanted):
    return f"| {what} | {theirs:.4g} {unit} | {ours:.4g} {unit} | {theirs / ours:.1f}x | {wanted} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("FROSTLINE_CIFAR10"))
    parser.add_argument("--quick", action="store_true", help="fewer do-nothing trials, and no plain PyTorch")
    arguments = parser.parse_args()
    if arguments.data is None or not Path(arguments.data).is_dir():
        sys.exit("error: name the folder of CIFAR-10's binary version with --data or FROSTLINE_CIFAR10")
    data = Path(arguments.data).resolve()
    install()
    few = 10 if arguments.quick else 1
    # The short ones first: what does not work shows soon.
    step, fused = optimizer_step(), peer("step.py")
    idle = idle_trials(1000 // few)
    optuna = peer("idle.py", "optuna", 300 // few)
    ray = peer("idle.py", "ray", 40 // few)
    tuner = peer("idle.py", "keras-tuner", 100 // few)
    large = scale()
    # Before, between and after the others, which take minutes: the machine's speed drifts.
    runs = [reference_grid(data)]
    last = peer("grid.py", data, "--channels-last")
    runs.append(reference_grid(data))
    plain = None if arguments.quick else peer("grid.py", data)
    runs.append(reference_grid(data))
    say("seconds: " + ", ".join(f"{run['seconds']:.2f}" for run in runs))
    ours = {measure: statistics.median(run[measure] for run in runs) for measure in runs[0]}

    lines = ["| what | theirs | Frostline | ratio | wanted |", "|---|---|---|---|---|"]
    if plain:
        lines.append(row("reference grid, plain PyTorch + Optuna", ours["seconds"], plain["seconds"], "s", "5x"))
    lines += [
        row("reference grid, PyTorch channels-last + Optuna", ours["seconds"], last["seconds"], "s", "3x"),
        row("a fully frozen trial once features exist, channels-last", ours["fully_frozen"], last["fully_frozen"], "s", "50x"),
        row("a do-nothing trial with 10 reports, Optuna on SQLite", idle, optuna["milliseconds"], "ms", "100x"),
        row("the same, Ray Tune", idle, ray["milliseconds"], "ms", "-"),
        row("the same, Keras Tuner", idle, tuner["milliseconds"], "ms", "-"),
        row("optimizer step on 20 M parameters, PyTorch's fused Adam", step["milliseconds"], fused["milliseconds"], "ms", "1x"),
        row("peak memory of a worker, channels-last", ours["peak_bytes"] / 1e6, last["peak_bytes"] / 1e6, "MB", "1x"),
        f"| best of 100,000 trials with 10 epochs each, from disk | - | {large['best']:.1f} ms | - | 10 ms |",
        f"| coordinator's memory with 100,000 trials | - | {large['memory']:.0f} MB | - | 200 MB |",
        f"| `resume` behind 10,000 finished trials, to the first one given out | - | {large['resume']:.0f} ms | - | 1 s |",
    ]
    table = "\n".join([
        f"Measured on {time.strftime('%Y-%m-%d')}: {platform.system()}, {os.cpu_count()} cores, one after another.", "", *lines,
    ])
    print(table)
    text = DOCUMENT.read_text()
    before, rest = text.split(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{table}\n{rest[rest.index(END):]}")


if __name__ == "__main__":
    main()
