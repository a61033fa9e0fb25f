#!/usr/bin/env python3
"""Puts libtorch where Cargo finds it: once per user in the cache folder, linked into this checkout as `.libtorch`.

    python3 scripts/setup.py [auto|cpu|cuda] [VERSION]

The wheel of PyPI's `torch` carries libtorch with its headers. The programs are always built with its form for the CPU, which
leaves the CUDA libraries out (about 500 MB). Where GPUs are to be used, the wheel with everything it depends on (about 5 GB)
comes beside it: workers for a GPU are started with those libraries, and nothing is built again. `auto` takes them where a
GPU can use them: the driver is asked before anything is downloaded. Another VERSION than the default is for a copy of the
checkout that depends on another `tch` (`./just test-libtorch`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

VERSION = "2.13.0"
# Of these versions, the libraries of CUDA that the CPU's part is linked to; as the wheels' own requirements have them.
BESIDE = {
    "2.13.0": ["nvidia-cuda-runtime==13.0.96", "nvidia-cuda-cupti==13.0.85"],
    "2.11.0": ["nvidia-cuda-runtime==13.0.96", "nvidia-cuda-cupti==13.0.85"],
}
CUDA_ONLY = ("torch_cuda", "c10_cuda", "caffe2_nvrtc", "torch_python", "nvshmem")
# The wheels are made for one Python; which one runs this script does not matter for the libraries inside.
PYTHON = "3.11"
# The older name of manylinux_2_17 is the only one that some of NVIDIA's wheels have.
PLATFORMS = ["manylinux2014_x86_64"] + [f"manylinux_2_{minor}_x86_64" for minor in range(17, 29)]

# What the CUDA forms of these versions (CUDA 13.0) need: NVIDIA's CUDA 13.0 release notes, table 3, and the architectures that
# PyTorch builds its wheels for.
OLDEST_DRIVER = 580
LOWEST_CAPABILITY = (7, 5)

# Packages that are linked to libtorch.
LINKED = ["torch-sys", "frostline-training", "frostline-worker"]

NEEDED = [
    ("cargo", "https://rustup.rs, or: curl --proto '=https' -sSf https://sh.rustup.rs | sh"),
    ("c++", "sudo apt-get install g++   (or your system's C++ compiler)"),
    ("make", "sudo apt-get install make"),
]


def main() -> int:
    wanted = sys.argv[1] if len(sys.argv) > 1 else "auto"
    if wanted not in ("auto", "cpu", "cuda"):
        return fail(f"`{wanted}` is not a form of libtorch: use auto, cpu or cuda")
    version = sys.argv[2] if len(sys.argv) > 2 else VERSION
    if version not in BESIDE:
        return fail(f"libtorch {version} is not known here: use one of {', '.join(BESIDE)}")
    missing = [f"  {tool}: {remedy}" for tool, remedy in NEEDED if shutil.which(tool) is None]
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode:
        missing.append("  pip: sudo apt-get install python3-pip   (or: python3 -m ensurepip --user)")
    if missing:
        return fail("Frostline needs what this machine lacks:\n" + "\n".join(missing))
    if own := os.environ.get("LIBTORCH"):
        print(f"libtorch is the one in {own}, which LIBTORCH names")
        return 0
    if os.uname().sysname != "Linux" or os.uname().machine != "x86_64":
        return fail("libtorch comes from PyPI's wheel for Linux on x86-64; set LIBTORCH to another one's folder")

    try:
        form, remark = choose(wanted, has_nvidia_device(), ask_driver())
    except ValueError as refused:
        return fail(str(refused))
    if remark:
        print(remark, flush=True)
    if problem := fetch("cpu", install_cpu, version):
        return fail(problem)
    link(place_of("cpu", version))
    if form == "cuda" and (problem := fetch("cuda", install_cuda, version)):
        if wanted == "cuda":
            return fail(problem)
        print(f"sweeps run on the CPU for now: {problem}", flush=True)
        form = "cpu"
    print(f"libtorch {version} ({form}) is in place", flush=True)
    return 0


def place_of(form: str, version: str = VERSION) -> Path:
    """Where a form lies; `frostline` looks for the CUDA libraries there."""
    return cache_folder() / "libtorch" / f"{version}-{form}"


def fetch(form: str, install: Callable[[Path, Path, str], None], version: str = VERSION) -> str | None:
    """Puts a form in its place unless it is there; returns what went wrong."""
    home = place_of(form, version)
    if (home / "complete").exists():
        return None
    print(f"libtorch {version} ({form}) goes to {home}", flush=True)
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent, prefix=".unfinished-") as scratch:
            built = Path(scratch) / "libtorch"
            install(built, Path(scratch), version)
            (built / "complete").touch()
            shutil.rmtree(home, ignore_errors=True)
            built.rename(home)
    except subprocess.CalledProcessError:
        return "PyPI could not be reached or lacks the wheel; see the lines above, then run this again"
    except OSError as error:
        return f"{home} cannot be written: {error}; make room, or name another folder in FROSTLINE_CACHE"
    return None


def fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


def cache_folder() -> Path:
    """The same folder that the program itself uses."""
    if own := os.environ.get("FROSTLINE_CACHE"):
        return Path(own).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "frostline"


def has_nvidia_device() -> bool:
    """Whether the system has a GPU of NVIDIA; under WSL2 Windows' driver has it."""
    return Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists() and Path("/usr/lib/wsl/lib/nvidia-smi").exists()


