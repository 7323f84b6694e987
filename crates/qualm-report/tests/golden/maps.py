"""Makes umap.json and digits.bin, which src/umap/tests.rs reads, with umap-learn and scikit-learn.

    pip install umap-learn scikit-learn
    python maps.py                              writes both beside this script
    python maps.py --compare NUMBERS.parquet    a map of `qualm report --numbers` beside umap-learn's

umap.json: 120 rows of 8 columns, the edges of their fuzzy graph, and the trustworthiness of
umap-learn's maps of the digits in digits.bin (600 rows of 64 bytes). The second call expects a map of
all 1,797 digits: `python maps.py --digits digits.parquet` writes them.
"""

import json
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness

HERE = Path(__file__).parent
N_DIGITS = 600
SEEDS = range(3)


def maps(rows):
    """How well umap-learn's maps keep neighbourhoods, for some seeds."""
    import umap

    made = (umap.UMAP(random_state=seed).fit_transform(rows) for seed in SEEDS)
    return [float(trustworthiness(rows, places, n_neighbors=5)) for places in made]


def golden():
    import umap
    from umap.umap_ import fuzzy_simplicial_set

    rows = np.random.default_rng(0).normal(size=(120, 8)).astype(np.float32)
    rows[60:] += 4
    graph = fuzzy_simplicial_set(rows, 15, np.random.RandomState(0), "euclidean")[0].tocoo()
    edges = sorted(zip(graph.row.tolist(), graph.col.tolist(), graph.data.tolist()))
    digits = load_digits().data[:N_DIGITS]
    (HERE / "digits.bin").write_bytes(digits.astype(np.uint8).tobytes())
    found = {
        "umap_learn": umap.__version__,
        "rows": [[float(value) for value in row] for row in rows],
        "edges": [[i, j, round(weight, 8)] for i, j, weight in edges],
        "trustworthiness": maps(digits),
    }
    (HERE / "umap.json").write_text(json.dumps(found) + "\n")
    print(len(edges), "edges; trustworthiness", found["trustworthiness"])


def compare(path):
    import pyarrow.parquet as pq

    digits = load_digits().data
    table = pq.read_table(path)
    places = np.stack([table["x"].to_numpy(), table["y"].to_numpy()], axis=1)
    print("qualm:", trustworthiness(digits, places, n_neighbors=5), "umap-learn:", maps(digits))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--compare"]:
        compare(sys.argv[2])
    elif sys.argv[1:2] == ["--digits"]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        values = load_digits().data.astype(np.float32)
        rows = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
        pq.write_table(pa.table({"embedding": rows}), sys.argv[2])
    else:
        golden()
