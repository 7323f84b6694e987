"""Has a stream of scores changed? Tests over arrays of scores, from any model.

:class:`qualm.Monitor` does the same for the rows of a fitted model.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy.typing as npt

from . import _core
from ._monitor import (
    Guarantee,
    Monitor,
    MonitorResult,
    as_scores,
    note_dependence,
    settings,
    updated,
)
from ._values import number

__all__ = ["Comparison", "Monitor", "MonitorResult", "compare", "watch"]


@dataclass(frozen=True)
class Comparison:
    """How the scores of a window differ from those of a reference; the first four are named as in
    alibi-detect.

    Attributes
    ----------
    is_drift : bool
        Whether it is significant, and the effect at least ``min_effect``.
    p_val : float
        The two-sided p-value; 0 where it is below the smallest float64.
    threshold : float
        ``alpha``.
    distance : float
        The size of ``cohens_d``.
    test : str
        ``"welch"``, ``"mann_whitney"`` or ``"ks"``.
    statistic : float
        Welch's t, the normal deviate of the rank sum, or the largest distance of the distribution
        functions.
    degrees : float or None
        Degrees of freedom of t.
    log10_p : float
        The decimal logarithm of the p-value, which does not underflow.
    cohens_d : float
        The difference of the means, the window's less the reference's, by the deviation within.
    auroc : float
        The chance that a score of the window is higher than one of the reference.
    auroc_ci : pair of float
        Its 95 per cent interval.
    n_reference, n : int
        Scores of both.
    """

    is_drift: bool
    p_val: float
    threshold: float
    distance: float
    test: str
    statistic: float
    degrees: float | None
    log10_p: float
    cohens_d: float
    auroc: float
    auroc_ci: tuple[float, float]
    n_reference: int
    n: int

    def to_dict(self) -> dict[str, Any]:
        """The attributes by name, of types that JSON has."""
        return {**asdict(self), "auroc_ci": list(self.auroc_ci)}


def compare(
    reference_scores: npt.ArrayLike,
    scores: npt.ArrayLike,
    test: Literal["welch", "mann_whitney", "ks"] = "welch",
    *,
    alpha: float = 0.05,
    min_effect: float = 0.2,
) -> Comparison:
    """Compares the scores of a finished window with those of a reference, once.

    For a stream that is looked at again and again there is :func:`watch`: a test at 0.05 is wrong
    every twentieth time.

    Parameters
    ----------
    reference_scores : array of shape (n,)
        At least 2.
    scores : array of shape (m,)
        At least 2.
    test : {'welch', 'mann_whitney', 'ks'}
        Welch's t test of the means, that of Mann and Whitney of the ranks, that of Kolmogorov and
        Smirnov of the distributions.
    alpha : float in (0, 1)
        An alarm needs a p-value of at most this,
    min_effect : float
        and means that differ by at least so many standard deviations, either way. 0 leaves it to
        the p-value, by which of a million rows every trifle is an alarm.

    Examples
    --------
    >>> import numpy as np, qualm
    >>> rng = np.random.default_rng(0)
    >>> found = qualm.monitor.compare(rng.normal(size=1000), rng.normal(0.5, 1, size=200))
    >>> found.is_drift, round(found.cohens_d, 1), found.log10_p < -8
    (True, 0.6, True)
    """
    alpha, min_effect = number("alpha", alpha), number("min_effect", min_effect)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha = {alpha}: expected a number above 0 and below 1")
    if not 0 <= min_effect < float("inf"):
        raise ValueError(f"min_effect = {min_effect}: expected a number, 0 or more")
    written, is_drift = _core.compare_scores(
        as_scores("reference_scores", reference_scores),
        as_scores("scores", scores),
        test,
        alpha,
        min_effect,
    )
    found = json.loads(written)
    return Comparison(
        is_drift=is_drift,
        p_val=found["p"],
        threshold=alpha,
        distance=abs(found["cohens_d"]),
        test=test,
        statistic=found["statistic"],
        degrees=found["degrees"],
        log10_p=found["log10_p"],
        cohens_d=found["cohens_d"],
        auroc=found["auroc"],
        auroc_ci=tuple(found["auroc_ci"]),
        n_reference=found["n_reference"],
        n=found["n"],
    )


def watch(
    reference_scores: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    alpha: float = 0.05,
    guarantee: Guarantee = "ever",
    run_length: float | None = None,
    thin: int | None = None,
    mean_of: int | None = None,
    random_state: Any = 0,
) -> MonitorResult:
    """Watches scores beside those of a reference, row after row, as :class:`qualm.Monitor` does.

    Parameters
    ----------
    reference_scores : array of shape (n,)
        In the order in which their rows came; at least ``1 / alpha``, and 20.
    scores : array of shape (m,)
        In the order in which their rows came.
    alpha, guarantee, run_length, thin, mean_of, random_state
        As in :class:`qualm.Monitor`.

    Examples
    --------
    >>> import numpy as np, qualm
    >>> rng = np.random.default_rng(0)
    >>> reference = rng.normal(size=1000)
    >>> stream = np.concatenate([rng.normal(size=500), rng.normal(1, 1, size=500)])
    >>> found = qualm.monitor.watch(reference, stream)
    >>> found.is_drift, 500 < found.alarm_at < 550
    (True, True)
    """
    spec = settings(alpha, guarantee, run_length, thin, mean_of, random_state)
    reference = as_scores("reference_scores", reference_scores)
    note_dependence(reference, spec)
    return updated(_core.Watch(reference, json.dumps(spec)), as_scores("scores", scores))
