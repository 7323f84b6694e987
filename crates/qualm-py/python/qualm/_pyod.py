"""The rest of PyOD's lifecycle: rejection, ranks, evaluation, and its base class."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from . import _core

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Lifecycle:
    """What PyOD's detectors have beyond scores, labels and probabilities."""

    if TYPE_CHECKING:

        @property
        def decision_scores_(self) -> Floats: ...
        def fit(self, X: Any, y: Any = None) -> Any: ...
        def decision_function(self, X: Any) -> Floats: ...
        def _fitted(self, asked: str) -> _core.Model: ...

    def predict_with_rejection(
        self,
        X: Any,
        T: float = 32,
        return_stats: bool = False,
        delta: float = 0.1,
        c_fp: float = 1,
        c_fn: float = 1,
        c_r: float = -1,
    ) -> Any:
        """Decides on rows where the decision is stable: 1, 0, or -2 for a row that is rejected.

        A row is rejected unless the confidence in its decision (``predict_confidence``) is above
        ``1 - exp(-T)``, or below ``exp(-T)`` (Perini and Davis, 'Unsupervised anomaly detection
        with rejection', NeurIPS 2023).

        Parameters
        ----------
        X : array of shape (n, d)
        T : float > 0, default=32
            The larger, the more rows are rejected.
        return_stats : bool, default=False
            Whether to give a pair of the labels and the list of
            :meth:`compute_rejection_stats`.
        delta, c_fp, c_fn, c_r : float
            As in :meth:`compute_rejection_stats`.

        Returns
        -------
        array of shape (n,), or a pair
        """
        model = self._fitted("predict_with_rejection")
        scores = self.decision_function(X)
        labels = (scores > model.threshold).astype(np.int64)
        certainty = 2 * np.abs(model.confidences(scores) - 0.5)
        labels[certainty <= 1 - 2 * math.exp(-T)] = -2
        if not return_stats:
            return labels
        return labels, list(self.compute_rejection_stats(T, delta, c_fp, c_fn, c_r))

    def compute_rejection_stats(
        self,
        T: float = 32,
        delta: float = 0.1,
        c_fp: float = 1,
        c_fn: float = 1,
        c_r: float = -1,
        verbose: bool = False,
    ) -> tuple[float, float, float]:
        """What rejecting costs: the expected share of rejected rows, a bound on that share, and
        one on the expected cost of a row.

        With n reference rows, k of them above the threshold, and ``B(p) ~ Bin(n, p)``, rows are
        rejected whose scores lie between the quantiles ``q1``, where ``P(B(q1) >= k)`` is
        ``exp(-T)``, and ``q2``, where ``P(B(q2) < k)`` is.

        Parameters
        ----------
        T : float > 0, default=32
            The larger, the more rows are rejected.
        delta : float in (0, 1), default=0.1
            The bound on the share holds with probability 1 - delta.
        c_fp, c_fn : float, default=1
            Cost of a false positive and of a false negative.
        c_r : float, default=-1
            Cost of a rejection; where negative, the contamination.
        verbose : bool, default=False
            Whether to print the three.
        """
        if T <= 0:
            raise ValueError(f"T = {T}: expected a number above 0")
        if not 0 < delta < 1:
            raise ValueError(f"delta = {delta}: expected a number above 0 and below 1")
        model = self._fitted("compute_rejection_stats")
        n = len(model.reference_scores())
        share = _contamination(model)
        k = int(n * share)
        if k < 1:
            raise ValueError(
                f"a contamination of {share:g} is less than one of {n} rows: too few to say "
                "what is rejected"
            )
        c_r = share if c_r < 0 else c_r
        tail = math.exp(-T)
        counts = _Binomial(n)
        # P(B >= k) grows with p, P(B < k) falls.
        low = _root(lambda p: counts.mass(k, n, p) - tail)
        high = _root(lambda p: tail - counts.mass(0, k - 1, p))
        expected = high - low
        bound = min(1.0, _bound(n, share, T) + 2 * math.sqrt(math.log(2 / delta) / (2 * n)))
        cost = min(share, low) * c_fp + min(1 - high, share) * c_fn + expected * c_r
        if verbose:
            print(f"expected share of rejected rows: {expected:.4f}")
            print(f"its upper bound: {bound:.4f}")
            print(f"upper bound of the cost of a row: {cost:.4f}")
        return expected, bound, cost

    def fit_predict_score(self, X: Any, y: Any, scoring: str = "roc_auc_score") -> float:
        """Fits to rows, and measures, prints and returns how well their scores fit to labels.

        Parameters
        ----------
        X : array of shape (n, d)
        y : array of shape (n,)
            1 for an outlier, else 0. Not used in fitting.
        scoring : 'roc_auc_score' or 'prc_n_score'
            The area under the ROC curve, or the precision among as many rows of the highest
            scores as there are outliers.
        """
        measures = {"roc_auc_score": _auroc, "prc_n_score": _precision}
        if scoring not in measures:
            raise NotImplementedError(
                f"scoring = {scoring!r}: expected 'roc_auc_score' or 'prc_n_score'"
            )
        labels = np.asarray(y).ravel()
        self.fit(X)
        scores = self.decision_scores_
        if labels.shape != scores.shape or not np.isin(labels, (0, 1)).all():
            raise ValueError(f"y: expected {len(scores)} labels of 0 and 1, one for each row")
        if not 0 < labels.sum() < len(labels):
            raise ValueError("y: expected both outliers (1) and others (0)")
        score = measures[scoring](labels.astype(bool), scores)
        print(f"{scoring}: {score}")
        return score

    # What PyOD's ensembles and tests read.

    @property
    def _mu(self) -> float:
        return float(np.mean(self._fitted("_mu").reference_scores()))

    @property
    def _sigma(self) -> float:
        return float(np.std(self._fitted("_sigma").reference_scores()))

    def _predict_rank(self, X: Any, normalized: bool = False) -> Any:
        reference = self._fitted("_predict_rank").reference_scores()
        ranks = np.searchsorted(reference, self.decision_function(X))
        return ranks / ranks.max() if normalized else ranks


