"""Pages that show a model and its scores: HTML, and its numbers."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from html import escape
from typing import Any, Union

from . import _core
from ._errors import warn

Path = Union[str, "os.PathLike[str]"]

#: The largest page that a notebook shows within itself, in characters.
_EMBEDDED = 10_000_000

#: The height of a page in a notebook, in pixels.
_HEIGHT = 720


class _Page:
    """A page: one HTML file that loads nothing from elsewhere.

    A notebook shows it, in a frame of its own where its script can reach nothing else.
    """

    _what = "page"

    def __init__(self, page: _core.Page) -> None:
        self._page = page

    @property
    def html(self) -> str:
        """The page: the same text for the same input, and that of the command line."""
        return self._page.html

    @property
    def data(self) -> dict[str, Any]:
        """Every number that the page shows: the JSON that the command line writes beside it.

        Rows are counted from 1 there, as on the page.
        """
        found: dict[str, Any] = json.loads(self._page.json)
        return found

    def save(self, path: Path, *, numbers: Path | None = None, force: bool = False) -> None:
        """Writes the page: whole, or not at all.

        Parameters
        ----------
        path : str or path
            A name that ends in ``.html``.
        numbers : str or path, optional
            Where its numbers are written as well: ``.json``, as in :attr:`data`, or ``.parquet``,
            a table with a row for each row shown.
        force : bool
            Whether files that are no pages or numbers of qualm are replaced, too.

        Raises
        ------
        FileExistsError
            When a file of somebody else stands there, and `force` does not say so.
        ValueError
            On a name that is no page's, or no file of numbers'.
        """
        beside = None if numbers is None else os.fspath(numbers)
        self._page.save(os.fspath(path), beside, force)

    def _repr_html_(self) -> str:
        page = self.html
        what = escape(self._described())
        if len(page) > _EMBEDDED:
            return (
                f"<p>{what}: too large to be shown here. "
                f'<code>save("{self._what}.html")</code> writes it.</p>'
            )
        # Without allow-same-origin the page cannot reach the notebook.
        return (
            f'<iframe srcdoc="{escape(page)}" sandbox="allow-scripts" title="{what}" '
            f'style="width: 100%; height: {_HEIGHT}px; border: 0"></iframe>'
        )

    def _described(self) -> str:
        return f"{self._what.capitalize()}, {len(self.html) / 1e6:.1f} MB"

    def __repr__(self) -> str:
        return f"<{self._described()}: save(path) writes it, data has its numbers>"


class Report(_Page):
    """A page on a model and its scores of rows, see :meth:`Detector.report`.

    Attributes
    ----------
    html : str
        The page.
    data : dict
        Every number that it shows.
    """

    _what = "report"

    def export(
        self,
        *,
        atlas: Path | None = None,
        fiftyone: Path | None = None,
        images: Path | Sequence[Path] | None = None,
        column: str | None = None,
        force: bool = False,
    ) -> None:
        """Writes the rows for other programs, as ``--atlas`` and ``--fiftyone`` do.

        All rows, with their columns, their place on the map (``projection_x`` and
        ``projection_y``), the score (``uncertainty``), ``p_value`` and ``outlier``.

        Parameters
        ----------
        atlas : str or path, optional
            A table for Embedding Atlas, whose name ends in ``.parquet``:
            ``embedding-atlas rows.parquet --x projection_x --y projection_y --image image``.
        fiftyone : str or path, optional
            A dataset for FiftyOne, whose name ends in ``.json``:
            ``fiftyone.Dataset.from_json("rows.json")``. It needs `images`.
        images : str, path or list of paths, optional
            The images that the rows are of: a folder, or a file that lists or holds them, where
            the ids of the rows say which is a row's; or a path for each row. The table has them
            as pictures of 144 pixels, the dataset by the names of their files.
        column : str, optional
            The column, or array of an ``.npz`` file, of the file `images` that holds them.
        force : bool
            Whether files that are not of qualm are replaced, too.

        Raises
        ------
        FileExistsError
            When a file of somebody else stands there, and `force` does not say so.
        ValueError
            Where the report has no map, on another ending of a name, and on images that are not
            the rows' own.

        Warns
        -----
        QualmWarning
            When rows have no image, when vectors are left out, and when a column goes by another
            name.
        """
        if atlas is None and fiftyone is None:
            raise ValueError("give atlas or fiftyone: the name of the file to write")
        given: str | list[str] | None = None
        if isinstance(images, (str, os.PathLike)):
            given = os.fspath(images)
        elif images is not None:
            given = image_paths(images)
        notes = self._page.export(
            None if atlas is None else os.fspath(atlas),
            None if fiftyone is None else os.fspath(fiftyone),
            given,
            column,
            force,
        )
        for note in notes:
            warn(note)


class Gallery(_Page):
    """A page of the most and least certain rows, see :meth:`Detector.gallery`.

    Attributes
    ----------
    html : str
        The page.
    data : dict
        Every number that it shows.
    """

    _what = "gallery"


def image_paths(given: Sequence[Any]) -> list[str]:
    """Paths of images, one for each row."""
    for number, path in enumerate(given, start=1):
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(
                f"images, number {number}: found a {type(path).__name__} among paths; give "
                "paths only, or, to a gallery, images only"
            )
    return [str(os.fspath(path)) for path in given]
