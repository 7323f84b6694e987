"""The pixel statistics of two small pictures, by NumPy and SciPy: tests/golden/statistics.json.

    pip install numpy scipy
    python statistics.py
"""

import json
from pathlib import Path

import numpy as np
from scipy.ndimage import convolve, correlate1d

LEAST = 1e-2


def picture(height, width, seed):
    """Waves of three colours with noise, as eight bits."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / (3 + c) + y / (7 - c)) * 60 + 110 + 20 * c for c in range(3)]
    noise = rng.normal(0, 8, (height, width, 3))
    return np.clip(np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)


def half(plane):
    h, w = (n // 2 * 2 for n in plane.shape)
    return plane[:h, :w].reshape(h // 2, 2, w // 2, 2).mean((1, 3))


def pairs(plane):
    """The four directions: right, down, and the two diagonals."""
    return [
        (plane[:, :-1], plane[:, 1:]),
        (plane[:-1], plane[1:]),
        (plane[:-1, :-1], plane[1:, 1:]),
        (plane[:-1, 1:], plane[1:, :-1]),
    ]


def size_and_shape(values):
    square = np.mean(values**2)
    return np.sqrt(square), np.mean(np.abs(values)) ** 2 / (square + 1e-9)


def relative(plane):
    i = np.arange(-3, 4)
    weights = np.exp(-0.5 * (i / (7 / 6)) ** 2)
    weights /= weights.sum()

    def blur(values):
        return correlate1d(correlate1d(values, weights, 0, mode="nearest"), weights, 1, mode="nearest")

    mean = blur(plane)
    deviation = np.sqrt(np.maximum(blur(plane**2) - mean**2, 0))
    values = (plane - mean) / (deviation + 1)
    row = [*size_and_shape(values)]
    for a, b in pairs(values):
        product = a * b
        row += [product.mean(), size_and_shape(product)[1]]
        for side in (product[product < 0], product[product >= 0]):
            row.append(np.sqrt(np.mean(side**2)) if side.size else 0.0)
    return row


def quantile(values, share):
    values = np.sort(values, axis=None)
    return values[int(np.floor(share * (values.size - 1) + 0.5))]


def gradient(plane, direction):
    a, b = pairs(plane)[direction]
    return np.abs(a - b).mean()


def log(value):
    return np.log(value + LEAST)


def statistics(image):
    red, green, blue = (image[..., c].astype(float) for c in range(3))
    bright = 0.299 * red + 0.587 * green + 0.114 * blue
    small = half(bright)
    row = relative(bright) + relative(small)

    row += [bright.mean(), log(bright.std()), quantile(bright, 0.02), quantile(bright, 0.98)]
    most, least = image.max(-1).astype(float), image.min(-1).astype(float)
    row.append(((most - least) / (most + 1)).mean())
    for opponent in (red - green, (red + green) / 2 - blue):
        row += [opponent.mean(), log(opponent.std())]

    kernel = np.outer([1, -2, 1], [1, -2, 1])
    residuals = [convolve(c, kernel)[1:-1, 1:-1] for c in (red, green, blue)]
    row += [log(np.abs(r).mean()) for r in residuals]
    for a, b in ((0, 1), (1, 2)):
        a, b = residuals[a], residuals[b]
        row.append((a * b).sum() / np.sqrt(((a**2).sum() + LEAST) * ((b**2).sum() + LEAST)))

    right, down, diagonal, mirrored = (gradient(bright, d) for d in range(4))
    near = (right + down) / 2
    far = (gradient(small, 0) + gradient(small, 1)) / 2
    farther = (gradient(half(small), 0) + gradient(half(small), 1)) / 2
    row += [log(near), log(far) - log(near), log(farther) - log(far)]
    row += [log(right) - log(down), log(diagonal) - log(mirrored)]
    steps = np.concatenate([np.abs(a - b).ravel() for a, b in pairs(bright)[:2]])
    row += [log(quantile(steps, 0.5)), log(quantile(steps, 0.98))]

    equal = 0
    for plane in (bright, bright.T):
        steps = np.abs(np.diff(plane, axis=1))
        edge = np.arange(steps.shape[1]) % 8 == 7
        row.append(log(steps[:, edge].mean()) - log(steps[:, ~edge].mean()))
        equal += (steps < 0.5).sum()
    row.append(equal / (2 * bright.size))
    row.append((np.abs(bright[:, :-4] - bright[:, 4:]) < 0.5).mean())
    return row


if __name__ == "__main__":
    cases = []
    for height, width, seed in [(32, 32, 0), (41, 27, 1)]:
        image = picture(height, width, seed)
        cases.append(
            {
                "height": height,
                "width": width,
                "pixels": image.ravel().tobytes().hex(),
                "row": [float(v) for v in statistics(image)],
            }
        )
    path = Path(__file__).with_name("statistics.json")
    path.write_text(json.dumps(cases, indent=0) + "\n")
    print(len(cases[0]["row"]), "columns")
