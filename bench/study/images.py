"""Local bags and the preset `features` on what they are for: the features of an image encoder.

    QUALM_DATA=DIR QUALM_MODELS=DIR python3 bench/study/images.py [--seeds 3] [--table-only]

A ResNet-20 that classifies CIFAR-10 turns images into features; every contender is fitted to those
of training images, without labels, and ranks test images against images of other kinds. Needs
numpy, pyarrow, pillow, torch and safetensors, and the command line in target/release. Goes on
where it was stopped: each fit is a line of `images.csv`, of which the tables of `LOCAL.md` are made.
"""

import argparse
import csv
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from contender import ROOT, between_marks, table, write_csv  # noqa: E402

from sets import auroc  # noqa: E402
from variants import BASELINES  # noqa: E402

BINARY = ROOT / "target" / "release" / "qualm"
RESULTS = HERE / "images.csv"
FITTED, USUAL = "cifar10_train", "cifar10_test"
OTHERS = ["cifar100_test", "tinyimagenet_scenes", "tinyimagenet_val", "mnist_test"]
FIELDS = ["features", "contender", "seed", *OTHERS, "seconds"]
# Columns of what is fitted: the pooled outputs of the last stage, or of all three, each divided by
# its mean norm.
KINDS = {"last stage": 64, "three stages": 112}

CENTRED = ["space=unit", "centre=true"]


def local(cells, rows):
    """Bags of so many rows from so many cells."""
    return ["bags=local", f"cells={cells}", f"bag_size={rows}"]


LITERAL = ["log_variance_bound=0", "statistic=norm"]
# Name, detector, preset and keys; a detector without chance has one seed.
CONTENDERS = [
    ("features", "dum", "features", []),
    ("features, unbounded, norm", "dum", "features", LITERAL),
    ("features, bounded, norm", "dum", "features", ["statistic=norm"]),
    ("features, circular", "dum", "features", ["covariance=circular"]),
    ("clusters", "dum", "clusters", []),
    ("embedding", "dum", "embedding", []),
    ("embedding, local bags, 50 cells", "dum", "embedding", local(50, 2)),
    ("embedding, local bags, 200 cells", "dum", "embedding", local(200, 2)),
    ("centred unit sphere", "dum", "embedding", [*CENTRED, "bag_size=8"]),
    *(
        (
            f"centred unit sphere, local bags of {m}, {cells} cells",
            "dum",
            "embedding",
            [*CENTRED, *local(cells, m)],
        )
        for cells in [10, 50, 200]
        for m in [4, 8]
    ),
    *((name, name, "default", []) for name in BASELINES),
    *((f"{name}, unit length", name, "default", ["space=unit"]) for name in BASELINES),
]
WITHOUT_CHANCE = ["knn", "lof", "abod", "ocsvm", "ecod"]


def encoder():
    """The network as a function from images, uint8 (n, 32, 32, 3), to features and logits."""
    import torch
    from safetensors.torch import load_file
    from torch.nn import functional as F

    path = Path(os.environ["QUALM_MODELS"], "cifar10_resnet20.safetensors")
    weights = load_file(path)
    middle = torch.tensor([0.485, 0.456, 0.406])
    scale = torch.tensor([0.229, 0.224, 0.225])

    def conv_bn(x, conv, bn, stride=1):
        x = F.conv2d(x, weights[f"{conv}.weight"], stride=stride, padding=1)
        names = ["running_mean", "running_var", "weight", "bias"]
        return F.batch_norm(x, *(weights[f"{bn}.{name}"] for name in names))

    def block(x, name, stride):
        y = F.relu(conv_bn(x, f"{name}.conv1", f"{name}.bn1", stride))
        y = conv_bn(y, f"{name}.conv2", f"{name}.bn2")
        if stride == 2:
            # The shortcut without weights: every second pixel, new channels zero.
            extra = x.shape[1] // 2
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, extra, extra))
        return F.relu(x + y)

    def forward(images):
        x = (torch.from_numpy(images).float() / 255 - middle) / scale
        x = F.relu(conv_bn(x.permute(0, 3, 1, 2), "conv1", "bn1"))
        pooled = []
        for stage in [1, 2, 3]:
            for number in range(3):
                stride = 2 if stage > 1 and number == 0 else 1
                x = block(x, f"layer{stage}.{number}", stride)
            pooled.append(x.mean((2, 3)))
        logits = F.linear(pooled[-1], weights["linear.weight"], weights["linear.bias"])
        return [each.numpy() for each in [*pooled, logits]]

    def all_of(images):
        with torch.inference_mode():
            parts = [forward(images[at : at + 500]) for at in range(0, len(images), 500)]
        return [np.concatenate(each) for each in zip(*parts, strict=True)]

    return all_of


