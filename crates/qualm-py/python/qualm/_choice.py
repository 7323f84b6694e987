"""Which columns of a frame a fit is asked to use, by name, as with the command line's options."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Union

from . import _core

Names = Union[str, Sequence[str]]

#: How many names a message lists.
_SHOWN = 8


class Choice(NamedTuple):
    """What `fit` was asked to use; nothing, where all of it is empty."""

    vector: str | None
    columns: list[str]
    exclude: list[str]
    ids: list[str]

    @property
    def is_empty(self) -> bool:
        return self.vector is None and not any(self[1:])

    def taken(self, X: Any, named: bool) -> Any:
        """The columns of a frame or table that were asked for, in that order, or what is left."""
        X = _readable(X)
        labels = _labels(X) if named else None
        if labels is None:
            keyword = next(k for k, asked in self._asked() if asked)
            raise ValueError(
                f"{keyword}: the columns of X have no names: give a frame or an Arrow table, or "
                f"choose by position, as in X{'.iloc' if hasattr(X, 'iloc') else ''}[:, [0, 2]]"
            )
        found: dict[Any, list[int]] = {}
        for place, label in enumerate(labels):
            found.setdefault(label, []).append(place)
        for keyword, asked in self._asked():
            for name in asked:
                if name not in found:
                    raise ValueError(_unknown(name, keyword, labels))
        wanted = self.columns or ([self.vector] if self.vector is not None else None)
        if wanted is not None:
            # A name that stands more than once is refused when it is read.
            places = [place for name in wanted for place in found[name]]
        else:
            out = {*self.exclude, *self.ids}
            places = [place for place, label in enumerate(labels) if label not in out]
        if not places:
            raise ValueError(
                "no column is left to use as a feature: exclude and id name all, "
                f"{_listed(labels)}"
            )
        return _select(X, labels, places, wanted is not None)

    def check(self, found: _core.Rows) -> None:
        """Refuses columns that do not hold what they were asked for."""
        if self.vector is not None and found.named:
            raise ValueError(
                f"input, column '{self.vector}': found one value a row, expected a list of "
                "numbers in each row; choose another column, or give columns= for single numbers"
            )
        if len(self.columns) > 1:
            for kind, note in zip(found.note_kinds, found.notes):
                if kind == "unused":
                    raise ValueError(
                        f"columns = {self.columns}: expected numbers, one a row, in each of them "
                        f"(or one column of vectors alone): {note}"
                    )

    def notes(self, found: _core.Rows) -> list[str]:
        """What a user should know of the columns that are used."""
        if not self.columns:
            return found.notes
        # Nobody doubts a column who named it.
        kinds = zip(found.note_kinds, found.notes)
        return [note for kind, note in kinds if kind != "doubt"]

    def _asked(self) -> Iterator[tuple[str, list[str]]]:
        yield "vector", [] if self.vector is None else [self.vector]
        yield "columns", self.columns
        yield "exclude", self.exclude
        yield "id", self.ids


def choice(
    vector: str | None, columns: Names | None, exclude: Names | None, id: Names | None
) -> Choice:
    """What the keywords of `fit` ask for, as far as that can be checked without a frame."""
    if vector is not None and not isinstance(vector, str):
        raise TypeError(f"vector = {vector!r}: expected the name of a column")
    asked = Choice(
        vector,
        column_names("columns", columns),
        column_names("exclude", exclude),
        column_names("id", id),
    )
    if columns is not None and not asked.columns:
        raise ValueError("columns is empty: name at least one, or leave it out")
    if vector is not None and asked.columns and asked.columns != [vector]:
        other = next((name for name in asked.columns if name != vector), vector)
        raise ValueError(
            f"column '{other}' is asked for as a feature beside the vector column '{vector}'; "
            "give columns= or vector="
        )
    for keyword, names in (("columns", asked.columns), ("id", asked.ids)):
        seen: set[str] = set()
        for name in names:
            if name in seen:
                raise ValueError(f"{keyword}: column '{name}' is named twice; name it once")
            seen.add(name)
    features = dict.fromkeys(asked.columns, "columns")
    if vector is not None:
        features[vector] = "vector"
    for keyword, names in (("exclude", asked.exclude), ("id", asked.ids)):
        for name in names:
            if name in features:
                raise ValueError(
                    f"column '{name}' is asked for both in {features[name]} and in {keyword}; "
                    "choose one"
                )
    return asked


def column_names(keyword: str, given: Names | None) -> list[str]:
    """Names of columns, given as one or several."""
    if given is None:
        return []
    if isinstance(given, str):
        return [given]
    names = list(given) if isinstance(given, Iterable) else [given]
    if all(isinstance(name, str) for name in names):
        return names
    raise TypeError(
        f"{keyword} = {given!r}: expected names of columns; columns without names are chosen by "
        "position, as in X[:, [0, 2]]"
    )


def _unknown(name: str, keyword: str, labels: list[Any]) -> str:
    near = difflib.get_close_matches(name, [str(label) for label in labels], 1)
    meant = f"did you mean '{near[0]}'? " if near else ""
    return (
        f"input, column '{name}': no such column, asked for by {keyword}; {meant}the input has "
        f"{_listed(labels)}"
    )


def _listed(labels: list[Any]) -> str:
    more = len(labels) - _SHOWN
    shown = ", ".join(f"'{label}'" for label in labels[:_SHOWN])
    return shown if more <= 0 else f"{shown} and {more} more"


def _readable(X: Any) -> Any:
    """A frame, or an Arrow table, batch or stream of pyarrow, if it can be one."""
    if hasattr(X, "iloc") or type(X).__module__.partition(".")[0] in ("polars", "pyarrow"):
        return X
    if not hasattr(X, "__arrow_c_stream__") and not hasattr(X, "__arrow_c_array__"):
        return X
    try:
        import pyarrow
    except ImportError:
        raise TypeError(
            f"to choose among the columns of a {type(X).__name__} takes pyarrow: pip install "
            "pyarrow, or choose them before"
        ) from None
    if hasattr(X, "__arrow_c_stream__"):
        return pyarrow.RecordBatchReader.from_stream(X)
    return pyarrow.record_batch(X)


def _labels(X: Any) -> list[Any] | None:
    """The names of its columns; None for an array, or a frame whose columns are numbered."""
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        labels = list(X.columns)
        return labels if any(isinstance(label, str) for label in labels) else None
    if not hasattr(X, "schema"):
        return None
    return list(X.columns if _is_polars(X) else X.schema.names)


def _is_polars(X: Any) -> bool:
    return type(X).__module__.partition(".")[0] == "polars"


def _select(X: Any, labels: list[Any], places: list[int], by_name: bool) -> Any:
    """The columns at these places."""
    if hasattr(X, "iloc"):
        return X.iloc[:, places]
    if _is_polars(X):
        # It has no two columns of one name.
        return X.select([labels[place] for place in places])
    import pyarrow

    # An index that pandas has written is no feature, but where it is asked for by name.
    metadata = None if by_name else X.schema.metadata
    if hasattr(X, "select"):
        return X.select(places).replace_schema_metadata(metadata)
    schema = pyarrow.schema([X.schema.field(place) for place in places], metadata)
    batches = (
        pyarrow.RecordBatch.from_arrays([batch.column(place) for place in places], schema=schema)
        for batch in X
    )
    return pyarrow.RecordBatchReader.from_batches(schema, batches)
