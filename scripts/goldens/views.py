"""Records what torchvision makes of pictures by the operations of its RandAugment, by ColorJitter's, and by shifted crops, for
crates/assets/src/views/tests.rs.

    python scripts/goldens/views.py crates/assets/tests/views

Needs torch, torchvision and Pillow (requirements.txt). Writes `views.png`, squares below each other, and `views.json`, which
says what each of them is: the operation, its magnitude of 0 to 30, and whether it goes the other way. The first square of each
side is the picture itself.
"""

import json
import math
import sys
from pathlib import Path

from PIL import Image
from torchvision.transforms import RandAugment
from torchvision.transforms import functional as F
from torchvision.transforms.autoaugment import _apply_op

# An even side and an odd one.
SIDES = (24, 15)
MAGNITUDES = (0, 9, 30)


def scene(side):
    """Waves, edges and a corner, and no channel that fills its whole range."""
    picture = Image.new("RGB", (side, side))
    for y in range(side):
        for x in range(side):
            red = 120 + 100 * math.sin(x / 3 + y / 7)
            green = 30 + 180 * y / (side - 1)
            blue = 210 if x < side / 3 and y < side / 2 else 40 + (7 * x + 13 * y) % 60
            picture.putpixel((x, y), (int(red), int(green), blue))
    return picture


def main(folder):
    found = []
    for side in SIDES:
        picture = scene(side)
        found.append(({"what": "Scene", "side": side}, picture))
        space = RandAugment()._augmentation_space(31, (side, side))
        for name, (magnitudes, signed) in space.items():
            for magnitude in MAGNITUDES if magnitudes.ndim > 0 else (0,):
                strength = float(magnitudes[magnitude].item()) if magnitudes.ndim > 0 else 0.0
                for negative in (False, True) if signed else (False,):
                    seen = _apply_op(picture, name, -strength if negative else strength, F.InterpolationMode.NEAREST, None)
                    found.append(({"what": name, "side": side, "magnitude": magnitude, "negative": negative}, seen))
        most = side // 8
        wide = F.pad(picture, [most], padding_mode="reflect")
        for right, down in ((most, -most), (-1, most), (0, 0)):
            seen = F.crop(wide, most - down, most - right, side, side)
            found.append(({"what": "Shift", "side": side, "right": right, "down": down}, seen))
        found.append(({"what": "Mirror", "side": side}, F.hflip(picture)))
        for factor in (0.6, 0.87, 1.4):
            for name, change in (
                ("JitterBrightness", F.adjust_brightness),
                ("JitterContrast", F.adjust_contrast),
                ("JitterSaturation", F.adjust_saturation),
            ):
                found.append(({"what": name, "side": side, "factor": factor}, change(picture, factor)))
    folder.mkdir(parents=True, exist_ok=True)
    sheet = Image.new("RGB", (max(SIDES), sum(seen.height for _, seen in found)))
    top = 0
    for _, seen in found:
        sheet.paste(seen, (0, top))
        top += seen.height
    sheet.save(folder / "views.png", optimize=True)
    rows = ",\n".join(json.dumps(what) for what, _ in found)
    (folder / "views.json").write_text(f"[\n{rows}\n]\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
