#!/usr/bin/env python3
"""Puts everything that `check.py` needs besides Python and libtorch into one folder, `target/gpu`, which can be copied.

    python3 scripts/gpu/pack.py [--profile dev]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PLACE = CHECKOUT / "target" / "gpu"
PROGRAMS = ["frostline", "frostline-worker"]
TESTS = ["goldens", "end_to_end"]
# What a machine may take in is limited.
MOST_MB = 60


def cargo(*arguments: str) -> dict[str, Path]:
    """Builds, and says where each program lies."""
    command = ["cargo", *arguments, "--message-format=json-render-diagnostics"]
    built = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, check=True, text=True)
    messages = (json.loads(line) for line in built.stdout.splitlines() if line.startswith("{"))
    return {it["target"]["name"]: Path(it["executable"]) for it in messages if it.get("executable")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="release")
    profile = ["--profile", parser.parse_args().profile]
    try:
        programs = cargo("build", "-p", "frostline", "-p", "frostline-worker", *profile)
        tests = [argument for name in TESTS for argument in ("--test", name)]
        # The tests of the profile with the same optimization.
        test_profile = ["--release"] if profile[1] == "release" else []
        programs |= cargo("test", "--no-run", "-p", "frostline-training", *tests, *test_profile)
    except subprocess.CalledProcessError as error:
        return error.returncode
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    for name in PROGRAMS + TESTS:
        # Without what a debugger wants.
        subprocess.run(["strip", "-o", PLACE / name, programs[name]], check=True)
    for name in ("check.py", "peer.py"):
        shutil.copy(Path(__file__).with_name(name), PLACE / name)
    shutil.copy(CHECKOUT / "crates/training/tests/goldens/networks.safetensors", PLACE)
    size = sum(file.stat().st_size for file in PLACE.iterdir()) / 1e6
    print(f"{PLACE}: {size:.0f} MB", file=sys.stderr)
    # What is not optimized is not what is taken along.
    if size > MOST_MB and profile[1] == "release":
        print(f"error: that is more than {MOST_MB} MB", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
