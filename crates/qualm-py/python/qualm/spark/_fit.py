"""A fit to a sample of a Spark frame, calibrated on its other rows."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _contamination, _core
from .._base import Detector
from .._errors import warn
from .._progress import Progress
from .._threads import threads
from .._values import seed
from ._frames import Names, dummy, id_columns, names
from ._tasks import Part, Shipped, mapped

if TYPE_CHECKING:
    import pyarrow

#: Equal parts of the random order of rows.
_CELLS = 1 << 16


def fit(
    df: Any,
    spec: Detector,
    vector: str | None = None,
    id: Names | None = None,
    *,
    columns: Sequence[str] | None = None,
    sample_rows: int = 100_000,
) -> Detector:
    """Fits a detector to a uniform sample of the rows, and calibrates it on all others.

    The sample is the rows with the smallest hashes of id and seed: the same rows, in the same
    order, however the frame is partitioned, and the same as those of ``qualm fit --sample-rows``
    with the same ids and seed. The detector is trained on the driver. Then all rows are scored on
    the workers, and the scores of those that were not sampled are counted in fixed cells: p-values
    and threshold refer to them, never too small, and too large by at most
    ``provenance_["sampling"]["p_value_error"]``. Where fewer rows than the sample are left, the
    sample's own scores remain the reference. The model's bytes are the same for any partitioning.

    Parameters
    ----------
    df : pyspark.sql.DataFrame
        Rows, of Spark or of Spark Connect. Read three times, the first time the ids alone: a frame
        that is not the same each time must be persisted first.
    spec : Detector
        The detector to fit, such as ``qualm.DUM()``. It is not changed.
    vector : str, optional
        The array column that holds the embedding; by default the only array column of numbers.
    id : str or sequence of str
        Columns that tell rows apart.
    columns : sequence of str, optional
        Feature columns, where there is no vector; by default all numeric ones but the ids.
    sample_rows : int
        Rows to fit to; the driver holds them in memory.

    Returns
    -------
    Detector
        A fitted copy of `spec`.

    Raises
    ------
    ValueError
        On rows that cannot be fitted: a null, NaN, vectors of several widths (named by partition
        and id), too few, all equal; before a job is started, on columns that are missing.
    """
    from pyspark.sql.types import StructType

    if not isinstance(spec, Detector):
        raise TypeError(f"spec is {type(spec).__name__}, expected a detector, such as qualm.DUM()")
    if not isinstance(sample_rows, (int, np.integer)) or isinstance(sample_rows, bool):
        raise TypeError(f"sample_rows = {sample_rows!r}: expected a whole number")
    if sample_rows < 2:
        raise ValueError(f"sample_rows = {sample_rows}: expected at least 2")
    ids, chosen = id_columns(df, id), names(columns)
    _core.check_batch(dummy(df, 2), ids, vector, chosen)
    wanted = chosen or ([vector] if vector is not None else df.columns)
    wanted = list(dict.fromkeys([*wanted, *ids]))
    drawn = seed(spec.random_state)

    n_rows, cell = _cell_of(df, ids, drawn, int(sample_rows))
    keep = _Keep(ids, vector, chosen, drawn, cell[0])
    schema = StructType([df.schema[name] for name in wanted])
    table = mapped(df, wanted, keep, schema).toArrow()
    if table.num_rows != cell[1]:
        raise ValueError(
            f"the frame had {cell[1]} rows for the sample when they were counted, and "
            f"{table.num_rows} when they were read: persist it first, so that it is the same each "
            "time"
        )
    rows, last = _core.Rows.sampled(table, ids, vector, chosen, int(sample_rows), drawn)
    del table
    for note in rows.notes:
        warn(note)
    detector = copy.copy(spec)
    model = _trained(detector, rows, drawn)
    model.set_ids(ids)
    scores = model.fitted_scores()
    cells = None
    if model.calibrates_apart(n_rows):
        detector._adopt(model, scores)
        cells = _counted(df, detector, ids, vector, drawn, last)
    model.calibrate_on_counts(n_rows, cells)
    detector._conclude(model, scores, rows.notes)
    return detector


def _trained(detector: Detector, rows: _core.Rows, drawn: int) -> _core.Model:
    """The model of the sample, by the ordinary engine."""
    share = _contamination.share(detector.contamination)
    request = detector._request(*rows.shape)
    n_threads = threads(detector.n_jobs)
    if not detector.verbose:
        return _core.fit(request, rows, drawn, n_threads, share)
    with Progress(type(detector).__name__) as progress:
        return _core.fit(request, rows, drawn, n_threads, share, progress)


def _cell_of(df: Any, ids: list[str], drawn: int, most: int) -> tuple[int, tuple[int, int]]:
    """How many rows there are, the cell of the order that the last row of the sample is in, and
    how many rows there are up to the end of that cell."""
    counts = _merged(df, ids, _CountRows(ids, drawn), _CELLS)
    n_rows = int(counts.sum())
    if n_rows == 0:
        raise ValueError("input: no rows to fit to")
    up_to = np.cumsum(counts)
    cell = int(np.searchsorted(up_to, min(most, n_rows)))
    return n_rows, (cell, int(up_to[cell]))


def _counted(
    df: Any, detector: Detector, ids: list[str], vector: str | None, drawn: int, last: str
) -> _core.ScoreCells:
    """The scores of all rows that were not sampled, by cells of the model's own."""
    shipped = Shipped(df.sparkSession, detector, "bytes", "qualm.spark.fit")
    cells = _core.ScoreCells(shipped.open())
    wanted = [vector] if vector is not None else shipped.open().features.columns
    work = _CountScores(shipped, ids, vector, drawn, last)
    cells.add(_merged(df, [*wanted, *ids], work, len(cells.counts())))
    return cells


