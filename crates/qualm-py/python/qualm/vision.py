"""Random views of images, as contrastive training uses them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _core
from ._images import images as read_images
from ._threads import threads
from ._values import plain, seed

__all__ = ["views"]


def views(
    images: Any,
    n: int = 2,
    *,
    size: int = 32,
    random_state: Any = 0,
    ids: Any = None,
    first: int = 0,
    n_jobs: int | None = -1,
    **keys: Any,
) -> npt.NDArray[np.float32]:
    """Random views of images: ``(images, n, size, size, 3)`` float32 in [0, 1].

    SimCLR's: a random resized crop, a flip, colour jitter, grey, and a blur above 64 pixels. A
    view is a pure function of ``random_state``, id and number: the same bits at any number of
    threads, on any machine, whatever other images there are.

    Parameters
    ----------
    images : array or list
        uint8 ``(n, height, width, 3)``, or a list of images of any size, arrays or PIL images.
    n : int
        Views of each image.
    size : int
        Their side in pixels.
    random_state : int, generator or None
        Other seeds give other views.
    ids : sequence of str or int, optional
        What each image is called: images of the same name have the same crops. By default their
        numbers, from 0.
    first : int
        The number of the first view: views 2 and 3 are those of ``n=2, first=2``.
    n_jobs : int
        Threads; -1 for all.
    **keys
        Parameters of the views: ``crop_area=(0.08, 1)``, ``crop_aspect``, ``flip``, ``jitter``,
        ``brightness``, ``contrast``, ``saturation``, ``hue``, ``grey``, ``blur``, ``blur_kernel``,
        ``blur_sigma``.

    Examples
    --------
    >>> import numpy as np, qualm
    >>> image = np.arange(40 * 30 * 3, dtype=np.uint8).reshape(40, 30, 3)
    >>> qualm.vision.views([image], n=2).shape
    (1, 2, 32, 32, 3)
    """
    pixels = read_images(images)
    names = range(len(pixels)) if ids is None else list(ids)
    if len(names) != len(pixels):
        raise ValueError(f"{len(names)} ids for {len(pixels)} images; expected one for each")
    for name, value, least in (("n", n, 1), ("first", first, 0), ("size", size, 1)):
        if not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"{name} = {value!r}: expected a whole number, at least {least}")
    numbers = [_core.image_id(i) if isinstance(i, str) else int(i) for i in names]
    made, side = _core.views(
        pixels,
        numbers,
        int(n),
        int(first),
        int(size),
        seed(random_state),
        json.dumps(keys, default=plain),
        threads(n_jobs),
    )
    return made.reshape(len(pixels), n, side, side, 3)
