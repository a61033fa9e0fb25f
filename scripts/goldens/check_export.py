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

import networks  # First: it chooses Keras' backend.

import family
import torch
from PIL import Image
from safetensors.torch import load_file

PICTURES = 40
EPOCHS = 3

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
epochs = 6
batch_size = 25
head_units = {head}
head_dropout = {dropout}
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


def run_example(folder, picture):
    """The example of docs/python.md as it stands there, with this folder and this picture."""
    text = (Path(__file__).resolve().parent.parent.parent / "docs" / "python.md").read_text(encoding="utf-8")
    code = text.split("\n## timm and torchvision\n")[1].split("```python\n")[1].split("```")[0]
    code = code.replace('"my-model"', repr(str(folder))).replace('"cat.jpg"', repr(str(picture)))
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_images(frostline, file):
    """All test images as bytes, [n, 3, 32, 32], with their classes: layer 0 at the images' own size."""
    network = ["--backbone", "efficientnet_lite0", "--weights", "random", "--layer", 0]
    frostline.run("features", *network, "--data", "shapes", "--size", 32, "-o", file)
    tensors = load_file(file)
    return tensors["features"].to(torch.uint8), tensors["labels"]


def drawn_weights(network, gain, path):
    """Saves the formula's weights, which keep images apart up to the top, with the last normalization made `gain` times as
    strong, so that a head on top of it learns something in a few epochs."""
    with torch.no_grad():
        network.model.get_submodule(network.paths["top_bn"]).weight *= gain
    torch.save(network.model.state_dict(), path)
    return path


def trained_weights(network, images, size, path):
    """Saves weights that the library itself has trained for a few epochs: drawn ones leave a network with gates (SE) the same
    answer for every image, or an answer that turns with the rounding."""
    pixels, labels = images
    model = network.model.train()
    torch.manual_seed(0)
    inputs = torch.nn.functional.interpolate(pixels.float(), size=size, mode="bilinear")
    inputs = network.prepare(inputs.numpy())
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(inputs)).split(32):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(inputs[batch]), labels[batch]).backward()
            optimizer.step()
    torch.save(model.eval().state_dict(), path)
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


def check(frostline, folder, images, name, backbone, weights, frozen, size, head, dropout):
    pixels, labels = images
    toml = folder / f"{name}.toml"
    keys = {"name": name, "backbone": backbone, "weights": weights, "frozen": frozen, "size": size}
    toml.write_text(SWEEP.format(**keys, head=head, dropout=dropout))
    frostline.run("launch", toml)
    (folder / name).mkdir()
    files = pictures(folder / name, pixels)
    for place in frostline.json("best", name):
        trial = place["trial"]
        target = folder / f"export-{trial}"
        frostline.run("export-model", trial, "-o", target)
        run_example(target, files[0])
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
        if len(probabilities.argmax(1).unique()) <= 3:
            print("  it has too few answers to prove anything")
            same = False
        yield same and bool(alike[lossless].all()) and distance[lossless].max() < 1e-4 and distance.max() < 0.15


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frostline", type=Path, help="the program, with frostline-worker beside it")
    parser.add_argument("--only", default="", help="only cases with this in their names, such as v2s")
    arguments = parser.parse_args()
    program = arguments.frostline.resolve()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        frostline = Frostline(program, folder / "results")
        images = test_images(frostline, folder / "pixels.safetensors")
        same = drawn_weights(networks.TimmV2S(64), 4, folder / "timm.pth")
        symmetric = drawn_weights(networks.Torchvision(64), 1, folder / "torchvision.pth")
        layers = family.weighted_layers("efficientnet_b0")
        b0_same = trained_weights(family.Timm("tf_efficientnet_b0", layers), images, 64, folder / "b0-timm.pth")
        b0_symmetric = trained_weights(family.Torchvision("efficientnet_b0", layers), images, 65, folder / "b0-torchvision.pth")
        layers = family.weighted_layers("efficientnet_v2_b1")
        v2_b1 = trained_weights(family.Timm("tf_efficientnetv2_b1", layers), images, 64, folder / "v2b1-timm.pth")
        # Dense layers of few units soon die on weights that were never trained, so those have none.
        cases = [
            ("lite0", "efficientnet_lite0", "efficientnet_lite0.imagenet1k", '["all", 0.8]', 64, [48, 32], [0.3, 0.1]),
            ("v2s-same", "efficientnet_v2_s", same, '["all", 480]', 64, [], []),
            ("v2s-symmetric", "efficientnet_v2_s", symmetric, '["all", 480]', 65, [], []),
            ("lite1", "efficientnet_lite1", "efficientnet_lite1.imagenet1k", '["all", 0.8]', 64, [48, 32], [0.3, 0.1]),
            ("b0-same", "efficientnet_b0", b0_same, '["all", 0.9]', 64, [], []),
            ("b0-symmetric", "efficientnet_b0", b0_symmetric, '["all", 0.9]', 65, [], []),
            ("v2b1-same", "efficientnet_v2_b1", v2_b1, '["all", 0.9]', 64, [], []),
        ]
        cases = [case for case in cases if arguments.only in case[0]]
        sound = [each for case in cases for each in check(frostline, folder, images, *case)]
    if not all(sound):
        sys.exit("an exported model predicts something else than its trial")
    print(f"all {len(sound)} exported models predict what their trials measured, to the image")


if __name__ == "__main__":
    main()
