"""A folder of JPEG files made ready for training: Frostline, torchvision and Keras on the same files, one after another.

    python3 benches/peers/pictures.py --data FOLDER [--count 60000] [--edge 96]

FOLDER holds CIFAR-10's binary version, whose pictures become JPEG files of 320 x 240 pixels. Frostline decodes them once and
keeps them; the peers decode them in every epoch, and one epoch of theirs is measured, without training. The peers are
installed into .tools/pictures by pinned versions. Both programs of target/release are run.
"""

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from run import ROOT, frostline, install_peers, say

VENV = ROOT / ".tools" / "pictures"
WORKERS = 2

SWEEP = """
[sweep]
name = "{name}"
[data]
dataset = "folder"
path = {path}
image_size = {edge}
[model]
backbone = "efficientnet_lite0"
weights = "random"
[grid]
learning_rate = [{rate}]
[train]
epochs = 1
head_units = [8]
frozen_layers = 0
[workers]
count = 1
threads = 1
device = "cpu"
"""

MAKE = """
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
import numpy as np
from PIL import Image

data, folder, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
files = sorted(data.glob("data_batch_*.bin")) + [data / "test_batch.bin"]
rows = np.concatenate([np.fromfile(file, np.uint8).reshape(-1, 3073) for file in files])

def make(share):
    for number in range(share, count, 2):
        row = rows[number % len(rows)]
        # The sixth part is the test split; no two files are equal.
        place = folder / ("test" if number % 6 == 5 else "train") / f"class {row[0]}"
        place.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(row[1:].reshape(3, 32, 32).transpose(1, 2, 0)).resize((320, 240), Image.BICUBIC)
        pixels = np.asarray(picture, np.int16)
        noise = np.random.default_rng(number).integers(-8, 9, pixels.shape, np.int16)
        Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8)).save(place / f"{number:06}.jpg", quality=85)

with ProcessPoolExecutor(2) as pool:
    list(pool.map(make, range(2)))
"""

TORCHVISION = """
import sys, time
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
folder, edge, workers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
made = transforms.Compose([transforms.Resize(edge), transforms.CenterCrop(edge), transforms.PILToTensor()])
start, seen = time.perf_counter(), 0
for split in ("train", "test"):
    images = datasets.ImageFolder(f"{folder}/{split}", made)
    for batch, _ in DataLoader(images, batch_size=256, num_workers=workers):
        seen += len(batch)
print(seen, time.perf_counter() - start)
"""

KERAS = """
import os, sys, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
folder, edge = sys.argv[1], int(sys.argv[2])
start, seen = time.perf_counter(), 0
for split in ("train", "test"):
    images = keras.utils.image_dataset_from_directory(f"{folder}/{split}", image_size=(edge, edge), batch_size=256,
        crop_to_aspect_ratio=True, verbose=False)
    for batch, _ in images:
        seen += len(batch)
print(seen, time.perf_counter() - start)
"""


def python(code, *arguments):
    command = [VENV / "bin/python", "-c", code, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        sys.exit(ended.stderr)
    return ended.stdout


def peer(code, count, *arguments):
    seen, seconds = python(code, *arguments).split()
    if int(seen) != count:
        sys.exit(f"{seen} pictures were read, not {count}")
    return float(seconds)


def launch(results, definition):
    """Seconds from the start of the program until its first trial is given out."""
    file = results.parent / "sweep.toml"
    file.write_text(definition)
    start = time.time()
    frostline(results, "launch", file, FROSTLINE_WORKER_ARGUMENTS="--trainer idle")
    database = sqlite3.connect(results / "frostline.db")
    (begun,) = database.execute("SELECT max(started_at) FROM attempt WHERE trial IS NOT NULL").fetchone()
    return begun - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=60_000)
    parser.add_argument("--edge", type=int, default=96)
    arguments = parser.parse_args()
    count, edge = arguments.count, arguments.edge
    install_peers(VENV, "requirements-pictures.txt")
    with tempfile.TemporaryDirectory() as scratch:
        pictures, results = Path(scratch, "pictures"), Path(scratch, "results")
        say(f"making {count} files")
        python(MAKE, arguments.data.resolve(), pictures, count)
        definition = lambda name, rate: SWEEP.format(name=name, path=json.dumps(str(pictures)), edge=edge, rate=rate)
        os.sync()
        times = {}
        for name, measure in [
            ("frostline, first launch", lambda: launch(results, definition("first", 1e-3))),
            ("frostline, second launch", lambda: launch(results, definition("second", 1e-2))),
            (f"torchvision, {WORKERS} workers, an epoch", lambda: peer(TORCHVISION, count, pictures, edge, WORKERS)),
            ("keras, an epoch", lambda: peer(KERAS, count, pictures, edge)),
        ]:
            times[name] = measure()
            print(f"{name}: {times[name]:.1f} s", flush=True)


if __name__ == "__main__":
    main()
