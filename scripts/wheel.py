#!/usr/bin/env python3
"""Makes the wheel by which pip installs Frostline: both programs, stripped, as scripts of the environment.

    python3 scripts/wheel.py [--programs target/release] [--output dist] [--largest-mb 15]

libtorch is not in it: it is that of the package `torch`, which the wheel depends on, in the environment that it is installed
in. The programs look for it there when they start, so the run path of the build goes. `auditwheel`, where it is installed,
says which manylinux the wheel keeps, libtorch left out, and the wheel is named so; otherwise it is named by the C library of
this machine, which is as true and may ask for more than is needed.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ["frostline", "frostline-worker"]
# The versions of `torch` that the worker runs on: this one, with any third number. `coordinator/src/launch/torch.rs` has
# the same.
TORCH = (2, 13)
# What else the worker is linked to comes from there, or from the system.
LIBTORCH = ["libtorch_cpu.so", "libc10.so", "libtorch.so"]
# So that two builds of the same programs are the same file.
MOMENT = (1980, 1, 1, 0, 0, 0)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--programs", type=Path, default=ROOT / "target/release", help="the folder of the two programs")
    arguments.add_argument("--output", type=Path, default=ROOT / "dist", help="the folder of the wheel")
    arguments.add_argument("--largest-mb", type=float, help="fail where the wheel is larger")
    given = arguments.parse_args()
    if os.uname().sysname != "Linux" or os.uname().machine != "x86_64":
        return fail("the programs are for Linux on x86-64, and so is their wheel: build it there")
    missing = [str(given.programs / name) for name in PROGRAMS if not (given.programs / name).is_file()]
    if missing:
        return fail(f"there is no {' and no '.join(missing)}: cargo build --release --workspace")
    for tool, package in [("strip", "binutils"), ("readelf", "binutils")]:
        if shutil.which(tool) is None:
            return fail(f"{tool} is missing: apt-get install {package}")
    with tempfile.TemporaryDirectory() as scratch:
        try:
            programs = {name: stripped(given.programs / name, Path(scratch)) for name in PROGRAMS}
            wheel = write(programs, Path(scratch), platform(programs.values()))
        except (ValueError, subprocess.CalledProcessError) as error:
            return fail(str(error))
        wheel = audited(wheel, Path(scratch))
        size = wheel.stat().st_size / 1e6
        if given.largest_mb and size > given.largest_mb:
            return fail(f"{wheel.name} has {size:.1f} MB, and {given.largest_mb:g} MB are the most that it may have")
        given.output.mkdir(parents=True, exist_ok=True)
        for earlier in given.output.glob("frostline-*.whl"):
            earlier.unlink()
        placed = shutil.copy(wheel, given.output)
    print(f"{placed}: {size:.1f} MB")
    return 0


def fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


def stripped(program: Path, scratch: Path) -> Path:
    """A copy without symbols, and without the place of the libtorch that it was built with."""
    copy = scratch / program.name
    subprocess.run(["strip", "-o", str(copy), str(program)], check=True)
    if any(place.startswith("/") for place in run_paths(copy)):
        forget_run_paths(copy)
    return copy


def run_paths(program: Path) -> list[str]:
    dynamic = subprocess.run(["readelf", "-dW", str(program)], check=True, capture_output=True, text=True).stdout
    found = re.findall(r"\((?:RPATH|RUNPATH)\).*\[(.*)\]", dynamic)
    return [place for places in found for place in places.split(":") if place]


def forget_run_paths(program: Path) -> None:
    """Empties the run path where it stands: the text of a dynamic section's entry may be shorter than it was."""
    content = program.read_bytes()
    for places in {":".join(run_paths(program))}:
        text = places.encode()
        if content.count(text + b"\0") != 1:
            raise ValueError(f"{program.name}: its run path {places} does not stand in it once: it cannot be taken out")
        content = content.replace(text + b"\0", b"\0" * (len(text) + 1))
    program.write_bytes(content)
    program.chmod(0o755)
    if run_paths(program):
        raise ValueError(f"{program.name} still has a run path: {run_paths(program)}")


def platform(programs) -> str:
    """The tag by the newest symbol of the C library that the programs ask for."""
    asked = set()
    for program in programs:
        symbols = subprocess.run(["readelf", "-VW", str(program)], check=True, capture_output=True, text=True).stdout
        asked |= {(int(major), int(minor)) for major, minor in re.findall(r"GLIBC_(\d+)\.(\d+)", symbols)}
    major, minor = max(asked)
    return f"manylinux_{major}_{minor}_x86_64"


def version() -> str:
    return tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]


def metadata() -> str:
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())
    of_all, own = package["workspace"]["package"], package["package"]
    major, minor = TORCH
    lines = [
        "Metadata-Version: 2.4",
        "Name: frostline",
        f"Version: {of_all['version']}",
        f"Summary: {own['description']}",
        f"License-Expression: {of_all['license']}",
        "License-File: LICENSE",
        f"Project-URL: Source, {of_all['repository']}",
        "Requires-Python: >=3.9",
        f"Requires-Dist: torch=={major}.{minor}.*",
        "Description-Content-Type: text/markdown",
    ]
    return "\n".join(lines) + "\n\n" + (ROOT / "README.md").read_text()


def write(programs: dict[str, Path], scratch: Path, tag: str) -> Path:
    """The wheel, by the specification of its format (https://packaging.python.org, "Binary distribution format")."""
    name = f"frostline-{version()}"
    described = f"{name}.dist-info"
    files = {f"{name}.data/scripts/{program}": path.read_bytes() for program, path in programs.items()}
    files[f"{described}/METADATA"] = metadata().encode()
    files[f"{described}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: frostline\nRoot-Is-Purelib: false\nTag: py3-none-{tag}\n".encode()
    )
    files[f"{described}/licenses/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    record = "".join(f"{path},sha256={digest(content)},{len(content)}\n" for path, content in files.items())
    files[f"{described}/RECORD"] = f"{record}{described}/RECORD,,\n".encode()
    wheel = scratch / f"{name}-py3-none-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path, MOMENT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if "/scripts/" in path else 0o100644) << 16
            archive.writestr(entry, content)
    return wheel


def digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def audited(wheel: Path, scratch: Path) -> Path:
    """The wheel as `auditwheel` names it; as it is where that is not installed."""
    program = [sys.executable, "-m", "auditwheel"]
    if subprocess.run([*program, "--version"], capture_output=True).returncode:
        print("auditwheel is not installed: the tag is by the C library alone", file=sys.stderr)
        return wheel
    folder = scratch / "audited"
    left_out = [word for library in LIBTORCH for word in ("--exclude", library)]
    command = [*program, "repair", "--wheel-dir", str(folder), *left_out, str(wheel)]
    subprocess.run(command, check=True)
    (found,) = folder.glob("*.whl")
    return found


if __name__ == "__main__":
    sys.exit(main())
