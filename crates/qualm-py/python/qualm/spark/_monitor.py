"""Window tests over a Spark frame."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .. import _core
from .._base import Detector
from .._errors import warn
from .._fitted import Path
from .._values import number
from ..monitor import Comparison
from ._frames import Names, features, id_columns
from ._score import Score, output_schema
from ._tasks import Shipped, is_connect, mapped, quoted

if TYPE_CHECKING:
    import pyarrow

#: The column of the window while scores are gathered.
_WINDOW = "window"


@dataclass(frozen=True)
class MonitorWindow:
    """A window beside the reference.

    Attributes
    ----------
    window : object
        The value that its rows share; None where all rows are one window.
    comparison : qualm.monitor.Comparison
        How its scores differ; ``is_drift`` there does not know of other windows.
    p_corrected : float
        The p-value, corrected for the number of windows.
    is_drift : bool
        Whether that is at most ``alpha``, and the effect at least ``min_effect``.
    """

    window: Any
    comparison: Comparison
    p_corrected: float
    is_drift: bool


@dataclass(frozen=True)
class MonitorReport:
    """What the windows of a frame say together.

    Attributes
    ----------
    is_drift : bool
        Whether any window is an alarm.
    p_val : float
        The smallest corrected p-value.
    threshold : float
        ``alpha``.
    distance : float
        The largest effect of a window, as a size.
    n : int
        Rows of all windows.
    n_reference : int
        Scores of the reference.
    windows : tuple of MonitorWindow
        In the order of their values.
    """

    is_drift: bool
    p_val: float
    threshold: float
    distance: float
    n: int
    n_reference: int
    windows: tuple[MonitorWindow, ...]

    def to_dict(self) -> dict[str, Any]:
        """The attributes by name; comparisons as dictionaries."""
        return asdict(self)


def monitor(
    df: Any,
    model: Detector | Path,
    vector: str | None = None,
    *,
    window: str | None = None,
    reference: Any = None,
    test: Literal["welch", "mann_whitney", "ks"] = "welch",
    alpha: float = 0.05,
    min_effect: float = 0.2,
    correct: Literal["holm", "bh", "none"] = "holm",
    id: Names | None = None,
) -> MonitorReport:
    """Compares the scores of each window of a frame with those of a reference, once.

    Rows are scored on the workers. The scores of a window, and no other column, are gathered by
    the worker that tests it, in ascending order: the verdict is that of ``qualm monitor`` on the
    same rows and does not depend on partitioning. A worker holds the scores of a window in memory,
    8 bytes a row, a few times over.

    The sequential test needs rows in the order in which they came, which a frame has not:
    :class:`qualm.Monitor` takes them as a stream.

    Parameters
    ----------
    df : pyspark.sql.DataFrame
        Rows, of Spark or of Spark Connect.
    model : Detector or path
        A fitted detector, or the ``.qualm`` file of one.
    vector : str, optional
        The array column that holds the embedding; by default the column that was fitted.
    window : str, optional
        The column whose values tell windows apart, such as an hour:
        ``df.withColumn("hour", date_trunc("hour", "when"))``. By default all rows are one window.
    reference : pyspark.sql.DataFrame, optional
        Rows known to be usual, other than those fitted; by default the model's own reference
        scores. Their scores are brought to the driver.
    test : {'welch', 'mann_whitney', 'ks'}
        As in :func:`qualm.monitor.compare`.
    alpha : float in (0, 1)
        The probability of a false alarm, for all windows together.
    min_effect : float
        The least effect of a window for an alarm.
    correct : {'holm', 'bh', 'none'}
        How p-values account for the number of windows: Holm, Benjamini and Hochberg, or not.
    id : str or sequence of str, optional
        Columns to name a row by that cannot be scored; by default those of the fit that the frame
        has.

    Raises
    ------
    ValueError
        As :func:`qualm.spark.score`; on rows without a window; where no window has two rows.
    """
    alpha, min_effect = number("alpha", alpha), number("min_effect", min_effect)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha = {alpha}: expected a number above 0 and below 1")
    if not 0 <= min_effect < float("inf"):
        raise ValueError(f"min_effect = {min_effect}: expected a number, 0 or more")
    if window is not None and window not in df.columns:
        raise ValueError(
            f"input: no column '{window}' for windows; there are: {', '.join(df.columns)}"
        )
    _core.corrected([], correct)
    shipped = Shipped(df.sparkSession, model, "bytes", "qualm.spark.monitor")
    opened = shipped.open()
    usual = opened.reference_scores()
    if reference is not None:
        scores = _scores(reference, shipped, opened, vector, None, id).select("score").toArrow()
        usual = np.sort(scores.column("score").to_numpy())
    scored = _scores(df, shipped, opened, vector, window, id)
    compare = _Compare(_usual(df.sparkSession, usual), test, alpha, min_effect)
    found = scored.groupBy(_WINDOW).applyInArrow(_grouped(compare), _schema(scored)).toArrow()
    return _report(found.to_pylist(), window, alpha, min_effect, correct)


def _scores(
    df: Any,
    shipped: Shipped,
    opened: _core.Model,
    vector: str | None,
    window: str | None,
    id: Names | None,
) -> Any:
    """The score of each row, and its window."""
    from pyspark.sql import functions

    given = id if id is not None else [name for name in opened.ids if name in df.columns]
    ids = id_columns(df, given) if given else []
    wanted = features(df, opened, ids, vector)
    value = functions.lit("all") if window is None else functions.col(quoted(window))
    # Under a name of its own, because it may be a feature as well.
    name = next(n for n in _names() if n not in df.columns)
    frame = df.withColumn(name, value)
    ids = [*ids, name]
    work = Score(shipped, ids, vector, False, 1)
    scored = mapped(frame, [*ids, *wanted], work, output_schema(frame, ids))
    return scored.select(functions.col(name).alias(_WINDOW), "score")


def _names() -> Iterator[str]:
    for i in itertools.count():
        yield f"window_{i}"


def _schema(scored: Any) -> Any:
    from pyspark.sql.types import BooleanType, LongType, StringType, StructField, StructType

    return StructType(
        [
            scored.schema[_WINDOW],
            StructField("n", LongType()),
            StructField("comparison", StringType()),
            StructField("is_drift", BooleanType()),
        ]
    )


def _usual(spark: Any, scores: np.ndarray) -> Callable[[], np.ndarray]:
    """The reference scores on their way to the workers."""
    if is_connect(spark):
        return _Held(scores)
    return _Broadcast(spark.sparkContext.broadcast(scores))


class _Held:
    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores

    def __call__(self) -> np.ndarray:
        return self.scores


class _Broadcast:
    def __init__(self, broadcast: Any) -> None:
        self.broadcast = broadcast

    def __call__(self) -> np.ndarray:
        scores: np.ndarray = self.broadcast.value
        return scores


def _grouped(work: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The function that `applyInArrow` takes: it counts its parameters."""

    def run(table: Any) -> Any:
        return work(table)

    return run


