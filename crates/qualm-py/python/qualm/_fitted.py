"""What a fitted detector says about itself, and the model file that keeps it."""

from __future__ import annotations

import copy
import json
import os
from typing import IO, TYPE_CHECKING, Any, Union

import numpy as np

from . import _core
from ._errors import not_fitted_error
from ._pyod import Floats, Ints
from ._values import to_python

if TYPE_CHECKING:
    from typing_extensions import Self

Path = Union[str, "os.PathLike[str]"]


class Fitted:
    """A native model, once there is one; see :class:`qualm.Detector` for the attributes."""

    _model: _core.Model
    _scores: Floats | None
    _notes: list[str]

    @property
    def decision_scores_(self) -> Floats:
        self._fitted("decision_scores_")
        if self._scores is None:
            raise AttributeError(
                "decision_scores_ is not kept in a model file unless save(path, scores=True) "
                "wrote it; score the rows again, or fit again"
            )
        return self._scores

    @property
    def threshold_(self) -> float:
        return self._fitted("threshold_").threshold

    @property
    def labels_(self) -> Ints:
        return (self.decision_scores_ > self.threshold_).astype(np.int64)

    @property
    def provenance_(self) -> dict[str, Any]:
        """Where the model came from: version, time, seed, rows, digest of the input, losses,
        warnings, diagnostics."""
        found: dict[str, Any] = json.loads(self._fitted("provenance_").provenance)
        return found

    @property
    def spec_(self) -> dict[str, Any]:
        return to_python(json.loads(self._fitted("spec_").spec))

    @property
    def warnings_(self) -> list[str]:
        model = self._fitted("warnings_")
        return [*self._notes, *model.warnings]

    @property
    def diagnostics_(self) -> dict[str, Any]:
        found: dict[str, Any] = self.provenance_["diagnostics"]
        return found

    def __copy__(self) -> Self:
        """A detector of its own: moving its threshold leaves this one's where it is."""
        copied = type(self).__new__(type(self))
        vars(copied).update(vars(self))
        if self.__sklearn_is_fitted__():
            copied._model = copy.copy(self._model)
        return copied

    def save(self, path: Path | IO[bytes], *, scores: bool = False) -> None:
        """Writes a ``.qualm`` model file: data only, nothing that runs when it is read.

        The file is whole or not there at all; the command line and Rust read it too, and score
        the same to the bit. A file open for writing bytes is written to as it is.

        With `scores` it keeps ``decision_scores_``, 8 bytes a row, so that they and ``labels_``
        are there after :func:`qualm.load`.
        """
        model = self._keeping("save", scores)
        if isinstance(path, (str, os.PathLike)):
            model.save(os.fspath(path))
        elif hasattr(path, "write"):
            path.write(model.to_bytes())
        else:
            raise TypeError(f"path = {path!r}: expected a path, or a file open for writing bytes")

    def to_bytes(self, *, scores: bool = False) -> bytes:
        """The bytes of the model file, for object stores, databases, MLflow; :func:`from_bytes`
        reads them. `scores` as in :meth:`save`."""
        return self._keeping("to_bytes", scores).to_bytes()

    def _keeping(self, asked: str, scores: bool) -> _core.Model:
        """The model, whose file keeps the scores of the fitted rows or does not."""
        model = self._fitted(asked)
        if scores and model.fitted_scores() is None:
            raise ValueError(
                "scores=True: the model was loaded from a file without decision_scores_; fit again"
            )
        model.keep_fitted_scores(scores)
        return model

    def __sklearn_is_fitted__(self) -> bool:
        return "_model" in vars(self)

    def _fitted(self, asked: str) -> _core.Model:
        try:
            model: _core.Model = vars(self)["_model"]
        except KeyError:
            name = type(self).__name__
            raise not_fitted_error()(
                f"This {name} instance is not fitted yet. Call 'fit' before using '{asked}'."
            ) from None
        return model
