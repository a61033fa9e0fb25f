"""The reference grid with PyTorch and Optuna, as people write it, or with channels-last, as an expert would.

    python grid.py DATA [--channels-last]

Prints one JSON object: seconds in all, and of each trial. The work is that of reference.toml: the same freezing in
inference mode, evaluation after every epoch, random weights from a seed, images in memory.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import optuna
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import efficientnet_v2_s

SIZE, BATCH, EPOCHS, TRAIN, VALIDATION = 64, 50, 3, 1000, 250


def images(folder: Path):
    raw = np.concatenate([np.fromfile(folder / f"data_batch_{i}.bin", np.uint8) for i in range(1, 6)]).reshape(-1, 3073)
    chosen = np.random.default_rng(0).permutation(len(raw))[: TRAIN + VALIDATION]
    labels = torch.from_numpy(raw[chosen, 0].astype(np.int64))
    pixels = torch.from_numpy(raw[chosen, 1:].reshape(-1, 3, 32, 32))
    return pixels, labels


def prepared(pixels, channels_last):
    batch = F.interpolate(pixels.float() / 127.5 - 1.0, size=SIZE, mode="bilinear", align_corners=False)
    return batch.to(memory_format=torch.channels_last) if channels_last else batch


def build(frozen, depth):
    """The backbone frozen through a block, and a dense head."""
    torch.manual_seed(0)
    backbone = efficientnet_v2_s(weights=None).features
    blocks = [backbone[0]] + [block for stage in list(backbone)[1:-1] for block in stage] + [backbone[-1]]
    for block in blocks[:frozen]:
        block.requires_grad_(False)
    units, rates = [256, 128, 64][:depth], [0.5, 0.4]
    layers, width = [], 1280
    for place, unit in enumerate(units):
        layers += [nn.Linear(width, unit), nn.ReLU()]
        if place < len(rates):
            layers.append(nn.Dropout(rates[place]))
        width = unit
    head = nn.Sequential(*layers, nn.Linear(width, 10))
    model = nn.Sequential(backbone, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    return model, blocks[:frozen]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--channels-last", action="store_true")
    arguments = parser.parse_args()
    pixels, labels = images(arguments.data)
    seconds = []

    def objective(trial):
        started = time.perf_counter()
        frozen = trial.suggest_categorical("frozen", [25, 33, 42])
        depth = trial.suggest_categorical("depth", [2, 3])
        name = trial.suggest_categorical("optimizer", ["adam", "rmsprop"])
        model, inference = build(frozen, depth)
        if arguments.channels_last:
            model = model.to(memory_format=torch.channels_last)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.Adam(trained, lr=1e-3) if name == "adam" else torch.optim.RMSprop(trained, lr=1e-3)
        accuracy = 0.0
        for epoch in range(EPOCHS):
            model.train()
            for block in inference:
                block.eval()
            for chosen in torch.randperm(TRAIN).split(BATCH):
                optimizer.zero_grad()
                scores = model(prepared(pixels[chosen], arguments.channels_last))
                F.cross_entropy(scores, labels[chosen]).backward()
                optimizer.step()
            model.eval()
            correct = 0
            with torch.no_grad():
                for chosen in torch.arange(TRAIN, TRAIN + VALIDATION).split(VALIDATION):
                    scores = model(prepared(pixels[chosen], arguments.channels_last))
                    correct += (scores.argmax(1) == labels[chosen]).sum().item()
            accuracy = correct / VALIDATION
            trial.report(accuracy, epoch)
        seconds.append((frozen, time.perf_counter() - started))
        return accuracy

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        grid = {"frozen": [25, 33, 42], "depth": [2, 3], "optimizer": ["adam", "rmsprop"]}
        study = optuna.create_study(
            direction="maximize", storage=f"sqlite:///{folder}/optuna.db", sampler=optuna.samplers.GridSampler(grid, seed=0)
        )
        started = time.perf_counter()
        study.optimize(objective, n_trials=12)
        total = time.perf_counter() - started
    frozen = [taken for blocks, taken in seconds if blocks == 42]
    print(json.dumps({
        "seconds": total,
        "trials": seconds,
        "fully_frozen": sum(frozen) / len(frozen),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "threads": torch.get_num_threads(),
    }))


if __name__ == "__main__":
    main()
