"""How far can the same pictures be told apart by how they were stored? The table of docs/table3.md.

QUALM_DATA=... QUALM_MODELS=... python3 bench/table3/formats.py FOLDER

Writes 2,000 training and 1,000 test images of CIFAR-10 as PNG to FOLDER, the latter also as JPEG and
enlarged to 64 pixels, and measures each kind of copy against the PNG files. Needs pyarrow, pillow.
"""

import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import contender  # noqa: E402

COPIES = {
    "jpeg90": "JPEG, quality 90",
    "jpeg75": "JPEG, quality 75",
    "large": "PNG of 64 pixels",
    "large75": "JPEG of 64 pixels, quality 75",
}
REENCODE = ["png", "jpeg:90", "jpeg:75", "jpeg:50", "jpeg:30"]
DETECTORS = ["msp", "energy", "knn"]


def pictures(name, n):
    path = Path(os.environ["QUALM_DATA"]) / "images" / f"{name}.parquet"
    cells = pq.read_table(path, columns=["image"]).slice(0, n)["image"].to_pylist()
    return [Image.open(io.BytesIO(cell["bytes"])).convert("RGB") for cell in cells]


def write(folder, images, extension, **options):
    folder.mkdir(parents=True)
    for i, image in enumerate(images):
        image.save(folder / f"{i:04d}.{extension}", **options)


def copies(folder):
    test = pictures("cifar10_test", 1000)
    large = [image.resize((64, 64), Image.Resampling.BICUBIC) for image in test]
    write(folder / "train", pictures("cifar10_train", 2000), "png")
    write(folder / "png", test, "png")
    write(folder / "jpeg90", test, "jpg", quality=90)
    write(folder / "jpeg75", test, "jpg", quality=75)
    write(folder / "large", large, "png")
    write(folder / "large75", large, "jpg", quality=75)


def measured(folder, reencode):
    """AUROC in points by set and detector."""
    out = folder / f"{reencode}.csv"
    if not out.exists():
        qualm = os.environ.get("QUALM_BIN", "target/release/qualm")
        network = Path(os.environ["QUALM_MODELS"]) / "cifar10_resnet20.safetensors"
        command = [qualm, "bench", "ood", "--in", folder / "png", "--train", folder / "train"]
        command += ["--out", ",".join(str(folder / name) for name in COPIES)]
        command += ["--classifier", network, "--preprocessing", "akamaster"]
        command += ["--detectors", ",".join(DETECTORS), "--reencode", reencode, "--quiet", "-o", out]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with out.open() as file:
        rows = list(csv.DictReader(file))
    return {(row["out"], row["detector"]): 100 * float(row["auroc"]) for row in rows}


def main():
    folder = Path(sys.argv[1])
    if not (folder / "large75").exists():
        copies(folder)
    lines = []
    for reencode in REENCODE:
        found = measured(folder, reencode)
        cells = [" / ".join(f"{found[c, d]:.1f}" for d in DETECTORS) for c in COPIES]
        lines.append([f"`{reencode}`", *cells])
    text = contender.table(["`--reencode`", *COPIES.values()], lines)
    contender.between_marks(HERE.parent.parent / "docs" / "table3.md", text, "formats")


if __name__ == "__main__":
    main()
