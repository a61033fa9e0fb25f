"""Proves that weight files are read as what they are: each library writes its network in each format that it has, and
`frostline weights inspect` must name it, `frostline features` give the library's own output for it, and `frostline weights
convert` change nothing. Then files that are wrong, with what is said of each.

    python scripts/goldens/check_files.py target/release/frostline

Needs the requirements of this folder in the running Python. Writes into a temporary folder and takes some minutes.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import networks  # First: it chooses Keras' backend.

import h5py
import keras
import numpy as np
import torch
from keras.src.legacy.saving import legacy_h5_format
from safetensors.torch import load_file, save_file

IMAGES = 4
SIZE = 96
TOLERANCE = 1e-4
# Keras' layers that are asked for, beside the last: inside blocks and at their ends, squeezes among them.
KERAS_LAYERS = (1, 40, 128, 200, 256, 384, 450)
SEGMENTS = ("stem", "block2b", "block4a", "block5c", "block6d")
ZIP, STREAM, SAFETENSORS = "PyTorch zip archive", "PyTorch pickle stream", "safetensors"
KERAS_3, KERAS_H5 = "Keras 3 weights (HDF5)", "Keras HDF5"


class Frostline:
    def __init__(self, program):
        self.program = program

    def run(self, *arguments):
        command = [str(part) for part in (self.program, *arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def must(self, *arguments):
        ended = self.run(*arguments)
        if ended.returncode:
            sys.exit(f"{' '.join(map(str, arguments))}\n{ended.stderr}")
        return ended.stdout

    def inspect(self, file):
        return json.loads(self.must("weights", "inspect", file, "--json"))

    def features(self, backbone, weights, layer, *more):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "features.npy"
            network = ["--backbone", backbone, "--weights", weights, "--layer", layer, *more]
            images = ["--data", "shapes", "--split", "test", "--limit", IMAGES, "--size", SIZE]
            self.must("features", *network, *images, "-o", out)
            return np.load(out)


@dataclass
class File:
    """What a library wrote, and what has to be said of it."""

    path: Path
    format: str
    backbone: str
    origin: str
    classes: int | None
    # What the library computes with these weights, by Keras' index of the layer; None is the pooled end.
    outputs: dict


def error(ours, theirs):
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    return np.linalg.norm((ours - theirs).astype(np.float64)) / np.linalg.norm(theirs.astype(np.float64))


def torch_outputs(frostline, backbone, network, pixels):
    ends = {row["block_end"]: row["index"] for row in json.loads(frostline.must("layers", backbone, "--json"))}
    found = network.segments(pixels)
    chosen = {ends[name]: found[name] for name in SEGMENTS if name in found}
    return {**chosen, None: found["top"]}


def with_half(network, kind):
    """The network with its weights rounded to `kind`, still computing in float32."""
    state = {k: v.to(kind) if v.is_floating_point() else v for k, v in network.model.state_dict().items()}
    network.model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    return state


def torch_files(frostline, folder, pixels):
    origins = [
        ("efficientnet_v2_s", "torchvision", networks.Torchvision),
        ("efficientnet_v2_s", "timm", networks.TimmV2S),
        ("efficientnet_lite0", "timm", networks.TimmLite0),
        ("efficientnet_lite0", "efficientnet-lite-pytorch", networks.LitePytorch),
    ]
    for backbone, origin, build in origins:
        network = build(SIZE)
        state = network.model.state_dict()
        outputs = torch_outputs(frostline, backbone, network, pixels)
        name = folder / f"{origin}-{backbone}"

        # One file at every depth; the others have the same tensors, or the same layers.
        pooled = {None: outputs[None]}

        def written(suffix, kind, write, outputs=pooled, classes=1000):
            path = Path(f"{name}{suffix}")
            write(path)
            return File(path, kind, backbone, origin, classes, outputs)

        yield written(".pth", ZIP, lambda path: torch.save(state, path), outputs)
        yield written("-old.pth", STREAM, lambda path: torch.save(state, path, _use_new_zipfile_serialization=False))
        yield written(".safetensors", SAFETENSORS, lambda path: save_file(state, path))
        training = {"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1, "state": {0: torch.ones(3)}}}
        yield written("-training.pth", ZIP, lambda path: torch.save(training, path))
        if origin == "timm":
            # As timm's in21k weights have it: the same network with 21,843 classes.
            many = {**state, "classifier.weight": torch.zeros(21843, 1280), "classifier.bias": torch.zeros(21843)}
            yield written("-in21k.safetensors", SAFETENSORS, lambda path: save_file(many, path), classes=21843)
        for half in (torch.float16, torch.bfloat16):
            fresh = build(SIZE)
            state_half = with_half(fresh, half)
            rounded = {None: fresh.segments(pixels)["top"]}
            kind = str(half).removeprefix("torch.")
            yield written(f"-{kind}.safetensors", SAFETENSORS, lambda path: save_file(state_half, path), rounded)
            yield written(f"-{kind}.pth", ZIP, lambda path: torch.save(state_half, path), rounded)


def keras_outputs(model, pixels):
    layers = model.layers
    chosen = [*KERAS_LAYERS, len(layers) - 1]
    inner = keras.Model(model.input, [layers[index].output for index in chosen])
    with torch.no_grad():
        found = inner(pixels.transpose(0, 2, 3, 1), training=False)
    found = [output.cpu().numpy() for output in found]
    found = [output.transpose(0, 3, 1, 2) if output.ndim == 4 else output for output in found]
    return {**dict(zip(chosen, found)), None: found[-1].mean(axis=(2, 3))}


def write_older(model, path):
    """The layout of the files that `keras.applications` downloads, by Keras' own writer of it."""
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)


