"""What all detectors share: the lifecycle of PyOD, the protocol of scikit-learn."""

from __future__ import annotations

import copy
import json
import os
import warnings
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple, Union, overload

import numpy as np
import numpy.typing as npt

from . import _contamination, _core, _sparse
from ._errors import QualmWarning, not_fitted_error
from ._input import numbered
from ._input import rows as read_rows
from ._pages import Pages
from ._parameters import Parameters
from ._progress import Progress
from ._pyod import Floats, Ints, Lifecycle, Registered
from ._threads import threads
from ._values import number, seed, to_python

if TYPE_CHECKING:
    from typing_extensions import Self

Path = Union[str, "os.PathLike[str]"]

#: What :meth:`Detector.predict` calls outliers and others.
Labels = Literal["pyod", "sklearn"]

#: What happens to missing values.
Missing = Literal["fail", "drop", "median"]

#: How categories become numbers.
Encoding = Literal["onehot", "frequency"]

#: What happens to categories that no fitted row was of.
Unknown = Literal["fail", "other"]

#: Whether the fitted rows may hold outliers.
Reference = Literal["mixed", "clean"]

#: Every detector class by the name of its Spec.
_CLASSES: dict[str, type[Detector]] = {}


class _Contributions(NamedTuple):
    features: Ints
    shares: Floats


class Explanation(_Contributions):
    """Which columns make rows anomalous; see :meth:`Detector.explain`.

    Attributes
    ----------
    features : array of shape (n, k)
        The columns that contribute most, largest first, counted from 0.
    shares : array of shape (n, k)
        Their shares of the score, in [0, 1].
    names : array of shape (n, k), or None
        The names of these columns, where the fitted rows had any.
    """

    names: npt.NDArray[Any] | None = None