class _Compare:
    """The task that tests a window."""

    def __init__(
        self, usual: Callable[[], np.ndarray], test: str, alpha: float, min_effect: float
    ) -> None:
        self.usual, self.test = usual, test
        self.alpha, self.min_effect = alpha, min_effect

    def __call__(self, table: pyarrow.Table) -> pyarrow.Table:
        import pyarrow

        scores = np.sort(table.column("score").to_numpy())
        window = table.column(_WINDOW)
        comparison, is_drift = None, None
        # One row has no spread: it is not tested.
        if len(scores) > 1 and window.null_count == 0:
            comparison, is_drift = _core.compare_scores(
                self.usual(), scores, self.test, self.alpha, self.min_effect
            )
        return pyarrow.table(
            {
                _WINDOW: window.slice(0, 1),
                "n": pyarrow.array([len(scores)], pyarrow.int64()),
                "comparison": pyarrow.array([comparison], pyarrow.string()),
                "is_drift": pyarrow.array([is_drift], pyarrow.bool_()),
            }
        )


def _report(
    rows: list[dict[str, Any]],
    window: str | None,
    alpha: float,
    min_effect: float,
    correct: str,
) -> MonitorReport:
    """What all windows say together."""
    if not rows:
        raise ValueError("input: no rows to compare")
    without = sum(row["n"] for row in rows if row[_WINDOW] is None)
    if without:
        raise ValueError(
            f"input, column '{window}': {without} rows have no value, which each row needs in "
            "this column; fill it in, or remove the rows"
        )
    tested = sorted((row for row in rows if row["comparison"]), key=lambda row: row[_WINDOW])
    if not tested:
        raise ValueError("no window has the 2 rows that a comparison needs; take longer windows")
    if len(tested) < len(rows):
        warn(f"not tested: {len(rows) - len(tested)} window(s) of one row")
    found = [json.loads(row["comparison"]) for row in tested]
    corrected = _core.corrected([one["p"] for one in found], correct)
    windows = []
    for row, one, p in zip(tested, found, corrected):
        effect = abs(one["cohens_d"])
        comparison = Comparison(
            is_drift=row["is_drift"],
            p_val=one["p"],
            threshold=alpha,
            distance=effect,
            test=one["test"],
            statistic=one["statistic"],
            degrees=one["degrees"],
            log10_p=one["log10_p"],
            cohens_d=one["cohens_d"],
            auroc=one["auroc"],
            auroc_ci=tuple(one["auroc_ci"]),
            n_reference=one["n_reference"],
            n=one["n"],
        )
        value = None if window is None else row[_WINDOW]
        windows.append(MonitorWindow(value, comparison, p, p <= alpha and effect >= min_effect))
    return MonitorReport(
        is_drift=any(one.is_drift for one in windows),
        p_val=min(corrected),
        threshold=alpha,
        distance=max(one.comparison.distance for one in windows),
        n=sum(row["n"] for row in tested),
        n_reference=found[0]["n_reference"],
        windows=tuple(windows),
    )
