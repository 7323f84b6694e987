"""Scores of rows, and decisions on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from . import _core, _sparse
from ._errors import warn
from ._fitted import Fitted
from ._input import rows as read_rows
from ._parameters import Labels
from ._pyod import Floats, Ints
from ._threads import threads
from ._values import number, only_one

if TYPE_CHECKING:
    from typing_extensions import Self


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


class Scoring(Fitted):
    """What a fitted detector can be asked about rows."""

    n_jobs: int | None
    labels: Labels

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
        pyod = check_labels(self.labels if labels is None else labels) == "pyod"
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
        model.set_threshold(*only_one("set_threshold", asked))
        return self

    def calibrate(self, X: Any) -> Self:
        """Takes rows kept apart from fitting as the reference of p-values and thresholds."""
        model = self._fitted("calibrate")
        model.calibrate(self._rows(X, model), threads(self.n_jobs))
        return self

    # ---- from Python to the native half -----------------------------------------------------

    def _rows(self, X: Any, model: _core.Model) -> _core.Rows:
        if _sparse.is_sparse(X):
            X = _sparse.whole(X)
        rows = read_rows(X, model.features)
        if model.features.treatment is not None:
            # What it did with values that it does not know.
            for note in rows.notes:
                warn(note)
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
            warn(
                f"X {had} feature names, but {name} was fitted {fitted} feature names: columns "
                "are taken by position"
            )
        return rows


def check_labels(labels: Any) -> Any:
    if labels not in ("pyod", "sklearn"):
        raise ValueError(f"labels = {labels!r}: expected 'pyod' (1 and 0) or 'sklearn' (-1 and 1)")
    return labels
