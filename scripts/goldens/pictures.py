"""Records what Pillow makes of pictures in every format and shape, for crates/assets/tests/pictures.rs.

    python scripts/goldens/pictures.py crates/assets/tests/pictures

Needs Pillow. Writes each picture as a file, and beside it `NAME.FIT.png`: the square of 24 pixels that Pillow makes of it,
turned as its camera says, resized bilinearly with anti-aliasing.
"""

import math
import sys
from pathlib import Path

from PIL import Image, ImageOps

SIDE = 24


def scene(width, height):
    """Waves, an edge and a corner, so that a mirrored, turned or exchanged picture differs."""
    picture = Image.new("RGB", (width, height))
    for y in range(height):
        for x in range(width):
            red = 127 + 120 * math.sin(x / 5)
            green = 255 * y / max(height - 1, 1)
            blue = 220 if x < width / 3 and y < height / 3 else 30
            picture.putpixel((x, y), (int(red), int(green), blue))
    return picture


def deep(picture):
    """The same with 16 bits a channel, as PNG: Pillow reads such files and does not write them."""
    import struct
    import zlib

    width, height = picture.size
    rows = b""
    for y in range(height):
        rows += b"\0" + b"".join(struct.pack(">HHH", *(257 * part for part in picture.getpixel((x, y)))) for x in range(width))
    chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    wide, high = scene(90, 61), scene(47, 80)
    alpha = wide.copy()
    alpha.putalpha(wide.convert("L"))
    exif = Image.Exif()
    exif[0x0112] = 6
    wide.save(folder / "wide.png")
    high.save(folder / "high.bmp")
    scene(24, 24).save(folder / "same.png")
    scene(13, 9).save(folder / "small.png")
    scene(200, 3).save(folder / "flat.png")
    (folder / "deep.png").write_bytes(deep(high))
    wide.convert("L").save(folder / "grey.png")
    wide.quantize(64).save(folder / "palette.png")
    alpha.save(folder / "alpha.png")
    high.save(folder / "high.webp", lossless=True)
    high.save(folder / "high.tiff", compression="tiff_lzw")
    wide.quantize(64).save(folder / "first.gif", save_all=True, append_images=[scene(90, 61).rotate(180).quantize(64)])
    wide.save(folder / "half.jpg", quality=90, subsampling="4:2:0")
    wide.save(folder / "full.jpg", quality=90, subsampling="4:4:4")
    wide.save(folder / "turned.jpg", quality=90, subsampling="4:4:4", exif=exif)
    wide.convert("L").save(folder / "grey.jpg", quality=90)
    wide.convert("CMYK").save(folder / "cmyk.jpg", quality=90)
    for path in sorted(folder.iterdir()):
        if len(path.suffixes) == 1 and path.suffix in {".png", ".bmp", ".webp", ".tiff", ".gif", ".jpg"}:
            picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
            ImageOps.fit(picture, (SIDE, SIDE), Image.Resampling.BILINEAR).save(folder / f"{path.name}.crop.png")
            ImageOps.pad(picture, (SIDE, SIDE), Image.Resampling.BILINEAR).save(folder / f"{path.name}.pad.png")
            picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(folder / f"{path.name}.stretch.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
