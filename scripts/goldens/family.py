"""Records the whole EfficientNet family as the original libraries have it; run by `record.py`.

Little is kept of each network: a digest of Keras' layer table and of each library's names, and samples of the outputs at the
end of every stage. The three tables in full are EfficientNetB0's, EfficientNetV2B0's and EfficientNetV2S' (`goldens.py`).
"""

import hashlib
import json
import math
import sys
from importlib.metadata import version
from pathlib import Path

import networks  # First: it chooses Keras' backend.

import keras
import numpy as np
import timm
import torch
import torchvision
from keras.src.applications import efficientnet, efficientnet_v2
from safetensors.numpy import save_file

import formula

TABLE_SIZE = 128
# Halved five times it is odd and even in turn, so that both ways to pad are seen.
SIZE = 70
BATCH = 2
SAMPLE = 32

MEAN = [0.485, 0.456, 0.406]
DEVIATION = [0.229, 0.224, 0.225]

V1 = {f"efficientnet_b{n}": f"EfficientNetB{n}" for n in range(8)}
V2 = {f"efficientnet_v2_{it}": f"EfficientNetV2{it.upper()}" for it in ["b0", "b1", "b2", "b3", "s", "m", "l"]}
LITE = [f"efficientnet_lite{n}" for n in range(5)]
TORCHVISION = [*V1, "efficientnet_v2_s", "efficientnet_v2_m", "efficientnet_v2_l"]


def keras_model(name: str, size: int) -> keras.Model:
    """As `Application(include_top=False)` builds it: the first versions have a layer more with ImageNet's weights than
    without any. Nothing is downloaded."""
    keras.backend.clear_session()
    application = getattr(keras.applications, V1.get(name) or V2[name])
    kept = keras.Model.load_weights, efficientnet.file_utils.get_file
    keras.Model.load_weights = lambda *_, **__: None
    for module in (efficientnet, efficientnet_v2):
        module.file_utils.get_file = lambda *_, **__: "nowhere.h5"
    try:
        return application(include_top=False, weights="imagenet", input_shape=(size, size, 3))
    finally:
        keras.Model.load_weights = kept[0]
        for module in (efficientnet, efficientnet_v2):
            module.file_utils.get_file = kept[1]


def digest(lines: list[str]) -> str:
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def table(model: keras.Model) -> list[list]:
    """Index, name, class, output shape without the batch, parameters, and the rate of a dropout."""
    return [
        [i, layer.name, type(layer).__name__, list(layer.output.shape[1:]), layer.count_params(), getattr(layer, "rate", 0)]
        for i, layer in enumerate(model.layers)
    ]


class Keras(networks.Keras):
    def __init__(self, name: str, size: int):
        self.model = keras_model(name, size)
        for layer in self.model.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
            if name in V1 and isinstance(layer, keras.layers.Normalization):
                # As its weights files have it: the next layer divides by the root once more.
                layer.adapt_mean.assign(MEAN)
                layer.adapt_variance.assign(DEVIATION)
                layer.finalize_state()
        for variable_name, variable in self.variables():
            shape = self.to_torch(variable_name, np.empty(variable.shape)).shape
            variable.assign(self.from_torch(variable_name, formula.weight(variable_name, shape)))

    def variables(self):
        for layer in self.model.layers:
            if not isinstance(layer, keras.layers.Normalization):
                for variable in layer.variables:
                    if variable.name in networks.PARTS:
                        yield f"{layer.name}.{networks.PARTS[variable.name]}", variable

    def conventions(self) -> dict:
        norm = self.model.get_layer("stem_bn")
        # What becomes of pixels, from two of them.
        scaled = keras.Model(self.model.input, self.model.get_layer(first_convolution(self.model)).input)
        points = [np.full((1, *self.model.input_shape[1:]), value, np.float32) for value in (0, 255)]
        zero, white = (scaled(point)[0, 0, 0].detach().cpu().double().numpy() for point in points)
        deviation = 255 / (white - zero)
        return {
            "mean": list(-zero * deviation),
            "deviation": list(deviation),
            "epsilon": norm.epsilon,
            "momentum": norm.momentum,
        }


def first_convolution(model: keras.Model) -> str:
    names = [layer.name for layer in model.layers]
    return "stem_conv_pad" if "stem_conv_pad" in names else "stem_conv"


class Torch(networks.Torch):
    """Layers in the order in which the network has them."""

    def conventions(self) -> dict:
        norm = next(module for module in self.model.modules() if isinstance(module, torch.nn.BatchNorm2d))
        return {
            "mean": list(self.mean),
            "deviation": list(self.deviation),
            "epsilon": norm.eps,
            "momentum": 1 - norm.momentum,
        }


