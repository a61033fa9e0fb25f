#!/usr/bin/env python3
"""Puts the packages that exports are held against into the user's cache folder: about 450 MB, once for each set of versions.

    python3 scripts/exports/install.py

`check.py` says how they are used.
"""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from setup import cache_folder

REQUIREMENTS = HERE / "requirements.txt"
# The last of the older series, for its users. It lies in a folder of its own and shares what it needs with the newer.
OLDER_OPTUNA = "optuna==4.9.0"


def folders():
    """What pip is given, by the folder that it fills; a folder that is there is whole."""
    wanted = f"{sys.version_info[:2]} {OLDER_OPTUNA}\n{REQUIREMENTS.read_text()}"
    home = cache_folder() / "exports" / hashlib.sha256(wanted.encode()).hexdigest()[:16]
    return {home / "packages": ["-r", str(REQUIREMENTS)], home / "optuna4": ["--no-deps", OLDER_OPTUNA]}


def main():
    for folder, packages in folders().items():
        if folder.exists():
            continue
        print(f"packages that read exports go to {folder}", flush=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unfinished-") as scratch:
            made = Path(scratch) / "made"
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
            command += ["--root-user-action", "ignore", "--target", str(made), *packages]
            if subprocess.run(command).returncode:
                sys.exit("error: pip could not install them; see the lines above")
            try:
                made.rename(folder)
            except OSError:
                # Another one was quicker.
                if not folder.exists():
                    raise


if __name__ == "__main__":
    main()
