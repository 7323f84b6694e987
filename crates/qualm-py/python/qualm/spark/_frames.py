"""Spark's frames: their columns, checked before a job is started."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Union

from .. import _core

if TYPE_CHECKING:
    import pyarrow

Names = Union[str, Sequence[str]]


def names(given: Names | None) -> list[str]:
    """Columns, given as one name or several."""
    if given is None:
        return []
    return [given] if isinstance(given, str) else list(given)


def id_columns(df: Any, given: Names | None, model: _core.Model | None = None) -> list[str]:
    """The id columns: those that are given, or those of the model that the frame has."""
    ids = names(given)
    if given is None and model is not None:
        ids = [name for name in model.ids if name in df.columns]
    if not ids:
        raise ValueError(
            "no id column: rows of Spark have no order and no number, so name the columns that "
            "tell them apart (id='...')"
        )
    for name in ids:
        if name not in df.columns:
            raise ValueError(
                f"input: no column '{name}' for ids; there are: {', '.join(df.columns)}"
            )
    return ids


def features(df: Any, model: _core.Model, ids: Sequence[str], vector: str | None) -> list[str]:
    """The columns that a model reads, checked by the schema.

    Anything wrong with them is an error before a job is started.
    """
    wanted = [vector] if vector is not None else model.features.columns
    for name in wanted:
        if name not in df.columns:
            raise ValueError(
                f"input: no column '{name}', which the model needs; there are: "
                f"{', '.join(df.columns)}"
            )
    for name in wanted:
        _check_type(df, name)
    beside = [name for name in ids if name not in wanted]
    _core.score_batch(model, dummy(df, model.n_features), beside, 1, vector)
    return wanted or [name for name in df.columns if name not in ids]


def _check_type(df: Any, name: str) -> None:
    """Refuses a column that holds no numbers and no vectors of numbers."""
    from pyspark.sql.types import ArrayType, BooleanType, NumericType

    held = df.schema[name].dataType
    item = held.elementType if isinstance(held, ArrayType) else held
    if not isinstance(item, (NumericType, BooleanType)):
        raise ValueError(
            f"input, column '{name}': found type {held.simpleString()}, expected numbers, or "
            "arrays of numbers of one length; cast it first"
        )


def dummy(df: Any, width: int) -> pyarrow.RecordBatch:
    """A row of the frame's schema to check columns by: zeros, vectors of them, and nulls."""
    import pyarrow
    from pyspark.sql.pandas.types import to_arrow_schema

    schema = to_arrow_schema(df.schema)
    return pyarrow.RecordBatch.from_arrays(
        [pyarrow.array([_value(field.type, width)], field.type) for field in schema], schema=schema
    )


def _value(held: Any, width: int) -> Any:
    from pyarrow import types

    if types.is_integer(held) or types.is_floating(held):
        return 0
    if types.is_boolean(held):
        return False
    if types.is_list(held) or types.is_large_list(held):
        item = _value(held.value_type, width)
        return None if item is None else [item] * width
    if types.is_string(held) or types.is_large_string(held):
        return "text"
    return None