def keras_files(folder, pixels):
    """Keras' network alone, with its classifier, and as the first part of a model that somebody trained."""
    bare = networks.Keras(SIZE).model
    outputs = keras_outputs(bare, pixels)
    whole = keras.applications.EfficientNetV2S(weights=None, input_shape=(SIZE, SIZE, 3))
    ends = {layer.name: layer for layer in bare.layers}
    for layer in whole.layers:
        if layer.name in ends and layer.weights:
            layer.set_weights(ends[layer.name].get_weights())
    flat = keras.layers.Dense(5, name="my_classes")(keras.layers.GlobalAveragePooling2D()(bare.output))
    flat = keras.Model(bare.input, flat)
    image = keras.Input((SIZE, SIZE, 3))
    nested = keras.layers.GlobalAveragePooling2D()(bare(image, training=False))
    nested = keras.layers.BatchNormalization()(keras.layers.Dense(64, activation="relu")(nested))
    nested = keras.Model(image, keras.layers.Dense(5)(nested))
    nested.compile("adam", "mse")
    models = {"notop": (bare, None), "top": (whole, 1000), "head": (flat, 5), "nested": (nested, None)}
    for name, (model, classes) in models.items():
        path = folder / f"keras-{name}"
        new, older, saved, archive = (Path(f"{path}{end}") for end in (".weights.h5", ".h5", "-saved.h5", ".keras"))
        model.save_weights(new)
        write_older(model, older)
        model.save(saved)
        model.save(archive)
        # A numbered dense layer cannot be told from a classifier; a named one is only known by the name that Keras has.
        numbered = classes if name != "nested" else None
        named = classes if name == "top" else None
        for path, kind, known in (
            (new, KERAS_3, numbered),
            (archive, KERAS_3, numbered),
            (older, KERAS_H5, named),
            (saved, KERAS_H5, named),
        ):
            at_every_depth = name == "notop" and path in (new, older)
            expected = outputs if at_every_depth else {None: outputs[None]}
            yield File(path, kind, "efficientnet_v2_s", "Keras", known, expected)


def check(frostline, file):
    facts = frostline.inspect(file.path)
    said = (facts["format"], facts["backbone"], facts["origin"], facts["classes"], facts["complete"])
    sound = said == (file.format, file.backbone, file.origin, file.classes, True)
    if not sound:
        print(f"  said: {said}, missing {facts['missing'][:3]}, unexpected {facts['unexpected'][:3]}")
    errors = {}
    for layer, theirs in file.outputs.items():
        asked = ["last", "--pool"] if layer is None else [layer]
        errors[layer] = error(frostline.features(file.backbone, file.path, *asked), theirs)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "converted.safetensors"
        frostline.must("weights", "convert", file.path, "-o", target)
        same = frostline.inspect(target)["identity"] == facts["identity"]
        if file.backbone == "efficientnet_v2_s":
            state = load_file(target)
            model = networks.efficientnet_v2_s(weights=None, num_classes=facts["classes"] or 1000)
            missing, unexpected = model.load_state_dict(state, strict=False)
            same = same and not unexpected and all("num_batches" in key or "classifier" in key for key in missing)
    worst = max(errors.values())
    places = ", ".join(f"{'pooled' if layer is None else layer} {value:.1e}" for layer, value in errors.items())
    size = file.path.stat().st_size / 1e6
    print(
        f"{file.path.name} ({size:.0f} MB): {facts['format']}, {facts['backbone']} of {facts['origin']}, "
        f"classes {facts['classes']}; {places}; converted {'alike' if same else 'DIFFERENT'}",
        flush=True,
    )
    return sound and same and worst < TOLERANCE


