#!/usr/bin/env python3
"""Everything that only a machine with a GPU can show, in one command and without network; on a CPU the same with small sizes.

    python3 scripts/gpu/check.py PROGRAMS [--small] [--torch PYTHON] [--write]

PROGRAMS is a folder with `frostline` and `frostline-worker`, and with the tests `goldens` and `end_to_end` where they are
to be run (`pack.py` fills one). It needs nothing else but Python and libtorch; PyTorch's throughput is measured where
PYTHON (else this one) imports `torch`. `--small` takes a CPU's sizes on a GPU, too. `--write` puts the table into docs/gpu.md.
Ends with 1 where something does not hold.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent.parent / "docs" / "gpu.md"
BEGIN, END = "<!-- gpu: begin -->", "<!-- gpu: end -->"

# What was measured, without what the clock and the memory measured.
MEASURED = """SELECT hex(trial), epoch.epoch, epoch.train_loss, epoch.train_accuracy, epoch.val_loss, epoch.val_accuracy,
        trial.test_loss, trial.test_accuracy
    FROM attempt JOIN epoch ON epoch.attempt = attempt.id JOIN trial ON trial.id = attempt.trial
    WHERE attempt.outcome = 'complete' ORDER BY 1, 2"""

# Of metrics that need not be equal to the bit: the largest difference of a loss.
NEAR = 1e-2

# Nothing waits for longer than this.
LIMIT = 1800

SMALL_TESTS = {
    "goldens": ["outputs_are_those_of_both_libraries_that_have_lite0"],
    "end_to_end": ["a_trial_that_was_stopped_goes_on_as_if_it_never_had_been", "two_workers_that_want_the_same_features"],
}


@dataclass
class Sizes:
    """How much is computed."""

    network: str
    image: int
    images: int
    batch: int
    epochs: int
    heads: int
    head_images: int
    trained_images: int


LARGE = Sizes("efficientnet_v2_s", 128, 2000, 64, 4, 1000, 2000, 4000)
SMALL = Sizes("efficientnet_lite0", 32, 60, 20, 4, 30, 100, 50)


class Failed(Exception):
    """What was looked for does not hold."""


@dataclass
class Machine:
    """The programs, and what they compute on."""

    programs: Path
    results: Path
    torch: str
    device: str = "cpu"
    name: str = ""
    libtorch: str = ""
    libraries: Path | None = None
    sizes: Sizes = field(default_factory=lambda: SMALL)

    @property
    def on_gpu(self) -> bool:
        return self.device != "cpu"

    def command(self, folder: str, *arguments: object) -> list[str]:
        return [str(self.programs / "frostline"), "--results", str(self.results / folder), *map(str, arguments)]

    def environment(self, **more: str) -> dict[str, str]:
        return {**os.environ, "FROSTLINE_WORKER": str(self.programs / "frostline-worker"), **more}

    def frostline(self, folder: str, *arguments: object, **environment: str) -> str:
        command = self.command(folder, *arguments)
        ended = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, env=self.environment(**environment))
        if ended.returncode:
            raise Failed(f"`frostline {' '.join(command[3:])}` ended with {ended.returncode}: {last_words(ended.stderr)}")
        return ended.stdout

    def ask(self, folder: str, *arguments: object) -> object:
        return json.loads(self.frostline(folder, *arguments, "--json"))

    def define(self, name: str, grid: str, train: str, images: int | None = None, **sizes: object) -> Path:
        """A definition of drawn images and random weights, which needs no file."""
        size, images = self.sizes, images or self.sizes.images
        network, image = sizes.get("network", size.network), sizes.get("image", size.image)
        path = self.results / f"{name}.toml"
        path.write_text(
            f'[sweep]\nname = "{name}"\n'
            f'[data]\ndataset = "shapes"\nimage_size = {image}\ntrain_limit = {images}\n'
            f"test_limit = {max(images // 4, 10)}\nvalidation = 0.2\n"
            f'[model]\nbackbone = "{network}"\nweights = "random"\n'
            f"[grid]\n{grid}\n[train]\n{train}\n"
            f'[workers]\ncount = 1\nthreads = 1\ndevice = "{"cuda" if self.on_gpu else "cpu"}"\ndeterministic = true\n'
            f'reconnect_grace = 0.5\n[keep]\nmodels = "none"\n'
        )
        return path

    def query(self, folder: str, sql: str) -> list[tuple]:
        database = self.results / folder / "frostline.db"
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(sql).fetchall()
        except sqlite3.OperationalError:
            # Before the first commit there is no table.
            return []
        finally:
            connection.close()

    def epochs(self, folder: str) -> int:
        if not (self.results / folder / "frostline.db").exists():
            return 0
        rows = self.query(folder, "SELECT count(*) FROM epoch")
        return rows[0][0] if rows else 0


def last_words(text: str) -> str:
    return " / ".join(text.strip().splitlines()[-3:])


def look(machine: Machine) -> str:
    """What this machine computes on."""
    found = machine.ask("look", "doctor")
    worker = found["worker"]
    if not worker:
        raise Failed(found["worker_error"])
    machine.libtorch = worker["libtorch"]
    gpus = worker.get("gpus") or []
    for remark in found.get("gpu_remarks") or []:
        say(remark)
    if not gpus:
        machine.name = cpu_name()
        return machine.name
    machine.device, machine.name = "cuda:0", gpus[0]["name"]
    version = machine.libtorch.split(" ")[0]
    fetched = Path(found["cache"]) / f"libtorch/{version}-cuda/torch/lib"
    installed = (found.get("torch") or {}).get("libraries")
    machine.libraries = Path(os.environ.get("FROSTLINE_CUDA_LIBRARIES") or installed or fetched)
    return ", ".join(f"{gpu['name']} ({gpu.get('memory', '?')} MiB, driver {gpu.get('driver', '?')})" for gpu in gpus)


def cpu_name() -> str:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{model.group(1) if model else platform.machine()}, {os.cpu_count()} cores"


def tests(name: str, only: list[str]):
    """A test program of this project, on this device."""

    def run(machine: Machine) -> str:
        program = machine.programs / name
        if not program.exists():
            return "left out: the programs lack it"
        environment = machine.environment(FROSTLINE_TEST_DEVICE=machine.device)
        if (machine.programs / "networks.safetensors").exists():
            environment["FROSTLINE_GOLDENS"] = str(machine.programs)
        if machine.libraries:
            environment["LD_LIBRARY_PATH"] = str(machine.libraries)
            environment["LD_PRELOAD"] = str(machine.libraries / "libtorch_cuda.so")
            environment["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
        chosen = only if machine.sizes is SMALL else []
        ended = subprocess.run([program, *chosen, "--test-threads=1"], capture_output=True, text=True, timeout=LIMIT,
                               env=environment, cwd=machine.results)
        counts = re.search(r"test result: \w+\. (\d+) passed; (\d+) failed", ended.stdout)
        failed = re.findall(r"^test (\S+) \.\.\. FAILED", ended.stdout, re.MULTILINE)
        if ended.returncode or not counts:
            first = re.search(r"panicked at [^\n]*\n([^\n]*)", ended.stdout + ended.stderr)
            why = first.group(1) if first else last_words(ended.stderr)
            raise Failed(f"{', '.join(failed) or 'it did not run'}: {why}")
        passed = counts.group(1)
        return f"{passed} test{'s' * (passed != '1')} passed"

    return run


def kinds(machine: Machine) -> Path:
    """A head on features, a network that trains from its middle, and one that trains whole."""
    size = machine.sizes
    return machine.define("kinds", 'frozen_layers = [0, 0.5, "all"]',
                          f"epochs = {size.epochs}\nbatch_size = {size.batch}\nhead_units = [16]\nhead_dropout = [0.3]")


def calm(machine: Machine) -> str:
    """What the next ones are compared with."""
    machine.frostline("calm", "launch", kinds(machine))
    rows = machine.query("calm", MEASURED)
    return f"{len(rows)} epochs of 3 trials"


def compared(machine: Machine, folder: str, to_the_bit: bool) -> str:
    ours, theirs = machine.query(folder, MEASURED), machine.query("calm", MEASURED)
    if not theirs or [row[:2] for row in ours] != [row[:2] for row in theirs]:
        raise Failed(f"{len(ours)} epochs against {len(theirs)}")
    if ours == theirs:
        return "equal to the bit"
    worst = max(abs(a - b) for row, other in zip(ours, theirs) for a, b in zip(row[2:], other[2:]))
    said = f"metrics differ by {worst:.1e} at most"
    if to_the_bit or worst > NEAR:
        raise Failed(said)
    return said


def again(machine: Machine) -> str:
    machine.frostline("again", "launch", kinds(machine))
    return compared(machine, "again", True)


def uncached(machine: Machine) -> str:
    machine.frostline("uncached", "launch", kinds(machine), "--set", "cache.features=off")
    # Promised of a CPU.
    return compared(machine, "uncached", not machine.on_gpu)


def killed(machine: Machine) -> str:
    command = machine.command("killed", "launch", kinds(machine))
    keeping = machine.environment(FROSTLINE_WORKER_ARGUMENTS="--checkpoint-seconds 0")
    kills = 0
    for wanted in (2, 5, 9):
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=keeping, text=True)
        wait(lambda: running.poll() is not None or machine.epochs("killed") >= wanted)
        if running.poll() is not None:
            break
        # A worker first: its coordinator would find it gone.
        for pid in children(running.pid):
            os.kill(pid, signal.SIGKILL)
        running.kill()
        running.wait()
        kills += 1
        command = machine.command("killed", "resume", "kinds")
    if not kills:
        raise Failed("it was over before it was killed")
    if running.poll() is None or running.returncode:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, env=keeping)
        if ended.returncode:
            raise Failed(last_words(ended.stderr))
    machine.frostline("killed", "verify")
    return f"killed {kills} times: {compared(machine, 'killed', True)}"


def children(parent: int) -> list[int]:
    # Whichever of its threads has started them.
    lists = Path(f"/proc/{parent}/task").glob("*/children")
    return [int(pid) for text in lists for pid in text.read_text().split()]


def wait(done) -> None:
    until = time.monotonic() + LIMIT
    while not done():
        if time.monotonic() > until:
            raise Failed(f"nothing happened within {LIMIT} s")
        time.sleep(0.01)


def poisoned(machine: Machine) -> str:
    poison = machine.results / "poison"
    poison.write_text("")
    machine.frostline("poisoned", "launch", kinds(machine), FROSTLINE_WORKER_ARGUMENTS=f"--poison {poison}")
    if poison.exists():
        raise Failed("no worker took the poison")
    failures = machine.query("poisoned", "SELECT failure_kind FROM attempt WHERE failure_kind IS NOT NULL")
    if failures != [("device",)]:
        raise Failed(f"failures were {[kind for (kind,) in failures]} instead of one of the device")
    planted = "" if machine.on_gpu else " (played: a CPU has none)"
    return f"one attempt lost{planted}, all trials complete, {compared(machine, 'poisoned', True)}"


def speeds(machine: Machine, folder: str) -> dict[int, float]:
    """Training images a second of the last epoch, by frozen layers."""
    rates = {}
    for trial in machine.ask(folder, "best", folder, "-n", 100):
        shown = machine.ask(folder, "show", trial["trial"])
        rates[trial["parameters"]["frozen_layers"]] = shown["epochs"][-1]["images_per_second"]
    return rates


# Of EfficientNetV2-S: nothing, the first half of its layers, all of them.
DEPTHS = [0, 256, 513]


def throughput(machine: Machine) -> str:
    """The article's network, in bfloat16."""
    size = machine.sizes
    # Whatever deterministic algorithms cost is not part of it.
    definition = machine.define(
        "speed", f"frozen_layers = {DEPTHS}",
        f'epochs = 2\nbatch_size = {size.batch}\nhead_units = [256, 128]\nhead_dropout = [0.5, 0.4]\nprecision = "bfloat16"',
        size.trained_images, network="efficientnet_v2_s")
    machine.frostline("speed", "launch", definition, "--set", "workers.deterministic=false")
    rates = speeds(machine, "speed")
    return "; ".join(f"{depth} layers frozen: {rates[depth]:,.0f} images/s" for depth in DEPTHS)


