"""Loads this folder's model into the library that its backbone came from, and classifies pictures with it.

Needs torch, safetensors, Pillow, numpy, and torchvision or timm: card.json says which (`layout`).

    python load.py picture.jpg another.png

    from load import load, predict
    model = load()                       # the library's own network, with the trained head as its classifier
    predict(["picture.jpg"])             # probabilities, [pictures, classes], in the order of CARD["classes"]
"""

import json
import sys
from pathlib import Path

import numpy
import torch
from PIL import Image, ImageOps
from safetensors.torch import load_file
from torch import nn

HERE = Path(__file__).resolve().parent
CARD = json.loads((HERE / "card.json").read_text(encoding="utf-8"))
BATCH = 250


def load():
    """The trained network in inference mode; it takes what `prepare` gives and returns scores before softmax."""
    if CARD["layout"] == "torchvision":
        import torchvision

        model = getattr(torchvision.models, CARD["network"])(weights=None)
    else:
        import timm

        model = timm.create_model(CARD["network"], pretrained=False)
    model.classifier = head()
    tensors = load_file(HERE / "model.safetensors")
    tensors.update({f"classifier.{name}": tensor for name, tensor in load_file(HERE / "head.safetensors").items()})
    model.load_state_dict(tensors)
    return model.eval()


def head():
    """Linear layers with ReLU and dropout between them."""
    widths = [CARD["head"]["features"], *CARD["head"]["units"], len(CARD["classes"])]
    layers = []
    for i, rate in enumerate(CARD["head"]["dropout"]):
        layers += [nn.Linear(widths[i], widths[i + 1]), nn.ReLU(), nn.Dropout(rate)]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))


def averaging(pixels, side):
    """A matrix that averages `pixels` pixels by area to `side`."""
    edges = torch.arange(side + 1, dtype=torch.float64) * pixels / side
    start = torch.arange(pixels, dtype=torch.float64)
    overlap = torch.minimum(edges[1:, None], start + 1) - torch.maximum(edges[:-1, None], start)
    return overlap.clamp(min=0) * side / pixels


def read(path):
    """A picture as a square of the size of the training images: [3, side, side], bytes."""
    picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    fit, side = CARD["preprocessing"].get("fit"), CARD["preprocessing"]["side"]
    if fit is not None:
        ways = {
            "crop": lambda: ImageOps.fit(picture, (side, side), Image.Resampling.BILINEAR),
            "pad": lambda: ImageOps.pad(picture, (side, side), Image.Resampling.BILINEAR),
            "stretch": lambda: picture.resize((side, side), Image.Resampling.BILINEAR),
        }
        return torch.from_numpy(numpy.array(ways[fit]())).permute(2, 0, 1)
    square = min(picture.size)
    left, top = (picture.width - square) // 2, (picture.height - square) // 2
    picture = picture.crop((left, top, left + square, top + square))
    pixels = torch.from_numpy(numpy.array(picture)).permute(2, 0, 1).double()
    shrink = averaging(square, side)
    return (shrink @ pixels @ shrink.T).round().to(torch.uint8)


def prepare(pixels):
    """[n, 3, side, side] in 0..255 as the network wants them: enlarged bilinearly and scaled."""
    size = CARD["preprocessing"]["image_size"]
    pixels = nn.functional.interpolate(pixels.float(), size=(size, size), mode="bilinear", align_corners=False)
    mean = torch.tensor(CARD["preprocessing"]["mean"]).view(1, 3, 1, 1)
    deviation = torch.tensor(CARD["preprocessing"]["deviation"]).view(1, 3, 1, 1)
    return (pixels - mean) / deviation


@torch.inference_mode()
def predict(images, model=None):
    """Probabilities, [n, classes], of a tensor [n, 3, side, side] in 0..255 or of a list of picture files."""
    model = model or load()
    pixels = images if torch.is_tensor(images) else torch.stack([read(path) for path in images])
    return torch.cat([model(prepare(batch)).softmax(1) for batch in pixels.split(BATCH)])


if __name__ == "__main__":
    for name, row in zip(sys.argv[1:], predict(sys.argv[1:])):
        best = row.argmax().item()
        print(f"{name}: {CARD['classes'][best]} ({row[best].item():.1%})")
