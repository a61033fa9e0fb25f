"""Records what the original libraries compute; run by `record.py`."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import networks  # First: it chooses Keras' backend.

import keras
import numpy as np
import torch
from safetensors.numpy import save_file

import formula

SIZES = (64, 65)
BATCH = 2
# Elements kept of an output, and of a gradient.
OUTPUT_SAMPLE = 512
GRADIENT_SAMPLE = 16

TRAINING_SIZE = 64
TRAINING_BATCH = 8
TRAINING_STEPS = 2
TRAINING_RATE = 0.05
FROZEN = (0, 128, 256, 384)

OPTIMIZER_STEPS = 20
LIBRARIES = ("torch", "torchvision", "timm", "keras", "efficientnet-lite-pytorch")


def main() -> None:
    repository = Path(sys.argv[1])
    torch.set_num_threads(2)
    training = repository / "crates" / "training" / "tests" / "goldens"
    layers = repository / "crates" / "sweep" / "tests" / "layers"
    for folder in (training, layers):
        folder.mkdir(parents=True, exist_ok=True)

    values: dict[str, np.ndarray] = {}
    facts = {"versions": {library: version(library) for library in LIBRARIES}, "layers": {}, "trained": {}}
    record_outputs(values, facts)
    record_training(values, facts)
    save_file(values, training / "networks.safetensors")
    (training / "networks.json").write_text(json.dumps(facts, indent=1) + "\n")
    save_file(optimizer_traces(), training / "optimizers.safetensors")
    rows = ",\n".join(json.dumps(row) for row in layer_table(128))
    (layers / "efficientnet_v2_s.json").write_text(f"[\n{rows}\n]\n")


def record_outputs(values: dict, facts: dict) -> None:
    """After every segment, in inference mode: a sample, and the mean and deviation of all."""
    for backbone, origins in (("efficientnet_v2_s", networks.V2_S), ("efficientnet_lite0", networks.LITE0)):
        for origin, build in origins.items():
            for size in SIZES:
                network = build(size)
                if isinstance(network, networks.Torch):
                    facts["layers"][f"{backbone}/{origin}"] = network.paths
                for segment, output in network.segments(formula.pixels(f"pixels.{size}", BATCH, size)).items():
                    key = f"{backbone}/{origin}/{size}/{segment}"
                    values[key] = formula.sample(output, OUTPUT_SAMPLE)
                    moments = output.mean(dtype=np.float64), output.std(dtype=np.float64)
                    values[f"{key}/moments"] = np.array(moments, dtype=np.float64)
                    values[f"{key}/shape"] = np.array(output.shape, dtype=np.int64)
                print(f"{backbone} {origin} {size}: deviation at the end {output.std():.3f}", flush=True)


def record_training(values: dict, facts: dict) -> None:
    """Steps of plain gradient descent on the squared distance of the pooled output from a drawn target: loss of each
    step, gradients of the first (norm, then a sample), moving statistics after the last."""
    runs = [("keras", networks.Keras, frozen) for frozen in FROZEN] + [("torchvision", networks.Torchvision, 0)]
    target = formula.uniform("target", TRAINING_BATCH * 1280).reshape(TRAINING_BATCH, 1280)
    target = torch.from_numpy((2 * target - 1).astype(np.float32))
    for origin, build, frozen in runs:
        key = f"training/{origin}/{frozen}"
        network = build(TRAINING_SIZE)
        if frozen:
            network.freeze(frozen)
        trained = network.trained()
        facts["trained"][key] = list(trained)
        losses = []
        for step in range(TRAINING_STEPS):
            pixels = formula.pixels(f"pixels.step{step}", TRAINING_BATCH, TRAINING_SIZE)
            loss = (network.pooled(pixels) - target).square().mean()
            losses.append(loss.item())
            gradients = torch.autograd.grad(loss, list(trained.values()))
            if step == 0:
                rows = [gradient_row(network, name, gradient) for name, gradient in zip(trained, gradients)]
                values[f"{key}/gradients"] = np.concatenate(rows)
            with torch.no_grad():
                for parameter, gradient in zip(trained.values(), gradients):
                    parameter -= TRAINING_RATE * gradient
        values[f"{key}/losses"] = np.array(losses, dtype=np.float64)
        for name, statistic in network.statistics().items():
            values[f"{key}/{name}"] = formula.sample(statistic, GRADIENT_SAMPLE)
        print(f"{key}: {len(trained)} weights, losses {losses}", flush=True)


def gradient_row(network, name: str, gradient: torch.Tensor) -> np.ndarray:
    gradient = gradient.numpy()
    if isinstance(network, networks.Keras):
        gradient = network.to_torch(name, gradient)
    norm = np.linalg.norm(gradient.astype(np.float64).reshape(-1))
    return np.concatenate([[np.float32(norm)], formula.sample(gradient, GRADIENT_SAMPLE)]).astype(np.float32)


def optimizers(rate):
    make = keras.optimizers
    cosine = make.schedules.CosineDecay(0.0, 16, alpha=0.0, warmup_target=rate, warmup_steps=4)
    step = make.schedules.ExponentialDecay(rate, 4, 0.5, staircase=True)
    return {
        "adam": make.Adam(rate),
        "rmsprop": make.RMSprop(rate),
        "sgd": make.SGD(rate, momentum=0.9),
        "adamw": make.AdamW(rate, weight_decay=0.1),
        "sgd_decay": make.SGD(rate, momentum=0.5, weight_decay=0.2),
        "adam_cosine": make.Adam(cosine),
        "rmsprop_step": make.RMSprop(step),
        "adam_clip": make.Adam(rate, global_clipnorm=0.5),
    }


def optimizer_traces() -> dict[str, np.ndarray]:
    """Values after each step down `curvature / 2 * (x - goal)^2`, one tensor, steep and flat directions mixed."""
    count = 32
    curvature = 10 ** (6 * formula.uniform("curvature", count) - 4)
    goal = 2 * formula.uniform("goal", count) - 1
    start = 2 * formula.uniform("start", count) - 1
    # Values before the steps are rounded to float32, so that both types begin alike.
    curvature, goal, start = (array.astype(np.float32) for array in (curvature, goal, start))
    traces = {"curvature": curvature, "goal": goal, "start": start}
    for kind in ("float32", "float64"):
        keras.config.set_floatx(kind)
        for name, optimizer in optimizers(0.01).items():
            x = keras.Variable(start.astype(kind))
            a, b = (torch.from_numpy(array.astype(kind)) for array in (curvature, goal))
            steps = []
            for _ in range(OPTIMIZER_STEPS):
                optimizer.apply([a * (x.value.detach() - b)], [x])
                steps.append(x.value.detach().numpy().copy())
            traces[f"{kind}/{name}"] = np.stack(steps)
    keras.config.set_floatx("float32")
    return traces


def layer_table(size: int) -> list[list]:
    """Index, name, class, output shape without the batch, parameters."""
    layers = networks.keras_v2_s(size).layers
    return [
        [i, layer.name, type(layer).__name__, list(layer.output.shape[1:]), layer.count_params()]
        for i, layer in enumerate(layers)
    ]


if __name__ == "__main__":
    main()