def _contamination(model: _core.Model) -> float:
    """The share of the reference rows above the threshold, as it was asked for if it was."""
    kind, value = model.threshold_rule
    if kind == "contamination":
        return value
    return float(np.mean(model.reference_scores() > model.threshold))


def _bound(n: int, share: float, T: float) -> float:
    """The theorem's bound on the share of rejected rows, without its term for delta."""
    inlier = 1 - share
    right = (n + 1 - share * (n + 2)) / n + T * (n + 2) / math.sqrt(2 * n**3 * T)
    inner = 4 * share - 3 - 3 * share**2 - 2 * n * inlier**2
    inner = 2 * n * inner + T * (n + 2) ** 2 - 8
    # For a small T the theorem says nothing of the lower end.
    left = 0.0
    if inner >= 0:
        left = (2 + n * inlier * (n + 1)) / n**2 - math.sqrt(n / 2 * inner) / n**2
    return min(1.0, right) - max(0.0, left)


class _Binomial:
    """Binomial probabilities of n draws."""

    def __init__(self, n: int) -> None:
        logarithms = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
        self._counts = np.arange(n + 1)
        self._n = n
        self._choose = logarithms[n] - logarithms - logarithms[::-1]

    def mass(self, least: int, most: int, p: float) -> float:
        """The probability of ``least`` to ``most`` successes, each with probability p."""
        counts = self._counts[least : most + 1]
        logarithm = counts * math.log(p) + (self._n - counts) * math.log1p(-p)
        return float(np.exp(self._choose[least : most + 1] + logarithm).sum())


def _root(rising: Any) -> float:
    """Where a rising function of (0, 1) crosses 0."""
    low, high = 0.0, 1.0
    # As fine as float64 allows for numbers near 1.
    for _ in range(53):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2


def _auroc(outlier: npt.NDArray[np.bool_], scores: Floats) -> float:
    """How often an outlier has a higher score than another row; ties count half."""
    below = np.sort(scores[~outlier])
    higher = np.searchsorted(below, scores[outlier], "left")
    not_lower = np.searchsorted(below, scores[outlier], "right")
    return float((higher + not_lower).sum() / (2 * len(below) * outlier.sum()))


def _precision(outlier: npt.NDArray[np.bool_], scores: Floats) -> float:
    flagged = scores > np.percentile(scores, 100 * (1 - outlier.mean()))
    return float(outlier[flagged].mean()) if flagged.any() else 0.0


class Registered:
    """Counts as an instance of PyOD's ``BaseDetector``, whenever PyOD was imported.

    PyOD is no dependency, and importing it takes seconds: it is looked for when somebody asks.
    """

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        # What isinstance asks for first.
        register()
        return type(self)


def register() -> None:
    """Registers our detectors with PyOD's base class, if PyOD has been imported."""
    base = getattr(sys.modules.get("pyod.models.base"), "BaseDetector", None)
    if base is not None and not issubclass(Registered, base):
        base.register(Registered)
