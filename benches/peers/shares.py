"""Where the time of the reference grid goes: runs one of its trials in a process of its own and adds up what oneDNN says
of every operation, against the machine's own rates.

    python3 benches/peers/shares.py [FROZEN_LAYERS]

Prints two tables in Markdown: shares of the training time, and the convolutions' rates.
"""

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = ["cargo", "run", "--quiet", "--release", "-p", "frostline-training", "--example", "reference", "--"]
SHAPE = re.compile(r"(?:g(?P<g>\d+))?mb(?P<mb>\d+)_ic(?P<ic>\d+)oc(?P<oc>\d+)_ih\d+oh(?P<oh>\d+)kh(?P<kh>\d+).*_iw\d+ow(?P<ow>\d+)kw(?P<kw>\d+)")


def operations(shape):
    """Multiplications and additions of one pass."""
    found = {name: int(value or 1) for name, value in SHAPE.match(shape).groupdict().items()}
    inputs = found["ic"] // found["g"]
    return 2 * found["mb"] * found["oh"] * found["ow"] * found["oc"] * inputs * found["kh"] * found["kw"]


def kind(shape):
    found = SHAPE.match(shape).groupdict()
    if int(found["g"] or 1) > 1:
        return "depthwise"
    return "1 x 1" if found["kh"] == "1" else "3 x 3"


def main():
    frozen = sys.argv[1] if len(sys.argv) > 1 else "272"
    run = lambda **extra: subprocess.run([*COMMAND, frozen], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
                                         env={**os.environ, **extra}).stdout.splitlines()
    facts = {}
    for line in run():
        if line.startswith("{"):
            facts.update(json.loads(line))
    milliseconds, work, times = defaultdict(float), defaultdict(float), defaultdict(int)
    training = False
    # Timing every operation takes time itself, so shares are of the run without it.
    for line in run(ONEDNN_VERBOSE="1"):
        training = training or line == '{"training": true}'
        fields = line.split(",")
        if not training or len(fields) < 10 or fields[3] != "exec":
            continue
        if fields[5] == "convolution":
            name = f"{fields[7].replace('_', ' ')}, {kind(fields[-2])}"
            work[name] += operations(fields[-2])
        else:
            name = fields[5]
        milliseconds[name] += float(fields[-1])
        times[name] += 1
    total = 1000 * facts["seconds"]
    print(f"One trial, {frozen} layers frozen, {facts['trained_parameters'] / 1e6:.1f} M parameters trained, one thread: "
          f"{facts['seconds']:.1f} s.")
    print(f"This machine, one thread: {facts['convolution'] / 1e9:.0f} GFLOP/s in oneDNN's large products, "
          f"{facts['product'] / 1e9:.0f} in MKL's, {facts['copy'] / 1e9:.0f} GB/s copied.\n")
    print("| operation | times | seconds | share | GFLOP/s | of the machine's |\n|---|---|---|---|---|---|")
    for name in sorted(milliseconds, key=milliseconds.get, reverse=True):
        taken = milliseconds[name]
        rate = f"{work[name] / taken / 1e6:.0f} | {100 * work[name] * 1000 / taken / facts['convolution']:.0f} %" if work[name] else "- | -"
        print(f"| {name} | {times[name]} | {taken / 1000:.2f} | {100 * taken / total:.0f} % | {rate} |")
    rest = total - sum(milliseconds.values())
    print(f"| the rest: normalization, activations, optimizer, checkpoints | - | {rest / 1000:.2f} | {100 * rest / total:.0f} % | - | - |")
    bound = sum(work.values()) / facts["convolution"]
    print(f"\nAll convolutions at the machine's rate would take {bound:.1f} s, {100 * bound / facts['seconds']:.0f} % of the trial.")


if __name__ == "__main__":
    main()