class Torchvision(Torch):
    def __init__(self, name: str, layers: list[str]):
        weights = torchvision.models.get_model_weights(name).DEFAULT.transforms()
        scaling = [[255 * value for value in values] for values in (weights.mean, weights.std)]
        super().__init__(torchvision.models.get_model(name, weights=None), layers, scaling)

    steps = networks.Torchvision.steps
    features = networks.Torchvision.features


class Timm(Torch):
    steps = networks.Timm.steps
    features = networks.Timm.features

    def __init__(self, name: str, layers: list[str]):
        model = timm.create_model(name, pretrained=False)
        config = timm.data.resolve_model_data_config(model)
        super().__init__(model, layers, [[255 * v for v in config[key]] for key in ("mean", "std")])


def timm_name(name: str) -> str:
    """With the weights of ImageNet-1k alone, where others are wanted without saying more."""
    return "tf_" + name.replace("_v2_", "v2_") + (".in1k" if name == "efficientnet_v2_b3" else "")


def lite_layers(name: str) -> list[str]:
    """What Keras would call the layers with weights of a Lite network, which it does not have."""
    model = timm.create_model(timm_name(name), pretrained=False)
    names = ["stem_conv", "stem_bn"]
    for stage, blocks in enumerate(model.blocks):
        for place, block in enumerate(blocks):
            parts = ["dwconv2", "bn", "project_conv", "project_bn"]
            parts = parts if not hasattr(block, "conv_pwl") else ["expand_conv", "expand_bn", *parts]
            names += [f"{networks.block_name(stage, place)}_{part}" for part in parts]
    return [*names, "top_conv", "top_bn"]


def record(name: str, origin: str, network, values: dict, facts: dict) -> None:
    found = network.segments(formula.pixels(f"pixels.{SIZE}", BATCH, SIZE))
    names = list(found)
    # The last block of every stage, stem and top with them.
    ends = [it for it, after in zip(names, [*names[1:], None]) if after is None or it[:6] != after[:6]]
    rows = []
    for end in ends:
        output = found[end]
        moments = [output.mean(dtype=np.float64), output.std(dtype=np.float64)]
        rows.append(np.concatenate([np.float32(moments), formula.sample(output, SAMPLE)]))
    values[f"{name}/{origin}"] = np.stack(rows).astype(np.float32)
    facts["conventions"][f"{name}/{origin}"] = network.conventions()
    if isinstance(network, networks.Torch):
        facts["names"][f"{name}/{origin}"] = digest([f"{layer} {path}" for layer, path in network.paths.items()])
    print(f"{name} {origin}: {ends}, deviation at the end {found['top'].std():.3f}", flush=True)


def weighted_layers(name: str) -> list[str]:
    """Keras' names of the layers with weights, in order."""
    if name in LITE:
        return lite_layers(name)
    kept = [it for it in keras_model(name, SIZE).layers if not isinstance(it, keras.layers.Normalization)]
    return [layer.name for layer in kept if layer.weights]


def main() -> None:
    repository = Path(sys.argv[1])
    only = sys.argv[2:]
    torch.set_num_threads(2)
    training = repository / "crates" / "training" / "tests" / "goldens"
    layers = repository / "crates" / "sweep" / "tests" / "layers"
    values: dict[str, np.ndarray] = {}
    libraries = ("torch", "torchvision", "timm", "keras")
    tables = {}
    facts = {"versions": {it: version(it) for it in libraries}, "names": {}, "conventions": {}}
    for name in [*V1, *V2, *LITE]:
        if only and name not in only:
            continue
        weighted = weighted_layers(name)
        if name not in LITE:
            rows = table(keras_model(name, TABLE_SIZE))
            lines = [f"{i} {it} {kind} {shape} {count} {rate:.9f}" for i, it, kind, shape, count, rate in rows]
            tables[name] = {
                "layers": len(rows),
                "parameters": sum(row[4] for row in rows),
                "sha256": digest(lines),
            }
            if name in ("efficientnet_b0", "efficientnet_v2_b0"):
                text = ",\n".join(json.dumps(row[:5]) for row in rows)
                (layers / f"{name}.json").write_text(f"[\n{text}\n]\n")
            model = Keras(name, SIZE)
            record(name, "keras", model, values, facts)
            del model
        if name in TORCHVISION:
            record(name, "torchvision", Torchvision(name, weighted), values, facts)
        record(name, "timm", Timm(timm_name(name), weighted), values, facts)
    save_file(values, training / "family.safetensors")
    (training / "family.json").write_text(json.dumps(facts, indent=1) + "\n")
    (layers / "family.json").write_text(json.dumps(tables, indent=1) + "\n")


if __name__ == "__main__":
    main()
