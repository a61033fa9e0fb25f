#!/usr/bin/env python3
"""Writes a folder of pictures as Parquet files, in the layout of the library `datasets`, with pyarrow.

    python3 scripts/exports/pack_pictures.py FOLDER OUT

FOLDER/CLASS/PICTURE become rows in the order of the pictures' names, two files of them. tests/cli/pictures.rs calls this;
`install.py` gets pyarrow.
"""

import json
import os
import sys
from pathlib import Path

import install

PACKAGES, _ = install.folders()


def main():
    if not PACKAGES.exists():
        print(f"{PACKAGES} is not there: python3 scripts/exports/install.py makes it")
        sys.exit(99)
    sys.path.insert(0, str(PACKAGES))
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder, out = (Path(argument) for argument in sys.argv[1:])
    classes = sorted((it.name for it in folder.iterdir()), key=os.fsencode)
    features = {"image": {"_type": "Image"}, "label": {"names": classes, "_type": "ClassLabel"}}
    schema = pa.schema(
        [("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("label", pa.int64())],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    pictures = sorted((os.fsencode(path.name), label, path) for label, name in enumerate(classes) for path in (folder / name).iterdir())
    rows = [{"image": {"bytes": path.read_bytes(), "path": path.name}, "label": label} for _, label, path in pictures]
    (out / "data").mkdir(parents=True)
    half = len(rows) // 2
    for number, part in enumerate([rows[:half], rows[half:]]):
        name = out / "data" / f"train-{number:05}-of-00002.parquet"
        # As `datasets` does it: snappy, and row groups of few pictures.
        pq.write_table(pa.Table.from_pylist(part, schema=schema), name, compression="snappy", row_group_size=7)


if __name__ == "__main__":
    main()
