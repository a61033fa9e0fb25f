"""Proves that files in the layout of those that `keras.applications` downloads are read right: Keras 2 itself writes its
EfficientNetV2-S, with and without top and as a saved model, and TensorFlow's outputs are compared with Frostline's.

    python scripts/goldens/check_keras2.py target/release/frostline

Needs requirements-keras2.txt in the running Python, which must be 3.11 or older. Takes about a minute.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf

import formula

SIZE = 96
IMAGES = 4
LAYERS = (40, 128, 200, 256, 384, 450, 512)
TOLERANCE = 1e-4
PARTS = {
    "kernel": "weight",
    "depthwise_kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "bias": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def values(variable):
    """The formula's values of `stem_conv/kernel:0`, in Keras' axes."""
    layer, part = variable.name.removesuffix(":0").split("/")[-2:]
    shape = tuple(variable.shape)
    if len(shape) != 4:
        return formula.weight(f"{layer}.{PARTS[part]}", shape)
    # PyTorch's [out, in, height, width], and where each of Keras' axes lies in it.
    back = (2, 3, 0, 1) if part == "depthwise_kernel" else (2, 3, 1, 0)
    theirs = [0] * 4
    for keras, torch in enumerate(back):
        theirs[torch] = shape[keras]
    return formula.weight(f"{layer}.{PARTS[part]}", tuple(theirs)).transpose(back)


def run(program, *arguments):
    ended = subprocess.run([str(part) for part in (program, *arguments)], capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}\n{ended.stderr}")
    return ended.stdout


def features(program, folder, weights, *more):
    out = folder / "features.npy"
    images = ["--data", "shapes", "--split", "test", "--limit", IMAGES, "--size", SIZE]
    run(program, "features", "--backbone", "efficientnet_v2_s", "--weights", weights, *images, *more, "-o", out)
    return np.load(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frostline", type=Path, help="the program, with frostline-worker beside it")
    program = parser.parse_args().frostline.resolve()
    build = tf.keras.applications.EfficientNetV2S
    bare = build(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    whole = build(weights=None, input_shape=(SIZE, SIZE, 3))
    for model in (bare, whole):
        for variable in model.variables:
            if not variable.name.startswith("predictions/"):
                variable.assign(values(variable))
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        pixels = features(program, folder, "random", "--layer", 0).transpose(0, 2, 3, 1)
        outputs = tf.keras.Model(bare.input, [bare.layers[index].output for index in LAYERS])(pixels, training=False)
        files = {name: folder / f"{name}.h5" for name in ("notop", "top", "saved")}
        bare.save_weights(files["notop"])
        whole.save_weights(files["top"])
        whole.save(files["saved"])
        sound = True
        for name, path in files.items():
            facts = json.loads(run(program, "weights", "inspect", path, "--json"))
            said = (facts["format"], facts["backbone"], facts["origin"], facts["classes"], facts["complete"])
            wanted = ("Keras HDF5", "efficientnet_v2_s", "Keras", None if name == "notop" else 1000, True)
            errors = []
            # The first file at every depth; the others have the same tensors.
            chosen = list(zip(LAYERS, outputs))[0 if name == "notop" else -1 :]
            for index, theirs in chosen:
                theirs = theirs.numpy().transpose(0, 3, 1, 2)
                ours = features(program, folder, path, "--layer", index)
                errors.append(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))
            sound = sound and said == wanted and max(errors) < TOLERANCE
            places = ", ".join(f"{index} {error:.1e}" for (index, _), error in zip(chosen, errors))
            print(f"{path.name} of TensorFlow {tf.__version__}: {', '.join(map(str, said))}; {places}", flush=True)
    if not sound:
        sys.exit("a file of Keras 2 is not read as what it is")


if __name__ == "__main__":
    main()
