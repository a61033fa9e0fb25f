"""Writes the Parquet files beside it, as data sets of Hugging Face are stored, with pyarrow.

    PYTHONPATH=PACKAGES python3 crates/assets/tests/parquet/record.py

`scripts/exports/install.py` says where the packages lie. A picture is of one shade of red, by which tests know it.
"""

import json
import struct
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
NAMES = ["a dog", "cat"]


def png(red):
    """8 x 8 pixels."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = (b"\0" + bytes([red, 100, 50]) * 8) * 8
    head = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def hugging_face(name, shades):
    """The schema that `datasets` writes for its features `Image` and `ClassLabel`, with what it notes of them."""
    features = {
        "image": {"_type": "Image"},
        "label": {"names": NAMES, "_type": "ClassLabel"},
        "source": {"dtype": "int64", "_type": "Value"},
    }
    schema = pa.schema(
        [
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("label", pa.int64()),
            ("source", pa.int64()),
        ],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    rows = [
        {"image": {"bytes": png(shade), "path": f"{shade}.png"}, "label": shade % 2, "source": 7} for shade in shades
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), HERE / name, compression="snappy", row_group_size=2)


def main():
    hugging_face("train-00000-of-00002.parquet", range(10, 15))
    hugging_face("train-00001-of-00002.parquet", range(15, 20))
    hugging_face("validation-00000-of-00001.parquet", [30, 31])
    hugging_face("test-00000-of-00001.parquet", [40, 41, 42])


if __name__ == "__main__":
    main()
