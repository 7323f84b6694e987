"""Are the models of two builds of the command line the same to the byte?

    python3 bench/same/same.py BINARY --data DIR --record before.json
    python3 bench/same/same.py OTHER  --data DIR --against before.json

Fits every detector and every preset of `dum` to each labelled set of DIR/table2, DIR/extra and
DIR/embeddings (a seeded sample of at most --rows rows of each) and records the SHA-256 of the model
file and of the scores of the same rows. The preset `paper` takes three steps, for its time. A
refactoring that is meant to change nothing is held against the record of the build before it.
Needs numpy and pyarrow.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

SUITES = ["table2", "extra", "embeddings"]
PRESETS = ["default", "sphere", "embedding", "paper", "features", "auto", "clusters"]
DETECTORS = ["iforest", "lof", "ocsvm", "sp", "ee", "knn", "abod", "ae", "lesinn", "repen"]
CONTENDERS = [("dum", preset) for preset in PRESETS] + [(name, "default") for name in DETECTORS]
SHORT = {"paper": ["--set", "max_steps=3", "--set", "min_steps=0"]}
# The date in a model file.
ENVIRONMENT = {**os.environ, "SOURCE_DATE_EPOCH": "0"}


def sample(path, most, folder):
    """A file of at most `most` rows of a set, in their order."""
    table = pq.read_table(path)
    if table.num_rows > most:
        generator = np.random.default_rng(0)
        table = table.take(np.sort(generator.choice(table.num_rows, most, replace=False)))
    out = Path(folder, f"{path.parent.name}-{path.name}")
    pq.write_table(table, out)
    return out


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def run(binary, rows, detector, preset):
    """Digests of the model and of its scores, or what the refusal says."""
    with tempfile.TemporaryDirectory() as folder:
        model, scores = Path(folder, "model.qualm"), Path(folder, "scores.csv")
        common = ["--label", "label", "--quiet", "--threads", "1"]
        fit = [binary, "fit", rows, "-o", model, "--detector", detector, "--preset", preset]
        commands = [
            [*fit, *SHORT.get(preset, []), *common],
            [binary, "score", model, rows, "-o", scores, *common],
        ]
        for command in commands:
            done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
            if done.returncode != 0:
                return {"refused": done.stderr.strip().replace(str(rows), rows.name)}
        return {"model": digest(model), "scores": digest(scores)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=Path)
    parser.add_argument("--data", type=Path, default=os.environ.get("QUALM_DATA"))
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--record", type=Path, help="keep the digests here")
    parser.add_argument("--against", type=Path, help="the digests to compare with")
    args = parser.parse_args()
    binary = args.binary.resolve()
    paths = [path for suite in SUITES for path in sorted(Path(args.data, suite).glob("*.parquet"))]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(args.jobs) as pool:
        files = [sample(path, args.rows, folder) for path in paths]
        jobs = {
            f"{file.stem} {detector} {preset}": pool.submit(run, binary, file, detector, preset)
            for file in files
            for detector, preset in CONTENDERS
        }
        found = {name: job.result() for name, job in jobs.items()}
    if args.record:
        args.record.write_text(json.dumps(found, indent=1, sort_keys=True))
    models = sum("model" in one for one in found.values())
    print(f"{len(files)} sets, {len(found)} fits: {models} models, {len(found) - models} refused")
    if not args.against:
        return 0
    before = json.loads(args.against.read_text())
    differ = {part: [] for part in ["model", "scores", "refused"]}
    for name, now in found.items():
        for part, names in differ.items():
            if now.get(part) != before.get(name, {}).get(part):
                names.append(name)
    for part, names in differ.items():
        print(f"{part}: {len(names)} differ", *names[:20], sep="\n  ")
    return 1 if any(differ.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