def peer(compiled: bool):
    def run(machine: Machine) -> str:
        if compiled and not machine.on_gpu:
            return "left out on a CPU: compiling takes minutes there"
        size = machine.sizes
        learned = size.trained_images - size.trained_images // 5
        question = {"device": "cuda" if machine.on_gpu else "cpu", "image": size.image, "batch": size.batch,
                    "images": learned, "compiled": compiled}
        command = [machine.torch, str(HERE / "peer.py"), json.dumps(question)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
        if ended.returncode == 3:
            return f"left out: {machine.torch} does not import `torch`"
        if ended.returncode:
            return f"left out, it failed: {last_words(ended.stderr)}"
        answer = json.loads(ended.stdout.splitlines()[-1])
        rates = "; ".join(f"{depth} layers frozen: {rate:,.0f} images/s" for depth, rate in zip(DEPTHS, answer["rates"]))
        return f"{rates} (torch {answer['torch']}, every epoch from the images)"

    return run


def heads(machine: Machine) -> str:
    size = machine.sizes
    rates = ", ".join(f"{1e-5 * (place + 1):.6g}" for place in range(size.heads))
    definition = machine.define("heads", f"learning_rate = [{rates}]",
                                f'frozen_layers = "all"\nepochs = 2\nbatch_size = {size.batch}\nhead_units = [256]',
                                size.head_images)
    started = time.monotonic()
    machine.frostline("heads", "launch", definition)
    seconds = time.monotonic() - started
    alone = machine.query("heads", "SELECT total(epoch.seconds) FROM epoch")[0][0]
    images = size.head_images - size.head_images // 5
    return (f"{size.heads} heads, 2 epochs of {images} images, from nothing: {seconds:.1f} s, of it {alone:.1f} s in epochs "
            f"({1000 * alone / size.heads:.0f} s for 1,000)")


def memory(machine: Machine) -> str:
    peaks = {folder: machine.query(folder, "SELECT max(peak_memory) FROM epoch")[0][0] or 0 for folder in ("speed", "heads")}
    of = "tensors on the GPU" if machine.on_gpu else "the process"
    return f"at most {peaks['speed'] / 1e6:,.0f} MB ({of}) where the network trains, {peaks['heads'] / 1e6:,.0f} MB for heads"


CHECKS = [
    ("goldens of Keras, torchvision and timm", tests("goldens", SMALL_TESTS["goldens"])),
    ("end-to-end tests of training", tests("end_to_end", SMALL_TESTS["end_to_end"])),
    ("a sweep of three kinds of trials", calm),
    ("the same again", again),
    ("the same without cached features", uncached),
    ("the same, killed and resumed", killed),
    ("the same with a failing device", poisoned),
    ("throughput, EfficientNetV2-S in bfloat16", throughput),
    ("PyTorch eager, channels-last, bfloat16", peer(False)),
    ("PyTorch, the same with `torch.compile`", peer(True)),
    ("heads on cached features", heads),
    ("peak memory", memory),
]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def table(machine: Machine, place: str, rows: list[tuple[str, str, float]]) -> str:
    when = datetime.datetime.now(datetime.timezone.utc).date()
    what = f"{machine.sizes.network}, {machine.sizes.image} px" + (", small sizes" if machine.sizes is SMALL else "")
    head = f"Measured on {when}, on {'a GPU' if machine.on_gpu else '**a CPU**'}: {place}; libtorch {machine.libtorch}; {what}."
    if machine.sizes is SMALL:
        head += " So small, the numbers say that everything runs, and nothing about speed."
    body = "\n".join(f"| {name} | {result} | {seconds:.0f} s |" for name, result, seconds in rows)
    return f"{head}\n\n| what | result | took |\n|---|---|---|\n{body}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", type=Path)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--torch", metavar="PYTHON", default=sys.executable)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    failures = 0
    results = Path(tempfile.mkdtemp(prefix="frostline-gpu-"))
    try:
        machine = Machine(arguments.programs.resolve(), results, arguments.torch)
        place = look(machine)
        machine.sizes = LARGE if machine.on_gpu and not arguments.small else SMALL
        say(f"on {place}, libtorch {machine.libtorch}")
        rows = []
        for name, check in CHECKS:
            started = time.monotonic()
            try:
                result = check(machine)
            except (Failed, subprocess.TimeoutExpired) as error:
                failures += 1
                result = f"**failed**: {error}"
            rows.append((name, result.replace("|", "/"), time.monotonic() - started))
            say(f"{name}: {result} ({rows[-1][2]:.0f} s)")
        text = table(machine, place, rows)
        print(text)
        if arguments.write:
            document = DOCUMENT.read_text()
            before, rest = document.split(BEGIN)
            DOCUMENT.write_text(f"{before}{BEGIN}\n{text}{END}{rest.split(END)[1]}")
    except Failed as error:
        say(f"error: {error}")
        return 1
    finally:
        if not failures:
            shutil.rmtree(results, ignore_errors=True)
    if failures:
        say(f"{failures} of {len(CHECKS)} checks failed; what they left is in {results}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
