"""Proves `frostline export-model`: trains small trials, exports them, loads the folders in torchvision and timm by the
written load.py, and compares its predictions with Frostline's own, image by image.

    python scripts/goldens/check_export.py target/release/frostline

Needs the requirements of this folder in the running Python. Writes into a temporary folder and takes a few minutes.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import timm
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file

PICTURES = 40

SWEEP = """
[sweep]
name = "{name}"
[data]
dataset = "shapes"
image_size = {size}
train_limit = 1000
[model]
backbone = "{backbone}"
weights = "{weights}"
[grid]
frozen_layers = {frozen}
[train]
epochs = 2
batch_size = 25
head_units = [48, 32]
head_dropout = [0.3, 0.1]
[keep]
models = "all"
"""


class Frostline:
    def __init__(self, program, results):
        self.program, self.results = program, results

    def run(self, *arguments):
        command = [self.program, "--results", self.results, *arguments]
        ended = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            sys.exit(f"{' '.join(str(part) for part in command)}\n{ended.stderr}")
        return ended.stdout

    def json(self, *arguments):
        return json.loads(self.run(*arguments, "--json"))


def loaded(folder):
    """The module load.py of an exported folder."""
    spec = importlib.util.spec_from_file_location(f"load_{folder.name}", folder / "load.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_images(frostline, file):
    """All test images as bytes, [n, 3, 32, 32], with their classes: layer 0 at the images' own size."""
    network = ["--backbone", "efficientnet_lite0", "--weights", "random", "--layer", 0]
    frostline.run("features", *network, "--data", "shapes", "--size", 32, "-o", file)
    tensors = load_file(file)
    return tensors["features"].to(torch.uint8), tensors["labels"]


def random_weights(model, pixels, path):
    """Saves random weights whose batch normalizations fit them: different images stay different to the top, and
    rounding errors stay small. Plain random weights blow them up to the size of the output."""
    model.eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.train()
            module.momentum = None  # the plain average over the batches below
            module.weight.data.uniform_(0.4, 0.8)
            module.bias.data.uniform_(-0.2, 0.2)
    with torch.no_grad():
        for batch in pixels[:400].split(100):
            model(torch.nn.functional.interpolate(batch / 64 - 2, size=(64, 64), mode="bilinear"))
    torch.save(model.state_dict(), path)
    return path


def pictures(folder, pixels):
    """Files of odd sizes and shapes, PNG and JPEG, made from test images."""
    paths = []
    for index in range(PICTURES):
        picture = Image.fromarray(pixels[index].permute(1, 2, 0).numpy())
        size = (32, 32) if index % 4 == 0 else (77 + 13 * index, 64 + 7 * index)
        path = folder / f"{index}.{'jpg' if index % 4 == 3 else 'png'}"
        picture.resize(size, Image.BICUBIC).save(path)
        paths.append(path)
    return paths


def check(frostline, folder, images, name, backbone, weights, frozen, size):
    pixels, labels = images
    toml = folder / f"{name}.toml"
    toml.write_text(SWEEP.format(name=name, backbone=backbone, weights=weights, frozen=frozen, size=size))
    frostline.run("launch", toml)
    (folder / name).mkdir()
    files = pictures(folder / name, pixels)
    for place in frostline.json("best", name):
        trial = place["trial"]
        target = folder / f"export-{trial}"
        frostline.run("export-model", trial, "-o", target)
        load = loaded(target)
        model = load.load()
        probabilities = load.predict(pixels, model)
        classes = len(load.CARD["classes"])
        counted = torch.bincount(labels * classes + probabilities.argmax(1), minlength=classes * classes)
        measured = torch.tensor(frostline.json("show", trial)["evaluation"]["confusion"])
        same = torch.equal(counted.view(classes, classes), measured)
        theirs = load.predict(files, model)
        ours = frostline.json("predict", trial, *files)
        ours = torch.tensor([[entry["probabilities"][c] for c in load.CARD["classes"]] for entry in ours])
        lossless = torch.tensor([path.suffix == ".png" for path in files])
        distance = (ours - theirs).abs().amax(1)
        alike = ours.argmax(1) == theirs.argmax(1)
        accuracy = counted.view(classes, classes).diagonal().sum().item() / len(labels)
        print(
            f"{name} ({load.CARD['layout']}), frozen_layers {place['parameters']['frozen_layers']}: "
            f"accuracy {accuracy:.4f} there, {place['metrics']['test_accuracy']:.4f} here, "
            f"confusion {'equal' if same else 'DIFFERENT'}; "
            f"{int(alike[lossless].sum())} of {int(lossless.sum())} PNG alike within {distance[lossless].max():.1e}, "
            f"{int(alike[~lossless].sum())} of {int((~lossless).sum())} JPEG within {distance[~lossless].max():.1e}",
            flush=True,
        )
        # Decoders of JPEG differ by some steps of 255, which moves probabilities a little.
        # A model that says the same of every image proves nothing.
        same = same and len(probabilities.argmax(1).unique()) > 3
        yield same and bool(alike[lossless].all()) and distance[lossless].max() < 1e-4 and distance.max() < 0.05


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frostline", type=Path, help="the program, with frostline-worker beside it")
    program = parser.parse_args().frostline.resolve()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        frostline = Frostline(program, folder / "results")
        images = test_images(frostline, folder / "pixels.safetensors")
        torch.manual_seed(1)
        timms = timm.create_model("tf_efficientnetv2_s", pretrained=False)
        same = random_weights(timms, images[0], folder / "timm.pth")
        symmetric = random_weights(torchvision.models.efficientnet_v2_s(weights=None), images[0], folder / "tv.pth")
        cases = [
            ("lite0", "efficientnet_lite0", "efficientnet_lite0.imagenet1k", '["all", 0.8]', 64),
            ("v2s-same", "efficientnet_v2_s", same, '["all", 480]', 64),
            ("v2s-symmetric", "efficientnet_v2_s", symmetric, '["all", 480]', 65),
        ]
        sound = [each for case in cases for each in check(frostline, folder, images, *case)]
    if not all(sound):
        sys.exit("an exported model predicts something else than its trial")
    print(f"all {len(sound)} exported models predict what their trials measured, to the image")


if __name__ == "__main__":
    main()
