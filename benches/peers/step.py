"""One step of PyTorch's fused Adam on as many parameters as EfficientNetV2-S has, in its own tensors.

Prints one JSON object with the milliseconds of the median step.
"""

import json
import statistics
import time

import torch
from torchvision.models import efficientnet_v2_s


def main():
    parameters = [parameter for parameter in efficientnet_v2_s(weights=None).features.parameters()]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)
    times = []
    for _ in range(30):
        started = time.perf_counter()
        optimizer.step()
        times.append(time.perf_counter() - started)
    elements = sum(parameter.numel() for parameter in parameters)
    print(json.dumps({"parameters": elements, "milliseconds": 1000 * statistics.median(times[5:])}))


if __name__ == "__main__":
    main()
