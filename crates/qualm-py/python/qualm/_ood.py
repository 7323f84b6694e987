"""What the out-of-distribution detectors of :mod:`qualm.ood` share."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, ClassVar, Union

import numpy as np
import numpy.typing as npt

from . import _core, _html
from ._activations import arrays, like
from ._errors import not_fitted_error, warn
from ._threads import threads
from ._values import only_one, plain
from ._values import seed as seed_of

if TYPE_CHECKING:
    from typing_extensions import Self

Path = Union[str, "os.PathLike[str]"]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Every class by the name of its Spec.
_CLASSES: dict[str, type[OODDetector]] = {}


class OODDetector:
    """Base class of the detectors here. **Higher score = more out of distribution.**

    Parameters
    ----------
    encoder : None
        pytorch-ood's first parameter, a network, which these detectors do not run: they take what
        it computed. Anything but None is refused.
    fpr : float
        The false-positive rate that sets the threshold: this share of the fitted items may score
        above it.
    random_state : int, generator or None
        Seed; only the Deep Uncertainty Model draws numbers.
    n_jobs : int
        Threads; -1 for all.

    Attributes
    ----------
    threshold_ : float
        The score above which an item counts as out of distribution.
    decision_scores_ : array of shape (n,)
        Scores of the fitted items, without known outliers. Not there after :func:`load`.
    spec_ : dict
        The detector's name and the value of every parameter that was used.
    warnings_ : list of str
        What its user should know about the fit, as it was warned of.
    """

    _detector: ClassVar[str]
    _keys: dict[str, Any]
    _model: _core.OodModel

    def __init__(
        self,
        encoder: None = None,
        *,
        fpr: float = 0.05,
        random_state: Any = 0,
        n_jobs: int | None = -1,
        **keys: Any,
    ) -> None:
        if encoder is not None:
            raise TypeError(
                f"encoder is a {type(encoder).__name__}, expected None: {type(self).__name__} "
                "runs no network; compute features and logits with it, and give them to "
                "fit_features, fit_logits or fit"
            )
        self.fpr = fpr
        self.random_state = random_state
        self.n_jobs = n_jobs
        self._keys = keys

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "_detector" in vars(cls):
            _CLASSES[cls._detector] = cls

    def __repr__(self) -> str:
        keys = ", ".join(f"{key}={value!r}" for key, value in self._keys.items())
        written = f"{type(self).__name__}({keys})"
        if "_model" not in vars(self):
            return written
        return f"<{written}, fitted, threshold {self.threshold_:.6g}>"

    def _repr_html_(self) -> str | None:
        """A table for notebooks, as that of :class:`qualm.Detector`."""
        if not _html.wanted():
            return None
        name = type(self).__name__
        rows = {"parameters": _html.pairs(self._keys) or "none"}
        if "_model" not in vars(self):
            rows["state"] = "not fitted"
            return _html.facts(name, rows)
        rows["threshold"] = _html.number(self.threshold_)
        rows["warnings"] = _html.lines(map(_html.whole, self.warnings_)) or "none"
        rows["used"] = _html.pairs(self.spec_)
        return _html.facts(f"{name}, fitted", rows)

    # ---- fit ------------------------------------------------------------------------------

    def fit(self, features: Any = None, labels: Any = None, *, logits: Any = None) -> Self:
        """Fits to items in distribution.

        Parameters
        ----------
        features : array of shape (n, d), or list of such arrays
            Vectors of the layer before the last; for :class:`Mahalanobis` a list, one array a
            layer. Arrays, tensors, anything that NumPy can view; contiguous float32 is not copied.
        labels : array of shape (n,)
            Classes, whole numbers. Items below 0 are known outliers and are left out, but for
            ``Mahalanobis(combine="logistic")``.
        logits : array of shape (n, c)
            One column a class, before the softmax.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            On arrays that the detector needs and that are missing, of other shapes, or not finite;
            on a class of one item; on a parameter out of its range.
        """
        model = _core.ood_fit(
            self._detector,
            json.dumps(self._keys, default=plain),
            arrays(features, logits, labels),
            seed_of(self.random_state),
            threads(self.n_jobs),
            float(self.fpr),
        )
        self._model = model
        for warning in model.warnings:
            warn(warning)
        return self

    def fit_features(self, features: Any, labels: Any = None) -> Self:
        """Fits to features alone; see :meth:`fit`. pytorch-ood's verb."""
        return self.fit(features, labels)

    def fit_logits(self, logits: Any, labels: Any = None) -> Self:
        """Fits to logits alone; see :meth:`fit`. pytorch-ood's verb."""
        return self.fit(None, labels, logits=logits)

    # ---- score ----------------------------------------------------------------------------

    def decision_function(self, features: Any = None, *, logits: Any = None) -> Floats:
        """The score of each item: float64 of shape (n,), higher = more out of distribution.

        Parameters
        ----------
        features, logits : array
            As in :meth:`fit`, of the same widths.
        """
        return self._fitted().score(arrays(features, logits, None), threads(self.n_jobs))

    def predict_features(self, features: Any) -> Any:
        """The scores of features; see :meth:`decision_function`. pytorch-ood's verb.

        Returns
        -------
        array or tensor of shape (n,)
            A tensor where ``features`` is one.
        """
        return like(features, self.decision_function(features))

    def predict_logits(self, logits: Any) -> Any:
        """The scores of logits; see :meth:`predict_features`. pytorch-ood's verb."""
        return like(logits, self.decision_function(logits=logits))

    def p_values(self, features: Any = None, *, logits: Any = None) -> Floats:
        """The conformal p-value of each item, in (0, 1]: small = out of distribution.

        It is exact for items like those of :meth:`calibrate`. Against the fitted items, which a
        classifier was often trained on and knows better than new ones, it is too small.
        """
        scores = self.decision_function(features, logits=logits)
        return self._model.p_values(scores, threads(self.n_jobs))

    def predict(self, features: Any = None, *, logits: Any = None) -> Ints:
        """1 for each item above the threshold, else 0."""
        scores = self.decision_function(features, logits=logits)
        return (scores > self.threshold_).astype(np.int64)

    def calibrate(self, features: Any = None, *, logits: Any = None) -> Self:
        """Compares scores, from now on, with those of items kept apart from fitting."""
        self._fitted().calibrate(arrays(features, logits, None), threads(self.n_jobs))
        return self

    def set_threshold(
        self,
        *,
        fpr: float | None = None,
        contamination: float | None = None,
        threshold: float | None = None,
    ) -> Self:
        """Sets the threshold without fitting again, by one of three rules."""
        asked = {"fpr": fpr, "contamination": contamination, "threshold": threshold}
        self._fitted().set_threshold(*only_one("set_threshold", asked))
        return self

    # ---- what is known --------------------------------------------------------------------

    @property
    def threshold_(self) -> float:
        return self._fitted().threshold

    @property
    def decision_scores_(self) -> Floats:
        scores = self._fitted().fitted_scores()
        if scores is None:
            raise AttributeError("a detector from a file has no scores of its fitted items")
        return scores

    @property
    def spec_(self) -> dict[str, Any]:
        spec: dict[str, Any] = json.loads(self._fitted().spec)
        return spec

    @property
    def warnings_(self) -> list[str]:
        return self._fitted().warnings

    def save(self, path: Path) -> None:
        """Writes a file that :func:`load` and ``qualm ood score`` read."""
        self._fitted().save(path)

    def _fitted(self) -> _core.OodModel:
        if "_model" not in vars(self):
            raise not_fitted_error()(f"this {type(self).__name__} is not fitted; call fit first")
        return self._model


class OfLogits(OODDetector):
    """A detector that learns nothing: it scores logits without a fit, as pytorch-ood's do."""

    def decision_function(self, features: Any = None, *, logits: Any = None) -> Floats:
        if "_model" in vars(self):
            return super().decision_function(features, logits=logits)
        return _core.ood_score_logits(
            self._detector,
            json.dumps(self._keys, default=plain),
            arrays(None, logits, None),
            threads(self.n_jobs),
        )


def load(path: Path) -> OODDetector:
    """Reads a detector that :meth:`OODDetector.save` or ``qualm ood fit`` wrote."""
    model = _core.OodModel.load(path)
    spec = json.loads(model.spec)
    cls = _CLASSES[spec.pop("detector")]
    detector = cls.__new__(cls)
    OODDetector.__init__(detector, **spec)
    detector._model = model
    return detector
