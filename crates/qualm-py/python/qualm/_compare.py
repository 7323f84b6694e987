"""Several detectors on the same rows, without labels."""

from __future__ import annotations

import contextlib
import copy
import re
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Union

import numpy as np

from . import _sparse
from ._base import CLASSES, Detector
from ._comparison import DetectorComparison
from ._errors import QualmWarning
from ._halves import Halves
from ._input import rows as read_rows
from ._progress import Progress
from ._pyod import Floats
from ._ranks import overlap, spearman
from ._values import number
from ._values import seed as seed_of

#: What :func:`compare` takes for a detector.
AnyDetector = Union[Detector, str]


def compare(
    detectors: Iterable[AnyDetector] | Mapping[str, AnyDetector],
    X: Any,
    *,
    top: float = 0.01,
    halves: bool = True,
    seed: int | None = 0,
    verbose: int = 0,
) -> DetectorComparison:
    """Compares detectors on rows, without labels: how long they take, and how far they agree.

    **Agreement is not accuracy.** Detectors that agree may all be wrong, and the one that differs
    may be the one that is right; a ranking that two halves of the rows agree on is stable, which
    need not be what you look for (docs/diagnostics.md). A few dozen labelled rows say more.

    Parameters
    ----------
    detectors : iterable, or mapping of names to detectors
        Detectors, fitted or not, or names such as ``"KNN"``, which stand for a detector with its
        defaults and ``random_state=seed``. They are not changed: a copy of one that is not fitted
        is fitted to X. One that is fitted scores X as new rows, or, if X is what it was fitted to,
        has the scores of its fit.
    X : array of shape (n, d)
        Rows, as :meth:`Detector.fit` takes them.
    top : float or int, default=0.01
        How many rows are the strangest, of which the overlap is taken: their share if below 1, at
        least one row, or else their number, below n.
    halves : bool, default=True
        Whether to fit each detector to two random halves of the rows, too, as ``qualm fit
        --check-halves`` does (by other random halves): that takes about as long as fitting it to
        all rows, and up to twice as long. More than 10,000 rows are sampled for it.
    seed : int or None, default=0
        Decides the halves, their fits (the second has the next number), and the seed of detectors
        given by name. None draws one.
    verbose : int, default=0
        1 shows progress.

    Returns
    -------
    DetectorComparison
        The same on the same seed, rows and detectors, but for the times. What detectors warn of
        is in its table, and not raised as warnings.

    Raises
    ------
    ValueError
        On rows that a detector cannot be fitted to or score; on halves too small for its
        parameters; on an unknown name, and on a parameter out of its range.
    TypeError
        On what is no detector of this package.

    Examples
    --------
    >>> import numpy as np, qualm
    >>> rows = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    >>> found = qualm.compare(["KNN", qualm.KNN(n_neighbors=6), "IForest"], rows, halves=False)
    >>> [row["name"] for row in found.table]
    ['KNN', 'KNN(n_neighbors=6)', 'IForest']
    >>> bool(found.agreement[0, 1] > found.agreement[0, 2])
    True
    """
    used = seed_of(seed, "seed")
    named = _named(detectors, used)
    _check_top(top)
    if _sparse.is_sparse(X):
        X = _sparse.whole(X)
    if hasattr(X, "read_all"):
        # A stream can be read once, and is read by each detector.
        X = X.read_all()
    found: list[_Compared] = []
    parts: Halves | None = None
    n_rows = n_top = 0
    for name, detector in named.items():
        with _steps(name, 4 if halves else 2, verbose) as done, _error_of(name):
            one = _Compared(detector, X, done)
            if not found:
                n_rows = len(one.scores)
                n_top = _top(top, n_rows)
                parts = Halves(n_rows, n_top, used) if halves else None
            if parts is not None:
                one.compare_halves(parts, done)
            # As large as X where they are a copy.
            del one.rows
            found.append(one)
    scores = [one.scores for one in found]
    agreement = _pairs(scores, spearman)
    overlaps = _pairs(scores, lambda a, b: overlap(a, b, n_top))
    table = []
    for place, (name, one) in enumerate(zip(named, found)):
        table.append(
            {
                "name": name,
                "fit_seconds": one.fit_seconds,
                "score_seconds": one.score_seconds,
                "agreement": _mean_of_others(agreement, place),
                "overlap": _mean_of_others(overlaps, place),
                "half_agreement": one.half_agreement,
                "half_overlap": one.half_overlap,
                "warnings": one.warnings,
            }
        )
    fitted = {name: one.detector for name, one in zip(named, found)}
    return DetectorComparison(
        table, agreement, overlaps, np.column_stack(scores), fitted, n_rows, n_top, used
    )


