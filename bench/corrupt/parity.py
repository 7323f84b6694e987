"""Are our corruptions those of imagecorruptions? On real images, at the parameters that it has.

    python3 bench/corrupt/parity.py [--sizes 32,64,224]

Those without random numbers are compared pixel by pixel; the others by what their damage does on
average over 1,000 images: mean and standard deviation of
each channel and the power of four bands of the spectrum. Writes the tables of RESULTS.md.
"""

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent))

import contender  # noqa: E402

import bench  # noqa: E402

FIXED = [
    "defocus_blur",
    "zoom_blur",
    "brightness",
    "contrast",
    "pixelate",
    "jpeg_compression",
    "gaussian_blur",
    "saturate",
]
RANDOM = [
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "speckle_noise",
    "glass_blur",
    "motion_blur",
    "snow",
    "frost",
    "fog",
    "elastic_transform",
    "spatter",
]
SEVERITIES = (1, 3, 5)
COUNTS = {"32": 1000, "64": 1000, "224": 1000}


def theirs(images, kind, severity):
    import imagecorruptions
    import numpy as np

    damaged = [
        imagecorruptions.corrupt(image, severity=severity, corruption_name=kind)
        for image in images
    ]
    return np.stack(damaged)


def ours(images, kind, severity, frost):
    import qualm

    more = {"frost_dir": frost} if kind == "frost" else {}
    return qualm.corrupt(images, kind, severity=severity, params="imagenet", compat=True, **more)


def statistics(images):
    """Of each image: mean and deviation of each channel, the power in four bands of frequencies."""
    import numpy as np

    # Some at a time: in float64 and in frequencies they are many times as large.
    parts = [statistics_of(images[i : i + 100]) for i in range(0, len(images), 100)]
    return [np.concatenate(of_each) for of_each in zip(*parts, strict=True)]


def statistics_of(images):
    import numpy as np

    values = images.astype(np.float64)
    grey = values.mean(-1)
    power = np.abs(np.fft.fft2(grey - grey.mean((1, 2), keepdims=True))) ** 2
    height, width = grey.shape[1:]
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    edges = (0.0, 0.125, 0.25, 0.375, 0.75)
    bands = [
        power[:, (radius > low) & (radius <= high)].mean(1)
        for low, high in zip(edges, edges[1:], strict=False)
    ]
    return values.mean((1, 2)), values.std((1, 2)), np.stack(bands, 1)


def apart(a, b):
    """By how much the mean over images differs, as a part of the peer's, and what chance makes.

    The largest of the channels or bands; chance is two standard errors of the difference.
    """
    import numpy as np

    size = np.abs(a.mean(0))
    difference = np.abs((b - a).mean(0)) / size
    chance = 2 * (b - a).std(0) / np.sqrt(len(a)) / size
    worst = difference.argmax()
    return difference[worst], chance[worst]


def measure(arguments):
    import imagecorruptions
    import numpy as np

    frost = str(Path(imagecorruptions.__file__).parent / "frost")
    fixed, random = [], []
    for size in arguments.sizes.split(","):
        bench.COUNTS[size] = COUNTS[size]
        images = bench.images(size)
        for kind in FIXED:
            some = images[:200]
            distances = [
                np.abs(
                    theirs(some, kind, s).astype(float) - ours(some, kind, s, frost).astype(float)
                ).mean()
                for s in SEVERITIES
            ]
            print(size, kind, [f"{d:.3f}" for d in distances], max(distances) < 1.0, flush=True)
            fixed.append((kind, size, max(distances)))
        np.random.seed(0)
        for kind in RANDOM:
            worst = [(0.0, 0.0)] * 3
            for s in SEVERITIES:
                pairs = zip(
                    statistics(theirs(images, kind, s)),
                    statistics(ours(images, kind, s, frost)),
                    strict=True,
                )
                worst = [max(w, apart(a, b)) for w, (a, b) in zip(worst, pairs, strict=True)]
            print(size, kind, [percent(w) for w in worst], flush=True)
            random.append((kind, size, worst))
    return fixed, random


def percent(pair):
    """A difference; where it is above 2 % with what chance makes."""
    difference, chance = (100 * v for v in pair)
    return f"{difference:.1f}" + (f" (chance {chance:.1f})" if difference > 2 else "")


def report(fixed, random):
    sizes = list(dict.fromkeys(size for _, size, _ in fixed))
    of = {(kind, size): value for kind, size, value in fixed}
    lines = [[kind, *[f"{of[kind, size]:.3f}" for size in sizes]] for kind in FIXED]
    text = contender.table(["mean distance, of 255", *sizes], lines) + "\n"
    of = {(kind, size): value for kind, size, value in random}
    lines = [
        [kind, *[" / ".join(percent(v) for v in of[kind, size]) for size in sizes]]
        for kind in RANDOM
    ]
    text += contender.table(["mean / deviation / spectrum, %", *sizes], lines)
    contender.between_marks(HERE / "RESULTS.md", text, "parity")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", default="32,64,224")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.inside:
        python = bench.environment()
        return subprocess.call([python, __file__, *sys.argv[1:], "--inside"])
    report(*measure(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
