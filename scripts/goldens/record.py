#!/usr/bin/env python3
"""Holds Frostline against torchvision, timm, Keras, SciPy and statsmodels, in environments of its own with pinned
versions of them.

    python3 scripts/goldens/record.py [STEP...]

Steps, all of them without an argument:

    numbers   record what the libraries compute into the tests' folders (`goldens.py`); the tests only read it
    family    the same for every network of the family, little of each (`family.py`); takes half an hour
    ranking   the same for SciPy's and statsmodels' statistics (`ranking_statistics.py`)
    files     let each library write each format, and compare what Frostline makes of the files (`check_files.py`)
    keras2    the same with files of Keras 2 and TensorFlow's outputs (`check_keras2.py`); needs Python 3.9 to 3.11
    export    train, export, and load the exported folders in the libraries (`check_export.py`)

The environments lie in .tools, which git ignores, and are made anew when their requirements change. They take some GB,
since PyPI's torch comes with CUDA; nothing here uses a GPU. Delete the folders to be rid of them.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROGRAM = ROOT / "target" / "release" / "frostline"

# Script and its argument, and the requirements of its environment.
STEPS = {
    "numbers": ("goldens.py", ROOT, "requirements.txt"),
    "family": ("family.py", ROOT, "requirements.txt"),
    "ranking": ("ranking_statistics.py", ROOT, "requirements-statistics.txt"),
    "files": ("check_files.py", PROGRAM, "requirements.txt"),
    "keras2": ("check_keras2.py", PROGRAM, "requirements-keras2.txt"),
    "export": ("check_export.py", PROGRAM, "requirements.txt"),
}


def say(text):
    print(text, file=sys.stderr, flush=True)


def environment(requirements):
    """The Python of the environment that has these requirements as they stand."""
    folder = ROOT / ".tools" / requirements.stem.replace("requirements", "goldens")
    mark = folder / "complete"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not mark.exists() or mark.read_text() != wanted:
        say(f"installing {requirements.name} into {folder.relative_to(ROOT)}")
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin/pip", "install", "--quiet", "-r", requirements], check=True)
        mark.write_text(wanted)
    return folder / "bin/python"


def main():
    chosen = sys.argv[1:] or list(STEPS)
    if unknown := [step for step in chosen if step not in STEPS]:
        sys.exit(f"{__doc__}\nerror: there is no step {', '.join(unknown)}")
    if not {"numbers", "family", "ranking"}.issuperset(chosen):
        subprocess.run(["cargo", "build", "--release", "-p", "frostline", "-p", "frostline-worker"], cwd=ROOT, check=True)
    # No library here asks for a GPU or a network of its own accord.
    variables = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    for step in chosen:
        script, argument, requirements = STEPS[step]
        python = environment(HERE / requirements)
        say(f"{step}:")
        if subprocess.run([python, HERE / script, argument], env=variables).returncode:
            sys.exit(f"error: {step} failed")


if __name__ == "__main__":
    main()
