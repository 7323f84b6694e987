"""The laws of the random parameters of views, drawn by torchvision: view_laws.json.

    python view_laws.py OUT

For images of several sizes: quantiles of crops and colours over many draws.
"""

import json
import math
import sys

import numpy as np
import torch
import torchvision.transforms.v2 as T

DRAWS = 40_000
LEVELS = (np.arange(200) + 0.5) / 200


def quantiles(values):
    values = np.sort(np.asarray(values, dtype=float))
    return [float(f"{v:.6g}") for v in values[(LEVELS * len(values)).astype(int)]]


def laws(width, height, strength):
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    crop = T.RandomResizedCrop(32, scale=(0.08, 1.0), antialias=True)
    s = strength
    jitter = T.ColorJitter(0.8 * s, 0.8 * s, 0.8 * s, 0.2 * s)
    blur = T.GaussianBlur(23, (0.1, 2.0))
    boxes = [crop.make_params([image]) for _ in range(DRAWS)]
    colours = [jitter.make_params([image]) for _ in range(DRAWS)]
    names = {
        "left": [b["left"] for b in boxes],
        "top": [b["top"] for b in boxes],
        "width": [b["width"] for b in boxes],
        "height": [b["height"] for b in boxes],
        "area": [b["width"] * b["height"] for b in boxes],
        "log_aspect": [math.log(b["width"] / b["height"]) for b in boxes],
        "brightness": [c["brightness_factor"] for c in colours],
        "contrast": [c["contrast_factor"] for c in colours],
        "saturation": [c["saturation_factor"] for c in colours],
        "hue": [c["hue_factor"] for c in colours],
        "sigma": [blur.make_params([image])["sigma"][0] for _ in range(DRAWS)],
    }
    found = {name: quantiles(values) for name, values in names.items()}
    return {"width": width, "height": height, "strength": s, "draws": DRAWS, "quantiles": found}


torch.manual_seed(0)
sizes = [(32, 32, 0.5), (500, 375, 1.0), (300, 40, 1.0)]
with open(sys.argv[1], "w") as out:
    json.dump([laws(*size) for size in sizes], out)
    out.write("\n")