class Hostile:
    def __reduce__(self):
        import os

        return os.system, ("touch hostile-was-here",)


def wrong_files(folder):
    """Files that are not what they should be, and words that their refusal must have."""
    good = {name: folder / name for name in (
        "torchvision-efficientnet_v2_s.pth", "torchvision-efficientnet_v2_s-old.pth",
        "torchvision-efficientnet_v2_s.safetensors", "keras-notop.weights.h5", "keras-notop.h5")}
    for name, path in good.items():
        cut = folder / f"cut-{name}"
        with open(path, "rb") as whole:
            cut.write_bytes(whole.read(path.stat().st_size * 9 // 10))
        yield cut, "damaged or cut short"
    for number, protocol in enumerate((True, False)):
        path = folder / f"hostile-{number}.pth"
        torch.save({"weight": torch.ones(2), "extra": Hostile()}, path, _use_new_zipfile_serialization=protocol)
        yield path, "wants to run code when loaded: it names `posix.system`"
    empty, text, picture, archive = (folder / name for name in ("empty.pth", "text.pth", "picture.png", "other.zip"))
    empty.write_bytes(b"")
    yield empty, "not a weights file"
    text.write_text("<!DOCTYPE html><title>404</title>")
    yield text, "not a weights file"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    yield picture, "not a weights file"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("notes/readme.txt", "x" * 100_000)
    yield archive, "without PyTorch's data.pkl"
    bomb = folder / "bomb.pth"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("archive/data.pkl", bytes(1_000_000_000))
    yield bomb, "compressed"
    yield folder / "no-such-file.pth", "No such file"
    yield folder, "it is a folder"


def mismatches(folder):
    """Whole files that are not the network they are given for, and words of what is said."""
    state = load_file(folder / "torchvision-efficientnet_v2_s.safetensors")
    lacking = {name: tensor for name, tensor in state.items() if name != "features.5.4.block.1.0.weight"}
    shaped = {**state, "features.7.0.weight": torch.zeros(1280, 255, 1, 1)}
    more = {**state, "features.9.weight": torch.zeros(3)}
    other = networks.timm.create_model("resnet18", pretrained=False).state_dict()
    for name, tensors, words in [
        ("lacking", lacking, "features.5.4.block.1.0.weight"),
        ("shaped", shaped, "features.7.0.weight is [1280, 255, 1, 1], not [1280, 256, 1, 1]"),
        ("more", more, "features.9.weight"),
        ("resnet18", other, "missing"),
    ]:
        path = folder / f"{name}.safetensors"
        save_file(tensors, path)
        yield path, words
    yield folder / "timm-efficientnet_lite0.pth", "those of efficientnet_lite0 (timm's), not of efficientnet_v2_s"


def check_wrong(frostline, folder):
    sound = True
    for path, words in wrong_files(folder):
        ended = frostline.run("weights", "inspect", path)
        said = ended.stderr.strip().replace(f"{folder}/", "").replace(str(folder), "FOLDER")
        sound &= ended.returncode == 2 and words in said and "panicked" not in said
        print(f"{path.name}: exit {ended.returncode}, {said}", flush=True)
    for path, words in mismatches(folder):
        out = folder / "refused.npy"
        network = ["--backbone", "efficientnet_v2_s", "--weights", path, "--data", "shapes", "--limit", 1]
        ended = frostline.run("features", *network, "-o", out)
        said = ended.stderr.strip().replace(f"{folder}/", "")
        sound &= ended.returncode != 0 and words in said and "panicked" not in said and not out.exists()
        print(f"{path.name} as efficientnet_v2_s: exit {ended.returncode}, {said}", flush=True)
    return sound and not Path("hostile-was-here").exists()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frostline", type=Path, help="the program, with frostline-worker beside it")
    parser.add_argument("--only", default="", help="only files with this in their names, such as keras or float16")
    arguments = parser.parse_args()
    frostline = Frostline(arguments.frostline.resolve())
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        pixels = frostline.features("efficientnet_v2_s", "random", 0)
        files = itertools.chain(torch_files(frostline, folder, pixels), keras_files(folder, pixels))
        sound = [check(frostline, file) for file in files if arguments.only in file.path.name]
        refused = check_wrong(frostline, folder)
    if not all(sound):
        sys.exit(f"{len(sound) - sum(sound)} of {len(sound)} files are not read as what they are")
    if not refused:
        sys.exit("a wrong file is not refused as it should be")
    print(f"all {len(sound)} files are read as what they are, within {TOLERANCE:.0e}; every wrong one says what is wrong")


if __name__ == "__main__":
    main()