class _Compared:
    """One detector: fitted, timed, and its scores of the rows."""

    fit_seconds: float | None = None
    half_agreement: float | None = None
    half_overlap: float | None = None

    def __init__(self, detector: Detector, X: Any, done: Callable[[], None]) -> None:
        self.warnings: list[str] = []
        self.detector = detector
        given = detector.__sklearn_is_fitted__()
        with _collected(self.warnings):
            if not given:
                parameters = copy.deepcopy(detector.get_params(deep=False))
                self.detector = type(detector)(**parameters)
                start = time.perf_counter()
                self.detector.fit(X)
                self.fit_seconds = time.perf_counter() - start
            done()
            start = time.perf_counter()
            self.scores = self.detector.decision_function(X)
            self.score_seconds = time.perf_counter() - start
            self.rows = read_rows(X, self.detector._model.features)
        # A detector that came fitted has warned before.
        self.warnings[:] = dict.fromkeys([*self.detector.warnings_, *self.warnings])
        if not given or self._is_fitted_to_rows():
            self._take_fitted_scores()
        done()

    def _is_fitted_to_rows(self) -> bool:
        return bool(self.rows.digest() == self.detector.provenance_["input_digest"])

    def _take_fitted_scores(self) -> None:
        """For the rows that were fitted: as new rows, they would be their own neighbours."""
        known = self.detector._scores
        if known is None:
            self.warnings.append(
                "it was fitted to these rows, but a model file does not keep their scores: they "
                "are scored as new rows, each of which may be its own neighbour; give an "
                "unfitted detector instead"
            )
        else:
            self.scores = known

    def compare_halves(self, halves: Halves, done: Callable[[], None]) -> None:
        model, n_jobs = self.detector._model, self.detector.n_jobs
        try:
            found = halves.agreement(model, self.rows, n_jobs, done)
        except ValueError as error:
            raise ValueError(
                f"fitted to half of the rows: {error}; halves=False leaves these fits out"
            ) from error
        self.half_agreement, self.half_overlap, said = found
        # What all rows are warned of too is said once, whatever its numbers and columns.
        known = {_kind(warning) for warning in self.warnings}
        new = (warning for warning in said if _kind(warning) not in known)
        self.warnings.extend(dict.fromkeys(f"half of the rows: {warning}" for warning in new))


def _named(
    detectors: Iterable[AnyDetector] | Mapping[str, AnyDetector], seed: int
) -> dict[str, Detector]:
    """The detectors by name: their parameters, and a number where that is not enough."""
    if isinstance(detectors, (str, Detector)):
        raise TypeError(f"detectors = {detectors!r}: expected a list, as in [{detectors!r}]")
    named: dict[str, Detector] = {}
    if isinstance(detectors, Mapping):
        named = {str(name): _detector(given, seed) for name, given in detectors.items()}
    else:
        for given in detectors:
            detector = _detector(given, seed)
            written = given if isinstance(given, str) else detector._as_constructed()
            name, count = written, 1
            while name in named:
                count += 1
                name = f"{written} ({count})"
            named[name] = detector
    if not named:
        raise ValueError("detectors is empty: expected at least one")
    return named


def _detector(given: Any, seed: int) -> Detector:
    if isinstance(given, Detector):
        return given
    if not isinstance(given, str):
        raise TypeError(
            f"found {given!r} among the detectors: expected one of this package, as in "
            "qualm.KNN(), or its name"
        )
    known = {cls.__name__.lower(): cls for cls in CLASSES.values()}
    cls = known.get(given.lower()) or CLASSES.get(given.lower())
    if cls is None:
        names = ", ".join(sorted(cls.__name__ for cls in CLASSES.values()))
        raise ValueError(f"unknown detector {given!r}: expected one of {names}")
    detector = cls()
    detector.random_state = seed
    return detector


def _top(top: float, n_rows: int) -> int:
    """How many rows are the strangest."""
    if top < 1:
        return max(1, round(top * n_rows))
    if top >= n_rows:
        raise ValueError(f"top = {top}: expected less than the {n_rows} rows")
    return int(top)


def _check_top(top: Any) -> None:
    if isinstance(top, bool) or not number("top", top) > 0 or (top >= 1 and top % 1 != 0):
        raise ValueError(
            f"top = {top!r}: expected a share of the rows, above 0 and below 1, or a number "
            "of rows"
        )


def _pairs(scores: list[Floats], alike: Callable[[Floats, Floats], float]) -> Floats:
    """A measure of each two score vectors, ``(m, m)``."""
    return np.array([[alike(a, b) for b in scores] for a in scores])


def _mean_of_others(pairs: Floats, place: int) -> float | None:
    others = np.delete(pairs[place], place)
    return float(others.mean()) if len(others) else None


def _kind(warning: str) -> str:
    """A warning without its numbers and quoted names."""
    return re.sub(r"'[^']*'|\d[\d.,e+-]*", "#", warning)


@contextlib.contextmanager
def _collected(into: list[str]) -> Iterator[None]:
    """Keeps this package's warnings for the table, and passes others on."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", QualmWarning)
        yield
    for warning in caught:
        if issubclass(warning.category, QualmWarning):
            into.append(str(warning.message))
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )


@contextlib.contextmanager
def _error_of(name: str) -> Iterator[None]:
    """Says which detector refused something."""
    try:
        yield
    except (ValueError, TypeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{name}: {error}") from error


@contextlib.contextmanager
def _steps(name: str, total: int, verbose: int) -> Iterator[Callable[[], None]]:
    """Counts the steps of a detector, and shows them if that is wanted."""
    if not verbose:
        yield lambda: None
        return
    with Progress("compare") as progress:
        steps = 0
        progress(name, steps, total, None)

        def done() -> None:
            nonlocal steps
            steps += 1
            progress(name, steps, total, None)

        yield done
