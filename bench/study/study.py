"""Which label-free configuration of the model ranks outliers best, beside the baselines.

    QUALM_DATA=DIR python3 bench/study/study.py [--kinds tables] [--only 'as shipped,knn']
                                                [--rows 5000] [--seeds 5] [--table-only]

Every contender of `variants.py` is fitted to every labelled set of DIR/table2, DIR/extra (the
tables), of DIR/embeddings, and of unions of these; of larger sets to a seeded sample of rows, the
same for all. Labels measure and do nothing else. One process a core, one thread each. Runs are kept in
`results.parquet` after every set and not run again; the tables of `RESULTS.md` and `LOCAL.md` are
made from that file.
"""

import argparse
import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from contender import Contender, Refused, build, machine  # noqa: E402

import local  # noqa: E402
import report  # noqa: E402
from variants import PRESETS, contenders  # noqa: E402

SUITES = {"tables": ["table2", "extra"], "embeddings": ["embeddings"]}
# Embeddings of several kinds of rows: the sets of a network put together, outliers of each with it.
UNIONS = {
    "resnet18_mvtec": "resnet18_mvtec_ad_*",
    "resnet18_cifar10_svhn": "resnet18_[cs]*_[0-9]",
    "vit_mvtec": "vit_mvtec_ad_*",
}
RESULTS = HERE / "results.parquet"
# Draws the sampled rows.
SAMPLE_SEED = 0


def sets(folder, kind):
    """The sets of a kind: name and files."""
    if kind == "unions":
        for name, pattern in UNIONS.items():
            yield f"unions/{name}", sorted(Path(folder, "embeddings").glob(f"{pattern}.parquet"))
        return
    for suite in SUITES[kind]:
        for path in sorted(Path(folder, suite).glob("*.parquet")):
            yield f"{suite}/{path.stem}", [path]


def read(paths, most):
    """Rows and labels of a set, or of a sample of it."""
    table = pa.concat_tables(pq.read_table(path) for path in paths)
    labels = table["label"].to_numpy()
    columns = [name for name in table.column_names if name != "label"]
    picked = np.arange(len(labels))
    if len(labels) > most:
        generator = np.random.default_rng(SAMPLE_SEED)
        picked = np.sort(generator.choice(len(labels), most, replace=False))
    rows = np.column_stack([table[name].to_numpy()[picked] for name in columns])
    return rows.astype(np.float32), labels[picked] == 1


def auroc(outlier, scores):
    """Area under the receiver operating characteristic, ties counted half; higher = stranger."""
    _, group, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[group]
    m, n = outlier.sum(), (~outlier).sum()
    return float((ranks[outlier].sum() - m * (m + 1) / 2) / (m * n))


def run(ours, scores, detector, seed, keys, outlier):
    """One fit as a row of the results."""
    words = [f"{key}={v if isinstance(v, str) else json.dumps(v)}" for key, v in keys.items()]
    try:
        seconds = ours.ask("fit", detector, seed, *words)["seconds"]
        ours.ask("scores", scores)
    except Refused as reason:
        return {"auroc": None, "seconds": None, "status": str(reason)}
    found = auroc(outlier, np.fromfile(scores, np.float64))
    return {"auroc": found, "seconds": seconds, "status": "ok"}


class Results:
    """All runs so far, written whole after every set."""

    def __init__(self, path=RESULTS):
        self.path = path
        self.rows = pq.read_table(path).to_pylist() if path.exists() else []
        self.lock = Lock()

    def missing(self, name, contender, rows, seeds):
        key = (name, contender, rows)
        done = {r["seed"] for r in self.rows if (r["set"], r["contender"], r["rows"]) == key}
        return [seed for seed in range(seeds) if seed not in done]

    def keep(self, rows):
        with self.lock:
            self.rows += rows
            table = pa.Table.from_pylist(self.rows)
            new = self.path.with_suffix(".new")
            pq.write_table(table, new, compression="zstd")
            new.replace(self.path)


def study(kind, name, paths, binary, results, arguments):
    """Everything that is missing on one set."""
    wanted = [
        (contender, detector, keys, seed)
        for contender, detector, keys in contenders(kind)
        if not arguments.only or contender in arguments.only
        for seed in results.missing(name, contender, arguments.rows, arguments.seeds)
    ]
    if not wanted:
        return
    rows, outlier = read(paths, arguments.rows)
    if not outlier.any():
        return print(f"{name}: no outlier among the sampled rows, left out", flush=True)
    with tempfile.TemporaryDirectory() as folder, Contender([binary], 1) as ours:
        file, scores = Path(folder, "rows.npy"), Path(folder, "scores.f64")
        np.save(file, rows)
        ours.ask("read", file, "all")
        found = []
        for contender, detector, keys, seed in wanted:
            row = {"kind": kind, "set": name, "n": len(rows), "d": rows.shape[1]}
            row |= {"outliers": int(outlier.sum()), "rows": arguments.rows, "seed": seed}
            row |= {"contender": contender, "detector": detector, "keys": json.dumps(keys)}
            found.append(row | run(ours, scores, detector, seed, keys, outlier))
    results.keep([row | {"machine": arguments.machine} for row in found])
    print(f"{name}: {len(found)} runs", flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kinds", default=",".join(PRESETS), help=", ".join(PRESETS))
    parser.add_argument("--only", default="", help="contenders, separated by semicolons")
    parser.add_argument("--rows", type=int, default=5000, help="of a set at most")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at a time")
    parser.add_argument("--table-only", action="store_true", help="only rewrite RESULTS.md")
    arguments = parser.parse_args()
    arguments.only = [name.strip() for name in arguments.only.split(";") if name.strip()]
    if not arguments.table_only:
        if "QUALM_DATA" not in os.environ:
            raise SystemExit("QUALM_DATA names no folder")
        binary, results = build(), Results()
        arguments.machine = machine(1)
        with ThreadPoolExecutor(arguments.jobs) as pool:
            work = [
                pool.submit(study, kind, name, paths, binary, results, arguments)
                for kind in arguments.kinds.split(",")
                for name, paths in sets(os.environ["QUALM_DATA"], kind)
            ]
            for each in work:
                each.result()
    rows = pq.read_table(RESULTS).to_pylist()
    report.write(rows, HERE / "RESULTS.md")
    local.write(rows)


if __name__ == "__main__":
    main()
