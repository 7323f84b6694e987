"""Scoring files that need not fit into memory."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any, Union

from . import _core
from ._base import Detector
from ._choice import Names, column_names
from ._errors import warn
from ._fitted import Path
from ._loading import load
from ._progress import Progress
from ._threads import threads

#: One file, folder or pattern, or several.
Inputs = Union[Path, Sequence[Path]]


def score_file(
    model: Detector | Path,
    path: Inputs,
    out: Path,
    *,
    id: Names | None = None,
    label: str | None = None,
    vector: str | None = None,
    keep: Names | None = None,
    explain: int = 0,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> dict[str, Any]:
    """Scores the rows of files into a file, batch by batch in constant memory.

    The scores are those of ``qualm score``, to the bit.

    Parameters
    ----------
    model : Detector or path
        A fitted detector, or the ``.qualm`` file of one.
    path : path, or sequence of paths
        A file of rows (CSV, TSV, JSON lines, each also ``.gz`` or ``.zst``; Parquet, Arrow,
        ``.npy``, ``.npz``), a folder of them, a pattern such as ``'parts/*.parquet'``, or
        several. Columns are matched by name; others are ignored.
    out : path
        The file of scores: ``.csv``, ``.tsv``, ``.parquet``, ``.arrow`` or ``.jsonl``. It is whole
        or not there; an older one is replaced.
    id : str or sequence of str, optional
        Columns to carry through. By default those that the model was fitted with.
    label : str, optional
        The column of labels, 1 for an outlier: carried through.
    vector : str, optional
        The column of vectors, where there are several.
    keep : str or sequence of str, optional
        Columns of the input to write beside the scores; ``'all'`` for all of them.
    explain : int
        How many columns explain each score, with their shares.
    n_jobs : int or None
        Threads; by default the model's own ``n_jobs``.
    verbose : int
        Above 0, progress is shown.

    Returns
    -------
    dict
        ``n`` rows, ``n_outliers``, ``threshold``, ``output``, ``score_seconds``,
        ``rows_per_second``.

    Raises
    ------
    ValueError
        Names the file, row and column on values that cannot be scored. Nothing is written then.
    FileNotFoundError
        When there is no such file, or no folder for `out`.
    """
    detector = model if isinstance(model, Detector) else load(model)
    native = detector._fitted("score_file")
    paths = [path] if isinstance(path, (str, os.PathLike)) else path
    inputs = [os.fspath(one) for one in paths]
    if not inputs:
        raise ValueError("path is empty: give at least one file")
    target = os.fspath(out)
    _check_apart(target, inputs)
    keep_all = keep == "all"
    chosen = {
        "ids": None if id is None else column_names("id", id),
        "label": label,
        "vector": vector,
        "keep": None if keep is None or keep_all else column_names("keep", keep),
        "keep_all": keep_all,
        "explain": explain,
    }
    n_threads = threads(detector.n_jobs if n_jobs is None else n_jobs)
    arguments = (native, inputs, target, chosen, n_threads)
    if verbose:
        with Progress(type(detector).__name__) as progress:
            report, notes = _core.score_files(*arguments, progress)
    else:
        report, notes = _core.score_files(*arguments)
    for note in notes:
        warn(note)
    found: dict[str, Any] = json.loads(report)
    return found


def _check_apart(out: str, inputs: list[str]) -> None:
    """Refuses an output that is read, or that would be one of the parts of what is read."""
    target = os.path.realpath(out)
    for path in map(os.path.realpath, inputs):
        if target == path:
            raise ValueError(f"{out}: is read and cannot be written at once; choose another out")
        if os.path.isdir(path) and os.path.dirname(target) == path:
            raise ValueError(
                f"{out}: lies in the folder that is read and would be one of its parts; choose "
                "another out"
            )
