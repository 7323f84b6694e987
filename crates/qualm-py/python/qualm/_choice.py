"""Which columns of a frame a fit is asked to use, by name, as with the command line's options.

Finding them, and what does not fit together, is the native half's part: one rule for files, tables
and frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Union

Names = Union[str, Sequence[str]]


class Choice(NamedTuple):
    """What `fit` was asked to use; nothing, where all of it is empty."""

    vector: str | None
    columns: list[str]
    exclude: list[str]
    ids: list[str]

    @property
    def is_empty(self) -> bool:
        return self.vector is None and not any(self[1:])

    @property
    def features(self) -> list[str]:
        """The columns that were asked for as features; none where only others are left out."""
        return self.columns or ([] if self.vector is None else [self.vector])

    def check_named(self, X: Any, named: bool) -> None:
        """Refuses names for columns that have none."""
        if named and _has_names(X):
            return
        keywords = zip(("vector", "columns", "exclude", "id"), self)
        keyword = next(keyword for keyword, asked in keywords if asked or asked == "")
        raise ValueError(
            f"{keyword}: the columns of X have no names: give a frame or an Arrow table, or "
            f"choose by position, as in X{'.iloc' if hasattr(X, 'iloc') else ''}[:, [0, 2]]"
        )

    def unread(self, labels: Iterable[Any]) -> set[Any]:
        """Those columns of a frame whose values are not looked at: they may hold anything."""
        if not self.features:
            return {*self.exclude, *self.ids}
        # A name may be given with spaces around it.
        asked = {spelled for name in self.features for spelled in (name, name.strip())}
        return {label for label in labels if label not in asked}


def choice(
    vector: str | None, columns: Names | None, exclude: Names | None, id: Names | None
) -> Choice:
    """What the keywords of `fit` ask for."""
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


def _has_names(X: Any) -> bool:
    """Whether it is a frame or table; not an array, or a frame whose columns are numbered."""
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        return any(isinstance(label, str) for label in X.columns)
    if hasattr(X, "__array__") and hasattr(X, "dtype"):
        return False
    return hasattr(X, "__arrow_c_stream__") or hasattr(X, "__arrow_c_array__")
