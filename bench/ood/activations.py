"""Writes features and logits of CIFAR-10 classifiers: OUT/NET/SET.npz, with the arrays `features`
(of the layer before the last), `stage1`, `stage2` (means over the pixels of the two blocks of layers
before), `logits` and `label`.

Needs PyTorch, pyarrow and Pillow; QUALM_DATA and QUALM_MODELS name the folders of data and networks.
Images of every set take one path: decoded, made RGB, resized to 32 x 32 (bilinear, with antialiasing).
"""

import io
import os
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.nn import functional as F

SETS = ["cifar10_train", "cifar10_test", "cifar100_test", "tinyimagenet_val", "tinyimagenet_scenes", "mnist_test"]
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def images(name):
    table = pq.read_table(Path(os.environ["QUALM_DATA"]) / f"images/{name}.parquet")
    pixels = []
    for entry in table["image"].to_pylist():
        image = Image.open(io.BytesIO(entry["bytes"])).convert("RGB")
        if image.size != (32, 32):
            image = image.resize((32, 32), Image.Resampling.BILINEAR)
        pixels.append(np.asarray(image))
    return np.stack(pixels), np.asarray(table["label"], dtype=np.int64)


class Network:
    """A residual network of the CIFAR kind, from its tensors."""

    def __init__(self, path):
        self.w = {k.removeprefix("module."): v for k, v in load_file(path).items()}
        self.depth = 1 + max(int(k.split(".")[1]) for k in self.w if k.startswith("layer1."))

    def norm(self, x, name):
        parts = [self.w[f"{name}.{p}"] for p in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *parts)

    def block(self, x, name, stride):
        y = F.conv2d(x, self.w[f"{name}.conv1.weight"], stride=stride, padding=1)
        y = F.relu(self.norm(y, f"{name}.bn1"))
        y = self.norm(F.conv2d(y, self.w[f"{name}.conv2.weight"], padding=1), f"{name}.bn2")
        if stride == 2:
            # Option A: every other pixel, the new channels 0.
            x = x[:, :, ::2, ::2]
            added = (y.shape[1] - x.shape[1]) // 2
            x = F.pad(x, (0, 0, 0, 0, added, added))
        return F.relu(x + y)

    def __call__(self, x):
        x = F.relu(self.norm(F.conv2d(x, self.w["conv1.weight"], padding=1), "bn1"))
        means = []
        for stage in (1, 2, 3):
            for i in range(self.depth):
                x = self.block(x, f"layer{stage}.{i}", 2 if i == 0 and stage > 1 else 1)
            means.append(x.mean(dim=(2, 3)))
        logits = F.linear(means[-1], self.w["linear.weight"], self.w["linear.bias"])
        return {"stage1": means[0], "stage2": means[1], "features": means[2], "logits": logits}


@torch.no_grad()
def main(out, networks):
    for net in networks:
        network = Network(Path(os.environ["QUALM_MODELS"]) / f"cifar10_{net}.safetensors")
        folder = Path(out) / net
        folder.mkdir(parents=True, exist_ok=True)
        for name in SETS:
            pixels, label = images(name)
            parts = []
            for batch in np.array_split(pixels, max(1, len(pixels) // 250)):
                x = torch.from_numpy(batch).permute(0, 3, 1, 2) / 255
                parts.append(network((x - MEAN) / DEVIATION))
            arrays = {k: torch.cat([p[k] for p in parts]).numpy() for k in parts[0]}
            np.savez(folder / f"{name}.npz", **arrays, label=label)
            if name.startswith("cifar10_"):
                accuracy = (arrays["logits"].argmax(1) == label).mean()
                print(f"{net} {name}: accuracy {accuracy:.4f}", flush=True)


main(sys.argv[1], sys.argv[2:] or ["resnet20"])
