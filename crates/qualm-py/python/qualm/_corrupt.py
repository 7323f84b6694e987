"""Images damaged in the ways that deployed models meet."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _core
from ._threads import threads
from ._values import seed as seed_of


def corrupt(
    images: npt.ArrayLike,
    kind: str,
    *,
    severity: int = 3,
    seed: Any = 0,
    ids: Any = None,
    params: str = "auto",
    compat: bool = False,
    frost_dir: str | os.PathLike[str] | None = None,
    n_jobs: int | None = -1,
) -> npt.NDArray[np.uint8]:
    """Damaged images, of the shape of those given.

    A damaged image is a pure function of ``seed``, id, ``kind`` and ``severity``: the same bits
    at any number of threads, and those of ``qualm corrupt`` on the same array in a file.

    Parameters
    ----------
    images : array
        uint8: ``(n, height, width, 3)``, or grey ``(n, height, width)``, which stays grey; one
        image ``(height, width, 3)``. Contiguous arrays are not copied.
    kind : str
        The corruption, such as ``"fog"``: see :func:`corruptions`.
    severity : int
        1 (mild) to 5.
    seed : int, generator or None
        Other seeds give other random numbers.
    ids : sequence of str or int, optional
        What each image is called: images of the same name are damaged by the same random numbers.
        By default their numbers, from 0.
    params : str
        The parameters of severities: ``"cifar"``, ``"tiny"``, ``"imagenet"``, or ``"auto"``, by
        the size of the images.
    compat : bool
        Whether faults of the published code are copied, such as pixels that ``glass_blur`` loses.
    frost_dir : path, optional
        A folder of photographs of frost, in place of generated ones.
    n_jobs : int
        Threads; -1 for all.

    Examples
    --------
    >>> import numpy as np, qualm
    >>> images = np.full((2, 32, 32, 3), 100, np.uint8)
    >>> foggy = qualm.corrupt(images, "fog", severity=3)
    >>> foggy.shape, bool((foggy != images).any())
    ((2, 32, 32, 3), True)
    """
    array = np.asarray(images)
    if array.dtype != np.uint8:
        raise TypeError(
            f"images are of {array.dtype}, expected uint8, 0 to 255; of floats in [0, 1] make "
            "(255 * images).round().astype('uint8')"
        )
    shape = array.shape
    if array.ndim == 3 and shape[2] == 3:
        array = array[None]
    elif array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[3] not in (1, 3) or 0 in shape:
        raise ValueError(
            f"images have shape {shape}, expected (n, height, width, 3), or (n, height, width) "
            "for grey ones"
        )
    names = None if ids is None else list(ids)
    if names is not None and len(names) != len(array):
        raise ValueError(f"{len(names)} ids for {len(array)} images; expected one for each")
    if isinstance(severity, bool) or not isinstance(severity, (int, np.integer)):
        raise TypeError(f"severity = {severity!r}: expected a number from 1 to 5")
    # numpy asks for large pages: to get memory in small ones takes longer than some corruptions.
    damaged = np.empty(array.shape, np.uint8)
    _core.corrupt(
        np.ascontiguousarray(array),
        damaged,
        None if names is None else [_core.image_id(str(name)) for name in names],
        kind,
        int(severity),
        seed_of(seed),
        params,
        bool(compat),
        None if frost_dir is None else os.fspath(frost_dir),
        threads(n_jobs),
    )
    return damaged.reshape(shape)


def corruptions(group: str = "all") -> list[str]:
    """The names of corruptions.

    Parameters
    ----------
    group : str
        ``"common"`` (the fifteen of ImageNet-C), ``"noise"``, ``"blur"``, ``"weather"``,
        ``"digital"``, ``"held_out"``, ``"bar"`` (the ten of ImageNet-C-bar), ``"field"`` or
        ``"all"``.

    Examples
    --------
    >>> import qualm
    >>> qualm.corruptions("weather")
    ['snow', 'frost', 'fog', 'brightness']
    """
    return _core.corruptions(group)
