"""Detectors from model files."""

from __future__ import annotations

import json
import os
from typing import IO

from . import _core
from ._base import CLASSES, Detector
from ._fitted import Path
from ._values import to_python


def load(path: Path | IO[bytes]) -> Detector:
    """Reads a ``.qualm`` model file, whoever wrote it: by its path, or open for reading.

    Scores are the same, to the bit, as before saving. Nothing in the file is executed; one
    that is damaged, hostile or of a later version is a ``ValueError``.
    """
    if isinstance(path, (str, os.PathLike)):
        return _of(_core.Model.load(os.fspath(path)))
    if not hasattr(path, "read"):
        raise TypeError(f"path = {path!r}: expected a path, or a file open for reading bytes")
    return from_bytes(path.read())


def from_bytes(model: bytes) -> Detector:
    """A detector from the bytes of a model file, as :meth:`Detector.to_bytes` gives them."""
    if not isinstance(model, (bytes, bytearray, memoryview)):
        raise TypeError(f"expected the bytes of a model file, found {type(model).__name__}")
    return _of(_core.Model.from_bytes(bytes(model)))


def _of(model: _core.Model) -> Detector:
    """The detector of a fitted model."""
    detector = alike(model)
    kind, value = model.threshold_rule
    if kind == "contamination":
        detector.contamination = value
    detector.random_state = json.loads(model.provenance)["seed"]
    if model.features.treatment is not None:
        for name, treated in json.loads(model.features.treatment).items():
            setattr(detector, name, tuple(treated) if name == "na" else treated)
    detector._adopt(model, model.fitted_scores())
    return detector


def alike(model: _core.Model) -> Detector:
    """An unfitted detector with the hyper-parameters that the fit of this model used."""
    keys = to_python(json.loads(model.spec))
    cls = CLASSES[keys.pop("detector")]
    return cls(**cls._of_spec(keys))
