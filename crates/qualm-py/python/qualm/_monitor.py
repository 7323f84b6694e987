"""A stream of rows, watched: the sequential test behind :class:`qualm.Monitor`."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from . import _core
from ._base import Detector
from ._errors import warn
from ._fitted import Path
from ._loading import load
from ._pyod import Floats
from ._values import number, seed

if TYPE_CHECKING:
    import pandas
    from typing_extensions import Self

#: What an alarm promises.
Guarantee = Literal["ever", "arl"]

#: Updates that :meth:`Monitor.to_frame` remembers.
_KEPT = 1000


@dataclass(frozen=True)
class MonitorResult:
    """What some rows of a stream said; the first four are named as in alibi-detect.

    Attributes
    ----------
    is_drift : bool
        Whether the alarm is on: with ``guarantee="ever"`` since it was raised, with ``"arl"``
        where these rows raised it.
    p_val : float or None
        The probability with which chance would ever bring such evidence as these rows did; None
        with ``"arl"``.
    threshold : float
        ``alpha``, or ``run_length``.
    distance : float
        The decimal logarithm of the highest evidence among these rows.
    log10_evidence : float
        That of the evidence after the last of them. The alarm is raised at ``log10(1 / alpha)``,
        or ``log10(run_length)``.
    alarm_at : int or None
        The row of the stream, counted from 1, at which these rows raised the alarm, if they did.
    changed_from : int or None
        With an alarm, the row from which the evidence has risen: an estimate of where the change
        was.
    alarms : tuple of int
        The rows of the latest hundred alarms.
    n : int
        Rows of this update.
    n_rows : int
        Rows of the stream so far.
    n_reference : int
        Scores of the reference that count.
    """

    is_drift: bool
    p_val: float | None
    threshold: float
    distance: float
    log10_evidence: float
    alarm_at: int | None
    changed_from: int | None
    alarms: tuple[int, ...]
    n: int
    n_rows: int
    n_reference: int

    def to_dict(self) -> dict[str, Any]:
        """The attributes by name, of types that JSON has.

        The logarithm of no evidence, as before the first row that counts with ``"arl"``, is None.
        """
        found = {**asdict(self), "alarms": list(self.alarms)}
        return {name: None if value == -math.inf else value for name, value in found.items()}


class Monitor:
    """Has the input of a model changed? A test that may be looked at after every row.

    Each row's score is ranked among all scores so far, the reference first, and a martingale bets
    against the ranks being uniform. What it wins is evidence of a change, whatever its kind. If,
    without a change, the order of rows tells nothing (they are exchangeable), false alarms are as
    rare as ``guarantee`` says, however often it is looked at.

    Parameters
    ----------
    model : Detector or path
        A fitted detector, or the ``.qualm`` file of one: a path is cheaper to send to workers.
    reference : array of shape (n, d), optional
        Usual rows that the model was not fitted to, in the order in which they came, at least
        ``1 / alpha`` and 20; a thousand make the test quick. By default the model's own reference
        scores: those of its fitted rows, or of :meth:`Detector.calibrate`.
    alpha : float in (0, 1)
        With ``guarantee="ever"``, the probability of a false alarm, ever.
    guarantee : {'ever', 'arl'}
        ``"ever"``: one alarm, false with probability at most ``alpha``, however long the stream.
        ``"arl"``: an alarm and a fresh start, again and again; false alarms are ``run_length``
        rows apart or more, on average.
    run_length : float, optional
        The rows of ``"arl"``.
    thin : int, optional
        One row of each so many counts, where neighbours are alike, such as frames of a video.
    mean_of : int, optional
        The mean score of each so many rows counts as one; for the same purpose.
    random_state : int, generator or None
        Breaks ties of scores: the same number and rows give the same bits, however the rows are
        cut into batches.

    Notes
    -----
    A monitor has no state but its own, at most 64 KiB of it: :attr:`state`, which ``qualm monitor
    --state`` reads and writes, too. Threads may share a monitor; pickles keep it with its model,
    or with the model's path where one was given. The method is in docs/monitor.md.

    Examples
    --------
    >>> import numpy as np, qualm
    >>> rng = np.random.default_rng(0)
    >>> model = qualm.KNN().fit(rng.normal(size=(500, 4)))
    >>> monitor = qualm.Monitor(model, reference=rng.normal(size=(500, 4)))
    >>> monitor.update(rng.normal(size=(300, 4))).is_drift
    False
    >>> result = monitor.update(rng.normal(1, 1, size=(300, 4)))
    >>> result.is_drift, 300 < result.alarm_at < 340
    (True, True)

    In a worker that is restarted now and then::

        monitor = qualm.Monitor.from_state(state, "model.qualm")
        for batch in batches:
            if monitor.update(batch).alarm_at:
                page_somebody()
        state = monitor.state
    """

    def __init__(
        self,
        model: Detector | Path,
        reference: Any = None,
        *,
        alpha: float = 0.05,
        guarantee: Guarantee = "ever",
        run_length: float | None = None,
        thin: int | None = None,
        mean_of: int | None = None,
        random_state: Any = 0,
    ) -> None:
        detector = self._take(model)
        spec = settings(alpha, guarantee, run_length, thin, mean_of, random_state)
        if reference is None:
            if mean_of is not None:
                raise ValueError(
                    "mean_of needs reference rows in the order in which they came, and the model "
                    "keeps its scores sorted: give reference"
                )
            scores = detector._fitted("Monitor").reference_scores()
        else:
            scores = detector.decision_function(reference)
            note_dependence(scores, spec)
        self._watch = _core.Watch(scores, json.dumps(spec))
        self._reference = _core.score_digest(scores)
        self._history: deque[MonitorResult] = deque(maxlen=_KEPT)

    def update(self, X: Any) -> MonitorResult:
        """Takes the next rows of the stream.

        Parameters
        ----------
        X : array of shape (n, d)
            Rows, as for :meth:`Detector.decision_function`, in the order in which they came.

        Raises
        ------
        ValueError
            On rows that cannot be scored; none of them has counted then.
        """
        return self.update_scores(self._detector.decision_function(X))

    def update_scores(self, scores: npt.ArrayLike) -> MonitorResult:
        """The same for rows that have been scored already: ``(n,)``, higher = more anomalous."""
        result = updated(self._watch, as_scores("scores", scores))
        self._history.append(result)
        return result

    @property
    def n_rows(self) -> int:
        """Rows of the stream so far."""
        return self._watch.n_rows

    @property
    def alarms(self) -> tuple[int, ...]:
        """The rows, counted from 1, at which alarms were raised: the latest hundred."""
        return tuple(self._watch.alarms)

    @property
    def state(self) -> bytes:
        """The test so far as bytes: data only, at most 64 KiB, sealed by a digest.

        It names the model and the reference by their digests, and does not hold them.
        """
        return self._watch.to_bytes(
            json.dumps(
                {
                    "model": self._digest,
                    "reference": self._reference,
                    # Where the command line has got to in a file; rows from here are none of it.
                    "input": "",
                    "position": 0,
                }
            )
        )

    @classmethod
    def from_state(
        cls,
        state: bytes,
        model: Detector | Path,
        reference: Any = None,
        *,
        alpha: float | None = None,
        guarantee: Guarantee | None = None,
        run_length: float | None = None,
        thin: int | None = None,
        mean_of: int | None = None,
        random_state: Any = None,
    ) -> Self:
        """Goes on from a :attr:`state`.

        Parameters
        ----------
        state : bytes
            Of a monitor, or a file of ``qualm monitor --state``.
        model : Detector or path
            The model of that monitor.
        reference, alpha, guarantee, run_length, thin, mean_of, random_state : optional
            The state has them. Those that are given must be the same.

        Raises
        ------
        ValueError
            On a state of another model, reference or setting, which is named; on one that is
            damaged or of a later version.
        """
        monitor = cls.__new__(cls)
        detector = monitor._take(model)
        monitor._watch, context = _core.Watch.from_bytes(bytes(state))
        kept = json.loads(context)
        if not isinstance(kept, dict) or not {"model", "reference"} <= set(kept):
            raise ValueError("state: not that of a monitor of a model")
        if kept["model"] != monitor._digest:
            raise ValueError("state: is that of another model; give the same")
        monitor._reference = kept["reference"]
        monitor._history = deque(maxlen=_KEPT)
        if reference is not None:
            scores = detector.decision_function(reference)
            if _core.score_digest(scores) != monitor._reference:
                raise ValueError("state: is that of another reference; give the same, or none")
        given = {
            "alpha": alpha,
            "guarantee": guarantee,
            "run_length": run_length,
            "thin": thin,
            "mean_of": mean_of,
            "random_state": random_state,
        }
        had = _parameters(json.loads(monitor._watch.spec))
        for name, value in given.items():
            if value is not None and value != had[name]:
                raise ValueError(
                    f"state: is that of another {name}, {had[name]!r}; got {value!r}; give the "
                    "same, or none"
                )
        return monitor

    def to_frame(self) -> pandas.DataFrame:
        """A row for each update since the monitor was made or read: the latest thousand.

        The columns are the attributes of :class:`MonitorResult`, but ``alarms``. Needs pandas;
        ``[r.to_dict() for r in results]`` of the results themselves does not.
        """
        try:
            import pandas
        except ImportError:
            raise ImportError(
                "to_frame needs pandas; the results of update have to_dict()"
            ) from None
        columns = [name for name in MonitorResult.__annotations__ if name != "alarms"]
        return pandas.DataFrame(
            [[getattr(result, name) for name in columns] for result in self._history],
            columns=columns,
        )

    def _take(self, model: Detector | Path) -> Detector:
        self._model = model
        self._detector = model if isinstance(model, Detector) else load(model)
        native = self._detector._fitted("Monitor")
        self._digest = hashlib.sha256(native.to_bytes()).hexdigest()
        return self._detector

    def __getstate__(self) -> dict[str, Any]:
        return {"state": self.state, "model": self._model, "history": list(self._history)}

    def __setstate__(self, pickled: dict[str, Any]) -> None:
        vars(self).update(vars(self.from_state(pickled["state"], pickled["model"])))
        self._history.extend(pickled["history"])

    def __repr__(self) -> str:
        n_alarms = self._watch.n_alarms
        said = f"{n_alarms} alarm{'' if n_alarms == 1 else 's'}"
        name = type(self._detector).__name__
        if not isinstance(self._model, Detector):
            name = repr(os.fspath(self._model))
        return (
            f"<Monitor of {name} beside {self._watch.n_reference} reference scores: "
            f"{self.n_rows} rows, {said}, evidence 1e{self._watch.log10_evidence:.1f}>"
        )


def settings(
    alpha: Any, guarantee: Any, run_length: Any, thin: Any, mean_of: Any, random_state: Any
) -> dict[str, Any]:
    """The settings as the native half names them; it checks their ranges."""
    if guarantee not in ("ever", "arl"):
        raise ValueError(f"guarantee = {guarantee!r}: expected 'ever' or 'arl'")
    if guarantee == "arl" and run_length is None:
        raise ValueError("guarantee = 'arl' needs run_length, the rows between false alarms")
    if guarantee == "ever" and run_length is not None:
        raise ValueError("run_length belongs to guarantee = 'arl', and guarantee is 'ever'")
    if thin is not None and mean_of is not None:
        raise ValueError("give thin or mean_of, not both")
    promise: dict[str, Any] = {"ever": {"alpha": number("alpha", alpha)}}
    if guarantee == "arl":
        promise = {"run_length": {"rows": number("run_length", run_length)}}
    for values in promise.values():
        for name, value in values.items():
            if not np.isfinite(value):
                raise ValueError(f"{name} = {value}: expected a finite number")
    thinning: Any = "none"
    for name, key, value in (("thin", "every", thin), ("mean_of", "mean_of", mean_of)):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise TypeError(f"{name} = {value!r}: expected a whole number of rows")
        if not 1 <= value < 2**32:
            raise ValueError(f"{name} = {value}: expected a number of rows, at least 1")
        thinning = {key: int(value)}
    return {"guarantee": promise, "thinning": thinning, "seed": seed(random_state)}


def _parameters(spec: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a monitor with these settings."""
    guarantee, thinning = spec["guarantee"], spec["thinning"]
    chosen = thinning if isinstance(thinning, dict) else {}
    return {
        "alpha": guarantee.get("ever", {}).get("alpha"),
        "guarantee": "ever" if "ever" in guarantee else "arl",
        "run_length": guarantee.get("run_length", {}).get("rows"),
        "thin": chosen.get("every"),
        "mean_of": chosen.get("mean_of"),
        "random_state": spec["seed"],
    }


