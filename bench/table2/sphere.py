"""Sphere variants of the model on the sets of Table 2, for docs/table2.md.

    python3 bench/table2/sphere.py [--seeds N] [--sets A,B] [--scales NAMES] [--variants NAMES]
                                   [--threads N] [--table-only]

Rows divided by their norm after standardising, and one variance for all dimensions; the objective
and the size of a bag vary. At the paper's scale (h = 4096, 100 epochs, batches of 256) on the sets
of at most 2,000 rows, whose 100 epochs are 137 to 660 steps; at h = 4096 for one epoch, 819 to 1,930
steps, on the large ones; at h = 256 on all. Needs the command line in target/release and QUALM_DATA.
Goes on where it was stopped: each fit is a line of `sphere.csv`, of which the table in docs/table2.md
is made.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean, stdev

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from contender import ROOT, between_marks, table, write_csv  # noqa: E402

BINARY = ROOT / "target" / "release" / "qualm"
RESULTS = HERE / "sphere.csv"
FIELDS = ["dataset", "variant", "scale", "seed", "auroc", "auroc_unoriented", "fit_seconds"]
SMALL = ["arrhythmia", "ionosphere", "isolet", "optdigits", "pima", "wdbc"]
LARGE = ["covertype", "kdd1999", "record_standin_febrl"]
KEYS = ["space=sphere", "covariance=circular", "log_variance_bound=10"]
VARIANTS = {
    "dot, bags of 4": ["objective=dot", "bag_size=4"],
    "cosine, bags of 16": ["objective=cosine", "bag_size=16"],
    "cosine, half a batch": ["objective=cosine", "bag_size=half"],
    "cosine, bags of 64, 8 networks": ["objective=cosine", "bag_size=64", "members=8"],
}
# Each scale: the preset it starts from, with other keys, and the sets that it is run on.
SCALES = {
    "h = 4096": ("paper", [], SMALL),
    "h = 4096, 1 epoch": ("paper", ["epochs=1"], LARGE),
    "h = 256": ("sphere", [], SMALL + LARGE),
}
# The paper's DUM, Table 2; it has no number for the stand-in.
TABLE_2 = ROOT / "crates" / "qualm-cli" / "data" / "table2.csv"
PAPER = {row["set"]: row["dum"] for row in csv.DictReader(TABLE_2.open())}


def run(path, scale, variant, seed, threads):
    """One fit: its AUROC both ways and its seconds."""
    preset, keys, _ = SCALES[scale]
    settings = [word for key in KEYS + keys + VARIANTS[variant] for word in ("--set", key)]
    settings += ["--threads", str(threads)] if threads else []
    with tempfile.TemporaryDirectory() as folder:
        model, scores = Path(folder) / "m.qualm", Path(folder) / "s.parquet"
        command = [BINARY, "fit", path, "-o", model, "--scores", scores, "--label", "label"]
        command += ["--preset", preset, "--seed", str(seed), "--quiet", *settings]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        evaluate = [BINARY, "eval", scores, "--label", "label", "--json"]
        measured = json.loads(subprocess.check_output(evaluate))
    return measured["auroc"], measured["auroc_unoriented"], seconds


def shown(rows):
    """The Markdown table of what is measured."""
    lines = []
    columns = [(variant, scale) for variant in VARIANTS for scale in SCALES]
    measured = {(r["variant"], r["scale"]) for r in rows}
    columns = [column for column in columns if column in measured]
    for dataset in sorted(SMALL + LARGE):
        cells = [cell(rows, dataset, *column) for column in columns]
        lines.append([dataset, *cells, PAPER.get(dataset, "–")])
    header = ["set", *(f"{variant}; {scale}" for variant, scale in columns), "paper's DUM"]
    return table(header, lines)


def cell(rows, dataset, variant, scale):
    """Unoriented AUROC, in brackets how often it was honestly above one half."""
    fits = [
        r for r in rows if (r["dataset"], r["variant"], r["scale"]) == (dataset, variant, scale)
    ]
    if not fits:
        return "–"
    values = [100 * float(r["auroc_unoriented"]) for r in fits]
    spread = f" ± {stdev(values):.1f}" if len(values) > 1 else ""
    upright = sum(float(r["auroc"]) > 0.5 for r in fits)
    return f"{mean(values):.1f}{spread} ({upright} of {len(fits)})"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sets", default=",".join(SMALL + LARGE))
    parser.add_argument("--scales", default=";".join(SCALES), help="separated by semicolons")
    parser.add_argument("--variants", default=";".join(VARIANTS), help="separated by semicolons")
    parser.add_argument("--threads", type=int, help="of a fit [default: all]")
    parser.add_argument("--table-only", action="store_true")
    arguments = parser.parse_args()
    rows = list(csv.DictReader(RESULTS.open())) if RESULTS.exists() else []
    done = {(r["dataset"], r["variant"], r["scale"], int(r["seed"])) for r in rows}
    wanted = set(arguments.sets.split(","))
    todo = [
        (dataset, variant, scale, seed)
        for seed in range(arguments.seeds)
        for variant in arguments.variants.split(";")
        for scale in arguments.scales.split(";")
        for dataset in SCALES[scale][2]
        if dataset in wanted and (dataset, variant, scale, seed) not in done
    ]
    for dataset, variant, scale, seed in [] if arguments.table_only else todo:
        path = Path(os.environ["QUALM_DATA"]) / "table2" / f"{dataset}.parquet"
        auroc, unoriented, seconds = run(path, scale, variant, seed, arguments.threads)
        what = f"{dataset}, {variant}, {scale}, seed {seed}"
        print(f"{what}: {100 * auroc:.1f} in {seconds:.0f} s", flush=True)
        row = [dataset, variant, scale, seed, auroc, unoriented, round(seconds, 1)]
        rows.append(dict(zip(FIELDS, row, strict=True)))
        write_csv(RESULTS, FIELDS, rows)
    between_marks(ROOT / "docs" / "table2.md", shown(rows), "sphere")


if __name__ == "__main__":
    main()
