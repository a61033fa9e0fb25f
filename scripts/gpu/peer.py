"""Training images a second of EfficientNetV2-S (Tan & Le 2021, arXiv:2104.00298) with PyTorch, as `check.py` asks.

    python3 peer.py '{"device": "cuda", "image": 128, "batch": 64, "images": 3200, "compiled": false}'

In bfloat16 by autocast, channels-last, images on the device, Adam; nothing frozen, the first half, and all of the network.
Frozen layers are in inference mode and without gradients. Prints one line of JSON: images a second of each, of the best of
three epochs after one that does not count. Ends with 3 where there is no `torch`.
"""

import json
import sys
import time

try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError:
    sys.exit(3)

# Kind, how often, stride, channels, how much wider inside: Tan & Le 2021, table 4.
STAGES = [
    ("fused", 2, 1, 24, 1), ("fused", 4, 2, 48, 4), ("fused", 4, 2, 64, 4),
    ("separable", 6, 2, 128, 4), ("separable", 9, 1, 160, 6), ("separable", 15, 2, 256, 6),
]
CLASSES = 10
# Of 42 parts: the first half of the layers ends with the seventh block of the fifth stage.
FROZEN_PARTS = [0, 24, 42]


def convolution(inside, outside, kernel, stride=1, groups=1, active=True):
    parts = [nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False),
             nn.BatchNorm2d(outside, eps=1e-3)]
    return nn.Sequential(*parts, *([nn.SiLU(inplace=True)] if active else []))


class Squeeze(nn.Module):
    def __init__(self, channels, squeezed):
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)

    def forward(self, x):
        means = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.expand(F.silu(self.reduce(means))))


class Block(nn.Module):
    def __init__(self, kind, inside, outside, stride, wider):
        super().__init__()
        wide = inside * wider
        if kind == "fused" and wider == 1:
            parts = [convolution(inside, outside, 3, stride)]
        elif kind == "fused":
            parts = [convolution(inside, wide, 3, stride), convolution(wide, outside, 1, active=False)]
        else:
            parts = [convolution(inside, wide, 1), convolution(wide, wide, 3, stride, wide), Squeeze(wide, inside // 4),
                     convolution(wide, outside, 1, active=False)]
        self.parts, self.residual = nn.Sequential(*parts), stride == 1 and inside == outside

    def forward(self, x):
        return x + self.parts(x) if self.residual else self.parts(x)


def network():
    parts, inside = [convolution(3, 24, 3, 2)], 24
    for kind, repeats, stride, outside, wider in STAGES:
        for place in range(repeats):
            parts.append(Block(kind, inside, outside, stride if place == 0 else 1, wider))
            inside = outside
    parts.append(convolution(inside, 1280, 1))
    head = nn.Sequential(nn.Linear(1280, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 128), nn.ReLU(),
                         nn.Dropout(0.4), nn.Linear(128, CLASSES))
    return nn.ModuleList(parts), head


class Model(nn.Module):
    def __init__(self, frozen):
        super().__init__()
        self.parts, self.head = network()
        self.frozen = frozen
        for part in self.parts[:frozen]:
            part.requires_grad_(False)

    def forward(self, x):
        with torch.no_grad():
            for part in self.parts[:self.frozen]:
                x = part(x)
        for part in self.parts[self.frozen:]:
            x = part(x)
        return self.head(x.mean((2, 3)))


def rate(question, frozen):
    device, images, batch = question["device"], question["images"], question["batch"]
    torch.manual_seed(0)
    model = Model(frozen).to(device, memory_format=torch.channels_last)
    model.train()
    for part in model.parts[:frozen]:
        part.eval()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=1e-3, fused=True)
    forward = torch.compile(model) if question["compiled"] else model
    size = question["image"]
    pixels = torch.rand(images, 3, size, size, device=device).to(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (images,), device=device)
    # The last batch would be shorter, and compiled once more.
    steps = max(1, images // batch)
    times = []
    for _ in range(4):
        order = torch.randperm(images, device=device)
        wait(device)
        started = time.perf_counter()
        for step in range(steps):
            chosen = order[step * batch : (step + 1) * batch]
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device, torch.bfloat16):
                loss = F.cross_entropy(forward(pixels[chosen]), labels[chosen])
            loss.backward()
            optimizer.step()
        wait(device)
        times.append(time.perf_counter() - started)
    return steps * min(batch, images) / min(times[1:])


def wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


def main():
    question = json.loads(sys.argv[1])
    if question["device"] == "cpu":
        torch.set_num_threads(1)
    rates = [rate(question, frozen) for frozen in FROZEN_PARTS]
    print(json.dumps({"rates": rates, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
