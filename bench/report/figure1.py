"""Figure 1 in numbers: what uncertainty of images and of their views goes with.

    python figure1.py QUALM TEST.parquet TRAIN.parquet ENCODER.safetensors OUT
        [--preprocessing NAME] [--images 400] [--views 20]

QUALM is the program. A model is fitted to the embeddings of the training images; test images and random
views of the first --images of them are scored. Printed as Markdown, and kept in OUT/figure1.json:

- views: Spearman's correlation of uncertainty with the area of the crop within each image (mean over
  images, and a 95 % interval by resampling images), the mean uncertainty of tiny crops (area below a
  fifth) and of flips (flipped, area above seven tenths), and the share of images where tiny crops
  have the higher mean;
- images: within each class, Spearman's correlation of uncertainty with edge density (mean length of
  the grey gradient, a proxy of clutter) and with the distance to the mean embedding of the class, and
  by how many standard deviations the least certain tenth differs from the rest.

Galleries for looking are written beside: OUT/classes.html, OUT/views.html. Needs numpy, pyarrow, pillow.
"""

import argparse
import io
import json
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def ranks(values):
    """Ranks from 0, the mean rank among ties."""
    values = np.asarray(values, dtype=float)
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return (first + (counts - 1) / 2)[inverse]


def spearman(a, b):
    a, b = ranks(a), ranks(b)
    if a.std() == 0 or b.std() == 0:
        return np.nan
    return float(np.corrcoef(a, b)[0, 1])


def interval(values, rng):
    """The mean and its 95 % interval, by resampling."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    draws = rng.choice(values, (2000, len(values))).mean(axis=1)
    return float(values.mean()), [float(v) for v in np.quantile(draws, [0.025, 0.975])]


def vectors(table):
    column = table["embedding"].combine_chunks()
    return column.flatten().to_numpy().reshape(len(table), -1)


def edges(png):
    grey = np.asarray(Image.open(io.BytesIO(png)).convert("L"), dtype=float)
    down, right = np.gradient(grey)
    return float(np.hypot(down, right).mean())


def main():
    parser = argparse.ArgumentParser()
    for name in ["qualm", "test", "train", "encoder", "out"]:
        parser.add_argument(name)
    parser.add_argument("--preprocessing")
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--views", type=int, default=20)
    args = parser.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    how = ["--preprocessing", args.preprocessing] if args.preprocessing else []

    def qualm(*words):
        subprocess.run([args.qualm, *map(str, words), "--quiet"], check=True)

    def embed(images, name, *more):
        if not (out / name).exists():
            qualm("embed", images, "--encoder", args.encoder, *how, "-o", out / name, *more)
        return out / name

    train = embed(args.train, "train.parquet")
    test = embed(args.test, "test.parquet")
    subset = out / "images.parquet"
    pq.write_table(pq.read_table(args.test).slice(0, args.images), subset)
    drawn = embed(subset, "views.parquet", "--views", args.views)
    model = out / "model.qualm"
    qualm("fit", train, "-o", model, "--clean")
    for rows in ["test", "views"]:
        qualm("score", model, out / f"{rows}.parquet", "-o", out / f"{rows}.scores.parquet")
    qualm("gallery", model, test, "--images", args.test, "--by-class", "-o", out / "classes.html")
    qualm("gallery", model, drawn, "--images", subset, "--views", "-o", out / "views.html")

    rng = np.random.default_rng(0)
    rows = pq.read_table(drawn)
    scores = pq.read_table(out / "views.scores.parquet")["score"].to_numpy()
    images = pq.read_table(subset, columns=["image"])["image"].to_pylist()
    sides = [Image.open(io.BytesIO(i["bytes"])).size for i in images]
    whole = np.repeat([w * h for w, h in sides], args.views)
    area = rows["crop_width"].to_numpy().astype(float) * rows["crop_height"].to_numpy() / whole
    flip = rows["flip"].to_numpy(zero_copy_only=False)
    by_image = [slice(i, i + args.views) for i in range(0, len(rows), args.views)]
    correlation, (low, high) = interval([spearman(scores[i], area[i]) for i in by_image], rng)
    tiny, flips = area < 0.2, flip & (area > 0.7)
    pairs = [
        (scores[i][tiny[i]].mean(), scores[i][flips[i]].mean())
        for i in by_image
        if tiny[i].any() and flips[i].any()
    ]
    spread = scores.std()
    higher = float(np.mean([a > b for a, b in pairs]))

    table = pq.read_table(test)
    embedded, labels = vectors(table), np.array(table["label"].to_pylist())
    of_test = pq.read_table(out / "test.scores.parquet")["score"].to_numpy()
    pictures = pq.read_table(args.test, columns=["image"])["image"].to_pylist()
    density = np.array([edges(p["bytes"]) for p in pictures])
    within = {"edge density": [], "distance to the class mean": []}
    differ = {name: [] for name in within}
    for label in sorted(set(labels)):
        of = labels == label
        own = embedded[of]
        proxies = {
            "edge density": density[of],
            "distance to the class mean": np.linalg.norm(own - own.mean(axis=0), axis=1),
        }
        least = of_test[of] >= np.quantile(of_test[of], 0.9)
        for name, values in proxies.items():
            within[name].append(spearman(of_test[of], values))
            differ[name].append(float((values[least].mean() - values[~least].mean()) / values.std()))
    found = {
        "encoder": Path(args.encoder).name,
        "n_images": len(by_image),
        "n_views": len(rows),
        "views_area_correlation": correlation,
        "views_area_interval": [low, high],
        "tiny_crops_mean": float(scores[tiny].mean()),
        "flips_mean": float(scores[flips].mean()),
        "tiny_less_flips_in_deviations": float((scores[tiny].mean() - scores[flips].mean()) / spread),
        "images_with_tiny_above_flips": higher,
        "images_compared": len(pairs),
        "classes": {
            name: {
                "correlation_mean": float(np.mean(within[name])),
                "correlation_range": [float(min(within[name])), float(max(within[name]))],
                "least_certain_tenth_differs_mean": float(np.mean(differ[name])),
                "least_certain_tenth_differs_range": [float(min(differ[name])), float(max(differ[name]))],
            }
            for name in within
        },
    }
    (out / "figure1.json").write_text(json.dumps(found, indent=1) + "\n")
    print(f"| views of {found['n_images']} images, {args.views} each | {found['encoder']} |\n|---|---|")
    print(f"| correlation with crop area | {correlation:.3f} ({low:.3f} to {high:.3f}) |")
    print(f"| tiny crops, mean uncertainty | {found['tiny_crops_mean']:.3f} |")
    print(f"| flips, mean uncertainty | {found['flips_mean']:.3f} |")
    print(f"| difference, in deviations | {found['tiny_less_flips_in_deviations']:.2f} |")
    print(f"| images with tiny crops above flips | {100 * higher:.0f} % of {len(pairs)} |")
    for name, of in found["classes"].items():
        a, b = of["correlation_range"]
        print(f"| within classes: correlation with {name} | {of['correlation_mean']:.3f} ({a:.3f} to {b:.3f}) |")
        a, b = of["least_certain_tenth_differs_range"]
        mean = of["least_certain_tenth_differs_mean"]
        print(f"| least certain tenth: {name}, deviations above the rest | {mean:.2f} ({a:.2f} to {b:.2f}) |")


if __name__ == "__main__":
    main()
