"""What all detectors share: the lifecycle of PyOD, the protocol of scikit-learn."""

from __future__ import annotations

import inspect
import json
import os
import secrets
import warnings
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Union

import numpy as np
import numpy.typing as npt

from . import _core
from ._errors import QualmWarning, not_fitted_error
from ._input import rows as read_rows
from ._progress import Progress

if TYPE_CHECKING:
    from typing_extensions import Self

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Path = Union[str, "os.PathLike[str]"]

#: Parameters that belong to the call, not to the Spec.
_CALL = ("contamination", "random_state", "n_jobs", "verbose")

#: Every detector class by the name of its Spec.
_CLASSES: dict[str, type[Detector]] = {}


class Explanation(NamedTuple):
    """Which columns make rows anomalous; see :meth:`Detector.explain`."""

    #: ``(n, k)``: the columns that contribute most, largest first, counted from 0.
    features: Ints
    #: ``(n, k)``: their shares of the score, in [0, 1].
    shares: Floats


class Detector:
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
        and after what the rows decided or did not allow.
    """

    #: The name of its Spec, which is also its name on the command line.
    _detector: ClassVar[str] = ""

    contamination: float
    random_state: Any
    n_jobs: int | None
    verbose: int
    _model: _core.Model
    n_features_in_: int
    feature_names_in_: npt.NDArray[Any]

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "_detector" in vars(cls):
            _CLASSES[cls._detector] = cls

    # ---- fit ------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fits to rows, without labels.

        Parameters
        ----------
        X : array of shape (n, d)
            Anything that NumPy or Arrow can view: an array, a pandas or polars frame, an Arrow
            table, a tensor on the CPU. C-contiguous float32 is not copied. Finite numbers. Of a
            frame or table, the only column of vectors, or else all numeric columns, are used;
            a :class:`QualmWarning` names the others.
        y : ignored
            Present for compatibility with scikit-learn.

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
        rows = read_rows(X)
        if rows.unused is not None:
            warnings.warn(f"not used: {rows.unused}", QualmWarning, stacklevel=2)
        if rows.shape[0] == 1:
            raise ValueError("1 sample (row) is too few to fit to: give at least two")
        try:
            model = self._fit(rows)
        except ValueError as error:
            if rows.shape[1] > 1:
                raise
            raise ValueError(f"{error}; a single column (n_features = 1) may be too few") from None
        self._adopt(model, model.fitted_scores())
        for warning in model.warnings:
            warnings.warn(warning, QualmWarning, stacklevel=2)
        return self

    def fit_predict(self, X: Any, y: Any = None) -> Ints:
        """Fits to rows and gives :attr:`labels_`: ``(n,)`` of 0 and 1."""
        return self.fit(X).labels_

    def _fit(self, rows: _core.Rows) -> _core.Model:
        contamination = _number("contamination", self.contamination)
        seed = _seed(self.random_state)
        arguments = (self._request(), rows, seed, self._threads(), contamination)
        if not self.verbose:
            return _core.fit(*arguments)
        with Progress(type(self).__name__) as progress:
            return _core.fit(*arguments, progress)

    def _adopt(self, model: _core.Model, scores: Floats | None) -> None:
        self._model = model
        self._scores = scores
        self.n_features_in_ = model.n_features
        names = model.features.names
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
        return model.score(self._rows(X, model), self._threads())

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
        return model.p_values(self.decision_function(X), self._threads())

    def predict(self, X: Any, return_confidence: bool = False) -> Any:
        """Decides on rows: ``(n,)`` of 0 and 1, 1 for an outlier.

        With ``return_confidence`` a pair of that and :meth:`predict_confidence`.
        """
        model = self._fitted("predict")
        scores = self.decision_function(X)
        labels = (scores > model.threshold).astype(np.int64)
        return (labels, model.confidences(scores)) if return_confidence else labels

    def predict_proba(
        self, X: Any, method: str = "linear", return_confidence: bool = False
    ) -> Any:
        """Outlier probabilities: ``(n, 2)``, those of an inlier and of an outlier.

        Parameters
        ----------
        X : array of shape (n, d)
        method : 'linear' or 'unify'
            Scores scaled to [0, 1] between the least and the largest reference score, or by
            their mean and standard deviation through the error function (Kriegel et al. 2011).
        return_confidence : bool
            Whether to give a pair of that and :meth:`predict_confidence`.
        """
        model = self._fitted("predict_proba")
        scores = self.decision_function(X)
        outlier = model.probabilities(scores, method)
        both = np.column_stack([1.0 - outlier, outlier])
        return (both, model.confidences(scores)) if return_confidence else both

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
        return Explanation(*model.explain(self._rows(X, model), k, self._threads()))

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
        model.set_threshold(kind, _number(kind, value))
        return self

    def calibrate(self, X: Any) -> Self:
        """Takes rows kept apart from fitting as the reference of p-values and thresholds."""
        model = self._fitted("calibrate")
        model.calibrate(self._rows(X, model), self._threads())
        return self

    # ---- keep -----------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Writes a ``.qualm`` model file: data only, nothing that runs when it is read.

        The file is whole or not there at all; the command line and Rust read it too, and score
        the same to the bit.
        """
        self._fitted("save").save(os.fspath(path))

    @property
    def provenance_(self) -> dict[str, Any]:
        """Where the model came from: version, time, seed, rows, digest of the input, losses,
        warnings, diagnostics."""
        found: dict[str, Any] = json.loads(self._fitted("provenance_").provenance)
        return found

    # ---- scikit-learn's protocol ------------------------------------------------------------

    @property
    def spec_(self) -> dict[str, Any]:
        return _to_python(json.loads(self._fitted("spec_").spec))

    @classmethod
    def from_preset(cls, name: str, **parameters: Any) -> Self:
        """A detector with the hyper-parameters of a preset, some of them set otherwise.

        Every detector has ``default`` and ``paper``; :class:`qualm.DUM` has more.
        """
        return cls(**{**cls._of_preset(name), **parameters})

    @classmethod
    def _of_preset(cls, name: str) -> dict[str, Any]:
        """The parameters that make a preset; an unknown one is an error."""
        keys = _to_python(json.loads(_core.preset(cls._detector, name)))
        del keys["detector"]
        return keys

    @classmethod
    def _of_spec(cls, keys: dict[str, Any]) -> dict[str, Any]:
        """The parameters that make a detector with these hyper-parameters."""
        return keys

    @classmethod
    def _parameters(cls) -> list[str]:
        return list(inspect.signature(cls).parameters)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """All parameters by name; ``deep`` makes no difference."""
        return {name: getattr(self, name) for name in self._parameters()}

    def set_params(self, **parameters: Any) -> Self:
        """Sets parameters by name; they count from the next :meth:`fit`."""
        known = self._parameters()
        for name in parameters:
            if name not in known:
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {self!r}. "
                    f"Valid parameters are: {known!r}."
                )
        for name, value in parameters.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        changed = (
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if repr(value) != repr(defaults[name].default)
        )
        return f"{type(self).__name__}({', '.join(changed)})"

    def __sklearn_is_fitted__(self) -> bool:
        return "_model" in vars(self)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type="outlier_detector",
            target_tags=TargetTags(required=False),
            transformer_tags=None,
            classifier_tags=None,
            regressor_tags=None,
            input_tags=InputTags(),
        )

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
        rows = read_rows(X, model.features)
        width = rows.shape[1]
        if width != model.n_features:
            raise ValueError(
                f"X has {width} features, but {type(self).__name__} is expecting "
                f"{model.n_features} features as input: got {width} columns, expected "
                f"{model.n_features}, the width the model was fitted on"
            )
        return rows

    def _request(self) -> str:
        """What is to be fitted, as JSON: the native half resolves and checks it.

        A parameter that is None is left to the preset, and the preset, if it is None, to the kind
        of input.
        """
        parameters = self.get_params()
        preset = parameters.pop("preset", None)
        if not (preset is None or isinstance(preset, str)):
            raise TypeError(f"preset = {preset!r}: expected a name, or None")
        keys = {k: v for k, v in parameters.items() if k not in _CALL and v is not None}
        for name, value in keys.items():
            if isinstance(value, (float, np.floating)) and not np.isfinite(value):
                raise ValueError(f"{name} = {value}: expected a finite number")
        request = {"detector": self._detector, "preset": preset, "keys": keys}
        return json.dumps(request, default=_plain)

    def _threads(self) -> int:
        return threads(self.n_jobs)


