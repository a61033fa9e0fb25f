#!/usr/bin/env python3
"""Installs the wheel as its users do, and runs a first sweep: in a fresh environment, without Rust.

    python3 scripts/try_wheel.py dist/frostline-*.whl [--torch VERSION]

`torch` itself takes minutes to download. So the environment gets a stand-in for it, a package of that name whose libraries are
the libtorch that `./just setup` has put in place, and nothing is downloaded. With `--torch` it is the real one, from PyPI.
The last steps are an environment whose `torch` is too new, too old, or not there: what is said then is checked, too.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import venv
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import setup

WEIGHTS = "weights/efficientnet-lite0-57934424.pth"
# Enough to rank and to keep a model; `init`'s own sweep takes a minute or two.
SHORTER = ["--set", "train.epochs=1", "--set", "data.train_limit=300", "--set", "data.test_limit=100",
           "--set", "data.image_size=32"]


def libtorch() -> Path:
    """The one that the programs were built with."""
    return Path(os.environ.get("LIBTORCH") or setup.place_of("cpu")).resolve()


class Environment:
    """A fresh environment with the wheel, and a folder of somebody who has nothing else."""

    def __init__(self, folder: Path, wheel: Path, torch: str | None) -> None:
        self.folder, self.home = folder / "env", folder / "work"
        self.home.mkdir()
        # Debian has it in a package of its own; another environment's pip installs as well.
        has_pip = importlib.util.find_spec("ensurepip") is not None
        venv.create(self.folder, with_pip=has_pip)
        python = str(self.folder / "bin/python")
        self.installer = [python, "-m", "pip"] if has_pip else [sys.executable, "-m", "pip", "--python", python]
        (self.site,) = self.folder.glob("lib/python3*/site-packages")
        cache = folder / "cache"
        (cache / "weights").mkdir(parents=True)
        if (weights := setup.cache_folder() / WEIGHTS).exists():
            (cache / WEIGHTS).symlink_to(weights)
        folders = [place for place in os.environ["PATH"].split(":") if not (Path(place) / "cargo").exists()]
        path = ":".join([str(self.folder / "bin"), *folders])
        assert shutil.which("cargo", path=path) is None, path
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith("FROSTLINE_") and name not in ("LIBTORCH", "LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONPATH")}
        self.variables = {**kept, "PATH": path, "FROSTLINE_CACHE": str(cache), "HOME": str(self.home)}
        if torch is None:
            self.stand_in(f"{setup.VERSION}+cpu")
            self.pip("--no-index", str(wheel))
        else:
            self.pip(f"torch=={torch}", str(wheel))

    def pip(self, *what: str) -> None:
        began = time.monotonic()
        subprocess.run([*self.installer, "install", "--quiet", "--disable-pip-version-check", *what], check=True,
                       env=self.variables)
        print(f"{time.monotonic() - began:6.1f} s  pip install {' '.join(Path(part).name for part in what)}", flush=True)

    def stand_in(self, version: str) -> None:
        """A package `torch` of this version whose libraries are those that the programs were built with."""
        self.remove_torch()
        described = self.site / f"torch-{version.split('+')[0]}.dist-info"
        described.mkdir()
        (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {version.split('+')[0]}\n")
        (described / "INSTALLER").write_text("pip\n")
        (self.site / "torch").mkdir()
        (self.site / "torch/version.py").write_text(f"__version__ = '{version}'\n")
        (self.site / "torch/lib").symlink_to(libtorch() / "lib")

    def remove_torch(self) -> None:
        for found in [*self.site.glob("torch-*.dist-info"), self.site / "torch"]:
            if found.is_dir():
                shutil.rmtree(found)

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess:
        began = time.monotonic()
        done = subprocess.run(["frostline", *arguments], cwd=self.home, env=self.variables, capture_output=True, text=True)
        print(f"{time.monotonic() - began:6.1f} s  frostline {' '.join(arguments)}", flush=True)
        if done.returncode != code:
            sys.exit(f"error: exit code {done.returncode}, not {code}\n{done.stdout}{done.stderr}")
        return done


def picture(path: Path) -> None:
    """A grey square as PNG."""
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    side = 40
    rows = b"".join(b"\0" + bytes([128] * 3 * side) for _ in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def expect(found: bool, what: str, said: object) -> None:
    if not found:
        sys.exit(f"error: {what}\n{said}")


def first_sweep(environment: Environment, version: str) -> None:
    doctor = environment.run("doctor", "--json")
    torch = json.loads(doctor.stdout)["torch"]
    expect(torch["version"].startswith(version), f"doctor does not name torch {version}", doctor.stdout)
    expect(torch["libraries"].startswith(str(environment.folder)), "doctor names another torch", doctor.stdout)
    environment.run("init", "first")
    environment.run("plan")
    launched = environment.run("launch", "first.toml", *SHORTER)
    expect("6 trials: 6 complete" in launched.stderr, "not every trial is complete", launched.stderr)
    best = json.loads(environment.run("best", "--json").stdout)
    expect(len(best) == 6, "the ranking has not six rows", best)
    picture(environment.home / "grey.png")
    said = json.loads(environment.run("predict", best[0]["trial"][:8], "grey.png", "--json").stdout)
    expect(len(said[0]["probabilities"]) == 10, "a prediction has no ten classes", said)
    expect("sound" in environment.run("verify").stdout, "the results are not sound", "")


def wrong_torch(environment: Environment) -> None:
    """Another libtorch than the programs were made for is never loaded."""
    for version, word in [("2.14.0", "too new"), ("2.12.1", "too old")]:
        environment.stand_in(version)
        refused = environment.run("doctor", code=1).stdout
        expect(f"`torch` {version}" in refused and word in refused, f"doctor does not say that {version} is {word}", refused)
    environment.remove_torch()
    for arguments, code in [(("doctor",), 1), (("launch", "first.toml"), 2)]:
        refused = environment.run(*arguments, code=code)
        said = refused.stdout + refused.stderr
        expect("there is no `torch`" in said and "pip install 'torch==2.13.*'" in said, "no remedy", said)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("wheel", type=Path)
    arguments.add_argument("--torch", metavar="VERSION", help="the real package from PyPI, such as 2.13.0")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="frostline-wheel-") as folder:
        environment = Environment(Path(folder).resolve(), given.wheel.resolve(), given.torch)
        first_sweep(environment, given.torch or setup.VERSION)
        if given.torch is None:
            wrong_torch(environment)
    print("the wheel works")
    return 0


if __name__ == "__main__":
    sys.exit(main())
