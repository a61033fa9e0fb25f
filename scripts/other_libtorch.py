#!/usr/bin/env python3
"""Builds and tests what is linked to libtorch against another version of it, in a copy of this checkout.

    python3 scripts/other_libtorch.py VERSION

Each `tch` is made for one version of libtorch, so the copy depends on that one. The copy and its build stay in
`target/libtorch-VERSION`, and are used again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
# By the versions that `tch` says it is made for.
TCH = {"2.11": ("2.11.0", "0.24.0"), "2.13": ("2.13.0", "0.26.0")}
LINKED = ["crates/training/Cargo.toml", "crates/worker/Cargo.toml"]
OURS = 'tch = "=0.26.0"'


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1] not in TCH:
        print(f"usage: other_libtorch.py {'|'.join(TCH)}", file=sys.stderr)
        return 2
    libtorch, tch = TCH[sys.argv[1]]
    copy = CHECKOUT / "target" / f"libtorch-{sys.argv[1]}"
    update(copy, tch)
    # Its own libtorch, whatever this shell has, and its own build.
    environment = {name: value for name, value in os.environ.items() if name not in ("LIBTORCH", "CARGO_TARGET_DIR")}

    def run(*command: str) -> None:
        print(" ".join(command), flush=True)
        subprocess.run(command, cwd=copy, env=environment, check=True)

    try:
        run(sys.executable, "scripts/setup.py", "cpu", libtorch)
        run("cargo", "test", "-p", "frostline-training", "-p", "frostline-worker")
    except subprocess.CalledProcessError as error:
        print(f"error: with libtorch {libtorch} and tch {tch}: `{' '.join(error.cmd)}` failed", file=sys.stderr)
        return 1
    print(f"libtorch {libtorch} with tch {tch}: the crates that are linked to it build and pass their tests")
    return 0


def update(copy: Path, tch: str) -> None:
    """Brings the copy to this checkout's state; what has not changed keeps its time, so that it is not built again."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=CHECKOUT,
                            stdout=subprocess.PIPE, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        source, target = CHECKOUT / name, copy / name
        if not source.is_file():
            target.unlink(missing_ok=True)
            continue
        content = source.read_bytes()
        if name in LINKED:
            text = content.decode()
            if OURS not in text:
                raise SystemExit(f"{name} has no `{OURS}`: scripts/other_libtorch.py has to follow it")
            content = text.replace(OURS, f'tch = "={tch}"').encode()
        # Cargo writes it anew for the other dependency.
        if name == "Cargo.lock" and target.exists():
            continue
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            shutil.copymode(source, target)


if __name__ == "__main__":
    sys.exit(main())
