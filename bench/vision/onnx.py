"""ONNX encoders by qualm beside onnxruntime itself, both in Python, in turns, in one run.

    QUALM_DATA=... python3 bench/vision/onnx.py --python VENV/bin/python [--rounds 9]

VENV: a virtual environment with pyqualm, numpy, pyarrow, pillow and onnxruntime. Images of CIFAR-10,
in memory, to rows: by `qualm.Encoder.embed`, and by onnxruntime with the preprocessing in NumPy.
The encoder is a ResNet-20 that `qualm train --export` writes; and SSCD's distilled one where
`QUALM_SSCD` names its file (crates/qualm-vision/tests/golden/sscd.py says where it is had). Least
of the rounds. Writes `onnx.csv`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import contender  # noqa: E402

FIELDS = ["encoder", "images", "threads", "contender", "rounds", "images_per_second", "cpu_milliseconds"]
IMAGES = """
import io, sys, numpy, pyarrow.parquet
from PIL import Image
source, out, n, times = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
cells = pyarrow.parquet.read_table(source)["image"].to_pylist()[:n]
rows = numpy.stack([numpy.asarray(Image.open(io.BytesIO(c["bytes"])).convert("RGB")) for c in cells])
numpy.save(out, rows.repeat(times, 1).repeat(times, 2))
"""


def run(*command):
    subprocess.run(list(map(str, command)), check=True)


def encoders(python, qualm, test, folder):
    """Name, file, preprocessing, number of images and how often their pixels are repeated."""
    few, path = folder / "few.npy", folder / "resnet20.onnx"
    run(python, "-c", IMAGES, test, few, 512, 1)
    # The weights do not matter here: one epoch on few images.
    options = ["--network", "resnet20", "--epochs", 1, "--export", path]
    run(qualm, "train", few, *options, "-o", folder / "resnet20.safetensors")
    keys = folder / "pixels.toml"
    # Mean and deviation are part of the graph.
    keys.write_text('preprocessing = "cifar"\nmean = [0.0, 0.0, 0.0]\nstd = [1.0, 1.0, 1.0]\n')
    yield "resnet20", path, keys, 5000, 1
    if os.environ.get("QUALM_SSCD"):
        keys = folder / "sscd.toml"
        keys.write_text('preprocessing = "sscd"\nsize = 160\n')
        yield "sscd_distilled", Path(os.environ["QUALM_SSCD"]), keys, 200, 5


def compare(python, encoder, images, threads, rounds):
    name, path, keys, n, _ = encoder
    found = {"qualm": [], "onnxruntime": []}
    running = {}
    for kind in found:
        command = [python, HERE / "onnx_peer.py", path, keys, images, threads, kind]
        running[kind] = contender.Contender(command, threads)
    sums = {kind: process.ask("once")["sum"] for kind, process in running.items()}
    ours, peer = sums.values()
    if abs(ours - peer) > 1e-4 * max(abs(peer), 1):
        raise SystemExit(f"{name}: the rows differ: {sums}")
    for _ in range(rounds):
        for kind, process in running.items():
            answer = process.ask("again")
            found[kind].append((answer["seconds"], answer["cpu"]))
    for process in running.values():
        process.close()
    return [
        {
            "encoder": name,
            "images": n,
            "threads": threads,
            "contender": kind,
            "rounds": rounds,
            "images_per_second": round(n / min(wall for wall, _ in pairs)),
            "cpu_milliseconds": round(1e3 * min(cpu for _, cpu in pairs) / n, 3),
        }
        for kind, pairs in found.items()
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--python", required=True)
    parser.add_argument("--qualm", default="target/release/qualm")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    test = Path(os.environ["QUALM_DATA"]) / "images" / "cifar10_test.parquet"
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for encoder in encoders(arguments.python, arguments.qualm, test, Path(folder)):
            images = Path(folder) / "images.npy"
            run(arguments.python, "-c", IMAGES, test, images, *encoder[3:])
            for threads in (1, 2):
                rows += compare(arguments.python, encoder, images, threads, arguments.rounds)
    for row in rows:
        print(row)
    print(contender.machine(2))
    contender.write_csv(HERE / "onnx.csv", FIELDS, rows)


main()
