"""What runs on the workers, and how a model gets there."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from .. import _core
from .._base import Detector
from .._fitted import Path

if TYPE_CHECKING:
    import pyarrow

#: How a model gets to the workers.
Ship = Literal["bytes", "path"]

T = TypeVar("T")

#: Models that this worker has opened, by digest: Spark's workers live for many tasks.
_OPENED: dict[str, _core.Model] = {}

#: Models that a worker keeps open.
_KEPT = 4


class Shipped:
    """A model on its way to the workers: its bytes, or the path of its file.

    On a worker it is opened once, and its digest is checked.
    """

    def __init__(self, spark: Any, model: Detector | Path, ship: Ship, asked: str) -> None:
        if ship not in ("bytes", "path"):
            raise ValueError(f"ship = {ship!r}: expected 'bytes' or 'path'")
        self._path: str | None = None
        self._bytes: bytes | None = None
        self._broadcast: Any = None
        if isinstance(model, Detector):
            if ship == "path":
                raise TypeError(
                    "ship = 'path': expected the path of a model file, found a detector"
                )
            written = model._fitted(asked).to_bytes()
        else:
            written = _read(os.fspath(model))
        self.digest = hashlib.sha256(written).hexdigest()
        if ship == "path":
            self._path = os.path.abspath(os.fspath(model))  # type: ignore[arg-type]
        elif is_connect(spark):
            # Spark Connect has no broadcasts: the bytes go with the function.
            self._bytes = written
        else:
            self._broadcast = spark.sparkContext.broadcast(written)

    def open(self) -> _core.Model:
        """The model, on a worker."""
        opened = _OPENED.get(self.digest)
        if opened is None:
            written = self._written()
            found = hashlib.sha256(written).hexdigest()
            if found != self.digest:
                raise ValueError(
                    f"{self._path or 'the model'}: a worker found another model than the driver: "
                    f"its SHA-256 is {found[:12]}, expected {self.digest[:12]}"
                )
            opened = _core.Model.from_bytes(written)
            while len(_OPENED) >= _KEPT:
                del _OPENED[next(iter(_OPENED))]
            _OPENED[self.digest] = opened
        return opened

    def _written(self) -> bytes:
        if self._broadcast is not None:
            return bytes(self._broadcast.value)
        if self._bytes is not None:
            return self._bytes
        try:
            return _read(self._path or "")
        except OSError as error:
            raise type(error)(
                f"{error}; a worker cannot read the model: put it where all workers can, or send "
                "it with the job (ship='bytes')"
            ) from None


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        # Raises as well, with a message that says more.
        return _core.Model.load(path).to_bytes()


def is_connect(spark: Any) -> bool:
    """Whether a session speaks Spark Connect."""
    return ".connect." in type(spark).__module__


def mapped(
    df: Any,
    columns: Sequence[str],
    work: Callable[[Iterator[Any]], Iterator[Any]],
    schema: Any,
) -> Any:
    """A frame of what work makes of the batches of each partition, which have these columns."""
    from pyspark.sql import functions

    columns = list(dict.fromkeys(columns))
    # Spark maps no columns with a point in their names.
    plain = [functions.col(quoted(name)).alias(f"column_{i}") for i, name in enumerate(columns)]

    def run(batches: Any) -> Any:
        from pyarrow import RecordBatch

        return work(RecordBatch.from_arrays(batch.columns, columns) for batch in batches)

    return df.select(*plain).mapInArrow(run, schema)


def quoted(name: str) -> str:
    """A name as Spark reads it, which takes a point for the field of a record."""
    return "`" + name.replace("`", "``") + "`"


class Part:
    """The partition that a worker is at, to name rows by."""

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = ids
        self.name = _partition()

    def checked(self, work: Callable[[Any], T], batch: pyarrow.RecordBatch) -> T:
        """Does work on a batch; what is wrong with a row names partition and id."""
        try:
            return work(batch)
        except ValueError as error:
            raise ValueError(self.located(batch, str(error))) from None

    def located(self, batch: pyarrow.RecordBatch, message: str) -> str:
        """A message about a batch, which counts its rows, with partition and id instead."""
        found = re.match(r"input(?:, row (\d+))?", message)
        if found is None:
            return f"{self.name}: {message}"
        # Where no row is named, the first one has shown it.
        row = int(found.group(1) or 1) - 1
        return f"{self.where(batch, row)}{message[found.end() :]}"

    def where(self, batch: pyarrow.RecordBatch, row: int) -> str:
        """A row of a batch, by partition and id."""
        ids = [batch.column(name)[row].as_py() for name in self.ids if name in batch.schema.names]
        if not ids or row >= batch.num_rows:
            return self.name
        known = ids[0] if len(ids) == 1 else tuple(ids)
        return f"{self.name}, id {known!r}"


def _partition() -> str:
    try:
        from pyspark import TaskContext

        context = TaskContext.get()
    except ImportError:
        context = None
    return "input" if context is None else f"partition {context.partitionId()}"
