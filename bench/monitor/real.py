"""The worked example of docs/monitor.md: aeroplanes, and from row 2,000 on a tenth deer.

    export QUALM_DATA=... QUALM_BIN=target/release/qualm
    bench/monitor/.venv-peers/bin/python bench/monitor/real.py FOLDER

Writes the files of the example into FOLDER, runs its commands there and shows what they print.
The rows are ResNet-18 features of CIFAR-10 (512 columns, of ADBench): 1,500 aeroplanes to fit,
1,000 as reference, then five days of 500 rows, of which the last has 50 deer. Then the same by the
Python package, and for other draws of all rows the alarms.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import qualm

CLASSES = {"aeroplane": "resnet18_cifar10_0", "deer": "resnet18_cifar10_4"}
DAYS, ROWS, CLEAN_DAYS = 5, 500, 4


def rows_of(name):
    """The rows of a class, and the names of their columns."""
    path = Path(os.environ["QUALM_DATA"]) / "embeddings" / f"{CLASSES[name]}.parquet"
    table = pq.read_table(path)
    usual = np.asarray(table["label"]) == 0
    names = [column for column in table.column_names if column != "label"]
    return np.stack([np.asarray(table[column]) for column in names], axis=1)[usual], names


def draw(planes, deer, seed):
    """Rows to fit, the reference, and the days: each rows and what they show."""
    rng = np.random.default_rng(seed)
    planes, deer = planes[rng.permutation(len(planes))], deer[rng.permutation(len(deer))]
    fit, reference, stream = planes[:1500], planes[1500:2500], planes[2500:]
    days = []
    for day in range(DAYS):
        rows = stream[day * ROWS : (day + 1) * ROWS].copy()
        shows = np.full(ROWS, "aeroplane", object)
        if day >= CLEAN_DAYS:
            hit = rng.choice(ROWS, ROWS // 10, replace=False)
            rows[hit], shows[hit] = deer[: len(hit)], "deer"
        days.append((rows, shows))
    return fit, reference, days


def write(path, names, rows, **more):
    columns = {**more, **{name: rows[:, i] for i, name in enumerate(names)}}
    pq.write_table(pa.table(columns), path)


def run(folder, *words):
    print("$ qualm", *words, flush=True)
    binary = str(Path(os.environ["QUALM_BIN"]).resolve())
    done = subprocess.run([binary, *words], cwd=folder, check=False)
    print(f"(exit code {done.returncode})\n", flush=True)


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (planes, names), (deer, _) = rows_of("aeroplane"), rows_of("deer")
    fit, reference, days = draw(planes, deer, 0)
    write(folder / "usual.parquet", names, fit)
    write(folder / "reference.parquet", names, reference)
    for number, (rows, shows) in enumerate(days, start=1):
        write(folder / f"day{number}.parquet", names, rows, shows=pa.array(shows.tolist()))
    (folder / "monitor.state").unlink(missing_ok=True)
    beside = ["--reference", "reference.parquet"]
    run(folder, "fit", "usual.parquet", "--clean", "-o", "model.qualm")
    for number in range(1, DAYS + 1):
        command = ["monitor", "model.qualm", f"day{number}.parquet", *beside]
        run(folder, *command, "--sequential", "--state", "monitor.state", "--id", "shows")
    run(folder, "monitor", "model.qualm", "day5.parquet", *beside)
    monitor = qualm.Monitor(folder / "model.qualm", reference)
    for rows, _ in days:
        print(monitor.update(rows))
    print("\nother draws: row of the alarm, of 2,500; the change is after 2,000")
    for seed in range(1, 11):
        fit, reference, days = draw(planes, deer, seed)
        model = qualm.DUM(reference="clean").fit(fit)
        monitor = qualm.Monitor(model, reference)
        for rows, _ in days:
            monitor.update(rows)
        print(f"  {seed}: {monitor.alarms}", flush=True)


if __name__ == "__main__":
    main()