def as_scores(name: str, values: npt.ArrayLike) -> Floats:
    """An array of scores, which the native half checks value by value."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}, expected (n,): a score for each row")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} is of {array.dtype}, expected numbers")
    return np.ascontiguousarray(array, dtype=np.float64)


def note_dependence(scores: Floats, spec: dict[str, Any]) -> None:
    """Warns where a row of the reference tells what the next one is."""
    correlation = _core.score_dependence(scores)
    if correlation is not None and spec["thinning"] == "none":
        warn(
            "neighbouring rows of the reference have alike scores (correlation "
            f"{correlation:.2f}); the guarantee holds for rows whose order tells nothing: give "
            "thin or mean_of"
        )


def updated(watch: _core.Watch, scores: Floats) -> MonitorResult:
    """Takes scores; says what they brought."""
    n_rows, alarm_at, changed_from, log10_evidence, highest = watch.update(scores)
    had = _parameters(json.loads(watch.spec))
    ever = had["guarantee"] == "ever"
    return MonitorResult(
        is_drift=alarm_at is not None or (ever and watch.n_alarms > 0),
        p_val=min(1.0, 10.0**-highest) if ever else None,
        threshold=had["alpha"] if ever else had["run_length"],
        distance=highest,
        log10_evidence=log10_evidence,
        alarm_at=alarm_at,
        changed_from=changed_from,
        alarms=tuple(watch.alarms),
        n=len(scores),
        n_rows=n_rows,
        n_reference=watch.n_reference,
    )
