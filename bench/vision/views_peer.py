"""SimCLR's views by torchvision, driven line by line as the Rust side is.

    python views_peer.py IMAGES.npy SIZE PROCESSES tensor|pil

Each line: how many views to make. `tensor`: uint8 tensors; `pil`: Pillow images. Both end as
float32 tensors from 0 to 1. The processes make the views and drop them: nothing is sent between
them, which a DataLoader would have to.
"""

import multiprocessing
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torchvision.transforms.v2 as T
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import contender  # noqa: E402


def pipeline(size, kind):
    strength = 0.5 if size <= 64 else 1.0
    colours = (0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength)
    steps = [
        T.RandomResizedCrop(size, antialias=True),
        T.RandomHorizontalFlip(),
        T.RandomApply([T.ColorJitter(*colours)], 0.8),
        T.RandomGrayscale(0.2),
    ]
    if size > 64:
        kernel = 2 * (size // 10 // 2) + 1
        steps.append(T.RandomApply([T.GaussianBlur(kernel, (0.1, 2.0))], 0.5))
    if kind == "pil":
        steps.append(T.PILToTensor())
    return T.Compose([*steps, T.ToDtype(torch.float32, scale=True)])


def prepare(path, size, kind):
    global images, transform
    torch.set_num_threads(1)
    pixels = np.load(path)
    if kind == "pil":
        images = [Image.fromarray(image) for image in pixels]
    else:
        images = list(torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous())
    transform = pipeline(size, kind)


def make(n):
    """Makes n views; the processor seconds that they took."""
    before = time.process_time()
    for i in range(n):
        transform(images[i % len(images)])
    return time.process_time() - before


def main(path, size, processes, kind):
    arguments = (path, int(size), kind)
    context = multiprocessing.get_context("spawn")
    with context.Pool(int(processes), prepare, arguments) as pool:
        parts = int(processes)

        def answer(words):
            n = int(words[0])
            counts = [n * (i + 1) // parts - n * i // parts for i in range(parts)]
            start = time.perf_counter()
            cpu = sum(pool.map(make, counts, chunksize=1))
            return {"seconds": time.perf_counter() - start, "cpu": cpu}

        contender.serve(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
