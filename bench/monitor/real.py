"""The worked example of docs/monitor.md: aeroplanes, and from row 2,000 on a tenth house numbers.

    export QUALM_DATA=... QUALM_BIN=target/release/qualm
    bench/monitor/.venv-peers/bin/python bench/monitor/real.py FOLDER

Writes the files of the example into FOLDER, runs its commands there and shows what they print.
The rows are ResNet-18 features of CIFAR-10 and SVHN (512 columns, of ADBench): 1,000 aeroplanes to
fit, 1,000 as reference, then six days of 500 rows, of which the last two have 50 house numbers
each. Then the same by the Python package, and the alarms for other draws of all rows, and for deer
in place of house numbers.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import qualm

CLASSES = {
    "aeroplane": "resnet18_cifar10_0",
    "deer": "resnet18_cifar10_4",
    "house number": "resnet18_svhn_0",
}
DAYS, ROWS, CLEAN_DAYS = 6, 500, 4


def rows_of(name):
    """The rows of a class, and the names of their columns."""
    path = Path(os.environ["QUALM_DATA"]) / "embeddings" / f"{CLASSES[name]}.parquet"
    table = pq.read_table(path)
    usual = np.asarray(table["label"]) == 0
    names = [column for column in table.column_names if column != "label"]
    return np.stack([np.asarray(table[column]) for column in names], axis=1)[usual], names


def draw(planes, other, name, seed):
    """Rows to fit, the reference, and the days: each rows and what they show."""
    rng = np.random.default_rng(seed)
    planes, other = planes[rng.permutation(len(planes))], other[rng.permutation(len(other))]
    fit, reference, stream = planes[:1000], planes[1000:2000], planes[2000:]
    days = []
    for day in range(DAYS):
        rows = stream[day * ROWS : (day + 1) * ROWS].copy()
        shows = np.full(ROWS, "aeroplane", object)
        if day >= CLEAN_DAYS:
            hit = rng.choice(ROWS, ROWS // 10, replace=False)
            rows[hit], shows[hit] = other[day * len(hit) : (day + 1) * len(hit)], name
        days.append((rows, shows))
    return fit, reference, days


def write(path, names, rows, shows):
    columns = {"shows": pa.array(list(shows))}
    columns.update((name, rows[:, i]) for i, name in enumerate(names))
    pq.write_table(pa.table(columns), path)


def run(folder, *words):
    print("$ qualm", *words, flush=True)
    binary = str(Path(os.environ["QUALM_BIN"]).resolve())
    done = subprocess.run([binary, *words], cwd=folder, check=False)
    print(f"(exit code {done.returncode})\n", flush=True)


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (planes, names), (numbers, _), (deer, _) = map(rows_of, ["aeroplane", "house number", "deer"])
    fit, reference, days = draw(planes, numbers, "house number", 0)
    write(folder / "usual.parquet", names, fit, ["aeroplane"] * len(fit))
    write(folder / "reference.parquet", names, reference, ["aeroplane"] * len(reference))
    for number, (rows, shows) in enumerate(days, start=1):
        write(folder / f"day{number}.parquet", names, rows, shows)
    (folder / "monitor.state").unlink(missing_ok=True)
    beside = ["--reference", "reference.parquet"]
    run(folder, "fit", "usual.parquet", "--clean", "-o", "model.qualm")
    for number in range(1, DAYS + 1):
        command = ["monitor", "model.qualm", f"day{number}.parquet", *beside]
        run(folder, *command, "--sequential", "--state", "monitor.state", "--id", "shows")
    run(folder, "monitor", "model.qualm", "day5.parquet", *beside)
    monitor = qualm.Monitor(folder / "model.qualm", pq.read_table(folder / "reference.parquet"))
    for number in range(1, DAYS + 1):
        result = monitor.update(pq.read_table(folder / f"day{number}.parquet"))
        print(f"day {number}:", result.to_dict())
    for name, other in (("house number", numbers), ("deer", deer)):
        print(f"\n{name}: rows of the alarm, and window tests of day 5")
        for seed in range(1, 11):
            fit, reference, days = draw(planes, other, name, seed)
            model = qualm.DUM(reference="clean").fit(fit)
            monitor = qualm.Monitor(model, reference)
            for rows, _ in days:
                monitor.update(rows)
            scores = [model.decision_function(rows) for rows in (reference, days[4][0])]
            window = qualm.monitor.compare(*scores)
            print(f"  {seed}: {monitor.alarms}, p {window.p_val:.2g}, d {window.cohens_d:.2f}")
        apart = qualm.monitor.compare(scores[0], model.decision_function(other[:1000])).auroc
        print(f"  apart from aeroplanes with an AUROC of {apart:.2f} (the last draw)")


if __name__ == "__main__":
    main()