def _merged(df: Any, columns: list[str], work: Any, n_cells: int) -> np.ndarray:
    """Counts of all partitions, added up: whole numbers, so that their order does not matter."""
    counted = mapped(df, columns, work, "cell int, n long")
    table = counted.groupBy("cell").sum("n").toArrow()
    counts = np.zeros(n_cells, np.uint64)
    counts[table.column(0).to_numpy()] = table.column(1).to_numpy().astype(np.uint64)
    return counts


class _CountRows:
    """Counts the rows of a partition by their cells in the random order."""

    def __init__(self, ids: list[str], drawn: int) -> None:
        self.ids, self.drawn = ids, drawn

    def __call__(self, batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        part = Part(self.ids)
        counts = np.zeros(_CELLS, np.int64)
        for batch in batches:
            cells = part.checked(lambda b: _core.row_cells(b, self.ids, self.drawn), batch)
            counts += np.bincount(cells, minlength=_CELLS)
        yield _sparse(counts)


class _Keep:
    """Checks the rows of a partition, and keeps those that may be in the sample."""

    def __init__(
        self, ids: list[str], vector: str | None, columns: list[str], drawn: int, cell: int
    ) -> None:
        self.ids, self.vector, self.columns = ids, vector, columns
        self.drawn, self.cell = drawn, cell

    def __call__(self, batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        import pyarrow

        part = Part(self.ids)

        def kept(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
            _core.check_batch(batch, self.ids, self.vector, self.columns)
            cells = _core.row_cells(batch, self.ids, self.drawn)
            return batch.filter(pyarrow.array(cells <= self.cell))

        for batch in batches:
            if batch.num_rows > 0:
                yield part.checked(kept, batch)


class _CountScores:
    """Scores the rows of a partition, and counts those that were not sampled."""

    def __init__(
        self, shipped: Shipped, ids: list[str], vector: str | None, drawn: int, last: str
    ) -> None:
        self.shipped, self.ids, self.vector = shipped, ids, vector
        self.drawn, self.last = drawn, last

    def __call__(self, batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        model = self.shipped.open()
        part = Part(self.ids)
        cells = _core.ScoreCells(model)

        def count(batch: pyarrow.RecordBatch) -> None:
            cells.count(model, batch, self.ids, self.vector, self.drawn, self.last, 1)

        for batch in batches:
            part.checked(count, batch)
        yield _sparse(cells.counts().astype(np.int64))


def _sparse(counts: np.ndarray) -> pyarrow.RecordBatch:
    """The cells that are not empty."""
    import pyarrow

    filled = np.flatnonzero(counts)
    return pyarrow.RecordBatch.from_arrays(
        [pyarrow.array(filled.astype(np.int32)), pyarrow.array(counts[filled])], ["cell", "n"]
    )
