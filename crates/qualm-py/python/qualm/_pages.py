"""What shows a model and its scores: reports, galleries, and the strangest rows as a list."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _beside, _core
from ._errors import warn
from ._images import images as read_images
from ._page import Gallery, Path, Report, image_paths
from ._threads import threads
from ._values import seed as seed_of

if TYPE_CHECKING:
    from ._pyod import Floats

#: Rows that a report lists, and a gallery shows at either end of a section.
_LISTED = 1000
_SHOWN = 12

#: How rows get their places on a map.
_MAPS = ("pca", "umap")


class Pages:
    """What shows a fitted detector and rows."""

    if TYPE_CHECKING:
        n_jobs: int | None

        def decision_function(self, X: Any) -> Floats: ...
        def _fitted(self, asked: str) -> _core.Model: ...
        def _rows(self, X: Any, model: _core.Model) -> _core.Rows: ...

    def top(
        self, X: Any, n: int = 20, *, ids: Any = None, k: int | None = None
    ) -> list[dict[str, Any]]:
        """The strangest rows, as ``qualm score --top`` finds them.

        Parameters
        ----------
        X : array of shape (n_rows, d)
            As for :meth:`decision_function`.
        n : int
            How many rows, at most.
        ids : str or array of shape (n_rows,), optional
            What names each row: the values, or the name of the column of `X` that has them. By
            default a column ``path``, ``image``, ``file``, ``filename`` or ``id`` that is no
            feature, or the index of a pandas frame, where it is more than row numbers.
        k : int, optional
            How many columns explain each row, at most d; by default 3 of a table, or d where it
            has fewer, and none of vectors, whose columns mean nothing to anybody.

        Returns
        -------
        list of dict
            The strangest row first; of equal scores, the first row. Keys: ``index``, its place
            in `X`, counted from 0; ``id``, where rows are named; ``score``; ``p_value``;
            ``outlier``, whether the score lies above the threshold; and ``explain_1``,
            ``explain_1_share`` and so on, the columns that contribute most and their shares
            (:meth:`explain`). ``pandas.DataFrame(detector.top(X))`` is a frame of them.

        Examples
        --------
        >>> import numpy as np, qualm
        >>> rows = np.random.default_rng(0).normal(size=(200, 3))
        >>> rows[7] += 9
        >>> [row["index"] for row in qualm.KNN().fit(rows).top(rows, 1)]
        [7]
        """
        model = self._fitted("top")
        n = _at_least_one("n", n)
        given, beside = _beside.split(X, model.features)
        rows = self._rows(given, model)
        beside, name = _named(X, beside, ids, rows.shape[0])
        names = model.features.names
        if k is None:
            k = 0 if names is None else min(3, len(names))
        scores = model.score(rows, threads(self.n_jobs))
        order = np.argsort(-scores, kind="stable")[:n]
        scores = scores[order]
        p_values = model.p_values(scores, threads(self.n_jobs))
        places: list[int] = order.tolist()
        found: list[dict[str, Any]] = [{"index": place} for place in places]
        if name is not None:
            for row, text in zip(found, beside.texts(name, places)):
                row["id"] = text or None
        for row, score, p_value in zip(found, scores.tolist(), p_values.tolist()):
            row.update(score=score, p_value=p_value, outlier=score > model.threshold)
        if k:
            explained = model.explain(rows.pick(order), k, threads(self.n_jobs))
            for row, columns, shares in zip(found, *(part.tolist() for part in explained)):
                for number, (column, share) in enumerate(zip(columns, shares), start=1):
                    row[f"explain_{number}"] = model.features.name(column)
                    row[f"explain_{number}_share"] = share
        return found

    def report(
        self,
        X: Any = None,
        *,
        labels: Any = None,
        current: Any = None,
        ids: Any = None,
        monitor: Path | Iterable[Path] = (),
        bench: Path | Iterable[Path] = (),
        map: str = "pca",
        top: int = _LISTED,
        title: str | None = None,
        model_name: str | None = None,
        data_name: str | None = None,
        seed: Any = 0,
    ) -> Report:
        """A page on the model and its scores of rows: plots, strangest rows, a map, settings.

        It is the page of ``qualm report``, to the byte, where both are given the same rows and
        names. Parts appear as far as their data are given.

        Parameters
        ----------
        X : array of shape (n, d), optional
            Rows, as for :meth:`decision_function`; without them the page is on the model alone.
            The other columns of a frame or table stand beside the strangest rows.
        labels : array of shape (n,), optional
            1 for a row that is an outlier, else 0: adds ROC and precision-recall curves. The
            model does not see them.
        current : array of shape (m, d), optional
            Later rows: their scores are added to the histogram.
        ids : str or array of shape (n,), optional
            What names each row, as for :meth:`top`.
        monitor, bench : path or list of paths
            Files of results, whose parts are added: what ``qualm monitor`` and ``qualm bench``
            printed as JSON, a state of monitoring, a results file of a bench.
        map : {"pca", "umap"}
            How rows get their places on the map: by their first two principal components, or by
            UMAP, which keeps neighbours together, but not distances between groups. It lays out
            up to 20,000 rows and places the others among them.
        top : int
            How many of the rows with the highest scores are listed.
        title : str, optional
            What the page is called; by default 'Report'.
        model_name, data_name : str, optional
            What the page calls the model and the rows; by default the class of the detector, and
            how many rows there are.
        seed : int, generator or None
            Of the map: the layout by UMAP and, of more rows than it lays out, which these are;
            of more than 100,000 rows, which are shown.

        Returns
        -------
        Report
            Shown by notebooks; ``save(path)`` writes it, ``html`` and ``data`` have it.

        Raises
        ------
        ValueError
            On rows that cannot be scored, and on labels, ids or files that are not what is
            expected.

        Examples
        --------
        >>> import numpy as np, qualm
        >>> rows = np.random.default_rng(0).normal(size=(200, 3))
        >>> report = qualm.KNN().fit(rows).report(rows)
        >>> [part["title"] for part in report.data["parts"]][:2]
        ['Scores', 'Calibration of p-values']
        """
        model = self._fitted("report")
        if map not in _MAPS:
            raise ValueError(f"map = {map!r}: expected 'pca' or 'umap'")
        beside, rows, decided, name = _core.Beside(), None, None, None
        if X is not None:
            given, beside = _beside.split(X, model.features)
            rows = self._rows(given, model)
            beside, name = _named(X, beside, ids, rows.shape[0])
            decided = _decided(labels, rows.shape[0])
        elif labels is not None or ids is not None:
            raise ValueError("labels and ids are those of rows: give X, too")
        later = None if current is None else self.decision_function(current)
        asked = {
            "model": type(self).__name__ if model_name is None else model_name,
            "data": _called(data_name, rows),
            "title": title,
            "item": name,
            "seed": seed_of(seed),
            "map": map,
            "top": _at_least_one("top", top),
            "results": [*_paths(monitor), *_paths(bench)],
        }
        page = _core.report_page(
            model, rows, beside, decided, later, json.dumps(asked), threads(self.n_jobs)
        )
        return Report(page)

    def gallery(
        self,
        X: Any,
        *,
        images: Any = None,
        column: str | None = None,
        ids: Any = None,
        classes: Any = None,
        texts: Any = None,
        by_class: bool | Sequence[Any] = False,
        views: bool | Sequence[Any] = False,
        top: int = _SHOWN,
        title: str | None = None,
        model_name: str | None = None,
        data_name: str | None = None,
        seed: Any = 0,
    ) -> Gallery:
        """A page of the most and least certain rows, with their images.

        Each has its score, percentile and p-value, the columns that contribute most, and the
        nearest typical rows. It is the page of ``qualm gallery``, to the byte, where both are
        given the same rows and names.

        Parameters
        ----------
        X : array of shape (n, d)
            Rows, as for :meth:`decision_function`. The other columns of a frame or table stand
            beside each row. An Arrow table keeps what ``qualm embed`` wrote of its rows: which
            column names the image, and how views were drawn.
        images : path, list or array, optional
            The images that the rows are of: a folder, or a file that lists or holds them, where
            `ids` say which is a row's; or one for each row: a list of paths, a uint8 array
            ``(n, height, width, 3)``, or a list of such images, arrays or PIL's.
        column : str, optional
            The column, or array of an ``.npz`` file, of the file `images` that holds them.
        ids : str or array of shape (n,), optional
            What names the image of each row, or the row, as for :meth:`top`.
        classes, texts : str or array of shape (n,), optional
            The class of each row, and its text to show: values, or the name of a column. By
            default the column ``label`` of embeddings, and the first column of long texts.
        by_class : bool or list
            Whether there is a section for each class, for five of them at random where there are
            more than ten; or the classes to show.
        views : bool or list
            Whether there is a section for the views of each of five images at random; or the ids
            of the images to show.
        top : int
            How many rows at either end of a section.
        title : str, optional
            What the page is called; by default 'Most and least certain'.
        model_name, data_name : str, optional
            As for :meth:`report`.
        seed : int, generator or None
            Of the classes and images that are drawn at random.

        Returns
        -------
        Gallery
            Shown by notebooks; ``save(path)`` writes it, ``html`` and ``data`` have it.

        Raises
        ------
        ValueError
            On rows that cannot be scored; on classes, views and images that are asked for and not
            there, or none of which is a row's.
        FileNotFoundError
            When `images` is no path of anything.

        Warns
        -----
        QualmWarning
            When some images cannot be shown; the page lists them.

        Examples
        --------
        >>> import numpy as np, qualm
        >>> rows = np.random.default_rng(0).normal(size=(200, 3))
        >>> rows[7] += 9
        >>> gallery = qualm.KNN().fit(rows).gallery(rows, top=3)
        >>> gallery.data["sections"][0]["least_certain"][0]["id"]
        'row 8'
        """
        model = self._fitted("gallery")
        given, beside = _beside.split(X, model.features)
        rows = self._rows(given, model)
        n_rows = rows.shape[0]
        beside, item = _named(X, beside, ids, n_rows)
        beside, label = _beside.with_given(beside, "classes", classes, n_rows)
        beside, text = _beside.with_given(beside, "texts", texts, n_rows)
        pictures = None if images is None else _images(images)
        asked = {
            "model": type(self).__name__ if model_name is None else model_name,
            "data": _called(data_name, rows),
            "title": title,
            "item": item,
            "class": label,
            "text": text,
            "seed": seed_of(seed),
            "top": _at_least_one("top", top),
            "by_class": by_class is True,
            "classes": _listed(by_class),
            "views": views is True,
            "items": _listed(views),
            "images": pictures if pictures is None or isinstance(pictures, str) else "in memory",
            "column": column,
        }
        page = _core.gallery_page(
            model, rows, beside, pictures, json.dumps(asked), threads(self.n_jobs)
        )
        if page.missing:
            warn(page.missing)
        return Gallery(page)


def _named(X: Any, beside: _core.Beside, ids: Any, n_rows: int) -> tuple[_core.Beside, str | None]:
    """The columns, and the one that names the rows, if any does."""
    if ids is None:
        if beside.item is not None:
            return beside, beside.item
        ids = _beside.index(X)
    return _beside.with_given(beside, "ids", ids, n_rows)


def _decided(labels: Any, n_rows: int) -> list[bool] | None:
    """Labels as truth values."""
    if labels is None:
        return None
    array = np.asarray(labels)
    if array.shape != (n_rows,):
        raise ValueError(
            f"labels has shape {array.shape}, expected ({n_rows},): 1 for each row that is an "
            "outlier, else 0"
        )
    values = array.tolist()
    for number, value in enumerate(values, start=1):
        if value not in (0, 1):
            raise ValueError(
                f"labels, row {number}: found {value!r}, expected 1 for an outlier, else 0; of "
                "scikit-learn's -1 and 1 make labels == -1"
            )
    return [bool(value) for value in values]


def _images(given: Any) -> str | list[str] | list[Any]:
    """Images as the native half takes them."""
    if isinstance(given, (str, os.PathLike)):
        return os.fspath(given)
    if isinstance(given, np.ndarray) and given.dtype.kind not in "OU":
        return list(read_images(given))
    listed = list(given)
    if not any(isinstance(image, (str, os.PathLike)) for image in listed):
        return list(read_images(listed))
    return image_paths(listed)


def _called(name: str | None, rows: _core.Rows | None) -> str:
    if name is not None:
        return name
    n = 0 if rows is None else rows.shape[0]
    return f"{n:,} row{'' if n == 1 else 's'}"


def _listed(asked: bool | Sequence[Any]) -> list[str]:
    """The names that are asked for; none where all are, or none is."""
    if isinstance(asked, bool):
        return []
    names = [asked] if isinstance(asked, str) else asked
    return [str(name) for name in names]


def _paths(given: Path | Iterable[Path]) -> list[str]:
    paths = [given] if isinstance(given, (str, os.PathLike)) else given
    return [os.fspath(path) for path in paths]


def _at_least_one(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} = {value!r}: expected a whole number")
    if value < 1:
        raise ValueError(f"{name} = {value}: expected at least 1")
    return int(value)
