"""Writes rows of an embedding as Parquet parts: clusters with some rows far off.

python make_rows.py FOLDER [ROWS] [WIDTH] [PARTS]
"""

import pathlib
import sys

import numpy as np
import pyarrow
import pyarrow.parquet


def main(folder, n_rows=2_000_000, width=64, n_parts=16):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    centres = np.random.default_rng(0).normal(size=(10, width)).astype(np.float32)
    size = n_rows // n_parts
    for part in range(n_parts):
        rng = np.random.default_rng([1, part])
        ids = np.arange(part * size, (part + 1) * size)
        rows = rng.normal(scale=0.5, size=(size, width)).astype(np.float32)
        rows += centres[rng.integers(10, size=size)]
        rows[::1000] *= 3
        vectors = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows.reshape(-1)), width)
        table = pyarrow.table({"item": ids, "embedding": vectors})
        pyarrow.parquet.write_table(table, folder / f"part-{part:05}.parquet")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