def images(name):
    """All images of a file, RGB of 32 x 32."""
    from PIL import Image

    path = Path(os.environ["QUALM_DATA"], "images", f"{name}.parquet")
    cells = pq.read_table(path)["image"].to_pylist()
    opened = (Image.open(io.BytesIO(cell["bytes"])).convert("RGB") for cell in cells)
    small = (i if i.size == (32, 32) else i.resize((32, 32), Image.BILINEAR) for i in opened)
    return np.stack([np.asarray(each) for each in small])


def supervised(logits):
    """What the classifier itself says, which labels taught it: strangeness by softmax and energy."""
    top = logits.max(1, keepdims=True)
    energy = top[:, 0] + np.log(np.exp(logits - top).sum(1))
    return {"maximum softmax": energy - top[:, 0], "energy": -energy}


def encode(folder):
    """Writes the features of every file; returns the rows of the supervised references."""
    run = encoder()
    outputs = {name: run(images(name)) for name in [FITTED, USUAL, *OTHERS]}
    sizes = [np.linalg.norm(stage, axis=1).mean() for stage in outputs[FITTED][:3]]
    for name, (*stages, _) in outputs.items():
        np.save(folder / f"last stage-{name}.npy", stages[-1])
        joined = np.concatenate([s / size for s, size in zip(stages, sizes, strict=True)], 1)
        np.save(folder / f"three stages-{name}.npy", joined.astype(np.float32))
    found = {name: supervised(each[-1]) for name, each in outputs.items()}
    for one in ["maximum softmax", "energy"]:
        row = {"features": "logits, supervised", "contender": one, "seed": 0, "seconds": 0}
        yield row | {other: against(found[USUAL][one], found[other][one]) for other in OTHERS}


def against(usual, others):
    """AUROC of others as the stranger ones."""
    outlier = np.repeat([False, True], [len(usual), len(others)])
    return auroc(outlier, np.concatenate([usual, others]))


def run(folder, kind, contender, seed):
    """One fit and what it makes of each file."""
    name, detector, preset, keys = contender
    model = folder / "model.qualm"
    settings = [word for key in keys for word in ("--set", key)]
    command = [BINARY, "fit", folder / f"{kind}-{FITTED}.npy", "-o", model, "--quiet", "--json"]
    command += ["--detector", detector, "--preset", preset, "--seed", str(seed), *settings]
    report = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    scores = {}
    for file in [USUAL, *OTHERS]:
        out = folder / "scores.parquet"
        rows = folder / f"{kind}-{file}.npy"
        subprocess.run([BINARY, "score", model, rows, "-o", out, "--quiet"], check=True)
        scores[file] = pq.read_table(out)["score"].to_numpy()
    took = round(json.loads(report)["fit_seconds"], 2)
    row = {"features": kind, "contender": name, "seed": seed, "seconds": took}
    return row | {other: against(scores[USUAL], scores[other]) for other in OTHERS}


def shown(rows):
    """A table for each kind of features."""
    text = ""
    for kind in [*KINDS, "logits, supervised"]:
        of_kind = [row for row in rows if row["features"] == kind]
        lines = []
        for name in dict.fromkeys(row["contender"] for row in of_kind):
            fits = [row for row in of_kind if row["contender"] == name]
            cells = [[100 * float(row[other]) for row in fits] for other in OTHERS]
            means = [mean(each) for each in zip(*cells, strict=True)]
            lines.append((-mean(means), [name, *map(spread, cells), f"{mean(means):.1f}"]))
        lines.sort(key=lambda line: line[0])
        columns = f", {KINDS[kind]} columns" if kind in KINDS else ""
        text += f"\n**{kind.capitalize()}{columns}**\n\n"
        text += table([kind, *OTHERS, "mean"], [line for _, line in lines])
    return text


def spread(values):
    more = f" ± {stdev(values):.1f}" if len(values) > 1 else ""
    return f"{mean(values):.1f}{more}"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--table-only", action="store_true")
    arguments = parser.parse_args()
    rows = list(csv.DictReader(RESULTS.open())) if RESULTS.exists() else []
    done = {(row["features"], row["contender"], int(row["seed"])) for row in rows}

    def keep(row):
        rows.append(row)
        write_csv(RESULTS, FIELDS, rows)
        print(row, flush=True)

    if not arguments.table_only:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            for row in encode(folder):
                if (row["features"], row["contender"], 0) not in done:
                    keep(row)
            for kind in KINDS:
                for contender in CONTENDERS:
                    seeds = 1 if contender[1] in WITHOUT_CHANCE else arguments.seeds
                    for seed in range(seeds):
                        if (kind, contender[0], seed) not in done:
                            keep(run(folder, kind, contender, seed))
    between_marks(HERE / "LOCAL.md", shown(rows), "images")


if __name__ == "__main__":
    main()
