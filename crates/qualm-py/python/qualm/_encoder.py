"""Encoders: images to vectors."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from . import _core
from ._images import images as read_images
from ._threads import threads

AnyPath = Union[str, "os.PathLike[str]"]


class Encoder:
    """A pretrained encoder of images: ONNX, or a ResNet as safetensors or PyTorch state dict.

    Made by :meth:`open`. The vectors are those of ``qualm embed``, to the bit.

    Attributes
    ----------
    name : str
        The name of its file.
    digest : str
        SHA-256 over weights and preprocessing.
    width : int
        Columns of an embedding.
    architecture : str
        ``'onnx'``, or the name of the ResNet.
    preprocessing : dict
        How images are resized, cropped and normalised.
    """

    _native: _core.Encoder
    _about: dict[str, Any]

    def __init__(self) -> None:
        raise TypeError("an Encoder is made by Encoder.open(path)")

    @classmethod
    def open(
        cls,
        path: AnyPath,
        *,
        preprocessing: str | AnyPath | None = None,
        onnxruntime: AnyPath | None = None,
        statistics: bool = False,
    ) -> Encoder:
        """Opens an encoder's file.

        Parameters
        ----------
        path : str or path
            ``.onnx`` (needs the package ``onnxruntime``), ``.safetensors``, ``.pt`` or ``.pth``;
            or ``'pixel-statistics'``, which needs no file.
        preprocessing : str or path, optional
            The name of a built-in one, such as ``'clip'`` or ``'timm'``, or a ``.toml`` file of
            keys. By default what stands beside the encoder or in it.
        onnxruntime : path, optional
            The library itself; by default that of the package.
        statistics : bool
            Whether columns of pixel statistics (noise, sharpness, blocks, colour) stand beside the
            encoder's own, for damage that it overlooks.

        Raises
        ------
        ValueError
            On a file that is no encoder, or one whose preprocessing is not known.
        FileNotFoundError
            When there is no such file.
        """
        made = cls.__new__(cls)
        named = None if preprocessing is None else os.fspath(preprocessing)
        library = onnxruntime or (_onnxruntime() if _is_onnx(path) else None)
        made._native = _core.Encoder.open(os.fspath(path), named, library, statistics)
        made._about = json.loads(made._native.description)
        return made

    def embed(self, images: Any, *, n_jobs: int | None = -1) -> npt.NDArray[np.float32]:
        """Embeds images: ``(n, width)`` float32.

        An image's vector does not depend on the images beside it.

        Parameters
        ----------
        images : array, list or path
            uint8 ``(n, height, width, 3)`` or grey ``(n, height, width)``; a list of images of
            any size, arrays or PIL images; or the path of a folder, list or table of images,
            which is read in its order (``qualm embed`` keeps the names, too).
        n_jobs : int
            Threads; -1 for all.
        """
        if isinstance(images, (str, os.PathLike)):
            return self._native.embed_input(os.fspath(images), threads(n_jobs))[1]
        return self._native.embed(read_images(images), threads(n_jobs))

    @property
    def name(self) -> str:
        found: str = self._about["name"]
        return found

    @property
    def digest(self) -> str:
        found: str = self._about["digest"]
        return found

    @property
    def width(self) -> int:
        found: int = self._about["width"]
        return found

    @property
    def architecture(self) -> str:
        found: str = self._about["architecture"]
        return found

    @property
    def preprocessing(self) -> dict[str, Any]:
        found: dict[str, Any] = self._about["preprocessing"]
        return dict(found)

    def __repr__(self) -> str:
        return f"<Encoder {self.name}: {self.architecture}, {self.width} columns>"


def _is_onnx(path: AnyPath) -> bool:
    return Path(path).suffix.lower() == ".onnx"


def _onnxruntime() -> str | None:
    """The library of the package of this Python, unless the environment names another."""
    if os.environ.get("QUALM_ORT_DYLIB_PATH") or os.environ.get("ORT_DYLIB_PATH"):
        return None
    found = importlib.util.find_spec("onnxruntime")
    if found is None or found.origin is None:
        return None
    return str(Path(found.origin).parent)
