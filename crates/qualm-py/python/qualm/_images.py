"""What Python calls an image, as uint8 arrays of red, green and blue."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


def images(given: Any) -> list[Pixels]:
    """An array ``(n, height, width, 3)`` or ``(n, height, width)``, or a list of images of any
    size: arrays or PIL images."""
    if isinstance(given, np.ndarray) or hasattr(given, "__array_interface__"):
        array = np.asarray(given)
        one = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
        if one or not isinstance(given, np.ndarray):
            raise ValueError(
                f"one image of shape {array.shape} was given: give a list of images, [image], or "
                "an array (n, height, width, 3)"
            )
        given = array
    found = [_image(image, number) for number, image in enumerate(given, 1)]
    if not found:
        raise ValueError("no image was given")
    return found


def _image(given: Any, number: int) -> Pixels:
    # PIL knows palettes, 16 bits and CMYK.
    if hasattr(given, "convert") and getattr(given, "mode", "RGB") not in ("RGB", "L", "RGBA"):
        given = given.convert("RGB")
    pixels = np.asarray(given)
    if pixels.dtype != np.uint8:
        raise TypeError(
            f"image {number} is of {pixels.dtype}, expected uint8, 0 to 255; of floats in [0, 1] "
            "make (255 * image).round().astype('uint8')"
        )
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or 0 in pixels.shape:
        raise ValueError(
            f"image {number} has shape {np.shape(given)}, expected (height, width, 3): red, green "
            "and blue of each pixel, the channels last"
        )
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    # Alpha is dropped, as PIL drops it.
    return np.ascontiguousarray(pixels[:, :, :3])
