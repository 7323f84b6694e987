"""Scoring a stream of record batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from . import _core
from ._base import Detector
from ._fitted import Path
from ._loading import load
from ._threads import threads

if TYPE_CHECKING:
    import pyarrow


def score_batches(
    model: Detector | Path,
    batches: Iterable[Any],
    *,
    ids: Sequence[str] | None = None,
    n_jobs: int | None = None,
) -> Iterator[pyarrow.RecordBatch]:
    """Scores Arrow record batches one by one, as engines hand them out.

    Parameters
    ----------
    model : Detector or path
        A fitted detector, or the ``.qualm`` file of one: a path is cheaper to send to workers.
    batches : iterable of record batches
        ``pyarrow.RecordBatch`` or anything else with the Arrow PyCapsule interface; or one table,
        frame or stream of them. Columns are matched by name; others are ignored.
    ids : sequence of str, optional
        Columns to carry through. By default those that the model was fitted with on the command
        line (``fit --id``), where a batch has them.
    n_jobs : int or None
        Threads, as in :class:`qualm.DUM`; by default the model's own ``n_jobs``, and 1 for a
        model from a path, because such engines run several workers on a machine.

    Yields
    ------
    pyarrow.RecordBatch
        The ids, ``score`` (float64, higher = more anomalous), ``p_value`` (float64) and
        ``outlier`` (uint8), a row for each row. Needs pyarrow. The interpreter's lock is released
        meanwhile.

    Raises
    ------
    ValueError
        Names the batch, and the row in it, on values that cannot be scored.

    Examples
    --------
    In an engine that hands out batches::

        for scored in qualm.score_batches("model.qualm", batches, ids=["id"]):
            write(scored)

    :mod:`qualm.spark` does more for Spark and Sail.
    """
    detector = model if isinstance(model, Detector) else load(model)
    if n_jobs is None and detector is model:
        n_jobs = detector.n_jobs
    native = detector._fitted("score_batches")
    return _scored(native, batches, None if ids is None else list(ids), threads(n_jobs))


def _scored(
    native: _core.Model,
    batches: Iterable[Any],
    ids: list[str] | None,
    n_threads: int,
) -> Iterator[pyarrow.RecordBatch]:
    for number, batch in enumerate(_one_by_one(batches), start=1):
        try:
            yield _core.score_batch(native, batch, ids, n_threads)
        except ValueError as error:
            raise ValueError(f"batch {number}: {error}") from None


def _one_by_one(batches: Any) -> Iterable[Any]:
    """The batches of a table, too: to iterate over it would give its columns."""
    if hasattr(batches, "__arrow_c_stream__"):
        from pyarrow import RecordBatchReader

        reader: Iterable[Any] = RecordBatchReader.from_stream(batches)
        return reader
    return [batches] if hasattr(batches, "__arrow_c_array__") else batches
