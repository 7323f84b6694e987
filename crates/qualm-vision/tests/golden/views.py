"""Each transform of a view, by torchvision, on floats and on uint8: views.safetensors.

    python views.py OUT [CIFAR]

CIFAR: Hugging Face Parquet of CIFAR-10 test images; of their views, only some values are kept.
"""

import io
import json
import sys

import numpy as np
import torch
import torchvision.transforms.v2.functional as F
from safetensors.numpy import save_file

SIZE = 16


def picture(rng, height, width):
    """Smooth colours, noise, and pixels that are grey, black, white and of one colour."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / a + y / b) for a, b in ((5, 9), (-7, 4), (3, -11))]
    image = 127 + 90 * np.stack(waves, -1) + rng.normal(0, 25, (height, width, 3))
    image = np.clip(image, 0, 255).astype(np.uint8)
    image[0, :4] = [[0, 0, 0], [255, 255, 255], [77, 77, 77], [255, 0, 0]]
    image[1, :3] = [[0, 255, 0], [0, 0, 255], [255, 255, 0]]
    return image


def params(crop, flip=False, grey=False, order=None, blur=None, **factors):
    jitter = None
    if order or factors:
        full = ["brightness", "contrast", "saturation", "hue"]
        jitter = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0, **factors}
        jitter["order"] = order or full
    crop = dict(zip(("left", "top", "width", "height"), crop))
    return {"crop": crop, "flip": flip, "jitter": jitter, "grey": grey, "blur": blur}


def view(image, p, size):
    """The view of one image (3, h, w), as torchvision makes it."""
    c = p["crop"]
    box = (c["top"], c["left"], c["height"], c["width"])
    image = F.resized_crop(image, *box, [size, size], antialias=True)
    if p["flip"]:
        image = F.horizontal_flip(image)
    if p["jitter"]:
        for step in p["jitter"]["order"]:
            factor = p["jitter"][step]
            if factor != (0.0 if step == "hue" else 1.0):
                image = getattr(F, f"adjust_{step}")(image, factor)
    if p["grey"]:
        image = F.rgb_to_grayscale(image, num_output_channels=3)
    if p["blur"]:
        k = 2 * p["blur"]["radius"] + 1
        image = F.gaussian_blur(image, [k, k], [p["blur"]["sigma"]] * 2)
    return image


def transforms(whole, part):
    """Each transform alone, then all together in two orders."""
    yield "crop", params(part)
    yield "flip", params(part, flip=True)
    for step, factors in {
        "brightness": (0.2, 1.8),
        "contrast": (0.2, 1.8),
        "saturation": (0.0, 1.8),
        "hue": (-0.5, -0.13, 0.2, 0.5),
    }.items():
        for factor in factors:
            yield f"{step} {factor}", params(whole, **{step: factor})
    yield "grey", params(whole, grey=True)
    for sigma in (0.1, 0.6, 2.0):
        yield f"blur {sigma}", params(whole, blur={"sigma": sigma, "radius": 5})
    factors = dict(brightness=1.3, contrast=0.6, saturation=1.4, hue=0.1)
    order = ["hue", "saturation", "contrast", "brightness"]
    blur = {"sigma": 1.1, "radius": 1}
    yield "all", params(part, flip=True, order=order, blur=blur, **factors)
    yield "all, other order", params(part, grey=True, order=order[::-1], **factors)


def main(out, cifar=None):
    rng = np.random.default_rng(0)
    square = picture(rng, SIZE, SIZE)
    large = picture(rng, 61, 83)
    tensors, cases = {"square": square, "large": large}, []

    def add(image, pixels, name, p, size, every=1):
        tensor = torch.from_numpy(pixels).permute(2, 0, 1)
        exact = view(tensor / 255, p, size).permute(1, 2, 0).reshape(-1)[::every]
        bytes_ = view(tensor, p, size).permute(1, 2, 0).reshape(-1)[::every]
        key = f"{len(cases)}"
        tensors[key + ".f32"] = exact.contiguous().numpy()
        tensors[key + ".u8"] = bytes_.contiguous().numpy()
        single = not name.startswith("all")
        cases.append(dict(image=image, name=name, params=p, size=size, every=every, single=single))

    for name, p in transforms((0, 0, SIZE, SIZE), (3, 2, 11, 9)):
        add("square", square, name, p, SIZE)
    for crop in ((0, 0, 83, 61), (20, 7, 40, 54), (70, 60, 13, 1), (5, 5, 7, 7)):
        add("large", large, "crop", params(crop), SIZE)
        add("large", large, "flip", params(crop, flip=True), SIZE)
    if cifar:
        import PIL.Image
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(cifar).slice(0, 4)["image"].to_pylist()
        for row, image in enumerate(rows):
            pixels = np.array(PIL.Image.open(io.BytesIO(image["bytes"])).convert("RGB"))
            for name, p in transforms((0, 0, 32, 32), (4, 9, 21, 17)):
                add(f"cifar {row}", pixels, name, p, 32, every=97)
    save_file(tensors, out, metadata={"cases": json.dumps(cases)})


main(*sys.argv[1:])