def load(path: Path) -> Detector:
    """Reads a ``.qualm`` model file, whoever wrote it.

    Scores are the same, to the bit, as before saving. Nothing in the file is executed; one
    that is damaged, hostile or of a later version is a ``ValueError``.
    """
    model = _core.Model.load(os.fspath(path))
    keys = _to_python(json.loads(model.spec))
    cls = _CLASSES[keys.pop("detector")]
    detector = cls(**cls._of_spec(keys))
    kind, value = model.threshold_rule
    if kind == "contamination":
        detector.contamination = value
    detector.random_state = json.loads(model.provenance)["seed"]
    detector._adopt(model, None)
    return detector


def threads(n_jobs: int | None) -> int:
    """The number of threads that ``n_jobs`` stands for, counted as joblib counts."""
    if n_jobs is None:
        return 1
    if not isinstance(n_jobs, (int, np.integer)) or isinstance(n_jobs, bool):
        raise TypeError(f"n_jobs = {n_jobs!r}: expected a whole number, or None for 1")
    if n_jobs == 0:
        raise ValueError("n_jobs = 0: expected at least 1, or -1 for all threads")
    if n_jobs > 0:
        return int(n_jobs)
    # -1 is all, -2 all but one.
    return max(1, _core.available_threads() + 1 + int(n_jobs))


def _to_python(keys: dict[str, Any]) -> dict[str, Any]:
    """JSON's lists as tuples, which cannot change under a default."""
    return {key: tuple(v) if isinstance(v, list) else v for key, v in keys.items()}


def _plain(value: Any) -> Any:
    """NumPy's scalars and arrays as Python's numbers, for JSON."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"{value!r}: expected a number, a word or a list of numbers")


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} = {value!r}: expected a number") from None


def _seed(random_state: Any) -> int:
    """A seed of 64 bits: a number as it is, ``None`` a new one each time, a generator's next."""
    if random_state is None:
        return secrets.randbits(64)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if isinstance(random_state, (int, np.integer)) and not isinstance(random_state, bool):
        if 0 <= random_state < 2**64:
            return int(random_state)
        raise ValueError(f"random_state = {random_state}: expected 0 to 2**64 - 1")
    raise TypeError(
        f"random_state = {random_state!r}: expected a whole number, None, or a NumPy generator"
    )
