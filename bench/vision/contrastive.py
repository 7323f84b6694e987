"""What contrastive training reaches on CIFAR-10 on two cores: the curves of docs/images.md.

    QUALM_DATA=... python3 bench/vision/contrastive.py [--qualm target/release/qualm] [--only NAME,..]
                                                       [--work FOLDER]

Trains ResNet-20 by `qualm train`: SimCLR on 8,000 and on 20,000 images for 100 epochs or 90 minutes,
MoCo on the 20,000 for 35 epochs. Beside them stand the same network before its first step and
the pixels themselves, as they are and less the mean of each image. Accuracy is that of 200 nearest neighbours among the training images, weighted
by similarity, on 5,000 test images.

An interrupted run goes on where it was: FOLDER keeps encoders and checkpoints. Writes
`contrastive.csv` and the table of docs/images.md. Needs numpy, pyarrow and Pillow.
"""

import argparse
import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import contender  # noqa: E402

RESULTS = HERE / "contrastive.csv"
FIELDS = ["run", "images", "epoch", "loss", "output_std", "knn_accuracy", "seconds"]
SETS = {8000: ["cifar10_train"], 20000: ["cifar10_train", "cifar10_train_more"]}
# Of MoCo as many epochs as two quiet cores end within half an hour.
RUNS = {
    "simclr-8000": (8000, ["--epochs", "100", "--max-minutes", "90"]),
    "simclr-20000": (20000, ["--epochs", "100", "--max-minutes", "90"]),
    "moco-20000": (20000, ["--method", "moco", "--epochs", "35"]),
    # A step of no size only sets the statistics of batch normalisation.
    "untrained-20000": (20000, ["--epochs", "1", "--set", "learning_rate=1e-12"]),
}
NEIGHBOURS, TEMPERATURE = 200, 0.1


def folder(data, n, work):
    """A folder of links to the files of n training images."""
    path = work / f"images-{n}"
    path.mkdir(exist_ok=True)
    for name in SETS[n]:
        link = path / f"{name}.parquet"
        if not link.exists():
            link.symlink_to(data / f"{name}.parquet")
    return path


def trained(qualm, data, work, name):
    """The rows of a run's curve."""
    n, options = RUNS[name]
    report, encoder = work / f"{name}.json", work / f"{name}.safetensors"
    if not report.exists():
        command = [qualm, "train", folder(data, n, work), "--network", "resnet20", *options]
        command += ["--eval", data / "cifar10_test.parquet", "-o", encoder, "--json"]
        if Path(f"{encoder}.checkpoint").exists():
            command.append("--resume")
        done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, check=True)
        report.write_bytes(done.stdout)
    found = json.loads(report.read_text())
    seconds = round(found["train_seconds"], 1)
    return [
        {"run": name, "images": n, "seconds": seconds, **{k: epoch.get(k, "") for k in FIELDS[2:6]}}
        for epoch in found["curve"]
    ]


def rows_of_pixels(data, names):
    """Pixels, a row for each image, and labels."""
    import numpy as np
    import pyarrow.parquet as pq
    from PIL import Image

    rows, labels = [], []
    for name in names:
        table = pq.read_table(data / f"{name}.parquet")
        for cell in table["image"].to_pylist():
            image = Image.open(io.BytesIO(cell["bytes"])).convert("RGB")
            rows.append(np.asarray(image, np.float32).ravel())
        labels.extend(table["label"].to_pylist())
    return np.stack(rows), np.asarray(labels)


def unit(rows, centred):
    """Rows of unit length, each less its mean if `centred`."""
    import numpy as np

    if centred:
        rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def pixels(data, n, centred):
    """The row of the pixels themselves."""
    import numpy as np

    known, classes = rows_of_pixels(data, SETS[n])
    asked, expected = rows_of_pixels(data, ["cifar10_test"])
    known, asked = unit(known, centred), unit(asked, centred)
    right = 0
    for start in range(0, len(asked), 500):
        similar = asked[start : start + 500] @ known.T
        near = np.argpartition(-similar, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        weights = np.exp(np.take_along_axis(similar, near, axis=1) / TEMPERATURE)
        votes = np.zeros((len(near), 10))
        for c in range(10):
            votes[:, c] = (weights * (classes[near] == c)).sum(axis=1)
        right += int((votes.argmax(axis=1) == expected[start : start + 500]).sum())
    name = f"pixels-centred-{n}" if centred else f"pixels-{n}"
    return [{"run": name, "images": n, "knn_accuracy": right / len(asked)}]


def report(rows):
    """The table: a line for each run, a column for each measured tenth epoch."""
    epochs = [5, *range(10, 101, 10)]
    lines = []
    for run in dict.fromkeys(row["run"] for row in rows):
        curve = [row for row in rows if row["run"] == run and row["knn_accuracy"] != ""]
        at = {int(row["epoch"] or 0): 100 * float(row["knn_accuracy"]) for row in curve}
        last = curve[-1]
        minutes = f"{float(last['seconds']) / 60:.0f}" if last.get("seconds") else ""
        few = len(curve) == 1
        cells = ["" if few or e not in at else f"{at[e]:.1f}" for e in epochs]
        lines.append([run, minutes, *cells, f"{100 * float(last['knn_accuracy']):.1f}"])
    text = contender.table(["run-images", "minutes", *map(str, epochs), "last"], lines)
    contender.between_marks(HERE.parent.parent / "docs" / "images.md", text, "contrastive")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--qualm", default="target/release/qualm")
    parser.add_argument("--work", type=Path, default=HERE / ".contrastive")
    parser.add_argument("--only", default="")
    parser.add_argument("--report", action="store_true", help="write the table only")
    options = parser.parse_args()
    rows = []
    if RESULTS.exists():
        with RESULTS.open() as file:
            rows = list(csv.DictReader(file))
    names = [f"{kind}-{n}" for n in SETS for kind in ("pixels", "pixels-centred")] + list(RUNS)
    for name in [] if options.report else names:
        if options.only and name not in options.only.split(","):
            continue
        options.work.mkdir(exist_ok=True)
        data = Path(os.environ["QUALM_DATA"]) / "images"
        if name.startswith("pixels"):
            found = pixels(data, int(name.split("-")[-1]), "centred" in name)
        else:
            found = trained(options.qualm, data, options.work.resolve(), name)
        rows = [row for row in rows if row["run"] != name] + found
        rows.sort(key=lambda row: names.index(row["run"]))
        contender.write_csv(RESULTS, FIELDS, rows)
    report(rows)


if __name__ == "__main__":
    main()
