"""What a fit's label-free diagnostics have to do with its AUROC, over labelled sets.

    QUALM_DATA=DIR python3 bench/study/diagnostics.py [--sets pima,wdbc] [--detectors dum]
                                                      [--again] [--table-only]

Through the binary, as a user would: each detector's default preset is
fitted once to each set of the suites table2 and extra, with `--check-halves`; the labels of a
seeded sample of at most 3000 rows only measure. A line is added to `diagnostics.csv` as soon as it
is measured and not measured again without `--again`. Then the tables of `docs/diagnostics.md` are
made from that file. Needs NumPy and pyarrow.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from contender import ROOT, between_marks, table, write_csv  # noqa: E402

RESULTS = HERE / "diagnostics.csv"
SUITES = ["table2", "extra"]
DETECTORS = ["dum", "knn", "iforest"]
ROWS = 3000
# With fewer, the AUROC is chance.
OUTLIERS = 5
MEASURES = ["effective_rows", "member_agreement", "half_agreement", "score_entropy"]
MEASURES += ["distinct_scores"]
FIELDS = ["suite", "set", "detector", "n", "d", "outliers", "auroc", *MEASURES, "status"]


def build():
    """The binary."""
    command = ["cargo", "build", "--release", "--locked", "-p", "qualm-cli"]
    command += ["--message-format=json"]
    built = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    return [m["executable"] for m in messages if m.get("executable")][-1]


def load():
    """All lines measured so far."""
    if not RESULTS.exists():
        return []
    with open(RESULTS, newline="") as file:
        return list(csv.DictReader(file))


def keep(row):
    """Adds a line, in place of an older one of the same fit."""
    same = ["suite", "set", "detector"]
    rows = [old for old in load() if any(old[k] != row[k] for k in same)] + [row]
    rows.sort(key=lambda r: (DETECTORS.index(r["detector"]), SUITES.index(r["suite"]), r["set"]))
    write_csv(RESULTS, FIELDS, rows)


def sample(file, folder):
    """At most so many rows of a set, drawn with seed 0, as a file of their own."""
    rows = pq.read_table(file)
    if rows.num_rows > ROWS:
        picked = np.random.default_rng(0).choice(rows.num_rows, ROWS, replace=False)
        rows = rows.take(np.sort(picked))
    path = folder / "set.parquet"
    pq.write_table(rows, path)
    shape = {"n": rows.num_rows, "d": rows.num_columns - 1}
    return path, shape | {"outliers": int(np.sum(rows["label"].to_numpy()))}


def measure(binary, detector, path, folder):
    """One fit with its halves, what it says about itself, and its AUROC."""

    def ask(*words):
        done = subprocess.run([binary, *words, "--json", "--quiet"], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip().removeprefix("error: "))
        return json.loads(done.stdout)

    model, scores = folder / "m.qualm", folder / "scores.csv"
    words = ["--label", "label", "--detector", detector, "--check-halves"]
    try:
        ask("fit", path, "-o", model, "--scores", scores, *words)
        told = ask("info", model)["diagnostics"]
        row = {key: "" if told[key] is None else f"{told[key]:.4f}" for key in MEASURES}
        row["auroc"] = f"{ask('eval', scores, '--label', 'label')['auroc']:.4f}"
        return row | {"status": "ok"}
    except RuntimeError as reason:
        return {"status": str(reason)}


def spearman(a, b):
    """Rank correlation, equal values sharing their rank."""
    ranks = []
    for values in [a, b]:
        below = (values[:, None] > values).sum(1)
        ranks.append(below + (values[:, None] == values).sum(1) / 2)
    if any(np.ptp(r) == 0 for r in ranks):
        return np.nan
    return np.corrcoef(*ranks)[0, 1]


def correlation(rows, key):
    """Correlation of a diagnostic with AUROC over sets, and its interval by 2000 resamples."""
    pairs = [(float(r[key]), float(r["auroc"])) for r in rows if r[key]]
    if not pairs:
        return ""
    a, b = np.array(pairs).T
    draws = np.random.default_rng(0).integers(0, len(a), (2000, len(a)))
    low, high = np.nanpercentile([spearman(a[i], b[i]) for i in draws], [2.5, 97.5])
    return f"{spearman(a, b):+.2f} ({low:+.2f} to {high:+.2f})"


def cells(row):
    """A line of the table of sets."""
    shown = [f"{row['set']} ({row['suite']})", f"{int(row['n']):,} x {row['d']}", row["outliers"]]
    shown.append(f"{100 * float(row['auroc']):.1f}")
    return shown + [f"{float(row[key]):.2f}" if row[key] else "" for key in MEASURES]


def write():
    """Rewrites the tables of docs/diagnostics.md."""
    groups = {name: [] for name in DETECTORS}
    left_out = set()
    for row in load():
        if int(row["outliers"]) < OUTLIERS:
            left_out.add(row["set"])
        elif row["status"] == "ok":
            groups[row["detector"]].append(row)
    names = [key.replace("_", " ") for key in MEASURES]
    lines = [
        [name, len(rows), *(correlation(rows, key) for key in MEASURES)]
        for name, rows in groups.items()
        if rows
    ]
    text = "Rank correlation of each diagnostic with AUROC over the sets (95% interval by resampling"
    text += " the sets):\n\n" + table(["detector", "sets", *names], lines)
    if left_out:
        text += f"\nFewer than {OUTLIERS} outliers in the sample, left out: "
        text += ", ".join(sorted(left_out)) + ".\n"
    rows = sorted(groups["dum"], key=lambda r: float(r["auroc"]))
    text += "\n`dum` by set, from the lowest AUROC (in points):\n\n"
    text += table(["set", "n x d", "outliers", "AUROC", *names], map(cells, rows))
    between_marks(ROOT / "docs" / "diagnostics.md", text)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sets", default="", help="such as pima,wdbc; all without")
    parser.add_argument("--detectors", default=",".join(DETECTORS), help=", ".join(DETECTORS))
    parser.add_argument("--binary", help="a qualm that is built already")
    parser.add_argument("--again", action="store_true", help="measure finished fits once more")
    parser.add_argument("--table-only", action="store_true", help="only rewrite the document")
    arguments = parser.parse_args()
    if arguments.table_only:
        return write()
    if "QUALM_DATA" not in os.environ:
        raise SystemExit("QUALM_DATA names no folder")
    detectors = arguments.detectors.split(",")
    if unknown := [name for name in detectors if name not in DETECTORS]:
        raise SystemExit(f"unknown: {', '.join(unknown)}; there are: {', '.join(DETECTORS)}")
    sets = arguments.sets.split(",") if arguments.sets else []
    binary = arguments.binary or build()
    for suite in SUITES:
        for file in sorted(Path(os.environ["QUALM_DATA"], suite).glob("*.parquet")):
            if sets and file.stem not in sets:
                continue
            for detector in detectors:
                key = {"suite": suite, "set": file.stem, "detector": detector}
                if not arguments.again and any(key.items() <= row.items() for row in load()):
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    path, shape = sample(file, Path(folder))
                    row = dict.fromkeys(FIELDS, "") | key | shape
                    row |= measure(binary, detector, path, Path(folder))
                print(*(f"{name}={row[name]}" for name in FIELDS), flush=True)
                keep(row)
    write()


if __name__ == "__main__":
    main()