class Detector(Pages, Lifecycle, Parameters, Registered):
    """Base class of all detectors. **Higher score = more anomalous.**

    The methods and attributes are those of PyOD's detectors; the protocol around them is
    scikit-learn's, so that ``clone``, pipelines and ``GridSearchCV`` work. Where the two
    differ, PyOD's convention holds: :meth:`predict` gives 0 and 1, :meth:`decision_function` is
    higher for outliers. :meth:`score_samples` has scikit-learn's sign.

    Attributes
    ----------
    decision_scores_ : array of shape (n,)
        Scores of the fitted rows. Detectors of neighbours do not count a row as its own
        neighbour here. Not in a model file, hence not there after :func:`qualm.load`.
    threshold_ : float
        The score above which a row is an outlier.
    labels_ : array of shape (n,)
        1 for the fitted rows above the threshold, else 0.
    n_features_in_ : int
        Columns of the fitted rows.
    feature_names_in_ : array of shape (d,)
        Their names, where the fitted rows had any.
    spec_ : dict
        The detector's name and the value of every hyper-parameter that was used: after presets,
        and after what the rows decided or did not allow. Each is an attribute, too, with an
        underscore: ``n_neighbors_``.
    warnings_ : list of str
        What its user should know about the fit, as it was warned of.
    diagnostics_ : dict
        What the fit says about itself without labels.
    """

    contamination: Any
    random_state: Any
    n_jobs: int | None
    verbose: int
    labels: Labels
    missing: Missing
    na: Sequence[str]
    encode: Encoding | None
    unknown: Unknown
    max_categories: int | None
    dates: bool
    _model: _core.Model
    _scores: Floats | None
    _notes: list[str]
    n_features_in_: int
    feature_names_in_: npt.NDArray[Any]

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "_detector" in vars(cls):
            _CLASSES[cls._detector] = cls
            cls._hide_synonyms()

    # ---- fit ------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, *, items: Any = None) -> Self:
        """Fits to rows, without labels.

        Parameters
        ----------
        X : array of shape (n, d)
            Anything that NumPy or Arrow can view: an array, a pandas or polars frame, an Arrow
            table, a tensor on the CPU, a column of vectors. C-contiguous float32 is not copied.
            Finite numbers. Of a frame or table, the only column of vectors, or else all numeric
            columns, are used; a :class:`QualmWarning` names the others. A sparse matrix is made
            dense, with a warning.
        y : ignored
            Present for compatibility with scikit-learn.
        items : array of shape (n,), optional
            The item of each row, by any name or number: rows with the same are views of one
            item, such as crops of an image. :class:`DUM` draws each row of a bag as a random
            view of its item, and does not let views of one item vouch for each other; the other
            detectors take each row for an item of its own, with a warning.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            On rows that cannot be fitted: NaN or infinity (named by row and column, counted from
            1), too few, all equal; on a parameter out of its range.
        TypeError
            On a parameter or on rows of the wrong type.
        MemoryError
            When the fit would not fit into the memory that is free.
        """
        _labels(self.labels)
        if _sparse.is_sparse(X):
            X = _sparse.whole(X)
        rows = read_rows(X, treatment=self._treatment())
        for note in rows.notes:
            warnings.warn(note, QualmWarning, stacklevel=2)
        if rows.shape[0] == 1:
            raise ValueError("1 sample (row) is too few to fit to: give at least two")
        try:
            model = self._fit(rows, _items(items, rows.shape[0]))
        except ValueError as error:
            if rows.shape[1] > 1:
                raise
            raise ValueError(f"{error}; a single column (n_features = 1) may be too few") from None
        self._conclude(model, model.fitted_scores(), rows.notes)
        return self

    def fit_predict(self, X: Any, y: Any = None, *, labels: Labels | None = None) -> Ints:
        """Fits to rows and decides on them: ``(n,)``, with labels as in :meth:`predict`."""
        return self._named(self.fit(X).labels_, labels)

    def _fit(self, rows: _core.Rows, items: Ints | None) -> _core.Model:
        share = _contamination.share(self.contamination)
        request = self._request(*rows.shape)
        arguments = (request, rows, seed(self.random_state), threads(self.n_jobs), share)
        if not self.verbose:
            return _core.fit(*arguments, items=items)
        with Progress(type(self).__name__) as progress:
            return _core.fit(*arguments, progress, items)

    def _conclude(self, model: _core.Model, scores: Floats | None, notes: list[str]) -> None:
        """Ends a fit: the threshold, the model, and warnings as from the caller's caller."""
        if scores is not None:
            threshold = _contamination.threshold(self.contamination, scores, self._detector)
            if threshold is not None:
                model.set_threshold("threshold", threshold)
        self._adopt(model, scores)
        self._notes = notes
        for warning in model.warnings:
            warnings.warn(warning, QualmWarning, stacklevel=3)

    def _adopt(self, model: _core.Model, scores: Floats | None) -> None:
        self._model = model
        self._scores = scores
        self._notes = []
        names: list[str] | None = model.features.names
        self.n_features_in_ = model.n_features
        if model.features.treatment is not None:
            # What goes in, not what is made of it.
            names = model.features.columns
            self.n_features_in_ = len(names)
            if names == numbered(len(names)):
                names = None
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    @property
    def decision_scores_(self) -> Floats:
        self._fitted("decision_scores_")
        if self._scores is None:
            raise AttributeError(
                "decision_scores_ is not kept in a model file; score the rows again, or keep "
                "the detector itself with pickle"
            )
        return self._scores

    @property
    def threshold_(self) -> float:
        return self._fitted("threshold_").threshold

    @property
    def labels_(self) -> Ints:
        return (self.decision_scores_ > self.threshold_).astype(np.int64)

    # ---- score ----------------------------------------------------------------------------

    def decision_function(self, X: Any) -> Floats:
        """Scores rows: ``(n,)`` float64, higher = more anomalous.

        A row's score does not depend on the rows beside it, to the bit.

        Raises
        ------
        ValueError
            On rows of another width than those fitted, on missing columns, NaN or infinity.
        NotFittedError
            Before :meth:`fit`.
        """
        model = self._fitted("decision_function")
        if _sparse.is_sparse(X):
            blocks = _sparse.blocks(X)
            return np.concatenate([self.decision_function(block) for block in blocks])
        return model.score(self._rows(X, model), threads(self.n_jobs))

    def score_samples(self, X: Any) -> Floats:
        """Scores rows with scikit-learn's sign: ``(n,)``, *lower* = more anomalous."""
        return -self.decision_function(X)

    def p_values(self, X: Any) -> Floats:
        """Conformal p-values: ``(n,)`` in (0, 1], small = anomalous.

        ``(1 + #{reference scores >= score}) / (1 + n reference)``. If the reference rows were
        kept apart from fitting (:meth:`calibrate`), flagging ``p <= a`` raises at most a share
        ``a`` of false alarms among rows like them, whatever the detector. Against the fitted
        rows themselves that holds only approximately.
        """
        model = self._fitted("p_values")
        return model.p_values(self.decision_function(X), threads(self.n_jobs))

    @overload
    def predict(
        self, X: Any, return_confidence: Literal[False] = False, *, labels: Labels | None = None
    ) -> Ints: ...
    @overload
    def predict(
        self, X: Any, return_confidence: Literal[True], *, labels: Labels | None = None
    ) -> tuple[Ints, Floats]: ...
    @overload
    def predict(
        self, X: Any, return_confidence: bool = False, *, labels: Labels | None = None
    ) -> Ints | tuple[Ints, Floats]: ...
    def predict(
        self, X: Any, return_confidence: bool = False, *, labels: Labels | None = None
    ) -> Ints | tuple[Ints, Floats]:
        """Decides on rows: ``(n,)``, by default 1 for an outlier and 0 for another row.

        Parameters
        ----------
        X : array of shape (n, d)
        return_confidence : bool
            Whether to give a pair of that and :meth:`predict_confidence`.
        labels : {'pyod', 'sklearn'}, optional
            1 and 0, or -1 and 1; by default the detector's parameter of that name.
        """
        model = self._fitted("predict")
        scores = self.decision_function(X)
        decided = self._named((scores > model.threshold).astype(np.int64), labels)
        return (decided, model.confidences(scores)) if return_confidence else decided

    def _named(self, outliers: Ints, labels: Labels | None) -> Ints:
        """1 and 0 as the labels that are wanted."""
        pyod = _labels(self.labels if labels is None else labels) == "pyod"
        return outliers if pyod else 1 - 2 * outliers

    @overload
    def predict_proba(
        self, X: Any, method: str = "linear", return_confidence: Literal[False] = False
    ) -> Floats: ...
    @overload
    def predict_proba(
        self, X: Any, method: str = "linear", *, return_confidence: Literal[True]
    ) -> tuple[Floats, Floats]: ...
    @overload
    def predict_proba(
        self, X: Any, method: str, return_confidence: Literal[True]
    ) -> tuple[Floats, Floats]: ...
    @overload
    def predict_proba(
        self, X: Any, method: str = "linear", return_confidence: bool = False
    ) -> Floats | tuple[Floats, Floats]: ...
    def predict_proba(
        self, X: Any, method: str = "linear", return_confidence: bool = False
    ) -> Floats | tuple[Floats, Floats]:
        """Outlier probabilities: ``(n, 2)``, those of an inlier and of an outlier.

        Parameters
        ----------
        X : array of shape (n, d)
        method : 'linear' or 'unify'
            Scores scaled to [0, 1] between the least and the largest reference score, or by
            their mean and standard deviation through the error function (Kriegel et al. 2011).
            Neither is calibrated: a half is no threshold. :meth:`p_values` are.
        return_confidence : bool
            Whether to give a pair of that and :meth:`predict_confidence`.
        """
        model = self._fitted("predict_proba")
        scores = self.decision_function(X)
        outlier = model.probabilities(scores, method)
        both = np.column_stack([1.0 - outlier, outlier])
        return (both, model.confidences(scores)) if return_confidence else both

    def select(self, X: Any, *, fdr: float = 0.05) -> npt.NDArray[np.bool_]:
        """The rows that are outliers at a false-discovery rate: ``(n,)``, true for those.

        At most the share `fdr` of the selected rows is expected to be no outlier, by Benjamini's
        and Hochberg's method over :meth:`p_values`, whatever the number of rows: a threshold on
        single p-values calls its share of usual rows outliers. The p-values are exact after
        :meth:`calibrate`. None is below 1 / (n + 1) of n reference rows: with few of them, and
        many rows, none may be selected.
        """
        if not 0 < number("fdr", fdr) < 1:
            raise ValueError(f"fdr = {fdr!r}: expected a number above 0 and below 1")
        adjusted = _core.adjusted_p_values(self.p_values(X))
        selected: npt.NDArray[np.bool_] = adjusted <= fdr
        return selected

    def predict_confidence(self, X: Any) -> Floats:
        """How likely each decision is to stay the same, had other rows been fitted: ``(n,)`` in
        [0, 1] (Perini, Vercruyssen and Davis 2020)."""
        model = self._fitted("predict_confidence")
        return model.confidences(self.decision_function(X))

    def explain(self, X: Any, k: int | None = None) -> Explanation:
        """The ``k`` columns that contribute most to each row's score.

        Where a model has one variance for each input column, their shares of the score;
        otherwise how far the score falls when a column is set to its median, which costs one
        score for each column.

        Parameters
        ----------
        X : array of shape (n, d)
        k : int, optional
            How many columns, at most d; by default 3, or d where there are fewer.
        """
        model = self._fitted("explain")
        if k is None:
            k = min(3, model.n_features)
        found = Explanation(*model.explain(self._rows(X, model), k, threads(self.n_jobs)))
        if model.features.names is not None:
            found.names = np.array(model.features.names, dtype=object)[found.features]
        return found

    # ---- decide ---------------------------------------------------------------------------

    def set_threshold(
        self,
        *,
        fpr: float | None = None,
        contamination: float | None = None,
        threshold: float | None = None,
    ) -> Self:
        """Moves the threshold without fitting again; give exactly one.

        Parameters
        ----------
        fpr : float in (0, 1)
            The share of the reference rows that may score above it.
        contamination : float in (0, 0.5]
            The share of outliers among the reference rows, as PyOD sets it.
        threshold : float
            The threshold itself.
        """
        model = self._fitted("set_threshold")
        asked = {"fpr": fpr, "contamination": contamination, "threshold": threshold}
        given = [(kind, value) for kind, value in asked.items() if value is not None]
        if len(given) != 1:
            raise ValueError(
                f"set_threshold takes exactly one of {', '.join(asked)}; {len(given)} were given"
            )
        ((kind, value),) = given
        model.set_threshold(kind, number(kind, value))
        return self

    def calibrate(self, X: Any) -> Self:
        """Takes rows kept apart from fitting as the reference of p-values and thresholds."""
        model = self._fitted("calibrate")
        model.calibrate(self._rows(X, model), threads(self.n_jobs))
        return self

    # ---- keep -----------------------------------------------------------------------------

    def save(self, path: Path | IO[bytes]) -> None:
        """Writes a ``.qualm`` model file: data only, nothing that runs when it is read.

        The file is whole or not there at all; the command line and Rust read it too, and score
        the same to the bit. A file open for writing bytes is written to as it is.
        """
        model = self._fitted("save")
        if isinstance(path, (str, os.PathLike)):
            model.save(os.fspath(path))
        elif hasattr(path, "write"):
            path.write(model.to_bytes())
        else:
            raise TypeError(f"path = {path!r}: expected a path, or a file open for writing bytes")

    def to_bytes(self) -> bytes:
        """The bytes of the model file, for object stores, databases, MLflow; :func:`from_bytes`
        reads them."""
        return self._fitted("to_bytes").to_bytes()

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

    def __repr__(self) -> str:
        written = self._as_constructed()
        if not self.__sklearn_is_fitted__():
            return written
        rows = self.provenance_["n_rows"]
        return (
            f"<{written}, fitted on {rows} rows x {self.n_features_in_} columns, "
            f"threshold {self.threshold_:.6g}>"
        )

    def __sklearn_is_fitted__(self) -> bool:
        return "_model" in vars(self)

    # ---- from Python to the native half -----------------------------------------------------

    def _fitted(self, asked: str) -> _core.Model:
        try:
            model: _core.Model = vars(self)["_model"]
        except KeyError:
            name = type(self).__name__
            raise not_fitted_error()(
                f"This {name} instance is not fitted yet. Call 'fit' before using '{asked}'."
            ) from None
        return model

    def _rows(self, X: Any, model: _core.Model) -> _core.Rows:
        if _sparse.is_sparse(X):
            X = _sparse.whole(X)
        rows = read_rows(X, model.features)
        if model.features.treatment is not None:
            # What it did with values that it does not know.
            for note in rows.notes:
                warnings.warn(note, QualmWarning, stacklevel=4)
        width, name = rows.shape[1], type(self).__name__
        if width != model.n_features:
            raise ValueError(
                f"X has {width} features, but {name} is expecting "
                f"{model.n_features} features as input: got {width} columns, expected "
                f"{model.n_features}, the width the model was fitted on"
            )
        named, expected = rows.named, model.features.names is not None
        if named != expected:
            # scikit-learn's words, and its tests ask for them.
            had, fitted = ("has", "without") if named else ("does not have valid", "with")
            warnings.warn(
                f"X {had} feature names, but {name} was fitted {fitted} feature names: columns "
                "are taken by position",
                QualmWarning,
                stacklevel=4,
            )
        return rows


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
    keys = to_python(json.loads(model.spec))
    cls = _CLASSES[keys.pop("detector")]
    detector = cls(**cls._of_spec(keys))
    kind, value = model.threshold_rule
    if kind == "contamination":
        detector.contamination = value
    detector.random_state = json.loads(model.provenance)["seed"]
    if model.features.treatment is not None:
        for name, treated in json.loads(model.features.treatment).items():
            setattr(detector, name, tuple(treated) if name == "na" else treated)
    detector._adopt(model, None)
    return detector


def _items(items: Any, n_rows: int) -> Ints | None:
    """Numbers for the items of the rows."""
    if items is None:
        return None
    named = np.asarray(items)
    if named.shape != (n_rows,):
        raise ValueError(
            f"items has shape {named.shape}, expected ({n_rows},): the item of each row"
        )
    missing = [item is None or item != item for item in named.tolist()]
    if any(missing):
        row = missing.index(True) + 1
        raise ValueError(f"items has no value in row {row}; every row is a view of some item")
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(item, len(numbers)) for item in named.tolist()], np.int64)


def _labels(labels: Any) -> Any:
    if labels not in ("pyod", "sklearn"):
        raise ValueError(f"labels = {labels!r}: expected 'pyod' (1 and 0) or 'sklearn' (-1 and 1)")
    return labels
