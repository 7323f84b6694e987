"""Corruptions by imagecorruptions-imaug 1.1.5, with the random numbers that it drew.

    python corrupt.py OUT [IMAGES ...]

Writes corrupt.safetensors and corrupt.json into OUT. IMAGES: Hugging Face Parquet of real images
(CIFAR-10 test, Tiny ImageNet); of these only every 11th value of a result is kept.
"""

import hashlib
import io
import json
import sys
from pathlib import Path

import imagecorruptions
import numpy as np
from imagecorruptions import corruptions as reference
from PIL import Image
from safetensors.numpy import save_file

FIXED = [
    "brightness",
    "contrast",
    "defocus_blur",
    "gaussian_blur",
    "jpeg_compression",
    "pixelate",
    "saturate",
    "zoom_blur",
]
FED = ["elastic_transform", "fog", "glass_blur", "motion_blur", "snow", "spatter"]
KEPT = 11


def picture(rng, height, width):
    """Smooth colours, noise, and pixels that are grey, black, white and of one colour."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / a + y / b) for a, b in ((5, 9), (-7, 4), (3, -11))]
    image = 127 + 90 * np.stack(waves, -1) + rng.normal(0, 25, (height, width, 3))
    image = np.clip(image, 0, 255).astype(np.uint8)
    image[0, :4] = [[0, 0, 0], [255, 255, 255], [77, 77, 77], [255, 0, 0]]
    image[1, :3] = [[0, 255, 0], [0, 0, 255], [255, 255, 0]]
    return image


class Recorder:
    """Stands for numpy.random: float32 numbers, which it keeps."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.drawn = []

    def keep(self, values):
        values = np.asarray(values, np.float32)
        self.drawn.append(values.ravel())
        return values.astype(np.float64) if values.ndim else float(values)

    def uniform(self, low=0.0, high=1.0, size=None):
        return self.keep(self.rng.uniform(low, high, size))

    def normal(self, loc=0.0, scale=1.0, size=None):
        return self.keep(self.rng.normal(loc, scale, size))

    def randint(self, low, high=None, size=None):
        values = self.rng.integers(low, high, size)
        self.drawn.append(np.asarray(values, np.float32).ravel())
        return values

    def seed(self, _):
        pass


def apply(name, image, severity, seed):
    """The damaged image, and the random numbers in the order in which they were drawn."""
    recorder = Recorder(seed)
    random, shuffle = np.random, reference._shuffle_pixels_njit_glass_blur
    np.random = recorder
    # The compiled loop has a generator of its own: its Python source runs in its place.
    reference._shuffle_pixels_njit_glass_blur = shuffle.py_func
    try:
        keywords = {"seed": 0} if name == "glass_blur" else {}
        out = getattr(reference, name)(Image.fromarray(image), severity, **keywords)
    finally:
        np.random = random
        reference._shuffle_pixels_njit_glass_blur = shuffle
    drawn = np.concatenate(recorder.drawn) if recorder.drawn else np.zeros(0, np.float32)
    # In C order: safetensors writes memory as it lies.
    return np.ascontiguousarray(np.uint8(out)), drawn


def real(paths):
    """The first three images of each file, by the file's name."""
    import pyarrow.parquet as pq

    for path in paths:
        rows = pq.read_table(path, columns=["image"]).slice(0, 3).to_pylist()
        for row, value in enumerate(rows):
            image = Image.open(io.BytesIO(value["image"]["bytes"])).convert("RGB")
            yield Path(path).name, row, np.array(image)


def main():
    out, paths = Path(sys.argv[1]), sys.argv[2:]
    image = picture(np.random.default_rng(0), 40, 33)
    tensors = {"image": image}
    for name in FIXED + FED:
        for severity in range(1, 6):
            damaged, drawn = apply(name, image, severity, severity)
            tensors[f"{name}.{severity}"] = damaged
            if drawn.size:
                tensors[f"{name}.{severity}.random"] = drawn
    # A size that is no multiple of a block, and odd.
    odd = np.ascontiguousarray(image[:37, :33])
    tensors["jpeg_compression.odd"] = apply("jpeg_compression", odd, 3, 0)[0]
    index = []
    for file, row, image in real(paths):
        entry = {"file": file, "row": row, "sha256": hashlib.sha256(image.tobytes()).hexdigest()}
        for name in FIXED:
            for severity in (1, 3, 5):
                damaged, _ = apply(name, image, severity, 0)
                tensors[f"{file}.{row}.{name}.{severity}"] = damaged.ravel()[::KEPT].copy()
        index.append(entry)
    save_file(tensors, out / "corrupt.safetensors")
    meta = {"made_with": f"imagecorruptions-imaug 1.1.5, {imagecorruptions.__name__}", "kept": KEPT}
    (out / "corrupt.json").write_text(json.dumps(meta | {"real": index}, indent=1) + "\n")


main()
