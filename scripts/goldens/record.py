#!/usr/bin/env python3
"""Holds Frostline against torchvision, timm and Keras, in an environment of its own with pinned versions of them.

    python3 scripts/goldens/record.py [STEP...]

Steps, all of them without an argument:

    numbers   record what the libraries compute into the tests' folders (`goldens.py`); the tests only read it
    files     let each library write each format, and compare what Frostline makes of the files (`check_files.py`)
    export    train, export, and load the exported folders in the libraries (`check_export.py`)

The environment lies in .tools/goldens, which git ignores, and is made anew when the requirements change. It takes some
GB, since PyPI's torch comes with CUDA; nothing here uses a GPU. Delete the folder to be rid of it.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ENVIRONMENT = ROOT / ".tools" / "goldens"
REQUIREMENTS = HERE / "requirements.txt"
PROGRAM = ROOT / "target" / "release" / "frostline"

STEPS = {
    "numbers": ["goldens.py", ROOT],
    "files": ["check_files.py", PROGRAM],
    "export": ["check_export.py", PROGRAM],
}


def say(text):
    print(text, file=sys.stderr, flush=True)


def install():
    """The environment's Python, with the requirements as they stand."""
    mark = ENVIRONMENT / "complete"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if not mark.exists() or mark.read_text() != wanted:
        say(f"installing the libraries into {ENVIRONMENT.relative_to(ROOT)} (several GB)")
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        subprocess.run([ENVIRONMENT / "bin/pip", "install", "--quiet", "-r", REQUIREMENTS], check=True)
        mark.write_text(wanted)
    return ENVIRONMENT / "bin/python"


def main():
    chosen = sys.argv[1:] or list(STEPS)
    if unknown := [step for step in chosen if step not in STEPS]:
        sys.exit(f"{__doc__}\nerror: there is no step {', '.join(unknown)}")
    python = install()
    if any(PROGRAM in STEPS[step] for step in chosen):
        subprocess.run(["cargo", "build", "--release", "-p", "frostline", "-p", "frostline-worker"], cwd=ROOT, check=True)
    # No library here asks for a GPU or a network of its own accord.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "KERAS_BACKEND": "torch"}
    for step in chosen:
        say(f"{step}:")
        script, *arguments = STEPS[step]
        ended = subprocess.run([python, HERE / script, *arguments], env=environment)
        if ended.returncode:
            sys.exit(f"error: {step} failed")


if __name__ == "__main__":
    main()
