"""What all detectors share: the lifecycle of PyOD, the protocol of scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import numpy.typing as npt

from . import _contamination, _core, _sparse
from ._choice import Names, choice
from ._errors import warn
from ._input import numbered
from ._input import rows as read_rows
from ._pages import Pages
from ._parameters import Encoding, Labels, Missing, Parameters, Unknown
from ._progress import Progress
from ._pyod import Floats, Ints, Lifecycle, Registered
from ._scoring import Scoring, check_labels
from ._shown import Shown
from ._threads import threads
from ._values import seed

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

#: Every detector class by the name of its Spec.
CLASSES: dict[str, type[Detector]] = {}


class Unsupported(TypedDict, total=False):
    """Keywords of other libraries' ``fit``, which may be passed as None.

    They are no parameters of ours: scikit-learn would take a parameter named ``sample_weight``
    for support of weights.
    """

    sample_weight: None


class Fitting(Unsupported, total=False):
    """The keywords of :meth:`Detector.fit`, for what fits and goes on."""

    items: Any
    vector: str | None
    columns: Names | None
    exclude: Names | None
    id: Names | None


class Detector(Scoring, Shown, Pages, Lifecycle, Parameters, Registered):
    """Base class of all detectors. **Higher score = more anomalous.**

    The methods and attributes are those of PyOD's detectors; the protocol around them is
    scikit-learn's, so that ``clone``, pipelines and ``GridSearchCV`` work. Where the two
    differ, PyOD's convention holds: :meth:`predict` gives 0 and 1, :meth:`decision_function` is
    higher for outliers. :meth:`score_samples` has scikit-learn's sign.

    Attributes
    ----------
    decision_scores_ : array of shape (n,)
        Scores of the fitted rows. Detectors of neighbours do not count a row as its own
        neighbour here. After :func:`qualm.load` only if the file was saved with ``scores=True``.
    threshold_ : float
        The score above which a row is an outlier.
    labels_ : array of shape (n,)
        1 for the fitted rows above the threshold, else 0.
    n_features_in_ : int
        Columns of the fitted rows.
    feature_names_in_ : array of shape (d,)
        Their names, where the fitted rows had any.
    spec_ : dict
        The detector's name and the value of every hyper-parameter that was used: after presets,
        and after what the rows decided or did not allow. Each is an attribute, too, with an
        underscore: ``n_neighbors_``.
    warnings_ : list of str
        What its user should know about the fit, as it was warned of.
    diagnostics_ : dict
        What the fit says about itself without labels.
    """

    contamination: Any
    random_state: Any
    n_jobs: int | None
    verbose: int
    labels: Labels
    missing: Missing
    na: Sequence[str]
    encode: Encoding | None
    unknown: Unknown
    max_categories: int | None
    dates: bool
    n_features_in_: int
    feature_names_in_: npt.NDArray[Any]

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "_detector" in vars(cls):
            CLASSES[cls._detector] = cls
            cls._hide_synonyms()

    # ---- fit ------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        items: Any = None,
        vector: str | None = None,
        columns: Names | None = None,
        exclude: Names | None = None,
        id: Names | None = None,
        **unsupported: Unpack[Unsupported],
    ) -> Self:
        """Fits to rows, without labels.

        Parameters
        ----------
        X : array of shape (n, d)
            Anything that NumPy or Arrow can view: an array, a pandas or polars frame (a LazyFrame
            is collected), an Arrow table, a tensor on the CPU, a column of vectors. C-contiguous
            float32 is not copied.
            Finite numbers. Of a frame or table, the only column of vectors, or else all numeric
            columns, are used; a :class:`QualmWarning` names the others. A sparse matrix is made
            dense, with a warning.
        y : ignored
            Present for compatibility with scikit-learn.
        items : array of shape (n,), optional
            The item of each row, by any name or number: rows with the same are views of one
            item, such as crops of an image. :class:`DUM` draws each row of a bag as a random
            view of its item, and does not let views of one item vouch for each other; the other
            detectors take each row for an item of its own, with a warning.
        vector : str, optional
            The column of vectors of a frame or table that is the input, where there are several.
        columns : str or sequence of str, optional
            The columns of a frame or table to use as features, in this order; nothing is said of
            the others. Not together with `vector`.
        exclude : str or sequence of str, optional
            Columns to leave out of the features.
        id : str or sequence of str, optional
            Columns that say which row is which: left out of the features. The model keeps their
            names, and :func:`qualm.score_batches` and the command line carry them through.

            The model remembers its features by name: scoring needs none of these keywords, and
            other columns, ids among them, may be there or not.

            A field of records is called by its path: ``columns="review.stars"``.
        **unsupported
            ``sample_weight=None``, as other libraries pass it. No detector has weights.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            On rows that cannot be fitted: NaN or infinity (named by row and column, counted from
            1), too few, all equal; on a parameter out of its range; on columns that are not there,
            by the nearest name that is.
        TypeError
            On a parameter or on rows of the wrong type; on weights.
        MemoryError
            When the fit would not fit into the memory that is free.
        """
        check_labels(self.labels)
        _check_unsupported(type(self).__name__, unsupported)
        if _sparse.is_sparse(X):
            X = _sparse.whole(X)
        asked = choice(vector, columns, exclude, id)
        rows = read_rows(X, treatment=self._treatment(), choice=asked)
        for note in rows.notes:
            warn(note)
        if rows.shape[0] == 1:
            raise ValueError("1 sample (row) is too few to fit to: give at least two")
        try:
            model = self._fit(rows, _items(items, rows.shape[0]))
        except ValueError as error:
            if rows.shape[1] > 1:
                raise
            raise ValueError(f"{error}; a single column (n_features = 1) may be too few") from None
        if asked.ids:
            model.set_ids(asked.ids)
        self._conclude(model, model.fitted_scores(), rows.notes)
        return self

    def fit_predict(
        self,
        X: Any,
        y: Any = None,
        *,
        labels: Labels | None = None,
        **fitting: Unpack[Fitting],
    ) -> Ints:
        """Fits to rows and decides on them: ``(n,)``, with labels as in :meth:`predict`.

        The other keywords are those of :meth:`fit`.
        """
        return self._named(self.fit(X, **fitting).labels_, labels)

    def _fit(self, rows: _core.Rows, items: Ints | None) -> _core.Model:
        share = _contamination.share(self.contamination)
        request = self._request(*rows.shape)
        arguments = (request, rows, seed(self.random_state), threads(self.n_jobs), share)
        if not self.verbose:
            return _core.fit(*arguments, items=items)
        with Progress(type(self).__name__) as progress:
            return _core.fit(*arguments, progress, items)

    def _conclude(self, model: _core.Model, scores: Floats | None, notes: list[str]) -> None:
        """Ends a fit: the threshold, the model, and warnings as from the caller's caller."""
        if scores is not None:
            threshold = _contamination.threshold(self.contamination, scores, self._detector)
            if threshold is not None:
                model.set_threshold("threshold", threshold)
        self._adopt(model, scores)
        self._notes = notes
        for warning in model.warnings:
            warn(warning)

    def _adopt(self, model: _core.Model, scores: Floats | None) -> None:
        self._model = model
        self._scores = scores
        self._notes = []
        names: list[str] | None = model.features.names
        self.n_features_in_ = model.n_features
        if model.features.treatment is not None:
            # What goes in, not what is made of it.
            names = model.features.columns
            self.n_features_in_ = len(names)
            if names == numbered(len(names)):
                names = None
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_


def _items(items: Any, n_rows: int) -> Ints | None:
    """Numbers for the items of the rows."""
    if items is None:
        return None
    named = np.asarray(items)
    if named.shape != (n_rows,):
        raise ValueError(
            f"items has shape {named.shape}, expected ({n_rows},): the item of each row"
        )
    missing = [item is None or item != item for item in named.tolist()]
    if any(missing):
        row = missing.index(True) + 1
        raise ValueError(f"items has no value in row {row}; every row is a view of some item")
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(item, len(numbers)) for item in named.tolist()], np.int64)


def _check_unsupported(owner: str, keywords: Unsupported) -> None:
    for name, value in keywords.items():
        if name != "sample_weight":
            raise TypeError(f"{owner}.fit() got an unexpected keyword argument {name!r}")
        if value is not None:
            raise TypeError(
                f"{owner} has no sample weights (sample_weight): repeat rows for whole-number "
                "weights w, as in X[numpy.repeat(numpy.arange(len(X)), w)], or fit to n rows "
                "drawn by them, as in "
                "X[numpy.random.default_rng(0).choice(len(X), n, p=w / w.sum())]"
            )
