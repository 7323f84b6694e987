"""Scores, p-values and decisions for the rows of a Spark frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from .. import _core
from .._base import Detector
from .._fitted import Path
from .._values import number
from ._frames import Names, features, id_columns
from ._tasks import Part, Ship, Shipped, mapped

if TYPE_CHECKING:
    import pyarrow


def score(
    df: Any,
    model: Detector | Path,
    vector: str | None = None,
    id: Names | None = None,
    *,
    fpr: float | None = None,
    threshold: float | None = None,
    on_error: Literal["fail", "reject"] = "fail",
    ship: Ship = "bytes",
    n_jobs: int = 1,
) -> Any:
    """Scores the rows of a frame: the ids with ``score``, ``p_value`` and ``outlier``.

    Parameters
    ----------
    df : pyspark.sql.DataFrame
        Rows, of Spark or of Spark Connect. Columns are matched by name; others are not read.
    model : Detector or path
        A fitted detector, or the ``.qualm`` file of one.
    vector : str, optional
        The array column that holds the embedding; by default the column that was fitted.
    id : str or sequence of str, optional
        Columns that tell rows apart, carried through; by default those of the fit that the frame
        has. For all columns beside the scores, ``id=df.columns``.
    fpr, threshold : float, optional
        Another threshold than the model's, by its false-positive rate or as a score.
    on_error : {'fail', 'reject'}
        What a row does that cannot be scored (a null, NaN, a vector of another width): it fails
        the job with its partition and id in the message, or it gets nulls for scores and the
        message in a column ``error``, which is null for all others.
    ship : {'bytes', 'path'}
        Send the model with the job, or have each worker read it from the path, which all of them
        must reach. Either way a worker opens it once and checks its digest.
    n_jobs : int
        Threads of a task, as many as ``spark.task.cpus``.

    Returns
    -------
    pyspark.sql.DataFrame
        A row for each row of `df`: the ids, ``score`` (double, higher = more anomalous),
        ``p_value`` (double), ``outlier`` (tinyint, 1 above the threshold), and with
        ``on_error="reject"`` also ``error`` (string). As lazy as all frames.

    Raises
    ------
    ValueError
        Before a job is started, on columns that are missing or no numbers, on a model that is
        damaged; in the job, on values that cannot be scored.

    Examples
    --------
    ::

        scored = qualm.spark.score(rows, "model.qualm", id="item", on_error="reject")
        scored.where("error IS NULL").drop("error").write.parquet("scores")
        scored.where("error IS NOT NULL").select("item", "error").write.parquet("rejects")

    Each of these two reads and scores the rows; ``scored.persist()`` before them does it once.
    """
    if on_error not in ("fail", "reject"):
        raise ValueError(f"on_error = {on_error!r}: expected 'fail' or 'reject'")
    model = _with_threshold(model, fpr, threshold)
    spark = df.sparkSession
    shipped = Shipped(spark, model, ship, "qualm.spark.score")
    opened = shipped.open()
    ids = id_columns(df, id, opened)
    if on_error == "reject" and "error" in ids:
        raise ValueError("column 'error' would stand twice in the output; rename the id first")
    wanted = features(df, opened, ids, vector)
    work = Score(shipped, ids, vector, on_error == "reject", n_jobs)
    return mapped(df, [*ids, *wanted], work, output_schema(df, ids, on_error == "reject"))


def _with_threshold(
    model: Detector | Path, fpr: float | None, threshold: float | None
) -> Detector | Path:
    given = [value for value in (fpr, threshold) if value is not None]
    if not given:
        return model
    if len(given) > 1:
        raise ValueError("give one of fpr and threshold")
    if not isinstance(model, Detector):
        raise TypeError(
            "fpr and threshold change the model: give it as a detector, qualm.load(path)"
        )
    kind = "fpr" if threshold is None else "threshold"
    moved = _core.Model.from_bytes(model._fitted("qualm.spark.score").to_bytes())
    moved.set_threshold(kind, number(kind, given[0]))
    copied = type(model).__new__(type(model))
    vars(copied).update(vars(model), _model=moved)
    return copied


def output_schema(df: Any, ids: Sequence[str], reject: bool = False) -> Any:
    """The columns that :class:`Score` writes."""
    from pyspark.sql.types import ByteType, DoubleType, StringType, StructField, StructType

    fields = [
        *[df.schema[name] for name in ids],
        StructField("score", DoubleType(), reject),
        StructField("p_value", DoubleType(), reject),
        StructField("outlier", ByteType(), reject),
    ]
    return StructType([*fields, StructField("error", StringType())] if reject else fields)


class Score:
    """The task that scores a partition."""

    def __init__(
        self, shipped: Shipped, ids: list[str], vector: str | None, reject: bool, n_jobs: int
    ) -> None:
        self.shipped, self.ids, self.vector = shipped, ids, vector
        self.reject, self.n_jobs = reject, n_jobs

    def __call__(self, batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        model = self.shipped.open()
        read = [self.vector] if self.vector is not None else model.features.columns
        # A feature may be carried through as well; it names no row.
        beside = [name for name in self.ids if name not in read]
        part = Part(beside)

        def scored(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
            found = _core.score_batch(model, batch, beside, self.n_jobs, self.vector)
            return self._written(batch, found)

        for batch in batches:
            if batch.num_rows == 0:
                continue
            if self.reject:
                yield from self._accepted(part, scored, batch)
            else:
                yield part.checked(scored, batch)

    def _accepted(self, part: Part, scored: Any, batch: Any) -> Iterator[pyarrow.RecordBatch]:
        """The rows of a batch in order; halves are tried until bad rows stand alone."""
        try:
            found = scored(batch)
        except ValueError as error:
            if batch.num_rows == 1:
                yield self._written(batch, None, part.located(batch, str(error)))
                return
        else:
            yield found
            return
        half = batch.num_rows // 2
        yield from self._accepted(part, scored, batch.slice(0, half))
        yield from self._accepted(part, scored, batch.slice(half))

    def _written(self, batch: Any, found: Any, error: str | None = None) -> pyarrow.RecordBatch:
        """Ids as Spark has them, and scores or an error in the types of the output."""
        import pyarrow

        n = batch.num_rows
        types = {
            "score": pyarrow.float64(),
            "p_value": pyarrow.float64(),
            "outlier": pyarrow.int8(),
        }
        columns = {name: batch.column(name) for name in self.ids}
        for name, held in types.items():
            columns[name] = pyarrow.nulls(n, held) if found is None else found[name].cast(held)
        if self.reject:
            columns["error"] = pyarrow.array([error] * n, pyarrow.string())
        return pyarrow.RecordBatch.from_arrays(list(columns.values()), list(columns))
