"""How much a ranking depends on which rows were sampled: fits to two random halves of them."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np

from . import _core
from ._loading import alike
from ._pyod import Floats, Ints
from ._ranks import overlap, spearman
from ._threads import threads

#: Rows that the halves' scores are compared over, at most, as in ``qualm fit --check-halves``.
SAMPLE = 10_000

# Streams of random numbers that the seed is the key of.
_ORDER, _SAMPLED = 1, 2


class Halves:
    """Two random halves of n rows, the same for every detector.

    Each half is fitted with the hyper-parameters that the fit to all rows used; what was left to
    the rows is decided by all of them. For a row of its own half a model uses the score from
    fitting, so that no row is its own neighbour. The two models have different seeds, so that
    their agreement also reflects what depends on chance.
    """

    def __init__(self, n_rows: int, top: int, seed: int) -> None:
        order = _shuffled(n_rows, seed, _ORDER)
        middle = (n_rows + 1) // 2
        self._halves = [np.sort(order[:middle]), np.sort(order[middle:])]
        self._picked = np.sort(_shuffled(n_rows, seed, _SAMPLED)[:SAMPLE])
        self._seed = seed
        self._top = max(1, round(top * len(self._picked) / n_rows))

    def agreement(
        self, model: _core.Model, rows: _core.Rows, n_jobs: int | None, done: Callable[[], None]
    ) -> tuple[float, float, list[str]]:
        """Spearman's correlation between the scores of the two halves' models, over the same
        rows, the overlap of their strangest, and the warnings of both fits; `rows` are those of
        the fitted `model`."""
        scores: list[Floats] = []
        warnings: list[str] = []
        for place, half in enumerate(self._halves):
            seed = (self._seed + place) % 2**64
            found, said = _scores(model, rows, half, self._picked, seed, n_jobs)
            scores.append(found)
            warnings.extend(said)
            done()
        first, second = scores
        return spearman(first, second), overlap(first, second, self._top), warnings


def _shuffled(n: int, seed: int, stream: int) -> Ints:
    """The numbers from 0 to n - 1 in random order.

    Philox's numbers are the same in every version of NumPy; those of ``permutation`` need not be.
    """
    drawn = np.random.Philox(key=seed + (stream << 64)).random_raw(n)
    return np.argsort(drawn, kind="stable").astype(np.int64)


def _scores(
    model: _core.Model,
    rows: _core.Rows,
    half: Ints,
    picked: Ints,
    seed: int,
    n_jobs: int | None,
) -> tuple[Floats, list[str]]:
    """Scores of the rows `picked` by a model of the rows `half`, both ascending, and the
    warnings of its fit."""
    detector = alike(model)
    detector.random_state, detector.n_jobs = seed, n_jobs
    fitted = detector._fit(rows.pick(half), None)
    _check_not_lowered(model, fitted, len(half))
    own = np.isin(picked, half)
    scores = np.empty(len(picked))
    if (known := fitted.fitted_scores()) is None:
        raise RuntimeError("a model that was just fitted has the scores of its rows")
    scores[own] = known[np.searchsorted(half, picked[own])]
    if not own.all():
        scores[~own] = fitted.score(rows.pick(picked[~own]), threads(n_jobs))
    return scores, fitted.warnings


def _check_not_lowered(whole: _core.Model, half: _core.Model, n_rows: int) -> None:
    """Refuses rows so few that a fit to half of them lowers what all of them allow."""
    expected, used = json.loads(whole.spec), json.loads(half.spec)
    for key, value in expected.items():
        if used[key] != value:
            raise ValueError(
                f"{key} = {value}: expected at most {used[key]} with {n_rows} rows; lower it or "
                "give more rows"
            )