def ask_driver() -> list[tuple[str, str, str]] | str:
    """Name, driver and compute capability of each GPU, or why there is no answer."""
    program = shutil.which("nvidia-smi") or shutil.which("/usr/lib/wsl/lib/nvidia-smi")
    if program is None:
        return "there is no nvidia-smi"
    question = [program, "--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader"]
    try:
        answer = subprocess.run(question, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"nvidia-smi does not work: {error}"
    if answer.returncode:
        return "nvidia-smi says: " + " ".join((answer.stdout + answer.stderr).split())
    rows = [tuple(cell.strip() for cell in line.split(",")) for line in answer.stdout.splitlines() if line.strip()]
    return [row for row in rows if len(row) == 3]


def choose(wanted: str, has_device: bool, gpus: list[tuple[str, str, str]] | str) -> tuple[str, str]:
    """The form to set up, and what to say about it. Raises ValueError where what is wanted would be of no use."""
    if wanted == "cpu":
        return "cpu", ""
    if isinstance(gpus, str) or not gpus:
        reason = gpus or "nvidia-smi lists no GPU"
        if wanted == "cuda":
            return "cuda", f"{reason}: whether a GPU here can use the CUDA form is not known"
        mend = "; once the driver works, `./just setup cuda` gets the CUDA form"
        return "cpu", f"an NVIDIA device is there, and {reason}: setting up for the CPU{mend}" if has_device else ""
    troubles = [trouble(*gpu) for gpu in gpus]
    lines = "\n".join(f"  {name}: {why or f'driver {driver}, compute capability {capability}'}"
                      for (name, driver, capability), why in zip(gpus, troubles))
    if any(why is None for why in troubles):
        return "cuda", f"GPUs:\n{lines}"
    if wanted == "cuda":
        raise ValueError(f"no GPU here can use libtorch {VERSION}:\n{lines}\n`./just setup cpu` sets up for the CPU")
    return "cpu", f"no GPU here can use libtorch {VERSION}, so the CPU form is set up:\n{lines}"


def trouble(_name: str, driver: str, capability: str) -> str | None:
    """Why a GPU cannot use the CUDA form."""
    major = driver.split(".")[0]
    if major.isdigit() and int(major) < OLDEST_DRIVER:
        return f"its driver {driver} is too old, {OLDEST_DRIVER} or newer is needed: update the driver"
    numbers = tuple(int(part) for part in capability.split(".") if part.isdigit())
    if len(numbers) == 2 and numbers < LOWEST_CAPABILITY:
        return f"compute capability {capability} is too low, {LOWEST_CAPABILITY[0]}.{LOWEST_CAPABILITY[1]} is needed"
    return None


def install_cpu(home: Path, scratch: Path, version: str) -> None:
    """Unpacks headers and CPU libraries out of the wheels, without installing anything."""
    wheels = scratch / "wheels"
    platforms = [argument for platform in PLATFORMS for argument in ("--platform", platform)]
    pip("download", "--no-deps", "--only-binary=:all:", "--python-version", PYTHON, *platforms,
        "--dest", str(wheels), f"torch=={version}", *BESIDE[version])
    (home / "lib").mkdir(parents=True)
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for entry in archive.infolist():
                if target := place(entry.filename):
                    path = home / target
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(entry) as source, open(path, "wb") as sink:
                        shutil.copyfileobj(source, sink, 1 << 20)
        wheel.unlink()
    (home / "lib" / "libtorch.so").unlink(missing_ok=True)
    (home / "lib" / "libtorch.so").symlink_to("libtorch_cpu.so")
    (home / "build-version").write_text(f"{version}\n")


def place(name: str) -> str | None:
    """Where a wheel's entry goes in the CPU form, or None for what it does not need."""
    if name.startswith("torch/include/") and not name.endswith("/"):
        return name.removeprefix("torch/")
    file = name.rsplit("/", 1)[-1]
    if ".so" not in file or any(part in file for part in CUDA_ONLY):
        return None
    if name.startswith(("torch/lib/", "nvidia/")):
        return f"lib/{file}"
    return None


def install_cuda(home: Path, _scratch: Path, version: str) -> None:
    """The wheel as it is, with its dependencies beside it: its libraries find each other by relative paths."""
    pip("install", "--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp",
        *[argument for platform in PLATFORMS for argument in ("--platform", platform)],
        "--target", str(home), f"torch=={version}")


def pip(verb: str, *arguments: str) -> None:
    command = [sys.executable, "-m", "pip", verb, "--disable-pip-version-check", "--no-input", "--retries", "1", *arguments]
    subprocess.run(command, check=True)


def link(libtorch: Path) -> None:
    """Points `.libtorch` at `libtorch`; what was linked against another one is built again, with its path in it."""
    checkout = Path(__file__).resolve().parent.parent
    place = checkout / ".libtorch"
    if place.is_symlink() and place.resolve() != libtorch.resolve():
        linked = [part for package in LINKED for part in ("-p", package)]
        for profile in ([], ["--release"]):
            subprocess.run(["cargo", "clean", "--quiet", *profile, *linked], cwd=checkout, check=False)
    fresh = checkout / ".libtorch.new"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(libtorch)
    fresh.replace(place)


if __name__ == "__main__":
    sys.exit(main())
